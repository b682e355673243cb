/**
 * Reading what stands in a queue: in due order, or one key's timers by namespace and timestamp.
 *
 * - Each chunk is a view of one moment, of the key spaces and of what is recent; what changes between two chunks may or may
 *   not be seen, nothing is seen twice.
 * - A `due` entry whose timer is not there is passed over: it counts for nothing. That it is not there is found twice.
 */
import { type Engine, type Entry, isPart } from '../engine/engine.ts'
import { END } from '../engine/keyspaces.ts'
import { hiddenKey, walkTo } from '../engine/walked.ts'
import { TidemarkError } from '../errors.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP, READ_AT_ONCE_TIMERS, SCAN_CHUNK_BYTES } from '../limits.ts'
import { type Due, keyOf, readDuePage } from '../log/duepage.ts'
import { prefixEnd } from '../log/reads.ts'
import type { RecentTimers, StandingOf } from '../log/recent.ts'
import type { QueueState } from '../log/state.ts'
import { identityTimestamp } from '../timer/identity.ts'
import { parseStored, type StoredTimer, storedIn } from '../timer/stored.ts'
import { compareStored, encodeTimestamp } from '../timer/text.ts'

const LISTING_CHUNK_ENTRIES = 1000
/** Entries that are read at once where few are wanted. */
export const FEW_ENTRIES = 16

export interface Listed {
  identity: string
  timer: StoredTimer
}

export interface ListingParts {
  engine: Engine
  recent: RecentTimers
}

/** Timestamps, both ends included. */
export interface TimestampRange {
  from: number
  to: number
}

/** The timers of a queue in due order. */
export async function* listDue(
  { engine, recent }: ListingParts,
  queue: QueueState,
  range: TimestampRange,
  chunkEntries = READ_AT_ONCE_TIMERS,
): AsyncGenerator<Listed> {
  const space = `d${queue.prefix.slice(1)}`
  const to = range.to === MAX_TIMESTAMP ? space + END : space + encodeTimestamp(range.to + 1)
  const parts = { engine, recent, queue, make: pending, onDamaged: damaged }
  await recent.prepareDue(queue)
  // Below the lower bound everything was deleted, and LevelDB would walk it key by key.
  let after = space + encodeTimestamp(Math.max(range.from, queue.decided.low))
  for (let limit = chunkEntries; after < to; limit = Math.min(2 * limit, READ_AT_ONCE_TIMERS)) {
    const { timers, end } = await readDuePage(parts, after, to, limit)
    const stored = timers.filter(({ standing }) => standing === undefined)
    const values = await engine.getMany(stored.map(({ identity }) => identity))
    let at = 0
    for (const { identity, timestamp, orderText, standing } of timers) {
      if (timestamp > range.to) return
      const timer = standing ?? parseOrThrow(identity, values[at++])
      if (timer?.orderText === orderText) yield { identity, timer }
      else if (timer === undefined) await refuseHidden(engine, identity, orderText)
    }
    if (end === undefined) return
    after = keyOf(queue, end)
  }
}

/** A timer of a page, which is still to be read where nothing recent tells what stands. */
interface Pending extends Due {
  standing: StoredTimer | undefined
}

function pending({ identity, timestamp, orderText }: Due, _: unknown, value: string | undefined): Pending {
  return { identity, timestamp, orderText, standing: value === undefined ? undefined : storedIn(value) }
}

function parseOrThrow(identity: string, value: string | undefined): StoredTimer | undefined {
  return value === undefined ? undefined : (parseStored(identity, value) ?? damaged(identity))
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
export async function readEarliest(parts: ListingParts, queue: QueueState): Promise<Listed | undefined> {
  const range = { from: MIN_TIMESTAMP, to: MAX_TIMESTAMP }
  let earliest: Listed | undefined
  for await (const listed of listDue(parts, queue, range, FEW_ENTRIES)) {
    earliest = listed
    break
  }
  queue.decided.low = earliest === undefined ? MAX_TIMESTAMP : identityTimestamp(earliest.identity)
  return earliest
}

/** The timers behind a prefix (a key, or a key and a namespace), by namespace and timestamp. */
export async function* listKey(
  { engine, recent }: ListingParts,
  prefix: string,
  range: TimestampRange,
): AsyncGenerator<Listed> {
  const limits = { limit: LISTING_CHUNK_ENTRIES, maxBytes: SCAN_CHUNK_BYTES }
  // Once: what becomes recent later need not be seen, and of these it is asked again what stands.
  const fresh = [...new Set(recent.changedOf(prefix))]
  fresh.sort(compareStored)
  let after = prefix
  for (let next = 0; ; ) {
    const scan = engine.scan({ after, to: prefixEnd(prefix), ...limits })
    const begin = next
    const { listed, end } = await recent.viewed(async (standingOf) => {
      const entries = await scan.read()
      const storedEnd = isPart(entries, limits) ? entries.at(-1)![0] : undefined
      const end = earlier(storedEnd, fresh[begin + LISTING_CHUNK_ENTRIES])
      while (next < fresh.length && isUpTo(fresh[next]!, end)) next++
      return { listed: standingIn(range, fresh.slice(begin, next), entries, end, standingOf), end }
    })
    yield* listed
    if (end === undefined) return
    after = end
  }
}

/** The earlier of two ends; undefined is none. */
function earlier(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return compareStored(a, b) < 0 ? a : b
}

function isUpTo(identity: string, end: string | undefined): boolean {
  return end === undefined || compareStored(identity, end) <= 0
}

/** What stands of a part of a key's timers, up to `end`, in order. */
function standingIn(
  range: TimestampRange,
  fresh: readonly string[],
  entries: readonly Entry[],
  end: string | undefined,
  standingOf: StandingOf,
): Listed[] {
  const stored = new Map(entries)
  const listed: Listed[] = []
  for (const identity of [...new Set([...fresh, ...stored.keys()])].sort(compareStored)) {
    if (!isUpTo(identity, end)) break
    const timestamp = identityTimestamp(identity)
    if (timestamp < range.from || timestamp > range.to) continue
    const standing = standingOf(identity)
    const timer = standing === undefined ? parseOrThrow(identity, stored.get(identity)) : standing
    if (timer !== null && timer !== undefined) listed.push({ identity, timer })
  }
  return listed
}

function damaged(key: string): never {
  throw new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the stored entry ${JSON.stringify(key)} is damaged: run verify(), and restore a checkpoint`,
  )
}
