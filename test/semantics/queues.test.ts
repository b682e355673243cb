// Lists, next, count and has; replace, deleteAll and registerMany.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { inTime } from '../support/eventually.ts'
import { names, recorder } from '../support/recorder.ts'
import { rejects } from '../support/refusals.ts'
import { all, type Store, spilled, verified, withStore } from '../support/store.ts'

async function filled(store: Store) {
  const orders = await store.service('orders')
  for (const [key, namespace, timestamp] of [
    ['b', 'n', 3],
    ['a', 'n', 3],
    ['a', '', 9],
    ['a', 'm', 1],
    ['b', '', 1],
    ['a', '', -4],
    ['ab', '', 2],
    ['a', 'n', 2],
  ] as const) {
    await orders.eventTime.register({ key, namespace, timestamp })
  }
  return orders.eventTime
}

function told(timers: readonly { key: unknown; namespace: unknown; timestamp: number }[]): string[] {
  return timers.map(({ key, namespace, timestamp }) => `${key}/${namespace}@${timestamp}`)
}

const due = ['a/@-4', 'a/m@1', 'b/@1', 'ab/@2', 'a/n@2', 'b/n@3', 'a/n@3', 'a/@9']

test('a list is in due order', async () => {
  await withStore({}, async (store) => {
    const queue = await filled(store)
    assert.equal(told(await all(queue.list({}))), due)
    assert.equal(told(await all(queue.list())), due)
  })
})

test("with a key, a list is that key's by namespace and timestamp, and with a namespace that namespace's", async () => {
  await withStore({}, async (store) => {
    const queue = await filled(store)
    assert.equal(told(await all(queue.list({ key: 'a' }))), ['a/@-4', 'a/@9', 'a/m@1', 'a/n@2', 'a/n@3'])
    assert.equal(told(await all(queue.list({ key: 'a', namespace: 'n' }))), ['a/n@2', 'a/n@3'])
    assert.equal(told(await all(queue.list({ key: 'a', namespace: '' }))), ['a/@-4', 'a/@9'])
    assert.equal(told(await all(queue.list({ key: 'nobody' }))), [])
    assert.equal(
      told(await all(queue.list({ namespace: 'n' }))),
      due.filter((name) => name.includes('/n')),
    )
    assert.equal(
      told(await all(queue.list({ namespace: '' }))),
      due.filter((name) => name.includes('/@')),
    )
  })
})

test("a key's list is whole, in order and each timer once, where many are recent and many were written long ago", async () => {
  await withStore({}, async (store) => {
    const queue = (await store.service('orders')).eventTime
    const timers = Array.from({ length: 6000 }, (_, i) => ({ key: 'a', timestamp: i }))
    const written = timers.filter(({ timestamp }) => timestamp % 3 === 0 || timestamp > 5000)
    await queue.registerMany(written)
    await spilled(store)
    await queue.registerMany(timers.filter((timer) => !written.includes(timer)))
    const gone = (timestamp: number) => timestamp % 7 === 0
    for (const timer of timers) if (gone(timer.timestamp)) queue.delete(timer)
    const left = timers.map(({ timestamp }) => timestamp).filter((timestamp) => !gone(timestamp))
    const listed = await all(queue.list({ key: 'a' }))
    assert.equal(
      listed.map(({ timestamp }) => timestamp),
      left,
    )
    const few = await all(queue.list({ key: 'a', from: 2990, limit: 3 }))
    assert.equal(
      few.map(({ timestamp }) => timestamp),
      left.filter((timestamp) => timestamp >= 2990).slice(0, 3),
    )
    await verified(store)
  })
})

test('a list takes its bounds and its limit, alone and together', async () => {
  await withStore({}, async (store) => {
    const queue = await filled(store)
    assert.equal(told(await all(queue.list({ from: 2 }))), due.slice(3))
    assert.equal(told(await all(queue.list({ to: 2 }))), due.slice(0, 5))
    assert.equal(told(await all(queue.list({ from: 1, to: 3 }))), due.slice(1, 7))
    assert.equal(told(await all(queue.list({ from: 2, to: 2 }))), due.slice(3, 5))
    assert.equal(told(await all(queue.list({ from: 3, to: 2 }))), [])
    for (let limit = 0; limit <= 10; limit++) {
      assert.equal(told(await all(queue.list({ limit }))), due.slice(0, limit))
      assert.equal(
        told(await all(queue.list({ key: 'a', limit }))),
        ['a/@-4', 'a/@9', 'a/m@1', 'a/n@2', 'a/n@3'].slice(0, limit),
      )
      assert.equal(
        told(await all(queue.list({ namespace: 'n', limit }))),
        due.filter((name) => name.includes('/n')).slice(0, limit),
      )
    }
    assert.equal(told(await all(queue.list({ key: 'a', from: 1, to: 3, limit: 2 }))), ['a/m@1', 'a/n@2'])
    assert.equal(told(await all(queue.list({ from: -(2 ** 53 - 1), to: 2 ** 53 - 1 }))), due)
  })
})

test('next is the earliest, or undefined', async () => {
  await withStore({}, async (store) => {
    const { eventTime: empty } = await store.service('empty')
    assert.is(await empty.next(), undefined)
    const queue = await filled(store)
    assert.equal(told([(await queue.next())!]), ['a/@-4'])
    await queue.delete({ key: 'a', timestamp: -4 })
    assert.equal(told([(await queue.next())!]), ['a/m@1'])
    await queue.register({ key: 'z', timestamp: -(2 ** 53 - 1) })
    assert.equal(told([(await queue.next())!]), ['z/@-9007199254740991'])
  })
})

test('the count is exact when a call resolves, and at once after opening', async () => {
  await withStore({}, async (store, _, reopen) => {
    const queue = await filled(store)
    assert.is(queue.count, 8)
    await queue.register({ key: 'a', timestamp: 9 })
    assert.is(queue.count, 8)
    await queue.delete({ key: 'a', timestamp: 9 })
    assert.is(queue.count, 7)
    await queue.delete({ key: 'a', timestamp: 9 })
    assert.is(queue.count, 7)
    const again = await reopen()
    assert.is(again.stats().services.orders?.eventTime, 7)
    assert.is((await again.service('orders')).eventTime.count, 7)
    assert.equal((await all((await again.service('orders')).eventTime.list())).length, 7)
  })
})

test('a list that is left early, or never read, holds nothing', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(Array.from({ length: 5000 }, (_, timestamp) => ({ key: 'a', timestamp })))
    for await (const timer of eventTime.list({})) if (timer.timestamp === 1500) break
    for await (const timer of eventTime.list({ key: 'a' })) if (timer.timestamp === 1500) break
    void eventTime.list({})
  })
})

test('changed while it is read, a list tells each timer once, and every one that stood all the time', async () => {
  for (const key of [undefined, 'a']) {
    await withStore({}, async (store) => {
      const { eventTime } = await store.service('orders')
      await eventTime.registerMany(Array.from({ length: 6000 }, (_, timestamp) => ({ key: 'a', timestamp })))
      const read: string[] = []
      for await (const timer of eventTime.list(key === undefined ? {} : { key })) {
        read.push(...names([timer]))
        if (read.length % 500 !== 0) continue
        const { timestamp } = timer
        await eventTime.delete({ key: 'a', timestamp })
        await eventTime.delete({ key: 'a', timestamp: timestamp + 801 })
        await eventTime.register({ key: 'a', timestamp: -timestamp })
        await eventTime.register({ key: 'b', timestamp: timestamp + 1000 })
      }
      assert.is(new Set(read).size, read.length, 'nothing twice')
      const stood = new Set(names(await all(eventTime.list({ key: 'a' }))))
      for (let timestamp = 0; timestamp < 6000; timestamp++) {
        const name = `a@${timestamp}`
        if (stood.has(name)) assert.ok(read.includes(name), name)
      }
    })
  }
})

test('replace moves a deadline in one step, and tells what it replaced', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders', { payload: z.int().optional() })
    for (const timestamp of [5, -1, 9]) await eventTime.register({ key: 'a', timestamp })
    await eventTime.register({ key: 'a', namespace: 'n', timestamp: 5 })
    await eventTime.register({ key: 'ab', timestamp: 5 })
    const { version } = store.stats()
    assert.equal(await eventTime.replace({ key: 'a', timestamp: 7, payload: 1 }), [-1, 5, 9])
    assert.is(store.stats().version, version + 1)
    assert.equal(told(await all(eventTime.list({}))), ['a/n@5', 'ab/@5', 'a/@7'])
    assert.equal(await eventTime.replace({ key: 'a', timestamp: 7, payload: 2 }), [])
    assert.equal(
      (await all(eventTime.list({ key: 'a', namespace: '' }))).map(({ payload }) => payload),
      [2],
    )
    assert.equal(await eventTime.replace({ key: 'new', timestamp: 7 }), [])
    assert.equal(await eventTime.replace({ key: 'a', namespace: 'n', timestamp: 6 }), [5])
    assert.is(eventTime.count, 4)
  })
})

test('a namespace may be null, which is another one than the empty one, also for replace', async () => {
  await withStore({}, async (store) => {
    const replaced: number[][] = []
    const orders = await store.service('orders', {
      namespace: z.string().nullable(),
      onEventTime: async ({ timestamp }, { processingTime }) => {
        replaced.push(await processingTime.replace({ key: 'k', namespace: null, timestamp }))
      },
    })
    const { eventTime, processingTime } = orders
    const at = (namespace: string | null, timestamp: number) => ({ key: 'k', namespace, timestamp })
    for (const queue of [eventTime, processingTime]) {
      await queue.register(at(null, 5))
      await queue.register(at('', 7))
      assert.equal(await queue.replace(at(null, 5)), [])
      assert.is(queue.count, 2)
      await spilled(store)
      assert.equal(await queue.replace(at(null, 9)), [5])
      assert.equal(told(await all(queue.list({ key: 'k' }))), ['k/@7', 'k/null@9'])
    }
    assert.equal(told(await all(eventTime.list({ key: 'k', namespace: null }))), ['k/null@9'])
    await eventTime.register(at('', 3))
    await orders.advanceWatermark(4)
    assert.equal(replaced, [[9]])
    assert.equal(told(await all(processingTime.list({ key: 'k' }))), ['k/@7', 'k/null@3'])
    assert.is(await processingTime.delete(at(null, 3)), true)
    assert.is(await processingTime.has(at(null, 3)), false)
  })
})

test('replace touches one time domain', async () => {
  await withStore({}, async (store) => {
    const { eventTime, processingTime } = await store.service('orders')
    await eventTime.register({ key: 'a', timestamp: 1 })
    await processingTime.register({ key: 'a', timestamp: 1 })
    assert.equal(await eventTime.replace({ key: 'a', timestamp: 2 }), [1])
    assert.equal([eventTime.count, processingTime.count], [1, 1])
    assert.is(await processingTime.has({ key: 'a', timestamp: 1 }), true)
  })
})

test('replace is refused where one step would be too large, and changes nothing', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(Array.from({ length: 10_001 }, (_, timestamp) => ({ key: 'a', timestamp })))
    await rejects(() => eventTime.replace({ key: 'a', timestamp: -1 }), 'TIDEMARK_INVALID_ARGUMENT', '10000')
    assert.is(eventTime.count, 10_001)
    await eventTime.delete({ key: 'a', timestamp: 10_000 })
    assert.is((await eventTime.replace({ key: 'a', timestamp: -1 })).length, 10_000)
    assert.is(eventTime.count, 1)
  })
})

test('deleteAll takes a key, or a key in one namespace, and says how many there were', async () => {
  await withStore({}, async (store) => {
    const queue = await filled(store)
    assert.is(await queue.deleteAll({ key: 'a', namespace: 'n' }), 2)
    assert.is(await queue.deleteAll({ key: 'a', namespace: 'n' }), 0)
    assert.equal(told(await all(queue.list({ key: 'a' }))), ['a/@-4', 'a/@9', 'a/m@1'])
    assert.is(await queue.deleteAll({ key: 'a' }), 3)
    assert.equal(told(await all(queue.list({}))), ['b/@1', 'ab/@2', 'b/n@3'])
  })
})

test('deleteAll takes many keys, in one namespace or in all, and says how many timers there were together', async () => {
  await withStore({}, async (store) => {
    const queue = await filled(store)
    assert.is(await queue.deleteAll({ keys: ['none', 'a', 'b'], namespace: 'n' }), 3)
    assert.is(await queue.deleteAll({ keys: [] }), 0)
    assert.is(await queue.deleteAll({ keys: new Set(['a', 'ab']) }), 4)
    assert.is(await queue.deleteAll({ keys: ['a', 'ab'] }), 0)
    assert.equal(told(await all(queue.list({}))), ['b/@1'])
    assert.is(await queue.deleteAll({ keys: ['b', 'b'] }), 1)
  })
})

test('deleteAll of more keys than one commit holds is one step in the order of calls, whatever their order is', async () => {
  await withStore({}, async (store, _, reopen) => {
    const { eventTime } = await store.service('orders')
    const keys = Array.from({ length: 5000 }, (_, i) => `k${(i * 3001) % 5000}`)
    const timers = keys.map((key) => ({ key, timestamp: 1 }))
    const many = Array.from({ length: 1500 }, (_, timestamp) => ({ key: 'k7', namespace: 'n', timestamp }))
    await eventTime.registerMany([...timers, ...many])
    await (await store.snapshot()).release()
    const answers = await Promise.all([
      eventTime.register({ key: 'k1', timestamp: 2 }),
      eventTime.deleteAll({ keys: [...keys, 'none', 'k1'] }),
      eventTime.register({ key: 'k1', timestamp: 2 }),
      eventTime.registerMany(timers),
      eventTime.deleteAll({ keys, namespace: '' }),
    ])
    assert.equal(answers, [true, 6501, true, 5000, 5001])
    assert.is(eventTime.count, 0)
    assert.is((await (await reopen()).service('orders')).eventTime.count, 0)
  })
})

test('deleteAll of many keys begins nothing where one of them is refused', async () => {
  await withStore({}, async (store) => {
    const queue = await filled(store)
    const refused = () => queue.deleteAll({ keys: ['a', 5 as never] })
    await rejects(refused, 'TIDEMARK_INVALID_ARGUMENT', 'key')
    assert.is(queue.count, 8)
  })
})

test('deleteAll and registerMany take more than one commit holds, with nothing in between', async () => {
  await withStore({}, async (store, _, reopen) => {
    const { eventTime } = await store.service('orders')
    const many = Array.from({ length: 7000 }, (_, timestamp) => ({ key: 'a', timestamp }))
    const answers = await Promise.all([
      eventTime.register({ key: 'a', timestamp: 10 }),
      eventTime.registerMany(many),
      eventTime.delete({ key: 'a', timestamp: 6999 }),
      eventTime.register({ key: 'a', timestamp: 7000 }),
      eventTime.deleteAll({ key: 'a' }),
      eventTime.register({ key: 'a', timestamp: 3 }),
      eventTime.has({ key: 'a', timestamp: 4 }),
      eventTime.registerMany(many),
    ])
    assert.equal(answers, [true, 6999, true, true, 7000, true, false, 6999])
    assert.is(eventTime.count, 7000)
    assert.is((await (await reopen()).service('orders')).eventTime.count, 7000)
  })
})

test('a thousand deleteAll and replace in flight share commits with what comes between, and see what is under way', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    const numbers = Array.from({ length: 500 }, (_, i) => i)
    const before = store.stats().version
    const answers = await Promise.all(
      numbers.flatMap((i) => [
        eventTime.register({ key: `k${i}`, timestamp: 1 }),
        eventTime.register({ key: `k${i}`, namespace: 'n', timestamp: 2 }),
        eventTime.replace({ key: `k${i}`, timestamp: 3 }),
        eventTime.deleteAll({ key: `k${i}` }),
        eventTime.register({ key: `k${i - 1}`, timestamp: 4 }),
        eventTime.deleteAll({ key: `k${i - 1}`, namespace: '' }),
      ]),
    )
    assert.equal(
      answers,
      numbers.flatMap(() => [true, true, [1], 2, true, 1]),
    )
    assert.is(eventTime.count, 0)
    const commits = store.stats().version - before
    assert.ok(commits < 20, `${commits} commits`)
  })
})

test('a key with many timers goes in slices between others that share commits, in the order of the calls', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    const some = (key: string, count: number) =>
      Array.from({ length: count }, (_, timestamp) => ({ key, timestamp }))
    await eventTime.registerMany([
      ...some('few', 64),
      ...some('more', 65),
      ...some('many', 5000),
      ...some('b', 1),
    ])
    const answers = await Promise.all([
      eventTime.deleteAll({ key: 'few' }),
      eventTime.register({ key: 'many', timestamp: -1 }),
      eventTime.deleteAll({ key: 'many' }),
      eventTime.register({ key: 'many', timestamp: 1 }),
      eventTime.deleteAll({ key: 'b' }),
      eventTime.replace({ key: 'more', timestamp: 7 }),
      eventTime.deleteAll({ key: 'more' }),
      eventTime.replace({ key: 'many', timestamp: 9 }),
      eventTime.register({ key: 'few', timestamp: 1 }),
    ])
    assert.equal(answers.slice(0, 5), [64, true, 5001, true, 1])
    assert.is((answers[5] as number[]).length, 64)
    assert.equal(answers.slice(6), [1, [1], true])
    assert.equal(told(await all(eventTime.list({}))), ['few/@1', 'many/@9'])
  })
})

test('a handler may delete more by key than is read at once', async () => {
  await withStore({}, async (store) => {
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`)
    const orders = await store.service('orders', {
      payload: z.string().optional(),
      onEventTime: async (_, { eventTime }) => {
        for (const key of keys) assert.is(await eventTime.deleteAll({ key }), 2)
        await eventTime.replace({ key: 'k0', timestamp: 9 })
      },
    })
    const { eventTime } = orders
    const payload = 'x'.repeat(60_000)
    await eventTime.registerMany(
      keys.flatMap((key) => [7, 8].map((timestamp) => ({ key, timestamp, payload }))),
    )
    await eventTime.register({ key: 'first', timestamp: 1 })
    assert.equal(await inTime(orders.advanceWatermark(1), 'the drain'), { fired: 1 })
    assert.is(eventTime.count, 1)
  })
})

test('registerMany tells how many were new, takes any iterable, and the last payload of one timer', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders', { payload: z.int().optional() })
    assert.is(await eventTime.registerMany([]), 0)
    await eventTime.register({ key: 'a', timestamp: 1 })
    const answer = await eventTime.registerMany(
      new Set([
        { key: 'a', timestamp: 1, payload: 1 },
        { key: 'b', timestamp: 1, payload: 2 },
        { key: 'b', timestamp: 1, payload: 3 },
        { key: 'b', namespace: '', timestamp: 2 },
      ]),
    )
    assert.is(answer, 2)
    assert.equal(
      (await all(eventTime.list({}))).map(({ key, payload }) => [key, payload]),
      [
        ['a', 1],
        ['b', 3],
        ['b', undefined],
      ],
    )
  })
})

test('registerMany refuses all where it refuses one, wherever it stands', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders', { onEventTime: handler })
    const many = Array.from({ length: 3000 }, (_, timestamp) => ({ key: 'a', timestamp }))
    for (const at of [0, 1500, 2999]) {
      const bad = many.with(at, { key: 'a', timestamp: 0.5 })
      await rejects(() => eventTime.registerMany(bad), 'TIDEMARK_INVALID_ARGUMENT', 'timestamp')
    }
    function* failing() {
      yield { key: 'a', timestamp: 1 }
      throw new Error('the source failed')
    }
    let failure: unknown
    await eventTime.registerMany(failing()).catch((error) => {
      failure = error
    })
    assert.match((failure as Error).message, 'the source failed')
    await rejects(() => eventTime.registerMany(undefined as never), 'TIDEMARK_INVALID_ARGUMENT')
    await rejects(() => eventTime.registerMany(5 as never), 'TIDEMARK_INVALID_ARGUMENT')
    assert.is(eventTime.count, 0)
  })
})

test('a caller may change the timer it handed over, and the one it was handed', async () => {
  const handler = recorder((timer) => {
    timer.timestamp = 99
    ;(timer as { key: unknown }).key = 'changed'
  })
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { payload: z.object({ n: z.int() }), onEventTime: handler })
    const timer = { key: 'a', timestamp: 1, payload: { n: 1 } }
    const registered = orders.eventTime.register(timer)
    const many = [{ key: 'b', timestamp: 1, payload: { n: 2 } }]
    const registeredMany = orders.eventTime.registerMany(many)
    timer.key = 'changed'
    timer.payload.n = 99
    many[0]!.timestamp = 99
    many.push({ key: 'more', timestamp: 1, payload: { n: 3 } })
    await Promise.all([registered, registeredMany])
    assert.equal(await orders.advanceWatermark(5), { fired: 2 })
    assert.equal(handler.fired, [
      { key: 'a', namespace: '', timestamp: 1, payload: { n: 1 } },
      { key: 'b', namespace: '', timestamp: 1, payload: { n: 2 } },
    ])
    assert.is(orders.eventTime.count, 0)
  })
})

test.run()
