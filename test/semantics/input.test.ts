// Bad input: refused with TIDEMARK_INVALID_ARGUMENT, naming the field and its limit, before anything is written.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { picture } from '../support/picture.ts'
import { type Recorder, recorder } from '../support/recorder.ts'
import { rejects } from '../support/refusals.ts'
import { all, type Store, withDirectory, withStore } from '../support/store.ts'

type Call = readonly [what: string, call: () => unknown, ...says: (string | RegExp)[]]

/** Every call is refused for what it says; the store, its counts and what it fires are as they were. */
async function refuses(store: Store, clock: ManualClock, calls: readonly Call[]): Promise<void> {
  const before = await picture(store)
  for (const [what, call, ...says] of calls) {
    try {
      await rejects(call, 'TIDEMARK_INVALID_ARGUMENT', ...says)
    } catch (error) {
      ;(error as Error).message = `${what}: ${(error as Error).message}`
      throw error
    }
  }
  await clock.advanceBy(0)
  assert.equal(await picture(store), before)
}

async function withQueue(
  body: (
    queue: Awaited<ReturnType<typeof start>>['eventTime'],
    refused: (...calls: Call[]) => Promise<void>,
    store: Store,
  ) => Promise<void>,
): Promise<void> {
  const clock = new ManualClock(1000)
  await withStore({ clock }, async (store) => {
    const handler = recorder()
    const { eventTime, processingTime } = await start(store, handler)
    await eventTime.register({ key: 'a', namespace: 'in', timestamp: 1, payload: { n: 1 } })
    await processingTime.register({ key: 'a', namespace: 'in', timestamp: 5000, payload: { n: 1 } })
    for (const queue of [eventTime, processingTime]) {
      await body(queue, (...calls) => refuses(store, clock, calls), store)
    }
    assert.equal(handler.fired, [])
  })
}

function start(store: Store, handler: Recorder) {
  return store.service('orders', {
    key: z.string().max(20),
    namespace: z.enum(['in', 'out']),
    payload: z.object({ n: z.int().max(9) }).optional(),
    onEventTime: handler,
    onProcessingTime: handler,
  })
}

const good = { key: 'a', namespace: 'in' as const, timestamp: 2 }

test('a timer that is none', async () => {
  await withQueue(async (queue, refused) => {
    for (const bad of [undefined, null, 5, 'a', [], () => {}] as never[]) {
      const what = String(bad)
      await refused(
        [`register ${what}`, () => queue.register(bad)],
        [`delete ${what}`, () => queue.delete(bad)],
        [`has ${what}`, () => queue.has(bad)],
        [`replace ${what}`, () => queue.replace(bad)],
        [`registerMany ${what}`, () => queue.registerMany([good, bad])],
        [`deleteAll ${what}`, () => queue.deleteAll(bad)],
      )
    }
  })
})

test('a key, a namespace or a payload that its schema refuses', async () => {
  await withQueue(async (queue, refused) => {
    for (const key of [undefined, null, 5, {}, 'x'.repeat(21)] as never[]) {
      const timer = { ...good, key }
      await refused(
        ['register', () => queue.register(timer), 'key'],
        ['delete', () => queue.delete(timer), 'key'],
        ['has', () => queue.has(timer), 'key'],
        ['replace', () => queue.replace(timer), 'key'],
        ['registerMany', () => queue.registerMany([good, timer]), 'key'],
        ['deleteAll', () => queue.deleteAll({ key }), 'key'],
      )
      if (key !== undefined) await refused(['list', () => all(queue.list({ key })), 'key'])
    }
    for (const namespace of ['', 'IN', null, 5, {}] as never[]) {
      const timer = { ...good, namespace }
      await refused(
        ['register', () => queue.register(timer), 'namespace'],
        ['delete', () => queue.delete(timer), 'namespace'],
        ['replace', () => queue.replace(timer), 'namespace'],
        ['registerMany', () => queue.registerMany([good, timer]), 'namespace'],
        ['deleteAll', () => queue.deleteAll({ key: 'a', namespace }), 'namespace'],
        ['list', () => all(queue.list({ key: 'a', namespace })), 'namespace'],
        ['list all', () => all(queue.list({ namespace })), 'namespace'],
      )
    }
    for (const payload of [null, 5, {}, { n: '1' }, { n: 10 }, { n: 0.5 }, []] as never[]) {
      const timer = { ...good, payload }
      await refused(
        ['register', () => queue.register(timer), 'payload'],
        ['register what is there', () => queue.register({ ...timer, timestamp: 1 }), 'payload'],
        ['replace', () => queue.replace(timer), 'payload'],
        ['registerMany', () => queue.registerMany([good, timer]), 'payload'],
      )
    }
  })
})

test('a refused payload names the place and the limit', async () => {
  await withQueue(async (queue, refused) => {
    await refused(['register', () => queue.register({ ...good, payload: { n: 10 } }), 'payload', 'n', /9/])
  })
})

test('a selection that is none, and a bad limit', async () => {
  await withQueue(async (queue, refused) => {
    await refused(
      ['list null', () => all(queue.list(null as never))],
      ['list 5', () => all(queue.list(5 as never))],
      ['limit -1', () => all(queue.list({ limit: -1 })), 'limit'],
      ['limit 0.5', () => all(queue.list({ limit: 0.5 })), 'limit'],
      ['limit NaN', () => all(queue.list({ limit: Number.NaN })), 'limit'],
      ['limit text', () => all(queue.list({ limit: '5' as never })), 'limit'],
      ['from', () => all(queue.list({ from: Number.NaN })), 'from'],
      ['to', () => all(queue.list({ to: 0.5 })), 'to'],
      ['deleteAll', () => queue.deleteAll({} as never), 'key'],
      ['deleteAll keys', () => queue.deleteAll({ keys: 5 } as never), 'iterable'],
      ['deleteAll keys of text', () => queue.deleteAll({ keys: 'abc' } as never), 'iterable'],
      ['deleteAll both', () => queue.deleteAll({ key: 'a', keys: ['a'] } as never), 'not both'],
    )
  })
})

test('a snapshot filter that is none', async () => {
  await withQueue(async (_, refused, store) => {
    const snapshot = await store.snapshot()
    await refused(
      ['null', () => all(snapshot.timers(null as never))],
      ['from', () => all(snapshot.timers({ from: 0.5 })), 'from'],
      ['to', () => all(snapshot.timers({ to: Number.NaN })), 'to'],
      ['domain', () => all(snapshot.timers({ domain: 'event' as never })), 'domain'],
    )
    await snapshot.release()
  })
})

test('a watermark that is none', async () => {
  await withStore({}, async (store) => {
    const orders = await store.service('orders')
    await orders.advanceWatermark(5)
    for (const bad of [undefined, null, '6', Number.NaN, 0.5, 2 ** 53, 6n] as never[]) {
      await rejects(() => orders.advanceWatermark(bad), 'TIDEMARK_INVALID_ARGUMENT', /watermark|timestamp/)
    }
    assert.is(orders.currentWatermark, 5)
  })
})

test('a checkpoint or a restore without a place', async () => {
  await withStore({}, async (store, directory) => {
    for (const bad of [undefined, null, '', 5, 'a\0b'] as never[]) {
      await rejects(() => store.checkpoint(bad), 'TIDEMARK_INVALID_ARGUMENT')
      await rejects(() => TimerStore.restore(bad, `${directory}-restored`), 'TIDEMARK_INVALID_ARGUMENT')
      await rejects(() => TimerStore.restore(directory, bad), 'TIDEMARK_INVALID_ARGUMENT')
    }
    assert.is(store.stats().runningSnapshots, 0)
  })
})

test('options of a restore that are none', async () => {
  await withDirectory(async (directory) => {
    for (const bad of [null, 5, 'x', { versoin: 1 }, { version: 0 }] as never[]) {
      const call = () => TimerStore.restore(directory, `${directory}/restored`, bad)
      await rejects(call, 'TIDEMARK_INVALID_ARGUMENT')
    }
  })
})

test('options that are none', async () => {
  await withDirectory(async (directory) => {
    const location = `${directory}/store`
    const cases: [object, string][] = [
      [{ maxParallelism: 0 }, 'maxParallelism'],
      [{ maxParallelism: 32_769 }, '32768'],
      [{ maxParallelism: 1.5 }, 'maxParallelism'],
      [{ maxParallelism: '8' }, 'maxParallelism'],
      [{ durability: 'memory' }, 'durability'],
      [{ durability: true }, 'durability'],
      [{ clock: {} }, 'clock'],
      [{ clock: null }, 'clock'],
      [{ engine: { cacheBytes: -1 } }, 'cacheBytes'],
      [{ engine: { cache: 5 } }, 'cache'],
      [{ engine: null }, 'engine'],
      [{ parallelism: 8 }, 'parallelism'],
    ]
    for (const [options, field] of cases) {
      await rejects(() => TimerStore.open(location, options), 'TIDEMARK_INVALID_ARGUMENT', field)
    }
    await rejects(() => TimerStore.open(location, null as never), 'TIDEMARK_INVALID_ARGUMENT')
    for (const bad of [undefined, null, '', 5, 'a\0b', {}] as never[]) {
      await rejects(() => TimerStore.open(bad), 'TIDEMARK_INVALID_ARGUMENT', 'location')
    }
  })
})

test('the largest and the smallest max parallelism are taken, and stay', async () => {
  for (const maxParallelism of [1, 32_768]) {
    await withStore({ maxParallelism }, async (store, _, reopen) => {
      const { eventTime } = await store.service('orders')
      for (const key of ['a', 'b', 'c']) await eventTime.register({ key, timestamp: 1 })
      const again = await reopen({})
      assert.is((await all((await again.service('orders')).eventTime.list({}))).length, 3)
      await again.close()
      await rejects(
        () => reopen({ maxParallelism: 128 }),
        'TIDEMARK_INVALID_ARGUMENT',
        'maxParallelism',
        String(maxParallelism),
      )
      await reopen({ maxParallelism })
    })
  }
})

test.run()
