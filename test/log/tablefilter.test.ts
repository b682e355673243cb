// A filter names every table that was told of a text, until that table ends, also where tables share a bit.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TableBits, TableFilter } from '../../src/log/tablefilter.ts'
import { randomFrom, seed } from '../support/random.ts'

test('a filter leaves out no table that knows a hash, and forgets those that ended, however many there are', () => {
  for (let run = 0; run < 20; run++) {
    const random = randomFrom(seed + run)
    const below = (most: number) => Math.floor(random() * most)
    const bits = new TableBits()
    const filter = new TableFilter()
    const tables: { bit: number; hashes: Set<number> }[] = []
    for (let step = 0; step < 200; step++) {
      if (tables.length === 0 || below(3) === 0) tables.push({ bit: bits.take(), hashes: new Set() })
      const table = tables[below(tables.length)]!
      for (let i = below(20); i > 0; i--) {
        const hash = below(2 ** 32)
        table.hashes.add(hash)
        filter.add(hash, table.bit)
      }
      if (below(4) === 0) {
        const [ended] = tables.splice(below(tables.length), 1)
        if (bits.release(ended!.bit)) filter.remove(ended!.bit)
      }
      for (const { bit, hashes } of tables)
        for (const hash of hashes) assert.ok((filter.tables(hash) & bit) !== 0, `SEED=${seed + run}`)
    }
    for (const { bit } of tables) if (bits.release(bit)) filter.remove(bit)
    for (const { hashes } of tables) for (const hash of hashes) assert.is(filter.tables(hash), 0)
  }
})

test('up to sixteen tables have a bit of their own', () => {
  const bits = new TableBits()
  const taken = Array.from({ length: 16 }, () => bits.take())
  assert.is(new Set(taken).size, 16)
  const [first] = taken
  assert.ok(bits.release(first!))
  assert.is(bits.take(), first)
  assert.ok(taken.includes(bits.take()))
})

test.run()
