// timeout: 120s
// `migrate`: the timers of a service whose schemas are others now, converted when it is started.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'
import { type SnapshotTimer, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { keyGroupOf } from '../../src/timer/keygroup.ts'
import { watchEventLoop } from '../support/eventloop.ts'
import { recorder } from '../support/recorder.ts'
import { rejects } from '../support/refusals.ts'
import { all, inStore, type Store, verified, withStore } from '../support/store.ts'
import { after, before, firingOrder, timerAfter, timerBefore } from './migrate-definitions.ts'

const mismatch = 'TIDEMARK_SERVICE_MISMATCH'

async function fill(store: Store, count: number): Promise<void> {
  const orders = await store.service('orders', before)
  const timers = Array.from({ length: count }, (_, i) => timerBefore(i))
  await orders.eventTime.registerMany(timers)
  await orders.processingTime.registerMany(
    timers.map((timer) => ({ ...timer, timestamp: timer.timestamp + 1000 })),
  )
  await orders.advanceWatermark(-5)
}

async function content(store: Store, filter = {}): Promise<SnapshotTimer[]> {
  const snapshot = await store.snapshot()
  const timers = await all(snapshot.timers(filter))
  await snapshot.release()
  return timers
}

/** `migrate` that gives up at its n-th call: within the second pass, that leaves the conversion half-way. */
function failingAt(call: number) {
  let calls = 0
  const migrate: typeof after.migrate = (timer) => {
    if (++calls === call) throw new Error('given up')
    return after.migrate(timer)
  }
  return { ...after, migrate }
}

function sequences(fired: readonly { payload?: unknown }[]): number[] {
  return fired.map(({ payload }) => (payload as { sequence: number }).sequence)
}

/** Fires everything, and checks that it is all there, once, in the order in which it was registered. */
async function checkFires(store: Store, clock: ManualClock, count: number): Promise<void> {
  const [onEventTime, onProcessingTime] = [recorder(), recorder()]
  await clock.advanceTo(0)
  const orders = await store.service('orders', { ...after, onEventTime, onProcessingTime })
  assert.equal([orders.eventTime.count, orders.processingTime.count], [count, count])
  assert.is(orders.currentWatermark, -5)
  await orders.advanceWatermark(100)
  assert.equal(sequences(onEventTime.fired), firingOrder(count))
  await clock.advanceTo(5000)
  assert.equal(sequences(onProcessingTime.fired), firingOrder(count))
  const [{ timestamp: _, ...timer }, fired] = [timerAfter(0), onEventTime.fired[0]!]
  assert.equal(fired, { ...timer, timestamp: timerAfter(0).timestamp })
}

test('keys, namespaces and payloads are converted; timestamps, domains, order, counts and the watermark stay', async () => {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store, _, reopen) => {
    await fill(store, 2000)
    const again = await reopen()
    await again.service('orders', after)
    assert.equal(again.stats().services, { orders: { watermark: -5, eventTime: 2000, processingTime: 2000 } })
    await verified(again)
    const timers = await content(again, { domain: 'eventTime', from: 0, to: 0 })
    assert.equal(
      timers
        .map(({ key, namespace, payload }) => ({ key, namespace, payload, timestamp: 0 }))
        .sort(bySequence),
      Array.from({ length: 2000 }, (_, i) => timerAfter(i)).filter(({ timestamp }) => timestamp === 0),
    )
    await checkFires(await reopen(), clock, 2000)
  })
})

function bySequence(a: { payload?: unknown }, b: { payload?: unknown }): number {
  return sequences([a])[0]! - sequences([b])[0]!
}

test('a converted timer is in the key group of its new key', async () => {
  await withStore({}, async (store, _, reopen) => {
    await fill(store, 50)
    const again = await reopen()
    const { eventTime } = await again.service('orders', after)
    const { key, namespace, timestamp } = timerAfter(7)
    assert.is(await eventTime.has({ key, namespace, timestamp }), true)
    assert.is(await eventTime.register(timerAfter(7)), false)
    assert.not.equal(keyGroupOf('0/order-7', 128), keyGroupOf('{"order":"order-7","tenant":0}', 128))
    await verified(again)
  })
})

test('nothing of the service fires before all of it is converted, and all of it after', async () => {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store, _, reopen) => {
    await fill(store, 1500)
    const again = await reopen()
    let calls = 0
    const handler = recorder(() => assert.is(calls, 6000))
    await clock.advanceTo(5000)
    const migrate: typeof after.migrate = (timer) => {
      calls++
      return after.migrate(timer)
    }
    await again.service('orders', { ...after, migrate, onProcessingTime: handler })
    await clock.advanceBy(0)
    assert.equal(sequences(handler.fired), firingOrder(1500))
  })
})

test('other services go on, and the event loop with them', async () => {
  await withStore({}, async (store, _, reopen) => {
    await fill(store, 20_000)
    const again = await reopen()
    const { eventTime } = await again.service('others')
    let done = false
    const stop = watchEventLoop()
    const started = again.service('orders', after).then(() => {
      done = true
    })
    let registered = 0
    for (; !done; registered++) await eventTime.register({ key: 'a', timestamp: registered })
    await started
    const heldMs = stop()
    assert.ok(registered > 50, `${registered} timers of another service were registered meanwhile`)
    assert.ok(heldMs < 100, `the event loop was held for ${heldMs} ms`)
  })
})

test('two starts at once convert once, and are one instance', async () => {
  await withStore({}, async (store, _, reopen) => {
    await fill(store, 100)
    const again = await reopen()
    let calls = 0
    const migrate: typeof after.migrate = (timer) => {
      calls++
      return after.migrate(timer)
    }
    const [one, other] = await Promise.all([
      again.service('orders', { ...after, migrate }),
      again.service('orders', { ...after, migrate }),
    ])
    assert.is(one, other)
    assert.is(calls, 400)
  })
})

test('it is not called where the schemas take what is stored, and nothing is asked of it where nothing is', async () => {
  await withStore({}, async (store, _, reopen) => {
    const migrate = () => {
      throw new Error('called')
    }
    await store.service('new', { migrate })
    await (await store.service('same')).eventTime.register({ key: 'a', timestamp: 1 })
    await store.service('empty')
    const again = await reopen()
    await again.service('same', { key: z.union([z.string(), z.int()]), migrate: migrate as never })
    await again.service('empty', { key: z.int(), migrate: migrate as never })
    assert.is((await (await reopen()).service('empty', { key: z.int() })).eventTime.count, 0)
  })
})

test('it is given what is stored, and the schemas under which it is', async () => {
  await withStore({}, async (store, _, reopen) => {
    const orders = await store.service('orders', before)
    await orders.eventTime.register({
      key: '1/a',
      namespace: 'pay',
      timestamp: 5,
      payload: { sequence: '1' },
    })
    await orders.processingTime.register({ key: '2/b', namespace: 'ship', timestamp: 6 })
    const given: unknown[] = []
    const migrate: NonNullable<Parameters<Store['service']>[1]>['migrate'] = (timer, stored) => {
      const { key, namespace, timestamp, domain, service } = timer
      given.push({ key, namespace, timestamp, domain, service, payload: timer.payload })
      assert.equal(stored.key, { type: 'string' })
      assert.equal(stored.namespace, { type: 'string', enum: ['pay', 'ship'] })
      assert.equal(stored.payload, {
        type: 'object',
        properties: { sequence: { type: 'string' } },
        required: ['sequence'],
      })
      return { key: 'a' }
    }
    await (await reopen()).service('orders', { migrate: migrate as never })
    const event = { key: '1/a', namespace: 'pay', timestamp: 5, domain: 'eventTime', service: 'orders' }
    const processing = {
      key: '2/b',
      namespace: 'ship',
      timestamp: 6,
      domain: 'processingTime',
      service: 'orders',
    }
    const passes = [
      { ...event, payload: { sequence: '1' } },
      { ...processing, payload: undefined },
    ]
    assert.equal(given, [...passes, ...passes])
  })
})

const wrong: Record<string, [() => unknown, RegExp]> = {
  'it throws': [
    () => {
      throw new Error('no idea')
    },
    /key "2\/order-2", namespace "ship", timestamp 8: no idea/,
  ],
  'it returns nothing': [() => undefined, /what 'migrate' returns must be an object/],
  'it returns a promise': [async () => ({ key: 'a' }), /not a promise/],
  'it returns a promise that rejects': [() => Promise.reject(new Error('nobody hears')), /not a promise/],
  'its key does not fit': [
    () => ({ ...after.migrate(timerBefore(2)), key: 'a' }),
    /key does not fit its schema/,
  ],
  'its namespace does not fit': [() => ({ ...after.migrate(timerBefore(2)), namespace: 'pay' }), /namespace/],
  'its payload is missing': [() => ({ ...after.migrate(timerBefore(2)), payload: undefined }), /payload/],
  'it returns a timestamp': [() => ({ ...after.migrate(timerBefore(2)), timestamp: 1 }), /not 'timestamp'/],
}

for (const [name, [result, message]] of Object.entries(wrong)) {
  test(`nothing is changed where ${name}`, async () => {
    await withStore({}, async (store, _, reopen) => {
      await fill(store, 3)
      const again = await reopen()
      const held = await content(again)
      const { version } = again.stats()
      const migrate = (timer: { key: unknown }) =>
        timer.key === '2/order-2' ? result() : after.migrate(timer as never)
      const definition = { ...after, migrate: migrate as typeof after.migrate }
      const error = await rejects(() => again.service('orders', definition), mismatch, 'orders', message)
      assert.ok(error.cause instanceof Error)
      assert.equal(await content(again), held)
      assert.is(again.stats().version, version)
      await again.service('orders', before)
    })
  })
}

test('two timers that become one are one, with the payload of the later and the place of the first', async () => {
  const handler = recorder()
  await withStore({}, async (store, _, reopen) => {
    const orders = await store.service('orders', { payload: z.int() })
    for (const [i, key] of ['a1', 'b1', 'a2', 'b2', 'c1', 'a3'].entries()) {
      await orders.eventTime.register({ key, timestamp: 1, payload: i })
    }
    const again = await reopen()
    const started = await again.service('orders', {
      payload: z.object({ i: z.int() }),
      migrate: ({ key, payload }) => ({ key: String(key)[0]!, payload: { i: Number(payload) } }),
      onEventTime: handler,
    })
    assert.is(started.eventTime.count, 3)
    await verified(again)
    await started.advanceWatermark(1)
    assert.equal(
      handler.fired.map(({ key, payload }) => [key, (payload as { i: number }).i]),
      [
        ['a', 5],
        ['b', 3],
        ['c', 4],
      ],
    )
  })
})

test('a key that becomes one of another key group than the store takes is refused, and nothing is changed', async () => {
  await withStore({}, async (store, directory) => {
    await fill(store, 200)
    const { path } = await store.checkpoint(join(directory, '..', 'checkpoints'))
    const location = join(directory, '..', 'restored')
    await TimerStore.restore(path, location, { keyGroups: { start: 0, end: 63 } })
    await inStore(location, {}, async (restored) => {
      const held = await content(restored)
      await rejects(
        () => restored.service('orders', after),
        'TIDEMARK_KEY_GROUP_OUT_OF_RANGE',
        'orders',
        '0 to 63',
      )
      assert.equal(await content(restored), held)
      await restored.service('orders', before)
    })
  })
})

test('half-way, each timer is there once under the name of its service, and goes on from there', async () => {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store, directory, reopen) => {
    await fill(store, 1500)
    const again = await reopen()
    const held = await again.snapshot()
    const before1 = await all(held.timers())
    await rejects(() => again.service('orders', failingAt(3000 + 1200)), mismatch, 'given up')
    const timers = await content(again)
    const converted = timers.filter(({ key }) => typeof key === 'object')
    assert.ok(converted.length > 0 && converted.length < 1500, `${converted.length} are converted`)
    assert.is(timers.length, 3000)
    assert.equal(await content(again, { service: 'orders' }), timers)
    assert.equal(await content(again, { service: 'tidemark:migrating:orders' }), [])
    assert.equal(again.stats().services, { orders: { watermark: -5, eventTime: 1500, processingTime: 1500 } })
    assert.equal(await all(held.timers()), before1, 'a snapshot reads what it read')
    await verified(again)
    await held.release()
    await checkHalfWay(again, join(directory, '..'), clock)
    await checkFires(await reopen(), clock, 1500)
  })
})

/** Only the conversion that has begun can go on, here and in what is restored of a checkpoint. */
async function checkHalfWay(store: Store, directory: string, clock: ManualClock): Promise<void> {
  const { migrate: _, ...withoutMigrate } = after
  const other = { ...after, payload: z.object({ sequence: z.string() }) }
  const told = ['being converted', /\d+ of its timers are, \d+ wait/, 'converted to: {"key":{']
  await rejects(() => store.service('orders', before), mismatch, ...told)
  await rejects(() => store.service('orders', other as never), mismatch, ...told, 'payload.sequence')
  await rejects(() => store.service('orders', withoutMigrate), mismatch, ...told, "without its 'migrate'")
  const checkpoint = await store.checkpoint(join(directory, 'checkpoints'))
  const location = join(directory, 'restored')
  const { services } = await TimerStore.restore(checkpoint.path, location)
  assert.equal(services, ['orders'])
  await inStore(location, { clock }, async (restored) => {
    assert.equal(await content(restored), await content(store))
    await rejects(() => restored.service('orders', before), mismatch, ...told)
    await checkFires(restored, clock, 1500)
  })
}

test('a conversion that has not begun can give way to another one, and to none', async () => {
  await withStore({}, async (store, _, reopen) => {
    await fill(store, 600)
    let again = await reopen()
    await rejects(() => again.service('orders', failingAt(1201)), mismatch, 'given up')
    const { sequence } = await content(again).then(([timer]) => timer!.payload as { sequence: string })
    assert.type(sequence, 'string', 'nothing is converted')
    assert.is((await again.service('orders', before)).eventTime.count, 600)
    again = await reopen()
    await rejects(() => again.service('orders', failingAt(1201)), mismatch, 'given up')
    const numbers = {
      ...after,
      key: z.string(),
      migrate: ({ payload }: { payload?: unknown }) => ({
        key: 'a',
        namespace: 'payment' as const,
        payload: { sequence: Number((payload as { sequence: string }).sequence) },
      }),
    }
    assert.ok((await again.service('orders', numbers)).eventTime.count <= 11)
  })
})

test('numbers of services that are free go to the next services, and what they had is forgotten', async () => {
  await withStore({}, async (store, directory, reopen) => {
    await fill(store, 20)
    const forward = after
    const back = {
      ...before,
      migrate: ({ key, namespace, payload }: { key: unknown; namespace: unknown; payload?: unknown }) => {
        const { tenant, order } = key as { tenant: number; order: string }
        const sequence = String((payload as { sequence: number }).sequence)
        return {
          key: `${tenant}/${order}`,
          namespace: namespace === 'payment' ? ('pay' as const) : ('ship' as const),
          payload: { sequence },
        }
      },
    }
    let current = store
    const held = await content(current)
    for (let round = 0; round < 4; round++) {
      current = await reopen()
      await current.service('orders', forward)
      current = await reopen()
      await current.service('orders', back)
    }
    const plain = ({ createVersion: _, ...timer }: SnapshotTimer) => timer
    assert.equal((await content(current)).map(plain), held.map(plain))
    const others = await current.service('others')
    assert.is(others.currentWatermark, -Number.MAX_SAFE_INTEGER)
    await others.eventTime.register({ key: 'a', timestamp: 3 })
    assert.is((await others.eventTime.next())?.timestamp, 3)
    await verified(current)
    const { path } = await current.checkpoint(join(directory, '..', 'checkpoints'))
    const reader = await CheckpointReader.open(path)
    assert.equal(reader.header.services.map(({ name }) => name).sort(), ['orders', 'others'])
    await reader.close()
    current = await reopen()
    const least = { watermark: -Number.MAX_SAFE_INTEGER, eventTime: 1, processingTime: 0 }
    assert.equal(current.stats().services, {
      orders: { watermark: -5, eventTime: 20, processingTime: 20 },
      others: least,
    })
  })
})

test('a number that is free is none of the services, in the store, in a checkpoint, and restored', async () => {
  await withStore({}, async (store, directory, reopen) => {
    await fill(store, 20)
    await (await store.service('others')).advanceWatermark(7)
    let again = await reopen()
    await again.service('orders', after)
    await again.service('others')
    again = await reopen()
    const expected = again.stats().services
    assert.equal(Object.keys(expected).sort(), ['orders', 'others'])
    const { path } = await again.checkpoint(join(directory, '..', 'checkpoints'))
    const location = join(directory, '..', 'restored')
    assert.equal((await TimerStore.restore(path, location)).services.sort(), ['orders', 'others'])
    await inStore(location, {}, async (restored) => {
      assert.equal(restored.stats().services, expected)
      assert.is((await restored.service('third')).currentWatermark, -Number.MAX_SAFE_INTEGER)
      assert.is((await restored.service('orders', after)).eventTime.count, 20)
    })
  })
})

test('a chain of checkpoints restores each version before, within and after a conversion', async () => {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store, directory, reopen) => {
    await fill(store, 1500)
    const checkpoints = join(directory, '..', 'checkpoints')
    await store.checkpoint(checkpoints, { incremental: true })
    const again = await reopen()
    await rejects(() => again.service('orders', failingAt(3000 + 1200)), mismatch, 'given up')
    const within = await again.checkpoint(checkpoints, { incremental: true })
    await again.service('orders', after)
    const end = await again.checkpoint(checkpoints, { incremental: true })
    assert.equal([within.kind, end.kind], ['incremental', 'incremental'])
    for (const version of [within.version - 1, within.version, end.version - 1, end.version]) {
      const location = join(directory, '..', `restored-${version}`)
      await TimerStore.restore(end.path, location, { version })
      await inStore(location, { clock }, async (restored) => {
        assert.equal(restored.stats().services, {
          orders: { watermark: -5, eventTime: 1500, processingTime: 1500 },
        })
        await checkFires(restored, clock, 1500)
      })
    }
  })
})

test('parts that were converted, that are half-way and that were not begun are put together, and go on', async () => {
  // The keys stay, so that each part keeps its own.
  const numbers = { ...before, payload: after.payload }
  const convert = ({ key, namespace, payload }: { key: unknown; namespace: unknown; payload?: unknown }) => ({
    key: String(key),
    namespace: namespace === 'pay' ? ('pay' as const) : ('ship' as const),
    payload: { sequence: Number((payload as { sequence: string }).sequence) },
  })
  await withStore({}, async (store, directory) => {
    await fill(store, 3000)
    const parent = join(directory, '..')
    const { path } = await store.checkpoint(join(parent, 'checkpoints'))
    const parts = { notBegun: [0, 31], halfWay: [32, 95], converted: [96, 127] } as const
    const paths: Record<string, string> = {}
    for (const [name, [start, end]] of Object.entries(parts)) {
      const location = join(parent, name)
      await TimerStore.restore(path, location, { keyGroups: { start, end } })
      // The lowest of the watermarks is what counts.
      if (name === 'halfWay') {
        await inStore(location, {}, async (part) =>
          (await part.service('orders', before)).advanceWatermark(-2),
        )
      }
      await inStore(location, {}, async (part) => {
        const count = part.stats().services.orders!.eventTime
        let calls = 0
        const migrate = (timer: Parameters<typeof convert>[0]) => {
          if (name === 'halfWay' && ++calls === 2 * count + 600) throw new Error('given up')
          return convert(timer)
        }
        if (name === 'halfWay')
          await rejects(() => part.service('orders', { ...numbers, migrate }), mismatch, 'given up')
        if (name === 'converted') await part.service('orders', { ...numbers, migrate })
        paths[name] = (await part.checkpoint(join(parent, `${name}-checkpoints`))).path
      })
    }
    const { notBegun, halfWay, converted } = paths as Record<keyof typeof parts, string>
    await rejects(
      () => TimerStore.restore([notBegun, halfWay, converted], join(parent, 'all')),
      mismatch,
      'orders',
    )
    const together = { start: 0, end: 95 }
    for (const [i, sources] of [
      [notBegun, halfWay],
      [halfWay, notBegun],
    ].entries()) {
      const location = join(parent, `together-${i}`)
      assert.equal((await TimerStore.restore(sources, location, { keyGroups: together })).services, [
        'orders',
      ])
      await inStore(location, {}, async (restored) => {
        const { eventTime } = restored.stats().services.orders!
        const handler = recorder()
        const orders = await restored.service('orders', {
          ...numbers,
          migrate: convert,
          onEventTime: handler,
        })
        assert.is(orders.currentWatermark, -5)
        await orders.advanceWatermark(100)
        const fired = sequences(handler.fired)
        assert.is(fired.length, eventTime)
        assert.is(new Set(fired).size, eventTime)
      })
    }
  })
})

test('a store that closes in the middle says so, and goes on when it is opened again', async () => {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store, _, reopen) => {
    await fill(store, 3000)
    const again = await reopen()
    let calls = 0
    let closing: Promise<void> | undefined
    const migrate: typeof after.migrate = (timer) => {
      if (++calls === 6000 + 2000) closing = again.close()
      return after.migrate(timer)
    }
    await rejects(() => again.service('orders', { ...after, migrate }), 'TIDEMARK_CLOSED')
    await closing
    await checkFires(await reopen(), clock, 3000)
  })
})

test.run()
