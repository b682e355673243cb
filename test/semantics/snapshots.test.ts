// Semantics 13 to 17: key groups, and what a snapshot holds, for how long.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { keyGroupOf, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { copyAsCrashed } from '../support/crash.ts'
import { eventually } from '../support/eventually.ts'
import { lines, linesOf } from '../support/picture.ts'
import { names, recorder } from '../support/recorder.ts'
import { rejects } from '../support/refusals.ts'
import { all, inStore, type Store, verified, withStore } from '../support/store.ts'

type Snapshot = Awaited<ReturnType<Store['snapshot']>>

async function held(snapshot: Snapshot): Promise<string[]> {
  return names((await all(snapshot.timers())) as { key: string; timestamp: number }[]).sort()
}

async function purged(store: Store): Promise<void> {
  await eventually(() => store.stats().retired === 0, 'the purge')
}

test('13. the key group never changes what fires, nor in which order', async () => {
  const fired: string[][] = []
  const keys = Array.from({ length: 60 }, (_, index) => `order-${(index * 37) % 60}`)
  for (const maxParallelism of [1, 2, 128, 32768]) {
    const handler = recorder()
    await withStore({ maxParallelism }, async (store) => {
      const orders = await store.service('orders', { onEventTime: handler })
      for (const [index, key] of keys.entries())
        await orders.eventTime.register({ key, timestamp: index % 4 })
      await orders.advanceWatermark(3)
      fired.push(handler.names())
    })
  }
  for (const others of fired) assert.equal(others, fired[0])
})

test('a snapshot is narrowed to a key and a namespace as their schemas encode them, whatever the order of properties', async () => {
  await withStore({}, async (store) => {
    const part = z.object({ tenant: z.string(), id: z.int() })
    const orders = await store.service('orders', { key: part, namespace: part })
    const one = { tenant: 'a', id: 1 }
    const other = { id: 2, tenant: 'a' }
    await orders.eventTime.registerMany([
      { key: one, namespace: other, timestamp: 1 },
      { key: other, namespace: one, timestamp: 2 },
    ])
    const snapshot = await store.snapshot()
    const timestamps = async (filter: object) =>
      ((await all(snapshot.timers(filter))) as { timestamp: number }[]).map(({ timestamp }) => timestamp)
    assert.equal(await timestamps({ key: one }), [1])
    assert.equal(await timestamps({ key: { id: 1, tenant: 'a' } }), [1])
    assert.equal(await timestamps({ namespace: { tenant: 'a', id: 1 } }), [2])
    assert.equal(await timestamps({ key: '' }), [])
    await rejects(all(snapshot.timers({ key: '\ud800' })), 'TIDEMARK_INVALID_ARGUMENT', 'key')
    await snapshot.release()
    await verified(store)
  })
})

test('13. restored for a range of key groups, a store has exactly the timers of the keys that belong there', async () => {
  await withStore({ maxParallelism: 10 }, async (store, directory) => {
    const orders = await store.service('orders', { key: z.union([z.string(), z.int()]) })
    const keys = ['', 'a', 'b', 'hello', 'key-1', 'order-42', 'café', 0, 1, 42]
    for (const key of keys) await orders.eventTime.register({ key, timestamp: 1 })
    const { path } = await store.checkpoint(`${directory}-checkpoints`)
    // Flink's key group of these strings, and of the JSON of what is no string.
    const groups = [4, 1, 8, 9, 4, 5, 8, keyGroupOf('0', 10), keyGroupOf('1', 10), keyGroupOf('42', 10)]
    for (const [start, end] of [
      [0, 3],
      [4, 4],
      [5, 9],
    ] as const) {
      const part = `${directory}-${start}`
      await TimerStore.restore(path, part, { keyGroups: { start, end } })
      await inStore(part, {}, async (again) => {
        const service = await again.service('orders', { key: z.union([z.string(), z.int()]) })
        for (const [index, key] of keys.entries()) {
          const timer = { key, timestamp: 1 }
          if (groups[index]! >= start && groups[index]! <= end)
            assert.is(await service.eventTime.has(timer), true, String(key))
          else await rejects(() => service.eventTime.register(timer), 'TIDEMARK_KEY_GROUP_OUT_OF_RANGE')
        }
        assert.is(service.eventTime.count, groups.filter((group) => group >= start && group <= end).length)
      })
    }
  })
})

test('14. a snapshot holds what stood at its cut, in every order of create, delete and snapshot', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    const timer = (key: string) => ({ key, timestamp: 1 })
    for (const key of ['created, snapshot, deleted', 'created, deleted, snapshot', 'created, snapshot']) {
      await eventTime.register(timer(key))
    }
    await eventTime.delete(timer('created, deleted, snapshot'))
    const snapshot = await store.snapshot()
    await eventTime.register(timer('snapshot, created'))
    await eventTime.register(timer('snapshot, created, deleted'))
    await eventTime.delete(timer('snapshot, created, deleted'))
    await eventTime.delete(timer('created, snapshot, deleted'))
    assert.equal(await held(snapshot), ['created, snapshot, deleted@1', 'created, snapshot@1'])
    await snapshot.release()
  })
})

test('14. a snapshot holds all of a commit or nothing of it, whatever shares the commit', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    const timer = (key: string) => ({ key, timestamp: 1 })
    const calls: Promise<unknown>[] = [eventTime.register(timer('a')), eventTime.register(timer('b'))]
    const first = store.snapshot()
    calls.push(eventTime.delete(timer('a')), eventTime.register(timer('c')), eventTime.register(timer('d')))
    calls.push(eventTime.delete(timer('d')))
    const second = store.snapshot()
    const third = store.snapshot()
    calls.push(eventTime.delete(timer('b')), eventTime.register(timer('d')))
    const fourth = store.snapshot()
    await Promise.all(calls)
    const snapshots = await Promise.all([first, second, third, fourth])
    assert.equal(await Promise.all(snapshots.map(held)), [
      ['a@1', 'b@1'],
      ['b@1', 'c@1'],
      ['b@1', 'c@1'],
      ['c@1', 'd@1'],
    ])
    assert.is(store.stats().runningSnapshots, 4)
    for (const snapshot of snapshots) await snapshot.release()
    await purged(store)
  })
})

test('14. a snapshot spans services and domains, and tells each timer in full', async () => {
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { payload: z.object({ n: z.int() }).optional() })
    const visits = await store.service('visits', { key: z.int(), namespace: z.enum(['in', 'out']) })
    await orders.eventTime.register({ key: 'a', timestamp: -5, payload: { n: 1 } })
    await orders.processingTime.register({ key: 'a', namespace: 'x', timestamp: 5 })
    await visits.eventTime.register({ key: 7, namespace: 'out', timestamp: 1 })
    const snapshot = await store.snapshot()
    const timers = await all(snapshot.timers())
    for (const { createVersion } of timers) {
      assert.ok(Number.isInteger(createVersion) && createVersion > 0 && createVersion < snapshot.version)
    }
    assert.equal(
      timers.map(({ createVersion: _, ...timer }) => timer),
      [
        { service: 'orders', domain: 'eventTime', key: 'a', namespace: '', timestamp: -5, payload: { n: 1 } },
        { service: 'orders', domain: 'processingTime', key: 'a', namespace: 'x', timestamp: 5 },
        { service: 'visits', domain: 'eventTime', key: 7, namespace: 'out', timestamp: 1 },
      ],
    )
    const narrowed = async (filter: Parameters<Snapshot['timers']>[0]) =>
      lines(await all(snapshot.timers(filter)))
    assert.is((await narrowed({ service: 'orders' })).length, 2)
    assert.is((await narrowed({ domain: 'eventTime' })).length, 2)
    assert.is((await narrowed({ service: 'orders', domain: 'eventTime' })).length, 1)
    assert.is((await narrowed({ service: 'nobody' })).length, 0)
    await snapshot.release()
  })
})

/** Changes every timer of a store in one of many ways. */
async function churn(store: Store): Promise<void> {
  const orders = await store.service('orders', { payload: z.int().optional(), onEventTime: () => {} })
  const timers = await all(orders.eventTime.list({}))
  const calls: Promise<unknown>[] = []
  for (const [index, timer] of timers.entries()) {
    if (index % 4 === 0) calls.push(orders.eventTime.delete(timer))
    if (index % 4 === 1) calls.push(orders.eventTime.register({ ...timer, payload: index }))
    if (index % 4 === 2) {
      calls.push(orders.eventTime.delete(timer), orders.eventTime.register({ ...timer, payload: -index }))
    }
    if (index % 5 === 0)
      calls.push(orders.eventTime.register({ key: `new ${index}`, timestamp: timer.timestamp + 1 }))
  }
  await Promise.all(calls)
  await orders.advanceWatermark(orders.currentWatermark < 0 ? 1000 : orders.currentWatermark + 1000)
}

test('14. however long it is read, and whatever happens meanwhile, a snapshot reads the same', async () => {
  await withStore({}, async (store) => {
    const definition = { payload: z.int().optional(), onEventTime: () => {} }
    const { eventTime } = await store.service('orders', definition)
    await eventTime.registerMany(
      Array.from({ length: 13_000 }, (_, index) => ({
        key: `k${index % 701}`,
        timestamp: index,
        ...(index % 3 === 0 ? { payload: index } : {}),
      })),
    )
    const snapshot = await store.snapshot()
    const expected = lines(await all(snapshot.timers()))
    assert.is(expected.length, 13_000)
    const read: Awaited<ReturnType<typeof collect>> = []
    const collect = async () => all(snapshot.timers())
    let rounds = 0
    for await (const timer of snapshot.timers()) {
      read.push(timer)
      if (read.length % 2500 !== 1) continue
      await churn(store)
      if (++rounds % 2 === 0) await store.compact()
    }
    assert.is(rounds, 6)
    assert.equal(lines(read), expected)
    assert.equal(lines(await collect()), expected)
    await snapshot.release()
    await purged(store)
  })
})

test('14. a timer that fires while a snapshot runs is still in it, and is not in the next', async () => {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store) => {
    const handler = recorder()
    const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
    await orders.eventTime.register({ key: 'e', timestamp: 1 })
    await orders.processingTime.register({ key: 'p', timestamp: 1 })
    const before = await store.snapshot()
    await orders.advanceWatermark(1)
    await clock.advanceTo(1)
    assert.is(handler.fired.length, 2)
    const after = await store.snapshot()
    assert.equal(await held(before), ['e@1', 'p@1'])
    assert.equal(await held(after), [])
    assert.is(store.stats().retired, 2)
    await after.release()
    await before.release()
    await purged(store)
  })
})

test('14. taken by a handler in the middle of a drain, a snapshot holds the rest of the drain', async () => {
  await withStore({}, async (store) => {
    let snapshot: Snapshot | undefined
    const orders = await store.service('orders', {
      onEventTime: async ({ timestamp }) => {
        if (timestamp === 50) snapshot = await store.snapshot()
      },
    })
    for (let timestamp = 0; timestamp < 100; timestamp++)
      await orders.eventTime.register({ key: 'a', timestamp })
    await orders.advanceWatermark(100)
    const rest = (await all(snapshot!.timers())).map(({ timestamp }) => timestamp)
    const from = rest[0]!
    assert.ok(from <= 50)
    assert.equal(
      rest,
      Array.from({ length: 100 - from }, (_, index) => from + index),
    )
    await snapshot!.release()
  })
})

test('15. deleted and registered again, the snapshot sees the old timer, once, with the old payload', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders', { payload: z.string() })
    const timer = { key: 'a', timestamp: 1 }
    const snapshots: Snapshot[] = []
    const expected: string[][] = []
    const cut = async (...payloads: string[]) => {
      snapshots.push(await store.snapshot())
      expected.push(payloads)
    }
    await cut()
    await eventTime.register({ ...timer, payload: 'one' })
    await cut('one')
    await eventTime.delete(timer)
    await cut()
    await eventTime.register({ ...timer, payload: 'two' })
    await cut('two')
    await Promise.all([eventTime.delete(timer), eventTime.register({ ...timer, payload: 'three' })])
    await cut('three')
    await eventTime.register({ ...timer, payload: 'four' })
    await cut('four')
    await eventTime.replace({ ...timer, payload: 'five' })
    await cut('five')
    await eventTime.deleteAll({ key: 'a' })
    await cut()
    await verified(store)
    for (const order of [snapshots.keys(), [5, 0, 7, 3, 1, 6, 2, 4]]) {
      for (const index of order) {
        const timers = await all(snapshots[index]!.timers())
        assert.equal(
          timers.map(({ payload }) => payload),
          expected[index],
          `snapshot ${index}`,
        )
      }
    }
    for (const index of [3, 0, 6, 1, 7, 2]) {
      await snapshots[index]!.release()
      for (const [other, payloads] of [
        [4, ['three']],
        [5, ['four']],
      ] as const) {
        assert.equal(
          (await all(snapshots[other]!.timers())).map(({ payload }) => payload),
          payloads,
        )
      }
      await verified(store)
    }
    for (const snapshot of snapshots) await snapshot.release()
    await purged(store)
  })
})

test('15. a register that only changes the payload leaves running snapshots the old one', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders', { payload: z.string().optional() })
    const timer = { key: 'a', timestamp: 1 }
    await eventTime.register({ ...timer, payload: 'old' })
    const snapshot = await store.snapshot()
    await Promise.all(['x', 'y', 'new'].map((payload) => eventTime.register({ ...timer, payload })))
    assert.equal(
      (await all(snapshot.timers())).map(({ payload }) => payload),
      ['old'],
    )
    assert.is(store.stats().retired, 1, 'the ones in between were seen by nobody')
    await eventTime.register(timer)
    assert.equal(
      (await all(snapshot.timers())).map(({ payload }) => payload),
      ['old'],
    )
    assert.equal(
      (await all(eventTime.list({}))).map(({ payload }) => payload),
      [undefined],
    )
    await snapshot.release()
    await purged(store)
  })
})

test('16. released, in any order and twice, snapshots let go of what was deleted', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    const snapshots: Snapshot[] = []
    for (let timestamp = 0; timestamp < 6; timestamp++) {
      await eventTime.register({ key: 'a', timestamp })
      snapshots.push(await store.snapshot())
    }
    await eventTime.deleteAll({ key: 'a' })
    assert.is(store.stats().retired, 6)
    assert.is(store.stats().runningSnapshots, 6)
    let running = 6
    for (const index of [2, 5, 0, 4]) {
      await snapshots[index]!.release()
      await snapshots[index]!.release()
      assert.is(store.stats().runningSnapshots, --running)
      for (const other of [1, 3]) {
        assert.equal(
          await held(snapshots[other]!),
          Array.from({ length: other + 1 }, (_, timestamp) => `a@${timestamp}`),
        )
      }
    }
    await snapshots[3]!.release()
    await eventually(() => store.stats().retired === 2, 'what only snapshot 1 holds')
    await snapshots[1]!.release()
    await purged(store)
    assert.is(store.stats().runningSnapshots, 0)
  })
})

test('16. a released snapshot is not read any more, also in the middle of reading', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(Array.from({ length: 10_000 }, (_, timestamp) => ({ key: 'a', timestamp })))
    const snapshot = await store.snapshot()
    let read = 0
    await rejects(async () => {
      for await (const _ of snapshot.timers()) {
        if (++read === 10) {
          await snapshot.release()
          await eventTime.deleteAll({ key: 'a' })
        }
      }
    }, 'TIDEMARK_CLOSED')
    assert.ok(read < 10_000)
    await rejects(() => all(snapshot.timers()), 'TIDEMARK_CLOSED')
  })
})

test('16. a snapshot ends with its scope, and a reader that stops half-way holds nothing back', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(Array.from({ length: 9000 }, (_, timestamp) => ({ key: 'a', timestamp })))
    {
      await using snapshot = await store.snapshot()
      for await (const _ of snapshot.timers()) break
      await eventTime.deleteAll({ key: 'a' })
      assert.is(store.stats().retired, 9000)
    }
    assert.is(store.stats().runningSnapshots, 0)
    await purged(store)
  })
})

test('16. an aborted checkpoint, and one that failed, hold nothing back', async () => {
  await withStore({}, async (store, directory) => {
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(Array.from({ length: 5000 }, (_, timestamp) => ({ key: 'a', timestamp })))
    await rejects(
      store.checkpoint(`${directory}-checkpoints`, { signal: AbortSignal.abort() }),
      'TIDEMARK_CHECKPOINT_ABORTED',
    )
    const controller = new AbortController()
    const aborted = rejects(
      store.checkpoint(`${directory}-checkpoints`, { signal: controller.signal }),
      'TIDEMARK_CHECKPOINT_ABORTED',
    )
    const deleted = eventTime.deleteAll({ key: 'a' })
    controller.abort()
    await Promise.all([aborted, deleted])
    assert.is(store.stats().runningSnapshots, 0)
    await purged(store)
    let failed: { code?: string } | undefined
    await store.checkpoint(`${directory}/TIDEMARK/not a directory`).catch((error) => {
      failed = error
    })
    assert.ok(failed?.code?.startsWith('TIDEMARK_'), String(failed))
    assert.is(store.stats().runningSnapshots, 0)
  })
})

test('16. nothing is retired while no snapshot runs, and a timer made after the cut is not retired either', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'a', timestamp: 1 })
    await eventTime.delete({ key: 'a', timestamp: 1 })
    assert.is(store.stats().retired, 0)
    const snapshot = await store.snapshot()
    for (let round = 0; round < 50; round++) {
      await eventTime.register({ key: 'a', timestamp: 1 })
      await eventTime.delete({ key: 'a', timestamp: 1 })
    }
    assert.is(store.stats().retired, 0)
    assert.equal(await held(snapshot), [])
    await snapshot.release()
  })
})

test('16. a closed store, opened again, holds nothing back', async () => {
  await withStore({}, async (store, _, reopen) => {
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'a', timestamp: 1 })
    await store.snapshot()
    await eventTime.delete({ key: 'a', timestamp: 1 })
    assert.is(store.stats().retired, 1)
    const again = await reopen()
    assert.is(again.stats().runningSnapshots, 0)
    await purged(again)
  })
})

test('17. after a crash no snapshot runs, and what was retired is purged', async () => {
  await withStore({}, async (store, directory) => {
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(Array.from({ length: 5000 }, (_, timestamp) => ({ key: 'a', timestamp })))
    const snapshot = await store.snapshot()
    await eventTime.deleteAll({ key: 'a' })
    await eventTime.register({ key: 'a', timestamp: 3 })
    assert.is(store.stats().retired, 5000)
    const copy = `${directory}-crashed`
    await copyAsCrashed(directory, copy)
    await inStore(copy, {}, async (crashed) => {
      assert.is(crashed.stats().runningSnapshots, 0)
      await purged(crashed)
      assert.is((await linesOf(crashed)).length, 1)
    })
    await snapshot.release()
  })
})

test('17. versions never start again from a lower number, neither after closing nor after a crash', async () => {
  await withStore({}, async (store, directory, reopen) => {
    let version = 0
    let current = store
    for (let round = 0; round < 4; round++) {
      const { eventTime } = await current.service('orders')
      await eventTime.register({ key: 'a', timestamp: round })
      await eventTime.delete({ key: 'a', timestamp: round })
      assert.ok(current.stats().version > version)
      version = current.stats().version
      const snapshot = await current.snapshot()
      assert.is(snapshot.version, version + 1)
      await snapshot.release()
      const copy = `${directory}-crashed-${round}`
      await copyAsCrashed(directory, copy)
      await inStore(copy, {}, async (crashed) => assert.ok(crashed.stats().version >= version))
      current = await reopen()
      assert.ok(current.stats().version >= version)
    }
  })
})

test('17. versions count the commits, without gaps', async () => {
  await withStore({}, async (store) => {
    const { eventTime } = await store.service('orders')
    const first = store.stats().version
    for (let timestamp = 0; timestamp < 20; timestamp++) {
      await eventTime.register({ key: 'a', timestamp })
      assert.is(store.stats().version, first + timestamp + 1)
    }
    assert.equal(
      (await all((await store.snapshot()).timers())).map(({ createVersion }) => createVersion),
      Array.from({ length: 20 }, (_, index) => first + index + 1),
    )
  })
})

test.run()
