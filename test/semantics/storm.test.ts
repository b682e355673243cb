// Semantics 9 at size: a great many overdue timers fire in one pass, and the event loop goes on turning.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ManualClock } from '../../src/testing.ts'
import { watchEventLoop } from '../support/eventloop.ts'
import { withStore } from '../support/store.ts'

const timers = 150_000
const longestHoldMs = 50

async function storm(directive: 'overdue at start' | 'the clock jumps'): Promise<void> {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store, _, reopen) => {
    const first = await store.service('orders')
    const ascending = Array.from({ length: timers }, (_, timestamp) => ({ key: 'one key', timestamp }))
    await first.processingTime.registerMany(ascending)
    assert.is(first.processingTime.count, timers)

    let inOrder = 0
    const definition = {
      onProcessingTime: ({ timestamp }: { timestamp: number }) => {
        if (timestamp === inOrder) inOrder++
      },
    }
    const again = await reopen()
    if (directive === 'overdue at start') await clock.advanceTo(timers)
    const stop = watchEventLoop()
    const orders = await again.service('orders', definition)
    await clock.advanceTo(timers)
    const longestMs = stop()
    assert.is(inOrder, timers)
    assert.is(orders.processingTime.count, 0)
    console.log(`${directive}: the event loop was held for ${longestMs.toFixed(1)} ms at most`)
    assert.ok(longestMs <= longestHoldMs, `held for ${longestMs.toFixed(1)} ms`)
  })
}

test('9. 150,000 timers, one a millisecond on one key, all fire in one pass when the clock jumps', () =>
  storm('the clock jumps'))

test('9. 150,000 overdue timers, one a millisecond on one key, all fire in one pass at the start of the service', () =>
  storm('overdue at start'))

test('7. an advance over 150,000 timers leaves the event loop turning', async () => {
  await withStore({}, async (store) => {
    let inOrder = 0
    const orders = await store.service('orders', {
      onEventTime: ({ timestamp }) => {
        if (timestamp === inOrder) inOrder++
      },
    })
    await orders.eventTime.registerMany(
      Array.from({ length: timers }, (_, timestamp) => ({ key: `k${timestamp % 1000}`, timestamp })),
    )
    const stop = watchEventLoop()
    assert.equal(await orders.advanceWatermark(timers), { fired: timers })
    const longestMs = stop()
    assert.is(inOrder, timers)
    console.log(`an advance: the event loop was held for ${longestMs.toFixed(1)} ms at most`)
    assert.ok(longestMs <= longestHoldMs, `held for ${longestMs.toFixed(1)} ms`)
  })
})

test.run()
