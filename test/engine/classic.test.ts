// The engine on classic-level, and what it relies on in the exact version that is installed.

import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { MemoryLevel } from 'memory-level'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LevelEngine, openClassicEngine } from '../../src/engine/classic.ts'
import { END } from '../../src/engine/keyspaces.ts'
import { rejects } from '../support/refusals.ts'
import { temporaryDirectory } from '../support/tmp.ts'

const SIZES = { cacheBytes: 1 << 20, writeBufferBytes: 1 << 20, maxFileBytes: 1 << 20 }

async function withEngine(run: (engine: Awaited<ReturnType<typeof openClassicEngine>>) => Promise<void>) {
  const engine = await openClassicEngine(temporaryDirectory('engine'), SIZES, false)
  try {
    await run(engine)
  } finally {
    await engine.close()
  }
}

test('classic-level is the version whose inside this engine was read of', () => {
  const { version } = createRequire(import.meta.url)('classic-level/package.json')
  assert.is(version, '3.0.0')
})

test('a batch is written whole, whichever operations it has', async () => {
  await withEngine(async (engine) => {
    for (const [puts, dels] of [
      [1, 0],
      [0, 1],
      [3, 0],
      [0, 3],
      [2, 2],
    ] as const) {
      const before = engine.batch()
      for (let i = 0; i < dels; i++) before.put(`del${i}`, 'old')
      before.put('kept', 'kept')
      await engine.write(before, false)
      const batch = engine.batch()
      for (let i = 0; i < dels; i++) batch.del(`del${i}`)
      for (let i = 0; i < puts; i++) batch.put(`put${i}`, `${puts}${dels}`)
      await engine.write(batch, true)
      for (let i = 0; i < dels; i++) assert.is(engine.get(`del${i}`), undefined)
      for (let i = 0; i < puts; i++) assert.is(engine.get(`put${i}`), `${puts}${dels}`)
      assert.is(engine.get('kept'), 'kept')
    }
  })
})

test('where the name of a log cannot be put on disk, the write fails in the words of Tidemark', async () => {
  for (const sync of [() => Promise.reject(new Error('EIO')), () => invalid()]) {
    const level = new MemoryLevel<string, string>()
    await level.open()
    const engine = new LevelEngine(level as never, { sync } as never)
    const batch = engine.batch()
    batch.put('key', 'value')
    await rejects(engine.write(batch, true), 'TIDEMARK_FAILED')
    await engine.close()
  }
})

function invalid(): never {
  throw new Error('EIO')
}

test('texts come back as they were: NUL, astral characters, the empty value', async () => {
  await withEngine(async (engine) => {
    const texts = ['a\0b', '\u0001\0', '\u{1f600}\uffff', 'é', '']
    const batch = engine.batch()
    for (const text of texts) batch.put(`k${text}`, text)
    await engine.write(batch, true)
    assert.equal(await engine.getMany(texts.map((text) => `k${text}`)), texts)
    for (const text of texts) assert.is(engine.get(`k${text}`), text)
  })
})

test('a scan is a view of the moment when it was opened', async () => {
  await withEngine(async (engine) => {
    const first = engine.batch()
    first.put('a', '1')
    await engine.write(first, false)
    const scan = engine.scan({ from: 'a', to: 'b', limit: 10 })
    const second = engine.batch()
    second.put('a2', '2')
    await engine.write(second, false)
    assert.equal(await scan.read(), [['a', '1']])
  })
})

test('a scan reads its limit, in either direction, also beyond one read of the engine', async () => {
  await withEngine(async (engine) => {
    const batch = engine.batch()
    const value = 'x'.repeat(1000)
    for (let i = 0; i < 3000; i++) batch.put(`k${String(i).padStart(5, '0')}`, value)
    await engine.write(batch, false)
    const range = { from: 'k', to: `k${END}` }
    assert.is((await engine.scan({ ...range, limit: 2500 }).read()).length, 2500)
    assert.is((await engine.scan({ ...range, limit: 5000 }).read()).length, 3000)
    assert.is((await engine.scan({ ...range, limit: 1, reverse: true }).read())[0]![0], 'k02999')
    assert.is((await engine.scan({ after: 'k00010', to: 'k00012', limit: 9 }).read())[0]![0], 'k00011')
  })
})

test('flush leaves nothing to replay: what stands is in tables', async () => {
  await withEngine(async (engine) => {
    const batch = engine.batch()
    batch.put('a', '1')
    await engine.write(batch, false)
    assert.equal(engine.tables(), [])
    await engine.flush()
    assert.is(engine.tables().length, 1)
    assert.is(engine.get('a'), '1')
  })
})

test('its levels tell the tables that are on disk, whatever is in the keys', async () => {
  const directory = temporaryDirectory('engine')
  const engine = await openClassicEngine(directory, SIZES, false)
  assert.equal(engine.levels(), [])
  for (const space of ['a', 'b\n--- level 6 ---\n 9:9[']) {
    const batch = engine.batch()
    for (let i = 0; i < 1000; i++) batch.put(space + i, 'x'.repeat(100))
    await engine.write(batch, false)
    await engine.flush()
  }
  const levels = engine.levels()
  await engine.close()
  const tables = fs.readdirSync(directory).filter((name) => name.endsWith('.ldb'))
  const onDisk = tables.map((name) => fs.statSync(path.join(directory, name)).size)
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0)
  assert.is(onDisk.length, 2)
  assert.is(sum(levels.map((level) => level.tables)), onDisk.length)
  assert.is(sum(levels.map((level) => level.bytes)), sum(onDisk))
})

test.run()
