/** The result of a comparison, as it is stored: every run, and what it ran on. */
import { type Machine, median } from '../measure.ts'
import type { Contender } from './contender.ts'
import type { Figures } from './workloads/workload.ts'

export interface Run {
  contender: string
  workload: string
  timers: number
  round: number
  /** When it began. */
  at?: string
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
  /** What it is driven with. */
  settings?: Contender['settings']
}

export interface Result {
  startedAt: string
  machine: Machine
  rounds: number
  /** Of Tidemark, with the commit; `+` after it: with changes that are in none. */
  versions?: Record<string, string>
  /** The same for all who take part. */
  settings?: Record<string, number>
  contenders: Taker[]
  runs: Run[]
}

/** How often each workload was run with each contender. */
export function roundsOf({ runs }: Pick<Result, 'runs'>): number[] {
  const times = new Map<string, number>()
  for (const { contender, workload, timers } of runs) {
    const which = JSON.stringify([contender, workload, timers])
    times.set(which, (times.get(which) ?? 0) + 1)
  }
  return [...times.values()]
}

/** '3', or '1 to 3' where rounds were added to some; '0': none. */
export function roundsText(rounds: readonly number[]): string {
  if (rounds.length === 0) return '0'
  const least = Math.min(...rounds)
  const most = Math.max(...rounds)
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
  const least = values.reduce((a, b) => Math.min(a, b))
  const most = values.reduce((a, b) => Math.max(a, b))
  return { median: median(values), least, most, runs: values.length }
}
