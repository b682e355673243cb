// The engine in memory gives what LevelDB gives; its disk is left by a crash as one may leave it.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openClassicEngine } from '../../src/engine/classic.ts'
import type { Engine, ScanRange } from '../../src/engine/engine.ts'
import { MemoryDisk } from './memorydisk.ts'
import { MemoryEngine, turnsOf } from './memoryengine.ts'
import { seed } from './random.ts'
import { randomFrom } from './random-generator.ts'
import { temporaryDirectory } from './tmp.ts'

const SIZES = { cacheBytes: 1 << 20, writeBufferBytes: 1 << 20, maxFileBytes: 1 << 20 }

const part = fc.constantFrom('a', 'b', '0', '\0', 'é', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}')
const text = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''))
const write = fc.record({ key: text, value: fc.option(text, { nil: undefined }) })
const bound = fc.oneof(
  text.map((from) => ({ from })),
  text.map((after) => ({ after })),
  fc.constant({}),
)
const range = fc
  .tuple(bound, text, fc.integer({ min: 1, max: 6 }), fc.boolean())
  .map(([first, to, limit, reverse]): ScanRange => ({ ...first, to, limit, reverse }))

async function put(engine: Engine, writes: readonly { key: string; value: string | undefined }[]) {
  const batch = engine.batch()
  for (const { key, value } of writes) {
    if (value === undefined) batch.del(key)
    else batch.put(key, value)
  }
  await engine.write(batch, false)
}

test('it reads and scans as LevelDB does, whatever the keys are', async () => {
  const level = await openClassicEngine(temporaryDirectory('engine'), SIZES, false)
  const memory = new MemoryEngine(new MemoryDisk())
  const writes = fc.array(write, { minLength: 1, maxLength: 8 })
  const run = fc.asyncProperty(writes, fc.array(range), fc.array(text), async (batch, ranges, keys) => {
    for (const engine of [level, memory]) await put(engine, batch)
    for (const one of ranges) assert.equal(await memory.scan(one).read(), await level.scan(one).read())
    assert.equal(await memory.getMany(keys), await level.getMany(keys))
    assert.equal(
      keys.map((key) => memory.get(key)),
      keys.map((key) => level.get(key)),
    )
  })
  await fc.assert(run, { numRuns: 300, seed })
  await level.close()
})

test('it keeps many keys in order while they come and go', async () => {
  const random = randomFrom(seed)
  const engine = new MemoryEngine(new MemoryDisk())
  const expected = new Map<string, string>()
  for (let round = 0; round < 400; round++) {
    const isGrowing = round % 200 < 100
    const writes = Array.from({ length: 50 }, () => {
      const key = `k${Math.floor(random() * 4000)}`
      const value = random() < (isGrowing ? 0.8 : 0.2) ? `${round}` : undefined
      if (value === undefined) expected.delete(key)
      else expected.set(key, value)
      return { key, value }
    })
    await put(engine, writes)
    if (round % 20 !== 0) continue
    const sorted = [...expected].sort(([a], [b]) => (a < b ? -1 : 1))
    assert.equal(await engine.scan({ to: 'l', limit: 1e6 }).read(), sorted)
    assert.equal(await engine.scan({ to: 'l', limit: 1e6, reverse: true }).read(), sorted.reverse())
  }
})

test('a scan and a getMany are views of the moment of their call', async () => {
  const engine = new MemoryEngine(
    new MemoryDisk(),
    turnsOf(() => 3),
  )
  await put(engine, [{ key: 'a', value: '1' }])
  const scanned = engine.scan({ to: 'z', limit: 9 }).read()
  const got = engine.getMany(['a', 'b'])
  await put(engine, [
    { key: 'a', value: '2' },
    { key: 'b', value: '2' },
  ])
  assert.equal(await scanned, [['a', '1']])
  assert.equal(await got, ['1', undefined])
})

test('a crash keeps what was written, and what was under way wholly or not at all', async () => {
  const random = randomFrom(seed)
  const outcomes = new Set<string>()
  for (let i = 0; i < 200; i++) {
    let turns = 0
    const disk = new MemoryDisk()
    const engine = new MemoryEngine(
      disk,
      turnsOf(() => turns),
    )
    await put(engine, [{ key: 'a', value: '1' }])
    turns = 2
    const underWay = put(engine, [
      { key: 'a', value: '2' },
      { key: 'b', value: '2' },
    ])
    const left = disk.crash(random)
    outcomes.add(`${left.get('a')} ${left.get('b')}`)
    await underWay
    assert.is(disk.get('b'), '2')
  }
  assert.equal([...outcomes].sort(), ['1 undefined', '2 2'])
})

test('a loss of power takes back the newest writes that were not flushed, and no other', async () => {
  const random = randomFrom(seed)
  const outcomes = new Set<string>()
  for (let i = 0; i < 400; i++) {
    const disk = new MemoryDisk()
    const engine = new MemoryEngine(disk)
    const numbers = Array.from({ length: 8 }, (_, n) => n)
    for (const n of numbers) {
      const batch = engine.batch()
      batch.put('newest', `${n}`)
      batch.put(`${n}`, '')
      batch.del(`${n - 1}`)
      await engine.write(batch, n === 3)
    }
    const left = disk.crash(random, { power: true })
    const newest = Number(left.get('newest'))
    outcomes.add(`${newest}`)
    assert.equal(
      left.read({ to: '9', limit: 9 }).map(([key]) => key),
      [`${newest}`],
    )
    assert.is(disk.crash(random).get('newest'), '7')
  }
  assert.equal([...outcomes].sort(), ['3', '4', '5', '6', '7'])
})

test('the chosen read or write fails, and what was written may be there all the same', async () => {
  for (const writesDespite of [false, true]) {
    const disk = new MemoryDisk()
    const engine = new MemoryEngine(disk)
    Object.assign(engine, { failWrite: 2, writesDespite })
    await put(engine, [{ key: 'a', value: '1' }])
    let failed = false
    await put(engine, [{ key: 'a', value: '2' }]).catch(() => {
      failed = true
    })
    assert.ok(failed)
    assert.is(disk.get('a'), writesDespite ? '2' : '1')
    engine.failRead = 2
    assert.is(engine.get('b'), undefined)
    assert.throws(() => engine.get('b'), /injected/)
    await engine.close()
    assert.is(disk.isOpen, false)
  }
})

test('a dead engine changes its disk no more, and another can have it', async () => {
  const disk = new MemoryDisk()
  const engine = new MemoryEngine(
    disk,
    turnsOf(() => 1),
  )
  assert.throws(
    () => new MemoryEngine(disk),
    (error: { cause: { code: string } }) => error.cause.code === 'LEVEL_LOCKED',
  )
  const underWay = put(engine, [{ key: 'a', value: '1' }]).then(
    () => 'written',
    () => 'failed',
  )
  engine.die()
  const next = new MemoryEngine(disk)
  assert.is(await underWay, 'failed')
  assert.is(next.get('a'), undefined)
  await engine.close()
  assert.is(disk.isOpen, true)
})

test.run()
