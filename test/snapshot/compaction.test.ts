// timeout: 300s
// Disk comes back when much was removed: by itself, after opening, and when it is asked for; nothing that stands is lost,
// and closing does not wait for it.

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TimerStore } from '../../src/index.ts'
import { type Platform, systemPlatform } from '../../src/platform.ts'
import { ManualClock } from '../../src/testing.ts'
import { eventually } from '../support/eventually.ts'
import { lines, linesOf } from '../support/picture.ts'
import { randomFrom, seed } from '../support/random.ts'
import { rejects } from '../support/refusals.ts'
import {
  all,
  inStore,
  openStore,
  type Store,
  spilled,
  verified,
  withDirectory,
  withStore,
} from '../support/store.ts'

const STANDING = 20_000
const CHURNED = 100_000

type Timer = { key: string; timestamp: number }

function many(first: number, count: number): Timer[] {
  // Keys and timestamps in no order: what goes lies in between what stays.
  return Array.from({ length: count }, (_, i) => {
    const mixed = Math.imul(first + i, 2654435761) >>> 0
    return { key: `order-${mixed}`, timestamp: 1_900_000_000_000 + mixed }
  })
}

async function registerMany(store: Store, first: number, count: number): Promise<void> {
  const { eventTime } = await store.service('orders')
  for (let at = first; at < first + count; at += 10_000)
    await eventTime.registerMany(many(at, Math.min(10_000, first + count - at)))
}

async function deleteMany(store: Store, first: number, count: number): Promise<void> {
  const { eventTime } = await store.service('orders')
  for (let at = first; at < first + count; at += 10_000) {
    const timers = many(at, Math.min(10_000, first + count - at))
    await Promise.all(timers.map((timer) => eventTime.delete(timer)))
  }
}

async function bytesIn(directory: string): Promise<number> {
  let bytes = 0
  for (const name of await readdir(directory)) {
    // LevelDB removes files while they are listed.
    bytes += await stat(join(directory, name)).then(
      ({ size }) => size,
      () => 0,
    )
  }
  return bytes
}

/** What a fresh store with the standing timers takes, closed: as little as it gets without a compaction. */
async function freshBytes(): Promise<number> {
  return withDirectory(async (parent) => {
    const directory = join(parent, 'fresh')
    const store = await openStore(directory)
    await registerMany(store, 0, STANDING)
    await store.close()
    return bytesIn(directory)
  })
}

/** Registers and deletes many timers while a snapshot runs, releases it, and waits until all is purged. */
async function churn(store: Store): Promise<void> {
  await registerMany(store, 0, STANDING + CHURNED)
  const snapshot = await store.snapshot()
  await deleteMany(store, STANDING, CHURNED)
  assert.is(store.stats().retired, CHURNED)
  await snapshot.release()
  await eventually(() => store.stats().retired === 0, 'the purge')
}

test('with a snapshot held during many registers and deletes and released, disk comes back by itself', async () => {
  const fresh = await freshBytes()
  await withStore({}, async (store, directory) => {
    await churn(store)
    const before = await bytesIn(directory)
    assert.ok(before > 2 * fresh, `there is something to give back: ${before} bytes, ${fresh} fresh`)
    await eventually(async () => (await bytesIn(directory)) < 1.5 * fresh, 'the compaction')
    console.log(`${before} bytes became ${await bytesIn(directory)}; a fresh store takes ${fresh}`)
    assert.is((await store.stats()).services.orders?.eventTime, STANDING)
  })
})

test('closed before that, it comes back when the store is open again', async () => {
  const fresh = await freshBytes()
  // With smaller buffers LevelDB has merged most of it away before.
  await withStore({ engine: { writeBufferBytes: 16 * 1024 * 1024 } }, async (store, directory, reopen) => {
    await churn(store)
    const again = await reopen()
    const before = await bytesIn(directory)
    assert.ok(before > 2 * fresh, `there is something to give back: ${before} bytes, ${fresh} fresh`)
    await eventually(async () => (await bytesIn(directory)) < 1.5 * fresh, 'the compaction')
    assert.is(again.stats().services.orders?.eventTime, STANDING)
  })
})

test('compact() gives it back at once, and of what fired, too', async () => {
  const fresh = await freshBytes()
  await withStore({}, async (store, directory) => {
    const orders = await store.service('orders', { onEventTime: () => {} })
    await registerMany(store, STANDING, CHURNED)
    const last = 1_900_000_000_000 + 2 ** 32
    assert.equal(await orders.advanceWatermark(last), { fired: CHURNED })
    await registerMany(store, 0, STANDING)
    await Promise.all([store.compact(), store.compact()])
    const after = await bytesIn(directory)
    assert.ok(after < 1.5 * fresh, `${after} bytes; a fresh store takes ${fresh}`)
    const { log } = store.stats()
    assert.ok(log.entries < 600, `${log.entries} log entries are kept`)
  })
})

test('what stands, and what snapshots hold, is the same after a compaction, whatever goes on during it', async () => {
  const sizes = { writeBufferBytes: 256 * 1024, maxFileBytes: 1024 * 1024 }
  await withStore({ engine: sizes }, async (store, _, reopen) => {
    const random = randomFrom(seed)
    const { eventTime } = await store.service('orders')
    await registerMany(store, 0, 30_000)
    const snapshot = await store.snapshot()
    const held = lines(await all(snapshot.timers()))
    const standing = new Set(many(0, 30_000).map(({ key }) => key))
    let compacting = true
    const compacted = (async () => {
      for (let round = 0; round < 4; round++) await store.compact()
      compacting = false
    })()
    while (compacting) {
      const first = Math.floor(random() * 40_000)
      const timers = many(first, 200)
      const deletes = random() < 0.5
      for (const timer of timers) {
        if (deletes) {
          void eventTime.delete(timer)
          standing.delete(timer.key)
        } else {
          void eventTime.register(timer)
          standing.add(timer.key)
        }
      }
      await eventTime.has(timers[0]!)
    }
    await compacted
    assert.equal(lines(await all(snapshot.timers())), held)
    await snapshot.release()
    await verified(store)
    const keys = (await all(eventTime.list())).map(({ key }) => key)
    assert.equal(keys.sort(), [...standing].sort())
    await eventually(() => store.stats().retired === 0, 'the purge')
    await store.compact()
    const expected = await linesOf(store)
    assert.equal(await linesOf(await reopen()), expected)
  })
})

test('a log that is trimmed for a compaction is verified when the store opens, after closing and after a crash', async () => {
  await withDirectory(async (parent) => {
    const directory = join(parent, 'store')
    const store = await openStore(directory, { engine: { writeBufferBytes: 1024 * 1024 } })
    const { eventTime } = await store.service('orders')
    for (let round = 0; round < 800; round++) await eventTime.register({ key: 'a', timestamp: round })
    await store.compact()
    const kept = store.stats().log.entries
    assert.ok(kept < 600, `${kept} log entries are kept`)
    for (let round = 0; round < 10; round++) await eventTime.register({ key: 'b', timestamp: round })
    assert.equal(await store.verify(), [])
    const copy = join(parent, 'crashed')
    const { copyAsCrashed } = await import('../support/crash.ts')
    await copyAsCrashed(directory, copy)
    const expected = store.stats()
    await inStore(copy, {}, async (crashed) => assert.equal(crashed.stats(), expected))
    await store.close()
    await inStore(directory, {}, async (again) => {
      assert.is(again.stats().version, expected.version)
      assert.is(again.stats().services.orders?.eventTime, 810)
    })
  })
})

test('closing waits for no compaction but the piece under way', async () => {
  await withDirectory(async (parent) => {
    const directory = join(parent, 'store')
    const store = await TimerStore.open(directory, { durability: 'os', clock: new ManualClock(0) })
    await churn(store)
    const compacted = store.compact().then(
      () => 'done',
      (error: { code?: string }) => error.code,
    )
    const startMs = performance.now()
    await store.close()
    const closedMs = performance.now() - startMs
    console.log(`closed in ${closedMs.toFixed(0)} ms`)
    assert.ok(closedMs < 10_000, `${closedMs} ms`)
    assert.ok(['done', 'TIDEMARK_CLOSED'].includes((await compacted) ?? ''), String(await compacted))
    await inStore(directory, {}, async (again) => {
      assert.is(again.stats().services.orders?.eventTime, STANDING)
    })
  })
})

test('without room on disk it is not begun, compact() says so, and it is done when there is room', async () => {
  const fresh = await freshBytes()
  let room = Number.POSITIVE_INFINITY
  const platform: Platform = {
    ...systemPlatform,
    openEngine: async (...place) =>
      Object.assign(await systemPlatform.openEngine(...place), { freeBytes: async () => room }),
  }
  await withDirectory(async (parent) => {
    const directory = join(parent, 'store')
    const clock = new ManualClock(0)
    const store = await TimerStore.openOn(platform, directory, { durability: 'os', clock })
    const told: Error[] = []
    store.on('error', (error) => told.push(error))
    room = 100_000
    await churn(store)
    // At rest it would wait for room: what was deleted is removed from the key spaces by who asks.
    await spilled(store)
    await eventually(() => told.length > 0, 'the compaction that finds no room')
    const before = await bytesIn(directory)
    await rejects(store.compact(), 'TIDEMARK_FAILED', 'free disk', 'call compact() again')
    assert.ok(before > 2 * fresh, `there is something to give back: ${before} bytes, ${fresh} fresh`)
    assert.ok((await bytesIn(directory)) > 1.5 * fresh)
    await verified(store)
    assert.is(store.stats().services.orders?.eventTime, STANDING)
    room = Number.POSITIVE_INFINITY
    await eventually(async () => (await bytesIn(directory)) < 1.5 * fresh, 'the compaction')
    assert.is(told.length, 1, 'told once')
    assert.match(told[0]!.message, 'free disk')
    await store.close()
  })
})

test('a store that waits for room closes at once', async () => {
  const freeBytes = async () => 0
  const platform: Platform = {
    ...systemPlatform,
    openEngine: async (...place) => Object.assign(await systemPlatform.openEngine(...place), { freeBytes }),
  }
  await withDirectory(async (parent) => {
    const clock = new ManualClock(0)
    const store = await TimerStore.openOn(platform, join(parent, 'store'), { durability: 'os', clock })
    const told: Error[] = []
    store.on('error', (error) => told.push(error))
    await churn(store)
    await spilled(store)
    await eventually(() => told.length > 0, 'the compaction that finds no room')
    const startMs = performance.now()
    await store.close()
    const closedMs = performance.now() - startMs
    assert.ok(closedMs < 4000, `${closedMs} ms`)
  })
})

test.run()
