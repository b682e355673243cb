// Key groups as Flink assigns them (design: semantics 13), against vectors computed by other means.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { keyGroupOf, keyGroupRange, murmur } from '../../src/timer/keygroup.ts'
import '../support/random.ts'

test('13. the murmur mix of Java hash codes', () => {
  const vectors = [
    [0, 593689054],
    [1, 68075478],
    [42, 1134849565],
    [4711, 434284434],
    [-1, 1982413648],
    [2147483647, 1653689534],
    [-2147483648, 1718298732],
    [97, 1455541201],
    [98, 516420758],
    [99162322, 1715862179],
    [101943363, 23124534],
    [1234255197, 1636628525],
    [3045921, 885247158],
    [2097152, 1175729171],
  ] as const
  for (const [hash, mixed] of vectors) assert.is(murmur(hash), mixed, String(hash))
})

test('13. the key groups of strings, at 10, 128 and 32767', () => {
  const vectors = [
    ['', 4, 94, 16548],
    ['a', 1, 81, 31061],
    ['b', 8, 22, 12838],
    ['hello', 9, 35, 18224],
    ['key-1', 4, 54, 23799],
    ['order-42', 5, 45, 15176],
    ['café', 8, 54, 13886],
  ] as const
  for (const [key, of10, of128, of32767] of vectors) {
    assert.is(keyGroupOf(key, 10), of10, key)
    assert.is(keyGroupOf(key, 128), of128, key)
    assert.is(keyGroupOf(key, 32767), of32767, key)
  }
})

test('13. the key groups of hash codes, at 10, 128 and 32767', () => {
  const vectors = [
    [0, 4, 94, 16548],
    [1, 8, 86, 18419],
    [42, 5, 29, 30054],
    [4711, 4, 18, 23383],
    [-1, 8, 80, 10148],
    [2147483647, 4, 62, 4578],
    [-2147483648, 2, 108, 30019],
    [2097152, 1, 19, 16444],
  ] as const
  for (const [hash, of10, of128, of32767] of vectors) {
    assert.equal([murmur(hash) % 10, murmur(hash) % 128, murmur(hash) % 32767], [of10, of128, of32767])
  }
})

test('13. a key group lies within the parallelism, whatever the key', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 32768 }), (key, maxParallelism) => {
      const keyGroup = keyGroupOf(key, maxParallelism)
      assert.ok(Number.isInteger(keyGroup) && keyGroup >= 0 && keyGroup < maxParallelism)
      assert.is(keyGroupOf(key, 1), 0)
    }),
    { numRuns: 2000 },
  )
})

test('13. the mix of any hash code is a whole number from 0 to 2^31-1', () => {
  fc.assert(
    fc.property(fc.integer(), (hash) => {
      const mixed = murmur(hash)
      assert.ok(Number.isInteger(mixed) && mixed >= 0 && mixed <= 2 ** 31 - 1 && !Object.is(mixed, -0))
    }),
    { numRuns: 5000 },
  )
})

test('13. the ranges of the instances', () => {
  const vectors = [
    [128, 3, ['0..42', '43..85', '86..127']],
    [10, 3, ['0..3', '4..6', '7..9']],
    [10, 4, ['0..2', '3..4', '5..7', '8..9']],
    [128, 2, ['0..63', '64..127']],
    [128, 1, ['0..127']],
  ] as const
  for (const [maxParallelism, parallelism, ranges] of vectors) {
    const computed = Array.from({ length: parallelism }, (_, index) => {
      const { start, end } = keyGroupRange(maxParallelism, parallelism, index)
      return `${start}..${end}`
    })
    assert.equal(computed, [...ranges])
  }
})

test('13. the ranges of the instances cover every key group once, and agree with the operator index', () => {
  const sizes = fc.integer({ min: 1, max: 32768 }).chain((maxParallelism) =>
    fc.record({
      maxParallelism: fc.constant(maxParallelism),
      parallelism: fc.integer({ min: 1, max: Math.min(maxParallelism, 300) }),
    }),
  )
  fc.assert(
    fc.property(sizes, ({ maxParallelism, parallelism }) => {
      let next = 0
      for (let index = 0; index < parallelism; index++) {
        const { start, end } = keyGroupRange(maxParallelism, parallelism, index)
        assert.is(start, next)
        assert.is(Math.floor((start * parallelism) / maxParallelism), index)
        assert.is(Math.floor((end * parallelism) / maxParallelism), index)
        next = end + 1
      }
      assert.is(next, maxParallelism)
    }),
  )
})

test.run()
