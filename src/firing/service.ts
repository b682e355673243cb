/**
 * Firing one service: its two queues, whose handlers never run at once, and its drains, one after the other.
 */
import { TidemarkError } from '../errors.ts'
import type { ServiceState } from '../log/state.ts'
import type { AnyHandler } from './handler.ts'
import { QueueFiring, type QueueFiringParts } from './queue.ts'

export interface Handlers {
  onEventTime?: AnyHandler
  onProcessingTime?: AnyHandler
}

/** Runs one thing after the other, in the order in which they were asked for. */
class Turnstile {
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  async run<T>(run: () => Promise<T>): Promise<T> {
    const before = this.#last
    const mine = this.#waiting++ === 0 ? run() : before.then(run, run)
    this.#last = mine
    try {
      return await mine
    } finally {
      this.#waiting--
    }
  }
}

export class ServiceFiring {
  readonly eventTime: QueueFiring | undefined
  readonly processingTime: QueueFiring | undefined
  readonly #service: ServiceState
  readonly #parts: QueueFiringParts
  readonly #handlerTurns = new Turnstile()
  readonly #drains = new Turnstile()
  #pass: Promise<void> | undefined
  #passAgain = false

  constructor(parts: QueueFiringParts, service: ServiceState, handlers: Handlers) {
    this.#parts = parts
    this.#service = service
    const { onEventTime, onProcessingTime } = handlers
    this.eventTime = onEventTime && new QueueFiring(parts, service.eventTime, onEventTime, 'stop')
    this.processingTime =
      onProcessingTime && new QueueFiring(parts, service.processingTime, onProcessingTime, 'retry')
  }

  /** Fires the event-time timers at or below the watermark; rejects with TIDEMARK_HANDLER_FAILED, or _CLOSED half-way. */
  async drainEventTime(): Promise<number> {
    const queue = this.eventTime
    if (queue === undefined) return 0
    return this.#drains.run(async () => {
      const bound = this.#service.appliedWatermark
      const fired = await queue.drain(
        () => bound,
        (run) => this.#handlerTurns.run(run),
      )
      // A page that nobody has read may hold what is due.
      if (this.#parts.isEnding() && (queue.window.needsPage || queue.nextDueMs() <= bound)) {
        throw new TidemarkError(
          'TIDEMARK_CLOSED',
          `the store was closed while service '${this.#service.name}' fired: the rest fires at the next advanceWatermark`,
        )
      }
      return fired
    })
  }

  /**
   * Fires the processing-time timers that are due, until none is; removals may be under way then. A call during a pass
   * makes it go on.
   */
  passProcessingTime(): Promise<void> {
    const queue = this.processingTime
    if (queue === undefined) return Promise.resolve()
    this.#passAgain = true
    this.#pass ??= this.#runPasses(queue).finally(() => {
      this.#pass = undefined
    })
    return this.#pass
  }

  async #runPasses(queue: QueueFiring): Promise<void> {
    while (this.#passAgain && !this.#parts.isEnding()) {
      this.#passAgain = false
      await queue.pass(this.#parts.now, (run) => this.#handlerTurns.run(run))
    }
  }

  /** Whether a pass over processing time is under way, or removals of it are. */
  get isFiring(): boolean {
    return this.#pass !== undefined || this.processingTime?.isSettling === true
  }

  /** Resolves when no drain and no pass is under way. */
  async settled(): Promise<void> {
    await this.#drains.run(async () => {})
    await this.#pass?.catch(() => {})
  }

  /** Whether the caller is a handler of this service. */
  isCalledByHandler(): boolean {
    return this.eventTime?.isCalledByHandler() === true || this.processingTime?.isCalledByHandler() === true
  }

  /** When the next processing-time timer is due; -Infinity: a page must be read to know. */
  nextDueMs(): number {
    const queue = this.processingTime
    if (queue === undefined) return Number.POSITIVE_INFINITY
    return queue.window.needsPage ? Number.NEGATIVE_INFINITY : queue.nextDueMs()
  }
}
