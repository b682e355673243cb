// Workers that fall silent or talk nonsense, at the boundary: played by scripts of a few lines. What the real one does
// under the same faults is tried in test/torture/races.

import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CheckpointClient } from '../../src/checkpoint/client.ts'
import { type CheckpointCut, checkpointFileName, temporaryFileName } from '../../src/checkpoint/cut.ts'
import { inTime } from '../support/eventually.ts'
import { rejects } from '../support/refusals.ts'
import { withDirectory } from '../support/store.ts'
import { nextWorker, sizes, workersStartedBy } from './clients.ts'
import { sampleOf } from './sample.ts'

const PATIENCE_MS = 50

interface Bench {
  client: CheckpointClient
  cut: CheckpointCut
  directory: string
  /** Where the checkpoint's file is when it is whole. */
  file: string
}

/** A client whose workers run `body` for each message: `message`, `port`, `file`. */
async function withWorkers(body: string, run: (bench: Bench) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const { cut } = await sampleOf([])
    const file = join(directory, checkpointFileName(cut))
    const script = `
      import { parentPort as port } from 'node:worker_threads'
      const file = ${JSON.stringify(file)}
      port.on('message', (message) => { ${body} })`
    const url = new URL(`data:text/javascript,${encodeURIComponent(script)}`)
    const client = new CheckpointClient('nowhere', sizes, url, PATIENCE_MS)
    await mkdir(directory, { recursive: true })
    // Files that a worker would have left.
    for (const left of [file, join(directory, temporaryFileName(cut))]) await writeFile(left, 'a part')
    try {
      await run({ client, cut, directory, file })
    } finally {
      await inTime(client.close(), 'closing the client')
    }
  })
}

/** A message that makes sense, with `written` in it. */
const done = `{ type: 'done', run: message.run, written: { path: file, bytes: 1, timers: 0, sha256: 'a'.repeat(64) } }`

test('one that does not answer an abort is ended, leaves no file, and another takes its place', async () => {
  await withWorkers('', async ({ client, cut, directory, file }) => {
    const aborter = new AbortController()
    const workers = await workersStartedBy(async () => {
      const running = client.run(cut, directory, { signal: aborter.signal })
      setImmediate(() => aborter.abort())
      await rejects(inTime(running), 'TIDEMARK_CHECKPOINT_ABORTED')
      assert.not.ok(existsSync(file))
      const again = client.run(cut, directory, { signal: AbortSignal.timeout(PATIENCE_MS) })
      await rejects(inTime(again), 'TIDEMARK_CHECKPOINT_ABORTED')
    })
    assert.is(workers.length, 2)
  })
})

test('one that does not answer close is ended', async () => {
  await withWorkers(
    `if (message.type === 'run') port.postMessage(${done})`,
    async ({ client, cut, directory }) => {
      const starting = nextWorker()
      await inTime(client.run(cut, directory))
      let exited = false
      const worker = await starting
      worker.once('exit', () => {
        exited = true
      })
      await inTime(client.close(), 'close')
      assert.ok(exited)
    },
  )
})

const nonsense = [
  'undefined',
  'null',
  '42',
  "'done'",
  '[]',
  '{}',
  "{ type: 'nothing', run: message.run }",
  "{ type: 'done' }",
  "{ type: 'done', run: message.run }",
  "{ type: 'done', run: 'x', written: {} }",
  `{ ...${done}, run: 99 }`,
  `{ ...${done}, run: 0 }`,
  `{ ...${done}, written: { path: '/etc/passwd', bytes: 1, timers: 0, sha256: 'a'.repeat(64) } }`,
  `{ ...${done}, written: { path: file, bytes: -1, timers: 0, sha256: 'a'.repeat(64) } }`,
  `{ ...${done}, written: { path: file, bytes: 1, timers: 0.5, sha256: 'a'.repeat(64) } }`,
  `{ ...${done}, written: { path: file, bytes: 1, timers: 0, sha256: 'z' } }`,
  "{ type: 'failed', run: message.run, error: 'failed' }",
  "{ type: 'failed', run: message.run, error: { code: 'EIO', message: '' } }",
  "{ type: 'failed', run: message.run, error: { code: 'TIDEMARK_FAILED' } }",
  "{ type: 'failed', run: message.run, error: { code: 'TIDEMARK_FAILED', message: '', cause: 7 } }",
  "{ type: 'progress', run: message.run, progress: null }",
  "{ type: 'progress', run: message.run, progress: { timers: 1, bytes: NaN, total: 1 } }",
  "{ type: 'assisted', run: message.run }",
]

test('one that talks nonsense is ended: its run fails, and leaves no file', async () => {
  for (const said of nonsense) {
    await withWorkers(`port.postMessage(${said})`, async ({ client, cut, directory, file }) => {
      const running = client.run(cut, directory, { onProgress: () => assert.unreachable(said) })
      await rejects(inTime(running, said), 'TIDEMARK_FAILED', 'makes no sense')
      assert.not.ok(existsSync(file), said)
    })
  }
})

test('what one says twice is heard once', async () => {
  await withWorkers(
    `port.postMessage(${done}); port.postMessage(${done})`,
    async ({ client, cut, directory, file }) => {
      const workers = await workersStartedBy(async () => {
        for (let i = 0; i < 3; i++) assert.is((await inTime(client.run(cut, directory))).path, file)
      })
      assert.is(workers.length, 1)
    },
  )
})

test('what a listener threw is what its run rejects with, also where the worker was done by then', async () => {
  const progress = "{ type: 'progress', run: message.run, progress: { timers: 0, bytes: 1, total: 0 } }"
  const body = `if (message.type === 'run') { port.postMessage(${progress}); port.postMessage(${done}) }`
  await withWorkers(body, async ({ client, cut, directory, file }) => {
    const mine = new Error('mine')
    const onProgress = () => {
      throw mine
    }
    const thrown = await inTime(client.run(cut, directory, { onProgress }).catch((error) => error))
    assert.is(thrown, mine)
    assert.not.ok(existsSync(file))
  })
})

test.run()
