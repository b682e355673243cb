/** What is done while the engine fails, and what must hold afterwards. */
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { restoreCheckpoint } from '../../../src/checkpoint/restore.ts'
import type { TidemarkErrorCode } from '../../../src/errors.ts'
import { eventually, inTime } from '../../support/eventually.ts'
import { lines, linesOf } from '../../support/picture.ts'
import { all, type Store } from '../../support/store.ts'
import type { EngineGround } from './engineground.ts'
import { Attempts, type Tally } from './loop.ts'
import { type Named, Promises } from './promises.ts'

/** One thing that is done with an engine: `arm` begins the faults, once what it needs is there. */
export interface EngineScenario {
  name: string
  isClassic?: true
  run(ground: EngineGround, arm: () => void, tally: Tally): Promise<void>
}

export const FAILED: readonly TidemarkErrorCode[] = ['TIDEMARK_FAILED']
/** A handler whose own read fails, fails. */
const HANDLED: readonly TidemarkErrorCode[] = ['TIDEMARK_FAILED', 'TIDEMARK_HANDLER_FAILED']
const payload = z.string().optional()
export const large = 'x'.repeat(50_000)

function timer(key: string, timestamp: number, text?: string): Named {
  const base = { service: 'orders', domain: 'eventTime' as const, key, namespace: '', timestamp }
  return text === undefined ? base : { ...base, payload: text }
}

export const startOrders = (store: Store) => store.service('orders', { payload })
type Orders = Awaited<ReturnType<typeof startOrders>>

/** Calls of every kind, several at once. */
function callAll({ eventTime }: Orders, promises: Promises, from: number): void {
  const register = (key: string, timestamp: number, text?: string) =>
    promises.made(
      `register ${key}@${timestamp}`,
      eventTime.register({ key, timestamp, payload: text }),
      (timers) => timers.put(timer(key, timestamp, text)),
    )
  for (let i = 0; i < 3; i++) register(`k${i}`, from + i)
  const many = [3, 4, 5, 6].map((i) => ({ key: 'many', timestamp: from + i }))
  promises.made('registerMany', eventTime.registerMany(many), (timers) => {
    for (const { key, timestamp } of many) timers.put(timer(key, timestamp))
  })
  register('k0', from, 'changed')
  promises.made('delete', eventTime.delete({ key: 'k1', timestamp: from + 1 }), (timers) =>
    timers.remove(timer('k1', from + 1)),
  )
  promises.made('deleteAll', eventTime.deleteAll({ key: 'many' }), (timers) =>
    timers.removeWhere(({ key }) => key === 'many'),
  )
  promises.made('replace', eventTime.replace({ key: 'k2', timestamp: from + 9 }), (timers) => {
    timers.removeWhere(({ key }) => key === 'k2')
    timers.put(timer('k2', from + 9))
  })
  register('large', from, large)
}

/** Reads of every kind: each answers rightly, or rejects. */
async function readAll(store: Store, { eventTime }: Orders, attempts: Attempts): Promise<void> {
  const codes = [...FAILED, 'TIDEMARK_CLOSED'] as const
  await attempts.attempt('has', codes, () => eventTime.has({ key: 'k0', timestamp: 0 }))
  await attempts.attempt('next', codes, () => eventTime.next())
  await attempts.attempt('list', codes, () => all(eventTime.list()))
  await attempts.attempt('list of a key', codes, () => all(eventTime.list({ key: 'k0' })))
  await attempts.attempt('a snapshot', codes, () => linesOf(store))
  const findings = await attempts.attempt('verify', codes, () => store.verify())
  assert.equal(findings ?? [], [])
}

const calling: EngineScenario = {
  name: 'calls of every kind',
  async run(ground, arm, tally) {
    const promises = new Promises()
    const attempts = new Attempts()
    arm()
    for (let i = 0; i < 2; i++) {
      const store = await attempts.attempt('open', FAILED, () => ground.open())
      if (store === undefined) continue
      store.on('error', () => {})
      const orders = await attempts.attempt('service', FAILED, () => startOrders(store))
      if (orders !== undefined) {
        for (let round = 0; round < 2; round++) {
          callAll(orders, promises, 100 * i + 10 * round)
          await promises.settled()
          await readAll(store, orders, attempts)
        }
      }
      await ground.close(store)
      // What was rejected may be there: the second store would build on what nobody can tell.
      if (promises.rejected > 0) break
    }
    const held = (await ground.examine()).filter((line) => line.startsWith('["orders"'))
    const written = promises.assertHeldBy(held)
    tally.count('calls acknowledged', promises.kept)
    tally.count('rejected and there', written)
    tally.count('rejected and not there', promises.rejected - written)
    tally.count('other calls rejected', attempts.rejected.length)
  },
}

const firing: EngineScenario = {
  name: 'firing',
  async run(ground, arm, tally) {
    const fired: string[] = []
    const define = (store: Store) => {
      const handler = (domain: 'eventTime' | 'processingTime') =>
        ({
          async run({ timestamp }: { timestamp: number }, context: never) {
            const queue = (context as Orders)[domain]
            if (timestamp < 1000) await queue.register({ key: 'made', timestamp: timestamp + 10_000 })
            fired.push(`${domain} ${timestamp}`)
          },
        }).run
      return store.service('orders', {
        payload,
        onEventTime: handler('eventTime') as never,
        onProcessingTime: handler('processingTime') as never,
      })
    }
    const before = await ground.open()
    const setUp = await startOrders(before)
    const count = 8
    for (const queue of [setUp.eventTime, setUp.processingTime]) {
      await queue.registerMany(Array.from({ length: count }, (_, i) => ({ key: `k${i}`, timestamp: 1 + i })))
    }
    await before.close()

    arm()
    const attempts = new Attempts()
    const store = await attempts.attempt('open', FAILED, () => ground.open())
    if (store !== undefined) {
      store.on('error', ({ code }) => assert.ok(HANDLED.includes(code), code))
      const orders = await attempts.attempt('service', FAILED, () => define(store))
      if (orders !== undefined) {
        await attempts.attempt('advance', HANDLED, () => orders.advanceWatermark(500))
        await attempts.attempt('the clock', FAILED, () => ground.clock.advanceTo(500))
        ground.plan.disarm()
        // A store that goes on has lost nothing of what it had in hand.
        const goesOn = await attempts.attempt('register', FAILED, () =>
          orders.eventTime.register({ key: 'later', timestamp: 501 }),
        )
        if (goesOn !== undefined) {
          await inTime(orders.advanceWatermark(500), 'advance')
          await inTime(ground.clock.advanceTo(5000), 'the clock')
          assert.is(orders.eventTime.count, count + 1)
          assert.is(orders.processingTime.count, count)
          assert.is(new Set(fired).size, 2 * count)
        }
      }
      await ground.close(store)
    }
    assert.is(new Set(fired).size, fired.length, 'no handler ran twice')
    const held = await ground.examine()
    for (const domain of ['eventTime', 'processingTime']) {
      for (let timestamp = 1; timestamp <= count; timestamp++) {
        const has = (key: string, at: number) =>
          held.includes(JSON.stringify(['orders', domain, key, '', at, null]))
        const isThere = has(`k${timestamp - 1}`, timestamp)
        // Gone with what its handler registered, or there without it; and what did not run is there.
        assert.is(isThere, !has('made', timestamp + 10_000), `${domain} ${timestamp}`)
        if (!fired.includes(`${domain} ${timestamp}`)) assert.ok(isThere, `${domain} ${timestamp} is lost`)
        tally.count(isThere ? 'timers to fire again' : 'timers fired')
      }
    }
    const again = await ground.open()
    const orders = await define(again)
    await orders.advanceWatermark(500)
    await ground.clock.advanceTo(6000)
    assert.is(orders.processingTime.count, count)
    assert.is(new Set(fired).size, 2 * count)
    await again.close()
  },
}

const purging: EngineScenario = {
  name: 'purging',
  async run(ground, arm, tally) {
    const before = await ground.open()
    const setUp = await startOrders(before)
    const timers = Array.from({ length: 60 }, (_, i) => ({ key: `k${i % 7}`, timestamp: i }))
    await setUp.eventTime.registerMany(timers)
    await before.snapshot()
    for (const one of timers.slice(0, 20)) await setUp.eventTime.delete(one)
    // Held until it closes: what it leaves is found by a sweep.
    await before.close()

    const attempts = new Attempts()
    const promises = new Promises()
    promises.made('before', Promise.resolve(), (all) => {
      for (const { key, timestamp } of timers.slice(20)) all.put(timer(key, timestamp))
    })
    arm()
    const store = await attempts.attempt('open', FAILED, () => ground.open())
    if (store !== undefined) {
      store.on('error', ({ code }) => assert.ok(FAILED.includes(code), code))
      const orders = await attempts.attempt('service', FAILED, () => startOrders(store))
      const first = await attempts.attempt('snapshot', FAILED, () => store.snapshot())
      const remove = (from: number) => {
        for (const { key, timestamp } of timers.slice(from, from + 10)) {
          if (orders === undefined) return
          promises.made('delete', orders.eventTime.delete({ key, timestamp }), (all) =>
            all.remove(timer(key, timestamp)),
          )
        }
      }
      remove(20)
      const second = await attempts.attempt('snapshot', FAILED, () => store.snapshot())
      remove(30)
      await promises.settled()
      const right = lines(timers.slice(20).map(({ key, timestamp }) => timer(key, timestamp)))
      const read =
        first && (await attempts.attempt('read', FAILED, async () => lines(await all(first.timers()))))
      // Whatever failed since: a snapshot reads what it held, or says that it cannot.
      assert.equal(read ?? right, right)
      await first?.release()
      await second?.release()
      ground.plan.disarm()
      const goesOn = await attempts.attempt('snapshot', FAILED, () => store.snapshot())
      if (goesOn !== undefined) {
        await goesOn.release()
        const last = await store.snapshot()
        const { eventTime } = await startOrders(store)
        promises.made('delete', eventTime.delete(timers[50]!), (all) => all.remove(timer('k1', 50)))
        await promises.settled()
        await last.release()
        await eventually(() => store.stats().retired === 0, 'the purge')
        tally.count('stores that went on')
      }
      await ground.close(store)
    }
    promises.assertHeldBy(await ground.examine())
    const again = await ground.open()
    await eventually(() => again.stats().retired === 0, 'the purge after opening')
    await again.close()
  },
}

const checkpoints: EngineScenario = {
  name: 'checkpoints and what they hold',
  async run(ground, arm, tally) {
    const before = await ground.open()
    await (await startOrders(before)).eventTime.registerMany(
      Array.from({ length: 30 }, (_, i) => ({ key: `k${i % 7}`, timestamp: i })),
    )
    await before.checkpoint(ground.checkpoints, { incremental: true })
    await before.close()

    const attempts = new Attempts()
    const taken: { path: string; lines: string[] | undefined }[] = []
    arm()
    const store = await attempts.attempt('open', FAILED, () => ground.open())
    if (store !== undefined) {
      store.on('error', ({ code }) => assert.ok(FAILED.includes(code), code))
      const orders = await attempts.attempt('service', FAILED, () => startOrders(store))
      for (let i = 0; i < 3 && orders !== undefined; i++) {
        const standing = await attempts.attempt('lines', FAILED, () => linesOf(store))
        const checkpoint = attempts.attempt('checkpoint', FAILED, () =>
          store.checkpoint(ground.checkpoints, { incremental: i < 2 }),
        )
        await attempts.attempt('delete', FAILED, () =>
          orders.eventTime.delete({ key: `k${i}`, timestamp: i }),
        )
        for (let at = 0; at < 4; at++) {
          const call = () =>
            orders.processingTime.register({ key: 'l', timestamp: 9 * i + at, payload: large })
          await attempts.attempt('register', FAILED, call)
        }
        const summary = await checkpoint
        if (summary !== undefined) taken.push({ path: summary.path, lines: standing })
      }
      await attempts.attempt('verify', FAILED, () => store.verify())
      ground.plan.disarm()
      assert.is(store.stats().runningSnapshots, 0)
      const last = await attempts.attempt('checkpoint', FAILED, async () => {
        const standing = await linesOf(store)
        return {
          lines: standing,
          path: (await store.checkpoint(ground.checkpoints, { incremental: true })).path,
        }
      })
      if (last !== undefined) {
        taken.push(last)
        const { eventTime } = await startOrders(store)
        const snapshot = await store.snapshot()
        await eventTime.delete({ key: 'k6', timestamp: 27 })
        await snapshot.release()
        await eventually(() => store.stats().retired === 0, 'the purge')
        tally.count('stores that went on')
      }
      await ground.close(store)
    }
    tally.count('checkpoints', taken.length)
    tally.count('failed checkpoints', attempts.rejected.filter(({ name }) => name === 'checkpoint').length)
    assert.is(ground.names(ground.checkpoints).length, taken.length + 1, 'files of checkpoints')
    const newest = taken.at(-1)
    if (newest !== undefined) {
      const target = join(ground.directory, 'restored')
      await restoreCheckpoint(newest.path, target, {}, ground.platform())
      const restored = await ground.openRestored(target)
      if (newest.lines !== undefined) assert.equal(await linesOf(restored), newest.lines)
      await restored.close()
    }
    await ground.examine()
  },
}

export const storeScenarios: readonly EngineScenario[] = [calling, firing, purging, checkpoints]
