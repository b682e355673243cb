// The hazards of versioned timers with asynchronous snapshots, H1 to H17: one test each, by its number.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { TimerStore } from '../../src/index.ts'
import { watchEventLoop } from '../support/eventloop.ts'
import { eventually } from '../support/eventually.ts'
import { names, recorder } from '../support/recorder.ts'
import { rejects } from '../support/refusals.ts'
import { all, inStore, type Store, verified, withStore } from '../support/store.ts'
import { jumpTo } from './versions.ts'

type Snapshot = Awaited<ReturnType<Store['snapshot']>>

const timer = { key: 'a', timestamp: 1 }

async function payloads(snapshot: Snapshot): Promise<unknown[]> {
  return (await all(snapshot.timers())).map(({ payload }) => payload)
}

async function held(snapshot: Snapshot): Promise<string[]> {
  return names((await all(snapshot.timers())) as { key: string; timestamp: number }[]).sort()
}

async function release(...snapshots: Snapshot[]): Promise<void> {
  for (const snapshot of snapshots) await snapshot.release()
}

async function purged(store: Store): Promise<void> {
  await eventually(() => store.stats().retired === 0, 'the purge')
}

function many(count: number, key = 'a'): { key: string; timestamp: number }[] {
  return Array.from({ length: count }, (_, timestamp) => ({ key, timestamp }))
}

test('H1. a deleted timer, registered again while a snapshot runs, is two timers, and none is lost', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders', { payload: z.string() })
    await eventTime.register({ ...timer, payload: 'old' })
    const before = await store.snapshot()
    await eventTime.delete(timer)
    const between = await store.snapshot()
    assert.is(await eventTime.register({ ...timer, payload: 'new' }), true)
    const after = await store.snapshot()
    assert.equal(await Promise.all([before, between, after].map(payloads)), [['old'], [], ['new']])
    assert.is(eventTime.count, 1)
    await verified(store)
    await release(between, before, after)
    await purged(store)
    assert.equal(
      (await all(eventTime.list({}))).map(({ payload }) => payload),
      ['new'],
    )
  })
})

test('H2. made and deleted in one commit, a timer leaves nothing behind, while snapshots run', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'other', timestamp: 1 })
    const snapshot = await store.snapshot()
    for (let round = 0; round < 100; round++) {
      const answers = await Promise.all([eventTime.register(timer), eventTime.delete(timer)])
      assert.equal(answers, [true, true])
    }
    assert.is(store.stats().retired, 0)
    assert.equal(await held(snapshot), ['other@1'])
    await release(snapshot)
  })
})

test('H3. deleted and made again in one commit, an identity is in every snapshot at most once', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders', { payload: z.int() })
    await eventTime.register({ ...timer, payload: 0 })
    const snapshots = [await store.snapshot()]
    for (let payload = 1; payload <= 5; payload++) {
      await Promise.all([eventTime.delete(timer), eventTime.register({ ...timer, payload })])
      snapshots.push(await store.snapshot())
      snapshots.push(await store.snapshot())
    }
    for (const [index, snapshot] of snapshots.entries()) {
      assert.equal(await payloads(snapshot), [Math.ceil(index / 2)])
    }
    await release(...snapshots)
    await purged(store)
  })
})

test('H4. a cut holds every call made before it and none made after, however much is under way', async () => {
  await withStore({}, async (store) => {
    const { eventTime, processingTime } = await store.service('orders')
    const snapshots: Promise<Snapshot>[] = []
    const calls: Promise<unknown>[] = []
    const cuts: number[] = []
    for (let round = 0; round < 60; round++) {
      const cut = round * 40 + ((round * 17) % 40)
      cuts.push(cut)
      for (let step = round * 40; step < (round + 1) * 40; step++) {
        calls.push((step % 2 === 0 ? eventTime : processingTime).register({ key: 'a', timestamp: step }))
        if (step === cut) snapshots.push(store.snapshot())
      }
      if (round % 7 === 0) calls.push(eventTime.registerMany(many(3000, `filler ${round}`)))
      if (round % 5 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(calls)
    for (const [index, pending] of snapshots.entries()) {
      const snapshot = await pending
      const timers = await all(snapshot.timers({ key: 'a' }))
      const steps = timers.map(({ timestamp }) => timestamp).sort((a, b) => a - b)
      assert.equal(
        steps,
        Array.from({ length: cuts[index]! + 1 }, (_, step) => step),
      )
      await snapshot.release()
    }
  })
})

test('H5. what is removed while a snapshot is read is neither skipped nor told twice', async () => {
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: () => {} })
    await orders.eventTime.registerMany(many(10_000))
    const snapshot = await store.snapshot()
    const read: number[] = []
    for await (const { timestamp } of snapshot.timers()) {
      read.push(timestamp)
      if (read.length === 100) await orders.advanceWatermark(2500)
      if (read.length === 4100) {
        await Promise.all(
          many(10_000)
            .slice(5000)
            .map((gone) => orders.eventTime.delete(gone)),
        )
        await orders.eventTime.registerMany(many(10_000).slice(6000))
      }
      if (read.length === 7000) await orders.eventTime.deleteAll({ key: 'a' })
    }
    assert.equal(
      read,
      Array.from({ length: 10_000 }, (_, timestamp) => timestamp),
    )
    await release(snapshot)
    await purged(store)
  })
})

test('H6. a snapshot that ends badly ends all the same: nothing is held back for ever', async () => {
  await withStore({}, async (store, directory) => {
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(many(500))
    const given = new AbortController()
    const endings: [string, () => Promise<unknown>][] = [
      ['aborted before', () => store.checkpoint(`${directory}-c`, { signal: AbortSignal.abort() })],
      [
        'aborted by its progress',
        () => store.checkpoint(`${directory}-c`, { signal: given.signal, onProgress: () => given.abort() }),
      ],
      ['a place that is a file', () => store.checkpoint(`${directory}/TIDEMARK`)],
      ['metadata that is no JSON', () => store.checkpoint(`${directory}-c`, { metadata: 1n })],
    ]
    for (const [name, ending] of endings) {
      const outcome = ending().catch((error) => error.code)
      await eventTime.deleteAll({ key: 'a' })
      await eventTime.registerMany(many(500))
      await outcome
      assert.is(store.stats().runningSnapshots, 0, name)
      await purged(store)
    }
    const snapshot = await store.snapshot()
    const reader = snapshot.timers()
    await reader.next()
    await release(snapshot, snapshot)
    await rejects(async () => {
      for await (const _ of reader);
      await all(snapshot.timers())
    }, 'TIDEMARK_CLOSED')
    assert.is(store.stats().runningSnapshots, 0)
  })
})

test('H7. versions go on after a restart: the first snapshot afterwards holds what was made before', async () => {
  await withStore({}, async (store, _, reopen) => {
    const { eventTime } = await store.service('orders')
    for (let timestamp = 0; timestamp < 57; timestamp++) await eventTime.register({ key: 'a', timestamp })
    const { version } = store.stats()
    const again = await reopen()
    assert.ok(again.stats().version >= version)
    const snapshot = await again.snapshot()
    assert.is((await all(snapshot.timers())).length, 57)
    await (await again.service('orders')).eventTime.deleteAll({ key: 'a' })
    assert.is((await all(snapshot.timers())).length, 57)
    await release(snapshot)
    await purged(again)
  })
})

test('H8. every snapshot of a restored store holds what was restored', async () => {
  await withStore({}, async (store, directory) => {
    const orders = await store.service('orders')
    for (let timestamp = 0; timestamp < 20; timestamp++)
      await orders.eventTime.register({ key: 'a', timestamp })
    await orders.advanceWatermark(5)
    const { path, version } = await store.checkpoint(`${directory}-checkpoints`)
    await TimerStore.restore(path, `${directory}-restored`)
    await inStore(`${directory}-restored`, {}, async (restored) => {
      const snapshot = await restored.snapshot()
      assert.ok(snapshot.version >= version)
      const timers = await all(snapshot.timers())
      assert.is(timers.length, 20)
      assert.ok(timers.every(({ createVersion }) => createVersion < snapshot.version))
      await (await restored.service('orders')).eventTime.deleteAll({ key: 'a' })
      assert.is((await all(snapshot.timers())).length, 20)
      await release(snapshot)
      await purged(restored)
    })
  })
})

test('H9. to fire is to delete: what fires while a snapshot runs is still in it', async () => {
  await withStore({}, async (store, directory) => {
    const handler = recorder(({ timestamp }, { eventTime }) =>
      timestamp < 3 ? eventTime.register({ key: 'made', timestamp: timestamp + 100 }) : undefined,
    )
    const orders = await store.service('orders', { onEventTime: handler })
    await orders.eventTime.registerMany(many(5))
    const snapshot = await store.snapshot()
    const checkpoint = store.checkpoint(`${directory}-checkpoints`)
    await orders.advanceWatermark(10)
    assert.equal(await held(snapshot), names(many(5)))
    const { path } = await checkpoint
    await TimerStore.restore(path, `${directory}-restored`)
    await inStore(`${directory}-restored`, {}, async (restored) => {
      const again = await restored.service('orders', { onEventTime: handler })
      handler.take()
      await again.advanceWatermark(10)
      assert.equal(handler.take(), names(many(5)), 'none of them is lost by a restore')
    })
    await release(snapshot)
  })
})

test('H10. what a long snapshot keeps does not slow down finding what is due', async () => {
  const rounds = async (store: Store): Promise<number> => {
    const orders = await store.service('orders', { onEventTime: () => {} })
    const startMs = performance.now()
    for (let round = 0; round < 200; round++) {
      const timestamp = 100_000 + round
      await orders.eventTime.register({ key: 'a', timestamp })
      assert.is((await orders.eventTime.next())?.timestamp, timestamp)
      assert.equal(await orders.advanceWatermark(timestamp), { fired: 1 })
    }
    return performance.now() - startMs
  }
  let undisturbedMs = 0
  await withStore({}, async (store) => {
    undisturbedMs = await rounds(store)
  })
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: () => {} })
    await orders.eventTime.registerMany(many(50_000))
    const snapshot = await store.snapshot()
    assert.equal(await orders.advanceWatermark(60_000), { fired: 50_000 })
    assert.is(store.stats().retired, 50_000)
    const disturbedMs = await rounds(store)
    assert.ok(
      disturbedMs < undisturbedMs * 10 + 500,
      `${disturbedMs.toFixed(0)} ms, and ${undisturbedMs.toFixed(0)} ms with nothing kept`,
    )
    await release(snapshot)
    await purged(store)
  })
})

test('H11. a deleted timer is kept exactly while a running snapshot holds it', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    const third = await store.snapshot()
    await eventTime.register(timer)
    await eventTime.delete(timer)
    const ninth = await store.snapshot()
    assert.is(store.stats().retired, 0, 'made after the one, gone before the other')

    await eventTime.register(timer)
    const fifth = await store.snapshot()
    await eventTime.delete(timer)
    const last = await store.snapshot()
    assert.is(store.stats().retired, 1)
    assert.equal(await held(fifth), ['a@1'])
    await release(fifth)
    await eventually(() => store.stats().retired === 0, 'the purge, while older and newer snapshots run')
    assert.is(store.stats().runningSnapshots, 3)

    await eventTime.register(timer)
    const boundary = await store.snapshot()
    assert.is(boundary.version, store.stats().version + 1)
    await eventTime.delete(timer)
    assert.is(store.stats().version, boundary.version, 'deleted in the commit of the same version')
    assert.equal(await held(boundary), ['a@1'])
    await release(third, ninth, last)
    assert.equal(await held(boundary), ['a@1'])
    await release(boundary)
    await purged(store)
  })
})

test('H12. when a snapshot ends, what only it held is purged by itself, in slices that hold nobody up', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(many(40_000))
    const snapshot = await store.snapshot()
    await eventTime.deleteAll({ key: 'a' })
    assert.is(store.stats().retired, 40_000)
    const stop = watchEventLoop()
    await release(snapshot)
    let answered = 0
    while (store.stats().retired > 0) {
      await eventTime.register({ key: 'b', timestamp: answered++ })
    }
    const heldMs = stop()
    assert.ok(answered > 1, 'calls are answered while the purge goes on')
    assert.ok(heldMs < 100, `the event loop was held for ${heldMs.toFixed(0)} ms`)
  })
})

test('H13. counts, lists and answers know nothing of what is only kept for snapshots', async () => {
  await withStore({}, async (store, _, reopen) => {
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(many(10))
    const snapshot = await store.snapshot()
    for (const gone of many(10).slice(0, 5)) await eventTime.delete(gone)
    assert.is(eventTime.count, 5)
    assert.is(store.stats().services.orders?.eventTime, 5)
    assert.equal(names(await all(eventTime.list({}))), names(many(10).slice(5)))
    assert.equal(names(await all(eventTime.list({ key: 'a' }))), names(many(10).slice(5)))
    assert.is((await eventTime.next())?.timestamp, 5)
    assert.is(await eventTime.has({ key: 'a', timestamp: 0 }), false)
    assert.is(await eventTime.delete({ key: 'a', timestamp: 0 }), false)
    assert.is(await eventTime.register({ key: 'a', timestamp: 0 }), true)
    assert.equal(await eventTime.replace({ key: 'a', timestamp: 0 }), [5, 6, 7, 8, 9])
    assert.is(await eventTime.deleteAll({ key: 'a' }), 1)
    assert.is((await all(snapshot.timers())).length, 10)
    const handler = recorder()
    const orders = await (await reopen()).service('orders', { onEventTime: handler })
    assert.equal(await orders.advanceWatermark(100), { fired: 0 })
  })
})

test('H14. no concatenation makes one timer of two', async () => {
  await withStore({}, async (store) => {
    const strings = await store.service('strings')
    const pairs = [
      ['a', 'bc'],
      ['ab', 'c'],
      ['abc', ''],
      ['', 'abc'],
      ['a\0b', 'c'],
      ['a', '\0bc'],
      ['a\u0001', 'bc'],
    ] as const
    for (const [key, namespace] of pairs) {
      assert.is(await strings.eventTime.register({ key, namespace, timestamp: 12 }), true)
      assert.is(await strings.eventTime.has({ key, namespace: `${namespace}1`, timestamp: 2 }), false)
    }
    const objects = await store.service('objects', {
      key: z.object({ tenant: z.string(), order: z.string() }),
    })
    assert.is(await objects.eventTime.register({ key: { tenant: 'a', order: 'bc' }, timestamp: 1 }), true)
    assert.is(await objects.eventTime.register({ key: { tenant: 'ab', order: 'c' }, timestamp: 1 }), true)
    assert.is(objects.eventTime.count, 2)
  })
})

test('H15. snapshots that end out of order keep each what it holds, and no more', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    const snapshots: Snapshot[] = []
    for (let index = 0; index < 5; index++) {
      await eventTime.register({ key: `k${index}`, timestamp: 1 })
      snapshots.push(await store.snapshot())
      if (index > 0) await eventTime.delete({ key: `k${index - 1}`, timestamp: 1 })
    }
    await eventTime.deleteAll({ key: 'k4' })
    const holds = [['k0@1'], ['k0@1', 'k1@1'], ['k1@1', 'k2@1'], ['k2@1', 'k3@1'], ['k3@1', 'k4@1']]
    const running = new Set(snapshots.keys())
    for (const ended of [4, 1, 0, 3, 2]) {
      for (const index of running) assert.equal(await held(snapshots[index]!), holds[index])
      await release(snapshots[ended]!)
      running.delete(ended)
      const needed = new Set([...running].flatMap((index) => holds[index]!))
      await eventually(() => store.stats().retired === needed.size, `${needed.size} kept`)
    }
  })
})

test('H16. a service that is new after the cut is not in it, and neither are its schemas', async () => {
  await withStore({}, async (store, directory) => {
    await (await store.service('old')).eventTime.register(timer)
    const snapshot = await store.snapshot()
    const checkpoint = store.checkpoint(`${directory}-checkpoints`)
    const started = store.service('new', { key: z.int() })
    const { eventTime } = await started
    await eventTime.register({ key: 1, timestamp: 1 })
    assert.equal(
      (await all(snapshot.timers())).map(({ service }) => service),
      ['old'],
    )
    const { path } = await checkpoint
    await TimerStore.restore(path, `${directory}-restored`)
    await inStore(`${directory}-restored`, {}, async (restored) => {
      assert.equal(Object.keys(restored.stats().services), ['old'])
      await restored.service('new', { key: z.string() })
    })
    await release(snapshot)
  })
})

test('H17. versions beyond 2^31, 2^32 and near 2^53 count, compare and come back like small ones', async () => {
  for (const version of [2 ** 31 - 2, 2 ** 32 - 2, 2 ** 40, 2 ** 53 - 100]) {
    await withStore({}, async (store, directory, reopen) => {
      await (await store.service('orders', { payload: z.int() })).eventTime.register({ ...timer, payload: 0 })
      await store.close()
      await jumpTo(directory, version)
      let current = await reopen()
      assert.is(current.stats().version, version)
      const { eventTime } = await current.service('orders', { payload: z.int() })
      const snapshots: Snapshot[] = []
      for (let payload = 1; payload <= 6; payload++) {
        snapshots.push(await current.snapshot())
        await eventTime.register({ ...timer, payload })
        assert.is(current.stats().version, version + payload)
        if (payload % 2 === 0) await verified(current)
      }
      for (const [payload, snapshot] of snapshots.entries()) assert.equal(await payloads(snapshot), [payload])
      await release(...snapshots)
      await purged(current)
      const handler = recorder()
      current = await reopen()
      assert.ok(current.stats().version >= version + 6)
      const orders = await current.service('orders', { payload: z.int(), onEventTime: handler })
      await orders.eventTime.register({ key: 'b', timestamp: 1, payload: 7 })
      const { path } = await current.checkpoint(`${directory}-checkpoints`)
      await orders.advanceWatermark(1)
      assert.equal(handler.names(), ['a@1', 'b@1'])
      await TimerStore.restore(path, `${directory}-restored`)
      await inStore(`${directory}-restored`, {}, async (restored) => {
        assert.ok(restored.stats().version >= version)
        assert.is(restored.stats().services.orders?.eventTime, 2)
      })
    })
  }
})

test.run()
