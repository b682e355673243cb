// Semantics 6 and 7: event time and the watermark.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TimerStore } from '../../src/index.ts'
import { copyAsCrashed } from '../support/crash.ts'
import { turns } from '../support/eventually.ts'
import { names, recorder } from '../support/recorder.ts'
import { all, inStore, withStore } from '../support/store.ts'

const least = -Number.MAX_SAFE_INTEGER

test('6. register fires nothing by itself, however far below the watermark', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await orders.advanceWatermark(100)
    await orders.eventTime.register({ key: 'a', timestamp: 100 })
    await orders.eventTime.register({ key: 'b', timestamp: 99 })
    await orders.eventTime.register({ key: 'c', timestamp: least })
    await turns()
    assert.equal(handler.names(), [])
    assert.is(orders.eventTime.count, 3)
  })
})

test('6. a timer at or below the watermark fires at the next advance, even one that does not raise it', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await orders.advanceWatermark(100)
    await orders.eventTime.register({ key: 'a', timestamp: 100 })
    assert.equal(await orders.advanceWatermark(100), { fired: 1 })
    await orders.eventTime.register({ key: 'b', timestamp: 50 })
    assert.equal(await orders.advanceWatermark(7), { fired: 1 })
    await orders.eventTime.register({ key: 'c', timestamp: 101 })
    assert.equal(await orders.advanceWatermark(100), { fired: 0 })
    assert.equal(handler.names(), ['a@100', 'b@50'])
  })
})

test('7. the watermark fires timers at it and below it, and none above it', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    for (const timestamp of [11, 10, 9, -5]) await orders.eventTime.register({ key: 'a', timestamp })
    assert.equal(await orders.advanceWatermark(10), { fired: 3 })
    assert.equal(handler.take(), ['a@-5', 'a@9', 'a@10'])
    assert.is(orders.eventTime.count, 1)
    assert.equal(await orders.advanceWatermark(11), { fired: 1 })
    assert.equal(handler.take(), ['a@11'])
  })
})

test('7. at first the watermark is the least timestamp, and a timer there fires at the first advance', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    assert.is(orders.currentWatermark, least)
    assert.is(store.stats().services.orders?.watermark, least)
    await orders.eventTime.register({ key: 'a', timestamp: least })
    assert.equal(handler.names(), [])
    assert.equal(await orders.advanceWatermark(least), { fired: 1 })
    assert.is(orders.currentWatermark, least)
  })
})

test('7. a smaller watermark leaves it where it is, and fires what is due at the standing one', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await orders.advanceWatermark(10)
    await orders.eventTime.register({ key: 'a', timestamp: 8 })
    assert.equal(await orders.advanceWatermark(3), { fired: 1 })
    assert.is(orders.currentWatermark, 10)
    assert.equal(handler.names(), ['a@8'])
  })
})

test('7. a handler sees the new watermark, and how late its timer is', async () => {
  const seen: unknown[] = []
  await withStore({}, async (store) => {
    const orders = await store.service('orders', {
      onEventTime: ({ timestamp }, { lateByMs, attempt, signal }) => {
        seen.push([timestamp, orders.currentWatermark, lateByMs, attempt, signal.aborted])
      },
    })
    await orders.eventTime.register({ key: 'a', timestamp: 4 })
    await orders.eventTime.register({ key: 'a', timestamp: 10 })
    await orders.advanceWatermark(10)
    assert.equal(seen, [
      [4, 10, 6, 1, false],
      [10, 10, 0, 1, false],
    ])
  })
})

test('7. each service has a watermark of its own', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    const visits = await store.service('visits', { onEventTime: handler })
    await orders.eventTime.register({ key: 'order', timestamp: 1 })
    await visits.eventTime.register({ key: 'visit', timestamp: 1 })
    await orders.advanceWatermark(5)
    assert.equal([orders.currentWatermark, visits.currentWatermark], [5, least])
    assert.equal(handler.take(), ['order@1'])
    await visits.advanceWatermark(1)
    assert.equal(handler.take(), ['visit@1'])
  })
})

test('7. the watermark does not touch processing time, nor the clock event time', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
    await orders.processingTime.register({ key: 'p', timestamp: 5 })
    await orders.advanceWatermark(1000)
    assert.equal(handler.names(), [])
    assert.is(orders.processingTime.count, 1)
  })
})

test('7. advances that are not awaited take their turns, and fire everything once, in order', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    for (let timestamp = 30; timestamp > 0; timestamp--)
      await orders.eventTime.register({ key: 'a', timestamp })
    const outcomes = await Promise.all(
      [10, 5, 20, 15, 30].map((watermark) => orders.advanceWatermark(watermark)),
    )
    assert.is(
      outcomes.reduce((sum, { fired }) => sum + fired, 0),
      30,
    )
    assert.is(orders.currentWatermark, 30)
    assert.equal(
      handler.names(),
      Array.from({ length: 30 }, (_, index) => `a@${index + 1}`),
    )
  })
})

test('7. the watermark is stored', async () => {
  await withStore({}, async (store, directory, reopen) => {
    await (await store.service('orders')).advanceWatermark(12)
    const copy = `${directory}-crashed`
    await copyAsCrashed(directory, copy)
    await inStore(copy, {}, async (crashed) => {
      assert.is((await crashed.service('orders')).currentWatermark, 12)
    })
    const again = await reopen()
    assert.is(again.stats().services.orders?.watermark, 12)
    assert.is((await again.service('orders')).currentWatermark, 12)
  })
})

test('7. the watermark is part of a checkpoint', async () => {
  await withStore({}, async (store, directory) => {
    const orders = await store.service('orders')
    await orders.advanceWatermark(12)
    const { path } = await store.checkpoint(`${directory}-checkpoints`)
    await orders.advanceWatermark(13)
    const restored = `${directory}-restored`
    await TimerStore.restore(path, restored)
    await inStore(restored, {}, async (again) => {
      assert.is((await again.service('orders')).currentWatermark, 12)
    })
  })
})

test('7. the watermark is durable before the first handler runs', async () => {
  await withStore({}, async (store, directory) => {
    const copy = `${directory}-crashed`
    const orders = await store.service('orders', { onEventTime: () => copyAsCrashed(directory, copy) })
    await orders.eventTime.register({ key: 'a', timestamp: 5 })
    await orders.advanceWatermark(9)
    await inStore(copy, {}, async (crashed) => {
      const again = await crashed.service('orders')
      assert.is(again.currentWatermark, 9)
      assert.is(again.eventTime.count, 1)
    })
  })
})

test('7. after a crash in the middle of a drain the rest of the drain happens', async () => {
  await withStore({}, async (store, directory) => {
    const copy = `${directory}-crashed`
    const orders = await store.service('orders', {
      onEventTime: async ({ timestamp }) => {
        // The handler before this one has settled; once the version says that nothing is under way, its timer is gone.
        if (timestamp === 3) await copyAsCrashed(directory, copy)
      },
    })
    for (const timestamp of [1, 2, 3, 4, 5, 6]) await orders.eventTime.register({ key: 'a', timestamp })
    await orders.advanceWatermark(5)
    const handler = recorder()
    await inStore(copy, {}, async (crashed) => {
      const again = await crashed.service('orders', { onEventTime: handler })
      await again.advanceWatermark(0)
      const fired = handler.names()
      assert.equal(fired.slice(-3), ['a@3', 'a@4', 'a@5'], 'the timer in hand, and those after it')
      assert.equal(fired, ['a@1', 'a@2', 'a@3', 'a@4', 'a@5'].slice(-fired.length))
      assert.equal(names(await all(again.eventTime.list({}))), ['a@6'])
    })
  })
})

test('7. a service without a handler for event time keeps its timers, and moves its watermark', async () => {
  await withStore({}, async (store, _, reopen) => {
    const orders = await store.service('orders', { onProcessingTime: () => {} })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    assert.equal(await orders.advanceWatermark(5), { fired: 0 })
    assert.is(orders.eventTime.count, 1)
    const handler = recorder()
    const again = await (await reopen()).service('orders', { onEventTime: handler })
    assert.is(again.currentWatermark, 5)
    await again.advanceWatermark(5)
    assert.equal(handler.names(), ['a@1'])
  })
})

test.run()
