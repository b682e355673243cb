// Semantics 9: processing time. Never early, never lost.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ManualClock } from '../../src/testing.ts'
import { HeldClock } from '../support/clocks.ts'
import { eventually, turns } from '../support/eventually.ts'
import { names, recorder } from '../support/recorder.ts'
import { all, openStore, type Store, verified, withDirectory, withStore } from '../support/store.ts'

const dayMs = 86_400_000
const boundMs = 60_000

test('9. a timer fires when the clock reads its timestamp, and not a millisecond before', async () => {
  const clock = new ManualClock(1000)
  const handler = recorder()
  await withStore({ clock }, async (store) => {
    const orders = await store.service('orders', { onProcessingTime: handler })
    await orders.processingTime.register({ key: 'a', timestamp: 2000 })
    await clock.advanceTo(1999)
    assert.equal(handler.names(), [])
    await clock.advanceBy(1)
    assert.equal(handler.names(), ['a@2000'])
    assert.is(orders.processingTime.count, 0)
    assert.is(orders.currentProcessingTime(), 2000)
  })
})

test('9. a handler is told how late it is', async () => {
  const clock = new ManualClock(0)
  const late: number[] = []
  await withStore({ clock }, async (store) => {
    const orders = await store.service('orders', {
      onProcessingTime: (_, { lateByMs }) => late.push(lateByMs),
    })
    for (const timestamp of [10, 20, 30]) await orders.processingTime.register({ key: 'a', timestamp })
    await clock.advanceTo(10)
    await clock.advanceTo(30)
    assert.equal(late, [0, 10, 0])
  })
})

test('9. a moved clock has fired everything that became due, durably, when it resolves', async () => {
  const clock = new ManualClock(0)
  const handler = recorder(async () => turns(3))
  await withStore({ clock }, async (store) => {
    const services = await Promise.all(
      ['x', 'y', 'z'].map((name) => store.service(name, { onProcessingTime: handler })),
    )
    const registered = services.flatMap(({ processingTime }) =>
      Array.from({ length: 20 }, (_, index) => processingTime.register({ key: 'a', timestamp: index })),
    )
    const moved = clock.advanceTo(100)
    await Promise.all(registered)
    await moved
    assert.is(handler.fired.length, 60)
    for (const { processingTime } of services) assert.is(processingTime.count, 0)
  })
})

test('9. registered in the past, a timer fires as soon as the clock is asked', async () => {
  const clock = new ManualClock(1000)
  const handler = recorder()
  await withStore({ clock }, async (store) => {
    const orders = await store.service('orders', { onProcessingTime: handler })
    await orders.processingTime.register({ key: 'a', timestamp: 5 })
    await clock.advanceBy(0)
    assert.equal(handler.names(), ['a@5'])
  })
})

test('9. overdue timers fire in one pass, in order, once the service is started', async () => {
  const clock = new ManualClock(0)
  const handler = recorder()
  await withStore({ clock }, async (store, _, reopen) => {
    const { processingTime } = await store.service('orders')
    for (const timestamp of [3, 1, 2, 900]) await processingTime.register({ key: 'a', timestamp })
    await clock.advanceTo(500)
    assert.is(processingTime.count, 4)
    const again = await reopen()
    const orders = await again.service('orders', { onProcessingTime: handler })
    await eventually(() => handler.fired.length === 3, 'the overdue timers')
    await clock.advanceBy(0)
    assert.equal(handler.names(), ['a@1', 'a@2', 'a@3'])
    assert.equal(names(await all(orders.processingTime.list({}))), ['a@900'])
  })
})

test('9. a clock that goes back fires nothing early, and loses nothing', async () => {
  const clock = new ManualClock(1000)
  const handler = recorder()
  await withStore({ clock }, async (store) => {
    const orders = await store.service('orders', { onProcessingTime: handler })
    await orders.processingTime.register({ key: 'a', timestamp: 1500 })
    await clock.advanceTo(-5000)
    await orders.processingTime.register({ key: 'b', timestamp: 900 })
    await clock.advanceTo(899)
    assert.equal(handler.names(), [])
    await clock.advanceTo(1499)
    assert.equal(handler.names(), ['b@900'])
    await clock.advanceTo(1500)
    assert.equal(handler.names(), ['b@900', 'a@1500'])
  })
})

/** A store whose wake-ups are in the test's hand. */
async function withHeldClock(body: (clock: HeldClock, store: Store) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const clock = new HeldClock(0)
    const store = await openStore(directory, { clock })
    try {
      await body(clock, store)
      await verified(store)
    } finally {
      await store.close()
    }
    assert.is(clock.pending.size, 0, 'a closed store wakes up no more')
  })
}

test('9. a timer further away than a system timer can count does not fire at once', async () => {
  await withHeldClock(async (clock, store) => {
    const handler = recorder()
    const orders = await store.service('orders', { onProcessingTime: handler })
    for (const days of [24.85, 24.86, 49.7, 365 * 100]) {
      await orders.processingTime.register({ key: 'a', timestamp: Math.ceil(days * dayMs) })
    }
    await orders.processingTime.register({ key: 'a', timestamp: Number.MAX_SAFE_INTEGER })
    await eventually(() => clock.pending.size > 0, 'a wake-up')
    for (let day = 0; day < 24; day++) {
      clock.nowMs = day * dayMs
      clock.wakeAll()
      await eventually(() => clock.pending.size > 0, 'a wake-up')
    }
    assert.equal(handler.names(), [])
    assert.ok(
      clock.delaysMs.every((delayMs) => delayMs >= 0 && delayMs <= boundMs),
      `asked for ${Math.max(...clock.delaysMs)} ms`,
    )
    clock.nowMs = 50 * dayMs
    clock.wakeAll()
    await eventually(() => handler.fired.length === 3, 'three timers')
  })
})

test('9. with the system clock, a timer a hundred years away does not fire at once', async () => {
  await withStore({ clock: undefined }, async (store) => {
    const handler = recorder()
    const orders = await store.service('orders', { onProcessingTime: handler })
    await orders.processingTime.register({ key: 'far', timestamp: Date.now() + 2 ** 31 })
    await orders.processingTime.register({ key: 'farther', timestamp: Date.now() + 36_500 * dayMs })
    await orders.processingTime.register({ key: 'soon', timestamp: Date.now() + 5 })
    await eventually(() => handler.fired.length > 0, 'the first timer')
    await turns(50)
    assert.equal(
      handler.fired.map(({ key }) => key),
      ['soon'],
    )
    await eventually(() => orders.processingTime.count === 2, 'the removal')
  })
})

test('9. with the system clock, no timer fires early, and every one fires', async () => {
  await withStore({ clock: undefined }, async (store) => {
    const early: string[] = []
    let fired = 0
    const orders = await store.service('orders', {
      onProcessingTime: ({ key, timestamp }) => {
        fired++
        if (Date.now() < timestamp) early.push(`${key}: ${timestamp - Date.now()} ms early`)
      },
    })
    const startMs = Date.now()
    for (let index = 0; index < 60; index++) {
      void orders.processingTime.register({ key: `${index}`, timestamp: startMs + ((index * 37) % 200) })
    }
    await eventually(() => fired === 60, 'sixty timers')
    assert.equal(early, [])
  })
})

test('9. no wake-up is further away than a bounded re-check, whatever the clock does', async () => {
  await withHeldClock(async (clock, store) => {
    const handler = recorder()
    const orders = await store.service('orders', { onProcessingTime: handler })
    await orders.processingTime.register({ key: 'a', timestamp: dayMs })
    await eventually(() => clock.pending.size > 0, 'a wake-up')
    const jumps = [5, -dayMs, -1, 70_000, -(365 * dayMs), 0]
    for (const jumpMs of jumps) {
      clock.nowMs = jumpMs
      clock.wakeAll()
      await eventually(() => clock.pending.size > 0, `a wake-up after the clock read ${jumpMs}`)
      assert.ok([...clock.pending].every(({ delayMs }) => delayMs <= boundMs))
      assert.equal(handler.names(), [])
    }
    // The machine slept: the wake-up comes late, and what is due fires then.
    clock.nowMs = 3 * dayMs
    clock.wakeAll()
    await eventually(() => handler.fired.length === 1, 'the timer')
    assert.equal(handler.names(), ['a@86400000'])
  })
})

test('9. where the clock is set back while timers wait for a slow handler, they wait for their time', async () => {
  await withHeldClock(async (clock, store) => {
    const told: string[] = []
    let release = () => {}
    const orders = await store.service('orders', {
      onProcessingTime: async ({ key }, { lateByMs }) => {
        told.push(`${key} ${lateByMs}`)
        if (key !== 'slow') return
        await new Promise<void>((resolve) => {
          release = resolve
        })
      },
    })
    clock.nowMs = 1000
    const timers = ['slow', 'a', 'b'].map((key, i) => ({ key, timestamp: 500 + 100 * i }))
    await orders.processingTime.registerMany(timers)
    await eventually(() => told.length === 1, 'the slow handler')
    clock.nowMs = 610
    release()
    await eventually(() => told.length === 2 && clock.pending.size === 1, 'the one that is due')
    clock.nowMs = 700
    clock.wakeAll()
    await eventually(() => told.length === 3, 'the last one')
    assert.equal(told, ['slow 500', 'a 10', 'b 0'])
  })
})

test('11. a failed timer is tried again at the next re-check, though the clock was set back by a day', async () => {
  await withHeldClock(async (clock, store) => {
    store.on('error', () => {})
    const attempts: number[] = []
    const orders = await store.service('orders', {
      onProcessingTime: async (_, { attempt }) => {
        attempts.push(attempt)
        if (attempt === 1) throw new Error('as planned')
      },
    })
    clock.nowMs = 2 * dayMs
    await orders.processingTime.register({ key: 'a', timestamp: 0 })
    await eventually(() => attempts.length === 1 && clock.pending.size === 1, 'the first attempt')
    clock.nowMs = dayMs
    clock.wakeAll()
    await eventually(() => attempts.length === 2, 'the second attempt')
    assert.equal(attempts, [1, 2])
  })
})

test('9. a wake-up that comes early fires nothing, and another one follows', async () => {
  await withHeldClock(async (clock, store) => {
    const handler = recorder()
    const orders = await store.service('orders', { onProcessingTime: handler })
    await orders.processingTime.register({ key: 'a', timestamp: 100 })
    await eventually(() => clock.pending.size > 0, 'a wake-up')
    for (const nowMs of [0, 50, 98, 99]) {
      clock.nowMs = nowMs
      clock.wakeAll()
      await turns()
      assert.equal(handler.names(), [])
      await eventually(() => clock.pending.size > 0, 'a wake-up')
    }
    clock.nowMs = 100
    clock.wakeAll()
    await eventually(() => handler.fired.length === 1, 'the timer')
  })
})

test('9. a timer that becomes the earliest moves the wake-up; the earliest, deleted, wakes nobody in vain for ever', async () => {
  await withHeldClock(async (clock, store) => {
    const handler = recorder()
    const orders = await store.service('orders', { onProcessingTime: handler })
    await orders.processingTime.register({ key: 'a', timestamp: 50_000 })
    await eventually(
      () => [...clock.pending].some(({ delayMs }) => delayMs <= 50_000),
      'a wake-up for 50,000',
    )
    await orders.processingTime.register({ key: 'b', timestamp: 20_000 })
    await eventually(
      () => [...clock.pending].some(({ delayMs }) => delayMs <= 20_000),
      'a wake-up for 20,000',
    )
    assert.is(clock.pending.size, 1, 'one wake-up per store')
    await orders.processingTime.delete({ key: 'b', timestamp: 20_000 })
    clock.nowMs = 20_000
    clock.wakeAll()
    await turns()
    assert.equal(handler.names(), [])
    await eventually(() => clock.pending.size === 1, 'the next wake-up')
    clock.nowMs = 50_000
    clock.wakeAll()
    await eventually(() => handler.fired.length === 1, 'the timer')
    assert.equal(handler.names(), ['a@50000'])
  })
})

test('9. all services share one wake-up', async () => {
  await withHeldClock(async (clock, store) => {
    const handler = recorder()
    for (let index = 0; index < 5; index++) {
      const { processingTime } = await store.service(`s${index}`, { onProcessingTime: handler })
      for (const timestamp of [100, 200, 300]) await processingTime.register({ key: `s${index}`, timestamp })
    }
    await eventually(() => clock.pending.size > 0, 'a wake-up')
    assert.is(clock.pending.size, 1)
    clock.nowMs = 200
    clock.wakeAll()
    await eventually(() => handler.fired.length === 10, 'ten timers')
    assert.ok(handler.fired.every(({ timestamp }) => timestamp <= 200))
  })
})

test('9. many services that start at once look at the clock as often, each, as a few do', async () => {
  /** How often the clock is read for each of so many services. */
  const readsEach = async (count: number): Promise<number> => {
    let reads = 0
    const clock = new (class extends HeldClock {
      override now(): number {
        reads++
        return super.now()
      }
    })(20)
    await withStore({ clock }, async (store) => {
      const handler = recorder()
      const services = await Promise.all(
        Array.from({ length: count }, (_, n) => store.service(`service ${n}`, { onProcessingTime: handler })),
      )
      await Promise.all(
        services.map(({ processingTime }) => processingTime.register({ key: 'a', timestamp: 10 })),
      )
      await eventually(() => handler.fired.length === count, 'the pass')
      for (const { processingTime } of services) await eventually(() => processingTime.count === 0)
    })
    return reads / count
  }
  const few = await readsEach(2)
  const many = await readsEach(14)
  assert.ok(many <= 2 * few, `${many} reads for each of 14 services, ${few} for each of 2`)
})

test('9. the clock is read again in a pass: what becomes due meanwhile fires in it', async () => {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store) => {
    const handler = recorder(({ key }) => {
      if (key === 'slow') void clock.advanceTo(50)
    })
    const orders = await store.service('orders', { onProcessingTime: handler })
    await orders.processingTime.register({ key: 'slow', timestamp: 10 })
    await orders.processingTime.register({ key: 'next', timestamp: 40 })
    await clock.advanceTo(10)
    assert.equal(handler.names(), ['slow@10', 'next@40'])
  })
})

test.run()
