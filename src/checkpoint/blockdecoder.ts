/**
 * Reads a block back into the timers that it was made of (blockencoder.ts is its other half).
 *
 * - Values get their checksums again; their sum must be the one in the index, which with the others makes the queue's
 *   set hash: what is read is proved to be what was stored in the first place.
 * - Every length is held against what there is; identities must rise, and belong to the block's queue and key groups.
 * - Bytes become strings once for a block: an identity or a value is a part of a long text. What is not ASCII takes the
 *   slow way.
 */
import { MAX_IDENTITY_BYTES } from '../limits.ts'
import type { VisibleChunk } from '../snapshot/walk.ts'
import {
  addToSetHash,
  CHECKSUM_CHARACTERS,
  checksumOf,
  checksumOfBytes,
  encodeChecksum,
  writeChecksum,
} from '../timer/checksum.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import { IDENTITY_QUEUE_END, identityEnd, queuePrefix } from '../timer/identity.ts'
import { sinceVersionOf } from '../timer/stored.ts'
import { decodeDigits, decodeTimestamp, TIMESTAMP_CHARACTERS } from '../timer/text.ts'
import type { BlockRecord, Segment } from './blockindex.ts'
import { BLOCK_COLUMNS, BLOCK_HEAD_BYTES, check } from './format.ts'

/** Timers of one queue, in order of identity. */
export interface DecodedBlock extends VisibleChunk {
  record: BlockRecord
}

/** Decodes a block's content; keeps the timers of a range of key groups. Throws a FormatProblem. */
export function decodeBlock(
  record: BlockRecord,
  content: Buffer,
  version: number,
  { start, end }: KeyGroupRange,
): DecodedBlock {
  const { identities, values, checksums } = decodeTimers(content, record.count)
  const prefix = queuePrefix(record.serviceId, record.domain)
  let setHash = 0
  let next = 0
  let firstKept = 0
  let count = 0
  for (const segment of record.segments) {
    const first = next
    next += segment.count
    checkSegment(identities, first, segment, prefix)
    for (let i = first; i < next; i++) {
      setHash = addToSetHash(setHash, checksums[i]!)
      check(sinceVersionOf(values[i]!) < version, 'a timer is newer than the checkpoint')
    }
    if (segment.keyGroup < start || segment.keyGroup > end) continue
    if (count === 0) firstKept = first
    count += segment.count
  }
  check(setHash === record.setHash, 'the set hash of its timers is not that of the index')
  if (count === record.count) return { record, count, identities, values, checksums }
  const keptEnd = firstKept + count
  return {
    record,
    count,
    identities: identities.slice(firstKept, keptEnd),
    values: values.slice(firstKept, keptEnd),
    checksums: checksums.subarray(firstKept, keptEnd),
  }
}

/** The timestamps of a block's content, in its order; nothing else of it is looked at. Throws a FormatProblem. */
export function decodeTimestamps({ count }: BlockRecord, content: Buffer): Float64Array {
  const text = readColumns(content)[2]!.toString('latin1')
  check(text.length === count * TIMESTAMP_CHARACTERS, 'it has another number of timers than the index says')
  const timestamps = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    timestamps[i] = decodeTimestamp(text, i * TIMESTAMP_CHARACTERS)
    check(Number.isSafeInteger(timestamps[i]), 'a timestamp is none')
  }
  return timestamps
}

function checkSegment(identities: readonly string[], first: number, segment: Segment, prefix: string): void {
  let earliest = Number.POSITIVE_INFINITY
  let latest = Number.NEGATIVE_INFINITY
  for (let i = first; i < first + segment.count; i++) {
    const identity = identities[i]!
    check(identity.startsWith(prefix), 'a timer belongs to another queue')
    const keyGroup = decodeDigits(identity, IDENTITY_QUEUE_END, 3)
    check(keyGroup === segment.keyGroup, 'a timer belongs to another key group')
    check(identityEnd(identity, 1) === identity.length, 'an identity is not whole')
    const timestamp = decodeTimestamp(identity, identity.length - TIMESTAMP_CHARACTERS)
    if (timestamp < earliest) earliest = timestamp
    if (timestamp > latest) latest = timestamp
  }
  check(earliest === segment.earliest && latest === segment.latest, 'timestamps are not those of the index')
}

interface Timers {
  identities: string[]
  values: string[]
  checksums: Float64Array
}

function decodeTimers(content: Buffer, count: number): Timers {
  const columns = readColumns(content)
  check(
    columns[2]!.length === count * TIMESTAMP_CHARACTERS,
    'it has another number of timers than the index says',
  )
  const { bytes, ends, bodyLengths } = rebuildIdentities(columns, count)
  const bodies = columns[3]!
  return isAscii(bytes) && isAscii(bodies)
    ? asciiTimers(bytes, ends, bodies, bodyLengths)
    : textTimers(bytes, ends, bodies, bodyLengths)
}

function readColumns(content: Buffer): Buffer[] {
  check(content.length >= BLOCK_HEAD_BYTES, 'a block has no columns')
  const columns: Buffer[] = []
  let at = BLOCK_HEAD_BYTES
  for (let i = 0; i < BLOCK_COLUMNS; i++) {
    const length = content.readUInt32LE(i * 4)
    check(length <= content.length - at, 'a column is longer than its block')
    columns.push(content.subarray(at, at + length))
    at += length
  }
  check(at === content.length, 'a block is longer than its columns')
  return columns
}

/** Reads lengths, seven bits a byte; three bytes at most, and none beyond the end. */
class LengthReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
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

/** Puts the identities together, one behind the other; `ends` says where each of them ends. */
function rebuildIdentities(
  [lengthBytes, rests, timestamps, bodies]: Buffer[],
  count: number,
): { bytes: Buffer; ends: Uint32Array; bodyLengths: Uint32Array } {
  const lengths = new LengthReader(lengthBytes!)
  const ends = new Uint32Array(count)
  const bodyLengths = new Uint32Array(count)
  let bytes = Buffer.allocUnsafe(rests!.length * 2 + MAX_IDENTITY_BYTES)
  let previous = 0
  let at = 0
  let restsAt = 0
  let bodiesEnd = 0
  for (let i = 0; i < count; i++) {
    const shared = lengths.next()
    const rest = lengths.next()
    const length = shared + rest + TIMESTAMP_CHARACTERS
    check(
      shared <= Math.max(at - previous - TIMESTAMP_CHARACTERS, 0),
      'an identity shares more than there is',
    )
    check(length <= MAX_IDENTITY_BYTES && restsAt + rest <= rests!.length, 'an identity is too long')
    // Twice the room; what is in its second half is written over.
    if (at + length > bytes.length) bytes = Buffer.concat([bytes, bytes])
    for (let from = previous; from < previous + shared; from++) bytes[at + from - previous] = bytes[from]!
    const restAt = at + shared
    for (let from = 0; from < rest; from++) bytes[restAt + from] = rests![restsAt + from]!
    const timestampAt = restAt + rest
    for (let from = 0; from < TIMESTAMP_CHARACTERS; from++) {
      bytes[timestampAt + from] = timestamps![i * TIMESTAMP_CHARACTERS + from]!
    }
    check(isRising(bytes, previous, at, at + length, shared), 'identities are out of order')
    previous = at
    at += length
    restsAt += rest
    ends[i] = at
    bodyLengths[i] = lengths.next()
    bodiesEnd += bodyLengths[i]!
  }
  const isWhole = lengths.isAtEnd && restsAt === rests!.length && bodiesEnd === bodies!.length
  check(
    isWhole && timestamps!.length === count * TIMESTAMP_CHARACTERS,
    'a block is not as long as its entries',
  )
  return { bytes: bytes.subarray(0, at), ends, bodyLengths }
}

/** Whether the bytes from `start` to `end` come after those before them; `equal` ones at their start are the same. */
function isRising(bytes: Buffer, previous: number, start: number, end: number, equal: number): boolean {
  for (let i = equal; start + i < end; i++) {
    if (previous + i === start) return true
    const difference = bytes[start + i]! - bytes[previous + i]!
    if (difference !== 0) return difference > 0
  }
  return false
}

function isAscii(bytes: Buffer): boolean {
  let bits = 0
  for (let i = 0; i < bytes.length; i++) bits |= bytes[i]!
  return bits < 128
}

function asciiTimers(bytes: Buffer, ends: Uint32Array, bodies: Buffer, bodyLengths: Uint32Array): Timers {
  const count = ends.length
  const identities = new Array<string>(count)
  const values = new Array<string>(count)
  const checksums = new Float64Array(count)
  const valueBytes = Buffer.allocUnsafe(bodies.length + count * CHECKSUM_CHARACTERS)
  let start = 0
  let body = 0
  let at = 0
  for (let i = 0; i < count; i++) {
    const bodyEnd = body + bodyLengths[i]!
    const checksum = checksumOfBytes(bytes, start, ends[i]!, bodies, body, bodyEnd)
    while (body < bodyEnd) valueBytes[at++] = bodies[body++]!
    at = writeChecksum(valueBytes, at, checksum)
    checksums[i] = checksum
    start = ends[i]!
  }
  const identitiesText = bytes.toString('latin1')
  const valuesText = valueBytes.toString('latin1')
  start = 0
  at = 0
  for (let i = 0; i < count; i++) {
    const valueEnd = at + bodyLengths[i]! + CHECKSUM_CHARACTERS
    identities[i] = identitiesText.slice(start, ends[i])
    values[i] = valuesText.slice(at, valueEnd)
    start = ends[i]!
    at = valueEnd
  }
  return { identities, values, checksums }
}

function textTimers(bytes: Buffer, ends: Uint32Array, bodies: Buffer, bodyLengths: Uint32Array): Timers {
  const timers: Timers = { identities: [], values: [], checksums: new Float64Array(ends.length) }
  let start = 0
  let body = 0
  ends.forEach((end, i) => {
    const identity = bytes.toString('utf8', start, end)
    const text = bodies.toString('utf8', body, body + bodyLengths[i]!)
    const checksum = checksumOf(identity, text)
    timers.identities.push(identity)
    timers.values.push(text + encodeChecksum(checksum))
    timers.checksums[i] = checksum
    start = end
    body += bodyLengths[i]!
  })
  return timers
}
