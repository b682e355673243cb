/**
 * Makes a block of the timers of one queue: four columns, so that what is alike lies together (FORMAT.md).
 *
 * - An identity is stored as what differs from the one before it; a value as its body, for its checksum follows from
 *   identity and body.
 * - This is the hot path of a checkpoint: short runs of bytes are copied one by one, which takes less than a call would.
 */
import { TidemarkError } from '../errors.ts'
import { CHECKPOINT_BLOCK_BYTES, MAX_CHECKPOINT_FRAME_BYTES } from '../limits.ts'
import { CHECKSUM_CHARACTERS } from '../timer/checksum.ts'
import { decodeTimestamp, TIMESTAMP_CHARACTERS } from '../timer/text.ts'
import { BLOCK_HEAD_BYTES } from './format.ts'
import type { TextBytes } from './textbytes.ts'

/** What three lengths take at most. */
const MAX_LENGTHS_BYTES = 3 * 3
/** Longest identity and value together: with a full block before it, it still fits into a frame. */
const MAX_ENTRY_BYTES = MAX_CHECKPOINT_FRAME_BYTES - 2 * CHECKPOINT_BLOCK_BYTES
/** A shorter entry always finds room behind a block that is not full. */
const ROOM_BYTES = 4 * 1024

/** Bytes of one column. */
class Column {
  bytes = new Uint8Array(CHECKPOINT_BLOCK_BYTES + ROOM_BYTES)
  length = 0

  reserve(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return
    const larger = new Uint8Array(this.length + bytes)
    larger.set(this.bytes)
    this.bytes = larger
  }

  /** A whole number, seven bits a byte, the lowest first; the last byte is below 128. */
  appendLength(length: number): void {
    let rest = length
    while (rest > 127) {
      this.bytes[this.length++] = (rest & 127) | 128
      rest >>>= 7
    }
    this.bytes[this.length++] = rest
  }
}

/** Copies bytes from `start` to `end` to a place; returns where they end there. */
function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, place: number): number {
  let at = place
  for (let i = start; i < end; i++) to[at++] = from[i]!
  return at
}

/** Their bytes have the order of the timestamps. */
function compareTimestamps(bytes: Uint8Array, a: number, b: number): number {
  for (let i = 0; i < TIMESTAMP_CHARACTERS; i++) {
    const difference = bytes[a + i]! - bytes[b + i]!
    if (difference !== 0) return difference
  }
  return 0
}

function timestampAt(bytes: Uint8Array, at: number): number {
  return decodeTimestamp(String.fromCharCode(...bytes.subarray(at, at + TIMESTAMP_CHARACTERS)), 0)
}

export class BlockEncoder {
  readonly #lengths = new Column()
  readonly #rests = new Column()
  readonly #timestamps = new Column()
  readonly #bodies = new Column()
  /** The last identity, without its timestamp: a part of these bytes. */
  #previous = new Uint8Array(0)
  #previousStart = 0
  #previousEnd = 0
  count = 0
  /** Bytes of the block so far. */
  size = BLOCK_HEAD_BYTES

  /** Whether values make up most of the block, and not identities. */
  get isMostlyValues(): boolean {
    return this.#bodies.length * 2 > this.size
  }

  /** How many bytes the identity of an index shares with the last one, timestamps apart. */
  sharedWith(identities: TextBytes, index: number): number {
    const identity = identities.bytes
    const start = index === 0 ? 0 : identities.ends[index - 1]!
    const previous = this.#previous
    const previousStart = this.#previousStart
    const most = Math.min(
      identities.ends[index]! - TIMESTAMP_CHARACTERS - start,
      this.#previousEnd - previousStart,
    )
    let shared = 0
    while (shared < most && identity[start + shared] === previous[previousStart + shared]) shared++
    return shared
  }

  /** Adds the timer of an index, whose identity comes after the last one's and shares that many bytes with it. */
  add(identities: TextBytes, values: TextBytes, index: number, shared: number): void {
    const start = index === 0 ? 0 : identities.ends[index - 1]!
    const end = identities.ends[index]!
    const restEnd = end - TIMESTAMP_CHARACTERS
    const bodyStart = index === 0 ? 0 : values.ends[index - 1]!
    const bodyEnd = values.ends[index]! - CHECKSUM_CHARACTERS
    const bytes = end - start + (bodyEnd - bodyStart) + MAX_LENGTHS_BYTES
    if (bytes > ROOM_BYTES) this.#reserve(bytes)
    const before = this.#lengths.length
    this.#lengths.appendLength(shared)
    this.#lengths.appendLength(restEnd - start - shared)
    this.#lengths.appendLength(bodyEnd - bodyStart)
    const { bytes: identity } = identities
    this.#rests.length = copy(identity, start + shared, restEnd, this.#rests.bytes, this.#rests.length)
    this.#timestamps.length = copy(identity, restEnd, end, this.#timestamps.bytes, this.#timestamps.length)
    this.#bodies.length = copy(values.bytes, bodyStart, bodyEnd, this.#bodies.bytes, this.#bodies.length)
    this.size += this.#lengths.length - before + (end - start - shared) + (bodyEnd - bodyStart)
    this.#previous = identity
    this.#previousStart = start
    this.#previousEnd = restEnd
    this.count++
  }

  /** The earliest and the latest timestamp of timers of this block, from an index on. */
  timestampRange(first: number, count: number): { earliest: number; latest: number } {
    const { bytes } = this.#timestamps
    let earliest = first * TIMESTAMP_CHARACTERS
    let latest = earliest
    const end = (first + count) * TIMESTAMP_CHARACTERS
    for (let at = earliest + TIMESTAMP_CHARACTERS; at < end; at += TIMESTAMP_CHARACTERS) {
      if (compareTimestamps(bytes, at, earliest) < 0) earliest = at
      else if (compareTimestamps(bytes, at, latest) > 0) latest = at
    }
    return { earliest: timestampAt(bytes, earliest), latest: timestampAt(bytes, latest) }
  }

  /** Ends the block: returns its bytes, and begins the next. */
  finish(): Buffer {
    const columns = [this.#lengths, this.#rests, this.#timestamps, this.#bodies]
    const block = Buffer.allocUnsafeSlow(this.size)
    let at = BLOCK_HEAD_BYTES
    columns.forEach((column, i) => {
      block.writeUInt32LE(column.length, i * 4)
      block.set(column.bytes.subarray(0, column.length), at)
      at += column.length
      column.length = 0
    })
    this.#previousEnd = this.#previousStart
    this.count = 0
    this.size = BLOCK_HEAD_BYTES
    return block
  }

  #reserve(bytes: number): void {
    if (bytes > MAX_ENTRY_BYTES) {
      throw new TidemarkError('TIDEMARK_CORRUPT', `a timer of ${bytes} bytes is too long`)
    }
    for (const column of [this.#lengths, this.#rests, this.#timestamps, this.#bodies]) column.reserve(bytes)
  }
}
