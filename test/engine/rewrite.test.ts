// Rewriting tables: what is dead comes out of the deepest, too, what stands stays, and a piece is no larger than it must
// be. It rests on LevelDB 1.20 as it is: these tests say where.

import { realpath } from 'node:fs/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openClassicEngine } from '../../src/engine/classic.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { END } from '../../src/engine/keyspaces.ts'
import { nextPiece, rewriteTables, rewrittenBytes } from '../../src/engine/rewrite.ts'
import { parseTables, type Table } from '../../src/engine/tables.ts'
import { COMPACTION_PIECE_BYTES } from '../../src/limits.ts'
import { randomFrom, seed } from '../support/random.ts'
import { openStore, withDirectory } from '../support/store.ts'
import { temporaryDirectory } from '../support/tmp.ts'

const SIZES = { cacheBytes: 1 << 20, writeBufferBytes: 1 << 20, maxFileBytes: 1 << 20 }

async function withEngine(run: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await openClassicEngine(temporaryDirectory('engine'), SIZES, false)
  try {
    await run(engine)
  } finally {
    await engine.close()
  }
}

function keyOf(space: string, n: number): string {
  return `${space}${String(n).padStart(8, '0')}`
}

async function put(engine: Engine, entries: Iterable<readonly [string, string | undefined]>): Promise<void> {
  const batch = engine.batch()
  for (const [key, value] of entries) {
    if (value === undefined) batch.del(key)
    else batch.put(key, value)
  }
  await engine.write(batch, false)
}

function bytesOf(engine: Engine): number {
  return engine.tables().reduce((sum, { bytes }) => sum + bytes, 0)
}

function rewrite(engine: Engine, afterPiece = async () => true, room = Infinity): Promise<number> {
  const hasRoom = async (bytes: number) => bytes <= room
  return rewriteTables({ engine, write: (batch) => engine.write(batch, false), hasRoom, afterPiece })
}

/** Not to be compressed. */
function noise(random: () => number, length: number): string {
  let text = ''
  while (text.length < length) text += String.fromCharCode(33 + Math.floor(random() * 90))
  return text
}

test('the tables are read from LevelDB as they are, whatever stands in their keys', async () => {
  await withEngine(async (engine) => {
    const smallest = "a'x' .. 'y\0\\x00"
    const largest = 'z\u{1f600}é\u0001\n'
    await put(engine, [
      [smallest, '1'],
      ['m', '2'],
      [largest, '3'],
    ])
    await engine.flush()
    const [table, ...others] = engine.tables()
    assert.equal(others, [])
    assert.ok(table!.bytes > 0 && table!.number > 0)
    // An unescaped backslash is read as what it escapes: a key is what it most likely is, and never trusted.
    assert.equal([table!.smallest, table!.largest], ["a'x' .. 'y\0\0", largest])
  })
})

test('a list that says other things is read as far as it can be', () => {
  const list = [
    '--- level 0 ---',
    " 9:100['b' @ 1 : 1 .. 'c' @ 2 : 0]",
    '--- level 3 ---',
    " 5:70['a' @ 5 : 1 .. (bad)]",
    "12:70['a' @ 5 : 1 .. 'b' @ 1 : 1]",
    " 7:5['d' @ 5 : 1 .. 'd' @ 1 : 1]",
    '',
  ]
  assert.equal(parseTables(list.join('\n')), [
    { level: 0, number: 9, bytes: 100, smallest: 'b', largest: 'c' },
    { level: 3, number: 7, bytes: 5, smallest: 'd', largest: 'd' },
  ])
  assert.equal(parseTables(''), [])
})

test('what is dead in the deepest tables stays when they are merged, and goes when they are rewritten', async () => {
  await withEngine(async (engine) => {
    const random = randomFrom(seed)
    const value = noise(random, 1000)
    // Written and deleted within one write buffer: a table takes both, and has nothing above it.
    await put(engine, [[keyOf('t', 0), value]])
    for (let n = 1; n < 500; n++) await put(engine, [[keyOf('t', n), noise(random, 1000)]])
    for (let n = 1; n < 500; n++) await put(engine, [[keyOf('t', n), undefined]])
    await engine.flush()
    const before = bytesOf(engine)
    assert.ok(before > 400_000)
    await engine.compactRange('', END)
    assert.is(bytesOf(engine), before, 'LevelDB has become better at this')
    await rewrite(engine)
    assert.ok(bytesOf(engine) < 5000, `${bytesOf(engine)} bytes`)
    assert.is(engine.get(keyOf('t', 0)), value)
  })
})

test('whatever was written and deleted, in tables of every level, what stands stays, and takes what it must', async () => {
  await withEngine(async (engine) => {
    const random = randomFrom(seed)
    const standing = new Map<string, string>()
    for (let round = 0; round < 40; round++) {
      const entries: [string, string | undefined][] = []
      for (let i = 0; i < 500; i++) {
        const key = keyOf('dlrt'[Math.floor(random() * 4)]!, Math.floor(random() * 6000))
        if (random() < 0.4 && standing.delete(key)) entries.push([key, undefined])
        else {
          const value = noise(random, 300)
          standing.set(key, value)
          entries.push([key, value])
        }
      }
      await put(engine, entries)
      if (round % 10 === 9) await rewrite(engine)
    }
    for (const key of [...standing.keys()]) if (random() < 0.9) standing.delete(key)
    const gone: [string, undefined][] = []
    for (const space of 'dlrt') {
      for (let n = 0; n < 6000; n++)
        if (!standing.has(keyOf(space, n))) gone.push([keyOf(space, n), undefined])
    }
    await put(engine, gone)
    await rewrite(engine)
    const live = [...standing].reduce((sum, [key, value]) => sum + key.length + value.length, 0)
    assert.ok(bytesOf(engine) < live * 1.2, `${bytesOf(engine)} bytes for ${live} characters`)
    const stored = await engine.scan({ from: '', to: END, limit: 100_000 }).read()
    assert.equal(new Map(stored), standing)
    assert.ok(engine.tables().length > 0)
  })
})

test('what a piece rewrites besides is not rewritten again, and one can stop after any', async () => {
  await withEngine(async (engine) => {
    const random = randomFrom(seed)
    for (let round = 0; round < 10; round++) {
      const entries = Array.from({ length: 1000 }, (_, i) => [keyOf('t', i), noise(random, 1000)] as const)
      await put(engine, entries)
    }
    let pieces = 0
    await rewrite(engine, async () => {
      pieces++
      // Commits go on meanwhile: each piece then takes a table along that spans all others.
      await put(engine, [
        [keyOf('t', 0), 'first'],
        [keyOf('t', 999), 'last'],
      ])
      return true
    })
    assert.ok(pieces >= 1 && pieces <= 3, `${pieces} pieces`)
    pieces = 0
    await rewrite(engine, async () => ++pieces < 1)
    assert.is(pieces, 1)
  })
})

test('what there is no room for is not begun, and told', async () => {
  await withEngine(async (engine) => {
    const random = randomFrom(seed)
    const entries = Array.from({ length: 3000 }, (_, i) => [keyOf('t', i), noise(random, 1000)] as const)
    await put(engine, entries)
    await put(
      engine,
      entries.slice(1).map(([key]) => [key, undefined]),
    )
    await engine.flush()
    const before = engine.tables()
    const needed = await rewrite(engine, async () => assert.unreachable() as never, 1_000_000)
    assert.ok(needed >= 2 * 2_900_000 && needed <= 2 * bytesOf(engine), `${needed} bytes`)
    assert.equal(engine.tables(), before)
    assert.is(await rewrite(engine, async () => true, needed), 0)
    assert.ok(bytesOf(engine) < 10_000)
    assert.is(engine.get(keyOf('t', 0)), entries[0]![1])
  })
})

test('a merge takes along what lies over and under it, and what lies under that', () => {
  const table = (level: number, smallest: string, largest: string, bytes: number): Table => {
    return { level, number: bytes, bytes, smallest, largest }
  }
  const tables = [
    table(2, 'a', 'b', 1),
    table(2, 'f', 'g', 10),
    table(2, 'm', 'n', 100),
    table(1, 'a', 'c', 1000),
    table(1, 'd', 'f', 10_000),
    table(0, 'x', 'z', 100_000),
  ]
  assert.is(rewrittenBytes(tables, [tables[4]!]), 10_010)
  assert.is(rewrittenBytes(tables, [tables[1]!]), 10_010)
  assert.is(rewrittenBytes(tables, [tables[0]!, tables[1]!]), 11_011)
  assert.is(rewrittenBytes(tables, [tables[5]!]), 100_000)
})

test('no stored key is one that a mark deletes, whatever users name their timers', async () => {
  await withDirectory(async (directory) => {
    const store = await openStore(directory)
    const orders = await store.service('orders!', { onEventTime: () => {} })
    for (const queue of [orders.eventTime, orders.processingTime]) {
      for (const key of ['!', '', 'a!', '!\0!']) {
        for (const namespace of ['!', '', '\0!'])
          await queue.registerMany([33, 97].map((timestamp) => ({ key, namespace, timestamp })))
      }
    }
    await store.snapshot()
    await orders.advanceWatermark(50)
    await store.close()
    const engine = await openClassicEngine(await realpath(directory), SIZES, true)
    try {
      const keys = (await engine.scan({ from: '', to: END, limit: 10_000 }).read()).map(([key]) => key)
      assert.equal([...new Set(keys.map((key) => key[0]))].sort(), ['d', 'l', 'm', 'r', 't'])
      assert.equal(
        keys.filter((key) => key.endsWith('!')),
        [],
      )
    } finally {
      await engine.close()
    }
  })
})

test('a piece is of neighbours of the deepest level, as many as make one', () => {
  const table = (number: number, level: number, smallest: string, bytes = 10): Table => {
    return { level, number, bytes, smallest, largest: `${smallest}z` }
  }
  const tables = [
    table(1, 0, 'a'),
    table(2, 1, 'c'),
    table(3, 2, 'k'),
    table(4, 2, 'a'),
    table(5, 2, 'e', COMPACTION_PIECE_BYTES - 20),
    table(6, 2, 't'),
  ]
  const numbers = (isWanted: (table: Table) => boolean) =>
    nextPiece(tables, isWanted).map(({ number }) => number)
  assert.equal(
    numbers(() => true),
    [4, 5, 3],
  )
  assert.equal(
    numbers(({ number }) => number !== 5),
    [4],
    'not over one that is new',
  )
  assert.equal(
    numbers(({ number }) => number > 4),
    [5],
  )
  assert.equal(
    numbers(({ level }) => level < 2),
    [2],
  )
  assert.equal(
    numbers(({ number }) => number === 1),
    [1],
  )
  assert.equal(
    numbers(() => false),
    [],
  )
  const huge = [table(1, 2, 'a', 2 * COMPACTION_PIECE_BYTES), table(2, 2, 'b')]
  assert.equal(
    nextPiece(huge, () => true),
    [huge[0]],
  )
})

test.run()
