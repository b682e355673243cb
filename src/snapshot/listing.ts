/**
 * Reading what stands in a queue: in due order, or one key's timers by namespace and timestamp.
 *
 * - Each chunk is a view of one moment; what changes between two chunks may or may not be seen, nothing is seen twice.
 * - A `due` entry whose timer is not there is passed over: it counts for nothing. That it is not there is found twice.
 */
import { type Engine, isPart } from '../engine/engine.ts'
import { END } from '../engine/keyspaces.ts'
import { hiddenKey, walkTo } from '../engine/walked.ts'
import { TidemarkError } from '../errors.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP, READ_AT_ONCE_TIMERS, SCAN_CHUNK_BYTES } from '../limits.ts'
import { prefixEnd } from '../log/reads.ts'
import type { RecentTimers } from '../log/recent.ts'
import type { QueueState } from '../log/state.ts'
import { timestampText } from '../timer/identity.ts'
import { parseDue, parseStored, type StoredTimer } from '../timer/stored.ts'
import { decodeTimestamp, encodeTimestamp } from '../timer/text.ts'

const LISTING_CHUNK_ENTRIES = 1000
/** Entries that are read at once where few are wanted. */
export const FEW_ENTRIES = 16

export interface Listed {
  identity: string
  timer: StoredTimer
}

/** Timestamps, both ends included. */
export interface TimestampRange {
  from: number
  to: number
}

/** The timers of a queue in due order. */
export async function* listDue(
  engine: Engine,
  queue: QueueState,
  range: TimestampRange,
  chunkEntries = READ_AT_ONCE_TIMERS,
): AsyncGenerator<Listed> {
  const space = `d${queue.prefix.slice(1)}`
  const to = range.to === MAX_TIMESTAMP ? space + END : space + encodeTimestamp(range.to + 1)
  // Below the lower bound everything was deleted, and LevelDB would walk it key by key.
  let after = space + encodeTimestamp(Math.max(range.from, queue.decided.low))
  for (;;) {
    if (after >= to) return
    const entries = await engine.scan({ after, to, limit: chunkEntries }).read()
    const due = entries.map(([key, value]) => parseDue(key, value) ?? damaged(key))
    const values = await engine.getMany(due.map(({ identity }) => identity))
    for (let i = 0; i < due.length; i++) {
      const { identity, orderText } = due[i]!
      const value = values[i]
      const timer = value === undefined ? undefined : (parseStored(identity, value) ?? damaged(identity))
      if (timer?.orderText === orderText) yield { identity, timer }
      else if (timer === undefined) await refuseHidden(engine, identity, orderText)
    }
    if (entries.length < chunkEntries) return
    after = entries.at(-1)![0]
  }
}

/** Refuses a timer that is there all the same. One that went meanwhile does not come back with the same order. */
async function refuseHidden(engine: Engine, identity: string, orderText: string): Promise<void> {
  const value = await walkTo(engine, identity)
  if (value !== undefined && parseStored(identity, value)?.orderText === orderText) throw hiddenKey(identity)
}

/**
 * The earliest timer of a queue, read while no commit is under way: the lower bound of the queue then rises to it, so
 * that what was deleted before it is walked once.
 */
export async function readEarliest(
  engine: Engine,
  recent: RecentTimers,
  queue: QueueState,
): Promise<Listed | undefined> {
  const range = { from: MIN_TIMESTAMP, to: MAX_TIMESTAMP }
  await recent.prepareDue(queue)
  const [fresh] = recent.due(queue, { timestamp: queue.decided.low, orderText: '' }, 1)
  let earliest: Listed | undefined = fresh
  for await (const listed of listDue(engine, queue, range, FEW_ENTRIES)) {
    // What is recent is told above; where it went, the space may still have it.
    if (recent.get(listed.identity) !== undefined) continue
    const timestamp = identityTimestamp(listed.identity)
    const isFirst =
      fresh === undefined ||
      timestamp < fresh.timestamp ||
      (timestamp === fresh.timestamp && listed.timer.orderText < fresh.timer.orderText)
    if (isFirst) earliest = listed
    break
  }
  queue.decided.low = earliest === undefined ? MAX_TIMESTAMP : identityTimestamp(earliest.identity)
  return earliest
}

/** The timers behind a prefix (a key, or a key and a namespace), by namespace and timestamp. */
export async function* listKey(
  engine: Engine,
  prefix: string,
  range: TimestampRange,
): AsyncGenerator<Listed> {
  let after = prefix
  for (;;) {
    const limits = { limit: LISTING_CHUNK_ENTRIES, maxBytes: SCAN_CHUNK_BYTES }
    const entries = await engine.scan({ after, to: prefixEnd(prefix), ...limits }).read()
    for (const [identity, value] of entries) {
      const timestamp = identityTimestamp(identity)
      if (timestamp < range.from || timestamp > range.to) continue
      yield { identity, timer: parseStored(identity, value) ?? damaged(identity) }
    }
    if (!isPart(entries, limits)) return
    after = entries.at(-1)![0]
  }
}

function identityTimestamp(identity: string): number {
  return decodeTimestamp(timestampText(identity), 0)
}

function damaged(key: string): never {
  throw new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the stored entry ${JSON.stringify(key)} is damaged: run verify(), and restore a checkpoint`,
  )
}
