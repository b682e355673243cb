// The window of due timers: what is registered while a page is being read is in it, wherever the page ends.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Entry, ScanRange } from '../../src/engine/engine.ts'
import { DueTimer } from '../../src/firing/due.ts'
import { DueWindow } from '../../src/firing/window.ts'
import { MIN_WINDOW_PAGE_TIMERS } from '../../src/limits.ts'
import { RecentTimers } from '../../src/log/recent.ts'
import { ServiceState } from '../../src/log/state.ts'
import { keyPrefix } from '../../src/timer/identity.ts'
import { dueKey, dueValue, orderTextOf } from '../../src/timer/stored.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { SlowEngine } from '../support/engine.ts'

const queue = () => new ServiceState(0, 'service', '{}').eventTime

function due(timestamp: number, version: number): DueTimer {
  const identity = `${keyPrefix('t--e', 0, `k${version}`)}\0${encodeTimestamp(timestamp)}`
  return new DueTimer(queue(), identity, timestamp, orderTextOf(version, 0), () => {})
}

/** A window on stored timers, whose page is read only when `read` is called. */
async function slowWindow(stored: DueTimer[]) {
  const engine = await SlowEngine.open()
  const batch = engine.batch()
  for (const { identity, orderText } of stored) {
    const key = dueKey(identity, orderText)
    batch.put(key, dueValue(key, identity))
  }
  batch.put('x', 'x')
  await engine.write(batch, false)
  let read = () => {}
  const scan = engine.scan.bind(engine)
  engine.scan = (range: ScanRange) => {
    const view = scan(range)
    return {
      read: async (): Promise<Entry[]> => {
        const entries = await view.read()
        await new Promise<void>((resolve) => {
          read = resolve
        })
        return entries
      },
    }
  }
  const state = queue()
  state.decided.low = stored[0]?.timestamp ?? 0
  const window = new DueWindow(
    engine,
    new RecentTimers(1 << 20),
    state,
    () => {},
    (key) => assert.unreachable(key),
  )
  const reading = window.readPage()
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  const finish = () => {
    read()
    return reading
  }
  return { window, finish }
}

function takeAll(window: DueWindow): number[] {
  const timestamps: number[] = []
  for (
    let timer = window.takeDue(Number.MAX_SAFE_INTEGER);
    timer !== undefined;
    timer = window.takeDue(Number.MAX_SAFE_INTEGER)
  )
    timestamps.push(timer.timestamp)
  return timestamps
}

test('a timer applied while the last page is read is in the window, below and beyond what the page shows', async () => {
  const { window, finish } = await slowWindow([due(10, 1), due(20, 2)])
  window.add(due(15, 3))
  window.add(due(25, 4))
  window.add(due(5, 5))
  await finish()
  assert.equal(takeAll(window), [5, 10, 15, 20, 25])
  assert.is(window.needsPage, false)
})

test('a timer applied while a page is read that is not the last waits beyond its end for the next one', async () => {
  const stored = Array.from({ length: MIN_WINDOW_PAGE_TIMERS + 5 }, (_, i) => due(10 + i, 1 + i))
  const { window, finish } = await slowWindow(stored)
  window.add(due(11, 9000))
  window.add(due(100_000, 9001))
  await finish()
  const taken = takeAll(window)
  assert.equal(taken.slice(0, 4), [10, 11, 11, 12])
  assert.is(taken.length, MIN_WINDOW_PAGE_TIMERS + 1)
  assert.is(window.needsPage, true)
})

test('a timer removed while a page is read is not in the window, though the page brings it', async () => {
  const gone = due(10, 1)
  const { window, finish } = await slowWindow([gone, due(20, 2)])
  window.remove(gone.identity)
  await finish()
  assert.is(window.low(), 20)
  assert.equal(takeAll(window), [20])
})

test('a timer removed and registered again while a page is read is in the window once, in its new place', async () => {
  const old = due(10, 1)
  const { window, finish } = await slowWindow([old, due(10, 2)])
  window.remove(old.identity)
  window.register(old.identity, old.timestamp, orderTextOf(3, 0))
  await finish()
  const first = window.takeDue(Number.MAX_SAFE_INTEGER)
  const second = window.takeDue(Number.MAX_SAFE_INTEGER)
  assert.equal([first?.orderText, second?.orderText], [orderTextOf(2, 0), orderTextOf(3, 0)])
  assert.is(window.takeDue(Number.MAX_SAFE_INTEGER), undefined)
})

test('a timer in hand that is registered anew leaves the newer one known when it is put down', async () => {
  const old = due(10, 1)
  const { window, finish } = await slowWindow([old])
  await finish()
  const inHand = window.takeDue(10)!
  window.register(old.identity, 10, orderTextOf(2, 0))
  assert.is(inHand.stale, true)
  window.putDown(inHand)
  const newer = window.takeDue(10)!
  assert.is(newer.orderText, orderTextOf(2, 0))
  window.remove(old.identity)
  assert.is(newer.stale, true)
})

test('a timer that is put down is known no more, and may come again', async () => {
  const { window, finish } = await slowWindow([due(10, 1)])
  await finish()
  const inHand = window.takeDue(10)!
  window.putDown(inHand)
  window.remove(inHand.identity)
  assert.is(inHand.stale, false)
  window.add(inHand)
  window.remove(inHand.identity)
  assert.is(inHand.gone, true)
  assert.equal(takeAll(window), [])
})

test.run()
