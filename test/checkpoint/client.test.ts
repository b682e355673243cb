// Checkpoints by the workers: several at once, aborted, killed in the middle; and the order in which things close.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CheckpointClient } from '../../src/checkpoint/client.ts'
import { rejects } from '../support/refusals.ts'
import { withDirectory } from '../support/store.ts'
import { nextWorker, sizes, withClient, workersStartedBy } from './clients.ts'
import { manyTimers, readAll, sampleOf } from './sample.ts'

test('one after the other by one worker, and several at once by four', async () => {
  await withClient(manyTimers(30_000), async ({ client, cut, stored, checkpoints, files }) => {
    const first = await workersStartedBy(async () => {
      for (let i = 0; i < 2; i++) {
        const { path, timers, bytes } = await client.run(cut(), checkpoints)
        assert.is(timers, 30_000)
        assert.ok(bytes > 100_000)
        assert.equal(await readAll(path), [...stored])
      }
    })
    assert.is(first.length, 1)
    const others = await workersStartedBy(async () => {
      const together = await Promise.all(Array.from({ length: 6 }, () => client.run(cut(), checkpoints)))
      assert.is(new Set(together.map((written) => written.path)).size, 6)
      for (const written of together) assert.equal(await readAll(written.path), [...stored])
      await client.run(cut(), checkpoints)
    })
    assert.is(others.length, 3)
    assert.is((await files()).length, 9)
  })
})

test('commits go on while a checkpoint is written', async () => {
  await withClient(manyTimers(30_000), async ({ client, engine, cut, checkpoints, stored }) => {
    const writing = client.run(cut(), checkpoints)
    let done = false
    void writing.finally(() => {
      done = true
    })
    const later = await sampleOf(manyTimers(60_000).slice(30_000), { commitTimers: 1 })
    const others = [...later.stored].filter(([, value]) => value > '3')
    for (let i = 0; !done && i < others.length; i += 10) {
      const batch = engine.batch()
      // Their versions are above the cut's.
      for (const [key, value] of others.slice(i, i + 10)) batch.put(key, value)
      await engine.write(batch, false)
    }
    assert.equal(await readAll((await writing).path), [...stored])
  })
})

test('an abort rejects, removes what was written, and leaves the other runs alone', async () => {
  await withClient(manyTimers(60_000), async ({ client, cut, stored, checkpoints, files }) => {
    for (const when of ['before', 'at once', 'at the first progress', 'later']) {
      const aborter = new AbortController()
      if (when === 'before') aborter.abort()
      const onProgress = () => {
        if (when === 'at the first progress') aborter.abort()
      }
      const aborted = client.run(cut(), checkpoints, { signal: aborter.signal, onProgress })
      const other = client.run(cut(), checkpoints)
      if (when === 'at once') aborter.abort()
      if (when === 'later') setImmediate(() => aborter.abort())
      await rejects(aborted, 'TIDEMARK_CHECKPOINT_ABORTED')
      const { path } = await other
      assert.equal(
        (await files()).filter((name) => !path.endsWith(name) && name.endsWith('.tmp')),
        [],
      )
      assert.equal(await readAll(path), [...stored])
    }
    assert.is((await files()).length, 4)
  })
})

test('what a listener of progress throws is what its run rejects with', async () => {
  await withClient(manyTimers(60_000), async ({ client, cut, checkpoints, files }) => {
    const mine = new Error('mine')
    const onProgress = () => {
      throw mine
    }
    const error = await client.run(cut(), checkpoints, { onProgress }).catch((thrown) => thrown)
    assert.is(error, mine)
    assert.equal(await files(), [])
  })
})

test('a worker that dies fails its runs, leaves nothing, and the next run has another', async () => {
  await withClient(manyTimers(60_000), async ({ client, cut, stored, checkpoints, files }) => {
    const starting = nextWorker()
    const dying = client.run(cut(), checkpoints, { onProgress: () => worker.terminate() })
    const worker = await starting
    const other = client.run(cut(), checkpoints)
    await rejects(dying, 'TIDEMARK_FAILED', 'worker', 'exit code 1')
    const { path: first } = await other
    assert.equal(await readAll(first), [...stored])
    assert.is((await files()).length, 1)
    const { path } = await client.run(cut(), checkpoints)
    assert.equal(await readAll(path), [...stored])
  })
})

test('a worker that died while it was idle is replaced', async () => {
  await withClient(manyTimers(100), async ({ client, cut, stored, checkpoints }) => {
    const starting = nextWorker()
    await client.run(cut(), checkpoints)
    await (await starting).terminate()
    const replaced = nextWorker()
    const { path } = await client.run(cut(), checkpoints)
    assert.equal(await readAll(path), [...stored])
    await replaced
  })
})

test('a worker that cannot open the store says so', async () => {
  await withDirectory(async (directory) => {
    const { cut } = await sampleOf([])
    const client = new CheckpointClient(join(directory, 'nothing'), sizes)
    const error = await rejects(client.run(cut, directory), 'TIDEMARK_FAILED')
    assert.ok(error.cause instanceof Error)
    await client.close()
  })
})

test('errors keep code, message and cause across the threads', async () => {
  await withClient(manyTimers(100), async ({ client, cut, checkpoints, files }) => {
    const wrong = cut()
    wrong.services[0]!.processingTime = { count: 99, setHash: 1 }
    await rejects(client.run(wrong, checkpoints), 'TIDEMARK_CORRUPT', 'orders', '99', '100', 'set hash 1')
    assert.equal(await files(), [])
    const error = await rejects(client.run(cut(), join(checkpoints, 'x\0y')), 'TIDEMARK_FAILED')
    assert.is((error.cause as NodeJS.ErrnoException).code, 'ERR_INVALID_ARG_VALUE')
  })
})

test('closing aborts what runs, waits for the thread, and is the end', async () => {
  await withClient(manyTimers(60_000), async ({ client, cut, checkpoints, files }) => {
    const starting = nextWorker()
    const run = client.run(cut(), checkpoints)
    const refused = rejects(run, 'TIDEMARK_CHECKPOINT_ABORTED')
    const worker = await starting
    let exited = false
    worker.once('exit', () => {
      exited = true
    })
    await client.close()
    assert.ok(exited)
    await refused
    await client.close()
    assert.equal(await files(), [])
    await rejects(client.run(cut(), checkpoints), 'TIDEMARK_CLOSED')
  })
})

test('a client that was never used has nothing to close', async () => {
  await new CheckpointClient('nowhere', sizes).close()
})

test('an idle worker does not keep the process alive', () => {
  const module = (path: string) => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)))
  const script = `
    import { mkdtempSync } from 'node:fs'
    const { CheckpointClient } = await import(${module('../../src/checkpoint/client.ts')})
    const { openClassicEngine } = await import(${module('../../src/engine/classic.ts')})
    const { checkOptions } = await import(${module('../../src/options.ts')})
    const directory = mkdtempSync(process.argv[1] + '/idle-')
    const sizes = checkOptions({}).engine
    await openClassicEngine(directory + '/store', sizes, false)
    const client = new CheckpointClient(directory + '/store', sizes)
    const cut = { kind: 'full', pauseMs: 0, chain: 0, storeId: 's', checkpointId: '01234567', version: 1, createdMs: 0, maxParallelism: 1, services: [] }
    const { timers } = await client.run(cut, directory)
    console.log('timers', timers)
  `
  return withDirectory(async (directory) => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script, directory],
      { encoding: 'utf8', timeout: 60_000, cwd: fileURLToPath(new URL('../../', import.meta.url)) },
    )
    assert.is(stdout, 'timers 0\n', stderr)
    assert.is(status, 0)
  })
})

test.run()
