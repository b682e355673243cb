/**
 * What the page's charts are drawn from: sparse bins for each series, all of one width, which the browser puts together
 * into as many bars as there is room for. So zooming in shows more, down to a bin; and a page has so many bins at most,
 * however many timers there are.
 */
import type { KeyGroupRange } from '../../timer/codec.ts'
import { WIDTHS_MS } from '../timehistogram.ts'
import type { Gathered } from './gather.ts'

/** Bins of all series of a chart. */
const MAX_BINS = 40_000
const MAX_KEY_GROUP_BINS = 2048
/** What is the least to look at. */
const MIN_VIEW_BINS = 20
/** The share of timers that may lie beyond what is shown at first, at each end, where that is so much finer. */
const BEYOND = 0.05
const FINER = 20
/** What is shown around that. */
const MARGIN = 0.04

/** Begins at index times width. */
type Bin = readonly [index: number, count: number]

export interface ChartData {
  /** Of a bin. */
  width: number
  /** Widths that bars may have: each divides the next. */
  widths: number[]
  /** From the first bin to the end of the last. */
  all: [from: number, to: number]
  /** What is shown at first: where nearly all timers are. */
  home: [from: number, to: number]
  /** For each series: its bins, the first index as it is and each other as the distance to the one before. */
  series: { steps: number[]; counts: number[] }[]
}

export function timesData({ series }: Gathered): ChartData {
  let width = Math.max(1, ...series.map((one) => one.times.widthMs))
  for (;;) {
    const bins = series.map((one) => one.times.bins(width))
    const next = WIDTHS_MS[WIDTHS_MS.indexOf(width) + 1]
    if (next !== undefined && (totalOf(bins) > MAX_BINS || !isSafe(bins))) {
      width = next
      continue
    }
    const widths = WIDTHS_MS.filter((other) => other >= width)
    return chartData(bins, width, widths)
  }
}

export function keyGroupsData(gathered: Gathered, { start, end }: KeyGroupRange): ChartData {
  const { series, queues, seriesOf } = gathered
  let width = 1
  while ((end - start + 1) / width > MAX_KEY_GROUP_BINS) width *= 2
  const bins = series.map((one) => {
    const merged = new Map<number, number>()
    for (const queue of queues) {
      if (seriesOf(queue) !== one) continue
      for (const { keyGroup, count } of queue.keyGroups) {
        const index = Math.floor(keyGroup / width)
        merged.set(index, (merged.get(index) ?? 0) + count)
      }
    }
    return [...merged].sort(([a], [b]) => a - b)
  })
  const widths = Array.from({ length: 16 }, (_, i) => width * 2 ** i)
  return { ...chartData(bins, width, widths), all: [start, end + 1], home: [start, end + 1] }
}

function totalOf(bins: readonly (readonly Bin[])[]): number {
  return bins.reduce((sum, { length }) => sum + length, 0)
}

/** Whether distances between bins are exact: from one end of time to the other there are more milliseconds than that. */
function isSafe(bins: readonly (readonly Bin[])[]): boolean {
  const ends = bins.flatMap((series) => (series.length === 0 ? [] : [series[0]![0], series.at(-1)![0]]))
  return ends.length === 0 || Number.isSafeInteger(Math.max(...ends) - Math.min(...ends) + 1)
}

function chartData(bins: readonly (readonly Bin[])[], width: number, widths: number[]): ChartData {
  const sorted = bins.flat().sort(([a], [b]) => a - b)
  const first = sorted[0]?.[0] ?? 0
  const last = sorted.at(-1)?.[0] ?? 0
  return {
    width,
    widths,
    all: atLeast(first, last, width),
    home: atLeast(...bulk(sorted, first, last), width),
    series: bins.map((series) => ({
      steps: series.map(([index], i) => index - (i === 0 ? 0 : series[i - 1]![0])),
      counts: series.map(([, count]) => count),
    })),
  }
}

/** The first and last bins to show at first: all, or all but the few beside which the others would be a line. */
function bulk(sorted: readonly Bin[], first: number, last: number): [number, number] {
  const few = sorted.reduce((sum, [, count]) => sum + count, 0) * BEYOND
  const from = sorted.find(beyond(few))?.[0] ?? first
  const to = sorted.findLast(beyond(few))?.[0] ?? last
  const isFiner = ([start, end]: readonly number[]) => (end! - start! + 1) * FINER <= last - first + 1
  const choices: [number, number][] = [
    [first, to],
    [from, last],
    [from, to],
  ]
  const chosen = choices.find(isFiner)
  if (chosen === undefined) return [first, last]
  const margin = Math.ceil((chosen[1] - chosen[0]) * MARGIN)
  return [Math.max(first, chosen[0] - margin), Math.min(last, chosen[1] + margin)]
}

/** False for as many bins as have so few timers together. */
function beyond(few: number): (bin: Bin) => boolean {
  let sum = 0
  return ([, count]) => {
    sum += count
    return sum > few
  }
}

/** From the first bin to the end of the last, or around them where that is nothing to look at. */
function atLeast(first: number, last: number, width: number): [number, number] {
  const around = Math.ceil(Math.max(0, MIN_VIEW_BINS - (last - first + 1)) / 2)
  return [(first - around) * width, (last + 1 + around) * width]
}
