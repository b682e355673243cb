// What one handler may change at most: above it the handler fails and its timer stays, whatever it awaits or catches.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { systemFiles } from '../../src/files.ts'
import { type ContextQueue, type TidemarkError, TimerStore } from '../../src/index.ts'
import { MAX_ATOMIC_CHARACTERS, MAX_ATOMIC_EVENTS, MAX_PAYLOAD_BYTES } from '../../src/limits.ts'
import { ManualClock } from '../../src/testing.ts'
import { MemoryPlatform } from '../support/memoryplatform.ts'
import { rejects } from '../support/refusals.ts'
import { spilled, withDirectory, withStore } from '../support/store.ts'

type Called = ContextQueue<string, string, string | undefined>

const TOO_MANY = Array.from({ length: MAX_ATOMIC_EVENTS + 1 }, (_, timestamp) => ({
  key: 'many',
  timestamp: timestamp + 1000,
}))
/** With its quotes as long as a payload may be. */
const LARGE = 'x'.repeat(MAX_PAYLOAD_BYTES - 2)
const LARGE_IN_ONE_STEP = MAX_ATOMIC_CHARACTERS / MAX_PAYLOAD_BYTES
const larges = (count: number) =>
  Array.from({ length: count }, (_, timestamp) => ({
    key: 'made',
    timestamp: timestamp + 1000,
    payload: LARGE,
  }))
const withPayloads = { payload: z.string().optional() }

/** Runs `body`, and fails where a rejection was nobody's: that ends a process. */
async function withoutUnhandled(body: () => Promise<void>): Promise<void> {
  const unhandled: unknown[] = []
  const onUnhandled = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', onUnhandled)
  try {
    await body()
    // They are told at the end of a turn.
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off('unhandledRejection', onUnhandled)
  }
  assert.equal(unhandled, [])
}

const tooMuch: Record<string, (queue: Called) => Promise<unknown>> = {
  'a deleteAll of too many timers': (queue) => queue.deleteAll({ key: 'many' }),
  'a replace of too many timers': (queue) => queue.replace({ key: 'many', timestamp: 1 }),
  'a registerMany of too many timers': (queue) => queue.registerMany(TOO_MANY),
  'a registerMany of too large payloads': (queue) => queue.registerMany(larges(LARGE_IN_ONE_STEP + 1)),
  'registers of too large payloads, one by one': (queue) =>
    Promise.allSettled(larges(LARGE_IN_ONE_STEP + 1).map((timer) => queue.register(timer))),
  'replaces with too large payloads': (queue) =>
    Promise.allSettled(larges(LARGE_IN_ONE_STEP + 1).map((timer) => queue.replace(timer))),
}

const ways: Record<string, (call: () => Promise<unknown>) => unknown> = {
  'and does not await it': (call) => void call(),
  'and goes on without it': async (call) => {
    await undefined
    void call()
  },
  'and awaits it': (call) => call(),
  'and catches its refusal': (call) => call().catch(() => {}),
}

for (const [what, call] of Object.entries(tooMuch)) {
  for (const [how, made] of Object.entries(ways)) {
    test(`a handler that calls ${what} ${how} fails, and changes nothing`, () =>
      withoutUnhandled(() =>
        withStore({}, async (store) => {
          let isTooMuch = true
          const orders = await store.service('orders', {
            ...withPayloads,
            onEventTime: (_, { processingTime }) =>
              isTooMuch ? made(() => call(processingTime)) : undefined,
          })
          await orders.processingTime.registerMany(TOO_MANY)
          await orders.eventTime.register({ key: 'a', timestamp: 1 })
          const error = await rejects(
            orders.advanceWatermark(1),
            'TIDEMARK_HANDLER_FAILED',
            'one handler may register',
          )
          assert.is((error.cause as TidemarkError).code, 'TIDEMARK_INVALID_ARGUMENT')
          assert.is(orders.processingTime.count, TOO_MANY.length)
          assert.is(orders.eventTime.count, 1)
          isTooMuch = false
          assert.equal(await orders.advanceWatermark(1), { fired: 1 })
        }),
      ))
  }
}

test('in processing time a handler that deletes too many timers at once is told, and tried again', () =>
  withoutUnhandled(async () => {
    const clock = new ManualClock(0)
    await withStore({ clock }, async (store) => {
      const errors: TidemarkError[] = []
      store.on('error', (error) => errors.push(error))
      const orders = await store.service('orders', {
        onProcessingTime: (_, { attempt, eventTime }) => {
          if (attempt === 1) void eventTime.deleteAll({ key: 'many' })
        },
      })
      await orders.eventTime.registerMany(TOO_MANY)
      await orders.processingTime.register({ key: 'a', timestamp: 1 })
      await clock.advanceTo(1)
      assert.equal(
        errors.map(({ code }) => code),
        ['TIDEMARK_HANDLER_FAILED'],
      )
      assert.is(orders.processingTime.count, 1)
      await clock.advanceBy(1000)
      assert.is(orders.processingTime.count, 0)
      assert.is(orders.eventTime.count, TOO_MANY.length)
    })
  }))

test('as much as one handler may change is changed, and opened again', async () => {
  await withStore({}, async (store, _, reopen) => {
    const orders = await store.service('orders', {
      ...withPayloads,
      onEventTime: (_, { eventTime, processingTime }) => {
        void processingTime.deleteAll({ key: 'many' })
        void eventTime.registerMany(larges(LARGE_IN_ONE_STEP))
      },
    })
    await orders.processingTime.registerMany(TOO_MANY.slice(LARGE_IN_ONE_STEP + 1))
    await orders.eventTime.register({ key: 'a', timestamp: 1 })
    assert.equal(await orders.advanceWatermark(1), { fired: 1 })
    const again = await (await reopen()).service('orders', withPayloads)
    assert.is(again.processingTime.count, 0)
    assert.is(again.eventTime.count, LARGE_IN_ONE_STEP)
  })
})

test('while what a handler called and did not await is read, its context takes no more calls', async () => {
  await withStore({}, async (store) => {
    let later: Promise<string> | undefined
    const orders = await store.service('orders', {
      onEventTime: (_, { eventTime }) => {
        const deleted = eventTime.deleteAll({ key: 'gone' })
        later = deleted
          .then(() => eventTime.register({ key: 'late', timestamp: 9 }))
          .then(String, ({ code }: TidemarkError) => code)
      },
    })
    await orders.eventTime.registerMany([
      { key: 'a', timestamp: 1 },
      { key: 'gone', timestamp: 9 },
    ])
    await orders.advanceWatermark(1)
    assert.is(await later, 'TIDEMARK_INVALID_ARGUMENT')
    assert.is(orders.eventTime.count, 0)
  })
})

test('a handler whose deleteAll cannot be read fails, although it does not await it', () =>
  withoutUnhandled(() =>
    withDirectory(async (directory) => {
      const platform = new MemoryPlatform(systemFiles)
      const location = join(directory, 'store')
      const store = await TimerStore.openOn(platform, location, { clock: new ManualClock(0) })
      let isBroken = true
      const orders = await store.service('orders', {
        onEventTime: (_, { processingTime }) => {
          if (isBroken) platform.engine(location).failRead = 1
          void processingTime.deleteAll({ key: 'b' })
        },
      })
      await orders.processingTime.register({ key: 'b', timestamp: 1 })
      await orders.eventTime.register({ key: 'a', timestamp: 1 })
      // What is recent is not read.
      await spilled(store)
      const error = await rejects(orders.advanceWatermark(1), 'TIDEMARK_HANDLER_FAILED')
      assert.is((error.cause as TidemarkError).code, 'TIDEMARK_FAILED')
      assert.is(orders.processingTime.count, 1)
      isBroken = false
      assert.equal(await orders.advanceWatermark(1), { fired: 1 })
      assert.is(orders.processingTime.count, 0)
      await store.close()
    }),
  ))

test.run()
