/**
 * Texts as bytes, outside V8's heap: that moves what is young about, and lets what has grown old pile up to some times what
 * is live before it looks.
 *
 * - Texts are only added, and go all at once: their bytes are used again then, for malloc keeps much of what is free.
 *   A text is known by its place, a whole number from {@link FIRST_PLACE}.
 * - One takes a byte a character where all of them are below U+0100, else two. Its header says which, and how many.
 */
import { invariant } from '../errors.ts'
import { CHECKSUM_CHARACTERS, encodeChecksum, writeChecksum } from '../timer/checksum.ts'

const CHUNK_BYTES = 1024 * 1024
const FIRST_CHUNK_BYTES = 16 * 1024
const WORD_BYTES = 4
/** A place is a chunk's number, and the word in it. */
const WORD_BITS = 18
const WORD_MASK = 2 ** WORD_BITS - 1
const MAX_CHUNKS = 2 ** (32 - WORD_BITS)
/** Reading many at once costs a tenth of reading one by one. */
const BLOCK_BYTES = 16 * 1024
const SHORT_CHARACTERS = 64
const WIDE = /[^\0-\xff]/
/** In a text's header, below its length: it takes two bytes a character. */
const WIDE_BIT = 1

/** Places below are free for who keeps places, to stand for something else. */
export const FIRST_PLACE = 2
const START = FIRST_PLACE * WORD_BYTES

interface Chunk {
  bytes: Buffer
  words: Uint32Array
}

export class TextArena {
  #chunks: Chunk[] = []
  /** The chunk that is filled, and where the next text of it begins. */
  #last = 0
  #end = START
  #fullBytes = 0

  /** What it takes in memory. */
  get bytes(): number {
    return this.#fullBytes + this.#end
  }

  /** Adds a text; returns its place. */
  add(text: string): number {
    return this.#addShort(text, text.length) ?? this.#addLong(text)
  }

  /** Adds the value that a body and its checksum make; returns its place. */
  addValue(body: string, checksum: number): number {
    const place = this.#addShort(body, body.length + CHECKSUM_CHARACTERS)
    if (place === undefined) return this.#addLong(body + encodeChecksum(checksum))
    const start = (place & WORD_MASK) * WORD_BYTES + WORD_BYTES
    writeChecksum(this.#chunkOf(place).bytes, start + body.length, checksum)
    return place
  }

  /**
   * Writes what a short text of `length` begins with by hand: a call into Node takes as long as fifty characters.
   * Undefined: it is long, or takes two bytes a character.
   */
  #addShort(text: string, length: number): number | undefined {
    if (length > SHORT_CHARACTERS) return undefined
    const at = this.#room(WORD_BYTES + length)
    const { bytes, words } = this.#chunks[this.#last]!
    let all = 0
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      all |= code
      bytes[at + WORD_BYTES + i] = code
    }
    if (all > 0xff) {
      this.#end = at
      return undefined
    }
    words[at / WORD_BYTES] = length * 2
    return this.#last * 2 ** WORD_BITS + at / WORD_BYTES
  }

  #addLong(text: string): number {
    const isWide = WIDE.test(text)
    const length = isWide ? text.length * 2 : text.length
    const at = this.#room(WORD_BYTES + length)
    const { bytes, words } = this.#chunks[this.#last]!
    words[at / WORD_BYTES] = text.length * 2 + (isWide ? WIDE_BIT : 0)
    bytes.write(text, at + WORD_BYTES, isWide ? 'utf16le' : 'latin1')
    return this.#last * 2 ** WORD_BITS + at / WORD_BYTES
  }

  text(place: number): string {
    const { bytes, words } = this.#chunkOf(place)
    const header = words[place & WORD_MASK]!
    const start = (place & WORD_MASK) * WORD_BYTES + WORD_BYTES
    return (header & WIDE_BIT) === 0
      ? bytes.toString('latin1', start, start + (header >>> 1))
      : bytes.toString('utf16le', start, start + (header >>> 1) * 2)
  }

  /** Whether a text begins with another, or is it. */
  startsWith(place: number, text: string, isWhole = false): boolean {
    const { bytes, words } = this.#chunkOf(place)
    const header = words[place & WORD_MASK]!
    const length = header >>> 1
    if (isWhole ? length !== text.length : length < text.length) return false
    const start = (place & WORD_MASK) * WORD_BYTES + WORD_BYTES
    if ((header & WIDE_BIT) !== 0) return startsWithWide(bytes, start, text)
    for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
    return true
  }

  /** Compares two texts by their characters' codes. */
  compare(a: number, b: number): number {
    const lengthA = this.#chunkOf(a).words[a & WORD_MASK]! >>> 1
    const lengthB = this.#chunkOf(b).words[b & WORD_MASK]! >>> 1
    const length = Math.min(lengthA, lengthB)
    for (let i = 0; i < length; i++) {
      const difference = this.#codeAt(a, i) - this.#codeAt(b, i)
      if (difference !== 0) return difference
    }
    return lengthA - lengthB
  }

  /** For who reads mostly in the order in which texts were added. */
  reader(): TextReader {
    return new TextReader(this)
  }

  /** A text's characters times two; one more where each of them takes two bytes. */
  header(place: number): number {
    return this.#chunkOf(place).words[place & WORD_MASK]!
  }

  /** What lies from a text's header on, a byte as a character. */
  block(place: number): string {
    const start = (place & WORD_MASK) * WORD_BYTES
    const isLast = place >>> WORD_BITS === this.#last
    const { bytes } = this.#chunkOf(place)
    return bytes.toString('latin1', start, Math.min(start + BLOCK_BYTES, isLast ? this.#end : bytes.length))
  }

  #chunkOf(place: number): Chunk {
    const chunk = this.#chunks[place >>> WORD_BITS]
    invariant(chunk !== undefined && place >= FIRST_PLACE, 'no text is there')
    return chunk
  }

  #codeAt(place: number, i: number): number {
    const { bytes, words } = this.#chunkOf(place)
    const start = (place & WORD_MASK) * WORD_BYTES + WORD_BYTES
    return (words[place & WORD_MASK]! & WIDE_BIT) === 0
      ? bytes[start + i]!
      : bytes[start + 2 * i]! + bytes[start + 2 * i + 1]! * 256
  }

  /** Lets all texts go. */
  clear(): void {
    // One that was made for a long text is not kept.
    this.#chunks = this.#chunks.filter(({ bytes }) => bytes.length <= CHUNK_BYTES)
    this.#last = 0
    this.#end = START
    this.#fullBytes = 0
  }

  /** Where so many bytes are free, at a word's beginning. */
  #room(wanted: number): number {
    const chunkBytes = Math.max(CHUNK_BYTES, this.#chunks[this.#last]?.bytes.length ?? 0)
    if (this.#end + wanted > chunkBytes && this.#end > START) {
      invariant(this.#last + 1 < MAX_CHUNKS, 'there are too many texts')
      this.#fullBytes += this.#end
      this.#last++
      this.#end = 0
    }
    const at = this.#end
    this.#end += Math.ceil(wanted / WORD_BYTES) * WORD_BYTES
    this.#provide(at)
    return at
  }

  /** Lets the last chunk reach to its end; what it has up to `used` stays. */
  #provide(used: number): void {
    const chunk = this.#chunks[this.#last]
    const have = chunk?.bytes.length ?? 0
    if (have >= this.#end) return
    const usual = this.#last > 0 ? CHUNK_BYTES : Math.min(CHUNK_BYTES, Math.max(FIRST_CHUNK_BYTES, have * 2))
    const bytes = Buffer.allocUnsafeSlow(Math.max(usual, this.#end))
    if (chunk !== undefined) bytes.set(chunk.bytes.subarray(0, used))
    this.#chunks[this.#last] = { bytes, words: new Uint32Array(bytes.buffer, 0, bytes.length >>> 2) }
  }
}

function startsWithWide(bytes: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++)
    if (bytes[start + 2 * i]! + bytes[start + 2 * i + 1]! * 256 !== text.charCodeAt(i)) return false
  return true
}

export class TextReader {
  readonly #arena: TextArena
  #block = ''
  #start = 0

  constructor(arena: TextArena) {
    this.#arena = arena
  }

  /** A text, when those that were added after it are asked for next. */
  next(place: number): string {
    const known = this.#known(place)
    if (known !== undefined) return known
    if ((this.#arena.header(place) & WIDE_BIT) !== 0) return this.#arena.text(place)
    this.#start = place
    this.#block = this.#arena.block(place)
    return this.text(place)
  }

  text(place: number): string {
    return this.#known(place) ?? this.#arena.text(place)
  }

  /** A text that is at hand as a whole; one that takes two bytes a character is not. */
  #known(place: number): string | undefined {
    const start = (place - this.#start) * WORD_BYTES + WORD_BYTES
    if (start < WORD_BYTES || start > this.#block.length) return undefined
    const header = this.#arena.header(place)
    const end = start + (header >>> 1)
    return (header & WIDE_BIT) === 0 && end <= this.#block.length ? this.#block.slice(start, end) : undefined
  }
}
