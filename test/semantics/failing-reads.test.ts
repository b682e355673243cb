// A read of the engine that fails in the middle of a call: the call takes effect wholly or not at all.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { systemFiles } from '../../src/files.ts'
import { type TidemarkError, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { MemoryPlatform } from '../support/memoryplatform.ts'
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

test.run()
