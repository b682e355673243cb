// The lower bound of a queue follows what fired and what was deleted, and is stored: reading what is due next begins
// behind it, also after the store was opened again.

import { realpath } from 'node:fs/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openClassicEngine } from '../../src/engine/classic.ts'
import { readStoreRecord } from '../../src/engine/migration.ts'
import { MAX_TIMESTAMP } from '../../src/limits.ts'
import { loadState } from '../../src/log/tail.ts'
import { ManualClock } from '../../src/testing.ts'
import { eventually } from '../support/eventually.ts'
import { openStore, type Store, verified, withDirectory } from '../support/store.ts'

const SIZES = { cacheBytes: 1 << 20, writeBufferBytes: 1 << 20, maxFileBytes: 1 << 20 }
/** What may be read in vain: a page, and what was under way when the bound was last raised. */
const SLACK_TIMERS = 8192

interface Bounds {
  eventTime: number
  processingTime: number
}

/** Runs `body` with a store, closes it, and tells the stored lower bounds of its service 'orders'. */
async function boundsAfter(body: (store: Store, clock: ManualClock) => Promise<void>): Promise<Bounds> {
  return withDirectory(async (directory) => {
    const clock = new ManualClock(0)
    const store = await openStore(directory, { clock })
    try {
      await body(store, clock)
      await verified(store)
    } finally {
      await store.close()
    }
    const engine = await openClassicEngine(await realpath(directory), SIZES, true)
    try {
      const { state } = await loadState(engine, readStoreRecord(engine)!, SIZES.writeBufferBytes)
      const { eventTime, processingTime } = state.serviceByName.get('orders')!
      return { eventTime: eventTime.decided.low, processingTime: processingTime.decided.low }
    } finally {
      await engine.close()
    }
  })
}

const TIMERS = 30_000
const handlers = { onEventTime: () => {}, onProcessingTime: () => {} }

function range(from: number, to: number): { key: string; timestamp: number }[] {
  return Array.from({ length: to - from }, (_, i) => ({ key: `k${(from + i) % 97}`, timestamp: from + i }))
}

test('what fired in the past is not read again', async () => {
  const { eventTime, processingTime } = await boundsAfter(async (store, clock) => {
    const orders = await store.service('orders', handlers)
    for (const queue of [orders.eventTime, orders.processingTime]) {
      await queue.registerMany(range(1, TIMERS + 1))
      await queue.register({ key: 'late', timestamp: 10 * TIMERS })
    }
    await orders.advanceWatermark(TIMERS)
    await clock.advanceTo(TIMERS)
    await orders.eventTime.register({ key: 'later', timestamp: 11 * TIMERS })
    await orders.processingTime.register({ key: 'later', timestamp: 11 * TIMERS })
  })
  assert.equal([eventTime, processingTime], [10 * TIMERS, 10 * TIMERS])
})

test('neither is what was deleted, with nothing fired', async () => {
  const { eventTime, processingTime } = await boundsAfter(async (store) => {
    const orders = await store.service('orders', handlers)
    for (const queue of [orders.eventTime, orders.processingTime]) {
      await queue.registerMany(range(1, TIMERS + 1))
      await queue.register({ key: 'late', timestamp: 10 * TIMERS })
      for (const timer of range(1, TIMERS + 1)) void queue.delete(timer)
      await queue.register({ key: 'later', timestamp: 11 * TIMERS })
      for (let n = 0; n < 50; n++) await queue.register({ key: 'later', timestamp: 11 * TIMERS + n })
    }
  })
  for (const low of [eventTime, processingTime]) {
    assert.ok(low > TIMERS - SLACK_TIMERS && low <= 10 * TIMERS, `the bound is ${low}`)
  }
})

test('without a handler, asking for the next timer tells the bound', async () => {
  const { eventTime, processingTime } = await boundsAfter(async (store) => {
    const { eventTime, processingTime } = await store.service('orders')
    for (const queue of [eventTime, processingTime]) {
      await queue.registerMany(range(1, 1001))
      for (const timer of range(1, 901)) await queue.delete(timer)
      assert.is((await queue.next())?.timestamp, 901)
    }
    for (const timer of range(901, 1001)) await processingTime.delete(timer)
    assert.is(await processingTime.next(), undefined)
    await processingTime.registerMany([{ key: 'a', timestamp: 2000 }])
    await eventTime.register({ key: 'a', timestamp: 2000 })
    await eventTime.register({ key: 'a', timestamp: 950 })
  })
  assert.equal([eventTime, processingTime], [901, 2000])
})

test('a queue whose timers are all gone begins at the end, and what is registered then is found', async () => {
  const bounds = await boundsAfter(async (store) => {
    const orders = await store.service('orders', handlers)
    await orders.eventTime.registerMany(range(1, 3001))
    for (const timer of range(1, 3001)) void orders.eventTime.delete(timer)
    await orders.processingTime.register({ key: 'a', timestamp: 1 })
    await eventually(async () => (await orders.eventTime.next()) === undefined, 'the deletes')
    await orders.eventTime.register({ key: 'a', timestamp: 50 })
    assert.is((await orders.eventTime.next())?.timestamp, 50)
    assert.equal(await orders.advanceWatermark(60), { fired: 1 })
    await orders.eventTime.register({ key: 'a', timestamp: 70 })
    await orders.eventTime.delete({ key: 'a', timestamp: 70 })
    assert.is(await orders.eventTime.next(), undefined)
    await orders.eventTime.register({ key: 'a', timestamp: MAX_TIMESTAMP })
  })
  assert.is(bounds.eventTime, MAX_TIMESTAMP)
})

test.run()
