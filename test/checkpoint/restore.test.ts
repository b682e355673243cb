// A restored store is the one that the checkpoint was taken of, as it was: or there is no store.

import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { restoreCheckpoint } from '../../src/checkpoint/restore.ts'
import { writeCheckpoint } from '../../src/checkpoint/writer.ts'
import { openClassicEngine } from '../../src/engine/classic.ts'
import type { Entry } from '../../src/engine/engine.ts'
import { TimerStore } from '../../src/index.ts'
import { PROGRESS_INTERVAL_MS } from '../../src/limits.ts'
import { checkOptions } from '../../src/options.ts'
import { keyGroupOf } from '../../src/timer/keygroup.ts'
import { decodeDigits } from '../../src/timer/text.ts'
import { rejects, throwsInvalid } from '../support/refusals.ts'
import { all, inStore, verified, withDirectory, withStore } from '../support/store.ts'
import { manyTimers, readAll, sampleOf } from './sample.ts'

const definition = {
  key: z.string(),
  namespace: z.enum(['', 'x']),
  payload: z.object({ n: z.int() }).optional(),
}

/** A store with some of everything, and a checkpoint of it. */
async function withCheckpoint(
  body: (parts: { store: TimerStore; path: string; directory: string; version: number }) => Promise<void>,
): Promise<void> {
  await withStore({}, async (store, parent) => {
    const directory = join(parent, '..')
    const orders = await store.service('orders', definition)
    await store.service('empty')
    const calls: Promise<unknown>[] = []
    for (let i = 0; i < 500; i++) {
      const timer = {
        key: `k${i % 70}`,
        namespace: i % 3 === 0 ? ('x' as const) : ('' as const),
        timestamp: i - 250,
      }
      calls.push(orders.eventTime.register(timer))
      if (i % 2 === 0)
        calls.push(orders.processingTime.register({ ...timer, timestamp: 1e6 + i, payload: { n: i } }))
      // Several commits, so that create versions differ.
      if (i % 100 === 99) await Promise.all(calls)
    }
    await orders.advanceWatermark(-100)
    await orders.processingTime.deleteAll({ key: 'k3' })
    const { path, version } = await store.checkpoint(join(directory, 'checkpoints'), { metadata: { at: 7 } })
    await body({ store, path, directory, version })
  })
}

/** What a snapshot of a store holds, in order. */
async function contentOf(store: TimerStore): Promise<unknown[]> {
  const snapshot = await store.snapshot()
  const timers = await all(snapshot.timers())
  await snapshot.release()
  return timers
}

async function entriesOf(location: string): Promise<Entry[]> {
  const engine = await openClassicEngine(location, checkOptions({}).engine, true)
  const entries = await engine.scan({ from: 'd', to: 'e', limit: 100_000 }).read()
  entries.push(...(await engine.scan({ from: 't', to: 'u', limit: 100_000 }).read()))
  await engine.close()
  return entries
}

test('a restored store has the same timers, in the same order, with the same versions', async () => {
  await withCheckpoint(async ({ store, path, directory, version }) => {
    const location = join(directory, 'restored')
    const summary = await TimerStore.restore(path, location)
    assert.equal(
      { ...summary, id: '', storeId: '', bytes: 0, checkpoints: summary.checkpoints.length, durationMs: 0 },
      {
        id: '',
        path,
        storeId: '',
        version,
        timers: (await contentOf(store)).length,
        bytes: 0,
        keyGroups: { start: 0, end: 127 },
        metadata: { at: 7 },
        services: ['orders', 'empty'],
        checkpoints: 1,
        durationMs: 0,
      },
    )
    assert.is(summary.bytes, (await stat(path)).size)
    const mine = await contentOf(store)
    const { services } = store.stats()
    await inStore(location, {}, async (restored) => {
      assert.equal(await contentOf(restored), mine)
      assert.equal(restored.stats().services, services)
      assert.is(restored.stats().version, version - 1)
      assert.is(restored.stats().retired, 0)
      const orders = await restored.service('orders', definition)
      assert.is(orders.currentWatermark, -100)
      assert.is(await orders.eventTime.register({ key: 'k41', namespace: '', timestamp: 1 }), false)
      assert.is(await orders.eventTime.register({ key: 'new', namespace: '', timestamp: 5 }), true)
      assert.is(restored.stats().version, version)
      const snapshot = await restored.snapshot()
      const added = (await all(snapshot.timers())).filter(({ createVersion }) => createVersion >= version)
      assert.equal(
        added.map(({ key }) => key),
        ['new'],
      )
      await snapshot.release()
      await rejects(restored.service('orders', { key: z.number() }), 'TIDEMARK_SERVICE_MISMATCH')
      const next = await restored.checkpoint(join(directory, 'checkpoints'))
      assert.is(next.timers, mine.length + 1)
      assert.is(next.version, version + 1)
    })
  })
})

test('every stored byte of a timer is what it was, its due entry too', async () => {
  await withDirectory(async (directory) => {
    const payload = (i: number) => (i % 3 === 0 ? '' : JSON.stringify({ text: 'ü'.repeat(i % 50), i }))
    const timers = manyTimers(5000, payload).map((timer, i) => ({
      ...timer,
      timestamp: i % 40 === 0 ? 77 : timer.timestamp,
    }))
    const far = { service: 1, domain: 'eventTime' as const, key: '😀', namespace: 'n\0' }
    timers.push(...[-(2 ** 53) + 1, 0, 2 ** 53 - 1].map((timestamp) => ({ ...far, timestamp, payload: '' })))
    const { engine, cut, stored } = await sampleOf(timers)
    const { path } = await writeCheckpoint(engine, cut, directory)
    await restoreCheckpoint(path, join(directory, 'restored'))
    const entries = await entriesOf(join(directory, 'restored'))
    assert.equal(
      entries.filter(([key]) => key.startsWith('t')),
      [...stored],
    )
    assert.is(entries.length, stored.size * 2)
    // verify() holds every due entry against its timer.
    await inStore(join(directory, 'restored'), {}, verified)
  })
})

test('a range of key groups, and its stores together are the whole', async () => {
  await withCheckpoint(async ({ store, path, directory, version }) => {
    const mine = (await contentOf(store)) as { key: string }[]
    let timers = 0
    for (const [start, end] of [
      [0, 41],
      [42, 42],
      [43, 127],
    ] as const) {
      const location = join(directory, `part-${start}`)
      const summary = await TimerStore.restore(path, location, { keyGroups: { start, end } })
      assert.equal(summary.keyGroups, { start, end })
      assert.is(summary.version, version)
      timers += summary.timers
      const expected = mine.filter(({ key }) => {
        const group = keyGroupOf(key, 128)
        return group >= start && group <= end
      })
      await inStore(location, {}, async (part) => {
        assert.equal(await contentOf(part), expected)
        const orders = await part.service('orders', definition)
        assert.is(orders.eventTime.count + orders.processingTime.count, expected.length)
        assert.is(orders.currentWatermark, -100)
      })
    }
    assert.is(timers, mine.length)
  })
})

test('a key group reads its part of the file, whatever is wrong with the rest', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut, stored } = await sampleOf(manyTimers(60_000), { maxParallelism: 32 })
    const { path } = await writeCheckpoint(engine, cut, directory)
    const bytes = await readFile(path)
    bytes.fill(0, bytes.length >> 1, (bytes.length >> 1) + 1000)
    await writeFile(path, bytes)
    const { timers } = await restoreCheckpoint(path, join(directory, 'first'), {
      keyGroups: { start: 0, end: 0 },
    })
    assert.is(timers, [...stored.keys()].filter((identity) => decodeDigits(identity, 4, 3) === 0).length)
    await rejects(restoreCheckpoint(path, join(directory, 'all')), 'TIDEMARK_CHECKPOINT_CORRUPT')
    assert.not((await readdir(directory)).includes('all'))
  })
})

test('a checkpoint of a part has that part, and no other', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(10), { maxParallelism: 4 })
    const part = manyTimers(200).filter(({ key }) => keyGroupOf(key, 4) === 2)
    const sample = await sampleOf(part, { maxParallelism: 4 })
    void engine
    void cut
    sample.cut.keyGroups = { start: 2, end: 3 }
    const { path } = await writeCheckpoint(sample.engine, sample.cut, directory)
    const { keyGroups, timers } = await restoreCheckpoint(path, join(directory, 'all'))
    assert.equal(keyGroups, { start: 2, end: 3 })
    assert.is(timers, part.length)
    for (const [start, end] of [
      [0, 3],
      [1, 2],
      [0, 1],
      [3, 2],
    ] as const) {
      const asked = restoreCheckpoint(path, join(directory, 'x'), { keyGroups: { start, end } })
      await rejects(asked, 'TIDEMARK_KEY_GROUP_OUT_OF_RANGE', '2 to 3')
    }
    const third = await restoreCheckpoint(path, join(directory, 'third'), { keyGroups: { start: 3, end: 3 } })
    assert.is(third.timers, 0)
  })
})

test('a checkpoint from before the first commit makes an empty store', async () => {
  await withStore({}, async (store, parent) => {
    const { path, version } = await store.checkpoint(join(parent, '..', 'checkpoints'))
    assert.is(version, 1)
    const location = join(parent, '..', 'deeper', 'restored')
    await TimerStore.restore(path, location)
    await inStore(location, {}, async (restored) => {
      assert.is(restored.stats().version, 0)
      const orders = await restored.service('orders')
      assert.is(await orders.eventTime.register({ key: 'a', timestamp: 1 }), true)
    })
  })
})

test('what is there already is left as it is', async () => {
  await withCheckpoint(async ({ path, directory }) => {
    const target = join(directory, 'target')
    await mkdir(target)
    await rejects(TimerStore.restore(path, target), 'TIDEMARK_RESTORE_TARGET_EXISTS', target)
    assert.equal(await readdir(target), [])
    await writeFile(join(directory, 'file'), 'mine')
    await rejects(TimerStore.restore(path, join(directory, 'file')), 'TIDEMARK_RESTORE_TARGET_EXISTS')
    assert.is(await readFile(join(directory, 'file'), 'utf8'), 'mine')
  })
})

test('what fails leaves nothing at all', async () => {
  await withCheckpoint(async ({ path, directory }) => {
    const before = await readdir(directory)
    const target = join(directory, 'target')
    const absent = join(directory, 'absent')
    await rejects(TimerStore.restore(absent, target), 'TIDEMARK_CHECKPOINT_NOT_FOUND', absent)
    const range = (start: number, end: number) => ({ keyGroups: { start, end } })
    for (const [start, end] of [
      [-1, 5],
      [0, 128],
      [5, 4],
    ] as const) {
      await rejects(TimerStore.restore(path, target, range(start, end)), 'TIDEMARK_KEY_GROUP_OUT_OF_RANGE')
    }
    await rejects(TimerStore.restore(path, target, range(0.5, 4)), 'TIDEMARK_INVALID_ARGUMENT')
    await rejects(TimerStore.restore(path, target, { keygroups: 1 } as never), 'TIDEMARK_INVALID_ARGUMENT')
    await rejects(TimerStore.restore('', target), 'TIDEMARK_INVALID_ARGUMENT', 'checkpointPath')
    await rejects(TimerStore.restore(path, 'a\0b'), 'TIDEMARK_INVALID_ARGUMENT', 'location')
    const aborter = new AbortController()
    aborter.abort('enough')
    const aborted = TimerStore.restore(path, target, { signal: aborter.signal })
    await rejects(aborted, 'TIDEMARK_CHECKPOINT_ABORTED', 'restore')
    const bytes = await readFile(path)
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(path, bytes)
    await rejects(TimerStore.restore(path, target), 'TIDEMARK_CHECKPOINT_CORRUPT', path)
    assert.equal(await readdir(directory), before)
    throwsInvalid(() => checkOptions({ engine: { cacheBytes: 1 } }))
  })
})

test('an abort in the middle leaves nothing, and progress rises', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(100_000))
    const { path } = await writeCheckpoint(engine, cut, join(directory, 'checkpoints'))
    const before = await readdir(directory)
    const aborter = new AbortController()
    const told: { timers: number; total: number }[] = []
    const restoring = restoreCheckpoint(path, join(directory, 'target'), {
      signal: aborter.signal,
      onProgress: (progress) => {
        told.push(progress)
        if (told.length === 2) aborter.abort()
        // A listener that takes as long as the interval hears of the next step: also where all is restored in less.
        for (const endMs = performance.now() + PROGRESS_INTERVAL_MS; performance.now() < endMs; );
      },
    })
    await rejects(restoring, 'TIDEMARK_CHECKPOINT_ABORTED')
    assert.equal(await readdir(directory), before)
    assert.is(told.length, 2)
    assert.ok(told[0]!.timers < told[1]!.timers && told[1]!.timers < 100_000 && told[1]!.total === 100_000)
    const thrown = new Error('mine')
    const onProgress = () => {
      throw thrown
    }
    const error = await restoreCheckpoint(path, join(directory, 'target'), { onProgress }).catch((e) => e)
    assert.is(error.cause, thrown)
    assert.equal(await readdir(directory), before)
  })
})

test('what a dead restore left beside the place is in nobody’s way', async () => {
  await withCheckpoint(async ({ path, directory }) => {
    const target = join(directory, 'target')
    await mkdir(`${target}.restoring-1-00000000`)
    await TimerStore.restore(path, target)
    await inStore(target, {}, verified)
    assert.is((await readAll(path)).length > 0, true)
  })
})

test.run()
