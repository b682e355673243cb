/**
 * Reads a block back into the timers that it was made of (blockencoder.ts is its other half).
 *
 * - Values get their checksums again; their sum must be the one in the index, which with the others makes the queue's
 *   set hash: what is read is proved to be what was stored in the first place.
 * - Every length is held against what there is; identities must rise, and belong to the block's queue and key groups.
 */
import type { VisibleChunk } from '../snapshot/walk.ts'
import { addToSetHash, checksumOf, encodeChecksum } from '../timer/checksum.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import { IDENTITY_QUEUE_END, identityEnd, queuePrefix } from '../timer/identity.ts'
import { sinceVersionOf } from '../timer/stored.ts'
import { compareStored, decodeDigits, decodeTimestamp, TIMESTAMP_CHARACTERS } from '../timer/text.ts'
import { BLOCK_COLUMNS, BLOCK_HEAD_BYTES } from './blockencoder.ts'
import type { BlockRecord, Segment } from './blockindex.ts'
import { check } from './format.ts'

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
  const identities: string[] = []
  const values: string[] = []
  const checksums = new Float64Array(record.count)
  const entries = new EntryReader(content)
  const prefix = queuePrefix(record.serviceId, record.domain)
  let setHash = 0
  for (const segment of record.segments) {
    const isWanted = segment.keyGroup >= start && segment.keyGroup <= end
    let earliest = Number.POSITIVE_INFINITY
    let latest = Number.NEGATIVE_INFINITY
    for (let i = 0; i < segment.count; i++) {
      entries.next()
      const { identity, body } = entries
      checkIdentity(identity, prefix, segment)
      const timestamp = decodeTimestamp(identity, identity.length - TIMESTAMP_CHARACTERS)
      if (timestamp < earliest) earliest = timestamp
      if (timestamp > latest) latest = timestamp
      const checksum = checksumOf(identity, body)
      setHash = addToSetHash(setHash, checksum)
      const value = body + encodeChecksum(checksum)
      check(sinceVersionOf(value) < version, 'a timer is newer than the checkpoint')
      if (!isWanted) continue
      checksums[identities.length] = checksum
      identities.push(identity)
      values.push(value)
    }
    check(earliest === segment.earliest && latest === segment.latest, 'timestamps are not those of the index')
  }
  entries.end()
  check(setHash === record.setHash, 'the set hash of its timers is not that of the index')
  return { record, count: identities.length, identities, values, checksums }
}

function checkIdentity(identity: string, prefix: string, segment: Segment): void {
  check(identity.startsWith(prefix), 'a timer belongs to another queue')
  check(
    decodeDigits(identity, IDENTITY_QUEUE_END, 3) === segment.keyGroup,
    'a timer belongs to another key group',
  )
  check(identityEnd(identity, 1) === identity.length, 'an identity is not whole')
}

/** Goes through the columns, entry by entry. */
class EntryReader {
  readonly #heads: string
  readonly #rests: string
  readonly #timestamps: string
  readonly #bodies: string
  #headsAt = 0
  #restsAt = 0
  #timestampsAt = 0
  #bodiesAt = 0
  identity = ''
  body = ''

  constructor(content: Buffer) {
    check(content.length >= BLOCK_HEAD_BYTES, 'a block has no columns')
    const columns: string[] = []
    let at = BLOCK_HEAD_BYTES
    for (let i = 0; i < BLOCK_COLUMNS; i++) {
      const length = content.readUInt32LE(i * 4)
      check(length <= content.length - at, 'a column is longer than its block')
      columns.push(content.toString('utf8', at, at + length))
      at += length
    }
    check(at === content.length, 'a block is longer than its columns')
    ;[this.#heads, this.#rests, this.#timestamps, this.#bodies] = columns as [string, string, string, string]
  }

  /** Reads the next entry into `identity` and `body`. */
  next(): void {
    const shared = this.#heads.charCodeAt(this.#headsAt)
    const restLength = this.#heads.charCodeAt(this.#headsAt + 1)
    this.#headsAt += 2
    const previous = this.identity
    const sharedMost = Math.max(previous.length - TIMESTAMP_CHARACTERS, 0)
    const restEnd = this.#restsAt + restLength
    const timestampEnd = this.#timestampsAt + TIMESTAMP_CHARACTERS
    const bodyEnd = this.#bodies.indexOf('\0', this.#bodiesAt)
    // Each is false, too, where a head is missing and its length is therefore NaN.
    const isWhole =
      shared <= sharedMost && restEnd <= this.#rests.length && timestampEnd <= this.#timestamps.length
    check(isWhole && bodyEnd >= 0, 'an entry is longer than its block')
    const identity =
      previous.slice(0, shared) +
      this.#rests.slice(this.#restsAt, restEnd) +
      this.#timestamps.slice(this.#timestampsAt, timestampEnd)
    check(compareStored(previous, identity) < 0, 'identities are out of order')
    this.identity = identity
    this.body = this.#bodies.slice(this.#bodiesAt, bodyEnd)
    this.#restsAt = restEnd
    this.#timestampsAt = timestampEnd
    this.#bodiesAt = bodyEnd + 1
  }

  /** There must be nothing behind the last entry. */
  end(): void {
    const isAtEnd =
      this.#headsAt === this.#heads.length &&
      this.#restsAt === this.#rests.length &&
      this.#timestampsAt === this.#timestamps.length &&
      this.#bodiesAt === this.#bodies.length
    check(isAtEnd, 'a block has more entries than the index says')
  }
}
