// Semantics 8: the order in which timers fire is total, and stays the same whatever happens to the store.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { keyGroupOf } from '../../src/timer/keygroup.ts'
import { randomFrom, seed } from '../support/random.ts'
import { names, recorder } from '../support/recorder.ts'
import { all, inStore, type Store, withStore } from '../support/store.ts'

/** Keys of many key groups, in no order of any kind. */
const keys = ['zebra', 'a', 'mule', '', '😀', 'b', 'order-42', 'hello', 'café', '\0', 'key-1']
const ties = keys.map((key) => `${key}@5`)

async function register(store: Store): Promise<void> {
  const { eventTime } = await store.service('orders')
  await eventTime.register({ key: 'later', timestamp: 6 })
  for (const key of keys) await eventTime.register({ key, timestamp: 5 })
  await eventTime.register({ key: 'sooner', timestamp: 4 })
}

test('8. by timestamp; at the same timestamp, first registered fires first', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await register(store)
    assert.equal(names(await all(orders.eventTime.list({}))), ['sooner@4', ...ties, 'later@6'])
    await orders.advanceWatermark(10)
    assert.equal(handler.names(), ['sooner@4', ...ties, 'later@6'])
  })
})

test('8. at the same timestamp, first registered fires first, also when one commit holds them all', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await Promise.all(keys.map((key) => orders.eventTime.register({ key, timestamp: 5 })))
    await orders.advanceWatermark(10)
    assert.equal(handler.take(), ties)
    await orders.eventTime.registerMany(keys.map((key) => ({ key, timestamp: 5 })))
    await orders.advanceWatermark(10)
    assert.equal(handler.take(), ties)
  })
})

test('8. at the same timestamp, first registered fires first, in every namespace', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    for (const namespace of ['z', '', 'a'])
      await orders.eventTime.register({ key: 'k', namespace, timestamp: 5 })
    await orders.advanceWatermark(5)
    assert.equal(
      handler.fired.map(({ namespace }) => namespace),
      ['z', '', 'a'],
    )
  })
})

test('8. in processing time the order is the same', async () => {
  const clock = new ManualClock(0)
  const handler = recorder()
  await withStore({ clock }, async (store) => {
    const orders = await store.service('orders', { onProcessingTime: handler })
    await orders.processingTime.register({ key: 'later', timestamp: 6 })
    for (const key of keys) await orders.processingTime.register({ key, timestamp: 5 })
    await orders.processingTime.register({ key: 'sooner', timestamp: 4 })
    await clock.advanceTo(10)
    assert.equal(handler.names(), ['sooner@4', ...ties, 'later@6'])
  })
})

test('8. at the same timestamp, first registered fires first, also after reopening', async () => {
  const handler = recorder()
  await withStore({}, async (store, _, reopen) => {
    await register(store)
    const again = await reopen()
    await (await again.service('orders')).eventTime.register({ key: 'last', timestamp: 5 })
    const orders = await (await reopen()).service('orders', { onEventTime: handler })
    await orders.advanceWatermark(5)
    assert.equal(handler.names(), ['sooner@4', ...ties, 'last@5'])
  })
})

test('8. at the same timestamp, first registered fires first, also after a restore', async () => {
  const handler = recorder()
  await withStore({}, async (store, directory) => {
    await register(store)
    const { path } = await store.checkpoint(`${directory}-checkpoints`)
    const restored = `${directory}-restored`
    await TimerStore.restore(path, restored)
    await inStore(restored, {}, async (again) => {
      const orders = await again.service('orders', { onEventTime: handler })
      await orders.eventTime.register({ key: 'last', timestamp: 5 })
      await orders.advanceWatermark(6)
      assert.equal(handler.names(), ['sooner@4', ...ties, 'last@5', 'later@6'])
    })
  })
})

test('8. at the same timestamp, first registered fires first, also after a rescale', async () => {
  await withStore({}, async (store, directory) => {
    await register(store)
    const { path } = await store.checkpoint(`${directory}-checkpoints`)
    const fired: string[] = []
    for (const keyGroups of [
      { start: 0, end: 63 },
      { start: 64, end: 127 },
    ]) {
      const handler = recorder()
      const part = `${directory}-${keyGroups.start}`
      await TimerStore.restore(path, part, { keyGroups })
      await inStore(part, {}, async (again) => {
        const orders = await again.service('orders', { onEventTime: handler })
        await orders.advanceWatermark(6)
      })
      const mine = ['sooner@4', ...ties, 'later@6'].filter((name) => {
        const keyGroup = keyGroupOf(name.slice(0, -2), 128)
        return keyGroup >= keyGroups.start && keyGroup <= keyGroups.end
      })
      assert.equal(handler.names(), mine)
      fired.push(...handler.names())
    }
    assert.is(fired.length, keys.length + 2)
  })
})

test('8. a changed payload keeps the place; deleted and registered again, a timer goes to the end', async () => {
  const handler = recorder()
  await withStore({}, async (store, _, reopen) => {
    const definition = { payload: z.int().optional(), onEventTime: handler }
    const { eventTime } = await store.service('orders', definition)
    for (const key of ['a', 'b', 'c', 'd', 'e']) await eventTime.register({ key, timestamp: 5 })
    await eventTime.register({ key: 'd', timestamp: 5, payload: 1 })
    await eventTime.delete({ key: 'a', timestamp: 5 })
    await eventTime.register({ key: 'a', timestamp: 5 })
    await Promise.all([
      eventTime.delete({ key: 'b', timestamp: 5 }),
      eventTime.register({ key: 'b', timestamp: 5 }),
    ])
    await eventTime.replace({ key: 'c', timestamp: 5, payload: 2 })
    const orders = await (await reopen()).service('orders', definition)
    await orders.advanceWatermark(5)
    assert.equal(handler.names(), ['c@5', 'd@5', 'e@5', 'a@5', 'b@5'])
  })
})

test('8. a timer that a handler registers at or below the watermark takes its place in the running drain', async () => {
  const registers: Record<string, [string, number][]> = {
    'a@1': [
      ['past', -7],
      ['same', 1],
      ['between', 3],
      ['at the watermark', 10],
      ['beyond', 11],
    ],
    'past@-7': [['deeper', -8]],
    'between@3': [['between', 4]],
    'b@5': [['same as b', 5]],
  }
  const handler = recorder(async ({ key, timestamp }, { eventTime }) => {
    for (const [other, at] of registers[`${key}@${timestamp}`] ?? []) {
      assert.is(await eventTime.register({ key: other, timestamp: at }), true)
    }
  })
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    for (const [key, timestamp] of [
      ['a', 1],
      ['also', 1],
      ['b', 5],
      ['c', 5],
      ['d', 10],
    ] as const) {
      await orders.eventTime.register({ key, timestamp })
    }
    const { fired } = await orders.advanceWatermark(10)
    const expected = [
      'a@1',
      'past@-7',
      'deeper@-8',
      'also@1',
      'same@1',
      'between@3',
      'between@4',
      'b@5',
      'c@5',
      'same as b@5',
      'd@10',
      'at the watermark@10',
    ]
    assert.equal(handler.names(), expected)
    assert.is(fired, expected.length)
    assert.equal(names(await all(orders.eventTime.list({}))), ['beyond@11'])
  })
})

test('8. a timer that a handler deletes before its turn does not fire', async () => {
  const handler = recorder(async ({ key }, { eventTime }) => {
    if (key !== 'a') return
    assert.is(await eventTime.delete({ key: 'next', timestamp: 1 }), true)
    assert.is(await eventTime.delete({ key: 'after', timestamp: 2 }), true)
    assert.is(await eventTime.deleteAll({ key: 'whole' }), 3)
    assert.equal(await eventTime.replace({ key: 'moved', timestamp: 9 }), [4])
  })
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await orders.eventTime.registerMany([
      { key: 'a', timestamp: 1 },
      { key: 'next', timestamp: 1 },
      { key: 'after', timestamp: 2 },
      { key: 'stays', timestamp: 2 },
      { key: 'whole', timestamp: 1 },
      { key: 'whole', timestamp: 3 },
      { key: 'whole', namespace: 'n', timestamp: 3 },
      { key: 'moved', timestamp: 4 },
    ])
    assert.equal(await orders.advanceWatermark(5), { fired: 2 })
    assert.equal(handler.names(), ['a@1', 'stays@2'])
    assert.equal(names(await all(orders.eventTime.list({}))), ['moved@9'])
  })
})

test('8. a timer deleted from outside before its turn does not fire either', async () => {
  const handler = recorder(({ key }) => {
    if (key === 'a') void orders.eventTime.delete({ key: 'b', timestamp: 1 })
  })
  let orders!: Awaited<ReturnType<Store['service']>>
  await withStore({}, async (store) => {
    orders = await store.service('orders', { onEventTime: handler })
    for (const key of ['a', 'b', 'c']) await orders.eventTime.register({ key, timestamp: 1 })
    await orders.advanceWatermark(1)
    assert.equal(handler.names(), ['a@1', 'c@1'])
  })
})

test('8. a timer that registers itself again fires again at once, and is new', async () => {
  let left = 3
  const handler = recorder(async ({ key, timestamp }, { eventTime }) => {
    assert.is(await eventTime.has({ key: key as string, timestamp }), false)
    if (key === 'a' && left-- > 0) assert.is(await eventTime.register({ key, timestamp }), true)
  })
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.eventTime.register({ key: 'b', timestamp: 1 })
    assert.equal(await orders.advanceWatermark(1), { fired: 5 })
    assert.equal(handler.names(), ['a@1', 'b@1', 'a@1', 'a@1', 'a@1'])
    assert.is(orders.eventTime.count, 0)
  })
})

test('8. changed through its service while its handler runs, a timer stands, and is next', async () => {
  const clock = new ManualClock(0)
  const most = Number.MAX_SAFE_INTEGER
  for (const domain of ['eventTime', 'processingTime'] as const) {
    // At the ends of time, too, where no number lies between two timestamps.
    for (const timestamps of [
      [1, 2, 3],
      [most - 2, most - 1, most],
      [-most, 1 - most, 2 - most],
    ]) {
      await withStore({ clock }, async (store) => {
        const handler = recorder(async ({ key, timestamp, payload }) => {
          if (payload === 'old') await queue.register({ key: String(key), timestamp, payload: 'new' })
        })
        const definition = { payload: z.string(), onEventTime: handler, onProcessingTime: handler }
        const orders = await store.service('orders', definition)
        const queue = orders[domain]
        const timers = timestamps.flatMap((timestamp) => [
          { key: 'a', timestamp, payload: 'old' },
          { key: 'b', timestamp, payload: 'old' },
        ])
        await queue.registerMany(timers)
        await (domain === 'eventTime' ? orders.advanceWatermark(most) : clock.advanceTo(most))
        assert.equal(
          handler.fired.map(({ key, timestamp, payload }) => `${key}@${timestamp} ${payload}`),
          timers.flatMap(({ key, timestamp }) => [`${key}@${timestamp} old`, `${key}@${timestamp} new`]),
        )
        assert.is(queue.count, 0)
      })
      await clock.advanceTo(-most)
    }
  }
})

test('8. a processing-time timer that a handler registers in the past takes its place in the running pass', async () => {
  const clock = new ManualClock(0)
  const handler = recorder(async ({ key }, { processingTime }) => {
    if (key !== 'a') return
    await processingTime.register({ key: 'past', timestamp: -100 })
    await processingTime.register({ key: 'between', timestamp: 3 })
    await processingTime.register({ key: 'now', timestamp: 10 })
    await processingTime.register({ key: 'future', timestamp: 11 })
    await processingTime.delete({ key: 'gone', timestamp: 2 })
  })
  await withStore({ clock }, async (store) => {
    const orders = await store.service('orders', { onProcessingTime: handler })
    for (const [key, timestamp] of [
      ['a', 1],
      ['gone', 2],
      ['b', 5],
      ['c', 10],
    ] as const) {
      await orders.processingTime.register({ key, timestamp })
    }
    await clock.advanceTo(10)
    assert.equal(handler.names(), ['a@1', 'past@-100', 'between@3', 'b@5', 'c@10', 'now@10'])
    assert.equal(names(await all(orders.processingTime.list({}))), ['future@11'])
  })
})

test('8. the order holds over twenty thousand timers, with deletes, changes and registrations on the way', async () => {
  const random = randomFrom(seed)
  const whole = (below: number) => Math.floor(random() * below)
  interface Expected {
    key: string
    timestamp: number
    order: number
  }
  const expected = new Map<string, Expected>()
  let order = 0
  const add = (key: string, timestamp: number) => {
    const name = `${key}@${timestamp}`
    if (!expected.has(name)) expected.set(name, { key, timestamp, order: order++ })
  }
  const sorted = () => [...expected.values()].sort((a, b) => a.timestamp - b.timestamp || a.order - b.order)

  const mistakes: string[] = []
  let fired = 0
  const handler = async ({ key, timestamp }: { key: unknown; timestamp: number }, context: unknown) => {
    const { eventTime } = context as { eventTime: typeof queue }
    const name = `${key}@${timestamp}`
    const due = plan.shift()
    if (due !== name && mistakes.length < 5) mistakes.push(`${name} fired, not ${due}`)
    expected.delete(name)
    fired++
    if (fired % 97 !== 0) return
    // Something far ahead goes, something far back and something just ahead comes.
    const ahead = timestamp + 1 + whole(4000)
    for (const victim of sorted()
      .filter((one) => one.timestamp > ahead)
      .slice(0, 3)) {
      await eventTime.delete(victim)
      expected.delete(`${victim.key}@${victim.timestamp}`)
    }
    for (const at of [timestamp - 1 - whole(50), timestamp, timestamp + whole(20), ahead]) {
      add(`made ${fired}`, at)
      await eventTime.register({ key: `made ${fired}`, timestamp: at })
    }
    plan = sorted().map((one) => `${one.key}@${one.timestamp}`)
  }
  let queue!: Awaited<ReturnType<Store['service']>>['eventTime']
  let plan: string[] = []

  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    queue = orders.eventTime
    const timers = Array.from({ length: 20_000 }, () => ({ key: `k${whole(50)}`, timestamp: whole(8000) }))
    for (const { key, timestamp } of timers) add(key, timestamp)
    await queue.registerMany(timers)
    for (const { key, timestamp } of sorted().filter((_, index) => index % 11 === 0)) {
      expected.delete(`${key}@${timestamp}`)
      void queue.delete({ key, timestamp })
    }
    plan = sorted().map((one) => `${one.key}@${one.timestamp}`)
    assert.equal(names(await all(queue.list({}))), plan)
    const outcome = await orders.advanceWatermark(20_000)
    assert.equal(mistakes, [])
    assert.is(outcome.fired, fired)
    assert.is(expected.size, 0)
    assert.is(queue.count, 0)
  })
})

test('8. what handlers register far ahead, while what is due is being read, fires when its time comes', async () => {
  for (const count of [100, 500, 3000]) {
    for (const domain of ['eventTime', 'processingTime'] as const) {
      const clock = new ManualClock(0)
      await withStore({ clock }, async (store, _, reopen) => {
        const first = await store.service('orders')
        const timers = Array.from({ length: count }, (_, timestamp) => ({
          key: `k${timestamp % 5}`,
          timestamp,
        }))
        await first[domain].registerMany(timers)
        const handler = recorder(async ({ timestamp }, context) => {
          if (timestamp < count)
            await context[domain].register({ key: 'again', timestamp: timestamp + 1_000_000 })
        })
        const again = await reopen()
        const orders = await again.service('orders', { onEventTime: handler, onProcessingTime: handler })
        const moveTo = (timestamp: number) =>
          domain === 'eventTime' ? orders.advanceWatermark(timestamp) : clock.advanceTo(timestamp)
        await moveTo(count)
        assert.is(handler.fired.length, count)
        assert.is(orders[domain].count, count)
        await moveTo(2_000_000)
        assert.equal(
          handler.fired.slice(count).map(({ timestamp }) => timestamp - 1_000_000),
          timers.map(({ timestamp }) => timestamp),
          `${count} in ${domain}`,
        )
        assert.is(orders[domain].count, 0)
      })
    }
  }
})

test.run()
