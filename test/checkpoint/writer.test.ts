// What is written into a checkpoint is what comes out of it, and a checkpoint that would not be true is not there.

import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CheckpointCut } from '../../src/checkpoint/cut.ts'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'
import { writeCheckpoint } from '../../src/checkpoint/writer.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../src/limits.ts'
import { decodeDigits } from '../../src/timer/text.ts'
import '../support/random.ts'
import { rejects } from '../support/refusals.ts'
import { withDirectory } from '../support/store.ts'
import { manyTimers, readAll, type SampleTimer, sampleOf } from './sample.ts'

const letters = fc.constantFrom('a', 'b', '\0', '\u0001', 'ü', '｡', '\uffff', '😀', '😁', '"')
const part = fc.oneof(fc.string({ unit: letters, maxLength: 6 }), fc.constant('k'.repeat(300)))
const timers = fc.array(
  fc.record({
    service: fc.nat({ max: 1 }),
    domain: fc.constantFrom('eventTime' as const, 'processingTime' as const),
    key: part,
    namespace: part,
    timestamp: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(MIN_TIMESTAMP, MAX_TIMESTAMP, 0)),
    payload: fc.oneof(
      fc.constant(''),
      fc.jsonValue().map((value) => JSON.stringify(value)),
    ),
  }),
  { maxLength: 60 },
)

test('what is written is read, whatever it is', async () => {
  await withDirectory(async (directory) => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(timers, fc.constantFrom(1, 3, 128, 32768), async (made, maxParallelism) => {
        const { engine, cut, stored } = await sampleOf(made, { maxParallelism, metadata: '{"a":[1]}' })
        const written = await writeCheckpoint(engine, cut, join(directory, String(run++)))
        assert.is(written.timers, stored.size)
        assert.is(written.bytes, (await stat(written.path)).size)
        assert.equal(await readAll(written.path), [...stored])
        const reader = await CheckpointReader.open(written.path)
        await reader.verify()
        assert.equal(reader.header.services, cut.services)
        assert.equal(reader.header.metadata, { a: [1] })
        assert.is(reader.header.version, cut.version)
        assert.is(reader.timers, stored.size)
        await reader.close()
      }),
      { numRuns: 150 },
    )
  })
})

test('many timers, with small and large payloads, in few and in very many key groups', async () => {
  const payloads = [
    undefined,
    (i: number) => `{"attempt":${i},"of":"order"}`,
    (i: number) => (i % 500 === 0 ? JSON.stringify('x'.repeat(65_000)) : '"ü"'),
  ]
  await withDirectory(async (directory) => {
    for (const [p, payload] of payloads.entries()) {
      for (const maxParallelism of [1, 128, 32768]) {
        const { engine, cut, stored } = await sampleOf(manyTimers(20_000, payload), { maxParallelism })
        const { path } = await writeCheckpoint(engine, cut, join(directory, `${p} ${maxParallelism}`))
        assert.equal(await readAll(path), [...stored], `${maxParallelism}`)
      }
    }
  })
})

test('a range of key groups is read without the rest', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut, stored } = await sampleOf(manyTimers(60_000), { maxParallelism: 64 })
    const { path, bytes } = await writeCheckpoint(engine, cut, directory)
    for (const [start, end] of [
      [0, 0],
      [7, 7],
      [63, 63],
      [10, 20],
      [0, 63],
    ] as const) {
      const expected = [...stored].filter(([identity]) => {
        const keyGroup = decodeDigits(identity, 4, 3)
        return keyGroup >= start && keyGroup <= end
      })
      assert.equal(await readAll(path, { start, end }), expected)
    }
    const reader = await CheckpointReader.open(path)
    const touched = reader.index.filter(
      ({ segments }) => segments[0]!.keyGroup <= 7 && segments.at(-1)!.keyGroup >= 7,
    )
    const share = touched.reduce((sum, { length }) => sum + length, 0) / bytes
    assert.ok(share < 0.06, `one key group of 64 reads ${share} of the file`)
    await reader.close()
  })
})

test('key groups of a few timers share blocks, and the index still tells them apart', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut, stored } = await sampleOf(manyTimers(20_000), { maxParallelism: 32768 })
    const { path, bytes } = await writeCheckpoint(engine, cut, directory)
    const reader = await CheckpointReader.open(path)
    assert.ok(reader.index.length < 30, `${reader.index.length} blocks`)
    assert.ok(bytes < stored.size * 45, `${bytes / stored.size} bytes a timer`)
    const counts = new Map<number, number>()
    for (const identity of stored.keys()) {
      const keyGroup = decodeDigits(identity, 4, 3)
      counts.set(keyGroup, (counts.get(keyGroup) ?? 0) + 1)
    }
    const told = reader.index.flatMap(({ segments }) => segments.map((s) => [s.keyGroup, s.count]))
    assert.equal(told, [...counts])
    await reader.close()
  })
})

test('equal content makes equal bytes', async () => {
  await withDirectory(async (directory) => {
    const contents: Buffer[] = []
    for (const name of ['a', 'b', 'c']) {
      const { engine, cut } = await sampleOf(manyTimers(30_000, (i) => `{"i":${i}}`))
      const options = { elapsedMs: () => 1 }
      contents.push(await readFile((await writeCheckpoint(engine, cut, join(directory, name), options)).path))
    }
    assert.ok(contents[0]!.equals(contents[1]!) && contents[0]!.equals(contents[2]!))
  })
})

test('a checkpoint of nothing, and of services without timers', async () => {
  await withDirectory(async (directory) => {
    for (const services of [[], ['a'], ['a', 'b', 'c']]) {
      const { engine, cut } = await sampleOf([], { services })
      const { path, timers } = await writeCheckpoint(engine, cut, join(directory, String(services.length)))
      assert.is(timers, 0)
      assert.equal(await readAll(path), [])
    }
  })
})

test('the names of files sort by version, and only their owner may read them', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(10))
    const nested = join(directory, 'a', 'b')
    const { path } = await writeCheckpoint(engine, cut, nested)
    assert.is(path, join(nested, 'checkpoint-000000000002-c0ffee00.tidemark'))
    assert.equal(await readdir(nested), ['checkpoint-000000000002-c0ffee00.tidemark'])
    assert.is((await stat(path)).mode & 0o777, 0o600)
    assert.is((await stat(nested)).mode & 0o777, 0o700)
  })
})

/** Writing this cut is refused, and nothing is left. */
async function refused(
  timers: SampleTimer[],
  change: (cut: CheckpointCut) => void,
  ...messages: string[]
): Promise<void> {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(timers)
    change(cut)
    await rejects(writeCheckpoint(engine, cut, directory), 'TIDEMARK_CORRUPT', ...messages)
    assert.equal(await readdir(directory), [])
  })
}

test('a store that has not what the log counted makes no checkpoint', async () => {
  const made = manyTimers(5000)
  await refused(
    made,
    ({ services }) => services[0]!.processingTime.count++,
    'processingTime',
    'orders',
    '5001',
    '5000',
  )
  await refused(made, ({ services }) => services[0]!.processingTime.count--, '4999')
  await refused(made, ({ services }) => services[0]!.processingTime.setHash++, 'set hash')
  await refused(made, ({ services }) => services[1]!.eventTime.count++, 'eventTime', 'other')
  await refused(made, ({ services }) => services.splice(0), 'belongs to no service')
  await refused(made, (cut) => (cut.maxParallelism = 64), 'belongs to no service and key group')
})

test('an aborted checkpoint leaves nothing, whenever it is aborted', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(30_000))
    const scan = engine.scan.bind(engine)
    for (let abortAt = 0; abortAt < 20; abortAt++) {
      const aborter = new AbortController()
      let scans = 0
      engine.scan = (range) => {
        if (scans++ === abortAt) aborter.abort('enough')
        return scan(range)
      }
      if (abortAt === 0) aborter.abort('enough')
      const writing = writeCheckpoint(engine, cut, directory, { signal: aborter.signal })
      if (abortAt < 15) {
        const error = await rejects(writing, 'TIDEMARK_CHECKPOINT_ABORTED')
        assert.is(error.cause, 'enough')
        assert.equal(await readdir(directory), [])
      } else await writing.catch(() => {})
    }
  })
})

test('progress rises, and is not told too often', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(60_000))
    const told: { timers: number; bytes: number; total: number }[] = []
    const started = performance.now()
    await writeCheckpoint(engine, cut, directory, { onProgress: (progress) => told.push(progress) })
    assert.ok(told.length >= 1 && told.length <= 2 + (performance.now() - started) / 100, `${told.length}`)
    for (const { total } of told) assert.is(total, 60_000)
    told.reduce((last, next) => {
      assert.ok(next.timers > last.timers && next.bytes >= last.bytes)
      return next
    })
  })
})

test('a read that fails, or a directory that is none, is told as what it is, and leaves nothing', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(100))
    await writeFile(join(directory, 'file'), '')
    await rejects(writeCheckpoint(engine, cut, join(directory, 'file')), 'TIDEMARK_FAILED', 'EEXIST')
    await rejects(writeCheckpoint(engine, cut, join(directory, 'file', 'x')), 'TIDEMARK_FAILED', 'ENOTDIR')
    engine.scan = () => ({ read: () => Promise.reject(new Error('no disk')) })
    const error = await rejects(
      writeCheckpoint(engine, cut, join(directory, 'y')),
      'TIDEMARK_FAILED',
      'no disk',
    )
    assert.is((error.cause as Error).message, 'no disk')
    assert.equal(await readdir(join(directory, 'y')), [])
  })
})

test.run()
