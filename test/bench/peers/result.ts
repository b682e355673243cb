/** The result of a comparison, as it is stored: every run, and what it ran on. */
import type { Machine } from '../measure.ts'
import type { Contender } from './contender.ts'
import type { Figures } from './workloads.ts'

export interface Run {
  contender: string
  workload: string
  timers: number
  round: number
  figures?: Figures
  /** Why there are no figures. */
  failed?: string
  /** Of a restart: how long the server took, which opening waits for. */
  serverStartMs?: number
}

export interface Taker {
  id: string
  title: string
  kind: Contender['kind']
  durability: string
  offers: Contender['offers']
  /** Packages and servers, with versions. */
  versions: Record<string, string>
}

export interface Result {
  startedAt: string
  machine: Machine
  rounds: number
  contenders: Taker[]
  workloads: { id: string; title: string }[]
  runs: Run[]
}

/** How often each workload was run with each contender: '3', or '1 to 3' where rounds were added to some; '0': none. */
export function roundsText({ runs }: Result): string {
  const times = new Map<string, number>()
  for (const { contender, workload, timers } of runs) {
    const which = JSON.stringify([contender, workload, timers])
    times.set(which, (times.get(which) ?? 0) + 1)
  }
  if (times.size === 0) return '0'
  const least = Math.min(...times.values())
  const most = Math.max(...times.values())
  return least === most ? String(most) : `${least} to ${most}`
}

export interface Spread {
  median: number
  least: number
  most: number
  runs: number
}

/** The median of some runs, with their range; undefined: there are none. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, least: sorted[0]!, most: sorted.at(-1)!, runs: sorted.length }
}

/** One figure of one contender in one workload, over the rounds. */
export function figureOf(
  result: Result,
  { contender, workload, timers }: Pick<Run, 'contender' | 'workload' | 'timers'>,
  pick: (figures: Figures) => number | undefined,
): Spread | undefined {
  const values = result.runs
    .filter((run) => run.contender === contender && run.workload === workload && run.timers === timers)
    .map(({ figures }) => (figures === undefined ? undefined : pick(figures)))
  return spreadOf(values.filter((value) => value !== undefined))
}
