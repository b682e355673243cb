// A timer that is there, and that LevelDB does not find by its key (one flipped bit in a Bloom filter is enough), is told:
// it is not left out of a list, not taken for an orphan, and not passed over when it is due.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Engine } from '../../src/engine/engine.ts'
import { systemEngine } from '../../src/engine/open.ts'
import { systemFiles } from '../../src/files.ts'
import type { TimerStore as Store, TidemarkError } from '../../src/index.ts'
import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { rejects } from '../support/refusals.ts'
import { all, withDirectory } from '../support/store.ts'
import { WritersHere } from '../support/writers.ts'

/** Opens a store in which keys with a text in them are found by walking, and not by asking for them. */
async function withHidden(hidden: string, body: (store: Store) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const location = join(directory, 'store')
    const whole = await TimerStore.open(location, { durability: 'os' })
    const { eventTime } = await whole.service('orders')
    await eventTime.registerMany(['a', 'b', 'c'].map((key, i) => ({ key, timestamp: i })))
    await whole.close()
    let engine: Engine | undefined
    const openEngine = async (...args: Parameters<typeof systemEngine.openEngine>) => {
      const opened = await systemEngine.openEngine(...args)
      const { get, getMany } = opened
      opened.get = (key) => (key.includes(hidden) ? undefined : get.call(opened, key))
      opened.getMany = async (keys) => {
        const values = await getMany.call(opened, keys)
        return values.map((value, i) => (keys[i]!.includes(hidden) ? undefined : value))
      }
      engine = opened
      return opened
    }
    const checkpointWriters = () => new WritersHere(() => engine!, systemFiles)
    const clock = new ManualClock()
    const store = await TimerStore.openOn({ ...systemEngine, openEngine, checkpointWriters }, location, {
      clock,
    })
    try {
      await body(store)
    } finally {
      await store.close()
    }
  })
}

test('it is not left out of a list', () =>
  withHidden('b\0', async (store) => {
    const { eventTime } = await store.service('orders')
    await rejects(all(eventTime.list()), 'TIDEMARK_CORRUPT', 'does not find it by its key')
  }))

test('it is not taken for an orphan when it is due: nothing is removed, and the store fails', () =>
  withHidden('b\0', async (store) => {
    const fired: string[] = []
    const told: TidemarkError[] = []
    store.on('error', (error) => told.push(error))
    const orders = await store.service('orders', { onEventTime: ({ key }) => void fired.push(key) })
    await rejects(orders.advanceWatermark(10), 'TIDEMARK_CORRUPT', 'does not find it by its key')
    assert.equal(fired, ['a'])
    assert.is(told[0]?.code, 'TIDEMARK_CORRUPT')
  }))

test('verify() calls it damage, and no orphan', () =>
  withHidden('b\0', async (store) => {
    const findings = await store.verify()
    assert.equal(
      findings.map(({ space, isHarmless }) => [space, isHarmless]),
      [['due', undefined]],
    )
    assert.match(findings[0]!.message, 'does not find it by its key')
  }))

test('verify() tells a hidden due entry from one that is missing', () =>
  // The due entry of a's timestamp.
  withHidden('d--eV-------', async (store) => {
    const messages = (await store.verify()).map(({ message }) => message)
    assert.ok(messages.length > 0)
    for (const message of messages) assert.match(message, 'does not find it by its key')
  }))

test.run()
