/**
 * A page of what is due in a queue, from a position on: the `due` space and what is recent, as they are at one moment.
 *
 * - It ends where the one of the two ends that has more beyond: up to there both are known.
 * - What the space still has, and recently went, is left out; what went and came again is where it came again. One that is
 *   in both is there once, as it is recently.
 */
import type { Engine, Entry } from '../engine/engine.ts'
import { IDENTITY_QUEUE_END } from '../timer/identity.ts'
import { parseDue } from '../timer/stored.ts'
import { decodeTimestamp, encodeTimestamp, TIMESTAMP_CHARACTERS } from '../timer/text.ts'
import { type DuePosition, isBefore } from './dueruns.ts'
import type { RecentTimers, StandingOf } from './recent.ts'
import type { QueueState } from './state.ts'

/** A timer of a page. */
export interface Due extends DuePosition {
  readonly identity: string
}

export interface DuePageParts<T extends Due> {
  engine: Engine
  recent: RecentTimers
  queue: QueueState
  /** Makes a timer of the page: of the space, with the key of its entry, or of what is recent, with its value. */
  make(due: Due, dueKey: string | undefined, value: string | undefined): T
  /** Hears of a `due` entry that cannot be read, and is passed over. */
  onDamaged(key: string): void
}

export interface DuePage<T extends Due> {
  /** In firing order. */
  timers: T[]
  /** Where what was read ends; undefined: there is nothing beyond. */
  end: DuePosition | undefined
}

/** Reads the timers behind a `due` key, or the beginning of one, up to another: `limit` of each of the two, at most. */
export async function readDuePage<T extends Due>(
  parts: DuePageParts<T>,
  after: string,
  to: string,
  limit: number,
): Promise<DuePage<T>> {
  const { engine, recent, queue, make } = parts
  const scan = engine.scan({ after, to, limit })
  const fresh = recent.due(queue, positionOf(after), limit).map((due) => make(due, undefined, due.value))
  const { entries, stored } = await recent.viewed(async (standingOf) => {
    const entries = await scan.read()
    return { entries, stored: parseEntries(entries, fresh, standingOf, parts) }
  })
  const storedEnd = entries.length < limit ? undefined : positionOf(entries.at(-1)![0])
  const freshEnd = fresh.length < limit ? undefined : fresh.at(-1)
  const end = earlierOf(storedEnd, freshEnd)
  const timers = fresh.length === 0 ? stored : mergeInOrder(stored, fresh)
  return { timers: end === undefined ? timers : timers.filter((timer) => !isBefore(end, timer)), end }
}

function parseEntries<T extends Due>(
  entries: readonly Entry[],
  fresh: readonly T[],
  standingOf: StandingOf,
  { make, onDamaged }: DuePageParts<T>,
): T[] {
  const isFresh = new Set<string>()
  for (const { identity } of fresh) isFresh.add(identity)
  const timers: T[] = []
  for (const [key, value] of entries) {
    const due = parseDue(key, value)
    if (due === undefined) {
      onDamaged(key)
      continue
    }
    const { identity, orderText } = due
    const newest = standingOf(identity)
    if (isFresh.has(identity) || (newest !== undefined && newest?.orderText !== orderText)) continue
    const timestamp = decodeTimestamp(key, IDENTITY_QUEUE_END)
    timers.push(make({ identity, timestamp, orderText }, key, undefined))
  }
  return timers
}

/** The place in firing order that a `due` key names, or the beginning of one. */
function positionOf(key: string): DuePosition {
  const timestamp = decodeTimestamp(key, IDENTITY_QUEUE_END)
  return { timestamp, orderText: key.slice(IDENTITY_QUEUE_END + TIMESTAMP_CHARACTERS) }
}

/** The `due` key of a position in a queue. */
export function keyOf(queue: QueueState, { timestamp, orderText }: DuePosition): string {
  return `d${queue.prefix.slice(1)}${encodeTimestamp(timestamp)}${orderText}`
}

function earlierOf(a: DuePosition | undefined, b: DuePosition | undefined): DuePosition | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return isBefore(a, b) ? a : b
}

function mergeInOrder<T extends Due>(a: readonly T[], b: readonly T[]): T[] {
  const merged: T[] = []
  let at = 0
  for (const timer of a) {
    while (at < b.length && isBefore(b[at]!, timer)) merged.push(b[at++]!)
    merged.push(timer)
  }
  while (at < b.length) merged.push(b[at++]!)
  return merged
}
