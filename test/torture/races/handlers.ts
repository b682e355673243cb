/**
 * The handlers of a world's services: each checks that its timer may fire now, and then does something at random, in one
 * go or over several steps.
 *
 * - A timer that fires stands in the model, as it is told; it is due; and none that is known stands before it.
 * - No other handler of its service runs, and none once `close` has resolved.
 */
import { type Domain, type Id, isBefore, nameOf, queueName, type Timer } from './model.ts'
import { DOMAINS, KEYS, payloadOf, type ServiceName, type World } from './world.ts'

interface Given extends Id {
  payload: unknown
}

interface ContextQueue {
  register(timer: Id & { payload: object }): Promise<boolean>
  delete(timer: Id): Promise<boolean>
  has(timer: Id): Promise<boolean>
  deleteAll(selection: { key: string; namespace?: string }): Promise<number>
  replace(timer: Id & { payload: object }): Promise<number[]>
}

interface Context {
  eventTime: ContextQueue
  processingTime: ContextQueue
  lateByMs: number
}

const FAILING = 0.08

/** What may have been committed, or not: a handler that settled while the store closed without it. */
export interface Late {
  name: string
  timer: Timer
  calls: readonly (() => void)[]
}

/** A call that a handler made on its context. */
interface Made {
  answer: Promise<unknown>
  label: string
  /** Whether it is about all timers of a key, or of a key and namespace. */
  isOfRange: boolean
}

/** The handlers of one opening of the store. */
export class Handlers {
  readonly #world: World
  readonly #running = new Set<string>()
  /** Timers whose handlers failed, and that wait to be tried again. */
  readonly #waiting = new Set<number>()
  readonly late: Late[] = []
  /** The store is closed: what still runs is of no effect. */
  isOver = false
  fired = 0
  /** Handlers that failed, by service. */
  readonly failed = new Map<string, number>()

  constructor(world: World) {
    this.#world = world
  }

  get isAnyRunning(): boolean {
    return this.#running.size > 0
  }

  run(service: string, domain: Domain, given: Given, context: Context): unknown {
    const world = this.#world
    const name = queueName(service, domain)
    const timer = this.#check(name, service, domain, given, context)
    if (timer === undefined) return undefined
    this.fired++
    const fails = world.mayFail && world.chance(FAILING)
    const calls: (() => void)[] = []
    if (world.chance(0.4)) {
      if (fails) {
        this.#fail(service, domain, timer)
        throw new Error('as planned')
      }
      const made = world.chance(0.5) ? this.#make(service, timer, context, calls) : undefined
      if (made !== undefined) void world.orClosed(made.answer, made.label, this)
      if (made?.isOfRange) this.#succeedAfter(made.answer, service, domain, timer, calls)
      else this.#succeed(name, timer, calls)
      return undefined
    }
    this.#running.add(service)
    return (async () => {
      for (let left = 1 + world.pick(3); left > 0; left--) {
        await world.scheduler.step('handler', `${name} goes on`)
        if (world.chance(0.6)) await this.#act(service, timer, context, calls)
      }
      await world.scheduler.step('handler', `${name} ends`)
      this.#running.delete(service)
      if (fails) {
        this.#fail(service, domain, timer)
        throw new Error('as planned')
      }
      this.#succeed(name, timer, calls)
    })()
  }

  #fail(service: string, domain: Domain, timer: Timer): void {
    this.failed.set(service, (this.failed.get(service) ?? 0) + 1)
    if (domain === 'processingTime') this.#waiting.add(timer.order)
  }

  #succeed(name: string, timer: Timer, calls: readonly (() => void)[]): void {
    const { model, scheduler, isClosing } = this.#world
    if (this.isOver) return
    this.#waiting.delete(timer.order)
    if (isClosing && scheduler.hasLostPatience) this.late.push({ name, timer, calls })
    else model.fire(name, timer, calls)
  }

  /** What it did not await of a whole key is answered before it counts as settled. */
  #succeedAfter(
    answer: Promise<unknown>,
    service: string,
    domain: Domain,
    timer: Timer,
    calls: readonly (() => void)[],
  ): void {
    this.#running.add(service)
    const end = () => this.#running.delete(service)
    answer.then(
      () => {
        end()
        this.#succeed(queueName(service, domain), timer, calls)
      },
      () => {
        end()
        this.#fail(service, domain, timer)
      },
    )
  }

  /** The timer as the model has it. */
  #check(name: string, service: string, domain: Domain, given: Given, context: Context): Timer | undefined {
    const { model, clock } = this.#world
    const told = `${name} ${nameOf(given)}`
    const require = (holds: boolean, what: string) => this.#world.require(holds, `${told} fired ${what}`)
    require(!this.isOver, 'when the store was closed')
    require(!this.#running.has(service), 'while another handler of its service ran')
    const timer = model.queue(name).get(nameOf(given))
    require(timer !== undefined, 'although it was not there')
    if (timer === undefined) return undefined
    require(timer.payload ===
      payloadOf(given.payload), `with payload ${payloadOf(given.payload)}, not ${timer.payload}`)
    const bound = domain === 'eventTime' ? this.#watermark(service as ServiceName) : clock.nowMs
    require(timer.timestamp <= bound, `at ${bound}: early`)
    require(context.lateByMs >= 0, `late by ${context.lateByMs}`)
    for (const other of model.due(name)) {
      if (!isBefore(other, timer)) break
      const isKnown = other.madeAt <= model.durable || other.byHandlerOf === name
      if (isKnown && !this.#waiting.has(other.order)) require(false, `before ${nameOf(other)}, which stands`)
    }
    return timer
  }

  /** No more than was asked for, and durable. */
  #watermark(service: ServiceName): number {
    const { model, store } = this.#world
    return Math.min(model.watermark(service), store.stats().services[service]!.watermark)
  }

  /** A call through the context, or past it; resolves when it is answered. */
  async #act(service: string, timer: Timer, context: Context, calls: (() => void)[]): Promise<void> {
    const made = this.#make(service, timer, context, calls)
    if (made !== undefined) await this.#world.orClosed(made.answer, made.label, this)
  }

  /** Makes a call; undefined: past the context. */
  #make(service: string, timer: Timer, context: Context, calls: (() => void)[]): Made | undefined {
    const world = this.#world
    const { model } = world
    const domain = world.oneOf(DOMAINS)
    const target = queueName(service, domain)
    const id: Id = {
      key: world.oneOf(KEYS),
      namespace: timer.namespace,
      timestamp: timer.timestamp + (world.chance(0.3) ? 0 : world.pick(4) - 1),
    }
    const payload = world.pick(3)
    const queue = context[domain]
    const kind = world.pick(10)
    let answer: Promise<unknown>
    if (kind < 4) {
      answer = queue.register({ ...id, payload: world.stored(payload) })
      calls.push(() => model.register(target, { ...id, payload }))
    } else if (kind < 6) {
      answer = queue.delete(id)
      calls.push(() => model.delete(target, id))
    } else if (kind < 7) {
      answer = queue.deleteAll({ key: id.key })
      calls.push(() => model.deleteAll(target, { key: id.key }))
    } else if (kind < 8) {
      answer = queue.replace({ ...id, payload: world.stored(payload) })
      calls.push(() => model.replace(target, { ...id, payload }))
    } else {
      this.#callPast(service as ServiceName, domain, world.chance(0.5) ? timer : id, payload)
      return undefined
    }
    return { answer, label: `context of ${target}`, isOfRange: kind === 6 || kind === 7 }
  }

  /** A call as any other caller's, made while the handler runs. */
  #callPast(service: ServiceName, domain: Domain, { key, namespace, timestamp }: Id, payload: number): void {
    const { model, services, call, stored } = this.#world
    const name = queueName(service, domain)
    const queue = services.get(service)?.[domain]
    if (queue === undefined || this.isOver) return
    const id = { key, namespace, timestamp }
    const register = () => queue.register({ ...id, payload: stored(payload) })
    void call.call(
      this.#world,
      `handler ${name}`,
      'register',
      () => model.register(name, { ...id, payload }),
      register,
    )
  }
}
