/**
 * The recent timers of one queue in firing order, for whoever reads what is due a page at a time.
 *
 * - They come in the order of their commits. So they are kept in runs of a bounded length, and a run is sorted when a page
 *   is first asked for, or when it has changed since: to register one is to push it.
 * - What goes, or changes its payload, stays in its run and is passed over; when half of all are gone they are left out.
 * - Of each it has three numbers, in typed arrays: the texts are the table's.
 */
import { nextTurn } from '../clock.ts'
import { DRAIN_SLICE_MS } from '../limits.ts'
import { orderTextIn } from '../timer/stored.ts'

/** Timers of a run: sorting one takes about a millisecond. */
const RUN_TIMERS = 2048
const FIRST_RUN_TIMERS = 32

/** What one takes in memory. */
export const RUN_TIMER_BYTES = 16

/** A place in firing order. */
export interface DuePosition {
  readonly timestamp: number
  /** Create version and place, as they are written; '': before all of its timestamp. */
  readonly orderText: string
}

/** A recent timer that stands. */
export interface RecentDue extends DuePosition {
  readonly identity: string
  readonly value: string
}

/** The texts of timers: each has a number, and its value a place that no other value has. */
export interface TimerTexts {
  identity(id: number): string
  value(place: number): string
  /** Compares two values by their texts: those of one timestamp are in the order of their registration then. */
  compareValues(a: number, b: number): number
  /** Whether a value is what stands of its timer. */
  isStanding(id: number, place: number): boolean
}

/** Timers in the order of their commits, or sorted. */
export interface Run {
  size: number
  ids: Uint32Array
  places: Uint32Array
  timestamps: Float64Array
  isSorted: boolean
}

export class DueRuns {
  readonly #texts: TimerTexts
  /** Empty ones, to be filled again. */
  readonly #free: Run[]
  #runs: Run[] = []
  #size = 0
  #gone = 0

  constructor(texts: TimerTexts, free: Run[]) {
    this.#texts = texts
    this.#free = free
  }

  add(id: number, place: number, timestamp: number): void {
    this.#size++
    let run = this.#runs.at(-1)
    if (run === undefined || run.size === RUN_TIMERS) {
      run = this.#free.pop() ?? emptyRun(FIRST_RUN_TIMERS)
      this.#runs.push(run)
    } else if (run.size === run.ids.length) grow(run)
    const at = run.size++
    run.ids[at] = id
    run.places[at] = place
    run.timestamps[at] = timestamp
    if (at > 0 && run.isSorted && compareIn(run, at - 1, at, this.#texts) > 0) run.isSorted = false
  }

  /** Lets all go; its runs are free. */
  clear(): void {
    for (const run of this.#runs) {
      run.size = 0
      run.isSorted = true
      this.#free.push(run)
    }
    this.#runs = []
    this.#size = 0
    this.#gone = 0
  }

  /** Notes that one of them went. */
  remove(): void {
    if (++this.#gone < RUN_TIMERS || this.#gone * 2 < this.#size) return
    const standing: Run[] = []
    let size = 0
    for (const run of this.#runs) {
      leaveOut(run, this.#texts)
      if (run.size > 0) standing.push(run)
      size += run.size
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
      sort(run, this.#texts)
      if (performance.now() - startMs < DRAIN_SLICE_MS) continue
      await nextTurn()
      startMs = performance.now()
    }
  }

  /** The first ones behind a position that stand, in order: `most` at most. */
  take(after: DuePosition, most: number): RecentDue[] {
    const heads: Head[] = []
    for (const run of this.#runs) {
      if (!run.isSorted) sort(run, this.#texts)
      const head = new Head(run, after, this.#texts)
      if (head.first !== undefined) heads.push(head)
    }
    const taken: RecentDue[] = []
    while (taken.length < most && heads.length > 0) {
      let earliest = 0
      for (let i = 1; i < heads.length; i++)
        if (isBefore(heads[i]!.first!, heads[earliest]!.first!)) earliest = i
      const head = heads[earliest]!
      taken.push(head.first!)
      head.advance()
      if (head.first === undefined) heads.splice(earliest, 1)
    }
    return taken
  }
}

/** How far a run was taken. */
class Head {
  readonly #run: Run
  readonly #texts: TimerTexts
  #at: number
  /** The next one of it that stands; undefined: there is none. */
  first: RecentDue | undefined

  constructor(run: Run, after: DuePosition, texts: TimerTexts) {
    this.#run = run
    this.#texts = texts
    this.#at = firstBehind(run, after, texts)
    this.advance()
  }

  advance(): void {
    const { size, ids, places, timestamps } = this.#run
    const texts = this.#texts
    // What went is passed run by run: only what stands is compared.
    let at = this.#at
    while (at < size && !texts.isStanding(ids[at]!, places[at]!)) at++
    this.#at = at + 1
    if (at >= size) {
      this.first = undefined
      return
    }
    const value = texts.value(places[at]!)
    const identity = texts.identity(ids[at]!)
    this.first = { identity, value, timestamp: timestamps[at]!, orderText: orderTextIn(value) }
  }
}

function emptyRun(room: number): Run {
  return {
    size: 0,
    ids: new Uint32Array(room),
    places: new Uint32Array(room),
    timestamps: new Float64Array(room),
    isSorted: true,
  }
}

function grow(run: Run): void {
  const { ids, places, timestamps } = run
  Object.assign(run, { ...emptyRun(ids.length * 2), size: run.size, isSorted: run.isSorted })
  run.ids.set(ids)
  run.places.set(places)
  run.timestamps.set(timestamps)
}

function leaveOut(run: Run, texts: TimerTexts): void {
  const { ids, places, timestamps } = run
  let size = 0
  for (let i = 0; i < run.size; i++) {
    if (!texts.isStanding(ids[i]!, places[i]!)) continue
    ids[size] = ids[i]!
    places[size] = places[i]!
    timestamps[size++] = timestamps[i]!
  }
  run.size = size
}

function compareIn({ timestamps, places }: Run, a: number, b: number, texts: TimerTexts): number {
  return timestamps[a]! - timestamps[b]! || texts.compareValues(places[a]!, places[b]!)
}

function sort(run: Run, texts: TimerTexts): void {
  const order = Uint32Array.from({ length: run.size }, (_, i) => i).sort((a, b) =>
    compareIn(run, a, b, texts),
  )
  const { ids, places, timestamps } = {
    ids: run.ids.slice(),
    places: run.places.slice(),
    timestamps: run.timestamps.slice(),
  }
  for (let i = 0; i < order.length; i++) {
    run.ids[i] = ids[order[i]!]!
    run.places[i] = places[order[i]!]!
    run.timestamps[i] = timestamps[order[i]!]!
  }
  run.isSorted = true
}

/** Firing order, as a sort asks for it. */
export function compareDue(a: DuePosition, b: DuePosition): number {
  return isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0
}

/** Firing order: by timestamp, then first registered, first fired. */
export function isBefore(a: DuePosition, b: DuePosition): boolean {
  return a.timestamp < b.timestamp || (a.timestamp === b.timestamp && a.orderText < b.orderText)
}

/** The index of the first one behind a position. */
function firstBehind(run: Run, after: DuePosition, texts: TimerTexts): number {
  let low = 0
  let high = run.size
  while (low < high) {
    const middle = (low + high) >>> 1
    const timestamp = run.timestamps[middle]!
    const isBehind =
      timestamp === after.timestamp
        ? after.orderText < orderTextIn(texts.value(run.places[middle]!))
        : timestamp > after.timestamp
    if (isBehind) high = middle
    else low = middle + 1
  }
  return low
}
