// Semantics 4: timestamps.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { picture } from '../support/picture.ts'
import { recorder } from '../support/recorder.ts'
import { rejects, throwsInvalid } from '../support/refusals.ts'
import { all, withDirectory, withStore } from '../support/store.ts'

const most = Number.MAX_SAFE_INTEGER
const timestamps = [
  -most,
  -most + 1,
  -(2 ** 52),
  -(2 ** 36) - 1,
  -(2 ** 32),
  -(2 ** 31) - 1,
  -2,
  -1,
  0,
  1,
  2,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  1_709_208_000_000,
  2 ** 52 + 1,
  most - 1,
  most,
]
const shuffled = timestamps.map((timestamp, index) => [(index * 7) % timestamps.length, timestamp] as const)
shuffled.sort(([a], [b]) => a - b)

const refused: unknown[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  0.5,
  -1.5,
  most + 1,
  -most - 1,
  1e300,
  '5',
  5n,
  new Date(5),
  new Number(5),
  null,
  undefined,
  true,
  [],
  {},
]

test('4. every timestamp of the range comes back and fires in order, in both domains, also after reopening', async () => {
  const clock = new ManualClock(-most)
  const byWatermark = recorder()
  const byClock = recorder()
  await withStore({ clock }, async (store, _, reopen) => {
    const orders = await store.service('orders')
    for (const [, timestamp] of shuffled) {
      assert.is(await orders.eventTime.register({ key: 'a', timestamp }), true)
      assert.is(await orders.processingTime.register({ key: 'a', timestamp }), true)
      assert.is(await orders.eventTime.has({ key: 'a', timestamp }), true)
    }
    for (const key of [undefined, 'a']) {
      const listed = await all(orders.eventTime.list(key === undefined ? {} : { key }))
      assert.equal(
        listed.map((timer) => timer.timestamp),
        timestamps,
      )
    }
    assert.is((await orders.eventTime.next())?.timestamp, -most)
    const again = await (await reopen()).service('orders', {
      onEventTime: byWatermark,
      onProcessingTime: byClock,
    })
    assert.is((await again.eventTime.next())?.timestamp, -most)
    for (const timestamp of timestamps) {
      await again.advanceWatermark(timestamp)
      assert.is(byWatermark.fired.at(-1)?.timestamp, timestamp)
      await clock.advanceTo(timestamp)
      assert.is(byClock.fired.at(-1)?.timestamp, timestamp)
    }
    for (const { fired } of [byWatermark, byClock])
      assert.equal(
        fired.map((timer) => timer.timestamp),
        timestamps,
      )
  })
})

test('4. a watermark is a timestamp: every one of the range comes back', async () => {
  await withStore({}, async (store, _, reopen) => {
    let current = store
    for (const timestamp of timestamps) {
      const orders = await current.service('orders')
      await orders.advanceWatermark(timestamp)
      assert.is(orders.currentWatermark, timestamp)
      current = await reopen()
      assert.is((await current.service('orders')).currentWatermark, timestamp)
      assert.is(current.stats().services.orders?.watermark, timestamp)
    }
  })
})

test('4. minus zero is zero', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    assert.is(await orders.eventTime.register({ key: 'a', timestamp: 0 }), true)
    assert.is(await orders.eventTime.register({ key: 'a', timestamp: -0 }), false)
    assert.is(await orders.eventTime.delete({ key: 'a', timestamp: -0 }), true)
    await orders.eventTime.register({ key: 'a', timestamp: -0 })
    await orders.advanceWatermark(-0)
    assert.ok(Object.is(handler.fired[0]?.timestamp, 0))
    assert.ok(Object.is(orders.currentWatermark, 0))
  })
})

test('4. what is not a whole number of the range is refused by every call, and changes nothing', async () => {
  await withStore({}, async (store) => {
    const handler = recorder()
    const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.processingTime.register({ key: 'a', timestamp: 1 })
    const before = await picture(store)
    for (const value of refused) {
      const timestamp = value as number
      const timer = { key: 'a', timestamp }
      const invalid = 'TIDEMARK_INVALID_ARGUMENT'
      await rejects(() => orders.advanceWatermark(timestamp), invalid, 'timestamp')
      for (const queue of [orders.eventTime, orders.processingTime]) {
        await rejects(() => queue.register(timer), invalid, 'timestamp')
        await rejects(() => queue.registerMany([{ key: 'b', timestamp: 1 }, timer]), invalid, 'timestamp')
        await rejects(() => queue.replace(timer), invalid, 'timestamp')
        await rejects(() => queue.delete(timer), invalid, 'timestamp')
        await rejects(() => queue.has(timer), invalid, 'timestamp')
        if (value === undefined) continue
        await rejects(() => all(queue.list({ from: timestamp })), invalid, 'from')
        await rejects(() => all(queue.list({ to: timestamp })), invalid, 'to')
      }
    }
    assert.equal(await picture(store), before)
    assert.equal(handler.fired, [])
  })
})

test('4. a refused timestamp names the limits', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    await rejects(
      () => eventTime.register({ key: 'a', timestamp: 2 ** 53 }),
      'TIDEMARK_INVALID_ARGUMENT',
      /2\^53|9007199254740991/,
    )
  })
})

test('4. a clock that does not read whole milliseconds is found out, and nothing fires by it', async () => {
  await withDirectory(async (directory) => {
    throwsInvalid(() => new ManualClock(0.5))
    throwsInvalid(() => new ManualClock(Number.NaN))
    await rejects(
      () => TimerStore.open(directory, { clock: {} as ManualClock }),
      'TIDEMARK_INVALID_ARGUMENT',
      'clock',
    )
  })
})

test.run()
