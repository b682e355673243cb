/**
 * The window of due timers: a queue's earliest, in memory, in firing order.
 *
 * - Every stored timer up to the window's end is in it or in hand (given to a dispatcher); what lies beyond is read a page
 *   at a time, of the `due` space and of what is recent, always onwards from the end, never again over what was deleted.
 * - A register at or below the end goes into the window when it is applied; a removal leaves it when it is decided.
 * - What a page brings may have been removed a moment before: a dispatcher reads each timer before it fires it.
 */
import type { Engine } from '../engine/engine.ts'
import { END } from '../engine/keyspaces.ts'
import {
  MAX_TIMESTAMP,
  MAX_WINDOW_PAGE_TIMERS,
  MAX_WINDOW_TIMERS,
  MIN_WINDOW_PAGE_TIMERS,
} from '../limits.ts'
import { type DuePage, type DuePageParts, keyOf, readDuePage } from '../log/duepage.ts'
import { compareDue, isBefore } from '../log/dueruns.ts'
import type { RecentTimers } from '../log/recent.ts'
import type { QueueState } from '../log/state.ts'
import { IDENTITY_QUEUE_END } from '../timer/identity.ts'
import { decodeTimestamp, encodeTimestamp } from '../timer/text.ts'
import { DueTimer } from './due.ts'

/** A window with fewer timers reads on while a drain runs. */
const READ_AHEAD_BELOW_TIMERS = 1536

export class DueWindow {
  readonly #recent: RecentTimers
  readonly #queue: QueueState
  readonly #pageParts: DuePageParts<DueTimer>
  readonly #onRemoved: (timer: DueTimer) => void
  /** What pages brought, in order, from `#runAt` on; each page goes behind the one before. */
  #run: (DueTimer | undefined)[] = []
  #runAt = 0
  /** What was registered since, as a binary heap. Removed timers stay in both until their turn comes. */
  #heap: DueTimer[] = []
  /** Those in the window and those in hand, by identity. */
  readonly #live = new Map<string, DueTimer>()
  /** Last `due` key that was read. */
  #end: string
  #endTimer: DueTimer | undefined
  #complete = false
  #pageTimers = MIN_WINDOW_PAGE_TIMERS
  #reading: Promise<void> | undefined
  /** Registers applied while a page is being read. */
  #arrivals: DueTimer[] | undefined
  /** Identities removed while a page is being read: it may still bring them. */
  #departed: Set<string> | undefined

  constructor(
    engine: Engine,
    recent: RecentTimers,
    queue: QueueState,
    onRemoved: (timer: DueTimer) => void,
    onDamaged: (key: string) => void,
  ) {
    this.#recent = recent
    this.#queue = queue
    this.#onRemoved = onRemoved
    const make: DuePageParts<DueTimer>['make'] = ({ identity, timestamp, orderText }, dueKey) =>
      new DueTimer(queue, identity, timestamp, orderText, onRemoved, dueKey)
    this.#pageParts = { engine, recent, queue, make, onDamaged }
    this.#end = `d${queue.prefix.slice(1)}${encodeTimestamp(queue.decided.low)}`
  }

  /** The earliest timer, if the window knows it; when not, `needsPage` tells whether the store may. */
  head(): DueTimer | undefined {
    let ofRun = this.#run[this.#runAt]
    while (ofRun?.gone === true) {
      this.#passRun()
      ofRun = this.#run[this.#runAt]
    }
    let ofHeap = this.#heap[0]
    while (ofHeap?.gone === true) {
      this.#popHeap()
      ofHeap = this.#heap[0]
    }
    if (ofHeap === undefined) return ofRun
    return ofRun === undefined || isBefore(ofHeap, ofRun) ? ofHeap : ofRun
  }

  get needsPage(): boolean {
    return !this.#complete && this.head() === undefined
  }

  /** Takes the earliest timer in hand, if it is due at `bound`. */
  takeDue(bound: number): DueTimer | undefined {
    const head = this.head()
    if (head === undefined || head.timestamp > bound) return undefined
    if (head === this.#heap[0]) this.#popHeap()
    else this.#passRun()
    head.inHand = true
    return head
  }

  /** Lets the run's first one go: it may hold a payload, and what its handler called. */
  #passRun(): void {
    this.#run[this.#runAt++] = undefined
  }

  /** A timer that is registered now, durably. */
  register(identity: string, timestamp: number, orderText: string): void {
    this.add(new DueTimer(this.#queue, identity, timestamp, orderText, this.#onRemoved))
  }

  /** A timer that comes into the window, or back. */
  add(timer: DueTimer): void {
    if (!this.#isBeyondEnd(timer)) {
      this.#insert(timer)
      return
    }
    this.putDown(timer)
    this.#arrivals?.push(timer)
  }

  /** A timer in hand whose removal is durable, or that is not there any more. */
  putDown(timer: DueTimer): void {
    timer.inHand = false
    this.#release(timer)
  }

  /** A timer that is removed: when that is decided, and again when it is durable, as pages may bring it until then. */
  remove(identity: string): void {
    this.#departed?.add(identity)
    const timer = this.#live.get(identity)
    if (timer === undefined) return
    if (timer.inHand) {
      timer.stale = true
      return
    }
    timer.gone = true
    this.#release(timer)
  }

  /** Lets a timer's identity be free, if it is that timer's. */
  #release(timer: DueTimer): void {
    if (!timer.isLive) return
    timer.isLive = false
    this.#live.delete(timer.identity)
  }

  /** A timer whose payload changes, from its decision on. */
  change(identity: string): void {
    const timer = this.#live.get(identity)
    if (timer !== undefined) timer.stale = timer.inHand
  }

  /** Nothing is due: what comes next is read in small pages again, each of which takes little of the event loop. */
  caughtUp(): void {
    this.#pageTimers = MIN_WINDOW_PAGE_TIMERS
  }

  /** Begins to read the next page before the window is empty, so that a drain need not wait for it. */
  readAhead(): void {
    if (this.#complete || this.#reading !== undefined || this.#size() > READ_AHEAD_BELOW_TIMERS) return
    // Whoever needs the page waits for it, and hears of its failure.
    this.readPage().catch(() => {})
  }

  /** Reads the next page of the store; one at a time. */
  readPage(): Promise<void> {
    this.#reading ??= this.#readPage().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #readPage(): Promise<void> {
    const limit = this.#pageTimers
    this.#pageTimers = Math.min(limit * 2, MAX_WINDOW_PAGE_TIMERS)
    const arrivals: DueTimer[] = []
    const departed = new Set<string>()
    await this.#recent.prepareDue(this.#queue)
    this.#arrivals = arrivals
    this.#departed = departed
    try {
      // What comes and goes while it is read is noted.
      const to = `d${this.#queue.prefix.slice(1)}${END}`
      this.#extend(await readDuePage(this.#pageParts, this.#end, to, limit), departed)
    } finally {
      this.#arrivals = undefined
      this.#departed = undefined
    }
    for (const timer of arrivals) if (!this.#isBeyondEnd(timer)) this.#insert(timer)
  }

  #extend({ timers, end }: DuePage<DueTimer>, departed: Set<string>): void {
    this.#complete = end === undefined
    this.#run = this.#run.slice(this.#runAt)
    this.#runAt = 0
    for (const timer of timers) {
      if (!departed.has(timer.identity) && this.#makeLive(timer)) this.#run.push(timer)
    }
    const last = end ?? timers.at(-1)
    if (last === undefined) return
    this.#endTimer = new DueTimer(this.#queue, '', last.timestamp, last.orderText, this.#onRemoved)
    this.#end = keyOf(this.#queue, last)
  }

  #isBeyondEnd(timer: DueTimer): boolean {
    if (this.#complete) return false
    return this.#endTimer === undefined ? this.#isBeyondStart(timer) : isBefore(this.#endTimer, timer)
  }

  /** Before the first page, all from the queue's lower bound on is still to be read. */
  #isBeyondStart(timer: DueTimer): boolean {
    return timer.timestamp >= decodeTimestamp(this.#end, IDENTITY_QUEUE_END)
  }

  #insert(timer: DueTimer): void {
    if (!this.#makeLive(timer)) return
    this.#pushHeap(timer)
    if (this.#size() > MAX_WINDOW_TIMERS) this.#shrink()
  }

  /** Timers in the window, those that are gone and not passed yet included. */
  #size(): number {
    return this.#run.length - this.#runAt + this.#heap.length
  }

  /** Makes a timer its identity's; false: the same one, or a newer one, is there or in hand. */
  #makeLive(timer: DueTimer): boolean {
    const known = this.#live.get(timer.identity)
    if (known !== undefined && known !== timer) {
      if (known.orderText >= timer.orderText) return false
      if (known.inHand) known.stale = true
      else known.gone = true
      known.isLive = false
    }
    timer.reset()
    timer.isLive = true
    this.#live.set(timer.identity, timer)
    return true
  }

  /** Gives the later half back to the store, so that memory stays bounded whatever is registered. */
  #shrink(): void {
    // A page under way began at the end that stands: taking it back now would leave a gap.
    if (this.#arrivals !== undefined) return
    const sorted = [...(this.#run.slice(this.#runAt) as DueTimer[]), ...this.#heap]
      .filter((timer) => !timer.gone)
      .sort(compareDue)
    this.#run = sorted
    this.#runAt = 0
    this.#heap = []
    if (sorted.length <= MAX_WINDOW_TIMERS / 2) return
    const kept = sorted.slice(0, MAX_WINDOW_TIMERS / 2)
    for (let i = kept.length; i < sorted.length; i++) this.#release(sorted[i]!)
    const end = kept.at(-1)!
    this.#run = kept
    this.#end = keyOf(this.#queue, end)
    this.#endTimer = end
    this.#complete = false
  }

  /** A timestamp that no timer in the window, in hand or beyond lies below. */
  low(): number {
    const head = this.head()
    let low = MAX_TIMESTAMP
    if (head !== undefined) low = head.timestamp
    else if (!this.#complete) low = decodeTimestamp(this.#end, IDENTITY_QUEUE_END)
    for (const timer of this.#live.values()) if (timer.inHand && timer.timestamp < low) low = timer.timestamp
    return low
  }

  #pushHeap(timer: DueTimer): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(timer)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(timer, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = timer
  }

  #popHeap(): void {
    const heap = this.#heap
    const last = heap.pop()!
    const size = heap.length
    if (size === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}
