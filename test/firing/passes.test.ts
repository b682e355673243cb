// Processing-time passes: what is due fires at its time, whatever the disk still has to write.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { TimerStore } from '../../src/index.ts'
import { DISPATCH_BATCH_TIMERS, MAX_RETRIES_WAITING } from '../../src/limits.ts'
import { ManualClock } from '../../src/testing.ts'
import { HeldClock } from '../support/clocks.ts'
import { eventually, gate, turns } from '../support/eventually.ts'
import { heldDisk } from '../support/helddisk.ts'
import { rejects } from '../support/refusals.ts'
import { verified, withDirectory, withStore } from '../support/store.ts'

test('a timer fires at its time while the removals of those before it are still being written', async () => {
  const { platform, disk } = heldDisk()
  await withDirectory(async (directory) => {
    const clock = new HeldClock(0)
    const fired: string[] = []
    const store = await TimerStore.openOn(platform, join(directory, 'store'), { clock })
    const orders = await store.service('orders', {
      onProcessingTime: async ({ key }, context) => {
        fired.push(key)
        if (key === 'a') await context.processingTime.register({ key: 'by a', timestamp: 2 })
      },
    })
    for (const [i, key] of ['a', 'b', 'c'].entries())
      await orders.processingTime.register({ key, timestamp: i + 1 })
    const held = gate()
    disk.free = held.promise
    const moveTo = async (nowMs: number, count: number) => {
      clock.nowMs = nowMs
      await eventually(() => {
        clock.wakeAll()
        return fired.length === count
      }, `${count} handlers`)
    }
    await moveTo(1, 1)
    await moveTo(2, 2)
    assert.is(orders.processingTime.count, 3, 'nothing is removed yet')
    held.open()
    await moveTo(3, 4)
    assert.equal(fired, ['a', 'b', 'by a', 'c'], 'each once, by time, then first registered')
    await eventually(() => orders.processingTime.count === 0, 'the last removal')
    await verified(store)
    await store.close()
  })
})

test('a timer that is registered with another payload while its handler runs fires again at once', async () => {
  const { platform, disk } = heldDisk()
  await withDirectory(async (directory) => {
    const clock = new HeldClock(0)
    const store = await TimerStore.openOn(platform, join(directory, 'store'), { clock })
    const fired: string[] = []
    const handled = gate()
    const orders = await store.service('orders', {
      payload: z.string(),
      onProcessingTime: async ({ payload }) => {
        fired.push(payload)
        if (payload === 'first') await handled.promise
      },
    })
    await orders.processingTime.register({ key: 'a', timestamp: 1, payload: 'first' })
    clock.nowMs = 1
    clock.wakeAll()
    await eventually(() => fired.length === 1, 'the first handler')
    await orders.processingTime.register({ key: 'a', timestamp: 1, payload: 'second' })
    const held = gate()
    disk.free = held.promise
    const written = orders.eventTime.registerMany(
      ['b', 'c'].map((key) => ({ key, timestamp: 9, payload: 'later' })),
    )
    await turns()
    const other = orders.eventTime.register({ key: 'd', timestamp: 9, payload: 'later' })
    await turns()
    handled.open()
    await turns()
    held.open()
    await Promise.all([written, other])
    await eventually(() => {
      clock.wakeAll()
      return fired.length === 2
    }, 'the second handler')
    assert.equal(fired, ['first', 'second'])
    await eventually(() => orders.processingTime.count === 0, 'its removal')
    await verified(store)
    await store.close()
  })
})

test('a clock that is moved while the store closes hears of the close, and not of an error', async () => {
  await withDirectory(async (directory) => {
    const clock = new ManualClock(0)
    const store = await TimerStore.open(join(directory, 'store'), { clock })
    const orders = await store.service('orders', { onProcessingTime: () => {} })
    await orders.processingTime.register({ key: 'a', timestamp: 1 })
    const moved = clock.advanceTo(1)
    await store.close()
    await moved
  })
})

test('where a handler closes the store, a move of the clock still waits for the removal', async () => {
  const { platform, disk } = heldDisk()
  await withDirectory(async (directory) => {
    const clock = new ManualClock(0)
    let closed: Promise<void> | undefined
    const store = await TimerStore.openOn(platform, join(directory, 'store'), { clock })
    const held = gate()
    const orders = await store.service('orders', {
      onProcessingTime: () => {
        closed = store.close()
      },
    })
    await orders.processingTime.register({ key: 'a', timestamp: 1 })
    disk.free = held.promise
    let hasMoved = false
    const moved = clock.advanceTo(1).then(() => {
      hasMoved = true
    })
    await eventually(() => closed !== undefined, 'the handler')
    await turns()
    assert.is(hasMoved, false)
    held.open()
    await moved
    await store.close()
    const again = await TimerStore.open(join(directory, 'store'))
    assert.is((await again.service('orders')).processingTime.count, 0)
    await again.close()
  })
})

test('a timer for a time that a moved clock has passed fires when it is registered', async () => {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store) => {
    const fired: string[] = []
    const orders = await store.service('orders', { onProcessingTime: ({ key }) => void fired.push(key) })
    await orders.processingTime.register({ key: 'a', timestamp: 1000 })
    await clock.advanceTo(2000)
    await orders.processingTime.register({ key: 'b', timestamp: 1500 })
    await eventually(() => fired.length === 2, 'the second handler')
    await eventually(() => orders.processingTime.count === 0, 'its removal')
  })
})

for (const domain of ['eventTime', 'processingTime'] as const) {
  test(`once a write has failed no further handler starts: its removal could not be written (${domain})`, async () => {
    const { platform, disk } = heldDisk()
    await withDirectory(async (directory) => {
      const clock = new ManualClock(0)
      const store = await TimerStore.openOn(platform, join(directory, 'store'), { clock })
      const failed = new Promise<unknown>((resolve) => store.on('error', resolve))
      const fired: string[] = []
      const handler = async ({ key }: { key: string }) => {
        fired.push(key)
        if (fired.length > 1) return void (await failed)
        disk.free = Promise.reject(new Error('EIO: no more of this disk'))
        disk.free.catch(() => {})
      }
      const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
      const due = Array.from({ length: 2000 }, (_, i) => ({ key: `${i}`, timestamp: 1 }))
      await orders[domain].registerMany(due)
      const firing = domain === 'eventTime' ? orders.advanceWatermark(1) : clock.advanceTo(1)
      await rejects(firing, 'TIDEMARK_FAILED', 'EIO')
      assert.equal(fired, ['0', '1'])
      await store.close()
    })
  })
}

test('what is due behind as many as may wait to be tried again fires once one of them is deleted', async () => {
  await withStore({ clock: new ManualClock(1) }, async (store) => {
    let failures = 0
    store.on('error', () => failures++)
    let fired = 0
    const orders = await store.service('orders', {
      onProcessingTime: ({ timestamp }) => {
        if (timestamp === 0) throw new Error('not today')
        fired++
      },
    })
    const timers = (count: number, timestamp: number) =>
      Array.from({ length: count }, (_, i) => ({ key: `${i}`, timestamp }))
    const behind = 4 * DISPATCH_BATCH_TIMERS
    await orders.processingTime.registerMany([...timers(MAX_RETRIES_WAITING, 0), ...timers(behind, 1)])
    await eventually(() => failures === MAX_RETRIES_WAITING, 'all that fail')
    await turns()
    assert.ok(fired < behind, 'those whose batch was not in hand yet wait')
    await orders.processingTime.delete({ key: '0', timestamp: 0 })
    await eventually(() => fired === behind, 'all behind')
  })
})

test.run()
