// While a service rests, what is recent goes to the key spaces by itself; not where the disk has no room for it.

import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openClassicEngine } from '../../src/engine/classic.ts'
import { TimerStore } from '../../src/index.ts'
import { checkOptions } from '../../src/options.ts'
import { type Platform, systemPlatform } from '../../src/platform.ts'
import { ManualClock } from '../../src/testing.ts'
import { eventually } from '../support/eventually.ts'
import { openStore, verified, withDirectory } from '../support/store.ts'

/** Timers in the key spaces of a store that is open in this process. */
async function storedIn(directory: string): Promise<number> {
  const engine = await openClassicEngine(await realpath(directory), checkOptions({}).engine, true)
  try {
    return (await engine.scan({ from: 't', to: 'u', limit: 100 }).read()).length
  } finally {
    await engine.close()
  }
}

test('what came last is in the key spaces soon after, though nothing else is called', async () => {
  await withDirectory(async (parent) => {
    const directory = join(parent, 'store')
    const store = await openStore(directory)
    const { eventTime } = await store.service('orders')
    for (let timestamp = 0; timestamp < 10; timestamp++) await eventTime.register({ key: 'a', timestamp })
    const { version } = store.stats()
    assert.is(await storedIn(directory), 0)
    await eventually(async () => (await storedIn(directory)) === 10, 'the spill')
    assert.is(store.stats().version, version, 'it is no commit')
    await verified(store)
    await store.close()
  })
})

test('without room on disk it waits, and nothing fails', async () => {
  let looks = 0
  let room = 0
  const freeBytes = async () => {
    looks++
    return room
  }
  const platform: Platform = {
    ...systemPlatform,
    openEngine: async (...place) => Object.assign(await systemPlatform.openEngine(...place), { freeBytes }),
  }
  await withDirectory(async (parent) => {
    const directory = join(parent, 'store')
    const clock = new ManualClock(0)
    const store = await TimerStore.openOn(platform, directory, { durability: 'os', clock })
    store.on('error', (error) => assert.unreachable(error.message))
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'a', timestamp: 1 })
    await eventually(() => looks >= 2, 'the looks for room')
    assert.is(await storedIn(directory), 0)
    room = Number.POSITIVE_INFINITY
    await eventually(async () => (await storedIn(directory)) === 1, 'the spill')
    await store.close()
  })
})

test.run()
