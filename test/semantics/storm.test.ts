// Semantics 9 at size: a great many overdue timers fire in one pass, and the event loop goes on turning.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ManualClock } from '../../src/testing.ts'
import { watchEventLoop } from '../support/eventloop.ts'
import { withStore } from '../support/store.ts'

const timers = 150_000
const longestHoldMs = 50
const attempts = 3

/**
 * What holds the event loop holds it every time. The garbage of the test itself does so now and then, where a busy
 * machine leaves its collection to this thread: so one attempt out of three must stay below the limit.
 */
async function neverHeld(attempt: () => Promise<number>): Promise<void> {
  const heldMs: number[] = []
  for (let n = 0; n < attempts; n++) {
    heldMs.push(Math.round(await attempt()))
    if (heldMs.at(-1)! <= longestHoldMs) break
  }
  console.log(`the event loop was held for ${heldMs.join(', ')} ms at most`)
  assert.ok(heldMs.at(-1)! <= longestHoldMs, `held for ${heldMs.join(', ')} ms`)
}

async function storm(directive: 'overdue at start' | 'the clock jumps'): Promise<number> {
  let longestMs = 0
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
    longestMs = stop()
    assert.is(inOrder, timers)
    assert.is(orders.processingTime.count, 0)
  })
  return longestMs
}

async function advance(): Promise<number> {
  let longestMs = 0
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
    longestMs = stop()
    assert.is(inOrder, timers)
  })
  return longestMs
}

test('9. 150,000 timers, one a millisecond on one key, all fire in one pass when the clock jumps', () =>
  neverHeld(() => storm('the clock jumps')))

test('9. 150,000 overdue timers, one a millisecond on one key, all fire in one pass at the start of the service', () =>
  neverHeld(() => storm('overdue at start')))

test('7. an advance over 150,000 timers leaves the event loop turning', () => neverHeld(advance))

test.run()
