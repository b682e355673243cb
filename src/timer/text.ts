/**
 * Numbers as text whose order is the order of the numbers. Everything that Tidemark stores is text, because LevelDB in
 * Node reads and writes utf8 strings two to three times as fast as buffers.
 *
 * - The 64 digits are in ASCII order, so comparing texts of one width compares numbers.
 * - A *count* (0 … 2^53-1) is written with its number of digits first: short when small, and still in order.
 * - A timestamp takes 9 characters: 54 bits, offset by 2^53.
 */
import { MAX_MAX_PARALLELISM } from '../limits.ts'

const DIGITS = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz'
const BITS_18 = 2 ** 18
const BITS_36 = 2 ** 36

export const TIMESTAMP_CHARACTERS = 9

/** The character of each digit's value. */
export const digitCodes = Uint8Array.from(DIGITS, (digit) => digit.charCodeAt(0))

/** The value of each digit, by its character; 255 where it is none. */
export const digitOf = new Uint8Array(256).fill(255)
for (let i = 0; i < 64; i++) digitOf[digitCodes[i]!] = i

// As many as there are key groups. A table of all 262,144 is a third faster for timestamps that are spread, and grows to
// 8 MB with them.
const triples: string[] = new Array(MAX_MAX_PARALLELISM)
const pairs: string[] = Array.from({ length: 4096 }, (_, n) => DIGITS[n >>> 6]! + DIGITS[n & 63]!)

function makeTriple(n: number): string {
  const text = pairs[n >>> 6]! + DIGITS[n & 63]!
  if (n < MAX_MAX_PARALLELISM) triples[n] = text
  return text
}

/** 0 … 2^18-1 as three characters. */
export function encodeTriple(n: number): string {
  return triples[n] ?? makeTriple(n)
}

/** 0 … 4095 as two characters. */
export function encodePair(n: number): string {
  return pairs[n]!
}

function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at)
  const digit = code < 256 ? digitOf[code]! : 255
  return digit
}

/** The number that `length` digits from `at` on spell, or NaN where one is not a digit. */
export function decodeDigits(text: string, at: number, length: number): number {
  let n = 0
  let bad = 0
  for (let i = at; i < at + length; i++) {
    const digit = digitAt(text, i)
    bad |= digit & 128
    n = n * 64 + digit
  }
  return bad === 0 ? n : Number.NaN
}

export function encodeTimestamp(timestamp: number): string {
  const high = Math.floor(timestamp / BITS_36)
  const rest = timestamp - high * BITS_36
  const middle = Math.floor(rest / BITS_18)
  if (high !== lastHigh || middle !== lastMiddle) {
    lastHigh = high
    lastMiddle = middle
    lastText = encodeTriple(high + 131072) + encodeTriple(middle)
  }
  return lastText + encodeTriple(rest - middle * BITS_18)
}

// Timestamps of one time are near each other: the first six characters last for four minutes.
let lastHigh = Number.NaN
let lastMiddle = Number.NaN
let lastText = ''

/** The timestamp in the nine characters from `at` on, or NaN. */
export function decodeTimestamp(text: string, at: number): number {
  const high = decodeDigits(text, at, 3) - 131072
  return high * BITS_36 + (decodeDigits(text, at + 3, 3) * BITS_18 + decodeDigits(text, at + 6, 3))
}

const smallCounts: string[] = new Array(4096)

function makeCount(n: number): string {
  let digits = ''
  let rest = n
  do {
    digits = DIGITS[rest % 64]! + digits
    rest = Math.floor(rest / 64)
  } while (rest > 0)
  return digits.length + digits
}

/** A whole number from 0 to 2^53-1 as 2 to 10 characters, in order. */
export function encodeCount(n: number): string {
  if (n >= 4096) return makeCount(n)
  const known = smallCounts[n]
  if (known !== undefined) return known
  const text = makeCount(n)
  smallCounts[n] = text
  return text
}

/** How many characters the count at `at` takes, or NaN where no count begins. */
export function countLength(text: string, at: number): number {
  const digits = text.charCodeAt(at) - 48
  return digits >= 1 && digits <= 9 && at + 1 + digits <= text.length ? digits + 1 : Number.NaN
}

/** The count at `at`, or NaN where there is none: nine digits can spell more than 2^53-1. */
export function decodeCount(text: string, at: number): number {
  const digits = text.charCodeAt(at) - 48
  if (!(digits >= 1 && digits <= 9)) return Number.NaN
  const count = decodeDigits(text, at + 1, digits)
  return count <= Number.MAX_SAFE_INTEGER ? count : Number.NaN
}

/**
 * Compares two texts as LevelDB does, by their UTF-8 bytes: unlike `<`, also where astral characters are in play.
 * Their first `equal` characters are known to be the same.
 */
export function compareStored(a: string, b: string, equal = 0): number {
  const length = Math.min(a.length, b.length)
  for (let i = equal; i < length; i++) {
    let x = a.charCodeAt(i)
    let y = b.charCodeAt(i)
    if (x === y) continue
    // In UTF-16 a surrogate sorts below U+E000 … U+FFFF; in UTF-8 what it stands for sorts above.
    if (x >= 0xd800 && y >= 0xd800) {
      if (x >= 0xe000) x -= 0x800
      else x += 0x2000
      if (y >= 0xe000) y -= 0x800
      else y += 0x2000
    }
    return x - y
  }
  return a.length - b.length
}

/** The characters of a text as UTF-8 bytes. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}
