/**
 * One life of a process: from the opening of its store to a clean close, a failure, or its death. What it calls goes into
 * the ledgers and to the store, and every answer is compared.
 *
 * - Calls are made at the beginning of a turn: after a sleep, never in what follows from an answer.
 */
import { z } from 'zod'
import type { TimerService } from '../../../src/index.ts'
import { type HandlerContext, TidemarkError, type Timer, TimerStore } from '../../../src/index.ts'
import type { TimeDomain } from '../../../src/timer/identity.ts'
import { behave, Planned } from './behaviour.ts'
import { FiringTools } from './firingtools.ts'
import { type Entry, idOf, type QueueLedger, type ServiceLedger, type TimerName } from './ledger.ts'
import type { Machine } from './machine.ts'
import { reconcile } from './reconcile.ts'
import { SERVICES, type ServiceName, type Shop } from './shop.ts'

/** The process that somebody runs in is there no more. */
export class Gone extends Error {}

export type End = 'closed' | 'failed' | 'killed'

const PAYLOAD = z.string().optional()
type Service = TimerService<string, string, string | undefined>
type SimTimer = Timer<string, string, string | undefined>

export class Life {
  readonly shop: Shop
  readonly machine: Machine
  readonly location: string
  store!: TimerStore
  /** How it ended, or begins to end. */
  end: End | undefined
  readonly ended: Promise<End>
  isUp = false
  /** Whether an error of the engine was ordered: then the store may fail. */
  isFaulty = false
  /** Whether it did. */
  hasFailed = false
  readonly upSinceMs = new Map<ServiceName, number>()
  readonly #services = new Map<ServiceName, Service>()
  #onEnd!: (end: End) => void
  #onFire: ((name?: ServiceName) => void) | undefined
  readonly #fired = new Map<QueueLedger, number>()
  readonly #failures = new Map<QueueLedger, number>()
  /** What sleeps in this process, to be woken when it dies. */
  readonly #sleeping = new Set<() => void>()

  constructor(shop: Shop, machine: Machine, location: string) {
    this.shop = shop
    this.machine = machine
    this.location = location
    this.ended = new Promise((resolve) => {
      this.#onEnd = resolve
    })
  }

  /** Opens the store, compares what it holds with the ledgers, and starts the services. */
  async start(durability: 'disk' | 'os'): Promise<void> {
    const { world } = this.shop
    const clock = {
      now: () => world.nowMs,
      schedule: (delayMs: number, wake: () => void) =>
        world.timeout(delayMs, () => this.end === undefined && wake()),
    }
    await this.machine.boot(this.location)
    this.store = await TimerStore.openOn(this.machine.platform, this.location, { clock, durability })
    this.store.on('error', (error) => this.#onError(error))
    const findings = await this.store.verify()
    this.shop.figures.verifies++
    if (findings.length > 0) this.shop.fail(`verify() found ${JSON.stringify(findings)}`)
    const snapshot = await this.store.snapshot()
    const taken = await reconcile(this.shop, this.store, snapshot).catch((error) => {
      if (this.end === undefined && !(error instanceof TidemarkError)) this.shop.fail(error)
      throw error
    })
    await snapshot.release()
    this.shop.figures.takenBack += taken
    for (const name of SERVICES) this.shop.ledgers[name].forgetRuns()
    this.shop.trace.add(`opened ${this.store.stats().version}, ${taken} taken back`)
    for (const name of SERVICES) {
      this.upSinceMs.set(name, world.monoMs)
      this.#services.set(name, await this.#startService(name))
    }
    this.isUp = this.end === undefined
  }

  #startService(name: ServiceName): Promise<Service> {
    const ledger = this.shop.ledgers[name]
    const handler =
      (queue: QueueLedger) => (timer: SimTimer, context: HandlerContext<string, string, string>) =>
        this.#fire(name, ledger, queue, timer, context)
    return this.store.service(name, {
      payload: PAYLOAD,
      onEventTime: handler(ledger.eventTime) as never,
      onProcessingTime: handler(ledger.processingTime) as never,
    }) as Promise<Service>
  }

  service(name: ServiceName): Service {
    return this.#services.get(name)!
  }

  /** Resolves in the turn after the next handler has succeeded, with its service. */
  async nextFire(): Promise<ServiceName> {
    const name = await new Promise<ServiceName | undefined>((resolve) => {
      this.#onFire = resolve
    })
    await this.shop.world.yield()
    this.requireUp()
    return name!
  }

  /** Handlers that succeeded in this life. */
  fired(service: ServiceName, domain: TimeDomain): number {
    return this.#fired.get(this.shop.ledgers[service][domain]) ?? 0
  }

  // How it ends.

  /** The process dies, with all that it had under way. */
  kill(power: boolean): void {
    this.machine.crash(power)
    this.#finish('killed')
  }

  /** Asks for a clean close. */
  close(): void {
    this.#finish('closed')
  }

  #finish(end: End): void {
    if (this.end === 'killed') return
    if (this.end !== undefined && end !== 'killed') return
    this.end = end
    this.isUp = false
    this.shop.trace.add(end)
    if (end === 'killed') {
      for (const wake of this.#sleeping) wake()
      this.#sleeping.clear()
    }
    this.#onFire?.()
    this.#onEnd(end)
  }

  /** Closes the store, however it ended. A clean close loses nothing. */
  async bury(): Promise<void> {
    await this.store?.close().catch((error) => {
      if (this.isFaulty) this.hasFailed = true
      else if (this.end === 'closed') this.shop.fail(error)
    })
    if (this.end === 'closed' && !this.hasFailed) {
      for (const name of SERVICES) this.shop.ledgers[name].settled()
    }
  }

  #onError(error: TidemarkError): void {
    if (this.end === 'killed' || error.code === 'TIDEMARK_HANDLER_FAILED') return
    this.shop.trace.add(`error ${error.code}`)
    if (error.code === 'TIDEMARK_FAILED' && this.isFaulty) this.#failed()
    else this.shop.fail(error)
  }

  #failed(): void {
    this.hasFailed = true
    this.#finish('failed')
  }

  // Time, for those that live in it.

  /** Sleeps; rejects with Gone when the process is up no more. */
  async sleep(delayMs: number): Promise<void> {
    await this.shop.world.sleep(delayMs)
    this.requireUp()
  }

  /** Sleeps in a handler, which may go on while the store closes. */
  async sleepInHandler(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#sleeping.delete(wake)
        resolve()
      }
      this.#sleeping.add(wake)
      this.shop.world.after(delayMs, wake)
    })
    if (this.end === 'killed') throw new Gone()
  }

  requireUp(): void {
    if (!this.isUp) throw new Gone()
  }

  // Calls.

  register(service: ServiceName, domain: TimeDomain, name: TimerName, payload = ''): Promise<boolean> {
    const ledger = this.shop.ledgers[service]
    const make = () => ledger.register(ledger[domain], name, payload)
    return this.#call(ledger, 'register', make, () =>
      this.service(service)[domain].register({ ...name, payload }),
    )
  }

  async registerMany(
    service: ServiceName,
    domain: TimeDomain,
    names: readonly TimerName[],
    payload: string,
  ): Promise<number> {
    this.requireUp()
    const ledger = this.shop.ledgers[service]
    // One after the other: a crash may leave the first of them.
    const made = names.map(
      (name) => ledger.together(() => ledger.register(ledger[domain], name, payload)).answer,
    )
    const make = () => made.filter(Boolean).length
    return this.#call(ledger, 'registerMany', make, () =>
      this.service(service)[domain].registerMany(names.map((name) => ({ ...name, payload }))),
    )
  }

  delete(service: ServiceName, domain: TimeDomain, name: TimerName): Promise<boolean> {
    const ledger = this.shop.ledgers[service]
    const make = () => ledger.delete(ledger[domain], idOf(name))
    return this.#call(ledger, 'delete', make, () => this.service(service)[domain].delete(name))
  }

  replace(service: ServiceName, domain: TimeDomain, name: TimerName, payload = ''): Promise<number[]> {
    const ledger = this.shop.ledgers[service]
    const make = () => ledger.replace(ledger[domain], name, payload)
    return this.#call(ledger, 'replace', make, () =>
      this.service(service)[domain].replace({ ...name, payload }),
    )
  }

  /** Of a key's namespaces, in their order. */
  deleteAll(
    service: ServiceName,
    domain: TimeDomain,
    key: string,
    namespaces: readonly string[],
  ): Promise<number> {
    this.requireUp()
    const ledger = this.shop.ledgers[service]
    const there = namespaces.toSorted().flatMap((namespace) => ledger[domain].of(key, namespace))
    for (const { id } of there) ledger.together(() => ledger.delete(ledger[domain], id))
    return this.#call(
      ledger,
      'deleteAll',
      () => there.length,
      () => this.service(service)[domain].deleteAll({ key }),
    )
  }

  has(service: ServiceName, domain: TimeDomain, name: TimerName): Promise<boolean> {
    const ledger = this.shop.ledgers[service]
    const make = () => ledger[domain].timers.has(idOf(name))
    return this.#call(ledger, 'has', make, () => this.service(service)[domain].has(name))
  }

  /** Returns how many fired; undefined: a handler failed, as planned. */
  async advance(service: ServiceName, watermark: number): Promise<number | undefined> {
    this.requireUp()
    const ledger = this.shop.ledgers[service]
    const { number } = ledger.together(() => ledger.advance(watermark))
    const bound = ledger.watermark
    const failuresBefore = this.#failures.get(ledger.eventTime)
    this.shop.figures.calls++
    let fired: number | undefined
    try {
      fired = (await this.service(service).advanceWatermark(watermark)).fired
    } catch (error) {
      if ((error as TidemarkError).code !== 'TIDEMARK_HANDLER_FAILED') throw this.rejected(error, true)
    }
    ledger.answered(number)
    this.shop.trace.add(`${service} advance ${watermark} ${fired}`)
    if (fired === undefined) {
      // Every plan fails a few times only: as long as each refusal is one of them, the watermark gets on.
      if (this.#failures.get(ledger.eventTime) === failuresBefore)
        this.shop.fail('refused, and no handler failed')
      return undefined
    }
    const left = ledger.eventTime.first((entry) => entry.change <= number && !entry.isRunning)
    if (left !== undefined && left.timestamp <= bound) {
      this.shop.fail(`not fired, and the watermark is ${bound}: ${JSON.stringify(left)}`)
    }
    return fired
  }

  async #call<T>(ledger: ServiceLedger, what: string, make: () => T, ask: () => Promise<T>): Promise<T> {
    this.requireUp()
    const { answer: expected, number } = ledger.together(make)
    this.shop.figures.calls++
    let answer: T
    try {
      answer = await ask()
    } catch (error) {
      throw this.rejected(error, false)
    }
    ledger.answered(number)
    this.shop.trace.add(`${ledger.name} ${what} ${answer}`)
    if (JSON.stringify(answer) !== JSON.stringify(expected)) {
      this.shop.fail(`${ledger.name}: ${what} answered ${answer}, not ${expected}`)
    }
    return answer
  }

  /** What becomes of a caller whose call was rejected. `mayClose`: the close of the store may have come before its end. */
  rejected(error: unknown, mayClose: boolean): Error {
    const { code } = error as TidemarkError
    if (this.end === 'killed') return new Gone()
    if (code === 'TIDEMARK_FAILED' && this.isFaulty) this.#failed()
    else if (!(code === 'TIDEMARK_CLOSED' && mayClose && this.end !== undefined)) this.shop.fail(error)
    return new Gone()
  }

  // Handlers.

  #fire(
    name: ServiceName,
    ledger: ServiceLedger,
    queue: QueueLedger,
    timer: SimTimer,
    context: HandlerContext<string, string, string>,
  ): Promise<void> | undefined {
    if (this.end === 'killed') throw new Gone()
    const { shop } = this
    const entry = shop.check(() => this.#starting(name, ledger, queue, timer, context))
    shop.busy[name].begin()
    entry.isRunning = true
    const tools = new FiringTools(shop, ledger, queue, entry, context)
    const ended = (error?: unknown) => {
      if (this.end === 'killed') throw new Gone()
      shop.busy[name].end()
      entry.isRunning = false
      if (error === undefined) {
        shop.figures.fires++
        this.#onFire?.(name)
        this.#fired.set(queue, (this.#fired.get(queue) ?? 0) + 1)
        tools.settle()
        return
      }
      // A context reads the engine, and an error that was ordered may meet it there.
      if (!(error instanceof Planned) && !this.isFaulty) shop.fail(error)
      shop.figures.failures++
      entry.failures++
      this.#failures.set(queue, (this.#failures.get(queue) ?? 0) + 1)
      if (queue.domain === 'processingTime') ledger.waits(entry)
      throw error
    }
    let running: Promise<void> | undefined
    try {
      running = behave(this, name, queue.domain, entry, tools)
    } catch (error) {
      ended(error)
    }
    if (running !== undefined) return running.then(() => ended(), ended)
    ended()
    return undefined
  }

  #starting(
    name: ServiceName,
    ledger: ServiceLedger,
    queue: QueueLedger,
    timer: SimTimer,
    { lateByMs, attempt }: HandlerContext<string, string, string>,
  ): Entry {
    const entry = queue.timers.get(idOf(timer))
    const what = `${name} ${queue.domain} ${JSON.stringify(timer)}`
    this.shop.trace.add(`fires ${what} ${attempt}`)
    if (entry === undefined) throw new Error(`fired, and is not registered: ${what}`)
    if (timer.payload !== entry.payload) throw new Error(`fired with another payload: ${what}`)
    const bound = queue.domain === 'eventTime' ? ledger.watermark : this.shop.world.nowMs
    if (queue.domain === 'processingTime' && lateByMs !== bound - timer.timestamp)
      throw new Error(`late by ${lateByMs} ms, it is told, and not ${bound - timer.timestamp}: ${what}`)
    if (attempt !== entry.failures + 1)
      throw new Error(`attempt ${attempt}, not ${entry.failures + 1}: ${what}`)
    this.shop.checker.starting(ledger, queue, entry, this.upSinceMs.get(name)!, this.shop.busy[name])
    return entry
  }
}
