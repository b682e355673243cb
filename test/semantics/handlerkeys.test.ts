// Semantics 10: what a handler's context answers of all timers of a key, at the moment of the call, beside commits under way.

import { test } from 'uvu'
import * as assert from 'uvu/assert'

import type { ContextQueue, HandlerContext } from '../../src/index.ts'
import { randomFrom, seed } from '../support/random.ts'
import { withStore } from '../support/store.ts'

test('handlers that await deleteAll and replace share commits', async () => {
  await withStore({}, async (store) => {
    const counts: number[] = []
    const replaced: number[][] = []
    const orders = await store.service('orders', {
      onEventTime: async ({ key, timestamp }, { processingTime }) => {
        counts.push(await processingTime.deleteAll({ key: `old-${key}` }))
        replaced.push(await processingTime.replace({ key, timestamp: timestamp + 1e6 }))
      },
    })
    const numbers = Array.from({ length: 1000 }, (_, timestamp) => timestamp)
    await orders.eventTime.registerMany(
      numbers.map((timestamp) => ({ key: `k${timestamp % 500}`, timestamp })),
    )
    await orders.processingTime.registerMany(
      numbers.map((i) => ({ key: `old-k${i % 500}`, namespace: `${i % 3}`, timestamp: 1e9 + i })),
    )
    const before = store.stats().version
    assert.equal(await orders.advanceWatermark(1000), { fired: 1000 })
    assert.equal(
      counts,
      numbers.map((i) => (i < 500 ? 2 : 0)),
    )
    assert.equal(
      replaced,
      numbers.map((i) => (i < 500 ? [] : [i - 500 + 1e6])),
    )
    assert.is(orders.processingTime.count, 500)
    const commits = store.stats().version - before
    assert.ok(commits < 500, `${commits} commits`)
  })
})

test('a handler sees what an earlier one did to a key, step by step, before any of it is committed', async () => {
  await withStore({}, async (store) => {
    const answers: unknown[] = []
    const orders = await store.service('orders', {
      onEventTime: async ({ key }, { processingTime }) => {
        if (key === 'first') {
          await processingTime.deleteAll({ key: 'k' })
          await processingTime.register({ key: 'k', timestamp: 5 })
          await processingTime.replace({ key: 'k', namespace: 'n', timestamp: 6 })
          await processingTime.register({ key: 'k', namespace: 'n', timestamp: 7 })
          await processingTime.deleteAll({ key: 'k', namespace: 'm' })
          return
        }
        answers.push(await processingTime.has({ key: 'k', timestamp: 5 }))
        answers.push(await processingTime.has({ key: 'k', namespace: 'n', timestamp: 6 }))
        answers.push(await processingTime.has({ key: 'k', namespace: 'm', timestamp: 1 }))
        answers.push(await processingTime.replace({ key: 'k', namespace: 'n', timestamp: 8 }))
        answers.push(await processingTime.deleteAll({ key: 'k' }))
      },
    })
    await orders.processingTime.registerMany([
      { key: 'k', timestamp: 4 },
      { key: 'k', namespace: 'n', timestamp: 4 },
      { key: 'k', namespace: 'm', timestamp: 1 },
    ])
    await orders.eventTime.registerMany([
      { key: 'first', timestamp: 1 },
      { key: 'second', timestamp: 2 },
    ])
    await orders.advanceWatermark(2)
    assert.equal(answers, [true, true, false, [6, 7], 2])
    assert.is(orders.processingTime.count, 0)
  })
})

test('a handler is answered as if all that was called before had been done, whatever is under way', async () => {
  const random = randomFrom(seed)
  const below = (n: number) => Math.floor(random() * n)
  await withStore({}, async (store) => {
    const standing = new Set<string>()
    const nameOf = () => ({ key: `k${below(3)}`, namespace: ['', 'n'][below(2)]!, timestamp: below(6) })
    const idOf = (name: ReturnType<typeof nameOf>) => `${name.key}/${name.namespace}/${name.timestamp}`
    const outside: Promise<unknown>[] = []
    const expectGone = (prefix: string) => {
      const gone = [...standing].filter((id) => id.startsWith(prefix))
      for (const id of gone) standing.delete(id)
      return gone
    }
    const orders = await store.service('orders', {
      onEventTime: async (_, { processingTime }) => {
        for (let calls = below(5); calls > 0; calls--) {
          const name = nameOf()
          const kind = below(6)
          if (kind === 0) {
            outside.push(orders.processingTime.register(name))
            standing.add(idOf(name))
          } else if (kind === 1) {
            outside.push(orders.processingTime.delete(name))
            standing.delete(idOf(name))
          } else if (kind === 2) {
            outside.push(orders.processingTime.deleteAll({ key: name.key }))
            expectGone(`${name.key}/`)
          } else if (kind === 3) await new Promise((resolve) => setImmediate(resolve))
        }
        const name = nameOf()
        if (random() < 0.5) {
          const expected = expectGone(`${name.key}/`).length
          assert.is(await processingTime.deleteAll({ key: name.key }), expected)
        } else {
          const gone = expectGone(`${name.key}/${name.namespace}/`)
          const others = gone.filter((id) => id !== idOf(name)).map((id) => Number(id.split('/')[2]))
          standing.add(idOf(name))
          assert.equal(
            await processingTime.replace(name),
            others.sort((a, b) => a - b),
          )
        }
      },
    })
    const timers = Array.from({ length: 600 }, (_, timestamp) => ({ key: 'timer', timestamp }))
    await orders.eventTime.registerMany(timers)
    assert.equal(await orders.advanceWatermark(600), { fired: 600 })
    await Promise.all(outside)
    assert.is(orders.processingTime.count, standing.size)
  })
})

test('a handler is answered by what it called before, awaited or not, in whatever order the answers are read', async () => {
  const random = randomFrom(seed)
  const below = (n: number) => Math.floor(random() * n)
  await withStore({}, async (store, _, reopen) => {
    const standing = new Set<string>()
    const nameOf = () => ({ key: `k${below(3)}`, namespace: ['', 'n', 'm'][below(3)]!, timestamp: below(5) })
    const idOf = (name: ReturnType<typeof nameOf>) => `${name.key}/${name.namespace}/${name.timestamp}`
    const takeBehind = (prefix: string) => {
      const gone = [...standing].filter((id) => id.startsWith(prefix))
      for (const id of gone) standing.delete(id)
      return gone
    }
    /** A call, and what is to be answered. */
    const call = (queue: ContextQueue<string, string, undefined>): [Promise<unknown>, unknown] => {
      const name = nameOf()
      const { key, namespace } = name
      const id = idOf(name)
      const isThere = standing.has(id)
      const kind = below(7)
      if (kind < 2) {
        standing.add(id)
        return [queue.register(name), !isThere]
      }
      if (kind === 2) {
        standing.delete(id)
        return [queue.delete(name), isThere]
      }
      if (kind === 3) return [queue.has(name), isThere]
      if (kind === 4) return [queue.deleteAll({ key }), takeBehind(`${key}/`).length]
      if (kind === 5) return [queue.deleteAll({ key, namespace }), takeBehind(`${key}/${namespace}/`).length]
      const others = takeBehind(`${key}/${namespace}/`).filter((gone) => gone !== id)
      standing.add(id)
      return [queue.replace(name), others.map((gone) => Number(gone.split('/')[2])).sort((a, b) => a - b)]
    }
    const told: Promise<unknown>[] = []
    const definition = {
      onEventTime: async (_: unknown, { processingTime }: HandlerContext<string, string, undefined>) => {
        for (let calls = below(12); calls > 0; calls--) {
          const [answer, expected] = call(processingTime)
          const checked = answer.then((actual) => assert.equal(actual, expected))
          told.push(checked)
          if (random() < 0.4) await checked
        }
      },
    }
    const rounds = 4
    const numbers = Array.from({ length: 300 }, (_, timestamp) => timestamp)
    let orders = await store.service('orders', definition)
    for (let round = 0; round < rounds; round++) {
      const timers = numbers.map((i) => ({ key: 'timer', timestamp: round * 1000 + i }))
      await orders.eventTime.registerMany(timers)
      assert.equal(await orders.advanceWatermark(round * 1000 + 999), { fired: timers.length })
      await Promise.all(told)
      assert.is(orders.processingTime.count, standing.size)
      // The next round finds in the key spaces what was recent in this one.
      orders = await (await reopen()).service('orders', definition)
    }
  })
})

test('however many ranges a handler asks for at once, little is kept for each', async () => {
  await withStore({}, async (store) => {
    const keys = 3000
    let held = 0
    const orders = await store.service('orders', {
      onEventTime: async (_, { processingTime }) => {
        const before = process.memoryUsage().heapUsed
        const calls = Array.from({ length: keys }, (_, i) =>
          processingTime.replace({ key: `k${i}`, timestamp: 9 }),
        )
        held = process.memoryUsage().heapUsed - before
        await Promise.all(calls)
      },
    })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.advanceWatermark(1)
    assert.is(orders.processingTime.count, keys)
    // A copy of what was called before would be 200 MiB and more.
    assert.ok(held < 64 * 1024 * 1024, `${held} bytes`)
  })
})

test.run()
