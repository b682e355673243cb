/** What the report shows of a result: which figures, of whom, how they are written, and where Tidemark is behind. Pure. */

import type { Memory } from '../resources.ts'
import type { Unit } from './report-numbers.ts'
import { WHY } from './report-reasons.ts'
import type { Result, Run, Spread, Taker } from './result.ts'
import { spreadOf } from './result.ts'

export interface Figure {
  id: string
  title: string
  /** The head of its column, where there is little room. */
  short: string
  workload: string
  unit: Unit
  better: 'more' | 'less'
  pick(run: Run): number | undefined
  /** Of the whole, the part that is the server's. */
  serverPart?(run: Run): number | undefined
  /** Besides, and not in the figure. */
  mapped?(run: Run): number | undefined
  /** Why Tidemark may be behind in it. */
  why: string
  /** In the README's table. */
  main?: boolean
}

/** A figure, of so many timers. */
export interface Measured {
  figure: Figure
  timers: number
  rows: Row[]
}

export interface Row {
  taker: Taker
  /** Absent: none of its runs has it. */
  spread?: Spread
  serverPart?: Spread
  mapped?: Spread
  /** Why runs have no figures, and what was inexact: each once. */
  faults: string[]
  runs: number
  failed: number
}

const sum = (...memories: readonly (Memory | undefined)[]) =>
  memories.reduce((whole, memory) => whole + (memory?.anonymousMib ?? 0), 0)
const mapped = ({ figures }: Run) =>
  figures?.client && figures.client.mappedMib + (figures.server?.mappedMib ?? 0)

const rate = { unit: 'per second', better: 'more' } as const
const late = { unit: 'ms', better: 'less' } as const

export const figures: readonly Figure[] = [
  {
    ...rate,
    id: 'bulk',
    why: WHY.bulk,
    title: 'Scheduled in bulk',
    short: 'in bulk',
    workload: 'bulk',
    main: true,
    pick: (run) => run.figures?.scheduledPerSecond,
  },
  {
    ...rate,
    id: 'single',
    why: WHY.single,
    title: 'Scheduled one by one, 1,000 in flight',
    short: 'one by one, 1,000 in flight',
    workload: 'single',
    main: true,
    pick: (run) => run.figures?.scheduledPerSecond,
  },
  {
    ...rate,
    id: 'cancel',
    why: WHY.cancel,
    title: "Cancelled by the user's own key",
    short: 'cancelled',
    workload: 'bulk',
    main: true,
    pick: (run) => run.figures?.cancelledPerSecond,
  },
  {
    ...rate,
    id: 'cancel-soon',
    why: WHY['cancel-soon'],
    title: "Cancelled by the user's own key, right after they were scheduled",
    short: 'cancelled soon',
    workload: 'bulk',
    main: true,
    pick: (run) => run.figures?.cancelledSoonPerSecond,
  },
  {
    ...rate,
    id: 'fired',
    why: WHY.fired,
    title: 'All due: fired, and removed',
    short: 'fired',
    workload: 'due',
    main: true,
    pick: (run) => run.figures?.firedPerSecond,
  },
  ...(['p50', 'p99', 'max'] as const).map(
    (rank): Figure => ({
      ...late,
      id: `burst-${rank}`,
      why: WHY.burst,
      title: `Due in the same millisecond: lateness, ${rank}`,
      short: `same ms, ${rank}`,
      workload: 'burst',
      main: rank === 'p99',
      pick: (run) => run.figures?.latenessMs?.[rank],
    }),
  ),
  {
    ...late,
    id: 'first-burst',
    why: WHY.firstBurst,
    title: 'Due in the same millisecond, the first time in a process: lateness, p99',
    short: 'first same ms, p99',
    workload: 'burst',
    pick: (run) => run.figures?.firstLatenessMs?.p99,
  },
  ...(['p50', 'p99', 'p999'] as const).map(
    (rank): Figure => ({
      ...late,
      id: `steady-${rank}`,
      why: WHY.steady,
      title: `2,000 a second, steadily: lateness, ${rank.replace('p999', 'p99.9')}`,
      short: `steady, ${rank}`,
      workload: 'steady',
      main: rank === 'p99',
      pick: (run) => run.figures?.latenessMs?.[rank],
    }),
  ),
  {
    id: 'memory',
    why: WHY.memory,
    title: 'Memory with all pending, client and server',
    short: 'memory',
    workload: 'bulk',
    unit: 'MiB',
    better: 'less',
    main: true,
    pick: ({ figures }) => figures?.client && sum(figures.client, figures.server),
    serverPart: ({ figures }) => figures?.server?.anonymousMib,
    mapped,
  },
  {
    id: 'disk',
    why: WHY.disk,
    title: 'Disk per timer, scheduled in bulk',
    short: 'disk',
    workload: 'bulk',
    unit: 'bytes',
    better: 'less',
    main: true,
    pick: (run) => run.figures?.diskBytesPerTimer,
  },
  {
    ...late,
    id: 'restart',
    why: WHY.restart,
    title: 'Restart with all pending, until the first fires; with the start of the server',
    short: 'restart',
    workload: 'restart',
    main: true,
    pick: ({ figures, serverStartMs = 0 }) =>
      figures?.openToFirstFireMs && figures.openToFirstFireMs + serverStartMs,
    serverPart: ({ serverStartMs }) => serverStartMs,
  },
]

/** Each figure with all who take part, for every number of timers that was measured, the least first. */
export function measuredOf(result: Result): Measured[] {
  return figures.flatMap((figure) => {
    const runs = result.runs.filter(({ workload }) => workload === figure.workload)
    const sizes = [...new Set(runs.map(({ timers }) => timers))].sort((a, b) => a - b)
    return sizes.map((timers) => ({ figure, timers, rows: rowsOf(result, figure, timers) }))
  })
}

function rowsOf({ contenders, runs }: Result, figure: Figure, timers: number): Row[] {
  return contenders.flatMap((taker) => {
    const own = runs.filter(
      (run) => run.contender === taker.id && run.workload === figure.workload && run.timers === timers,
    )
    if (own.length === 0) return []
    const spread = (pick: (run: Run) => number | undefined) =>
      spreadOf(own.map(pick).filter((value) => value !== undefined))
    const row: Row = {
      taker,
      spread: spread(figure.pick),
      serverPart: figure.serverPart && spread(figure.serverPart),
      mapped: figure.mapped && spread(figure.mapped),
      faults: [...new Set(own.flatMap(faultsOf))],
      runs: own.length,
      failed: own.filter(({ failed }) => failed !== undefined).length,
    }
    return [row]
  })
}

/** What was not as it should be in a run. */
export function faultsOf({ failed, figures }: Run): string[] {
  return [...(failed === undefined ? [] : [failed]), ...(figures?.inexact ?? [])]
}

export function bestOf({ figure, rows }: Measured): Row | undefined {
  const measured = rows.filter(({ spread }) => spread !== undefined)
  const ahead = (a: Row, b: Row) => {
    const difference = a.spread!.median - b.spread!.median
    return figure.better === 'more' ? difference > 0 : difference < 0
  }
  return measured.reduce<Row | undefined>(
    (best, row) => (best === undefined || ahead(row, best) ? row : best),
    undefined,
  )
}

export interface Loss {
  measured: Measured
  own: Row
  best: Row
  /** How many times better the best is. */
  factor: number
}

/** Where someone else is ahead of Tidemark, with its default durability; the widest gap first. */
export function lossesOf(measured: readonly Measured[]): Loss[] {
  const losses: Loss[] = []
  for (const one of measured) {
    const own = one.rows.find(({ taker, spread }) => taker.id === 'tidemark' && spread !== undefined)
    const others = one.rows.filter(({ taker }) => taker.kind !== 'Tidemark')
    const best = bestOf({ ...one, rows: own === undefined ? [] : [own, ...others] })
    if (own === undefined || best === undefined || best === own) continue
    const ratio = best.spread!.median / own.spread!.median
    losses.push({ measured: one, own, best, factor: one.figure.better === 'more' ? ratio : 1 / ratio })
  }
  return losses.sort((a, b) => b.factor - a.factor)
}
