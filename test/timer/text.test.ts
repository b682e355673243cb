// Numbers as text: the order of the stored bytes is the order of the numbers (design: semantics 4).

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  compareStored,
  countLength,
  decodeCount,
  decodeDigits,
  decodeTimestamp,
  encodeCount,
  encodePair,
  encodeTimestamp,
  encodeTriple,
  TIMESTAMP_CHARACTERS,
  utf8Length,
} from '../../src/timer/text.ts'
import '../support/random.ts'

const most = Number.MAX_SAFE_INTEGER
const edges = [
  -most,
  -most + 1,
  -(2 ** 52) - 1,
  -(2 ** 52),
  -(2 ** 36) - 1,
  -(2 ** 36),
  -(2 ** 36) + 1,
  -(2 ** 32),
  -(2 ** 31) - 1,
  -(2 ** 31),
  -(2 ** 18) - 1,
  -(2 ** 18),
  -65,
  -64,
  -2,
  -1,
  0,
  1,
  2,
  63,
  64,
  4095,
  4096,
  2 ** 18 - 1,
  2 ** 18,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 36 - 1,
  2 ** 36,
  2 ** 36 + 1,
  2 ** 52,
  most - 1,
  most,
]
const counts = edges.filter((n) => n >= 0)

const timestamps = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(...edges))
const naturals = fc.oneof(fc.maxSafeNat(), fc.nat(), fc.constantFrom(...counts))

function bytes(text: string): Buffer {
  return Buffer.from(text, 'utf8')
}

test('4. a timestamp comes back as it was, over the whole range', () => {
  for (const n of edges) assert.is(decodeTimestamp(encodeTimestamp(n), 0), n)
  fc.assert(
    fc.property(timestamps, fc.string(), (n, before) => {
      assert.is(decodeTimestamp(before + encodeTimestamp(n), before.length), n)
    }),
    { numRuns: 2000 },
  )
})

test('4. every timestamp takes nine ASCII characters', () => {
  fc.assert(
    fc.property(timestamps, (n) => {
      assert.is(encodeTimestamp(n).length, TIMESTAMP_CHARACTERS)
      assert.is(bytes(encodeTimestamp(n)).length, TIMESTAMP_CHARACTERS)
    }),
  )
})

test('4. the order of the bytes is the order of the timestamps', () => {
  const encoded = edges.map(encodeTimestamp)
  assert.equal([...encoded].sort(), encoded)
  fc.assert(
    fc.property(timestamps, timestamps, (a, b) => {
      const order = Buffer.compare(bytes(encodeTimestamp(a)), bytes(encodeTimestamp(b)))
      assert.is(order, Math.sign(a - b))
    }),
    { numRuns: 5000 },
  )
})

test('4. neighbours stay neighbours', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: -most, max: most - 1 }), fc.constantFrom(...edges.slice(0, -1))),
      (n) => {
        assert.ok(encodeTimestamp(n) < encodeTimestamp(n + 1))
      },
    ),
    { numRuns: 2000 },
  )
})

test('4. minus zero is zero', () => {
  assert.is(encodeTimestamp(-0), encodeTimestamp(0))
  assert.ok(Object.is(decodeTimestamp(encodeTimestamp(-0), 0), 0))
})

test('what is not nine digits is not a timestamp', () => {
  for (const text of ['', '12345678', '12345678\0', 'é2345678a', '!23456789', '        9']) {
    assert.ok(Number.isNaN(decodeTimestamp(text, 0)), JSON.stringify(text))
  }
})

test('a count comes back as it was, with its length, also from the middle of a text', () => {
  for (const n of counts) assert.is(decodeCount(encodeCount(n), 0), n)
  fc.assert(
    fc.property(naturals, fc.string(), fc.string(), (n, before, after) => {
      const encoded = encodeCount(n)
      const text = before + encoded + after
      assert.is(decodeCount(text, before.length), n)
      assert.is(countLength(text, before.length), encoded.length)
    }),
    { numRuns: 2000 },
  )
})

test('the order of the bytes is the order of the counts, however many digits they have', () => {
  fc.assert(
    fc.property(naturals, naturals, (a, b) => {
      assert.is(Buffer.compare(bytes(encodeCount(a)), bytes(encodeCount(b))), Math.sign(a - b))
    }),
    { numRuns: 5000 },
  )
})

test('two counts in a row are in the order of the pairs', () => {
  fc.assert(
    fc.property(fc.tuple(naturals, naturals), fc.tuple(naturals, naturals), (a, b) => {
      const order = Buffer.compare(bytes(a.map(encodeCount).join('')), bytes(b.map(encodeCount).join('')))
      assert.is(order, Math.sign(a[0] - b[0]) || Math.sign(a[1] - b[1]))
    }),
  )
})

test('what is not a count is told apart from one', () => {
  for (const text of ['', '0', '1', '1!', '91234', 'x', '\0', ':-']) {
    assert.ok(Number.isNaN(decodeCount(text, 0)), JSON.stringify(text))
  }
  for (const text of ['', '0', '1', '91234', 'x']) {
    assert.ok(Number.isNaN(countLength(text, 0)), JSON.stringify(text))
  }
})

test('pairs and triples come back, in order', () => {
  for (let n = 0; n < 4096; n++) {
    assert.is(decodeDigits(encodePair(n), 0, 2), n)
    assert.ok(n === 0 || encodePair(n - 1) < encodePair(n))
  }
  for (let n = 0; n < 2 ** 18; n += 61) {
    assert.is(decodeDigits(encodeTriple(n), 0, 3), n)
    assert.ok(n === 0 || encodeTriple(n - 1) < encodeTriple(n))
  }
})

test('texts compare as their UTF-8 bytes do, astral characters included', () => {
  const awkward = fc.string({
    unit: fc.constantFrom('a', '\0', '\u0001', 'é', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}'),
  })
  const texts = fc.oneof(awkward, fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
  fc.assert(
    fc.property(texts, texts, fc.string(), (a, b, same) => {
      assert.is(Math.sign(compareStored(a, b)), Buffer.compare(bytes(a), bytes(b)))
      assert.is(
        Math.sign(compareStored(same + a, same + b)),
        Buffer.compare(bytes(same + a), bytes(same + b)),
      )
    }),
    { numRuns: 5000 },
  )
})

test('bytes are counted in UTF-8', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.is(utf8Length(text), bytes(text).length)
    }),
  )
})

test.run()
