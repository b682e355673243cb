/**
 * Compares the timers of two queues by merging them, in order of identity: each is looked at once, and no more of them are
 * in memory than two blocks.
 *
 * - The queue itself is no part of it: services may have other numbers in another store.
 * - Blocks that are stored with the same bytes are the same, and neither is decoded.
 */
import type { PlacedBlock } from '../checkpoint/blockindex.ts'
import { textOfRow } from '../checkpoint/blockrows.ts'
import { encodeChecksum } from '../timer/checksum.ts'
import { IDENTITY_QUEUE_END } from '../timer/identity.ts'
import type { ByteRows } from '../timer/rowchecksums.ts'
import { parseTrusted, payloadText, type StoredTimer } from '../timer/stored.ts'
import type { RowStream, Rows } from './rowstream.ts'

/** A timer of one of the two. */
export interface Row {
  rows: Rows
  index: number
}

export type Difference =
  | { kind: 'removed'; before: Row }
  | { kind: 'added'; after: Row }
  | { kind: 'changed'; before: Row; after: Row }

interface MergeOptions {
  /** Called for each timer that only one of them has, or that is stored in other words; it may wait. */
  onDifference(difference: Difference): Promise<void> | void
  /** Called with how many timers of both were compared since the last call. */
  onProgress(timers: number): void
}

/** One of the two, and how far it is. */
class Side {
  readonly stream: RowStream
  rows: Rows | undefined
  at = 0

  constructor(stream: RowStream) {
    this.stream = stream
  }

  get isBetweenBlocks(): boolean {
    return this.rows === undefined || this.at >= this.rows.count
  }

  async fill(): Promise<void> {
    if (!this.isBetweenBlocks) return
    this.rows = await this.stream.next()
    this.at = 0
  }
}

export async function mergeRows(a: RowStream, b: RowStream, options: MergeOptions): Promise<void> {
  const before = new Side(a)
  const after = new Side(b)
  try {
    for (;;) {
      await skipEqualBlocks(before, after, options)
      await Promise.all([before.fill(), after.fill()])
      if (before.rows === undefined && after.rows === undefined) return
      const started = before.at + after.at
      for (const difference of compare(before, after)) await options.onDifference(difference)
      options.onProgress(before.at + after.at - started)
    }
  } finally {
    await Promise.all([a.close(), b.close()])
  }
}

async function skipEqualBlocks(before: Side, after: Side, { onProgress }: MergeOptions): Promise<void> {
  while (before.isBetweenBlocks && after.isBetweenBlocks) {
    const [one, other] = [before.stream.upcoming, after.stream.upcoming]
    if (one === undefined || other === undefined || !isSameRecord(one, other)) return
    const [bytes, otherBytes] = await Promise.all([before.stream.storedBytes(), after.stream.storedBytes()])
    if (!bytes.equals(otherBytes)) return
    before.stream.skip()
    after.stream.skip()
    onProgress(2 * one.count)
  }
}

function isSameRecord(a: PlacedBlock, b: PlacedBlock): boolean {
  return (
    a.crc === b.crc &&
    a.setHash === b.setHash &&
    a.length === b.length &&
    a.count === b.count &&
    a.serviceId === b.serviceId &&
    a.domain === b.domain
  )
}

/** Goes on until one of the two has no more rows at hand; where it has none at all, through those of the other. */
function* compare(before: Side, after: Side): Generator<Difference> {
  const { rows: a } = before
  const { rows: b } = after
  if (a === undefined || b === undefined) {
    for (; a !== undefined && before.at < a.count; before.at++) {
      yield { kind: 'removed', before: { rows: a, index: before.at } }
    }
    for (; b !== undefined && after.at < b.count; after.at++) {
      yield { kind: 'added', after: { rows: b, index: after.at } }
    }
    return
  }
  for (;;) {
    const order = skipEqual(a, b, before, after)
    if (before.at >= a.count || after.at >= b.count) return
    if (order < 0) yield { kind: 'removed', before: { rows: a, index: before.at++ } }
    else if (order > 0) yield { kind: 'added', after: { rows: b, index: after.at++ } }
    else {
      const difference = { before: { rows: a, index: before.at++ }, after: { rows: b, index: after.at++ } }
      yield { kind: 'changed', ...difference }
    }
  }
}

/** The hot path: goes on to where they differ, and returns how; negative: the timer of `a` comes first. */
function skipEqual(a: Rows, b: Rows, before: Side, after: Side): number {
  let i = before.at
  let j = after.at
  let order = 0
  while (i < a.count && j < b.count) {
    order = compareRow(a.identities, i, b.identities, j, IDENTITY_QUEUE_END)
    if (order !== 0 || compareRow(a.bodies, i, b.bodies, j, 0) !== 0) break
    i++
    j++
  }
  before.at = i
  after.at = j
  return order
}

/** Compares two texts by their bytes, which is the order of LevelDB; their first `skipped` bytes are not looked at. */
function compareRow(a: ByteRows, i: number, b: ByteRows, j: number, skipped: number): number {
  const aBytes = a.bytes
  const bBytes = b.bytes
  const aEnd = a.ends[i]!
  const bEnd = b.ends[j]!
  let aAt = (i === 0 ? 0 : a.ends[i - 1]!) + skipped
  let bAt = (j === 0 ? 0 : b.ends[j - 1]!) + skipped
  while (aAt < aEnd && bAt < bEnd) {
    const difference = aBytes[aAt++]! - bBytes[bAt++]!
    if (difference !== 0) return difference
  }
  return aEnd - aAt - (bEnd - bAt)
}

export function identityOf({ rows, index }: Row): string {
  return textOfRow(rows.identities, index)
}

/** What is stored of a timer. Its checksum was verified, and is none any more. */
export function storedOf({ rows, index }: Row): StoredTimer {
  const stored = parseTrusted(textOfRow(rows.bodies, index) + encodeChecksum(0), 0)
  if (stored === undefined)
    throw new Error(`a timer has no form: ${JSON.stringify(identityOf({ rows, index }))}`)
  return stored
}

/** What differs between two that are the same timer: the payload, and when it was registered. */
export function whatChanged(
  before: StoredTimer,
  after: StoredTimer,
): { payload: boolean; registered: boolean } {
  return {
    payload: payloadText(before) !== payloadText(after),
    registered: before.createVersion !== after.createVersion,
  }
}
