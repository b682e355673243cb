/**
 * Firing a store: every started service, and one wake-up for the earliest processing-time timer of all.
 *
 * - The wake-up is never further away than MAX_WAKE_UP_MS, and the clock is read again each time: no jump of the clock,
 *   no suspended machine leaves a due timer waiting longer.
 * - Closing starts no further handler and waits for those that run; one that does not settle in time keeps its timer. A
 *   store that has failed starts none either: what they did could not be written.
 */
import { type Clock, inNextTurn, scheduleOn } from '../clock.ts'
import type { Engine } from '../engine/engine.ts'
import { TidemarkError } from '../errors.ts'
import { CLOSE_HANDLER_GRACE_MS, MAX_WAKE_UP_MS } from '../limits.ts'
import type { Commit } from '../log/events.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import type { RecentTimers } from '../log/recent.ts'
import type { ServiceState, StoreState } from '../log/state.ts'
import type { TimerCodec } from '../timer/codec.ts'
import { type Handlers, ServiceFiring } from './service.ts'
import { DrainSlices } from './slices.ts'

export interface FiringParts {
  engine: Engine
  pipeline: CommitPipeline
  recent: RecentTimers
  state: StoreState
  clock: Clock
  onError(error: TidemarkError): void
}

export class Firing {
  readonly #parts: FiringParts
  readonly #services = new Map<ServiceState, ServiceFiring>()
  readonly #closing = new AbortController()
  readonly #slices = new DrainSlices()
  readonly #stopListening: (() => void) | undefined
  #wakeUpAtMs = Number.POSITIVE_INFINITY
  #cancelWakeUp: (() => void) | undefined
  #earliest = Number.POSITIVE_INFINITY
  /** The pass of each service that was started last, and after whose end the next wake-up is looked for. */
  readonly #passes = new Map<ServiceFiring, Promise<void>>()
  #isRescheduling = false

  constructor(parts: FiringParts) {
    this.#parts = parts
    this.#stopListening = parts.clock.onMove?.(() => this.catchUp())
  }

  /** Whether the caller is a handler: what waits for handlers would then wait for itself. */
  isCalledByHandler(): boolean {
    for (const firing of this.#services.values()) if (firing.isCalledByHandler()) return true
    return false
  }

  /** Starts firing a service; what is overdue begins to fire. */
  start(service: ServiceState, codec: TimerCodec, handlers: Handlers): ServiceFiring {
    const { engine, pipeline, recent, state, clock, onError } = this.#parts
    const firing = new ServiceFiring(
      {
        engine,
        pipeline,
        recent,
        state,
        service,
        codec,
        slices: this.#slices,
        signal: this.#closing.signal,
        now: () => clock.now(),
        isEnding: () => this.#closing.signal.aborted || pipeline.failure !== undefined,
        onError,
        onReady: () => this.#rescheduleSoon(),
        onEarlier: (timestamp) => {
          if (timestamp < this.#earliest) this.#earliest = timestamp
        },
      },
      service,
      handlers,
    )
    this.#services.set(service, firing)
    if (firing.processingTime !== undefined) this.#startPass(firing)
    return firing
  }

  onDecided(commit: Commit): void {
    if (this.#services.size === 0) return
    for (const event of commit.events) {
      if ('queue' in event) event.queue.listener?.onDecided(event, commit.version)
    }
  }

  onApplied(commit: Commit): void {
    if (this.#services.size === 0) return
    this.#earliest = Number.POSITIVE_INFINITY
    for (const event of commit.events) {
      if ('queue' in event) event.queue.listener?.onApplied(event, commit.version)
    }
    if (this.#earliest < this.#wakeUpAtMs) this.#reschedule()
  }

  /** Fires what is due by the clock, until nothing is and removals are durable: what a clock moved by hand waits for. */
  async catchUp(): Promise<void> {
    do {
      await this.#parts.pipeline.barrier()
      await Promise.all(Array.from(this.#services.values(), (firing) => firing.passProcessingTime()))
    } while (
      !this.#closing.signal.aborted &&
      (this.#isFiring() || this.#nextDueMs() <= this.#parts.clock.now())
    )
    // What is registered from now on for a time that has passed is overdue.
    this.#rescheduleSoon()
    // What fired last may be what could not be removed. A store that closed has written it.
    const { failure } = this.#parts.pipeline
    if (failure !== undefined && failure.code !== 'TIDEMARK_CLOSED') throw failure
  }

  /** Ends firing; resolves when every handler has settled, or was given the time to. */
  async stop(): Promise<void> {
    this.#stopListening?.()
    this.#cancelWakeUp?.()
    this.#closing.abort(new TidemarkError('TIDEMARK_CLOSED', 'the store closes'))
    const settled = Promise.all(Array.from(this.#services.values(), (firing) => firing.settled()))
    let cancel = () => {}
    const grace = new Promise<void>((resolve) => {
      cancel = scheduleOn({ now: () => 0 }, CLOSE_HANDLER_GRACE_MS, resolve)
    })
    await Promise.race([settled.then(() => {}), grace])
    cancel()
  }

  /** A pass that is under way goes on; its end is awaited once, however often it was started. */
  #startPass(firing: ServiceFiring): void {
    const pass = firing.passProcessingTime()
    if (this.#passes.get(firing) === pass) return
    this.#passes.set(firing, pass)
    pass.then(
      () => this.#rescheduleSoon(),
      (error) => {
        // A failed store tells its callers itself; one that closed under a pass has not failed.
        if ((error as TidemarkError).code === 'TIDEMARK_CLOSED') return
        if (this.#parts.pipeline.failure === undefined) this.#parts.pipeline.fail(error)
      },
    )
  }

  /** Whether a pass is under way, or removals are, and what handlers registered with them. */
  #isFiring(): boolean {
    for (const firing of this.#services.values()) if (firing.isFiring) return true
    return false
  }

  #nextDueMs(): number {
    let next = Number.POSITIVE_INFINITY
    for (const firing of this.#services.values()) next = Math.min(next, firing.nextDueMs())
    return next
  }

  /** Once for all the passes that end in this turn: it looks at every service. */
  #rescheduleSoon(): void {
    if (this.#isRescheduling) return
    this.#isRescheduling = true
    inNextTurn(() => {
      this.#isRescheduling = false
      this.#reschedule()
    })
  }

  /** Starts what is due, and sets the wake-up for what comes next. */
  #reschedule(): void {
    this.#cancelWakeUp?.()
    this.#cancelWakeUp = undefined
    this.#wakeUpAtMs = Number.POSITIVE_INFINITY
    if (this.#closing.signal.aborted || this.#parts.pipeline.failure !== undefined) return
    const { clock } = this.#parts
    const nowMs = clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const firing of this.#services.values()) {
      const dueMs = firing.nextDueMs()
      if (dueMs <= nowMs) this.#startPass(firing)
      else if (dueMs < next) next = dueMs
    }
    if (next === Number.POSITIVE_INFINITY) return
    this.#wakeUpAtMs = next
    const delayMs = Math.min(next - nowMs, MAX_WAKE_UP_MS)
    this.#cancelWakeUp = scheduleOn(clock, delayMs, () => this.#reschedule())
  }
}
