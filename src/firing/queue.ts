/**
 * Firing one queue: what is due is taken from the window a batch at a time, and dispatched (dispatch.ts).
 *
 * - A timer that a handler registers takes its place in the running drain, also before what is already in hand.
 * - A drain has ended when nothing is due and all removals are durable. A pass waits for no disk: what becomes due while
 *   removals are written fires then.
 */
import type { TidemarkError } from '../errors.ts'
import { DISPATCH_BATCH_TIMERS, MAX_RETRIES_WAITING } from '../limits.ts'
import type { Standing } from '../log/changes.ts'
import type { TimerEvent } from '../log/events.ts'
import type { QueueListener, QueueState, StoreState } from '../log/state.ts'
import { Dispatcher, type DispatchParts, type OnFailure } from './dispatch.ts'
import type { DueTimer } from './due.ts'
import type { AnyHandler } from './handler.ts'
import { LowBound } from './lowbound.ts'
import { damagedDue } from './orphans.ts'
import { DueWindow } from './window.ts'

export interface QueueFiringParts extends DispatchParts {
  state: StoreState
  /** A timer was registered for this time, earlier than anything before it in the window. */
  onEarlier(timestamp: number): void
}

/** Runs something when no handler of the service's other queue does. */
type Turn = <T>(run: () => Promise<T>) => Promise<T>

/** Due timers in hand, and what stands of them, being read. */
interface Batch {
  timers: DueTimer[]
  standings: Promise<Standing[]>
}

/** The lower bound is raised now and then: it looks at every timer in hand. */
const BATCHES_BETWEEN_RAISES = 8

/** Timers of the batch after one that gave way. */
const MIN_BATCH_TIMERS = 4

export class QueueFiring implements QueueListener {
  readonly queue: QueueState
  readonly window: DueWindow
  readonly #dispatcher: Dispatcher
  readonly #parts: QueueFiringParts
  readonly #low: LowBound
  #batchTimers = DISPATCH_BATCH_TIMERS
  #isReadingOn = false

  constructor(parts: QueueFiringParts, queue: QueueState, handler: AnyHandler, onFailure: OnFailure) {
    this.#parts = parts
    this.queue = queue
    this.window = new DueWindow(
      parts.engine,
      parts.recent,
      queue,
      (timer) => this.#dispatcher.removed(timer),
      (key) => parts.onError(damagedDue(key)),
    )
    this.#dispatcher = new Dispatcher(parts, queue, this.window, handler, onFailure)
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
    const waiting = this.#dispatcher.retries.forget(event.identity)
    if (waiting === undefined) return
    this.window.putDown(waiting)
    // One less than may wait: what is behind them has its turn.
    if (this.#dispatcher.retries.size === MAX_RETRIES_WAITING - 1) this.#parts.onReady()
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
  drain(bound: () => number, turn: Turn): Promise<number> {
    return this.#failStoreOnError(async () => {
      let fired = 0
      for (;;) {
        const { succeeded, isSettling } = await this.#fireDue(bound, turn)
        fired += succeeded
        await this.#dispatcher.settled(0)
        // What was registered by the removals that were under way may be due.
        if (!isSettling) return fired
      }
    })
  }

  /**
   * The same, but for removals: they may be under way when it ends, and what handlers registered with them. A store that
   * closes takes no more passes: then it waits.
   */
  async pass(bound: () => number, turn: Turn): Promise<void> {
    await this.#failStoreOnError(async () => {
      await this.#fireDue(bound, turn)
      if (this.#parts.isEnding()) await this.#dispatcher.settled(0)
    })
  }

  async #failStoreOnError<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      const { code } = error as TidemarkError
      if (code === 'TIDEMARK_HANDLER_FAILED' || code === 'TIDEMARK_CLOSED') throw error
      // A read that fails leaves timers in hand that nobody would fire: it ends the store, as every commit's read does.
      this.#parts.pipeline.fail(error)
      throw this.#parts.pipeline.failure
    }
  }

  /** Fires what is due, until nothing in the window or behind it is; whether removals were under way at that moment. */
  async #fireDue(bound: () => number, turn: Turn): Promise<{ succeeded: number; isSettling: boolean }> {
    let fired = 0
    let batches = 0
    let next: Batch | undefined
    while (!this.#parts.isEnding()) {
      const rest = this.#parts.slices.rest()
      if (rest !== undefined) {
        await rest
        continue
      }
      this.#giveBackReady()
      if (next === undefined && this.window.needsPage) {
        await this.window.readPage()
        continue
      }
      const batch: Batch | undefined = next ?? this.#takeBatch(bound())
      // What comes next is read while this batch's handlers run.
      this.window.readAhead()
      if (batch === undefined) break
      next = this.#batchTimers === DISPATCH_BATCH_TIMERS ? this.#takeBatch(bound()) : undefined
      const { succeeded, gaveWay } = await this.#inTurn(turn, batch, next, bound)
      fired += succeeded
      if (gaveWay) next = undefined
      if (++batches % BATCHES_BETWEEN_RAISES === 0) this.#low.raise(this.window)
    }
    if (next !== undefined) this.#dispatcher.giveBack(next.timers, 0)
    this.window.caughtUp()
    this.#dispatcher.caughtUp()
    this.#low.raise(this.window)
    return { succeeded: fired, isSettling: this.isSettling }
  }

  /** Whether removals are not durable yet. */
  get isSettling(): boolean {
    return this.#dispatcher.isSettling
  }

  /** Whether the caller is this queue's handler: what waits for handlers would then wait for itself. */
  isCalledByHandler(): boolean {
    return this.#dispatcher.isCalledByHandler()
  }

  /** When the next timer is due, as far as the window knows; Infinity: none is. */
  nextDueMs(): number {
    const { size } = this.#dispatcher.retries
    const nextRetryAtMs =
      size === 0 ? Number.POSITIVE_INFINITY : this.#dispatcher.retries.nextRetryAtMs(this.#parts.now())
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
    for (const timer of this.#dispatcher.retries.takeReady(this.#parts.now())) this.window.add(timer)
  }

  /** Takes due timers in hand, and begins to read them. */
  #takeBatch(bound: number): Batch | undefined {
    if (this.#dispatcher.retries.size >= MAX_RETRIES_WAITING) return undefined
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
    turn: Turn,
    batch: Batch,
    next: Batch | undefined,
    bound: () => number,
  ): Promise<{ succeeded: number; gaveWay: boolean }> {
    const before = this.#dispatcher.handled
    try {
      const run = () => this.#dispatcher.fire(batch.timers, batch.standings, bound)
      const gaveWay = await turn(run)
      if (gaveWay && next !== undefined) this.#dispatcher.giveBack(next.timers, 0)
      this.#batchTimers = gaveWay ? MIN_BATCH_TIMERS : Math.min(this.#batchTimers * 2, DISPATCH_BATCH_TIMERS)
      return { succeeded: this.#dispatcher.handled - before, gaveWay }
    } catch (error) {
      if (next !== undefined) this.#dispatcher.giveBack(next.timers, 0)
      throw error
    }
  }
}
