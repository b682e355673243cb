// Semantics 1 to 3 and 5: what a timer is known by, what calls answer, in which order they take effect.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { copyAsCrashed } from '../support/crash.ts'
import { lines, linesOf } from '../support/picture.ts'
import { names, recorder } from '../support/recorder.ts'
import { rejects } from '../support/refusals.ts'
import { all, inStore, withStore } from '../support/store.ts'

const texts = [
  '',
  'a',
  'ab',
  'abc',
  'b',
  'bc',
  'c',
  '\0',
  'a\0',
  '\0a',
  '\0\0',
  '\u0001',
  '\u0001\u0001',
  '\u0001\u0002',
  '\0\u0002',
  '\u0001"a"',
  'é',
  'e\u0301',
  '\uffff',
  '😀',
  '\u{10ffff}',
]

test('1. the same triple in the other time domain is another timer', async () => {
  await withStore({}, async (store) => {
    const orders = await store.service('orders')
    const timer = { key: 'a', namespace: 'n', timestamp: 5 }
    assert.is(await orders.eventTime.register(timer), true)
    assert.is(await orders.processingTime.has(timer), false)
    assert.is(await orders.processingTime.delete(timer), false)
    assert.is(await orders.processingTime.register(timer), true)
    assert.is(await orders.eventTime.delete(timer), true)
    assert.is(await orders.processingTime.has(timer), true)
    assert.equal([orders.eventTime.count, orders.processingTime.count], [0, 1])
  })
})

test('1. the same triple in another service is another timer', async () => {
  await withStore({}, async (store) => {
    const orders = await store.service('orders')
    const visits = await store.service('visits')
    const timer = { key: 'a', timestamp: 5 }
    assert.is(await orders.eventTime.register(timer), true)
    assert.is(await visits.eventTime.register(timer), true)
    assert.is(await orders.eventTime.delete(timer), true)
    assert.is(await visits.eventTime.has(timer), true)
    assert.equal([orders.eventTime.count, visits.eventTime.count], [0, 1])
  })
})

test('1. a timer differs by its key, its namespace and its timestamp, and a delete hits one', async () => {
  await withStore({}, async (store, _, reopen) => {
    const orders = await store.service('orders')
    const timers = ['a', 'b'].flatMap((key) =>
      ['', 'n'].flatMap((namespace) => [1, 2].map((timestamp) => ({ key, namespace, timestamp }))),
    )
    for (const timer of timers) assert.is(await orders.eventTime.register(timer), true)
    assert.is(orders.eventTime.count, 8)
    assert.is(await orders.eventTime.delete(timers[3]!), true)
    const again = await (await reopen()).service('orders')
    for (const [index, timer] of timers.entries()) assert.is(await again.eventTime.has(timer), index !== 3)
  })
})

test('2. register says true once and then false, delete says true once and then false', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    const timer = { key: 'a', timestamp: 5 }
    assert.is(await eventTime.delete(timer), false)
    assert.is(await eventTime.register(timer), true)
    assert.is(await eventTime.register(timer), false)
    assert.is(await eventTime.register(timer), false)
    assert.is(eventTime.count, 1)
    assert.is(await eventTime.delete(timer), true)
    assert.is(await eventTime.delete(timer), false)
    assert.is(await eventTime.register(timer), true)
  })
})

test('2. registered twice, a timer fires once', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await orders.eventTime.register({ key: 'a', timestamp: 5 })
    await orders.eventTime.register({ key: 'a', timestamp: 5 })
    assert.equal(await orders.advanceWatermark(5), { fired: 1 })
    assert.equal(handler.names(), ['a@5'])
  })
})

test('2. deleting what is absent, and registering what is the same, writes nothing', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'a', timestamp: 5 })
    const { version, log } = store.stats()
    assert.is(await eventTime.delete({ key: 'a', timestamp: 6 }), false)
    assert.is(await eventTime.delete({ key: 'b', timestamp: 5 }), false)
    assert.is(await eventTime.deleteAll({ key: 'b' }), 0)
    assert.is(await eventTime.register({ key: 'a', timestamp: 5 }), false)
    assert.is(store.stats().version, version)
    assert.equal(store.stats().log, log)
  })
})

test('2. registering again changes the payload, and nothing else', async () => {
  const handler = recorder()
  await withStore({}, async (store, _, reopen) => {
    const definition = { payload: z.string().optional(), onEventTime: handler }
    const { eventTime } = await store.service('orders', definition)
    await eventTime.register({ key: 'a', timestamp: 5, payload: 'first' })
    await eventTime.register({ key: 'b', timestamp: 5, payload: 'other' })
    await eventTime.register({ key: 'c', timestamp: 5, payload: 'third' })
    assert.is(await eventTime.register({ key: 'a', timestamp: 5, payload: 'second' }), false)
    assert.is(await eventTime.register({ key: 'c', timestamp: 5 }), false)
    assert.is(eventTime.count, 3)
    const orders = await (await reopen()).service('orders', definition)
    await orders.advanceWatermark(5)
    assert.equal(
      handler.fired.map(({ key, payload }) => [key, payload]),
      [
        ['a', 'second'],
        ['b', 'other'],
        ['c', undefined],
      ],
    )
  })
})

test('2. what a promise said survives the end of the process', async () => {
  await withStore({}, async (store, directory) => {
    const orders = await store.service('orders', { payload: z.int() })
    const crashes: { copy: string; expected: string[] }[] = []
    const crash = async () => {
      const copy = `${directory}-${crashes.length}`
      await copyAsCrashed(directory, copy)
      crashes.push({ copy, expected: await linesOf(store) })
    }
    await orders.eventTime.register({ key: 'a', timestamp: 1, payload: 1 })
    await crash()
    await orders.eventTime.register({ key: 'a', timestamp: 1, payload: 2 })
    await crash()
    await orders.eventTime.registerMany([1, 2, 3].map((timestamp) => ({ key: 'b', timestamp, payload: 3 })))
    await crash()
    await orders.eventTime.replace({ key: 'b', timestamp: 9, payload: 4 })
    await crash()
    await orders.eventTime.delete({ key: 'a', timestamp: 1 })
    await crash()
    await orders.eventTime.deleteAll({ key: 'b' })
    await crash()
    assert.equal(
      crashes.map(({ expected }) => expected.length),
      [1, 1, 4, 2, 1, 0],
    )
    for (const { copy, expected } of crashes) {
      await inStore(copy, {}, async (crashed) => assert.equal(await linesOf(crashed), expected))
    }
  })
})

test('3. calls take effect in the order in which they were made, awaited or not', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders', { payload: z.int().optional() })
    const a = { key: 'a', timestamp: 1 }
    const answers = await Promise.all([
      eventTime.has(a),
      eventTime.register(a),
      eventTime.has(a),
      eventTime.register({ ...a, payload: 1 }),
      eventTime.delete(a),
      eventTime.has(a),
      eventTime.delete(a),
      eventTime.register(a),
      eventTime.deleteAll({ key: 'a' }),
      eventTime.register(a),
      eventTime.registerMany([a, { key: 'a', timestamp: 2 }, { key: 'a', timestamp: 3 }]),
      eventTime.replace({ key: 'a', timestamp: 4 }),
      eventTime.register({ key: 'a', timestamp: 4 }),
      eventTime.register({ key: 'a', timestamp: 5 }),
      eventTime.deleteAll({ key: 'a', namespace: '' }),
      eventTime.delete({ key: 'a', timestamp: 5 }),
      eventTime.replace({ key: 'a', timestamp: 6 }),
    ])
    assert.equal(answers, [
      false,
      true,
      true,
      false,
      true,
      false,
      false,
      true,
      1,
      true,
      2,
      [1, 2, 3],
      false,
      true,
      2,
      false,
      [],
    ])
    assert.equal(names(await all(eventTime.list({}))), ['a@6'])
  })
})

test('3. the order holds over services, time domains, and many commits', async () => {
  await withStore({}, async (store) => {
    const services = await Promise.all(['x', 'y'].map((name) => store.service(name)))
    const queues = services.flatMap(({ eventTime, processingTime }) => [eventTime, processingTime])
    const answers: Promise<boolean>[] = []
    const expected: boolean[] = []
    for (let round = 0; round < 500; round++) {
      for (const queue of queues) {
        const timer = { key: `k${round % 7}`, timestamp: round % 3 }
        answers.push(queue.register(timer), queue.delete(timer), queue.delete(timer), queue.register(timer))
        expected.push(round < 21, true, false, true)
      }
    }
    assert.equal(await Promise.all(answers), expected)
    for (const queue of queues) assert.is(queue.count, 21)
  })
})

test('3. a snapshot, a list and a next see the calls made before them; a snapshot and a next, none made after', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    const pending: Promise<unknown>[] = [eventTime.register({ key: 'a', timestamp: 2 })]
    const next = eventTime.next()
    const snapshot = store.snapshot()
    pending.push(eventTime.register({ key: 'b', timestamp: 1 }), eventTime.delete({ key: 'a', timestamp: 2 }))
    const taken = await snapshot
    assert.equal(names(await all(taken.timers())), ['a@2'])
    await Promise.all(pending)
    assert.equal(names(await all(taken.timers())), ['a@2'])
    await taken.release()
    void eventTime.register({ key: 'c', timestamp: 3 })
    assert.equal(names(await all(eventTime.list({}))), ['b@1', 'c@3'])
    void eventTime.register({ key: 'd', timestamp: 0 })
    assert.is((await eventTime.next())?.key, 'd')
    assert.is((await next)?.key, 'a')
  })
})

test('3. a watermark advances after the calls made before it, awaited or not', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await orders.eventTime.register({ key: 'gone', timestamp: 1 })
    const [, , outcome] = await Promise.all([
      orders.eventTime.register({ key: 'a', timestamp: 2 }),
      orders.eventTime.delete({ key: 'gone', timestamp: 1 }),
      orders.advanceWatermark(2),
    ])
    assert.equal(outcome, { fired: 1 })
    assert.equal(handler.names(), ['a@2'])
  })
})

test("5. 'a' and 'bc' is not 'ab' and 'c': no two of these keys and namespaces are one timer", async () => {
  const handler = recorder()
  await withStore({}, async (store, _, reopen) => {
    const definition = { onEventTime: handler }
    const { eventTime } = await store.service('orders', definition)
    const timers = texts.flatMap((key) => texts.map((namespace) => ({ key, namespace, timestamp: 7 })))
    for (const timer of timers) assert.is(await eventTime.register(timer), true, JSON.stringify(timer))
    assert.is(eventTime.count, texts.length ** 2)
    const orders = await (await reopen()).service('orders', definition)
    for (const timer of timers) assert.is(await orders.eventTime.has(timer), true, JSON.stringify(timer))
    await orders.advanceWatermark(7)
    assert.equal(
      handler.fired.map(({ key, namespace }) => [key, namespace]),
      timers.map(({ key, namespace }) => [key, namespace]),
    )
    assert.is(orders.eventTime.count, 0)
  })
})

test('5. NUL, U+0001 and astral characters come back in lists, snapshots and by key', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    for (const [index, key] of texts.entries()) {
      await eventTime.register({ key, namespace: texts.at(-1 - index)!, timestamp: index })
    }
    assert.equal(
      (await all(eventTime.list({}))).map(({ key, namespace }) => [key, namespace]),
      texts.map((key, index) => [key, texts.at(-1 - index)]),
    )
    const snapshot = await store.snapshot()
    assert.equal(
      lines(await all(snapshot.timers())),
      texts
        .map((key, index) => JSON.stringify(['orders', 'eventTime', key, texts.at(-1 - index), index, null]))
        .sort(),
    )
    await snapshot.release()
    for (const key of texts) assert.is((await all(eventTime.list({ key }))).length, 1, JSON.stringify(key))
    for (const key of texts) assert.is(await eventTime.deleteAll({ key }), 1, JSON.stringify(key))
  })
})

test('5. keys need not be strings: 1 is not "1", and the order of properties does not matter', async () => {
  const key = z.union([z.string(), z.number(), z.object({ tenant: z.string(), order: z.int() })])
  await withStore({}, async (store, _, reopen) => {
    const { eventTime } = await store.service('orders', { key })
    const keys = [1, '1', '"1"', '', 'null', -1.5, { tenant: 'a', order: 1 }, '{"order":1,"tenant":"a"}']
    for (const one of keys) assert.is(await eventTime.register({ key: one, timestamp: 0 }), true)
    assert.is(await eventTime.register({ key: { order: 1, tenant: 'a' }, timestamp: 0 }), false)
    const again = await (await reopen()).service('orders', { key })
    assert.equal(
      (await all(again.eventTime.list({}))).map((timer) => timer.key),
      keys,
    )
  })
})

test('5. a key is stored encoded, and handed out decoded', async () => {
  const day = z.codec(z.iso.datetime(), z.date(), {
    decode: (text) => new Date(text),
    encode: (date) => date.toISOString(),
  })
  const handler = recorder()
  await withStore({}, async (store) => {
    const definition = {
      key: day,
      namespace: z.enum(['open', 'close']),
      payload: z.object({ at: day }),
      onEventTime: handler,
    }
    const orders = await store.service('days', definition)
    const date = new Date('2024-02-29T00:00:00.000Z')
    const timer = { key: date, namespace: 'open' as const, timestamp: 1, payload: { at: date } }
    await orders.eventTime.register(timer)
    assert.equal(await all(orders.eventTime.list({ key: new Date(date) })), [timer])
    const snapshot = await store.snapshot()
    const [stored] = await all(snapshot.timers())
    await snapshot.release()
    assert.is(stored?.key, date.toISOString())
    assert.equal(stored?.payload, { at: date.toISOString() })
    await orders.advanceWatermark(1)
    assert.equal(handler.fired, [timer])
  })
})

test('5. a namespace that is left out is the empty one', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    assert.is(await orders.eventTime.register({ key: 'a', timestamp: 1 }), true)
    assert.is(await orders.eventTime.register({ key: 'a', namespace: '', timestamp: 1 }), false)
    assert.is(await orders.eventTime.has({ key: 'a', namespace: '', timestamp: 1 }), true)
    assert.is(await orders.eventTime.register({ key: 'a', namespace: 'n', timestamp: 1 }), true)
    assert.is(await orders.eventTime.deleteAll({ key: 'a', namespace: '' }), 1)
    assert.is(await orders.eventTime.has({ key: 'a', namespace: 'n', timestamp: 1 }), true)
    await orders.eventTime.register({ key: 'b', timestamp: 1 })
    await orders.advanceWatermark(1)
    assert.equal(
      handler.fired.map(({ key, namespace }) => [key, namespace]),
      [
        ['a', 'n'],
        ['b', ''],
      ],
    )
  })
})

test('5. a namespace whose schema has no empty text cannot be left out', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders', { namespace: z.enum(['payment', 'delivery']) })
    await rejects(
      () => eventTime.register({ key: 'a', timestamp: 1 }),
      'TIDEMARK_INVALID_ARGUMENT',
      'namespace',
    )
    assert.is(eventTime.count, 0)
  })
})

test('5. a lone surrogate is refused in a key and in a namespace', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    for (const lone of ['\ud800', 'a\udc00', '\udc00\ud800', '😀\ud83d']) {
      const timer = { key: 'a', namespace: 'n', timestamp: 1 }
      await rejects(
        () => eventTime.register({ ...timer, key: lone }),
        'TIDEMARK_INVALID_ARGUMENT',
        'key',
        /surrogate/,
      )
      await rejects(
        () => eventTime.register({ ...timer, namespace: lone }),
        'TIDEMARK_INVALID_ARGUMENT',
        'namespace',
        /surrogate/,
      )
    }
    assert.is(eventTime.count, 0)
  })
})

test('5. the longest key, namespace and payload are taken, and one byte more is refused', async () => {
  const handler = recorder()
  await withStore({}, async (store, _, reopen) => {
    const definition = { payload: z.string().optional(), onEventTime: handler }
    const { eventTime } = await store.service('orders', definition)
    const longest = ['x', 'é', '€', '😀', '\0'].map((character) => {
      const bytes = Buffer.byteLength(character)
      return 'x'.repeat(1024 % bytes) + character.repeat(Math.floor(1024 / bytes))
    })
    const payload = 'p'.repeat(65_534)
    for (const [index, text] of longest.entries()) {
      assert.is(await eventTime.register({ key: text, namespace: text, timestamp: index, payload }), true)
      const tooLong = `${text}x`
      const invalid = 'TIDEMARK_INVALID_ARGUMENT'
      await rejects(() => eventTime.register({ key: tooLong, timestamp: 1 }), invalid, 'key', '1024')
      await rejects(
        () => eventTime.register({ key: 'a', namespace: tooLong, timestamp: 1 }),
        invalid,
        'namespace',
        '1024',
      )
      await rejects(() => eventTime.delete({ key: tooLong, timestamp: 1 }), invalid, 'key', '1024')
      await rejects(() => eventTime.has({ key: tooLong, timestamp: 1 }), invalid, 'key', '1024')
    }
    await rejects(
      () => eventTime.register({ key: 'a', timestamp: 1, payload: `${payload}p` }),
      'TIDEMARK_INVALID_ARGUMENT',
      'payload',
      '65536',
    )
    assert.is(eventTime.count, longest.length)
    const orders = await (await reopen()).service('orders', definition)
    assert.equal(await orders.advanceWatermark(longest.length), { fired: longest.length })
    assert.equal(
      handler.fired.map(({ key, namespace }) => [key, namespace]),
      longest.map((text) => [text, text]),
    )
    assert.ok(handler.fired.every((timer) => timer.payload === payload))
  })
})

test.run()
