// Named services: schemas that stay, handlers that come later, names of every kind.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { ManualClock } from '../../src/testing.ts'
import { turns } from '../support/eventually.ts'
import { recorder } from '../support/recorder.ts'
import { rejects } from '../support/refusals.ts'
import { all, withStore } from '../support/store.ts'

const least = -Number.MAX_SAFE_INTEGER

test('a service started twice is one instance, and its first handlers stay', async () => {
  const first = recorder()
  const second = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { key: z.string(), onEventTime: first })
    assert.is(await store.service('orders', { key: z.string(), onEventTime: second }), orders)
    assert.is(await store.service('orders', { key: z.string() }), orders)
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.advanceWatermark(1)
    assert.equal([first.names(), second.names()], [['a@1'], []])
  })
})

test('two starts at once are one instance', async () => {
  await withStore({}, async (store) => {
    const services = await Promise.all([
      store.service('orders'),
      store.service('orders'),
      store.service('orders'),
    ])
    assert.ok(services.every((service) => service === services[0]))
    assert.is(services[0].name, 'orders')
  })
})

test('with other schemas a service is refused, now and after reopening, and told why', async () => {
  await withStore({}, async (store, _, reopen) => {
    const definition = { key: z.int(), namespace: z.enum(['a', 'b']), payload: z.object({ n: z.int() }) }
    await store.service('orders', definition)
    const others: object[] = [
      {},
      { ...definition, key: z.string() },
      { ...definition, namespace: z.enum(['a', 'c']) },
      { ...definition, payload: z.object({ n: z.string() }) },
      { key: definition.key, namespace: definition.namespace },
    ]
    for (const other of others)
      await rejects(() => store.service('orders', other), 'TIDEMARK_SERVICE_MISMATCH', 'orders')
    await store.service('orders', definition)
    const again = await reopen()
    for (const other of others)
      await rejects(() => again.service('orders', other), 'TIDEMARK_SERVICE_MISMATCH', 'orders')
    await again.service('orders', { ...definition, payload: z.object({ n: z.int() }) })
    assert.equal(Object.keys(again.stats().services), ['orders'])
  })
})

test('of two starts at once with different schemas, the first one counts', async () => {
  await withStore({}, async (store) => {
    const [first, second] = await Promise.allSettled([
      store.service('orders', { key: z.int() }),
      store.service('orders', { key: z.string() }),
    ])
    assert.is(first.status, 'fulfilled')
    assert.is(second.status, 'rejected')
  })
})

test('the default of a key and of a namespace is z.string()', async () => {
  await withStore({}, async (store, _, reopen) => {
    await store.service('orders')
    const again = await reopen()
    await again.service('orders', { key: z.string(), namespace: z.string() })
  })
})

test('equal schemas are equal in whatever order their properties were written', async () => {
  await withStore({}, async (store, _, reopen) => {
    await store.service('orders', { payload: z.object({ a: z.string(), b: z.int() }) })
    await (await reopen()).service('orders', { payload: z.object({ b: z.int(), a: z.string() }) })
  })
})

test('a service that is stored and not started keeps its timers and fires nothing', async () => {
  const clock = new ManualClock(0)
  const handler = recorder()
  await withStore({ clock }, async (store, _, reopen) => {
    const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
    await orders.eventTime.register({ key: 'e', timestamp: 1 })
    await orders.processingTime.register({ key: 'p', timestamp: 1 })
    const again = await reopen()
    const visits = await again.service('visits', { onEventTime: handler, onProcessingTime: handler })
    await clock.advanceTo(100)
    await visits.advanceWatermark(100)
    assert.equal(handler.names(), [])
    assert.equal(again.stats().services.orders, { watermark: least, eventTime: 1, processingTime: 1 })
    const started = await again.service('orders', { onEventTime: handler, onProcessingTime: handler })
    await clock.advanceBy(0)
    assert.equal(handler.take(), ['p@1'])
    await started.advanceWatermark(1)
    assert.equal(handler.take(), ['e@1'])
  })
})

test('a domain without a handler fires nothing and keeps its timers', async () => {
  const clock = new ManualClock(0)
  const handler = recorder()
  await withStore({ clock }, async (store, _, reopen) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await orders.eventTime.register({ key: 'e', timestamp: 1 })
    await orders.processingTime.register({ key: 'p', timestamp: 1 })
    await clock.advanceTo(10)
    await orders.advanceWatermark(10)
    assert.equal(handler.take(), ['e@1'])
    assert.is(orders.processingTime.count, 1)
    await (await reopen()).service('orders', { onProcessingTime: handler })
    await clock.advanceBy(0)
    assert.equal(handler.take(), ['p@1'])
  })
})

test('names of every kind are services of their own, and come back', async () => {
  const given = [
    'a',
    'A',
    'a b',
    'a\0b',
    '\0',
    '\u0001',
    'é',
    '😀',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '0',
    '-',
    'x'.repeat(256),
  ]
  await withStore({}, async (store, _, reopen) => {
    for (const [index, name] of given.entries()) {
      const { eventTime } = await store.service(name)
      assert.is(eventTime.count, 0, name)
      await eventTime.register({ key: name, timestamp: index })
    }
    const again = await reopen()
    const { services } = again.stats()
    assert.equal(Object.keys(services).sort(), [...given].sort())
    for (const [index, name] of given.entries()) {
      assert.is(services[name]?.eventTime, 1, name)
      assert.equal(
        (await all((await again.service(name)).eventTime.list({}))).map((timer) => timer.timestamp),
        [index],
      )
    }
    const snapshot = await again.snapshot()
    assert.equal((await all(snapshot.timers())).map(({ service }) => service).sort(), [...given].sort())
    await snapshot.release()
  })
})

test('a bad name or definition is refused, and makes no service', async () => {
  await withStore({}, async (store) => {
    const { version } = store.stats()
    const name = [undefined, null, '', 5, {}, 'x'.repeat(257), 'é'.repeat(129), '\ud800']
    for (const bad of name)
      await rejects(() => store.service(bad as string), 'TIDEMARK_INVALID_ARGUMENT', 'name')
    const definitions: [object, string][] = [
      [{ key: 'string' }, 'key'],
      [{ namespace: {} }, 'namespace'],
      [{ payload: 5 }, 'payload'],
      [{ key: z.bigint() }, 'key'],
      [{ payload: z.map(z.string(), z.string()) }, 'payload'],
      [{ onEventTime: 'fire' }, 'onEventTime'],
      [{ onProcessingTime: {} }, 'onProcessingTime'],
      [{ onTimer: () => {} }, 'onTimer'],
      [{ Key: z.string() }, 'Key'],
    ]
    for (const [definition, field] of definitions) {
      await rejects(() => store.service('orders', definition), 'TIDEMARK_INVALID_ARGUMENT', field)
    }
    await rejects(() => store.service('orders', null as never), 'TIDEMARK_INVALID_ARGUMENT')
    assert.is(store.stats().version, version)
    assert.equal(store.stats().services, {})
  })
})

test('a payload schema may refer to itself', async () => {
  const tree = z.object({
    name: z.string(),
    get children() {
      return z.array(tree)
    },
  })
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { payload: tree, onEventTime: handler })
    const payload = { name: 'a', children: [{ name: 'b', children: [] }] }
    await orders.eventTime.register({ key: 'a', timestamp: 1, payload })
    await orders.advanceWatermark(1)
    assert.equal(handler.fired[0]?.payload, payload)
  })
})

test('a store takes as many services as the limit says, and refuses one more', async () => {
  await withStore({}, async (store, _, reopen) => {
    await Promise.all(Array.from({ length: 4096 }, (_, i) => store.service(`service ${i}`)))
    await rejects(() => store.service('one more'), 'TIDEMARK_INVALID_ARGUMENT', '4096', 'one more')
    const last = await (await reopen()).service('service 4095')
    assert.is(await last.eventTime.register({ key: 'a', timestamp: 1 }), true)
  })
})

test('a watermark and a clock are told per service', async () => {
  const clock = new ManualClock(77)
  await withStore({ clock }, async (store) => {
    const orders = await store.service('orders')
    assert.is(orders.currentProcessingTime(), 77)
    await clock.advanceTo(80)
    assert.is(orders.currentProcessingTime(), 80)
    await orders.advanceWatermark(5)
    await turns(1)
    assert.equal(store.stats().services, { orders: { watermark: 5, eventTime: 0, processingTime: 0 } })
  })
})

test.run()
