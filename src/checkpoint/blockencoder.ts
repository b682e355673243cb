/**
 * Makes a block of the timers of one queue: four columns, so that what is alike lies together (FORMAT.md).
 *
 * - An identity is stored as what differs from the one before it; a value as its body, for its checksum follows from
 *   identity and body.
 * - This is the hot path of a checkpoint: bytes are written one by one out of the strings, without any text in between.
 *   What is not ASCII takes the slow way.
 */
import { TidemarkError } from '../errors.ts'
import { CHECKPOINT_BLOCK_BYTES, MAX_CHECKPOINT_FRAME_BYTES } from '../limits.ts'
import { CHECKSUM_CHARACTERS } from '../timer/checksum.ts'
import { TIMESTAMP_CHARACTERS } from '../timer/text.ts'
import { BLOCK_HEAD_BYTES } from './format.ts'

/** What one character takes in UTF-8 at most. */
const MAX_CHARACTER_BYTES = 3
/** What three lengths take at most. */
const MAX_LENGTHS_BYTES = 3 * 3
/** Longest identity and value together: with a full block before it, it still fits into a frame. */
const MAX_ENTRY_CHARACTERS = Math.floor(
  (MAX_CHECKPOINT_FRAME_BYTES - 2 * CHECKPOINT_BLOCK_BYTES) / MAX_CHARACTER_BYTES,
)

/** Bytes of one column; the room for one more entry is made before the entry is written. */
class Column {
  bytes = Buffer.allocUnsafeSlow(CHECKPOINT_BLOCK_BYTES)
  length = 0

  reserve(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + bytes))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }

  append(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
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

export class BlockEncoder {
  readonly #lengths = new Column()
  readonly #rests = new Column()
  readonly #timestamps = new Column()
  readonly #bodies = new Column()
  #previous = ''
  count = 0

  /** Bytes of the block so far. */
  get size(): number {
    return (
      BLOCK_HEAD_BYTES +
      this.#lengths.length +
      this.#rests.length +
      this.#timestamps.length +
      this.#bodies.length
    )
  }

  /** Whether values make up most of the block, and not identities. */
  get isMostlyValues(): boolean {
    return this.#bodies.length * 2 > this.size
  }

  /** Adds a timer whose identity comes after the last one's. */
  add(identity: string, value: string): void {
    if (identity.length + value.length > MAX_ENTRY_CHARACTERS) {
      throw new TidemarkError(
        'TIDEMARK_CORRUPT',
        `a timer of ${identity.length + value.length} characters is too long`,
      )
    }
    this.#lengths.reserve(MAX_LENGTHS_BYTES)
    this.#rests.reserve(identity.length * MAX_CHARACTER_BYTES)
    this.#timestamps.reserve(TIMESTAMP_CHARACTERS)
    this.#bodies.reserve(value.length * MAX_CHARACTER_BYTES)
    if (!this.#addAscii(identity, value)) this.#addText(identity, value)
    this.#previous = identity
    this.count++
  }

  /** Ends the block: returns its bytes, and begins the next. */
  finish(): Buffer {
    const columns = [this.#lengths, this.#rests, this.#timestamps, this.#bodies]
    const block = Buffer.allocUnsafeSlow(this.size)
    let at = BLOCK_HEAD_BYTES
    columns.forEach((column, i) => {
      block.writeUInt32LE(column.length, i * 4)
      column.bytes.copy(block, at, 0, column.length)
      at += column.length
      column.length = 0
    })
    this.#previous = ''
    this.count = 0
    return block
  }

  /** Writes an entry that is all ASCII; otherwise says false, and then nothing counts as written. */
  #addAscii(identity: string, value: string): boolean {
    const restEnd = identity.length - TIMESTAMP_CHARACTERS
    const bodyEnd = value.length - CHECKSUM_CHARACTERS
    const previous = this.#previous
    const sharedMost = Math.min(restEnd, previous.length - TIMESTAMP_CHARACTERS)
    let shared = 0
    while (shared < sharedMost && identity.charCodeAt(shared) === previous.charCodeAt(shared)) shared++
    let bits = 0
    for (let i = 0; i < shared; i++) bits |= identity.charCodeAt(i)
    const rests = this.#rests.bytes
    let restsAt = this.#rests.length
    for (let i = shared; i < restEnd; i++) {
      const unit = identity.charCodeAt(i)
      bits |= unit
      rests[restsAt++] = unit
    }
    const bodies = this.#bodies.bytes
    let bodiesAt = this.#bodies.length
    for (let i = 0; i < bodyEnd; i++) {
      const unit = value.charCodeAt(i)
      bits |= unit
      bodies[bodiesAt++] = unit
    }
    if (bits > 127) return false
    const timestamps = this.#timestamps.bytes
    let timestampsAt = this.#timestamps.length
    for (let i = restEnd; i < identity.length; i++) timestamps[timestampsAt++] = identity.charCodeAt(i)
    this.#rests.length = restsAt
    this.#bodies.length = bodiesAt
    this.#timestamps.length = timestampsAt
    this.#appendLengths(shared, restEnd - shared, bodyEnd)
    return true
  }

  #addText(identity: string, value: string): void {
    const previous = Buffer.from(this.#previous.slice(0, -TIMESTAMP_CHARACTERS))
    const untimed = Buffer.from(identity.slice(0, -TIMESTAMP_CHARACTERS))
    const body = Buffer.from(value.slice(0, -CHECKSUM_CHARACTERS))
    let shared = 0
    while (shared < untimed.length && untimed[shared] === previous[shared]) shared++
    this.#rests.append(untimed.subarray(shared))
    this.#timestamps.append(Buffer.from(identity.slice(-TIMESTAMP_CHARACTERS)))
    this.#bodies.append(body)
    this.#appendLengths(shared, untimed.length - shared, body.length)
  }

  #appendLengths(shared: number, rest: number, body: number): void {
    this.#lengths.appendLength(shared)
    this.#lengths.appendLength(rest)
    this.#lengths.appendLength(body)
  }
}
