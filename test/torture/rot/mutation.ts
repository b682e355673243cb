/** Damage of every kind, to bytes and to texts: what random flips do, and what somebody does who knows the format. */
import { encodeCount, encodeTimestamp } from '../../../src/timer/text.ts'

export type Random = () => number

export const upTo = (random: Random, n: number) => Math.floor(random() * n)
export const oneOf = <T>(random: Random, items: readonly T[]): T => items[upTo(random, items.length)]!

/** Numbers at which a reader may go wrong. */
export const EXTREMES = [
  0,
  1,
  2,
  63,
  64,
  255,
  256,
  4095,
  4096,
  32767,
  32768,
  65535,
  65536,
  2 ** 20,
  2 ** 20 + 1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 47,
  2 ** 48 - 1,
  2 ** 52 - 1,
  2 ** 53 - 2,
  2 ** 53 - 1,
]

function extremeBytes(random: Random): Buffer {
  const bytes = Buffer.alloc(oneOf(random, [1, 2, 4, 6]))
  const value = oneOf(random, EXTREMES) % 2 ** (8 * bytes.length)
  bytes.writeUIntLE(value, 0, bytes.length)
  return bytes
}

function splice(bytes: Buffer, at: number, removed: number, inserted: Buffer): Buffer {
  return Buffer.concat([
    bytes.subarray(0, at),
    inserted,
    bytes.subarray(Math.min(at + removed, bytes.length)),
  ])
}

function randomBytes(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: 1 + upTo(random, most) }, () => upTo(random, 256)))
}

/** One change of some bytes; `corpus` gives what is put between. */
function changeBytes(random: Random, bytes: Buffer, corpus: readonly Buffer[]): Buffer {
  const at = upTo(random, bytes.length + 1)
  switch (upTo(random, 8)) {
    case 0: {
      const copy = Buffer.from(bytes)
      if (at < copy.length) copy[at]! ^= 1 << upTo(random, 8)
      return copy
    }
    case 1:
      return splice(bytes, at, 1, randomBytes(random, 1))
    case 2:
      return splice(bytes, at, 0, randomBytes(random, 8))
    case 3:
      return splice(bytes, at, 1 + upTo(random, 12), Buffer.alloc(0))
    case 4:
      return bytes.subarray(0, at)
    case 5: {
      const number = extremeBytes(random)
      return splice(bytes, at, number.length, number)
    }
    case 6: {
      const other = oneOf(random, corpus)
      return Buffer.concat([bytes.subarray(0, at), other.subarray(upTo(random, other.length + 1))])
    }
    default: {
      // A part of it twice.
      const end = Math.min(bytes.length, at + upTo(random, 64))
      return splice(bytes, end, 0, bytes.subarray(at, end))
    }
  }
}

/** A valid input, changed one to four times; now and then nothing but random bytes. */
export function mutateBytes(random: Random, corpus: readonly Buffer[]): Buffer {
  if (random() < 0.03) return randomBytes(random, 300)
  let bytes = oneOf(random, corpus)
  for (let changes = 1 + upTo(random, 4); changes > 0; changes--) bytes = changeBytes(random, bytes, corpus)
  return bytes
}

const ODD_TEXTS = [
  '\0',
  '\u0001',
  '\u0001\u0001',
  '\u0001\u0002',
  '\ud800',
  '\u{10ffff}',
  'é',
  '-',
  'z',
  '"',
  '\\',
  '{}',
]
const ODD_JSON = [
  'null',
  'true',
  '-1',
  '1.5',
  '1e999',
  '-0',
  '""',
  '[]',
  '{}',
  '"\\ud800"',
  '{"__proto__":1}',
]

/** Behind counts and timestamps there is no mark: any place may be where one begins. */
function extremeText(random: Random): string {
  const value = oneOf(random, EXTREMES)
  switch (upTo(random, 4)) {
    case 0:
      return encodeCount(value)
    case 1:
      return encodeTimestamp(random() < 0.5 ? value : -value)
    case 2:
      return `9${'z'.repeat(9)}`
    default:
      return String(random() < 0.8 ? value : -value)
  }
}

function changeText(random: Random, text: string, corpus: readonly string[]): string {
  const at = upTo(random, text.length + 1)
  const splice = (removed: number, inserted: string) =>
    text.slice(0, at) + inserted + text.slice(at + removed)
  switch (upTo(random, 9)) {
    case 0:
      return splice(1, String.fromCharCode(text.charCodeAt(at) ^ (1 << upTo(random, 7)) || 65))
    case 1:
      return splice(1, String.fromCharCode(upTo(random, random() < 0.9 ? 128 : 65536)))
    case 2:
      return splice(0, oneOf(random, ODD_TEXTS))
    case 3:
      return splice(1 + upTo(random, 12), '')
    case 4:
      return text.slice(0, at)
    case 5: {
      const number = extremeText(random)
      return splice(number.length, number)
    }
    case 6: {
      const other = oneOf(random, corpus)
      return text.slice(0, at) + other.slice(upTo(random, other.length + 1))
    }
    case 7:
      return text.slice(0, at) + text.slice(Math.max(0, at - upTo(random, 64)))
    default:
      return changeJson(random, text)
  }
}

/** Puts something else in the place of a number, a string or a name of JSON. */
function changeJson(random: Random, text: string): string {
  const values = [...text.matchAll(/-?\d+|"[^"]*"|null|true/g)]
  if (values.length === 0) return text + oneOf(random, ODD_JSON)
  const { index, 0: value } = oneOf(random, values)
  const other = random() < 0.5 ? String(oneOf(random, EXTREMES)) : oneOf(random, ODD_JSON)
  return text.slice(0, index) + other + text.slice(index + value.length)
}

/** As {@link mutateBytes}, for texts. */
export function mutateText(random: Random, corpus: readonly string[]): string {
  if (random() < 0.03) return randomBytes(random, 200).toString(random() < 0.5 ? 'latin1' : 'utf8')
  let text = oneOf(random, corpus)
  for (let changes = 1 + upTo(random, 4); changes > 0; changes--) text = changeText(random, text, corpus)
  return text
}
