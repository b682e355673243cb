// A read of the engine that fails in the middle of a call: the call takes effect wholly or not at all.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { systemFiles } from '../../src/files.ts'
import { type TidemarkError, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { MemoryPlatform } from '../support/memoryplatform.ts'
import { all, spilled } from '../support/store.ts'
import { temporaryDirectory } from '../support/tmp.ts'

async function openStore(platform: MemoryPlatform, location: string) {
  const store = await TimerStore.openOn(platform, location, { clock: new ManualClock(0) })
  store.on('error', () => {})
  const { processingTime } = await store.service('service')
  return { store, processingTime }
}

test('a replace whose n-th read fails ends the store with what was there, or with all that was asked for', async () => {
  const directory = temporaryDirectory('failing-reads')
  const outcomes: string[] = []
  for (let n = 1; outcomes.at(-1) !== 'done'; n++) {
    const platform = new MemoryPlatform(systemFiles)
    const location = join(directory, `${n}`)
    const { store, processingTime } = await openStore(platform, location)
    for (const timestamp of [1, 2]) await processingTime.register({ key: 'a', timestamp })
    // What is recent is not read.
    await spilled(store)
    platform.engine(location).failRead = n
    const outcome = await processingTime.replace({ key: 'a', timestamp: 3 }).then(
      () => 'done',
      (error: TidemarkError) => error.code,
    )
    outcomes.push(outcome)
    platform.engine(location).failRead = 0
    await store.close()
    const again = await openStore(platform, location)
    const left: number[] = []
    for await (const { timestamp } of again.processingTime.list()) left.push(timestamp)
    assert.equal(left, outcome === 'done' ? [3] : [1, 2])
    await again.store.close()
  }
  assert.ok(outcomes.length > 1, 'a replace reads')
  assert.equal(new Set(outcomes.slice(0, -1)), new Set(['TIDEMARK_FAILED']))
})

const readers: Record<string, (opened: Awaited<ReturnType<typeof openStore>>) => Promise<unknown>> = {
  next: ({ processingTime }) => processingTime.next(),
  list: ({ processingTime }) => all(processingTime.list()),
  'list of a key': ({ processingTime }) => all(processingTime.list({ key: 'a' })),
  verify: ({ store }) => store.verify(),
  'timers of a snapshot': async ({ store }) => {
    const snapshot = await store.snapshot()
    await all(snapshot.timers()).finally(() => snapshot.release())
  },
}

for (const [name, read] of Object.entries(readers)) {
  test(`what fails to read rejects with TIDEMARK_FAILED, and can be asked again: ${name}`, async () => {
    const platform = new MemoryPlatform(systemFiles)
    const location = join(temporaryDirectory('failing-reads'), 'store')
    const opened = await openStore(platform, location)
    await opened.processingTime.register({ key: 'a', timestamp: 1 })
    const engine = platform.engine(location)
    let failed = 0
    for (; engine.failRead === 0; failed++) {
      engine.failRead = failed + 1
      await read(opened).catch((error) => assert.is(error.code, 'TIDEMARK_FAILED'))
    }
    assert.ok(failed > 1, 'it reads')
    engine.failRead = 0
    await read(opened)
    await opened.store.close()
  })
}

test('a context whose reads fail tells its handler TIDEMARK_FAILED, and the timer fires again', async () => {
  const platform = new MemoryPlatform(systemFiles)
  const location = join(temporaryDirectory('failing-reads'), 'store')
  const clock = new ManualClock(0)
  const store = await TimerStore.openOn(platform, location, { clock })
  store.on('error', () => {})
  const codes: string[] = []
  const { processingTime } = await store.service('service', {
    onProcessingTime: async (_, context) => {
      const { has, deleteAll } = context.processingTime
      const calls = [
        () => has.call(context.processingTime, { key: 'b', timestamp: 1 }),
        () => deleteAll.call(context.processingTime, { key: 'b' }),
      ]
      platform.engine(location).failRead = codes.length < calls.length ? 1 : 0
      await calls[codes.length]?.().catch((error: TidemarkError) => {
        codes.push(error.code)
        throw error
      })
    },
  })
  await processingTime.register({ key: 'a', timestamp: 1 })
  await spilled(store)
  for (let i = 0; i < 5; i++) await clock.advanceBy(1000)
  assert.equal(codes, ['TIDEMARK_FAILED', 'TIDEMARK_FAILED'])
  assert.is(processingTime.count, 0)
  await store.close()
})

test.run()
