// The checksum behind every stored value, and the set hash of a queue.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  addToSetHash,
  CHECKSUM_CHARACTERS,
  checksumAtEnd,
  checksumOf,
  encodeChecksum,
  removeFromSetHash,
  verifiedBody,
  withChecksum,
} from '../../src/timer/checksum.ts'
import '../support/random.ts'

const text = fc.string({ unit: 'binary', maxLength: 40 })
const checksum = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  fc.constantFrom(0, 1, 2 ** 24 - 1, 2 ** 24, 2 ** 48 - 1),
)

test('a value with its checksum gives its body back', () => {
  fc.assert(
    fc.property(text, text, (key, body) => {
      const value = withChecksum(key, body)
      assert.is(value.length, body.length + CHECKSUM_CHARACTERS)
      assert.is(verifiedBody(key, value), body)
      assert.is(checksumAtEnd(value), checksumOf(key, body))
    }),
    { numRuns: 2000 },
  )
})

test('a checksum is a whole number below 2^48, and is written in eight characters', () => {
  fc.assert(
    fc.property(text, text, checksum, (key, body, any) => {
      const computed = checksumOf(key, body)
      assert.ok(Number.isInteger(computed) && computed >= 0 && computed < 2 ** 48)
      assert.is(encodeChecksum(any).length, CHECKSUM_CHARACTERS)
      assert.is(checksumAtEnd(encodeChecksum(any)), any)
    }),
    { numRuns: 2000 },
  )
})

test('a change of any single character of the value is found', () => {
  const key = 't-1e-8Sorder-42\0payment\0UGk3zTl-V'
  const value = withChecksum(key, '25125-{"attempt":1,"note":"naïve 😀"}')
  for (let at = 0; at < value.length; at++) {
    const unit = value.charCodeAt(at)
    for (let other = 0; other < 65_536; other += other < 256 ? 1 : 251) {
      if (other === unit) continue
      const damaged = value.slice(0, at) + String.fromCharCode(other) + value.slice(at + 1)
      assert.is(verifiedBody(key, damaged), undefined, `${at} became ${other}`)
    }
    for (let bit = 0; bit < 16; bit++) {
      const damaged = value.slice(0, at) + String.fromCharCode(unit ^ (1 << bit)) + value.slice(at + 1)
      assert.is(verifiedBody(key, damaged), undefined, `bit ${bit} of ${at}`)
    }
  }
})

test('a value under another key is found, even when one character of the key differs', () => {
  fc.assert(
    fc.property(text, text, fc.nat(), fc.integer({ min: 1, max: 65_535 }), (key, body, place, change) => {
      fc.pre(key.length > 0)
      const at = place % key.length
      const other = key.slice(0, at) + String.fromCharCode(key.charCodeAt(at) ^ change) + key.slice(at + 1)
      assert.is(verifiedBody(other, withChecksum(key, body)), undefined)
    }),
    { numRuns: 2000 },
  )
})

test('what moves from the key to the body is found', () => {
  fc.assert(
    fc.property(text, text, text, (a, moved, b) => {
      fc.pre(moved !== '')
      assert.is.not(checksumOf(a + moved, b), checksumOf(a, moved + b))
    }),
    { numRuns: 2000 },
  )
})

test('two characters that change places are found', () => {
  fc.assert(
    fc.property(text, text, fc.nat(), fc.nat(), (key, body, first, second) => {
      fc.pre(body.length > 1)
      const units = body.split('')
      const [a, b] = [first % units.length, second % units.length]
      fc.pre(units[a] !== units[b])
      ;[units[a], units[b]] = [units[b]!, units[a]!]
      assert.is.not(checksumOf(key, units.join('')), checksumOf(key, body))
    }),
    { numRuns: 2000 },
  )
})

test('a truncated value is found', () => {
  const value = withChecksum('key', 'a body that is long enough to be cut')
  for (let length = 0; length < value.length; length++) {
    assert.is(verifiedBody('key', value.slice(0, length)), undefined)
  }
  assert.ok(Number.isNaN(checksumAtEnd('')))
  assert.ok(Number.isNaN(checksumAtEnd('1234567')))
  assert.ok(Number.isNaN(checksumAtEnd('not digits!')))
})

test('the set hash of a queue does not depend on the order', () => {
  fc.assert(
    fc.property(fc.array(checksum), fc.nat(), (checksums, rotation) => {
      const turned = [
        ...checksums.slice(rotation % (checksums.length + 1)),
        ...checksums.slice(0, rotation % (checksums.length + 1)),
      ].reverse()
      assert.is(turned.reduce(addToSetHash, 0), checksums.reduce(addToSetHash, 0))
    }),
  )
})

test('what is added to a set hash and removed again leaves it as it was', () => {
  fc.assert(
    fc.property(fc.array(checksum, { minLength: 1 }), fc.array(checksum), (kept, passing) => {
      const expected = kept.reduce(addToSetHash, 0)
      const between = passing.reduce(addToSetHash, expected)
      assert.is(passing.reduce(removeFromSetHash, between), expected)
      assert.is(kept.reduce(removeFromSetHash, expected), 0)
      assert.ok(Number.isSafeInteger(between) && between >= 0)
    }),
    { numRuns: 2000 },
  )
})

test('the sum of very many checksums stays exact', () => {
  let setHash = 0
  for (let i = 0; i < 100_000; i++) setHash = addToSetHash(setHash, 2 ** 48 - 1)
  assert.is(BigInt(setHash), (100_000n * (2n ** 48n - 1n)) % 2n ** 52n)
  for (let i = 0; i < 100_000; i++) setHash = removeFromSetHash(setHash, 2 ** 48 - 1)
  assert.is(setHash, 0)
})

test.run()
