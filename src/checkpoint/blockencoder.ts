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

/** Lengths of the columns, at the start of a block. */
export const BLOCK_COLUMNS = 4
export const BLOCK_HEAD_BYTES = BLOCK_COLUMNS * 4
/** What one character takes in UTF-8 at most. */
const MAX_CHARACTER_BYTES = 3
/** Longest identity and body together that a column has room for beyond a full block. */
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
}

export class BlockEncoder {
  readonly #heads = new Column()
  readonly #rests = new Column()
  readonly #timestamps = new Column()
  readonly #bodies = new Column()
  #previous = ''
  count = 0

  /** Bytes of the block so far. */
  get size(): number {
    return (
      BLOCK_HEAD_BYTES +
      this.#heads.length +
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
    const restEnd = identity.length - TIMESTAMP_CHARACTERS
    const bodyEnd = value.length - CHECKSUM_CHARACTERS
    const shared = this.#sharedWith(identity, restEnd)
    this.#reserve(identity.length, bodyEnd)
    if (!this.#addAscii(identity, value, shared, restEnd, bodyEnd)) {
      this.#addText(identity, value.slice(0, bodyEnd), shared, restEnd)
    }
    this.#previous = identity
    this.count++
  }

  /** Ends the block: returns its bytes, and begins the next. */
  finish(): Buffer {
    const columns = [this.#heads, this.#rests, this.#timestamps, this.#bodies]
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

  /** Characters that begin both this identity and the one before, timestamps apart. */
  #sharedWith(identity: string, restEnd: number): number {
    const previous = this.#previous
    const most = Math.min(restEnd, previous.length - TIMESTAMP_CHARACTERS)
    let shared = 0
    while (shared < most && identity.charCodeAt(shared) === previous.charCodeAt(shared)) shared++
    return shared
  }

  #reserve(identityLength: number, bodyLength: number): void {
    if (identityLength + bodyLength > MAX_ENTRY_CHARACTERS) {
      throw new TidemarkError(
        'TIDEMARK_CORRUPT',
        `a timer of ${identityLength + bodyLength} characters is too long`,
      )
    }
    this.#heads.reserve(2 * MAX_CHARACTER_BYTES)
    this.#rests.reserve(identityLength * MAX_CHARACTER_BYTES)
    this.#timestamps.reserve(TIMESTAMP_CHARACTERS)
    this.#bodies.reserve(bodyLength * MAX_CHARACTER_BYTES + 1)
  }

  /** Writes an entry that is all ASCII; otherwise says false, and then nothing counts as written. */
  #addAscii(identity: string, value: string, shared: number, restEnd: number, bodyEnd: number): boolean {
    const heads = this.#heads.bytes
    const headsAt = this.#heads.length
    heads[headsAt] = shared
    heads[headsAt + 1] = restEnd - shared
    let bits = shared | (restEnd - shared)
    const rests = this.#rests.bytes
    let restsAt = this.#rests.length
    for (let i = shared; i < restEnd; i++) {
      const unit = identity.charCodeAt(i)
      bits |= unit
      rests[restsAt++] = unit
    }
    const timestamps = this.#timestamps.bytes
    let timestampsAt = this.#timestamps.length
    for (let i = restEnd; i < identity.length; i++) timestamps[timestampsAt++] = identity.charCodeAt(i)
    const bodies = this.#bodies.bytes
    let bodiesAt = this.#bodies.length
    for (let i = 0; i < bodyEnd; i++) {
      const unit = value.charCodeAt(i)
      // A NUL, which would end the body, makes this negative.
      bits |= unit | (unit - 1)
      bodies[bodiesAt++] = unit
    }
    bodies[bodiesAt++] = 0
    if (bits < 0 || bits > 127) return false
    this.#heads.length = headsAt + 2
    this.#rests.length = restsAt
    this.#timestamps.length = timestampsAt
    this.#bodies.length = bodiesAt
    return true
  }

  #addText(identity: string, body: string, shared: number, restEnd: number): void {
    if (body.includes('\0')) {
      throw new TidemarkError('TIDEMARK_CORRUPT', `the value of ${JSON.stringify(identity)} holds a NUL`)
    }
    // Not between the halves of an astral character: alone, neither has an encoding.
    const start = shared > 0 && (identity.charCodeAt(shared - 1) & 0xfc00) === 0xd800 ? shared - 1 : shared
    write(this.#heads, String.fromCharCode(start, restEnd - start))
    write(this.#rests, identity.slice(start, restEnd))
    write(this.#timestamps, identity.slice(restEnd))
    write(this.#bodies, `${body}\0`)
  }
}

function write(column: Column, text: string): void {
  column.length += column.bytes.write(text, column.length, 'utf8')
}
