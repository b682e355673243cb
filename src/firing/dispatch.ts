/**
 * Running the handlers of timers in hand, one after the other, in firing order.
 *
 * - Before a handler runs, its timer stands: nothing that was called before, decided or not, removes it, nor changes it,
 *   but where it is changed without an end: then it fires in between, stays, and fires again.
 * - A batch gives way to whatever is to fire before it: what handlers registered, and what was called meanwhile.
 * - Removals commit in groups while the next handlers run; a timer is in hand until its own is durable.
 */
import { reasonOf, TidemarkError } from '../errors.ts'
import type { Standing } from '../log/changes.ts'
import { isBefore } from '../log/dueruns.ts'
import type { RecentTimers } from '../log/recent.ts'
import type { QueueState } from '../log/state.ts'
import type { StoredTimer } from '../timer/stored.ts'
import { type ContextParts, RunContext } from './context.ts'
import type { DueTimer } from './due.ts'
import type { AnyHandler } from './handler.ts'
import { HeldTurns } from './heldturns.ts'
import { HandlerMark } from './inside.ts'
import { removeIfOrphan } from './orphans.ts'
import type { Recording } from './recording.ts'
import { Removals } from './removals.ts'
import { Retries } from './retries.ts'
import type { DrainSlices } from './slices.ts'
import type { DueWindow } from './window.ts'

export interface DispatchParts extends ContextParts {
  recent: RecentTimers
  /** Of the store: all drains share the event loop. */
  slices: DrainSlices
  now(): number
  /** Whether the store closes, or has failed: no further handler starts. */
  isEnding(): boolean
  /** Something may be due that no pass sees any more. */
  onReady(): void
  onError(error: TidemarkError): void
}

/** What to do with a timer whose handler throws. */
export type OnFailure = 'stop' | 'retry'

/** How a handler failed. */
class Failure {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

/** A slice's end is looked for before every so many handlers: it is never much longer than asked. */
const TIMERS_BETWEEN_RESTS = 8

export class Dispatcher {
  readonly retries = new Retries()
  readonly #parts: DispatchParts
  readonly #queue: QueueState
  readonly #window: DueWindow
  readonly #handler: AnyHandler
  readonly #onFailure: OnFailure
  readonly #mark: HandlerMark
  readonly #removals = new Removals()
  /** Handlers that succeeded, ever. */
  #handled = 0
  /** Whether a handler that has not returned at once is running. */
  #running = false
  readonly #held = new HeldTurns()

  constructor(
    parts: DispatchParts,
    queue: QueueState,
    window: DueWindow,
    handler: AnyHandler,
    onFailure: OnFailure,
  ) {
    this.#parts = parts
    this.#queue = queue
    this.#window = window
    this.#handler = handler
    this.#onFailure = onFailure
    this.#mark = new HandlerMark(queue.prefix)
  }

  get handled(): number {
    return this.#handled
  }

  /** Whether removals are not durable yet. */
  get isSettling(): boolean {
    return this.#removals.underWay > 0
  }

  /** Fires a batch; true: it gave the rest back. */
  fire(batch: DueTimer[], reading: Promise<Standing[]>, bound: () => number): Promise<boolean> {
    return this.#mark.settled(this.#fireBatch(batch, reading, bound))
  }

  /** Whether the caller is this queue's handler: what waits for handlers would then wait for itself. */
  isCalledByHandler(): boolean {
    return this.#mark.isSynchronous || (this.#running && this.#mark.isOnStack())
  }

  /** Runs the handlers of a batch, in order; true: it gave the rest back. */
  async #fireBatch(batch: DueTimer[], reading: Promise<Standing[]>, bound: () => number): Promise<boolean> {
    const aside: DueTimer[] = []
    try {
      return await this.#fireInOrder(batch, reading, bound, aside)
    } finally {
      if (aside.length > 0) {
        await this.#parts.pipeline.barrier()
        this.giveBack(aside, 0)
      }
    }
  }

  /** `aside` takes timers that undecided calls remove, again and again: whatever is registered instead has its own turn. */
  async #fireInOrder(
    batch: DueTimer[],
    reading: Promise<Standing[]>,
    bound: () => number,
    aside: DueTimer[],
  ): Promise<boolean> {
    const standings = await reading
    for (let i = 0; i < batch.length; i++) {
      const rest = i % TIMERS_BETWEEN_RESTS === 0 ? this.#parts.slices.rest() : undefined
      if (rest !== undefined) await rest
      const timer = batch[i]!
      const boundMs = bound()
      if (this.#mustGiveWay(timer, boundMs)) {
        this.giveBack(batch, i)
        // What a handler registered stands in the window once it is applied.
        if (this.#removals.hasRegistered) await this.settled(0)
        return true
      }
      if (this.#parts.pipeline.standings.isTouched(timer.identity)) {
        // A call made before its turn will remove or change it: that comes first.
        if (this.#held.mayPass(timer.identity)) {
          this.giveBack(batch, i)
          await this.#parts.pipeline.barrier()
          return true
        }
        if (this.#parts.pipeline.standings.isRemoved(timer.identity)) {
          aside.push(timer)
          continue
        }
        // As if it were registered while its handler runs: with another payload it stays, and fires again.
        timer.stale = true
      }
      this.#held.forget(timer.identity)
      const standing = timer.stale ? this.#parts.pipeline.standings.now(timer.identity) : standings[i]
      if (standing?.orderText !== timer.orderText) {
        if (standing === undefined) this.retries.forget(timer.identity)
        this.#window.putDown(timer)
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
      const recording = context.settle()
      const answered = recording?.answered()
      // Also where the handler did not: whether it called too much shows with what it was answered.
      if (answered !== undefined) await answered
      if (recording?.refusal !== undefined) failure ??= new Failure(recording.refusal)
      if (failure === undefined) this.#submitRemoval(timer, standing, recording)
      else await this.#failed(batch, i, failure)
      // Halved once is not always enough: the characters may all be in the later half.
      while (this.#removals.isFull) await this.settled(this.#removals.underWay / 2)
    }
    return false
  }

  /** Whether something is to fire before this timer, or it is not due: nothing is any more, or the clock was set back. */
  #mustGiveWay(timer: DueTimer, boundMs: number): boolean {
    if (this.#parts.isEnding() || timer.timestamp > boundMs) return true
    const head = this.#window.head()
    if (head !== undefined && isBefore(head, timer)) return true
    return this.#removals.hasRegisteredBefore(timer.timestamp)
  }

  /** Runs the synchronous part of a handler; what is left to await, or how it failed. */
  #start(
    timer: DueTimer,
    standing: StoredTimer,
    context: RunContext,
  ): PromiseLike<unknown> | Failure | undefined {
    this.#mark.begin()
    try {
      const { identity, timestamp } = timer
      const running = this.#handler(this.#parts.codec.timerAt(identity, timestamp, standing), context)
      return isThenable(running) ? running : undefined
    } catch (error) {
      return new Failure(error)
    } finally {
      this.#mark.end()
    }
  }

  #submitRemoval(timer: DueTimer, standing: StoredTimer, recording: Recording | undefined): void {
    if (recording !== undefined) {
      const isEventTime = this.#queue.domain === 'eventTime'
      this.#removals.noteRegistered(
        timer,
        isEventTime ? recording.earliestEventTime : recording.earliestProcessingTime,
      )
    }
    // Registered anew by others while its handler ran, it may stay, and is then the next to fire.
    if (timer.stale || this.#parts.pipeline.standings.isTouched(timer.identity))
      this.#removals.noteStaying(timer)
    this.#removals.begin(timer.finish(standing, recording))
    this.#handled++
    this.#parts.pipeline.submit(timer)
  }

  /** A removal is durable, or was refused. */
  removed(timer: DueTimer): void {
    this.#removals.end(timer)
    this.retries.forget(timer.identity)
    // Registered anew while its handler ran: it stays, and its turn comes again.
    if (timer.removed || this.#parts.pipeline.failure !== undefined) this.#window.putDown(timer)
    else {
      this.#window.add(timer)
      this.#parts.onReady()
    }
  }

  /** Nothing is due any more: nothing was held up. */
  caughtUp(): void {
    this.#held.clear()
  }

  /** Resolves when at most `most` removals are under way. */
  async settled(most: number): Promise<void> {
    await this.#removals.settled(most)
    const { failure } = this.#parts.pipeline
    if (failure !== undefined) throw failure
  }

  async #failed(batch: DueTimer[], at: number, failure: Failure): Promise<void> {
    const timer = batch[at]!
    // One that was removed while its handler ran is not tried again.
    const stands = !timer.stale || this.#stands(timer)
    if (stands) this.retries.failed(timer.identity)
    const error = handlerFailed(this.#queue, timer, failure.error, stands)
    if (this.#onFailure === 'retry') {
      // In hand while it waits, so that no page of the store brings it before its time.
      if (stands) this.retries.wait(timer, this.#parts.now())
      else this.#window.putDown(timer)
      this.#parts.onError(error)
      return
    }
    this.giveBack(batch, at)
    await this.settled(0)
    throw error
  }

  #stands({ identity, orderText }: DueTimer): boolean {
    return this.#parts.pipeline.standings.now(identity)?.orderText === orderText
  }

  /** Gives the timers from `from` on back to the window; those removed in the meantime show when they are read again. */
  giveBack(batch: DueTimer[], from: number): void {
    for (let i = from; i < batch.length; i++) this.#window.add(batch[i]!)
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

function handlerFailed(queue: QueueState, timer: DueTimer, cause: unknown, stands: boolean): TidemarkError {
  const what = `the ${queue.domain} handler of service '${queue.service.name}' failed`
  const then = stands ? 'stays registered and is fired again' : 'was deleted while it ran'
  return new TidemarkError(
    'TIDEMARK_HANDLER_FAILED',
    `${what} for the timer at ${timer.timestamp}: ${reasonOf(cause)}; the timer ${then}`,
    { cause },
  )
}
