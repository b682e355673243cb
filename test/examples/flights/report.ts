/**
 * What the run came to, for a person to read, and the verdict: every late flight was reported, and no other.
 * Pure: everything that it tells is handed to it.
 */
import { type Answer, missingFrom } from './answer.ts'
import { formatBytes, formatCount, formatDuration, formatShare, renderHistogram } from './format.ts'
import type { LateDepartures } from './late.ts'
import { HEAP_MAX_MIB } from './life.ts'
import type { CheckpointTaken, Cut, Memory, Progress } from './messages.ts'

export interface Outcome {
  flights: number
  durability: string
  late: LateDepartures
  /** Those of the first process, in order. */
  checkpoints: CheckpointTaken[]
  restored: { timers: number; version: number }
  /** What the restore handed back: where the second process took over. */
  cut: Cut
  restoreMs: number
  killed: Progress
  finished: Progress
  pending: number
  /** The larger of the two processes'. */
  memory: Memory
}

const HISTOGRAM_ROWS = 7
const LABEL_CELLS = 12
const RATE_CELLS = 28

export function renderReport(outcome: Outcome): string[] {
  const { flights, late, checkpoints, restored, memory, restoreMs } = outcome
  const anonymous =
    memory.rssAnonPeakBytes === undefined ? '' : `, of it ${formatBytes(memory.rssAnonPeakBytes)} anonymous`
  const origins = late.topOrigins(5).map(([airport, count]) => `${airport} ${formatCount(count)}`)
  return [
    `Late departures by scheduled hour: ${formatCount(late.count)} of ${formatCount(flights)} flights (${formatShare(late.count / flights)})`,
    '',
    ...renderHours(late.byHour),
    '',
    line('most from', origins.join(' · ') || 'nowhere'),
    '',
    ...renderRates(outcome),
    '',
    ...renderCheckpoints(checkpoints),
    line(
      'restore',
      `${formatCount(restored.timers)} timers in ${formatDuration(restoreMs)}; ${formatCount(late.repeats)} late departures reported again, and counted once`,
    ),
    line(
      'memory',
      `peak ${formatBytes(memory.rssPeakBytes)} resident${anonymous} (heap limit ${HEAP_MAX_MIB} MiB)`,
    ),
  ]
}

function renderCheckpoints(checkpoints: readonly CheckpointTaken[]): string[] {
  const pauseMs = Math.max(...checkpoints.map((checkpoint) => checkpoint.pauseMs))
  const of = (kind: CheckpointTaken['kind'], label: string) => {
    const some = checkpoints.filter((checkpoint) => checkpoint.kind === kind)
    if (some.length === 0) return []
    const [bytes, ms] = [mean(some, ({ bytes }) => bytes), mean(some, ({ durationMs }) => durationMs)]
    const each = `${formatBytes(bytes)} in ${formatDuration(ms)} each, on average`
    return [line(label, `${formatCount(some.length)} ${kind}: ${each}`)]
  }
  const newest = checkpoints.at(-1)!
  return [
    ...of('full', 'checkpoints'),
    ...of('incremental', ''),
    line(
      '',
      `longest pause ${formatDuration(pauseMs)}; the last one stands for ${formatCount(newest.timers)} timers`,
    ),
  ]
}

function mean<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0) / items.length
}

function renderHours(byHour: number[]): string[] {
  const axis = LABEL_CELLS - 2
  const most = formatCount(Math.max(...byHour)).padStart(axis)
  const chart = renderHistogram(byHour, HISTOGRAM_ROWS).map(
    (cells, row) => `${row === 0 ? most : ' '.repeat(axis)} ┤${cells.trimEnd()}`,
  )
  const hours = byHour.map((_, hour) => String(hour).padStart(2, '0')).join(' ')
  return [...chart, `${' '.repeat(axis + 1)} ${hours}`]
}

function renderRates({ killed, finished, cut, durability }: Outcome): string[] {
  const runs = [
    { title: 'until the kill', events: killed.events, ...killed.tally, ms: killed.elapsedMs },
    { title: 'resumed', events: finished.events - cut.events, ...finished.tally, ms: finished.elapsedMs },
  ]
  const row = (label: string, countOf: (run: (typeof runs)[number]) => number) =>
    line(label, runs.map((run) => rate(countOf(run), run.ms)).join('  '))
  const titles = runs.map(({ title, ms }) => `${title}, ${formatDuration(ms)}`.padStart(RATE_CELLS))
  return [
    line(`to ${durability}`, titles.join('  ')),
    row('flights', ({ events }) => events / 2),
    row('registers', ({ registers }) => registers),
    row('deletes', ({ deletes }) => deletes),
    row('fires', ({ fired }) => fired),
  ]
}

const rate = (count: number, ms: number): string => {
  const perSecond = ms > 0 ? (count / ms) * 1_000 : 0
  return `${formatCount(count).padStart(12)} ${`${formatCount(perSecond)}/s`.padStart(RATE_CELLS - 13)}`
}

const line = (label: string, text: string): string => `${label.padEnd(LABEL_CELLS)}${text}`

/** What is wrong, a line each; empty: the run is verified. */
export function findFaults(outcome: Outcome, answer: Answer): string[] {
  const { late, cut, restored, killed, finished, pending, flights } = outcome
  const faults: string[] = []
  const expectEqual = (what: string, actual: number, expected: number) => {
    if (actual !== expected) faults.push(`${what}: ${formatCount(actual)}, expected ${formatCount(expected)}`)
  }
  const rows = (what: string, { count, first }: ReturnType<typeof missingFrom>) => {
    const few = first.join(', ') + (count > first.length ? ', …' : '')
    if (count > 0) faults.push(`${what}: ${formatCount(count)} (rows ${few})`)
  }
  rows('late, and not reported', missingFrom(late.rows, answer.rows))
  rows('reported, and not late', missingFrom(answer.rows, late.rows))
  expectEqual('miles of the late flights, from the payloads', late.distanceMiles, answer.distanceMiles)

  const { registered, deleted, fired, registers, skipped } = finished.tally
  const { tally: before } = killed
  expectEqual('registers of the first process that answered true', before.registered, before.registers)
  expectEqual(
    'registers, up to the cut and after it',
    cut.registers + registers,
    flights - cut.skipped - skipped,
  )
  expectEqual('registers of the second process that answered true', registered, registers)
  expectEqual(
    'timers restored and registered, deleted and fired',
    deleted + fired + pending,
    restored.timers + registered,
  )
  expectEqual('timers left at the end', pending, 0)
  return faults
}
