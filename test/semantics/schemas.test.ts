// Schemas change: a service starts again under schemas that take what is stored, and is refused under others.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'
import { TimerStore } from '../../src/index.ts'
import { recorder } from '../support/recorder.ts'
import { rejects } from '../support/refusals.ts'
import { all, inStore, withStore } from '../support/store.ts'

/** What a checkpoint tells of a service's schemas. */
async function schemasIn(path: string, service: string): Promise<unknown> {
  const reader = await CheckpointReader.open(path)
  const found = reader.header.services.find(({ name }) => name === service)
  await reader.close()
  return JSON.parse(found!.schemas)
}

const attempts = { payload: z.object({ attempt: z.int() }) }
const more = { payload: z.object({ attempt: z.number(), note: z.string().default('none') }) }

test('a service starts under schemas that take every stored timer, and its handlers get what they say', async () => {
  const handler = recorder()
  await withStore({}, async (store, _, reopen) => {
    const orders = await store.service('orders', attempts)
    await orders.eventTime.register({ key: 'a', timestamp: 1, payload: { attempt: 1 } })
    const wider = await (await reopen()).service('orders', { ...more, onEventTime: handler })
    await wider.eventTime.register({ key: 'b', timestamp: 2, payload: { attempt: 1.5, note: 'new' } })
    assert.equal((await all(wider.eventTime.list({ key: 'a' })))[0]?.payload, { attempt: 1, note: 'none' })
    await wider.advanceWatermark(2)
    assert.equal(
      handler.fired.map(({ payload }) => payload),
      [
        { attempt: 1, note: 'none' },
        { attempt: 1.5, note: 'new' },
      ],
    )
  })
})

test('the schemas that it was started with last are what counts, also after opening again', async () => {
  await withStore({}, async (store, _, reopen) => {
    const orders = await store.service('orders', attempts)
    await orders.eventTime.register({ key: 'a', timestamp: 1, payload: { attempt: 1 } })
    await (await reopen()).service('orders', more)
    const again = await reopen()
    const { version } = again.stats()
    await rejects(() => again.service('orders', attempts), 'TIDEMARK_SERVICE_MISMATCH', 'payload.attempt')
    await again.service('orders', more)
    assert.is(again.stats().version, version, 'what is stored already is not stored again')
  })
})

test('a checkpoint has the schemas of its moment, and a restored store goes on with them', async () => {
  await withStore({}, async (store, directory, reopen) => {
    const orders = await store.service('orders', attempts)
    await orders.eventTime.register({ key: 'a', timestamp: 1, payload: { attempt: 1 } })
    const checkpoints = join(directory, '..', 'checkpoints')
    const first = await store.checkpoint(checkpoints, { incremental: true })
    const again = await reopen()
    await again.service('orders', more)
    const second = await again.checkpoint(checkpoints, { incremental: true })
    assert.is(second.kind, 'incremental')
    assert.not.equal(await schemasIn(first.path, 'orders'), await schemasIn(second.path, 'orders'))
    for (const [path, definition] of [
      [first.path, attempts],
      [second.path, more],
    ] as const) {
      const location = join(directory, '..', `restored-${definition === more}`)
      await TimerStore.restore(path, location)
      await inStore(location, {}, async (restored) => {
        if (definition === more) {
          await rejects(() => restored.service('orders', attempts), 'TIDEMARK_SERVICE_MISMATCH')
        }
        await restored.service('orders', definition as typeof more)
      })
    }
  })
})

test('a payload may come, as long as it may be left out', async () => {
  await withStore({}, async (store, _, reopen) => {
    await (await store.service('orders')).eventTime.register({ key: 'a', timestamp: 1 })
    let again = await reopen()
    await rejects(
      () => again.service('orders', attempts),
      'TIDEMARK_SERVICE_MISMATCH',
      'payload: timers without one',
    )
    const orders = await again.service('orders', { payload: attempts.payload.optional() })
    await orders.eventTime.register({ key: 'b', timestamp: 2, payload: { attempt: 1 } })
    again = await reopen()
    await rejects(() => again.service('orders', attempts), 'TIDEMARK_SERVICE_MISMATCH')
    await rejects(() => again.service('orders'), 'TIDEMARK_SERVICE_MISMATCH', 'payload: timers with one')
  })
})

test('a refusal shows both schemas, where they differ, and what to do', async () => {
  await withStore({}, async (store, _, reopen) => {
    await store.service('orders', { key: z.int(), ...attempts })
    const { message } = await rejects(
      async () => (await reopen()).service('orders', { payload: z.object({ attempt: z.string() }) }),
      'TIDEMARK_SERVICE_MISMATCH',
    )
    for (const part of [
      "service 'orders'",
      /\n {2}key: the type is another one \(stored: \{"maximum":\d+,.*"type":"integer"\}; given: \{"type":"string"\}\)\n/,
      /\n {2}payload\.attempt: the type is another one /,
      /\n {2}stored: \{"key":\{.*"type":"integer"\}.*\}\n/,
      /\n {2}given: {2}\{"key":\{"type":"string"\},.*\}\n/,
      'migrate',
      'another name',
    ]) {
      assert.ok(
        typeof part === 'string' ? message.includes(part) : part.test(message),
        `${part} in: ${message}`,
      )
    }
  })
})

test('what a schema does not name any more is left out, and may not come back as something else', async () => {
  const both = { payload: z.object({ a: z.int(), b: z.string() }) }
  const one = { payload: z.object({ a: z.int() }) }
  const other = { payload: z.object({ a: z.int(), b: z.int().optional() }) }
  await withStore({}, async (store, directory, reopen) => {
    const orders = await store.service('orders', both)
    await orders.eventTime.register({ key: 'a', timestamp: 1, payload: { a: 1, b: 'b' } })
    let again = await reopen()
    const { eventTime } = await again.service('orders', one)
    assert.equal((await eventTime.next())?.payload, { a: 1 })
    again = await reopen()
    await rejects(() => again.service('orders', other), 'TIDEMARK_SERVICE_MISMATCH', 'payload.b')
    const { path } = await again.checkpoint(join(directory, '..', 'checkpoints'))
    const location = join(directory, '..', 'restored')
    await TimerStore.restore(path, location)
    await inStore(location, {}, async (restored) => {
      await rejects(() => restored.service('orders', other), 'TIDEMARK_SERVICE_MISMATCH', 'payload.b')
      await restored.service('orders', one)
    })
  })
})

test('while a service is started its first schemas stay, also where others would take all of it', async () => {
  await withStore({}, async (store) => {
    const orders = await store.service('orders', attempts)
    await rejects(
      () => store.service('orders', more),
      'TIDEMARK_SERVICE_MISMATCH',
      'is started with other schemas',
    )
    const migrate = () => ({ key: 'a', payload: { attempt: 1, note: '' } })
    await rejects(() => store.service('orders', { ...more, migrate }), 'TIDEMARK_SERVICE_MISMATCH')
    assert.is(await store.service('orders', attempts), orders)
  })
})

test('a key keeps its identity under schemas that take more', async () => {
  await withStore({}, async (store, _, reopen) => {
    const orders = await store.service('orders', { key: z.enum(['a', 'b']), namespace: z.literal('n') })
    await orders.eventTime.register({ key: 'a', namespace: 'n', timestamp: 1 })
    const { eventTime } = await (await reopen()).service('orders', { key: z.union([z.int(), z.string()]) })
    assert.is(await eventTime.has({ key: 'a', namespace: 'n', timestamp: 1 }), true)
    assert.is(await eventTime.register({ key: 'a', namespace: 'n', timestamp: 1 }), false)
    assert.is(await eventTime.register({ key: 7, timestamp: 1 }), true)
  })
})

test('a name that Tidemark keeps for itself is refused', async () => {
  await withStore({}, async (store) => {
    await rejects(() => store.service('tidemark:migrating:orders'), 'TIDEMARK_INVALID_ARGUMENT', 'tidemark:')
    await store.service('tidemark')
  })
})

test.run()
