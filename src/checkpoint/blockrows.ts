/**
 * Reads a block back into the timers that it was made of, as bytes (blockencoder.ts is its other half), and proves them:
 * what is read is what was stored in the first place, or it is refused.
 *
 * - Values get their checksums again; their sum must be the one in the index, which with the others makes the queue's
 *   set hash.
 * - Every length is held against what there is; identities must rise, and belong to the block's queue and key groups;
 *   timestamps are those that the index tells of; no timer is newer than the checkpoint.
 * - This is what verifying, comparing and restoring have in common. It makes nothing for a timer: each step goes through
 *   all timers of a block, from numbers to numbers. What is not ASCII takes the slow way.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import { MAX_IDENTITY_BYTES } from '../limits.ts'
import { addToSetHash, checksumOf } from '../timer/checksum.ts'
import { type ByteRows, checksumsOfRows } from '../timer/rowchecksums.ts'
import { TIMESTAMP_CHARACTERS } from '../timer/text.ts'
import type { BlockRecord } from './blockindex.ts'
import { BLOCK_COLUMNS, BLOCK_HEAD_BYTES, check } from './format.ts'
import { checkIdentities, checkVersions, timestampAt } from './rowchecks.ts'

/** Timers of one queue, in order of identity: identity and body (the value without its checksum) of each. */
export interface BlockRows {
  readonly count: number
  readonly identities: ByteRows
  readonly bodies: ByteRows
  readonly checksums: Float64Array
  /** Whether every byte is a character. */
  readonly isAscii: boolean
}

/** Decodes a block's content. `version` is the checkpoint's. Throws a FormatProblem. */
export function decodeRows(record: BlockRecord, content: Buffer, version: number): BlockRows {
  const columns = readColumns(content)
  checkTimerCount(columns, record.count)
  const { identities, bodies, shared } = readRows(columns, record.count)
  const isText = isAscii(content.subarray(BLOCK_HEAD_BYTES + columns.lengths.length))
  const checksums = isText ? checksumsOfRows(identities, shared, bodies) : checksumsOfText(identities, bodies)
  checkIdentities(record, identities, shared)
  checkVersions(bodies, version)
  let setHash = 0
  for (let i = 0; i < checksums.length; i++) setHash = addToSetHash(setHash, checksums[i]!)
  check(setHash === record.setHash, 'the set hash of its timers is not that of the index')
  return { count: record.count, identities, bodies, checksums, isAscii: isText }
}

/** The timestamps of a block's content, in its order; nothing else of it is looked at. Throws a FormatProblem. */
export function decodeTimestamps({ count }: BlockRecord, content: Buffer): Float64Array {
  const columns = readColumns(content)
  checkTimerCount(columns, count)
  const timestamps = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    timestamps[i] = timestampAt(columns.timestamps, i * TIMESTAMP_CHARACTERS)
    check(Number.isSafeInteger(timestamps[i]), 'a timestamp is none')
  }
  return timestamps
}

interface Columns {
  lengths: Uint8Array
  rests: Uint8Array
  timestamps: Uint8Array
  bodies: Uint8Array
}

function readColumns(content: Buffer): Columns {
  check(content.length >= BLOCK_HEAD_BYTES, 'a block has no columns')
  // Plain arrays: the same kind as everywhere on the hot path.
  const column = (start: number, end: number) =>
    new Uint8Array(content.buffer, content.byteOffset + start, end - start)
  const ends: number[] = []
  let end = BLOCK_HEAD_BYTES
  for (let i = 0; i < BLOCK_COLUMNS; i++) {
    const length = content.readUInt32LE(i * 4)
    check(length <= content.length - end, 'a column is longer than its block')
    end += length
    ends.push(end)
  }
  check(end === content.length, 'a block is longer than its columns')
  return {
    lengths: column(BLOCK_HEAD_BYTES, ends[0]!),
    rests: column(ends[0]!, ends[1]!),
    timestamps: column(ends[1]!, ends[2]!),
    bodies: column(ends[2]!, end),
  }
}

function checkTimerCount({ timestamps }: Columns, count: number): void {
  const isRight = timestamps.length === count * TIMESTAMP_CHARACTERS
  check(isRight, 'it has another number of timers than the index says')
}

/** Reads lengths, seven bits a byte; three bytes at most, and none beyond the end. */
class LengthReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  next(): number {
    const first = this.#bytes[this.#at++]!
    if (first < 128) return first
    const second = this.#bytes[this.#at++]!
    if (second < 128) return (first & 127) | (second << 7)
    const third = this.#bytes[this.#at++]!
    check(third < 128, 'a length is missing, or too long')
    return (first & 127) | ((second & 127) << 7) | (third << 14)
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }
}

interface Rows {
  identities: ByteRows
  bodies: ByteRows
  /** How many bytes each identity shares with the one before it. */
  shared: Uint32Array
}

function readRows(columns: Columns, count: number): Rows {
  const { rests, timestamps, bodies } = columns
  const lengths = new LengthReader(columns.lengths)
  const shared = new Uint32Array(count)
  const ends = new Uint32Array(count)
  const bodyEnds = new Uint32Array(count)
  let last = TIMESTAMP_CHARACTERS
  let end = 0
  let bodyEnd = 0
  let restsLength = 0
  for (let i = 0; i < count; i++) {
    const same = lengths.next()
    const rest = lengths.next()
    const length = same + rest + TIMESTAMP_CHARACTERS
    check(same <= last - TIMESTAMP_CHARACTERS, 'an identity shares more than there is')
    restsLength += rest
    check(length <= MAX_IDENTITY_BYTES && restsLength <= rests.length, 'an identity is too long')
    last = length
    end += length
    bodyEnd += lengths.next()
    shared[i] = same
    ends[i] = end
    bodyEnds[i] = bodyEnd
  }
  const isWhole = lengths.isAtEnd && restsLength === rests.length && bodyEnd === bodies.length
  check(isWhole, 'a block is not as long as its entries')
  const identities = { bytes: rebuildIdentities(rests, timestamps, shared, ends), ends }
  return { identities, bodies: { bytes: bodies, ends: bodyEnds }, shared }
}

/** Puts the identities together, one behind the other; short runs of bytes are copied faster than by a call. */
function rebuildIdentities(
  rests: Uint8Array,
  timestamps: Uint8Array,
  shared: Uint32Array,
  ends: Uint32Array,
): Uint8Array {
  const bytes = new Uint8Array(ends.at(-1)!)
  let previous = 0
  let start = 0
  let rest = 0
  let timestamp = 0
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i]!
    const restStart = start + shared[i]!
    const timestampStart = end - TIMESTAMP_CHARACTERS
    let at = start
    for (let from = previous; at < restStart; from++) bytes[at++] = bytes[from]!
    while (at < timestampStart) bytes[at++] = rests[rest++]!
    while (at < end) bytes[at++] = timestamps[timestamp++]!
    check(isRising(bytes, previous, start, end, shared[i]!), 'identities are out of order')
    previous = start
    start = end
  }
  return bytes
}

/** Whether the bytes from `start` to `end` come after those before them; `equal` ones at their start are the same. */
function isRising(bytes: Uint8Array, previous: number, start: number, end: number, equal: number): boolean {
  for (let i = equal; start + i < end; i++) {
    if (previous + i === start) return true
    const difference = bytes[start + i]! - bytes[previous + i]!
    if (difference !== 0) return difference > 0
  }
  return false
}

/** As {@link checksumsOfRows}, by way of strings. */
function checksumsOfText(identities: ByteRows, bodies: ByteRows): Float64Array {
  const checksums = new Float64Array(identities.ends.length)
  for (let i = 0; i < checksums.length; i++) {
    checksums[i] = checksumOf(textOfRow(identities, i), textOfRow(bodies, i))
  }
  return checksums
}

/** One of many texts in UTF-8. Throws a FormatProblem for other bytes: they would become another text without a word. */
export function textOfRow({ bytes, ends }: ByteRows, index: number): string {
  const start = index === 0 ? 0 : ends[index - 1]!
  const row = Buffer.from(bytes.buffer, bytes.byteOffset + start, ends[index]! - start)
  check(isUtf8(row), 'a text is not UTF-8')
  return row.toString('utf8')
}
