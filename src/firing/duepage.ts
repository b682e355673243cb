/**
 * A page of what is due in a queue, from a position on: the `due` space and what is recent, as they are at one moment.
 *
 * - It ends where the one of the two ends that has more beyond: up to there both are known.
 * - What the space still has, and recently went, is left out; what went and came again is where it came again.
 */
import type { Engine, Entry } from '../engine/engine.ts'
import { END } from '../engine/keyspaces.ts'
import type { DuePosition } from '../log/dueruns.ts'
import type { RecentTimers } from '../log/recent.ts'
import type { QueueState } from '../log/state.ts'
import { IDENTITY_QUEUE_END } from '../timer/identity.ts'
import { parseDue } from '../timer/stored.ts'
import { decodeTimestamp, TIMESTAMP_CHARACTERS } from '../timer/text.ts'
import { type DueTimer, isBefore } from './due.ts'

export interface DuePageParts {
  engine: Engine
  recent: RecentTimers
  queue: QueueState
  /** Makes a timer of the page; `dueKey`, where the space has it. */
  make(identity: string, timestamp: number, orderText: string, dueKey?: string): DueTimer
  /** Hears of a `due` entry that cannot be read, and is passed over. */
  onDamaged(key: string): void
}

export interface DuePage {
  /** In firing order. */
  timers: DueTimer[]
  /** Where what was read ends; undefined: there is nothing beyond. */
  end: DuePosition | undefined
}

/** Reads the timers behind a `due` key, or the beginning of one: `limit` of each of the two, at most. */
export async function readDuePage(parts: DuePageParts, after: string, limit: number): Promise<DuePage> {
  const { engine, recent, queue, make } = parts
  const to = `d${queue.prefix.slice(1, IDENTITY_QUEUE_END)}${END}`
  const scan = engine.scan({ after, to, limit })
  const fresh = recent
    .due(queue, positionOf(after), limit)
    .map(({ identity, timestamp, timer }) => make(identity, timestamp, timer.orderText))
  const standingOf = recent.view()
  const entries = await scan.read()
  const stored = parseEntries(entries, standingOf, parts)
  const storedEnd = entries.length < limit ? undefined : positionOf(entries.at(-1)![0])
  const freshEnd = fresh.length < limit ? undefined : fresh.at(-1)
  const end = earlierOf(storedEnd, freshEnd)
  const timers = fresh.length === 0 ? stored : mergeInOrder(stored, fresh)
  return { timers: end === undefined ? timers : timers.filter((timer) => !isBefore(end, timer)), end }
}

function parseEntries(
  entries: readonly Entry[],
  standingOf: ReturnType<RecentTimers['view']>,
  { make, onDamaged }: DuePageParts,
): DueTimer[] {
  const timers: DueTimer[] = []
  for (const [key, value] of entries) {
    const due = parseDue(key, value)
    if (due === undefined) {
      onDamaged(key)
      continue
    }
    const { identity, orderText } = due
    const newest = standingOf(identity)
    if (newest !== undefined && newest?.orderText !== orderText) continue
    timers.push(make(identity, decodeTimestamp(key, IDENTITY_QUEUE_END), orderText, key))
  }
  return timers
}

/** The place in firing order that a `due` key names, or the beginning of one. */
function positionOf(key: string): DuePosition {
  const timestamp = decodeTimestamp(key, IDENTITY_QUEUE_END)
  return { timestamp, orderText: key.slice(IDENTITY_QUEUE_END + TIMESTAMP_CHARACTERS) }
}

function earlierOf(a: DuePosition | undefined, b: DuePosition | undefined): DuePosition | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return isBefore(a, b) ? a : b
}

function mergeInOrder(a: readonly DueTimer[], b: readonly DueTimer[]): DueTimer[] {
  const merged: DueTimer[] = []
  let at = 0
  for (const timer of a) {
    while (at < b.length && isBefore(b[at]!, timer)) merged.push(b[at++]!)
    merged.push(timer)
  }
  while (at < b.length) merged.push(b[at++]!)
  return merged
}
