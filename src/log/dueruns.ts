/**
 * The recent timers of one queue in firing order, for whoever reads what is due a page at a time.
 *
 * - They come in the order of their commits. So they are kept in runs of a bounded length, and a run is sorted when a page
 *   is first asked for, or when it has changed since: to register one is to push it.
 * - What goes, or changes its payload, stays in its run and is passed over; when half of all are gone they are left out.
 */
import { nextTurn } from '../clock.ts'
import { DRAIN_SLICE_MS } from '../limits.ts'
import { identityTimestamp } from '../timer/identity.ts'
import { orderTextIn } from '../timer/stored.ts'

/** Timers of a run: sorting one takes about a millisecond. */
const RUN_TIMERS = 2048

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

/** Whether what a run has of a timer is what stands. */
export type IsStanding = (identity: string, value: string) => boolean

interface Run {
  identities: string[]
  values: string[]
  isSorted: boolean
  /** Where the last one of it stands. */
  last: DuePosition
}

export class DueRuns {
  #runs: Run[] = []
  #size = 0
  #gone = 0

  add(identity: string, value: string, position: DuePosition): void {
    this.#size++
    let run = this.#runs.at(-1)
    if (run === undefined || run.identities.length === RUN_TIMERS) {
      run = { identities: [], values: [], isSorted: true, last: position }
      this.#runs.push(run)
    }
    if (isBefore(position, run.last)) run.isSorted = false
    run.identities.push(identity)
    run.values.push(value)
    run.last = position
  }

  /** Notes that one of them went; `isStanding` tells which are left. */
  remove(isStanding: IsStanding): void {
    if (++this.#gone < RUN_TIMERS || this.#gone * 2 < this.#size) return
    const standing: Run[] = []
    let size = 0
    for (const run of this.#runs) {
      const left = standingOf(run, isStanding)
      if (left.identities.length > 0) standing.push(left)
      size += left.identities.length
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
  take(after: DuePosition, most: number, isStanding: IsStanding): RecentDue[] {
    const heads: Head[] = []
    for (const run of this.#runs) {
      if (!run.isSorted) sort(run)
      const head = new Head(run, after, isStanding)
      if (head.first !== undefined) heads.push(head)
    }
    const taken: RecentDue[] = []
    while (taken.length < most && heads.length > 0) {
      let earliest = 0
      for (let i = 1; i < heads.length; i++)
        if (isBefore(heads[i]!.first!, heads[earliest]!.first!)) earliest = i
      const head = heads[earliest]!
      const last = taken.at(-1)
      // A payload that came back within one commit is there twice, in one place.
      if (last === undefined || isBefore(last, head.first!)) taken.push(head.first!)
      head.advance()
      if (head.first === undefined) heads.splice(earliest, 1)
    }
    return taken
  }
}

/** How far a run was taken. */
class Head {
  readonly #run: Run
  readonly #isStanding: IsStanding
  #at: number
  /** The next one of it that stands; undefined: there is none. */
  first: RecentDue | undefined

  constructor(run: Run, after: DuePosition, isStanding: IsStanding) {
    this.#run = run
    this.#isStanding = isStanding
    this.#at = firstBehind(run, after)
    this.advance()
  }

  advance(): void {
    const { identities, values } = this.#run
    // What went is passed run by run: only what stands is compared.
    while (this.#at < identities.length && !this.#isStanding(identities[this.#at]!, values[this.#at]!))
      this.#at++
    this.first = this.#at < identities.length ? dueAt(this.#run, this.#at++) : undefined
  }
}

function standingOf({ identities, values, ...rest }: Run, isStanding: IsStanding): Run {
  const left: Run = { identities: [], values: [], ...rest }
  for (let i = 0; i < identities.length; i++) {
    if (!isStanding(identities[i]!, values[i]!)) continue
    left.identities.push(identities[i]!)
    left.values.push(values[i]!)
  }
  return left
}

function dueAt({ identities, values }: Run, i: number): RecentDue {
  const identity = identities[i]!
  const value = values[i]!
  return { identity, value, timestamp: identityTimestamp(identity), orderText: orderTextIn(value) }
}

function sort(run: Run): void {
  const all = run.identities.map((_, i) => dueAt(run, i)).sort(compareDue)
  run.identities = all.map(({ identity }) => identity)
  run.values = all.map(({ value }) => value)
  run.isSorted = true
  run.last = all.at(-1)!
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
function firstBehind(run: Run, position: DuePosition): number {
  let low = 0
  let high = run.identities.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBefore(position, dueAt(run, middle))) high = middle
    else low = middle + 1
  }
  return low
}
