// A store and the oracle, side by side: every command is done to both, and what they hold and fire is compared.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { keyGroupRange, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { copyAsCrashed } from '../support/crash.ts'
import { eventually } from '../support/eventually.ts'
import { lines } from '../support/picture.ts'
import { rejects } from '../support/refusals.ts'
import { all, openStore, type Store, verified } from '../support/store.ts'
import type { Action, Command, Domain, Item, Payload, Service } from './commands.ts'
import { type Cut, linesOf, Oracle } from './oracle.ts'
import { perform, performOutside, type Queues, told } from './perform.ts'

export const definition = {
  payload: z
    .object({
      id: z.int(),
      fails: z.int().optional(),
      does: z.array(z.any()).optional(),
      outside: z.array(z.any()).optional(),
    })
    .optional() as z.ZodType<Payload | undefined>,
}

type RealService = Awaited<ReturnType<typeof start>>
type Snapshot = Awaited<ReturnType<Store['snapshot']>>

type Opening = Command & { kind: 'reopen' | 'crash' }

/** A timestamp of a timer that only advanceToTheEnd and clockToTheEnd reach, and no handler touches. */
const farAhead = 10_000

interface Fired {
  key: string
  namespace: string
  timestamp: number
  payload?: Payload
}

function start(store: Store, name: Service, handler: (domain: Domain) => object) {
  const handlers = { onEventTime: handler('eventTime'), onProcessingTime: handler('processingTime') }
  return store.service(name, name === 'bare' ? definition : { ...definition, ...(handlers as object) })
}

export class World {
  readonly #clock = new ManualClock(0)
  readonly #oracle = new Oracle()
  readonly #parent: string
  #directories = 0
  #directory: string
  #store!: Store
  #services = new Map<Service, RealService>()
  #snapshots: { snapshot: Promise<Snapshot>; expected: string[] }[] = []
  #checkpoints: { path: Promise<string>; cut: Cut; position: number }[] = []
  #fired: Record<string, string[]> = {}
  readonly #failures = new Map<string, number>()
  readonly #errors: unknown[] = []
  readonly #outside: unknown[] = []

  constructor(parent: string) {
    this.#parent = parent
    this.#directory = this.#newDirectory()
  }

  #newDirectory(): string {
    return join(this.#parent, `store-${this.#directories++}`)
  }

  async run(commands: readonly Command[]): Promise<void> {
    try {
      await this.#open(true)
      for (const command of commands) {
        await this.#do(command)
        await this.#compare()
      }
      await this.#end()
    } finally {
      await this.#store?.close()
    }
  }

  async #open(startSide: boolean, hurry = false): Promise<void> {
    this.#store = await openStore(this.#directory, { clock: this.#clock })
    this.#store.on('error', (error) => this.#errors.push(error))
    this.#services = new Map()
    for (const name of ['main', 'side', 'bare'] as const) {
      const starts = name !== 'side' || startSide || this.#oracle.services.side === undefined
      if (starts) await this.#start(name)
      else this.#oracle.start(name, false)
    }
    // Where something is overdue, what comes next would race with its handlers.
    if (!hurry || this.#oracle.settle() > 0) await this.#settle()
  }

  async #start(name: Service): Promise<void> {
    this.#oracle.start(name, name !== 'bare')
    if (this.#services.has(name)) return
    const handler = (domain: Domain) => (timer: Fired, context: object) =>
      this.#handle(name, domain, timer, context as Queues & { lateByMs: number })
    this.#services.set(name, await start(this.#store, name, handler))
  }

  async #handle(
    name: Service,
    domain: Domain,
    timer: Fired,
    context: Queues & { lateByMs: number },
  ): Promise<void> {
    const identity = JSON.stringify([name, domain, timer.key, timer.namespace, timer.timestamp])
    const failures = this.#failures.get(identity) ?? 0
    const fails = domain === 'eventTime' && failures < (timer.payload?.fails ?? 0)
    const { eventTime, processingTime, lateByMs } = context
    const watermark = this.#store.stats().services[name]!.watermark
    const moment = { watermark, nowMs: this.#clock.now() }
    const queues = { eventTime, processingTime, ...moment }
    const service = this.#services.get(name)!
    for (const action of timer.payload?.outside ?? []) {
      const calls = { eventTime: service.eventTime, processingTime: service.processingTime, ...moment }
      const call = performOutside(calls as Queues, domain, timer, action)
      // A change of the timer itself is there when its handler settles: so it is next. Nothing waits for the others.
      if (action.call === 'has') await call
      else this.#outside.push(call)
    }
    const answers: unknown[] = []
    for (const action of timer.payload?.does ?? []) {
      answers.push(await perform(queues, domain, timer.timestamp, action))
    }
    this.#fired[`${name} ${domain}`] ??= []
    this.#fired[`${name} ${domain}`]!.push(told(timer, lateByMs, answers, fails))
    if (!fails) return
    this.#failures.set(identity, failures + 1)
    throw new Error('as planned')
  }

  /** Fires, here and there, what is due by the clock. */
  async #settle(): Promise<void> {
    this.#oracle.settle()
    await this.#clock.advanceBy(0)
    await Promise.all(this.#outside.splice(0))
  }

  async #compare(): Promise<void> {
    assert.equal(this.#fired, this.#oracle.fired)
    const { services, runningSnapshots } = this.#store.stats()
    const expected = Object.entries(this.#oracle.services).map(
      ([name, { watermark, eventTime, processingTime }]) => [
        name,
        { watermark, eventTime: eventTime.size, processingTime: processingTime.size },
      ],
    )
    assert.equal(services, Object.fromEntries(expected))
    if (this.#checkpoints.length === 0) assert.is(runningSnapshots, this.#snapshots.length)
    assert.equal(this.#errors, [])
  }

  async #do(command: Command): Promise<void> {
    switch (command.kind) {
      case 'calls':
        return this.#calls(command)
      case 'registerDue':
        return this.#registerDue(command)
      case 'advance':
        return this.#advance(command.service, command.by)
      case 'advanceToTheEnd':
        return this.#advance(command.service, Number.MAX_SAFE_INTEGER)
      case 'clock':
        this.#oracle.nowMs += command.by
        await this.#clock.advanceBy(command.by)
        return this.#settle()
      case 'clockToTheEnd':
        this.#oracle.nowMs += 30_000
        await this.#clock.advanceBy(30_000)
        return this.#settle()
      case 'during':
        return this.#during(command)
      case 'bulk':
        return this.#bulk(command)
      case 'read':
        return this.#read(command.which, command.service)
      case 'release':
        return this.#release(command.which, command.twice)
      case 'list':
        return this.#list(command)
      case 'start':
        await this.#start('side')
        return this.#settle()
      case 'verify':
        return verified(this.#store)
      case 'compact':
        return this.#store.compact()
      case 'reopen':
        return this.#reopen(command)
      case 'crash':
        return this.#crash(command)
      case 'restore':
        return this.#restore(command)
    }
  }

  async #calls({ items, awaited, advance }: Command & { kind: 'calls' }): Promise<void> {
    const answers: unknown[] = []
    const expected: unknown[] = []
    for (const item of items) {
      const outcome = this.#item(item)
      if (outcome === undefined) continue
      expected.push(outcome.expected)
      answers.push(awaited ? await outcome.answer : outcome.answer)
    }
    const advanced = advance === undefined ? undefined : this.#advance(advance.service, advance.by)
    // Where the answers are wrong already, nobody waits for the advance any more.
    advanced?.catch(() => {})
    assert.equal(await Promise.all(answers), expected)
    await advanced
    await this.#settle()
  }

  #item(item: Item): { answer: unknown; expected: unknown } | undefined {
    if (item.kind === 'snapshot') {
      const snapshot = this.#store.snapshot()
      this.#snapshots.push({ snapshot, expected: linesOf(this.#oracle.cut()) })
      return { answer: snapshot.then(() => 'cut'), expected: 'cut' }
    }
    if (item.kind === 'checkpoint') return this.#checkpoint(item)
    const service = this.#services.get(item.service)
    if (service === undefined) return undefined
    const action = this.#aim(item)
    const { eventTime, processingTime } = service
    // What is relative is so to what the calls before have led to: the oracle knows it without waiting.
    const { watermark, nowMs } = this.#oracle.queues(item.service)
    const answer = perform({ eventTime, processingTime, watermark, nowMs } as Queues, undefined, 0, action)
    return { answer, expected: perform(this.#oracle.queues(item.service), undefined, 0, action) }
  }

  /** An action on the nth timer that there is. */
  #aim({ service, action, nth }: Item & { kind: 'call' }): Action {
    const timers = nth === undefined ? [] : this.#oracle.due(service, action.domain)
    const timer = timers[nth! % timers.length]
    if (timer === undefined) return action
    const { watermark, nowMs } = this.#oracle.queues(service)
    const base = action.domain === 'eventTime' ? Math.max(watermark, 0) : nowMs + 1
    const at = timer.timestamp - base
    if (action.domain === 'processingTime' && at < 0) return action
    const reached = Math.max(-Number.MAX_SAFE_INTEGER, base + at) === timer.timestamp
    return reached ? { ...action, key: timer.key, namespace: timer.namespace, at } : action
  }

  /** Registered in the past, a processing-time timer is due at once. */
  async #registerDue({ service, key, by, payload }: Command & { kind: 'registerDue' }): Promise<void> {
    const timer = { key, namespace: '', timestamp: this.#oracle.nowMs - by, ...(payload && { payload }) }
    const answer = this.#services.get(service)?.processingTime.register(timer)
    if (answer === undefined) return
    const expected = this.#oracle.queue(service, 'processingTime').register(timer)
    assert.is(await answer, expected)
    await this.#settle()
  }

  async #advance(name: Service, by: number): Promise<void> {
    const service = this.#services.get(name)
    if (service === undefined) return
    const target = Math.min(Number.MAX_SAFE_INTEGER, Math.max(this.#oracle.services[name]!.watermark, 0) + by)
    const answer = service.advanceWatermark(target).then(
      ({ fired }) => fired,
      (error) => error.code,
    )
    const fired = this.#oracle.advance(name, target)
    assert.is(await answer, fired ?? 'TIDEMARK_HANDLER_FAILED')
    await this.#settle()
  }

  async #during({ service: name, domain, by, count }: Command & { kind: 'during' }): Promise<void> {
    const service = this.#services.get(name)
    if (service === undefined || this.#oracle.services[name]!.watermark > farAhead) return
    const firing = domain === 'eventTime' ? this.#advance(name, by) : this.#do({ kind: 'clock', by })
    firing.catch(() => {})
    const { watermark, nowMs } = this.#oracle.queues(name)
    const base = domain === 'eventTime' ? Math.max(watermark, 0) : nowMs
    const timers = Array.from({ length: count }, (_, index) => ({
      key: 'far ahead',
      namespace: '',
      timestamp: base + farAhead + index,
    }))
    const answers = timers.map((timer) => service[domain].register(timer))
    const expected = timers.map((timer) => this.#oracle.queue(name, domain).register(timer))
    assert.equal(await Promise.all(answers), expected)
    await firing
  }

  async #bulk({ service: name, domain, count, spread }: Command & { kind: 'bulk' }): Promise<void> {
    const service = this.#services.get(name)
    if (service === undefined || this.#oracle.services[name]!.watermark > farAhead) return
    const { watermark, nowMs } = this.#oracle.queues(name)
    const base = domain === 'eventTime' ? Math.max(watermark, 0) : nowMs
    const timers = Array.from({ length: count }, (_, index) => ({
      key: `bulk ${index % 7}`,
      namespace: '',
      timestamp: base + 1 + ((index * 31) % spread),
    }))
    const answer = service[domain].registerMany(timers)
    assert.is(await answer, this.#oracle.queue(name, domain).registerMany(timers))
  }

  async #read(which: number, service?: Service): Promise<void> {
    const held = this.#snapshots[which % this.#snapshots.length]
    if (held === undefined) return
    const timers = await all((await held.snapshot).timers(service === undefined ? {} : { service }))
    const expected = held.expected.filter((line) => service === undefined || line.startsWith(`["${service}"`))
    assert.equal(lines(timers), expected)
    const order = timers.map(({ createVersion }) => createVersion)
    assert.ok(order.every((version) => version > 0))
  }

  async #release(which: number, twice: boolean): Promise<void> {
    if (this.#snapshots.length === 0) return
    const [held] = this.#snapshots.splice(which % this.#snapshots.length, 1)
    const snapshot = await held!.snapshot
    await snapshot.release()
    if (twice) await snapshot.release()
  }

  async #list({ service, domain, key, from, to, limit }: Command & { kind: 'list' }): Promise<void> {
    const queue = this.#services.get(service)?.[domain]
    if (queue === undefined) return
    const due = this.#oracle.due(service, domain)
    const told = ({ key, namespace, timestamp }: Fired) => [key, namespace, timestamp]
    const next = await queue.next()
    assert.equal(next && told(next), due[0] && told(due[0]))
    const selected = due.filter((timer) => timer.timestamp >= from && timer.timestamp <= to)
    if (key === undefined) {
      assert.equal((await all(queue.list({ from, to, limit }))).map(told), selected.slice(0, limit).map(told))
      return
    }
    const ofKey = selected.filter((timer) => timer.key === key)
    ofKey.sort((a, b) =>
      a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : a.timestamp - b.timestamp,
    )
    assert.equal((await all(queue.list({ key, from, to, limit }))).map(told), ofKey.slice(0, limit).map(told))
  }

  // The store itself: closed, killed, checkpointed, restored.

  /** What was held by the store that goes: a snapshot of it is read no more, a checkpoint under way is given up. */
  async #letGo(): Promise<void> {
    for (const { snapshot } of this.#snapshots) {
      const held = await snapshot
      await rejects(() => all(held.timers()), 'TIDEMARK_CLOSED')
    }
    this.#snapshots = []
    const done = await Promise.allSettled(this.#checkpoints.map(({ path }) => path))
    for (const outcome of done) {
      if (outcome.status === 'rejected') assert.is(outcome.reason.code, 'TIDEMARK_CHECKPOINT_ABORTED')
    }
    this.#checkpoints = this.#checkpoints.filter((_, index) => done[index]!.status === 'fulfilled')
  }

  async #reopen({ startSide, hurry }: Opening): Promise<void> {
    const { version } = this.#store.stats()
    await this.#store.close()
    await this.#letGo()
    await this.#open(startSide, hurry)
    assert.ok(this.#store.stats().version >= version)
  }

  async #crash({ startSide, hurry }: Opening): Promise<void> {
    const { version } = this.#store.stats()
    const before = this.#directory
    this.#directory = this.#newDirectory()
    await copyAsCrashed(before, this.#directory)
    await this.#store.close()
    await this.#letGo()
    await rm(before, { recursive: true })
    await this.#open(startSide, hurry)
    assert.ok(this.#store.stats().version >= version)
  }

  #checkpoint({ incremental }: Item & { kind: 'checkpoint' }): { answer: unknown; expected: unknown } {
    const position = this.#checkpoints.length
    const cut = this.#oracle.cut()
    const expected = linesOf(cut).length
    const summary = this.#store.checkpoint(join(this.#parent, 'checkpoints'), {
      metadata: { position },
      incremental,
    })
    const path = summary.then((done) => {
      assert.is(done.timers, expected)
      return done.path
    })
    path.catch(() => {})
    this.#checkpoints.push({ path, cut, position })
    return { answer: 'started', expected: 'started' }
  }

  async #restore({ which, goOn, parts }: Command & { kind: 'restore' }): Promise<void> {
    const checkpoint = this.#checkpoints[which % this.#checkpoints.length]
    if (checkpoint === undefined) return
    const path = await checkpoint.path
    const restored: string[] = []
    for (let part = 0; part < parts; part++) {
      const directory = this.#newDirectory()
      const keyGroups = keyGroupRange(128, parts, part)
      const summary = await TimerStore.restore(path, directory, parts === 1 ? {} : { keyGroups })
      assert.equal(summary.metadata, { position: checkpoint.position })
      const store = await openStore(directory, { clock: this.#clock })
      try {
        await verified(store)
        const snapshot = await store.snapshot()
        const timers = await all(snapshot.timers())
        assert.is(summary.timers, timers.length)
        restored.push(...lines(timers))
        await snapshot.release()
        for (const [name, { watermark }] of Object.entries(checkpoint.cut)) {
          assert.is(store.stats().services[name]?.watermark, watermark)
        }
      } finally {
        await store.close()
      }
      if (parts > 1 || !goOn) {
        await rm(directory, { recursive: true })
        continue
      }
      await this.#store.close()
      await this.#letGo()
      this.#directory = directory
      this.#oracle.services = structuredClone(checkpoint.cut)
      await this.#open(true)
    }
    assert.equal(restored.sort(), linesOf(checkpoint.cut))
  }

  async #end(): Promise<void> {
    await verified(this.#store)
    for (let which = 0; which < this.#snapshots.length; which++) await this.#read(which)
    for (const { path } of this.#checkpoints) await path
    while (this.#snapshots.length > 0) await this.#release(0, false)
    await eventually(() => this.#store.stats().retired === 0, 'the purge')
    await verified(this.#store)
    const snapshot = await this.#store.snapshot()
    assert.equal(lines(await all(snapshot.timers())), linesOf(this.#oracle.cut()))
    await snapshot.release()
  }
}
