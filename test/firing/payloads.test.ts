// Firing keeps few payloads in memory, those that fire and those that handlers register, however many timers are due, and
// however slow the disk is.

import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { TimerStore } from '../../src/index.ts'
import { MAX_REMOVALS_CHARACTERS } from '../../src/limits.ts'
import { ManualClock } from '../../src/testing.ts'
import { eventually, gate, turns } from '../support/eventually.ts'
import { heldDisk } from '../support/helddisk.ts'
import { inStore, verified, withDirectory } from '../support/store.ts'

const TIMERS = 600
const PAYLOAD = 'x'.repeat(60_000)
const FEW_TIMERS = 100
const REGISTERED = 10
/** Almost as many characters as may wait. */
const LARGE_REGISTERED = 279

interface HeldStore {
  store: TimerStore
  disk: ReturnType<typeof heldDisk>['disk']
  clock: ManualClock
}

/** A store whose disk takes writes when it is told; it is verified in the end. */
function withHeldStore(run: (held: HeldStore) => Promise<void>): Promise<void> {
  return withDirectory(async (directory) => {
    const { platform, disk } = heldDisk()
    const clock = new ManualClock(0)
    const store = await TimerStore.openOn(platform, join(directory, 'store'), { durability: 'os', clock })
    await run({ store, disk, clock })
    await verified(store)
    await store.close()
  })
}

/** Runs handlers while the disk takes no write, until no further one starts; how many did. */
async function settledCount(count: () => number): Promise<number> {
  await eventually(() => count() > 0, 'the first handler')
  for (let before = -1; before < count(); ) {
    before = count()
    await turns(200)
  }
  return count()
}

test('while a disk takes no removals, only so many characters of fired timers wait for it', async () => {
  await withHeldStore(async ({ store, disk, clock }) => {
    let fired = 0
    const orders = await store.service('orders', {
      payload: z.string(),
      onProcessingTime: () => void fired++,
    })
    for (let first = 0; first < TIMERS; first += 100) {
      const numbers = Array.from({ length: 100 }, (_, i) => first + i + 1)
      const timers = numbers.map((n) => ({ key: `${n}`, timestamp: n, payload: PAYLOAD }))
      await orders.processingTime.registerMany(timers)
    }
    const held = gate()
    disk.free = held.promise
    const moved = clock.advanceTo(TIMERS)
    await settledCount(() => fired)
    const most = MAX_REMOVALS_CHARACTERS / PAYLOAD.length
    assert.ok(fired <= most + 1, `${fired} fired, and ${most.toFixed(0)} may wait`)
    held.open()
    await moved
    assert.is(fired, TIMERS)
    assert.is(orders.processingTime.count, 0)
  })
})

test('while a disk takes no removals, only so many characters that handlers registered wait for it', async () => {
  await withHeldStore(async ({ store, disk, clock }) => {
    let fired = 0
    const orders = await store.service('orders', {
      payload: z.string(),
      onProcessingTime: ({ key, timestamp }, { eventTime }) => {
        fired++
        for (let i = 0; i < REGISTERED; i++) void eventTime.register({ key, timestamp: i, payload: PAYLOAD })
        void eventTime.replace({ key, namespace: 'replaced', timestamp, payload: PAYLOAD })
      },
    })
    const timers = Array.from({ length: FEW_TIMERS }, (_, n) => ({ key: `${n}`, timestamp: 1, payload: '' }))
    await orders.processingTime.registerMany(timers)
    const held = gate()
    disk.free = held.promise
    const moved = clock.advanceTo(1)
    await settledCount(() => fired)
    const most = MAX_REMOVALS_CHARACTERS / PAYLOAD.length / (REGISTERED + 1)
    assert.ok(fired <= most + 1, `${fired} fired, and ${most.toFixed(0)} may wait`)
    held.open()
    await moved
    assert.is(fired, FEW_TIMERS)
    assert.is(orders.eventTime.count, FEW_TIMERS * (REGISTERED + 1))
  })
})

test('small removals before large ones let no more of these wait', async () => {
  await withHeldStore(async ({ store, disk, clock }) => {
    let large = 0
    const orders = await store.service('orders', {
      payload: z.string(),
      onProcessingTime: ({ key, timestamp }, { eventTime }) => {
        if (timestamp === 1) return
        large++
        for (let i = 0; i < LARGE_REGISTERED; i++)
          void eventTime.register({ key, timestamp: i, payload: PAYLOAD })
      },
    })
    const many = (count: number, timestamp: number) =>
      Array.from({ length: count }, (_, n) => ({ key: `${n}`, timestamp, payload: '' }))
    await orders.processingTime.registerMany([...many(2000, 1), ...many(4, 2)])
    let mostWaiting = 0
    // Each write waits for its turn: the queue behind it is what it is with a slow disk.
    const write = () => {
      mostWaiting = Math.max(mostWaiting, large - Math.floor(orders.eventTime.count / LARGE_REGISTERED))
      return turns(50)
    }
    Object.defineProperty(disk, 'free', { get: write })
    await clock.advanceTo(2)
    assert.is(large, 4)
    assert.ok(mostWaiting <= 2, `${mostWaiting} large ones waited`)
  })
})

test('what has fired is let go of, with its payload', async () => {
  const gc = collector()
  await withDirectory(async (directory) => {
    const clock = new ManualClock(0)
    const definition = { payload: z.string() }
    await inStore(directory, { clock }, async (store) => {
      const orders = await store.service('orders', definition)
      for (let n = 1; n <= TIMERS; n++)
        await orders.processingTime.register({ key: `${n}`, timestamp: n, payload: PAYLOAD })
    })
    await inStore(directory, { clock }, async (store) => {
      let fired = 0
      await store.service('orders', { ...definition, onProcessingTime: () => void fired++ })
      gc()
      const before = process.memoryUsage().heapUsed
      await clock.advanceTo(TIMERS)
      assert.is(fired, TIMERS)
      await turns(10)
      gc()
      const more = process.memoryUsage().heapUsed - before
      assert.ok(more < (TIMERS * PAYLOAD.length) / 4, `${more} bytes stay`)
    })
  })
})

/** V8's collector, which a program is given only where it asks for it. */
function collector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

test.run()
