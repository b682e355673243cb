// Semantics 10 and 11: what a handler's context does, one handler at a time, and handlers that fail.

import { realpathSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { systemFiles } from '../../src/files.ts'
import { type TidemarkError, TimerStore } from '../../src/index.ts'
import type { TimerQueue } from '../../src/service.ts'
import { ManualClock } from '../../src/testing.ts'
import { eventually, gate, inTime, turns } from '../support/eventually.ts'
import { MemoryPlatform } from '../support/memoryplatform.ts'
import { picture } from '../support/picture.ts'
import { names, recorder } from '../support/recorder.ts'
import { rejects } from '../support/refusals.ts'
import { all, type Store, withStore } from '../support/store.ts'
import { temporaryDirectory } from '../support/tmp.ts'

type Service = Awaited<ReturnType<Store['service']>>

/** The errors that a store tells, as they come. */
function errorsOf(store: Store): TidemarkError[] {
  const errors: TidemarkError[] = []
  store.on('error', (error) => errors.push(error))
  return errors
}

test('10. a fired timer is gone, and what its handler registered and deleted is done', async () => {
  const handler = recorder(async ({ key }, { eventTime, processingTime }) => {
    if (key !== 'a') return
    await eventTime.register({ key: 'event', timestamp: 50 })
    await processingTime.register({ key: 'processing', timestamp: 50 })
    await eventTime.delete({ key: 'gone', timestamp: 90 })
    await processingTime.registerMany([1, 2, 3].map((timestamp) => ({ key: 'many', timestamp })))
  })
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await orders.eventTime.register({ key: 'gone', timestamp: 90 })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.advanceWatermark(1)
    assert.equal(names(await all(orders.eventTime.list({}))), ['event@50'])
    assert.equal(names(await all(orders.processingTime.list({}))), [
      'many@1',
      'many@2',
      'many@3',
      'processing@50',
    ])
  })
})

test("10. a handler's calls and the removal of its timer are one commit", async () => {
  await withStore({}, async (store) => {
    const orders = await store.service('orders', {
      onEventTime: async ({ timestamp }, { eventTime, processingTime }) => {
        await eventTime.register({ key: 'next', timestamp: timestamp + 1000 })
        await processingTime.replace({ key: 'reminder', timestamp })
        await processingTime.delete({ key: 'absent', timestamp })
      },
    })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    const before = store.stats().version
    await orders.advanceWatermark(1)
    assert.is(store.stats().version, before + 2, 'the watermark, and the removal with all that came with it')
  })
})

test('10. a context answers exactly: what stands, what the handler did before, its own timer gone', async () => {
  const answers: unknown[] = []
  await withStore({}, async (store) => {
    const orders = await store.service('orders', {
      payload: z.string().optional(),
      onEventTime: async (timer, { eventTime, processingTime }) => {
        const there = { key: 'there', timestamp: 50 }
        answers.push(
          ['own timer', await eventTime.has(timer), await eventTime.delete(timer)],
          ['own timer in the other domain', await processingTime.has(timer)],
          [
            'there',
            await eventTime.has(there),
            await eventTime.register(there),
            await eventTime.delete(there),
          ],
          [
            'deleted',
            await eventTime.has(there),
            await eventTime.delete(there),
            await eventTime.register(there),
          ],
          [
            'many',
            await eventTime.registerMany([there, { key: 'new', timestamp: 1 }, { key: 'new', timestamp: 1 }]),
          ],
          ['replaced', await eventTime.replace({ key: 'new', timestamp: 60 })],
          ['replaced again', await eventTime.replace({ key: 'new', timestamp: 60, payload: 'x' })],
          [
            'all of one',
            await eventTime.deleteAll({ key: 'there' }),
            await eventTime.deleteAll({ key: 'there' }),
          ],
          ['called outside', await eventTime.has({ key: 'outside', timestamp: 70 })],
        )
      },
    })
    await orders.eventTime.registerMany([
      { key: 'a', timestamp: 1 },
      { key: 'there', timestamp: 50 },
      { key: 'there', namespace: 'n', timestamp: 51 },
    ])
    const advanced = orders.advanceWatermark(1)
    void orders.eventTime.register({ key: 'outside', timestamp: 70 })
    await advanced
    assert.equal(answers, [
      ['own timer', false, false],
      ['own timer in the other domain', false],
      ['there', true, false, true],
      ['deleted', false, false, true],
      ['many', 1],
      ['replaced', [1]],
      ['replaced again', []],
      ['all of one', 2, 0],
      ['called outside', true],
    ])
    const left = (await all(orders.eventTime.list({}))).map(({ key, timestamp, payload }) => [
      key,
      timestamp,
      payload,
    ])
    assert.equal(left, [
      ['new', 60, 'x'],
      ['outside', 70, undefined],
    ])
  })
})

test("10. a context's calls take effect in the order in which they were made, awaited or not", async () => {
  await withStore({}, async (store) => {
    const answers: unknown[] = []
    const orders = await store.service('orders', {
      onEventTime: async (_, { eventTime }) => {
        answers.push(
          ...(await Promise.all([
            eventTime.register({ key: 'k', timestamp: 10 }),
            eventTime.deleteAll({ key: 'k' }),
            eventTime.register({ key: 'k', timestamp: 11 }),
            eventTime.replace({ key: 'k', timestamp: 12 }),
            eventTime.register({ key: 'k', timestamp: 13 }),
            eventTime.delete({ key: 'k', timestamp: 12 }),
          ])),
        )
      },
    })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.eventTime.register({ key: 'k', timestamp: 9 })
    await orders.advanceWatermark(1)
    assert.equal(answers, [true, 2, true, [11], true, true])
    assert.equal(names(await all(orders.eventTime.list({}))), ['k@13'])
  })
})

test('10. what a handler called and did not await is part of its commit', async () => {
  await withStore({}, async (store) => {
    const refused: unknown[] = []
    const orders = await store.service('orders', {
      onEventTime: (_, { eventTime }) => {
        const calls = [
          eventTime.register({ key: 'one', timestamp: 10 }),
          eventTime.registerMany([{ key: 'many', timestamp: 10 }]),
          eventTime.delete({ key: 'gone', timestamp: 10 }),
          eventTime.replace({ key: 'moved', timestamp: 20 }),
          eventTime.deleteAll({ key: 'cleared' }),
        ]
        for (const call of calls) call.catch((error) => refused.push(error.code))
      },
    })
    await orders.eventTime.registerMany([
      { key: 'a', timestamp: 1 },
      { key: 'gone', timestamp: 10 },
      { key: 'moved', timestamp: 10 },
      { key: 'cleared', timestamp: 10 },
    ])
    await orders.advanceWatermark(1)
    await turns()
    assert.equal(refused, [])
    assert.equal(names(await all(orders.eventTime.list({}))), ['one@10', 'many@10', 'moved@20'])
  })
})

test('10. a context takes no calls once its handler has settled', async () => {
  let kept: { register(timer: { key: string; timestamp: number }): Promise<boolean> } | undefined
  await withStore({}, async (store) => {
    const orders = await store.service('orders', {
      onEventTime: (_, { eventTime }) => {
        kept = eventTime
      },
    })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.advanceWatermark(1)
    await rejects(() => kept?.register({ key: 'b', timestamp: 1 }), 'TIDEMARK_INVALID_ARGUMENT')
    assert.is(orders.eventTime.count, 0)
  })
})

test('10. a bad call of a context is refused, and does not end the handler that catches it', async () => {
  const codes: unknown[] = []
  await withStore({}, async (store) => {
    const orders = await store.service('orders', {
      onEventTime: async (_, { eventTime }) => {
        const bad = [
          () => eventTime.register({ key: 'b', timestamp: 0.5 }),
          () => eventTime.register({ key: 'x'.repeat(1025), timestamp: 1 }),
          () =>
            eventTime.registerMany([
              { key: 'c', timestamp: 5 },
              { key: 'd', timestamp: Number.NaN },
            ]),
          () => eventTime.replace({ key: '\ud800', timestamp: 5 }),
          () => eventTime.delete({ key: 5 as unknown as string, timestamp: 5 }),
          () => eventTime.deleteAll({} as { key: string }),
        ]
        for (const call of bad) codes.push(await call().catch((error: TidemarkError) => error.code))
        await eventTime.register({ key: 'good', timestamp: 5 })
      },
    })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.advanceWatermark(1)
    assert.equal(codes, new Array(6).fill('TIDEMARK_INVALID_ARGUMENT'))
    assert.equal(names(await all(orders.eventTime.list({}))), ['good@5'])
  })
})

test('10. a handler is given its timer as it stands when its turn comes', async () => {
  const handler = recorder(async ({ key }, { eventTime }) => {
    if (key === 'a') await eventTime.register({ key: 'b', timestamp: 1, payload: 'changed by a handler' })
    if (key === 'b')
      void orders.eventTime.register({ key: 'c', timestamp: 1, payload: 'changed from outside' })
  })
  let orders!: { eventTime: { register(timer: object): Promise<boolean> } }
  await withStore({}, async (store) => {
    const service = await store.service('orders', { payload: z.string(), onEventTime: handler })
    orders = service as never
    for (const key of ['a', 'b', 'c']) {
      await service.eventTime.register({ key, namespace: 'n', timestamp: 1, payload: 'as it was' })
      await service.eventTime.register({ key, timestamp: 1, payload: 'as it was' })
    }
    await service.eventTime.deleteAll({ key: 'a', namespace: 'n' })
    await service.advanceWatermark(1)
    assert.equal(
      handler.fired.map(({ key, namespace, payload }) => `${key} ${namespace}: ${payload}`),
      [
        'a : as it was',
        'b n: as it was',
        'b : changed by a handler',
        'c n: as it was',
        'c : changed from outside',
      ],
    )
  })
})

test('10. registered anew while its handler runs, a timer stays, and fires again', async () => {
  for (const change of ['another payload', 'deleted and registered'] as const) {
    let first = true
    const handler = recorder(async ({ key, timestamp }) => {
      if (!first) return
      first = false
      const timer = { key: key as string, timestamp }
      if (change === 'another payload') await service.eventTime.register({ ...timer, payload: 'new' })
      else {
        await service.eventTime.delete(timer)
        await service.eventTime.register({ ...timer, payload: 'new' })
      }
    })
    let service!: Service & { eventTime: { register(timer: object): Promise<boolean> } }
    await withStore({}, async (store) => {
      service = (await store.service('orders', { payload: z.string(), onEventTime: handler })) as never
      await service.eventTime.register({ key: 'a', timestamp: 1, payload: 'old' })
      await service.advanceWatermark(1)
      await service.advanceWatermark(1)
      assert.equal(
        handler.fired.map(({ payload }) => payload),
        ['old', 'new'],
        change,
      )
      assert.is(service.eventTime.count, 0)
    })
  }
})

test('10. the handlers of one service run one after the other, in both domains', async () => {
  const clock = new ManualClock(0)
  let running = 0
  let most = 0
  const handler = recorder(async () => {
    running++
    most = Math.max(most, running)
    await turns(2)
    running--
  })
  await withStore({ clock }, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
    for (let timestamp = 0; timestamp < 30; timestamp++) {
      await orders.eventTime.register({ key: 'e', timestamp })
      await orders.processingTime.register({ key: 'p', timestamp })
    }
    await Promise.all([
      clock.advanceTo(10),
      orders.advanceWatermark(20),
      clock.advanceTo(50),
      orders.advanceWatermark(50),
    ])
    assert.is(handler.fired.length, 60)
    assert.is(most, 1)
    for (const key of ['e', 'p']) {
      assert.equal(
        handler.fired.filter((timer) => timer.key === key).map(({ timestamp }) => timestamp),
        Array.from({ length: 30 }, (_, index) => index),
      )
    }
  })
})

test('10. a slow handler of one service does not hold up another service', async () => {
  const clock = new ManualClock(0)
  const slow = gate()
  await withStore({ clock }, async (store) => {
    const handler = recorder()
    const first = await store.service('slow', { onProcessingTime: () => slow.promise })
    const second = await store.service('quick', { onProcessingTime: handler })
    await first.processingTime.register({ key: 'a', timestamp: 1 })
    await second.processingTime.register({ key: 'b', timestamp: 1 })
    const moved = clock.advanceTo(1)
    await eventually(() => handler.fired.length === 1, 'the quick handler')
    slow.open()
    await moved
  })
})

for (const when of ['at once', 'after an await', 'in a then', 'in a function of its own'] as const) {
  test(`10. a handler that advances the watermark of its own service ${when} is refused, and waits for nothing`, async () => {
    await withStore({}, async (store) => {
      const outcomes: string[] = []
      const advance = async () => {
        await orders.advanceWatermark(5).then(
          () => outcomes.push('advanced'),
          (error: TidemarkError) => outcomes.push(error.code),
        )
      }
      const orders = await store.service('orders', {
        onEventTime: async () => {
          if (when === 'in a then') return turns(1).then(advance)
          if (when !== 'at once') await turns(1)
          await Promise.all(
            when === 'in a function of its own' ? [turns(1), turns(1).then(advance)] : [advance()],
          )
        },
      })
      await orders.eventTime.register({ key: 'a', timestamp: 1 })
      await inTime(orders.advanceWatermark(1), `an advance whose handler advances ${when}`)
      assert.equal(outcomes, ['TIDEMARK_INVALID_ARGUMENT'])
    })
  })
}

test('10. while a handler waits, others may advance the watermark, and wait for it', async () => {
  const entered = gate()
  const leave = gate()
  const handler = recorder(async ({ key }) => {
    if (key !== 'a') return
    entered.open()
    await leave.promise
  })
  await withStore({}, async (store) => {
    const orders = await store.service('orders', { onEventTime: handler })
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.eventTime.register({ key: 'b', timestamp: 5 })
    const first = orders.advanceWatermark(1)
    await entered.promise
    const second = orders.advanceWatermark(5)
    await turns()
    assert.equal(handler.names(), ['a@1'])
    leave.open()
    assert.equal(await Promise.all([first, second]), [{ fired: 1 }, { fired: 1 }])
    assert.equal(handler.names(), ['a@1', 'b@5'])
  })
})

test('10. a handler of one service may advance the watermark of another', async () => {
  const handler = recorder()
  await withStore({}, async (store) => {
    const outcomes: unknown[] = []
    const orders = await store.service('orders', {
      onEventTime: async () => {
        await turns(1)
        outcomes.push(await visits.advanceWatermark(9))
      },
    })
    const visits = await store.service('visits', { onEventTime: handler })
    await visits.eventTime.register({ key: 'v', timestamp: 9 })
    await orders.eventTime.register({ key: 'o', timestamp: 1 })
    await inTime(orders.advanceWatermark(1), 'the advance')
    assert.equal(outcomes, [{ fired: 1 }])
  })
})

test('11. event time: a handler that throws stops the advance; its timer and those after it fire at the next', async () => {
  const boom = new Error('no connection')
  let broken = true
  const attempts: unknown[] = []
  const handler = recorder(async ({ key }, { attempt, eventTime }) => {
    if (key === 'b') attempts.push(attempt)
    await eventTime.register({ key: `made by ${key}`, timestamp: 100 })
    if (key === 'b' && broken) throw boom
  })
  await withStore({}, async (store) => {
    const errors = errorsOf(store)
    const orders = await store.service('orders', { onEventTime: handler })
    for (const key of ['a', 'b', 'c']) await orders.eventTime.register({ key, timestamp: 1 })
    const error = await rejects(
      orders.advanceWatermark(5),
      'TIDEMARK_HANDLER_FAILED',
      'orders',
      'no connection',
    )
    assert.is(error.cause, boom)
    assert.equal(handler.take(), ['a@1', 'b@1'])
    assert.is(orders.currentWatermark, 5)
    assert.equal(names(await all(orders.eventTime.list({}))), ['b@1', 'c@1', 'made by a@100'])

    await rejects(orders.advanceWatermark(5), 'TIDEMARK_HANDLER_FAILED')
    assert.equal(handler.take(), ['b@1'])
    broken = false
    assert.equal(await orders.advanceWatermark(0), { fired: 2 })
    assert.equal(handler.take(), ['b@1', 'c@1'])
    assert.equal(attempts, [1, 2, 3])
    assert.equal(names(await all(orders.eventTime.list({}))), [
      'made by a@100',
      'made by b@100',
      'made by c@100',
    ])
    assert.equal(errors, [])
  })
})

test('11. whatever a handler throws or rejects with is the cause', async () => {
  const nameless = Object.assign(new Error(), { message: Symbol('s') })
  const bare = Object.assign(Object.create(null), { code: 'X' })
  const thrown: unknown[] = [
    new TypeError('t'),
    'a string',
    undefined,
    null,
    0,
    { code: 'X' },
    bare,
    nameless,
  ]
  for (const cause of thrown) {
    for (const way of ['throws', 'rejects'] as const) {
      let broken = true
      await withStore({}, async (store) => {
        const orders = await store.service('orders', {
          onEventTime: () => {
            if (!broken) return
            if (way === 'throws') throw cause
            return Promise.reject(cause)
          },
        })
        await orders.eventTime.register({ key: 'a', timestamp: 1 })
        const error = await rejects(orders.advanceWatermark(1), 'TIDEMARK_HANDLER_FAILED')
        assert.is(error.cause, cause)
        assert.is(orders.eventTime.count, 1)
        broken = false
        assert.equal(await orders.advanceWatermark(1), { fired: 1 })
      })
    }
  }
})

test('11. a handler that fails has called nothing', async () => {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store) => {
    errorsOf(store)
    let broken = true
    const handler = async (
      _: unknown,
      { eventTime, processingTime }: never | Parameters<typeof context>[0],
    ) => {
      if (!broken) return
      await eventTime.register({ key: 'made', timestamp: 50 })
      await eventTime.delete({ key: 'there', timestamp: 50 })
      await processingTime.replace({ key: 'there', timestamp: 60 })
      await processingTime.deleteAll({ key: 'also' })
      throw new Error('after all that')
    }
    const context = (given: import('../../src/index.ts').HandlerContext<string, string, undefined>) => given
    const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
    for (const queue of [orders.eventTime, orders.processingTime]) {
      for (const key of ['there', 'also']) await queue.register({ key, timestamp: 50 })
    }
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    await orders.processingTime.register({ key: 'a', timestamp: 1 })
    const { timers } = await picture(store)
    await rejects(orders.advanceWatermark(1), 'TIDEMARK_HANDLER_FAILED')
    await clock.advanceTo(1)
    assert.equal((await picture(store)).timers, timers)
    broken = false
    await orders.advanceWatermark(1)
    await clock.advanceTo(49)
    assert.is(orders.processingTime.count, 3, 'its delay is not over')
  })
})

test('11. processing time: a failing timer is told and tried again, later and later, while the others go on', async () => {
  const clock = new ManualClock(0)
  const boom = new Error('no connection')
  let broken = true
  const attempts: number[] = []
  const handler = recorder(({ key }, { attempt }) => {
    if (key !== 'bad') return
    attempts.push(attempt)
    if (broken) throw boom
  })
  await withStore({ clock }, async (store) => {
    const errors = errorsOf(store)
    const orders = await store.service('orders', { onProcessingTime: handler })
    await orders.processingTime.register({ key: 'bad', timestamp: 10 })
    await orders.processingTime.register({ key: 'good', timestamp: 10 })
    await orders.processingTime.register({ key: 'good', timestamp: 11 })
    await clock.advanceTo(20)
    assert.equal(handler.take(), ['bad@10', 'good@10', 'good@11'])
    assert.is(orders.processingTime.count, 1)
    assert.equal(
      errors.map(({ code, cause }) => [code, cause]),
      [['TIDEMARK_HANDLER_FAILED', boom]],
    )
    assert.match(errors[0]!.message, /orders/)

    await clock.advanceTo(119)
    assert.equal(handler.take(), [], 'not before 100 ms have passed')
    await clock.advanceTo(120)
    assert.equal(handler.take(), ['bad@10'])
    const delaysMs: number[] = []
    for (let retry = 0; retry < 12; retry++) {
      const failedMs = clock.now()
      while (handler.take().length === 0) await clock.advanceBy(10)
      delaysMs.push(clock.now() - failedMs)
    }
    assert.ok(delaysMs[0]! > 100, `grows: ${delaysMs}`)
    for (let i = 1; i < delaysMs.length; i++)
      assert.ok(delaysMs[i]! >= delaysMs[i - 1]!, `grows: ${delaysMs}`)
    assert.ok(delaysMs.at(-1)! <= 60_010, `and stays bounded: ${delaysMs}`)
    assert.equal(
      attempts,
      Array.from({ length: 14 }, (_, index) => index + 1),
    )
    assert.is(errors.length, 14)

    broken = false
    await clock.advanceBy(120_000)
    assert.equal(handler.take(), ['bad@10'])
    assert.is(orders.processingTime.count, 0)
    await clock.advanceBy(1_000_000)
    assert.equal(handler.names(), [])
    assert.is(errors.length, 14)
  })
})

test('11. processing time: a timer that fails still stands, and can be deleted, changed, registered again', async () => {
  const clock = new ManualClock(0)
  const handler = recorder(({ payload }) => {
    if (payload !== 'good') throw new Error('bad')
  })
  await withStore({ clock }, async (store) => {
    errorsOf(store)
    const orders = await store.service('orders', { payload: z.string(), onProcessingTime: handler })
    for (const key of ['deleted', 'changed', 'anew']) {
      await orders.processingTime.register({ key, timestamp: 1, payload: 'bad' })
    }
    await clock.advanceTo(1)
    assert.is(handler.take().length, 3)
    assert.is(orders.processingTime.count, 3)
    assert.is(await orders.processingTime.delete({ key: 'deleted', timestamp: 1 }), true)
    assert.is(await orders.processingTime.register({ key: 'changed', timestamp: 1, payload: 'good' }), false)
    await orders.processingTime.delete({ key: 'anew', timestamp: 1 })
    await orders.processingTime.register({ key: 'anew', timestamp: 1, payload: 'good' })
    await clock.advanceTo(1000)
    assert.equal(handler.take().sort(), ['anew@1', 'changed@1'])
    await clock.advanceTo(100_000)
    assert.equal(handler.take(), [])
    assert.is(orders.processingTime.count, 0)
  })
})

test('11. processing time: a failed timer fires again after reopening', async () => {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store, _, reopen) => {
    errorsOf(store)
    const orders = await store.service('orders', {
      onProcessingTime: () => {
        throw new Error('always')
      },
    })
    await orders.processingTime.register({ key: 'a', timestamp: 1 })
    await clock.advanceTo(5)
    const handler = recorder()
    const again = await reopen()
    await again.service('orders', { onProcessingTime: handler })
    await clock.advanceBy(0)
    assert.equal(handler.names(), ['a@1'])
  })
})

test('11. very many failing timers hold up no other', async () => {
  const clock = new ManualClock(0)
  const handler = recorder(({ key }) => {
    if (key !== 'good') throw new Error('bad')
  })
  await withStore({ clock }, async (store) => {
    const errors = errorsOf(store)
    const orders = await store.service('orders', { onProcessingTime: handler })
    const bad = Array.from({ length: 3000 }, (_, index) => ({ key: `bad ${index}`, timestamp: 1 }))
    await orders.processingTime.registerMany([...bad, { key: 'good', timestamp: 2 }])
    await clock.advanceTo(5)
    assert.is(handler.fired.filter(({ key }) => key === 'good').length, 1)
    assert.is(orders.processingTime.count, 3000)
    assert.is(errors.length, 3000)
  })
})

test('11. without a listener, a failing handler is a warning, and the process goes on', async () => {
  const clock = new ManualClock(0)
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  try {
    await withStore({ clock }, async (store) => {
      const orders = await store.service('orders', {
        onProcessingTime: () => {
          throw new Error('nobody listens')
        },
      })
      await orders.processingTime.register({ key: 'a', timestamp: 1 })
      await clock.advanceTo(1)
      await eventually(() => warnings.length > 0, 'a warning')
      assert.match(warnings[0]!.message, /nobody listens/)
      assert.is(orders.processingTime.count, 1)
    })
  } finally {
    process.off('warning', onWarning)
  }
})

test('11. a timer that is deleted while its handler fails is not tried again, and counts no attempt', async () => {
  const clock = new ManualClock(0)
  const attempts: number[] = []
  await withStore({ clock }, async (store) => {
    const errors = errorsOf(store)
    const orders = await store.service('orders', {
      onProcessingTime: async ({ key, timestamp }, { attempt }) => {
        attempts.push(attempt)
        if (attempts.length > 1) return
        assert.is(await orders.processingTime.delete({ key, timestamp }), true)
        throw new Error('cancelled')
      },
    })
    await orders.processingTime.register({ key: 'a', timestamp: 1 })
    await clock.advanceTo(1)
    await clock.advanceTo(100_000)
    assert.match(errors[0]!.message, /cancelled; the timer was deleted while it ran/)
    assert.is(await orders.processingTime.register({ key: 'a', timestamp: 1 }), true)
    await clock.advanceBy(0)
    assert.equal([attempts, errors.length, orders.processingTime.count], [[1, 1], 1, 0])
  })
})

const hot = { key: 'hot', timestamp: 1 }

type HotQueue = TimerQueue<string, string, number>

/**
 * Fires two timers that are due while `again` is called over and over, until `isEnough` of what has fired: what had by then,
 * and at the end, each as key and payload.
 */
async function firedBeside(
  again: (queue: HotQueue, n: number) => Promise<unknown>,
  isEnough: (fired: readonly string[]) => boolean,
): Promise<{ meanwhile: string[]; fired: string[] }> {
  const fired: string[] = []
  let meanwhile: string[] = []
  await withStore({}, async (store) => {
    const orders = await store.service('orders', {
      payload: z.int(),
      onEventTime: ({ key, payload }) => {
        fired.push(`${key} ${payload}`)
      },
    })
    const { eventTime } = orders
    await eventTime.registerMany([
      { ...hot, payload: 0 },
      { key: 'other', timestamp: 2, payload: 0 },
    ])
    const calling = async () => {
      for (let n = 1; n <= 300 && !isEnough(fired); n++) await again(eventTime, n)
    }
    const called = calling()
    const advanced = orders.advanceWatermark(10)
    await called
    meanwhile = [...fired]
    await advanced
    assert.is(eventTime.count, 0)
  })
  return { meanwhile, fired }
}

test('9. a due timer that is registered again and again has its turn', async () => {
  const { meanwhile, fired } = await firedBeside(
    (queue, n) => queue.register({ ...hot, payload: n }),
    ({ length }) => length > 0,
  )
  assert.match(meanwhile.join(), /^hot \d+$/)
  assert.is(fired.at(-1), 'other 0')
})

test('9. one that is deleted and registered again and again holds up nothing, and what was deleted does not fire', async () => {
  for (const remove of ['delete', 'deleteAll'] as const) {
    const deleted: string[] = []
    const { meanwhile, fired } = await firedBeside(
      async (queue, n) => {
        const removed = remove === 'delete' ? queue.delete(hot) : queue.deleteAll({ key: 'hot' })
        await queue.register({ ...hot, payload: n })
        if (Number(await removed) === 1) deleted.push(`hot ${n - 1}`)
      },
      ({ length }) => length > 0,
    )
    assert.ok(meanwhile.length > 0, 'nothing had its turn')
    assert.ok(fired.includes('other 0'))
    assert.equal(
      fired.filter((name) => deleted.includes(name)),
      [],
    )
  }
})

test('9. nor does one that is registered again and again beside others that fire', async () => {
  const hasHot = (fired: readonly string[]) => fired.some((name) => name.startsWith('hot'))
  const { meanwhile } = await firedBeside(async (queue, n) => {
    const late = queue.register({ key: `late ${n}`, timestamp: 0, payload: n })
    await queue.register({ ...hot, payload: n })
    await late
  }, hasHot)
  assert.ok(hasHot(meanwhile))
})

test('11. of two errors at once, a listener that hears one leaves the other to be a warning', async () => {
  const clock = new ManualClock(0)
  const warnings: Error[] = []
  const onWarning = (warning: Error) => {
    if (warning.message.includes('both fail')) warnings.push(warning)
  }
  process.on('warning', onWarning)
  try {
    await withStore({ clock }, async (store) => {
      const heard: Error[] = []
      store.once('error', (error) => heard.push(error))
      const onProcessingTime = () => {
        throw new Error('both fail')
      }
      for (const name of ['orders', 'sessions']) {
        const service = await store.service(name, { onProcessingTime })
        await service.processingTime.register({ key: 'a', timestamp: 1 })
      }
      await clock.advanceTo(1)
      await eventually(() => warnings.length > 0, 'a warning')
      assert.equal([heard.length, warnings.length], [1, 1])
    })
  } finally {
    process.off('warning', onWarning)
  }
})

test('10. once the store has failed a context takes no more calls', async () => {
  const directory = temporaryDirectory()
  const platform = new MemoryPlatform(systemFiles)
  const store = await TimerStore.openOn(platform, directory, { clock: new ManualClock(0) })
  const errors = errorsOf(store)
  const refused = gate<unknown>()
  const orders = await store.service('orders', {
    onEventTime: async (_, { eventTime }) => {
      const engine = platform.engine(realpathSync(directory))
      engine.failWrite = 1
      await rejects(orders.eventTime.register({ key: 'other', timestamp: 9 }), 'TIDEMARK_FAILED')
      refused.open(await eventTime.register({ key: 'more', timestamp: 9 }).catch(({ code }) => code))
    },
  })
  await orders.eventTime.register({ key: 'a', timestamp: 1 })
  await rejects(orders.advanceWatermark(1), 'TIDEMARK_FAILED')
  assert.is(await inTime(refused.promise), 'TIDEMARK_FAILED')
  assert.is(errors.length, 1)
  await store.close()
})

test.run()
