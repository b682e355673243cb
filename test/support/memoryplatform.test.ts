// Stores whose engines are in memory: opened, checkpointed, crashed, restored.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { restoreCheckpoint } from '../../src/checkpoint/restore.ts'
import { systemFiles } from '../../src/files.ts'
import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { MemoryPlatform } from './memoryplatform.ts'
import { seed } from './random.ts'
import { randomFrom } from './random-generator.ts'
import { rejects } from './refusals.ts'
import { temporaryDirectory } from './tmp.ts'

async function registered(platform: MemoryPlatform, location: string): Promise<number> {
  const store = await TimerStore.openOn(platform, location, { clock: new ManualClock(0) })
  try {
    assert.equal(await store.verify(), [])
    return (await store.service('s')).processingTime.count
  } finally {
    await store.close()
  }
}

test('a store lives on a disk in memory: closed, restored, crashed, opened again', async () => {
  const directory = temporaryDirectory('memory')
  mkdirSync(directory, { recursive: true })
  const location = join(directory, 'store')
  const platform = new MemoryPlatform(systemFiles)
  const store = await TimerStore.openOn(platform, location, { clock: new ManualClock(0) })
  const { processingTime } = await store.service('s')
  for (let i = 0; i < 10; i++) await processingTime.register({ key: `${i}`, timestamp: 1000 })
  const full = await store.checkpoint(join(directory, 'checkpoints'))
  await processingTime.delete({ key: '0', timestamp: 1000 })
  const incremental = await store.checkpoint(join(directory, 'checkpoints'), { incremental: true })
  assert.equal([full.kind, incremental.kind], ['full', 'incremental'])
  await rejects(() => TimerStore.openOn(platform, location), 'TIDEMARK_LOCKED')

  const left = platform.crashDisks(randomFrom(seed), { power: true })
  platform.die()
  await rejects(() => processingTime.register({ key: 'a', timestamp: 1 }), 'TIDEMARK_FAILED')
  await store.close()
  const rebooted = new MemoryPlatform(systemFiles, undefined, left)
  assert.is(await registered(rebooted, location), 9)
  await restoreCheckpoint(full.path, join(directory, 'full'), {}, rebooted)
  await restoreCheckpoint(incremental.path, join(directory, 'incremental'), {}, rebooted)
  assert.is(await registered(rebooted, join(directory, 'full')), 10)
  assert.is(await registered(rebooted, join(directory, 'incremental')), 9)
})

test.run()
