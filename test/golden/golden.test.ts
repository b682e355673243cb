// Every store and checkpoint that a released version of Tidemark wrote is opened and restored by this one.

import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FORMAT_VERSION } from '../../src/engine/directory.ts'
import { listCheckpoints, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { contentOf, GOLDEN_METADATA, GOLDEN_WATERMARK, startGoldenServices } from './content.ts'

const golden = fileURLToPath(new URL('../../data/golden', import.meta.url))
const formats = fs.readdirSync(golden).sort()
const clock = new ManualClock(1_000_000_000_000)

function contentIn(directory: string): unknown {
  return JSON.parse(fs.readFileSync(path.join(directory, 'content.json'), 'utf8'))
}

/** Opens a store, compares all that it holds, starts its services and fires what is due. */
async function checkStore(location: string, expected: unknown): Promise<void> {
  const store = await TimerStore.open(location, { clock })
  assert.equal(await contentOf(store), expected)
  assert.equal(await store.verify(), [])
  const { plain, dated } = await startGoldenServices(store)
  assert.is(plain.currentWatermark, GOLDEN_WATERMARK)
  const first = await dated.eventTime.next()
  assert.equal(first?.key, new Date(0))
  assert.is(await plain.eventTime.register({ key: 'new', timestamp: 1 }), true)
  assert.equal(await store.verify(), [])
  await store.close()
}

test('there are golden files of every format version', () => {
  assert.equal(
    formats,
    Array.from({ length: FORMAT_VERSION }, (_, i) => `format-${i + 1}`),
  )
})

for (const format of formats) {
  const directory = path.join(golden, format)

  test(`${format}: the store opens, holds what it held, and goes on`, async () => {
    const location = path.join(temporaryDirectory('golden'), 'store')
    fs.cpSync(path.join(directory, 'store'), location, { recursive: true })
    await checkStore(location, contentIn(directory))
  })

  for (const kind of ['incremental', 'savepoint'] as const) {
    test(`${format}: the ${kind} checkpoint restores to what it held, and goes on`, async () => {
      const location = path.join(temporaryDirectory('golden'), 'restored')
      const { checkpoints, unreadable } = await listCheckpoints(path.join(directory, 'checkpoints'))
      assert.equal(unreadable, [])
      const checkpoint = checkpoints.find((one) => one.kind === kind)!
      const restored = await TimerStore.restore(checkpoint.path, location)
      assert.equal(restored.metadata, GOLDEN_METADATA)
      await checkStore(location, contentIn(directory))
    })
  }

  test(`${format}: the chain restores to every version that it covers`, async () => {
    const parent = temporaryDirectory('golden')
    const checkpoints = path.join(directory, 'checkpoints')
    const { version } = await TimerStore.restore(checkpoints, path.join(parent, 'newest'))
    for (let before = 1; before <= version; before++) {
      const location = path.join(parent, `before-${before}`)
      const restored = await TimerStore.restore(checkpoints, location, { version: before })
      assert.is(restored.version, before)
      const store = await TimerStore.open(location, { clock })
      assert.equal(await store.verify(), [])
      await store.close()
    }
  })
}

test.run()
