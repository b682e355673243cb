/**
 * One store under the scheduler, beside the model of what it must hold: every call is made to both, and every answer,
 * every firing and every reading is compared.
 *
 * - Callers make their calls when the scheduler releases them, one caller at a time: so the order of making is known.
 * - A call made before `close` succeeds; one made after it rejects with TIDEMARK_CLOSED; what takes longer than a commit (a
 *   drain, a checkpoint, a listing) may end with either.
 */
import { z } from 'zod'
import { type Clock, type SnapshotTimer, TidemarkError, TimerStore } from '../../../src/index.ts'
import { MemoryPlatform } from '../../support/memoryplatform.ts'
import { Handlers, type Late } from './handlers.ts'
import { type MemoryFiles, steppedFiles } from './memoryfiles.ts'
import { type Domain, lineOf, Model, queueName } from './model.ts'
import type { Scheduler } from './scheduler.ts'

export const SERVICES = ['a', 'b'] as const
export const DOMAINS = ['eventTime', 'processingTime'] as const
export const KEYS = ['k0', 'k1', 'k2'] as const
export const NAMESPACES = ['', 'n'] as const
/** Payloads from here on are bulky: a few of them are more log than a store keeps. */
export const FIRST_BULKY = 1000
const PAD = 'x'.repeat(50_000)
const ENGINE = { writeBufferBytes: 64 * 1024 }
export const STORE = '/store'
export const CHECKPOINTS = ['/checkpoints', '/elsewhere'] as const
/** Of the schedule. */
export const PERIODIC = '/periodic'

export type Store = Awaited<ReturnType<typeof TimerStore.openOn>>
export type ServiceName = (typeof SERVICES)[number]
type Started = Awaited<ReturnType<typeof startService>>

/** Codes of what a store that closes may tell whoever waits for more than a commit. */
const CLOSING = new Set(['TIDEMARK_CLOSED', 'TIDEMARK_CHECKPOINT_ABORTED'])

export function codeOf(error: unknown): string {
  return error instanceof TidemarkError
    ? error.code
    : `not an error of Tidemark: ${(error as Error)?.stack ?? error}`
}

/** Each generation stores its payloads in another way: a service of the one before is migrated. */
function startService(store: Store, name: string, generation: number, handlers: Handlers) {
  const handler = (domain: Domain) => (timer: never, context: never) =>
    handlers.run(name, domain, timer, context)
  return store.service(name, {
    payload: z.object({ [`of${generation}`]: z.int(), pad: z.string().optional() }) as z.ZodType<Payload>,
    onEventTime: handler('eventTime') as never,
    onProcessingTime: handler('processingTime') as never,
    migrate: ({ key, namespace, payload }) => ({
      key: String(key),
      namespace: String(namespace),
      payload: storedAs(generation, payloadOf(payload)),
    }),
  })
}

type Payload = Record<string, number | string>

/** A payload as services of a generation store it; a bulky one fills the log. */
function storedAs(generation: number, payload: number): Payload {
  return { [`of${generation}`]: payload, ...(payload < FIRST_BULKY ? {} : { pad: PAD }) }
}

export function payloadOf(payload: unknown): number {
  return Object.values(payload as Payload)[0] as number
}

/** A clock whose wake-ups are steps: they come late or early. It never goes back. */
class SteppedClock implements Clock {
  nowMs = 0
  readonly #scheduler: Scheduler

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  now(): number {
    return this.nowMs
  }

  schedule(_: number, release: () => void): () => void {
    return this.#scheduler.add({ kind: 'wake', label: 'wake', release })
  }
}

export interface Checkpoint {
  path: string
  kind: string
  lines: string[]
}

export class World {
  readonly scheduler: Scheduler
  readonly random: () => number
  readonly model = new Model()
  readonly clock: SteppedClock
  readonly files: MemoryFiles
  readonly platform: MemoryPlatform
  /** Those of the store that is open. */
  handlers!: Handlers
  /** Those of the stores before. */
  readonly past: Handlers[] = []
  readonly checkpoints: Checkpoint[] = []
  /** What the checkpoints of the schedule have, each by the number in its metadata. */
  readonly periodic: string[][] = []
  /** Whether a schedule takes checkpoints. */
  isScheduled = false
  readonly services = new Map<string, Started>()
  store!: Store
  /** `close` was called. */
  isClosing = false
  /** Whether handlers fail now and then. */
  mayFail = true
  /** How payloads are stored by the services that were started last. */
  generation = 0
  /** Calls under way. */
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(scheduler: Scheduler, random: () => number, files: MemoryFiles) {
    this.scheduler = scheduler
    this.random = random
    this.files = files
    this.clock = new SteppedClock(scheduler)
    const delay = (operation: 'read' | 'write') => scheduler.step(operation, operation)
    this.platform = new MemoryPlatform(steppedFiles(files, scheduler), delay)
  }

  pick(below: number): number {
    return Math.floor(this.random() * below)
  }

  oneOf<T>(choices: readonly T[]): T {
    return choices[this.pick(choices.length)]!
  }

  chance(share: number): boolean {
    return this.random() < share
  }

  /** A payload as it is stored now. */
  readonly stored = (payload: number): Payload => storedAs(this.generation, payload)

  async open(): Promise<void> {
    const { clock } = this
    const opening = TimerStore.openOn(this.platform, STORE, {
      durability: 'os',
      clock,
      maxParallelism: 8,
      engine: ENGINE,
    })
    this.store = await this.scheduler.awaits(opening, 'open')
    this.isClosing = false
    this.store.on('error', (error) => {
      if (error.code !== 'TIDEMARK_HANDLER_FAILED') this.scheduler.fail(error)
    })
    this.services.clear()
    this.isScheduled = false
    this.handlers = new Handlers(this)
    this.scheduler.hasLostPatience = false
    await this.#settleLate()
    this.model.durable = this.model.made
  }

  /** Finds out which of the handlers that a close did not wait for were committed before it. */
  async #settleLate(): Promise<void> {
    const late = this.past.at(-1)?.late ?? []
    if (late.length === 0) return
    const stored = (await linesIn(this.store)).join()
    for (const undo of this.outcomesOf(late)) {
      if (this.model.lines().join() === stored) return
      undo()
    }
    this.require(false, `what is stored follows from no outcome of ${late.length} late handlers`)
  }

  /** The model after each outcome of late handlers, until it is undone. */
  *outcomesOf(late: readonly Late[]): Generator<() => void> {
    for (let chosen = 0; chosen < 2 ** late.length; chosen++) {
      const applied = late.filter((_, i) => (chosen >> i) % 2 === 1)
      yield this.model.try(() => {
        for (const { name, timer, calls } of applied) this.model.fire(name, timer, calls)
      })
    }
  }

  /** Starts a service, of another generation with its timers converted; it is not there where the store closed meanwhile. */
  async start(name: ServiceName): Promise<void> {
    this.model.begin()
    const starting = startService(this.store, name, this.generation, this.handlers)
    const started = await this.orClosed(starting, `start of ${name}`)
    if (started !== undefined) this.services.set(name, started)
  }

  /** A call of the caller `who`, made now: it answers what the model does, unless the store is closing already. */
  call<T>(who: string, what: string, expect: () => T, make: () => Promise<T>): Promise<void> {
    const label = `${who}: ${what}`
    if (this.isClosing) return this.#refused(make(), label)
    const at = this.model.begin()
    const expected = JSON.stringify(expect())
    const checked = make().then(
      (answer) => {
        this.model.acknowledge(at)
        this.require(
          JSON.stringify(answer) === expected,
          `${label} answered ${JSON.stringify(answer)}, not ${expected}`,
        )
      },
      (error) => this.scheduler.fail(new Error(`${label} rejected with ${codeOf(error)}`, { cause: error })),
    )
    return this.#watch(checked, label)
  }

  async #refused(promise: Promise<unknown>, label: string): Promise<void> {
    const code = await promise.then(() => 'an answer', codeOf)
    this.require(code === 'TIDEMARK_CLOSED', `${label} came after close, and ended with ${code}`)
  }

  /** The outcome of what takes longer than a commit; undefined where the store closed meanwhile. */
  async orClosed<T>(promise: Promise<T>, label: string, handlers?: Handlers): Promise<T | undefined> {
    const guarded = promise.catch((error) => {
      if ((this.isClosing || handlers?.isOver) && CLOSING.has(codeOf(error))) return undefined
      throw new Error(`${label} rejected with ${codeOf(error)}`, { cause: error })
    })
    return this.#watch(guarded, label)
  }

  #watch<T>(promise: Promise<T>, label: string): Promise<T> {
    this.#underWay.add(promise)
    const end = () => this.#underWay.delete(promise)
    promise.then(end, (error) => {
      end()
      this.scheduler.fail(error)
    })
    return this.scheduler.awaits(promise, label)
  }

  /** Resolves when every call has settled. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled([...this.#underWay])
  }

  async close(): Promise<void> {
    const closing = this.store.close()
    this.isClosing = true
    await this.scheduler.awaits(closing, 'close')
    this.handlers.isOver = true
    this.past.push(this.handlers)
    const mayRun = this.scheduler.hasLostPatience
    this.require(mayRun || !this.handlers.isAnyRunning, 'a handler ran when close resolved')
  }

  require(holds: boolean, message: string): void {
    if (!holds) this.scheduler.fail(new Error(message))
  }

  requireSame(found: readonly string[], expected: readonly string[], what: string): void {
    if (JSON.stringify(found) === JSON.stringify(expected)) return
    const missing = expected.filter((line) => !found.includes(line))
    const more = found.filter((line) => !expected.includes(line))
    this.scheduler.fail(
      new Error(`${what}: missing ${JSON.stringify(missing)}, not expected ${JSON.stringify(more)}`),
    )
  }

  /** What a queue says of its count is what it had at some moment since the last answer. */
  checkCounts(): void {
    // Whether a handler that a close does not wait for is committed, the next opening tells.
    if (this.isClosing && this.scheduler.hasLostPatience) return
    for (const name of SERVICES) {
      const service = this.services.get(name)
      if (service === undefined) continue
      for (const domain of DOMAINS) {
        const legal = this.model.counts(queueName(name, domain))
        const { count } = service[domain]
        this.require(legal.has(count), `count of ${name} ${domain} is ${count}, not one of ${[...legal]}`)
      }
    }
  }
}

/** Everything in a store, as lines of the model. */
export async function linesIn(store: Store): Promise<string[]> {
  const lines: string[] = []
  const snapshot = await store.snapshot()
  for await (const timer of snapshot.timers()) lines.push(lineOfStored(timer))
  await snapshot.release()
  return lines.sort()
}

export function lineOfStored({ service, domain, key, namespace, timestamp, payload }: SnapshotTimer): string {
  const id = { key: String(key), namespace: String(namespace), timestamp }
  return lineOf(queueName(service, domain), { ...id, payload: payloadOf(payload) })
}
