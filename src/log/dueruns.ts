/**
 * The recent timers of one queue in firing order, for whoever reads what is due a page at a time.
 *
 * - They come in the order of their commits. So they are kept in runs of a bounded length, and a run is sorted when a page
 *   is first asked for, or when it has changed since: to register one is to push it.
 * - What goes stays in its run and is passed over; when half of all are gone they are left out.
 */
import { nextTurn } from '../clock.ts'
import { DRAIN_SLICE_MS } from '../limits.ts'
import type { TimerEvent } from './events.ts'

/** Timers of a run: sorting one takes less than a millisecond. */
const RUN_TIMERS = 2048

/** A place in firing order. */
export interface DuePosition {
  readonly timestamp: number
  /** Create version and place, as they are written; '': before all of its timestamp. */
  readonly orderText: string
}

interface Run {
  events: TimerEvent[]
  isSorted: boolean
}

export class DueRuns {
  #runs: Run[] = []
  #size = 0
  #gone = 0

  add(event: TimerEvent): void {
    this.#size++
    let run = this.#runs.at(-1)
    if (run === undefined || run.events.length === RUN_TIMERS) {
      run = { events: [], isSorted: true }
      this.#runs.push(run)
    }
    const last = run.events.at(-1)
    if (last !== undefined && run.isSorted && compareEvents(event, last) < 0) run.isSorted = false
    run.events.push(event)
  }

  /** Notes that one of them went; `isStanding` tells which are left. */
  remove(isStanding: (event: TimerEvent) => boolean): void {
    if (++this.#gone < RUN_TIMERS || this.#gone * 2 < this.#size) return
    const standing: Run[] = []
    let size = 0
    for (const { events, isSorted } of this.#runs) {
      const left = events.filter(isStanding)
      if (left.length > 0) standing.push({ events: left, isSorted })
      size += left.length
    }
    this.#runs = standing
    this.#size = size
    this.#gone = 0
  }

  /** Sorts what was not sorted, a few milliseconds at a time. */
  async prepare(): Promise<void> {
    let startMs = performance.now()
    for (const run of this.#runs) {
      if (run.isSorted) continue
      sort(run)
      if (performance.now() - startMs < DRAIN_SLICE_MS) continue
      await nextTurn()
      startMs = performance.now()
    }
  }

  /** The first ones behind a position that stand, in order: `most` at most. */
  take(after: DuePosition, most: number, isStanding: (event: TimerEvent) => boolean): TimerEvent[] {
    const heads: Head[] = []
    const advance = (head: Head) => {
      // What went is passed run by run: only what stands is compared.
      while (head.at < head.events.length && !isStanding(head.events[head.at]!)) head.at++
      return head.at < head.events.length
    }
    for (const run of this.#runs) {
      if (!run.isSorted) sort(run)
      const head = { events: run.events, at: firstBehind(run.events, after) }
      if (advance(head)) heads.push(head)
    }
    const taken: TimerEvent[] = []
    while (taken.length < most && heads.length > 0) {
      let first = 0
      for (let i = 1; i < heads.length; i++) {
        if (compareEvents(headOf(heads[i]!), headOf(heads[first]!)) < 0) first = i
      }
      const head = heads[first]!
      taken.push(headOf(head))
      head.at++
      if (!advance(head)) heads.splice(first, 1)
    }
    return taken
  }
}

/** How far a run was taken. */
interface Head {
  events: readonly TimerEvent[]
  at: number
}

function headOf({ events, at }: Head): TimerEvent {
  return events[at]!
}

function sort(run: Run): void {
  run.events.sort(compareEvents)
  run.isSorted = true
}

/** Firing order of two events. */
export function compareEvents(a: TimerEvent, b: TimerEvent): number {
  return compareOrder(a.timestamp, a.timer.orderText, b.timestamp, b.timer.orderText)
}

/** Firing order: by timestamp, then first registered, first fired. */
export function isBefore(a: DuePosition, b: DuePosition): boolean {
  return a.timestamp < b.timestamp || (a.timestamp === b.timestamp && a.orderText < b.orderText)
}

function compareOrder(aTimestamp: number, aOrder: string, bTimestamp: number, bOrder: string): number {
  if (aTimestamp !== bTimestamp) return aTimestamp - bTimestamp
  return aOrder < bOrder ? -1 : aOrder === bOrder ? 0 : 1
}

/** The index of the first event behind a position. */
function firstBehind(events: readonly TimerEvent[], { timestamp, orderText }: DuePosition): number {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const event = events[middle]!
    if (compareOrder(event.timestamp, event.timer.orderText, timestamp, orderText) <= 0) low = middle + 1
    else high = middle
  }
  return low
}
