/**
 * How many timers there are over time: in one pass, in bounded memory, whatever the timestamps are.
 *
 * - Bins begin a millisecond wide. When there are too many that hold something, every few become one, wider by a step of
 *   a ladder: 1, 2, 10, 20 ms … 1 h, 2 h … 1 d … Each step divides the next, so bars are whole bins, their edges are
 *   round times, and their counts are exact. One timer far away is one bin, and costs the others nothing.
 * - Bars are of the bulk; the few far from it are told as earlier and later ones.
 */

const DAY_MS = 86_400_000

function widths(): number[] {
  const seconds = [1, 2, 10, 20, 60, 120, 600, 1200, 3600, 7200, 21_600, 43_200].map((s) => s * 1000)
  const list = [1, 2, 10, 20, 100, 200, ...seconds]
  for (let days = 1; days * DAY_MS < Number.MAX_SAFE_INTEGER; days *= 10) {
    list.push(days * DAY_MS, days * 2 * DAY_MS)
  }
  return list
}

/** Each divides the next. */
export const WIDTHS_MS: readonly number[] = widths()

const DEFAULT_MAX_BINS = 4096
/** The share of timers that may lie beyond the bars, at each end. */
const BEYOND = 0.005
/** Bars of the bulk alone are worth it only if they are so much finer. */
const FINER = 10

export interface TimeBar {
  /** Start, included; the bar ends where the next would begin. */
  from: number
  count: number
}

export interface TimeBars {
  widthMs: number
  /** Without gaps. */
  bars: TimeBar[]
  /** Timers before the first bar, and behind the last. */
  earlier: number
  later: number
}

export class TimeHistogram {
  #bins = new Map<number, number>()
  #step = 0
  #lastIndex = Number.NaN
  #lastWeight = 0
  readonly #maxBins: number

  /** The more bins, the finer they stay. */
  constructor(maxBins = DEFAULT_MAX_BINS) {
    this.#maxBins = maxBins
  }

  /** Counts a timestamp, for as many timers as it stands for. */
  add(timestamp: number, weight = 1): void {
    const index = Math.floor(timestamp / WIDTHS_MS[this.#step]!)
    if (index === this.#lastIndex) {
      this.#lastWeight += weight
      return
    }
    this.#putLast()
    this.#lastIndex = index
    this.#lastWeight = (this.#bins.get(index) ?? 0) + weight
    if (this.#bins.size >= this.#maxBins) this.#coarsen()
  }

  /** How wide its bins are by now: one of the ladder's widths. */
  get widthMs(): number {
    return WIDTHS_MS[this.#step]!
  }

  /** The bins that hold something, in order, at a width of the ladder that is not finer; each begins at index × width. */
  bins(widthMs = this.widthMs): [index: number, count: number][] {
    this.#putLast()
    const times = widthMs / this.widthMs
    const merged = new Map<number, number>()
    for (const [index, weight] of this.#bins) {
      const at = Math.floor(index / times)
      merged.set(at, (merged.get(at) ?? 0) + weight)
    }
    return [...merged].sort(([a], [b]) => a - b)
  }

  /** At most so many bars; none where there are no timers. */
  bars(maxBars: number): TimeBars {
    this.#putLast()
    const bins = [...this.#bins].sort(([a], [b]) => a - b)
    if (bins.length === 0) return { widthMs: WIDTHS_MS[this.#step]!, bars: [], earlier: 0, later: 0 }
    const all = this.#stepFor(bins[0]![0], bins.at(-1)![0], maxBars)
    const [first, last] = bulk(bins)
    const inner = this.#stepFor(bins[first]![0], bins[last]![0], maxBars)
    const isBulk = WIDTHS_MS[inner]! * FINER <= WIDTHS_MS[all]!
    return isBulk ? this.#barsOf(bins, first, last, inner) : this.#barsOf(bins, 0, bins.length - 1, all)
  }

  #putLast(): void {
    if (Number.isNaN(this.#lastIndex)) return
    this.#bins.set(this.#lastIndex, this.#lastWeight)
    this.#lastIndex = Number.NaN
  }

  #coarsen(): void {
    this.#putLast()
    while (this.#bins.size >= this.#maxBins / 2 && this.#step < WIDTHS_MS.length - 1) {
      const times = WIDTHS_MS[this.#step + 1]! / WIDTHS_MS[this.#step]!
      const coarser = new Map<number, number>()
      for (const [index, weight] of this.#bins) {
        const merged = Math.floor(index / times)
        coarser.set(merged, (coarser.get(merged) ?? 0) + weight)
      }
      this.#bins = coarser
      this.#step++
    }
  }

  /** The finest step at which two bins and all between them are no more than so many bars. */
  #stepFor(first: number, last: number, maxBars: number): number {
    let step = this.#step
    while (step < WIDTHS_MS.length - 1) {
      const times = WIDTHS_MS[step]! / WIDTHS_MS[this.#step]!
      if (Math.floor(last / times) - Math.floor(first / times) < maxBars) break
      step++
    }
    return step
  }

  #barsOf(bins: readonly [number, number][], first: number, last: number, step: number): TimeBars {
    const widthMs = WIDTHS_MS[step]!
    const times = widthMs / WIDTHS_MS[this.#step]!
    const start = Math.floor(bins[first]![0] / times)
    const end = Math.floor(bins[last]![0] / times)
    const counts = new Array<number>(end - start + 1).fill(0)
    let earlier = 0
    let later = 0
    for (const [index, weight] of bins) {
      const at = Math.floor(index / times) - start
      if (at < 0) earlier += weight
      else if (at >= counts.length) later += weight
      else counts[at]! += weight
    }
    const bars = counts.map((count, i) => ({ from: (start + i) * widthMs, count: Math.round(count) }))
    return { widthMs, bars, earlier: Math.round(earlier), later: Math.round(later) }
  }
}

/** The first and last of the bins that are left when at each end the few that lie beyond are cut off. */
function bulk(bins: readonly [number, number][]): [number, number] {
  const few = bins.reduce((sum, [, weight]) => sum + weight, 0) * BEYOND
  let first = 0
  let last = bins.length - 1
  for (let cut = bins[first]![1]; cut <= few; cut += bins[first]![1]) first++
  for (let cut = bins[last]![1]; cut <= few; cut += bins[last]![1]) last--
  return [first, last]
}
