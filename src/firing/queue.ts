/**
 * Firing one queue: what is due goes through its handler, one timer after the other, in firing order.
 *
 * - Before a handler runs, its timer stands: nothing that was called before, decided or not, removes or changes it.
 * - A timer that a handler registers takes its place in the running drain, also before what is already in hand.
 * - Removals commit in groups while the next handlers run; a drain has ended when all of them are durable.
 */
import { nextTurn } from '../clock.ts'
import { TidemarkError } from '../errors.ts'
import { DISPATCH_BATCH_TIMERS, DRAIN_SLICE_MS, MAX_RETRIES_WAITING } from '../limits.ts'
import type { Standing } from '../log/draft.ts'
import { isBefore } from '../log/dueruns.ts'
import type { TimerEvent } from '../log/events.ts'
import type { RecentTimers } from '../log/recent.ts'
import type { QueueListener, QueueState, StoreState } from '../log/state.ts'
import type { StoredTimer } from '../timer/stored.ts'
import { type ContextParts, RunContext } from './context.ts'
import type { DueTimer } from './due.ts'
import type { AnyHandler } from './handler.ts'
import { HandlerMark } from './inside.ts'
import { LowBound } from './lowbound.ts'
import { damagedDue, removeIfOrphan } from './orphans.ts'
import type { Recording } from './recording.ts'
import { Removals } from './removals.ts'
import { Retries } from './retries.ts'
import { DueWindow } from './window.ts'

export interface QueueFiringParts extends ContextParts {
  recent: RecentTimers
  state: StoreState
  now(): number
  /** Whether the store closes: no further handler starts. */
  isClosing(): boolean
  onError(error: TidemarkError): void
  /** A timer was registered for this time, earlier than anything before it in the window. */
  onEarlier(timestamp: number): void
}

/** What to do with a timer whose handler throws. */
export type OnFailure = 'stop' | 'retry'

/** Due timers in hand, and what stands of them, being read. */
interface Batch {
  timers: DueTimer[]
  standings: Promise<Standing[]>
}

/** How a handler failed. */
class Failure {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

/** The clock is read after every so many handlers: a drain's slice is never much longer than asked. */
const TIMERS_BETWEEN_CLOCK_READS = 8
/** The lower bound is raised now and then: it looks at every timer in hand. */
const BATCHES_BETWEEN_RAISES = 8

/** Timers of the batch after one that gave way. */
const MIN_BATCH_TIMERS = 4

export class QueueFiring implements QueueListener {
  readonly queue: QueueState
  readonly window: DueWindow
  readonly mark: HandlerMark
  readonly retries = new Retries()
  readonly #parts: QueueFiringParts
  readonly #handler: AnyHandler
  readonly #onFailure: OnFailure
  readonly #low: LowBound
  #batchTimers = DISPATCH_BATCH_TIMERS
  /** Handlers that succeeded, ever. */
  #handled = 0
  readonly #removals = new Removals()
  /** Whether a handler that has not returned at once is running. */
  #running = false
  #sliceStartMs = 0
  #isReadingOn = false

  constructor(parts: QueueFiringParts, queue: QueueState, handler: AnyHandler, onFailure: OnFailure) {
    this.#parts = parts
    this.queue = queue
    this.mark = new HandlerMark(queue.prefix)
    this.#handler = handler
    this.#onFailure = onFailure
    this.window = new DueWindow(
      parts.engine,
      parts.recent,
      queue,
      (timer) => this.#removed(timer),
      (key) => parts.onError(damagedDue(key)),
    )
    this.#low = new LowBound(parts.state, queue)
    queue.listener = this
  }

  onDecided(event: TimerEvent, version: number): void {
    // A fired timer is in hand, not in the window, and its timer ends when its removal is durable.
    if (event.kind === 'fire') return
    if (event.kind === 'register') {
      this.#low.registered(event.timestamp, version)
      return
    }
    if (event.kind === 'payload') {
      this.window.change(event.identity)
      return
    }
    this.window.remove(event.identity)
    const waiting = this.retries.forget(event.identity)
    if (waiting !== undefined) this.window.putDown(waiting)
  }

  onApplied(event: TimerEvent, version: number): void {
    if (event.kind === 'delete') {
      this.window.remove(event.identity)
      this.#readOn()
    }
    if (event.kind !== 'register') return
    this.#low.applied(version)
    const { identity, timestamp, timer } = event
    this.window.register(identity, timestamp, timer.orderText)
    this.#parts.onEarlier(timestamp)
  }

  /**
   * Fires what is due at `bound()`, until nothing is, and every removal is durable; returns how many handlers succeeded.
   * Between batches it takes a turn of `turn`, so that a service's two queues never run handlers at once.
   */
  async drain(bound: () => number, turn: <T>(run: () => Promise<T>) => Promise<T>): Promise<number> {
    try {
      return await this.#drain(bound, turn)
    } catch (error) {
      const { code } = error as TidemarkError
      if (code === 'TIDEMARK_HANDLER_FAILED' || code === 'TIDEMARK_CLOSED') throw error
      // A read that fails leaves timers in hand that nobody would fire: it ends the store, as every commit's read does.
      this.#parts.pipeline.fail(error)
      throw this.#parts.pipeline.failure
    }
  }

  async #drain(bound: () => number, turn: <T>(run: () => Promise<T>) => Promise<T>): Promise<number> {
    let fired = 0
    let batches = 0
    let next: Batch | undefined
    this.#sliceStartMs = performance.now()
    while (!this.#parts.isClosing()) {
      this.#giveBackReady()
      if (next === undefined && this.window.needsPage) {
        await this.window.readPage()
        continue
      }
      const batch: Batch | undefined = next ?? this.#takeBatch(bound())
      // What comes next is read while this batch's handlers run.
      this.window.readAhead()
      next =
        batch !== undefined && this.#batchTimers === DISPATCH_BATCH_TIMERS
          ? this.#takeBatch(bound())
          : undefined
      if (batch !== undefined) {
        const { succeeded, gaveWay } = await this.#inTurn(turn, batch, next, bound)
        fired += succeeded
        if (gaveWay) next = undefined
      } else if (this.#removals.underWay > 0) await this.#settled(0)
      else break
      if (++batches % BATCHES_BETWEEN_RAISES === 0) this.#low.raise(this.window)
    }
    if (next !== undefined) this.#giveBack(next.timers, 0)
    await this.#settled(0)
    this.#low.raise(this.window)
    return fired
  }

  /** When the next timer is due, as far as the window knows; Infinity: none is. */
  nextDueMs(): number {
    const { size } = this.retries
    const nextRetryAtMs =
      size === 0 ? Number.POSITIVE_INFINITY : this.retries.nextRetryAtMs(this.#parts.now())
    if (size >= MAX_RETRIES_WAITING) return nextRetryAtMs
    return Math.min(this.window.head()?.timestamp ?? Number.POSITIVE_INFINITY, nextRetryAtMs)
  }

  /** Where deleting has emptied the window, what comes next is found now, and not when it is due. */
  #readOn(): void {
    if (this.#isReadingOn || !this.window.needsPage) return
    this.#isReadingOn = true
    const end = () => {
      this.#isReadingOn = false
    }
    // Whoever needs the page reads it again, and hears of its failure.
    this.window.readPage().then(() => {
      end()
      this.#low.raise(this.window)
    }, end)
  }

  #giveBackReady(): void {
    for (const timer of this.retries.takeReady(this.#parts.now())) this.window.add(timer)
  }

  /** Takes due timers in hand, and begins to read them. */
  #takeBatch(bound: number): Batch | undefined {
    if (this.retries.size >= MAX_RETRIES_WAITING) return undefined
    const timers: DueTimer[] = []
    const identities: string[] = []
    while (timers.length < this.#batchTimers) {
      const timer = this.window.takeDue(bound)
      if (timer === undefined) break
      timers.push(timer)
      identities.push(timer.identity)
    }
    if (timers.length === 0) return undefined
    const standings = this.#parts.pipeline.standings.ofDue(identities)
    // Awaited in its turn; until then its failure is nobody's.
    standings.catch(() => {})
    return { timers, standings }
  }

  /**
   * Fires a batch. One that must give way goes back to the window with what was taken after it, and the next one is
   * small: where handlers register what is due at once, little is taken in vain.
   */
  async #inTurn(
    turn: <T>(run: () => Promise<T>) => Promise<T>,
    batch: Batch,
    next: Batch | undefined,
    bound: () => number,
  ): Promise<{ succeeded: number; gaveWay: boolean }> {
    const before = this.#handled
    try {
      const run = () => this.mark.settled(this.#fireBatch(batch.timers, batch.standings, bound))
      const gaveWay = await turn(run)
      if (gaveWay && next !== undefined) this.#giveBack(next.timers, 0)
      this.#batchTimers = gaveWay ? MIN_BATCH_TIMERS : Math.min(this.#batchTimers * 2, DISPATCH_BATCH_TIMERS)
      return { succeeded: this.#handled - before, gaveWay }
    } catch (error) {
      if (next !== undefined) this.#giveBack(next.timers, 0)
      throw error
    }
  }

  /** Runs the handlers of a batch, in order; true: it gave the rest back. */
  async #fireBatch(batch: DueTimer[], reading: Promise<Standing[]>, bound: () => number): Promise<boolean> {
    const standings = await reading
    for (let i = 0; i < batch.length; i++) {
      const timer = batch[i]!
      const boundMs = bound()
      if (this.#mustGiveWay(timer, boundMs)) {
        this.#giveBack(batch, i)
        // What a handler registered stands in the window once it is applied.
        if (this.#removals.hasRegistered) await this.#settled(0)
        return true
      }
      if (this.#parts.pipeline.standings.isTouched(timer.identity)) {
        // A call made before its turn will remove or change it: that comes first.
        this.#giveBack(batch, i)
        await this.#parts.pipeline.barrier()
        return true
      }
      const standing = timer.stale ? this.#parts.pipeline.standings.now(timer.identity) : standings[i]
      if (standing?.orderText !== timer.orderText) {
        this.window.putDown(timer)
        const orphan = await removeIfOrphan(this.#parts, timer)
        if (orphan !== undefined) this.#parts.onError(orphan)
        continue
      }
      const context = new RunContext(
        this.#parts,
        timer.identity,
        this.retries.attempt(timer.identity),
        boundMs - timer.timestamp,
      )
      // Awaited here and not in a function of its own: a promise less for each timer.
      const started = this.#start(timer, standing, context)
      let failure: Failure | undefined
      if (started instanceof Failure) failure = started
      else if (started !== undefined) {
        this.#running = true
        try {
          await started
        } catch (error) {
          failure = new Failure(error)
        } finally {
          this.#running = false
        }
      }
      if (context.refusal !== undefined) failure ??= new Failure(context.refusal)
      const recording = context.settle()
      if (failure === undefined) this.#submitRemoval(timer, standing, recording)
      else await this.#failed(batch, i, failure)
      if (this.#removals.isFull) await this.#settled(this.#removals.underWay / 2)
      if (i % TIMERS_BETWEEN_CLOCK_READS === 0 && performance.now() - this.#sliceStartMs > DRAIN_SLICE_MS) {
        await nextTurn()
        this.#sliceStartMs = performance.now()
      }
    }
    return false
  }

  /** Whether something is to fire before this timer, or it is not due: nothing is any more, or the clock was set back. */
  #mustGiveWay(timer: DueTimer, boundMs: number): boolean {
    if (this.#parts.isClosing() || timer.timestamp > boundMs) return true
    const head = this.window.head()
    if (head !== undefined && isBefore(head, timer)) return true
    return this.#removals.hasRegisteredBefore(timer.timestamp)
  }

  /** Runs the synchronous part of a handler; what is left to await, or how it failed. */
  #start(
    timer: DueTimer,
    standing: StoredTimer,
    context: RunContext,
  ): PromiseLike<unknown> | Failure | undefined {
    this.mark.begin()
    try {
      const { identity, timestamp } = timer
      const running = this.#handler(this.#parts.codec.timerAt(identity, timestamp, standing), context)
      return isThenable(running) ? running : undefined
    } catch (error) {
      return new Failure(error)
    } finally {
      this.mark.end()
    }
  }

  /** Whether the caller is this queue's handler: what waits for handlers would then wait for itself. */
  isCalledByHandler(): boolean {
    return this.mark.isSynchronous || (this.#running && this.mark.isOnStack())
  }

  #submitRemoval(timer: DueTimer, standing: StoredTimer, recording: Recording | undefined): void {
    if (recording !== undefined) {
      const isEventTime = this.queue.domain === 'eventTime'
      this.#removals.noteRegistered(
        timer,
        isEventTime ? recording.earliestEventTime : recording.earliestProcessingTime,
      )
    }
    // Registered anew by others while its handler ran, it may stay, and is then the next to fire.
    if (timer.stale || this.#parts.pipeline.standings.isTouched(timer.identity))
      this.#removals.noteStaying(timer)
    this.#removals.begin(timer.finish(standing, recording?.calls))
    this.#handled++
    this.#parts.pipeline.submit(timer)
  }

  #removed(timer: DueTimer): void {
    this.#removals.end(timer)
    this.retries.forget(timer.identity)
    // Registered anew while its handler ran: it stays, and its turn comes again.
    if (timer.removed || this.#parts.pipeline.failure !== undefined) this.window.putDown(timer)
    else this.window.add(timer)
  }

  /** Resolves when at most `most` removals are under way. */
  async #settled(most: number): Promise<void> {
    await this.#removals.settled(most)
    const { failure } = this.#parts.pipeline
    if (failure !== undefined) throw failure
  }

  async #failed(batch: DueTimer[], at: number, failure: Failure): Promise<void> {
    const timer = batch[at]!
    this.retries.failed(timer.identity)
    const error = handlerFailed(this.queue, timer, failure.error)
    if (this.#onFailure === 'retry') {
      // In hand while it waits, so that no page of the store brings it before its time.
      this.retries.wait(timer, this.#parts.now())
      this.#parts.onError(error)
      return
    }
    this.#giveBack(batch, at)
    await this.#settled(0)
    throw error
  }

  /** Gives the timers from `from` on back to the window; those removed in the meantime show when they are read again. */
  #giveBack(batch: DueTimer[], from: number): void {
    for (let i = from; i < batch.length; i++) this.window.add(batch[i]!)
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

function handlerFailed(queue: QueueState, timer: DueTimer, cause: unknown): TidemarkError {
  const what = `the ${queue.domain} handler of service '${queue.service.name}' failed`
  const why = cause instanceof Error ? cause.message : String(cause)
  return new TidemarkError(
    'TIDEMARK_HANDLER_FAILED',
    `${what} for the timer at ${timer.timestamp}: ${why}; the timer stays registered and is fired again`,
    { cause },
  )
}
