// timeout: 600s
// One checkpoint by several threads: equal bytes, and whoever fails, dies or is told to stop, nothing is left.

import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CheckpointCut, WrittenCheckpoint } from '../../src/checkpoint/cut.ts'
import { FOOTER_BYTES } from '../../src/checkpoint/format.ts'
import { planTasks } from '../../src/checkpoint/sections.ts'
import type { TidemarkError } from '../../src/errors.ts'
import { inTime } from '../support/eventually.ts'
import { rejects } from '../support/refusals.ts'
import { withStore } from '../support/store.ts'
import { type ClientBench, withClient, workersStartedBy } from './clients.ts'
import { manyTimers, readAll, type SampleTimer } from './sample.ts'

/** Timers of one queue after the other, so many of each. */
function timersOf(...counts: number[]): SampleTimer[] {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const ends = counts.map((_, i) => counts.slice(0, i + 1).reduce((sum, count) => sum + count, 0))
  return manyTimers(total).map((timer, i) => {
    const queue = ends.findIndex((end) => i < end)
    return { ...timer, service: queue >> 1, domain: queue % 2 === 0 ? 'eventTime' : 'processingTime' }
  })
}

const fourTasks = timersOf(50_000, 50_000, 50_000, 50_000)

/** All but the footer, which tells how long it took. */
async function contentOf(path: string): Promise<Buffer> {
  const bytes = await readFile(path)
  return bytes.subarray(0, bytes.length - FOOTER_BYTES)
}

test('equal bytes by one to four threads, in one, in some and in very many key groups', async () => {
  for (const [maxParallelism, tasks] of [
    [1, 3],
    [128, 4],
    [32768, 4],
  ] as const) {
    const body = async ({ client, cut, checkpoints, stored }: ClientBench) => {
      const same = cut()
      assert.is(planTasks(same).length, tasks)
      const contents: Buffer[] = []
      for (const parallelism of [1, 2, 3, 4]) {
        const { path, timers } = await client.run(same, join(checkpoints, `${parallelism}`), { parallelism })
        assert.is(timers, stored.size)
        contents.push(await contentOf(path))
        assert.ok(contents.at(-1)!.equals(contents[0]!), `${parallelism} of ${maxParallelism}`)
        if (parallelism === 4) assert.equal(await readAll(path), [...stored])
      }
    }
    const services = ['a', 'empty', 'b', 'c']
    const timers = timersOf(132_000, 200, 0, 0, 300, 60_000, 0, 60_000)
    await withClient(timers, body, { maxParallelism, services })
  }
})

test('as many threads as have something to do, and no more the next time', async () => {
  await withClient(fourTasks, async ({ client, cut, checkpoints }) => {
    const started = async (parallelism: number) =>
      (await workersStartedBy(() => client.run(cut(), checkpoints, { parallelism }))).length
    assert.is(await started(2), 2)
    assert.is(await started(2), 0)
    assert.is(await started(1), 0)
    assert.is(await started(4), 2)
    assert.is(await started(3), 0)
  })
  await withClient(manyTimers(60_000), async ({ client, cut, checkpoints }) => {
    const workers = await workersStartedBy(() => client.run(cut(), checkpoints, { parallelism: 4 }))
    assert.is(workers.length, 1)
  })
})

test('several checkpoints at once, each by several threads', async () => {
  await withClient(fourTasks, async ({ client, cut, checkpoints, stored, files }) => {
    const expected = await contentOf((await client.run(cut(), checkpoints)).path)
    const runs = [4, 2, 3, 1, 4, 2].map((parallelism) => client.run(cut(), checkpoints, { parallelism }))
    for (const { path, timers } of await Promise.all(runs)) {
      assert.is(timers, stored.size)
      assert.is((await contentOf(path)).length, expected.length)
      assert.equal(await readAll(path), [...stored])
    }
    assert.is((await files()).length, 7)
  })
})

test('an abort ends all of its threads, whenever it comes in time, and they do for the next', async () => {
  await withClient(fourTasks, async ({ client, cut, checkpoints, stored, files }) => {
    const workers = await workersStartedBy(async () => {
      for (const when of ['at once', 'soon', 'at the first progress']) {
        /** Whether the abort came in time: nobody waits for it. */
        const isAborted = async () => {
          const aborter = new AbortController()
          const onProgress = () => when === 'at the first progress' && aborter.abort()
          const run = client.run(cut(), checkpoints, { signal: aborter.signal, onProgress, parallelism: 3 })
          if (when === 'at once') aborter.abort()
          if (when === 'soon') setImmediate(() => aborter.abort())
          const written = await inTime(run).catch((error: TidemarkError) => error.code)
          if (written === 'TIDEMARK_CHECKPOINT_ABORTED') return true
          const { path, timers } = written as WrittenCheckpoint
          assert.is(timers, stored.size, when)
          await rm(path)
          return false
        }
        let attempts = 1
        while (!(await isAborted())) assert.ok(attempts++ < 10, `${when}: never in time`)
        assert.equal(await files(), [], when)
      }
      const { path } = await client.run(cut(), checkpoints, { parallelism: 3 })
      assert.equal(await readAll(path), [...stored])
    })
    assert.is(workers.length, 3)
  })
})

test('what a listener throws ends all of its threads', async () => {
  await withClient(fourTasks, async ({ client, cut, checkpoints, files }) => {
    const mine = new Error('mine')
    const onProgress = () => {
      throw mine
    }
    const run = client.run(cut(), checkpoints, { onProgress, parallelism: 3 })
    assert.is(await run.catch((thrown) => thrown), mine)
    assert.equal(await files(), [])
  })
})

test('whichever of its threads dies, the checkpoint fails, leaves nothing, and the next one is written', async () => {
  await withClient(fourTasks, async ({ client, cut, checkpoints, stored, files }) => {
    // Those that live, in the order in which they are given something to do: the first one writes.
    const workers: Worker[] = []
    const note = (worker: Worker) => workers.push(worker)
    process.on('worker', note)
    for (const dying of [0, 1, 2]) {
      let isOver = false
      const onProgress = () => {
        if (!isOver) void workers.splice(dying, 1)[0]!.terminate()
        isOver = true
      }
      const run = client.run(cut(), join(checkpoints, `${dying}`), { onProgress, parallelism: 3 })
      // 1, or 0: Node tells 0 of a thread that was terminated in the first milliseconds of its start.
      await rejects(inTime(run), 'TIDEMARK_FAILED', 'the worker ended with exit code')
      assert.equal(await readdir(join(checkpoints, `${dying}`)), [])
    }
    const { path } = await inTime(client.run(cut(), checkpoints, { parallelism: 3 }))
    assert.equal(await readAll(path), [...stored])
    process.off('worker', note)
    assert.is(workers.length, 3)
    assert.is((await files()).length, 4)
  })
})

test('a thread that dies before it has begun fails what it was to assist', async () => {
  await withClient(fourTasks, async ({ client, cut, checkpoints, files }) => {
    const run = workersStartedBy(async () => {
      const killed = new Promise<void>((resolve) => {
        let started = 0
        process.on('worker', function killSecond(worker: Worker) {
          if (++started < 2) return
          process.off('worker', killSecond)
          void worker.terminate().then(() => resolve())
        })
      })
      const running = client.run(cut(), checkpoints, { parallelism: 2 })
      await Promise.all([rejects(inTime(running), 'TIDEMARK_FAILED', 'worker'), killed])
    })
    assert.is((await run).length, 2)
    assert.equal(await files(), [])
  })
})

test('damage is told by the name of the timer, whoever finds it', async () => {
  await withClient(fourTasks, async ({ client, engine, cut, checkpoints, stored, files }) => {
    for (const place of [0.1, 0.4, 0.6, 0.9]) {
      const [identity, value] = [...stored][Math.floor(stored.size * place)]!
      const write = async (text: string) => {
        const batch = engine.batch()
        batch.put(identity, text)
        await engine.write(batch, false)
      }
      await write(`${value.slice(0, -1)}${value.endsWith('-') ? 'a' : '-'}`)
      const run = client.run(cut(), checkpoints, { parallelism: 3 })
      await rejects(inTime(run), 'TIDEMARK_CORRUPT', JSON.stringify(identity))
      await write(value)
    }
    const miscounted: CheckpointCut = structuredClone(cut())
    miscounted.services[1]!.eventTime.count++
    const run = client.run(miscounted, checkpoints, { parallelism: 3 })
    await rejects(inTime(run), 'TIDEMARK_CORRUPT', 'other', '50001', '50000')
    const unknown = { ...cut(), services: cut().services.slice(0, 1) }
    const missing = client.run(unknown, checkpoints, { parallelism: 2 })
    await rejects(inTime(missing), 'TIDEMARK_CORRUPT', 'belongs to no service')
    assert.equal(await files(), [])
  })
})

test('closing aborts what several threads write, and waits for all of them', async () => {
  await withClient(fourTasks, async ({ client, cut, checkpoints, files }) => {
    let exited = 0
    let refused: Promise<unknown> | undefined
    const workers = await workersStartedBy(async () => {
      const runs = [4, 2].map((parallelism) => client.run(cut(), checkpoints, { parallelism }))
      refused = Promise.all(runs.map((run) => rejects(run, 'TIDEMARK_CHECKPOINT_ABORTED')))
    })
    assert.is(workers.length, 4)
    for (const worker of workers) worker.once('exit', () => exited++)
    await inTime(client.close())
    assert.is(exited, 4)
    await refused
    assert.equal(await files(), [])
  })
})

test('parallelism is a whole number from 1 to 4', async () => {
  await withStore({}, async (store, directory) => {
    for (const parallelism of [0, 5, 1.5, Number.NaN, '2', null]) {
      const call = store.checkpoint(`${directory}-checkpoints`, { parallelism: parallelism as number })
      await rejects(call, 'TIDEMARK_INVALID_ARGUMENT', 'parallelism', '1 to 4')
    }
    for (const parallelism of [1, 4]) await store.checkpoint(`${directory}-checkpoints`, { parallelism })
  })
})

test.run()
