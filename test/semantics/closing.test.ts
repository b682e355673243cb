// Semantics 12: close() waits for the handlers that run, starts no other, and loses nothing.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ManualClock } from '../../src/testing.ts'
import { eventually, gate, inTime, turns } from '../support/eventually.ts'
import { names, recorder } from '../support/recorder.ts'
import { rejects } from '../support/refusals.ts'
import { all, inStore, openStore, type Store, withDirectory } from '../support/store.ts'

async function queued(store: Store): Promise<{ event: string[]; processing: string[] }> {
  const { eventTime, processingTime } = await store.service('orders')
  return {
    event: names(await all(eventTime.list({}))),
    processing: names(await all(processingTime.list({}))),
  }
}

test('12. close waits for the handler that runs, and its timer is done', async () => {
  await withDirectory(async (directory) => {
    const entered = gate()
    const leave = gate()
    const store = await openStore(directory)
    const orders = await store.service('orders', {
      onEventTime: async (_, { eventTime, signal }) => {
        entered.open()
        await leave.promise
        assert.is(signal.aborted, true)
        await eventTime.register({ key: 'made', timestamp: 50 })
      },
    })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.eventTime.register({ key: 'b', timestamp: 2 })
    const advanced = rejects(orders.advanceWatermark(5), 'TIDEMARK_CLOSED')
    await entered.promise
    let closed = false
    const closing = store.close().then(() => {
      closed = true
    })
    await turns()
    assert.is(closed, false)
    leave.open()
    await inTime(closing, 'close')
    await inTime(advanced, 'the advance')
    await inStore(directory, {}, async (again) => {
      assert.equal(await queued(again), { event: ['b@2', 'made@50'], processing: [] })
      assert.is(again.stats().services.orders?.watermark, 5)
    })
  })
})

test('12. close starts no other handler, in neither domain, and what is left fires later', async () => {
  await withDirectory(async (directory) => {
    const clock = new ManualClock(0)
    const store = await openStore(directory, { clock })
    const fired: string[] = []
    const handler = async ({ key, timestamp }: { key: string; timestamp: number }) => {
      fired.push(`${key}@${timestamp}`)
      if (fired.length === 3) void store.close()
      await turns(2)
    }
    const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
    for (let timestamp = 0; timestamp < 20; timestamp++) {
      await orders.eventTime.register({ key: 'e', timestamp })
      await orders.processingTime.register({ key: 'p', timestamp })
    }
    await Promise.allSettled([clock.advanceTo(50), orders.advanceWatermark(50)])
    await inTime(store.close(), 'close')
    assert.is(fired.length, 3)
    const after = recorder()
    await inStore(directory, { clock }, async (again) => {
      const service = await again.service('orders', { onEventTime: after, onProcessingTime: after })
      await service.advanceWatermark(50)
      await clock.advanceBy(0)
      assert.is(after.fired.length, 37)
      assert.is(new Set([...fired, ...after.names()]).size, 40)
    })
  })
})

test('12. calls made before close are durable, awaited or not; calls made after it are refused', async () => {
  await withDirectory(async (directory) => {
    const store = await openStore(directory)
    const { eventTime, processingTime } = await store.service('orders')
    const made = [
      eventTime.register({ key: 'a', timestamp: 1 }),
      eventTime.registerMany(Array.from({ length: 3000 }, (_, timestamp) => ({ key: 'many', timestamp }))),
      processingTime.register({ key: 'b', timestamp: 2 }),
      eventTime.delete({ key: 'many', timestamp: 7 }),
    ]
    const closing = store.close()
    const refused = [
      () => eventTime.register({ key: 'late', timestamp: 1 }),
      () => eventTime.delete({ key: 'a', timestamp: 1 }),
      () => store.snapshot(),
      () => store.service('other'),
    ].map((call) => rejects(call, 'TIDEMARK_CLOSED'))
    assert.equal(await Promise.all(made), [true, 3000, true, true])
    await Promise.all(refused)
    await closing
    await inStore(directory, {}, async (again) => {
      const service = await again.service('orders')
      assert.is(service.eventTime.count, 3000)
      assert.is(service.processingTime.count, 1)
      assert.is(await service.eventTime.has({ key: 'many', timestamp: 7 }), false)
    })
  })
})

test('12. every call of a closed store is refused with TIDEMARK_CLOSED, and closing again is harmless', async () => {
  await withDirectory(async (directory) => {
    const store = await openStore(directory)
    const orders = await store.service('orders')
    const timer = { key: 'a', timestamp: 1 }
    const snapshot = await store.snapshot()
    await Promise.all([store.close(), store.close()])
    await store.close()
    const calls = [
      () => orders.eventTime.register(timer),
      () => orders.eventTime.registerMany([timer]),
      () => orders.eventTime.delete(timer),
      () => orders.eventTime.deleteAll(timer),
      () => orders.eventTime.replace(timer),
      () => orders.eventTime.has(timer),
      () => orders.eventTime.next(),
      () => all(orders.eventTime.list({})),
      () => orders.advanceWatermark(1),
      () => store.service('orders'),
      () => store.service('other'),
      () => store.snapshot(),
      () => store.checkpoint(`${directory}-checkpoints`),
      () => store.verify(),
      () => store.compact(),
      () => all(snapshot.timers()),
    ]
    for (const call of calls) await rejects(call, 'TIDEMARK_CLOSED')
    await snapshot.release()
    await store[Symbol.asyncDispose]()
    assert.is(orders.eventTime.count, 0)
    assert.is(store.stats().runningSnapshots, 0)
  })
})

test('12. a store is closed by the end of its scope', async () => {
  await withDirectory(async (directory) => {
    {
      await using store = await openStore(directory)
      await (await store.service('orders')).eventTime.register({ key: 'a', timestamp: 1 })
    }
    await inStore(directory, {}, async (again) => {
      assert.equal((await queued(again)).event, ['a@1'])
    })
  })
})

for (const domain of ['event time', 'processing time'] as const) {
  for (const when of ['at once', 'after an await', 'in a then'] as const) {
    test(`12. a ${domain} handler that closes the store ${when} does not wait for itself, and loses nothing`, async () => {
      await withDirectory(async (directory) => {
        const clock = new ManualClock(0)
        const store = await openStore(directory, { clock })
        const late: string[] = []
        const startMs = performance.now()
        const handler = recorder(async ({ key }, { eventTime }) => {
          if (when === 'after an await') await turns(1)
          await (when === 'in a then' ? turns(1).then(() => store.close()) : store.close())
          await eventTime.register({ key: `made by ${key}`, timestamp: 99 }).catch(() => late.push('refused'))
        })
        const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
        const queue = domain === 'event time' ? orders.eventTime : orders.processingTime
        await queue.register({ key: 'a', timestamp: 1 })
        await queue.register({ key: 'b', timestamp: 2 })
        const firing = domain === 'event time' ? orders.advanceWatermark(5) : clock.advanceTo(5)
        await inTime(
          firing.catch(() => {}),
          'what fired',
        )
        await inTime(store.close(), 'close')
        assert.equal(handler.names(), ['a@1'])
        assert.ok(performance.now() - startMs < 5000, `took ${Math.round(performance.now() - startMs)} ms`)
        await inStore(directory, { clock }, async (again) => {
          const { event, processing } = await queued(again)
          const left = [...event, ...processing].sort()
          // Its timer and what its handler registered go together: both done, or neither.
          const done = ['b@2', 'made by a@99']
          const notDone = ['a@1', 'b@2']
          assert.equal(left, left.includes('a@1') ? notDone : late.length > 0 ? ['b@2'] : done)
        })
      })
    })
  }
}

test('12. a handler that waits for its signal settles when the store closes; returning, its timer is done', async () => {
  await withDirectory(async (directory) => {
    const entered = gate()
    const store = await openStore(directory)
    const orders = await store.service('orders', {
      onEventTime: (_, { signal }) => {
        entered.open()
        return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      },
    })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.eventTime.register({ key: 'b', timestamp: 1 })
    const advanced = rejects(orders.advanceWatermark(1), 'TIDEMARK_CLOSED')
    await entered.promise
    await inTime(store.close(), 'close')
    await advanced
    await inStore(directory, {}, async (again) => assert.equal((await queued(again)).event, ['b@1']))
  })
})

test('12. whoever hears of the close by the signal, and closes, closes nothing twice', async () => {
  await withDirectory(async (directory) => {
    const store = await openStore(directory)
    let inner: Promise<void> | undefined
    const orders = await store.service('orders', {
      onEventTime: (_, { signal }) => {
        signal.addEventListener('abort', () => {
          inner = store.close()
        })
      },
    })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.advanceWatermark(1)
    const made = orders.eventTime.register({ key: 'b', timestamp: 5 })
    await inTime(store.close(), 'close')
    await inTime(inner!, 'the close of the listener')
    assert.is(await inTime(made, 'the call before'), true)
    await inStore(directory, {}, async (again) => {
      assert.equal((await queued(again)).event, ['b@5'])
    })
  })
})

test('12. an advance that is under way when the store closes rejects, whether its handlers have begun or not', async () => {
  await withDirectory(async (directory) => {
    for (let round = 0; round < 12; round++) {
      const store = await openStore(directory)
      const handler = recorder()
      const orders = await store.service('orders', { onEventTime: handler })
      await orders.eventTime.registerMany(
        Array.from({ length: 100 }, (_, at) => ({ key: 'a', timestamp: at })),
      )
      const advanced = orders.advanceWatermark(200).then(
        ({ fired }) => fired,
        (error) => error.code,
      )
      await turns(round)
      await inTime(store.close(), 'close')
      const outcome = await inTime(advanced, 'the advance')
      const left = await inStore(directory, {}, async (again) => (await queued(again)).event.length)
      // All of them, or an error: what has not fired must not look as if it had.
      assert.is(outcome, left === 0 ? 100 : 'TIDEMARK_CLOSED')
      assert.ok(handler.fired.length >= 100 - left)
    }
  })
})

test('12. so does one that has not read yet what is due, in a store that was opened again', async () => {
  await withDirectory(async (directory) => {
    await inStore(directory, {}, async (store) => {
      const { eventTime } = await store.service('orders')
      await eventTime.register({ key: 'a', timestamp: 1 })
    })
    for (let round = 0; round < 8; round++) {
      const store = await openStore(directory)
      const orders = await store.service('orders', { onEventTime: recorder() })
      const advanced = orders.advanceWatermark(200).then(
        ({ fired }) => fired,
        (error) => error.code,
      )
      await turns(round)
      await inTime(store.close(), 'close')
      const outcome = await inTime(advanced, 'the advance')
      const left = await inStore(directory, {}, async (again) => (await queued(again)).event.length)
      assert.is(outcome, left === 0 ? 1 : 'TIDEMARK_CLOSED', `after ${round} turns`)
      if (left === 0) break
    }
  })
})

test('12. a handler that waits for its signal and then throws keeps its timer', async () => {
  await withDirectory(async (directory) => {
    const clock = new ManualClock(0)
    const store = await openStore(directory, { clock })
    store.on('error', () => {})
    let entered = 0
    const untilAborted = (_: unknown, { signal }: { signal: AbortSignal }) => {
      entered++
      return new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const orders = await store.service('orders', { onEventTime: untilAborted })
    const visits = await store.service('visits', { onProcessingTime: untilAborted })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await visits.processingTime.register({ key: 'b', timestamp: 1 })
    const firing = Promise.allSettled([orders.advanceWatermark(1), clock.advanceTo(1)])
    await eventually(() => entered === 2, 'both handlers')
    await inTime(store.close(), 'close')
    const [advanced] = await inTime(firing, 'what fired')
    assert.is(advanced.status, 'rejected')
    await inStore(directory, { clock }, async (again) => {
      assert.equal((await queued(again)).event, ['a@1'])
      assert.is((await again.service('visits')).processingTime.count, 1)
    })
  })
})

test('12. close ends running snapshots, lists and verifications, and none of them hangs', async () => {
  await withDirectory(async (directory) => {
    const store = await openStore(directory)
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(Array.from({ length: 12_000 }, (_, timestamp) => ({ key: 'a', timestamp })))
    const snapshot = await store.snapshot()
    const reading = all(snapshot.timers()).then(
      (timers) => timers.length,
      (error) => error.code,
    )
    const listing = all(eventTime.list({})).then(
      (timers) => timers.length,
      (error) => error.code,
    )
    const verifying = store.verify().then(
      (findings) => findings.length,
      (error) => error.code,
    )
    await inTime(store.close(), 'close')
    for (const [outcome, whole] of [
      [reading, 12_000],
      [listing, 12_000],
      [verifying, 0],
    ] as const) {
      const got = await inTime(outcome, 'what was under way')
      assert.ok(got === whole || got === 'TIDEMARK_CLOSED', String(got))
    }
    await inStore(directory, {}, async (again) => assert.is(again.stats().retired, 0))
  })
})

test('12. close ends a snapshot that was asked for just before', async () => {
  await withDirectory(async (directory) => {
    const store = await openStore(directory)
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'a', timestamp: 1 })
    const asking = store.snapshot()
    const closing = store.close()
    const snapshot = await inTime(asking, 'the snapshot')
    await inTime(closing, 'close')
    assert.is(store.stats().runningSnapshots, 0)
    await rejects(() => all(snapshot.timers()), 'TIDEMARK_CLOSED')
  })
})

test('12. opened, closed and opened again at once, a store is one after the other', async () => {
  await withDirectory(async (directory) => {
    for (let round = 0; round < 10; round++) {
      const store = await openStore(directory)
      const { eventTime } = await store.service('orders')
      assert.is(eventTime.count, round)
      void eventTime.register({ key: 'a', timestamp: round })
      await store.close()
    }
    await inStore(directory, {}, async (store) => {
      assert.is((await store.service('orders')).eventTime.count, 10)
    })
  })
})

test.run()
