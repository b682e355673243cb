/**
 * What must hold whenever a handler starts, a call is answered, a store is opened. A breach ends the simulation.
 *
 * - Never early: the clock reads the timer's timestamp or more; the watermark has reached it.
 * - Never after a delete: the timer stands, and is the one that was registered, with its payload.
 * - In order: nothing that was registered before, durably, and comes before it, is still due.
 * - Not late: no later than the re-check after a jump of the clock, and the handlers that ran meanwhile.
 */
import { MAX_RETRY_DELAY_MS, MAX_WAKE_UP_MS } from '../../../src/limits.ts'
import type { Entry, QueueLedger, ServiceLedger } from './ledger.ts'
import type { World } from './world.ts'

/** What engine and commits may take beside the handlers: some milliseconds for each of the things that were done. */
const SLACK_MS = 2000
const SLACK_PER_RUN_MS = 25

/** The handlers of a service that ran, for how long in all. */
export class Busy {
  readonly #world: World
  #spans: { atMs: number; sumMs: number; runs: number }[] = []
  #sumMs = 0
  #runs = 0
  #sinceMs: number | undefined

  constructor(world: World) {
    this.#world = world
  }

  begin(): void {
    this.#sinceMs = this.#world.monoMs
  }

  end(): void {
    this.#sumMs += this.#world.monoMs - (this.#sinceMs ?? this.#world.monoMs)
    this.#sinceMs = undefined
    this.#runs++
    this.#spans.push({ atMs: this.#world.monoMs, sumMs: this.#sumMs, runs: this.#runs })
    if (this.#spans.length > 20_000) this.#spans = this.#spans.slice(10_000)
  }

  /** What a timer that was due since then has had to wait for at most. */
  since(monoMs: number): number {
    let low = 0
    let high = this.#spans.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#spans[middle]!.atMs < monoMs) low = middle + 1
      else high = middle
    }
    const before = this.#spans[low - 1] ?? { sumMs: 0, runs: 0 }
    const running = this.#sinceMs === undefined ? 0 : this.#world.monoMs - Math.max(this.#sinceMs, monoMs)
    return this.#sumMs - before.sumMs + running + (this.#runs - before.runs) * SLACK_PER_RUN_MS
  }
}

export interface Lateness {
  /** Longest that a timer waited, beside what it had to wait for. */
  maxMs: number
  /** Longest that one waited after a jump of the clock. */
  maxAfterJumpMs: number
}

export class Checker {
  readonly #world: World
  readonly lateness: Lateness = { maxMs: 0, maxAfterJumpMs: 0 }
  /** Handlers whose start was looked at. */
  starts = 0

  constructor(world: World) {
    this.#world = world
  }

  /** A handler of the service starts, up since `upSinceMs` of monotonic time. */
  starting(service: ServiceLedger, queue: QueueLedger, entry: Entry, upSinceMs: number, busy: Busy): void {
    this.starts++
    const world = this.#world
    const bound = queue.domain === 'eventTime' ? service.watermark : world.nowMs
    if (entry.timestamp > bound) throw new Error(`early by ${entry.timestamp - bound} ms: ${tell(entry)}`)
    const earlier = queue.first((other) => mustBeFirst(service, other), entry)
    if (earlier !== undefined) throw new Error(`out of order: ${tell(entry)} before ${tell(earlier)}`)
    if (queue.domain === 'eventTime') return
    if (entry.isWaiting) this.#tooLong(entry, busy)
    else this.#late(entry, upSinceMs, busy)
  }

  /** Nothing is due for longer than it may be; looked at now and then, so that what never fires is found. */
  overdue(service: ServiceLedger, upSinceMs: number, busy: Busy): void {
    const { processingTime } = service
    const first = processingTime.first((entry) => mustBeFirst(service, entry))
    if (first !== undefined) this.#late(first, upSinceMs, busy)
    for (const entry of service.waiting()) this.#tooLong(entry, busy)
  }

  #late(entry: Entry, upSinceMs: number, busy: Busy): void {
    const world = this.#world
    const reached = world.reachedAt(entry.timestamp)
    if (reached === undefined) return
    const dueMs = Math.max(reached, upSinceMs, entry.madeAtMs)
    const waitedMs = world.monoMs - dueMs - busy.since(dueMs)
    const setOnMs = world.setOnSince(dueMs - MAX_WAKE_UP_MS - SLACK_MS)
    const allowedMs = Math.min(setOnMs, MAX_WAKE_UP_MS) + SLACK_MS
    if (waitedMs > allowedMs) {
      throw new Error(`late by ${waitedMs} ms, ${allowedMs} ms at most: ${tell(entry)}`)
    }
    if (setOnMs < SLACK_MS) this.lateness.maxMs = Math.max(this.lateness.maxMs, waitedMs)
    else this.lateness.maxAfterJumpMs = Math.max(this.lateness.maxAfterJumpMs, waitedMs)
  }

  /** A timer whose handler failed is tried again in time. */
  #tooLong(entry: Entry, busy: Busy): void {
    const reached = this.#world.reachedAt(entry.timestamp)
    if (reached === undefined) return
    const dueMs = Math.max(reached, entry.failedAtMs)
    const waitedMs = this.#world.monoMs - dueMs - busy.since(dueMs)
    const allowedMs = MAX_RETRY_DELAY_MS + MAX_WAKE_UP_MS + SLACK_MS
    if (waitedMs > allowedMs) throw new Error(`not tried again for ${waitedMs} ms: ${tell(entry)}`)
  }
}

/** Whether it is to fire before all that comes behind it, if it is due. */
function mustBeFirst(service: ServiceLedger, entry: Entry): boolean {
  return entry.change <= service.durable && !entry.isWaiting && !entry.isRunning
}

export function tell({ key, namespace, timestamp, order, change, payload }: Entry): string {
  return JSON.stringify({ key, namespace, timestamp, order, change, payload })
}
