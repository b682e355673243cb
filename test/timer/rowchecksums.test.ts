// Checksums of many timers at once are those of each alone.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checksumOf } from '../../src/timer/checksum.ts'
import { type ByteRows, checksumsOfRows } from '../../src/timer/rowchecksums.ts'
import '../support/random.ts'

/** Few letters and few lengths: neighbours share much, and mostly have one length. */
const key = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\u007f'), minLength: 0, maxLength: 6 })
const body = fc.string({ unit: 'binary-ascii', maxLength: 20 })

function rowsOf(texts: readonly string[]): ByteRows {
  let end = 0
  return {
    bytes: Buffer.from(texts.join('')),
    ends: Uint32Array.from(texts, ({ length }) => (end += length)),
  }
}

function sharedOf(keys: readonly string[], least: number): Uint32Array {
  return Uint32Array.from(keys, (key, i) => {
    const before = keys[i - 1] ?? ''
    let shared = 0
    while (shared < key.length && shared < before.length && key[shared] === before[shared]) shared++
    return Math.max(0, shared - least)
  })
}

test('checksums of rows are those of each key and body', () => {
  const timers = fc.array(fc.tuple(key, body), { maxLength: 30 })
  fc.assert(
    fc.property(timers, fc.nat(3), (timers, least) => {
      const keys = timers.map(([key]) => key)
      const bodies = timers.map(([, body]) => body)
      const found = checksumsOfRows(rowsOf(keys), sharedOf(keys, least), rowsOf(bodies))
      assert.equal(
        [...found],
        timers.map(([key, body]) => checksumOf(key, body)),
      )
    }),
    { numRuns: 3000 },
  )
})

test('keys may be of any length', () => {
  const keys = ['a'.repeat(5000), 'a'.repeat(5000).concat('b'), 'a'.repeat(20_000)]
  const found = checksumsOfRows(rowsOf(keys), sharedOf(keys, 0), rowsOf(['1', '2', '3']))
  assert.equal(
    [...found],
    keys.map((key, i) => checksumOf(key, String(i + 1))),
  )
})

test.run()
