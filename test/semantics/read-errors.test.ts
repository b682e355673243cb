// An engine whose reads fail, one call each. All calls in turn: test/torture/faults.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually } from '../support/eventually.ts'
import { type Fault, FaultPlan } from '../support/faultplan.ts'
import { rejects } from '../support/refusals.ts'
import { all } from '../support/store.ts'
import { EngineGround } from '../torture/faults/engineground.ts'

async function withGround(run: (ground: EngineGround) => Promise<void>): Promise<void> {
  const ground = new EngineGround(new FaultPlan(), false)
  try {
    await run(ground)
  } finally {
    await ground.remove()
  }
}

function at(name: string, changes: Partial<Fault> = {}): Fault {
  const counts = (call: string) => call === name
  return { nth: 1, code: 'EIO', how: 'before', isLasting: false, counts, ...changes }
}

test('whoever reads hears of a failed read as TIDEMARK_FAILED, and the store goes on', async () => {
  await withGround(async (ground) => {
    const store = await ground.open()
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'k', timestamp: 1 })
    const snapshot = await store.snapshot()
    const readers: Record<string, () => Promise<unknown>> = {
      list: () => all(eventTime.list()),
      'list of a key': () => all(eventTime.list({ key: 'k' })),
      next: () => eventTime.next(),
      snapshot: () => all(snapshot.timers()),
      verify: () => store.verify(),
      checkpoint: () => store.checkpoint(ground.checkpoints),
    }
    for (const [name, read] of Object.entries(readers)) {
      ground.plan.arm(at('scan'))
      await rejects(read, 'TIDEMARK_FAILED', 'EIO')
      ground.plan.disarm()
      await read()
      assert.ok(name)
    }
    await snapshot.release()
    await store.close()
  })
})

test('verify takes no read of the log that fails for damage', async () => {
  await withGround(async (ground) => {
    const store = await ground.open()
    await (await store.service('orders')).eventTime.register({ key: 'k', timestamp: 1 })
    ground.plan.arm(at('scan', { nth: 1000 }))
    await store.verify()
    const scans = ground.plan.calls
    for (let nth = 1; nth <= scans; nth++) {
      ground.plan.arm(at('scan', { nth }))
      await rejects(() => store.verify(), 'TIDEMARK_FAILED', 'EIO')
    }
    await store.close()
  })
})

test('two reads of one commit that fail together leave no rejection unhandled', async () => {
  await withGround(async (ground) => {
    const unhandled: unknown[] = []
    const note = (error: unknown) => unhandled.push(error)
    process.on('unhandledRejection', note)
    const store = await ground.open()
    store.on('error', () => {})
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'k', timestamp: 9 })
    ground.plan.arm({ ...at('getMany'), isLasting: true, counts: () => true })
    const calls = [eventTime.register({ key: 'k', timestamp: 1 }), eventTime.deleteAll({ key: 'k' })]
    for (const call of calls) await rejects(call, 'TIDEMARK_FAILED')
    ground.plan.disarm()
    await store.close()
    process.off('unhandledRejection', note)
    assert.equal(unhandled, [])
  })
})

test('a drain whose read fails ends the store: what it had in hand is fired when it is opened again', async () => {
  await withGround(async (ground) => {
    const fired: number[] = []
    const definition = {
      onEventTime: async ({ timestamp }: { timestamp: number }) => void fired.push(timestamp),
    }
    const before = await ground.open()
    const timers = [1, 2, 3].map((timestamp) => ({ key: 'k', timestamp }))
    await (await before.service('orders')).eventTime.registerMany(timers)
    await before.close()
    const store = await ground.open()
    store.on('error', () => {})
    const orders = await store.service('orders', definition)
    ground.plan.arm(at('getMany'))
    await rejects(orders.advanceWatermark(10), 'TIDEMARK_FAILED', 'EIO')
    ground.plan.disarm()
    await rejects(orders.advanceWatermark(10), 'TIDEMARK_FAILED', 'open it again')
    await store.close()
    const again = await ground.open()
    assert.equal(await (await again.service('orders', definition)).advanceWatermark(10), { fired: 3 })
    assert.equal(fired, [1, 2, 3])
    await again.close()
  })
})

test('what a purge did not come to, for a read failed, the next one finds', async () => {
  await withGround(async (ground) => {
    const before = await ground.open()
    const { eventTime } = await before.service('orders')
    await eventTime.register({ key: 'k', timestamp: 1 })
    await before.snapshot()
    await eventTime.delete({ key: 'k', timestamp: 1 })
    await before.close()
    // Opening reads the services and the log; the third scan is that of the purge.
    const told: string[] = []
    ground.plan.arm(at('scan', { nth: 4 }))
    const store = await ground.open()
    store.on('error', ({ code }) => told.push(code))
    await eventually(() => told.length === 1, 'the failed sweep')
    assert.is(store.stats().retired, 1)
    await (await store.snapshot()).release()
    await eventually(() => store.stats().retired === 0, 'the purge')
    assert.equal(await store.verify(), [])
    await store.close()
  })
})

test('a compaction whose merge failed says so, although LevelDB does not', async () => {
  const ground = new EngineGround(new FaultPlan(), true)
  try {
    const store = await ground.open()
    store.on('error', () => {})
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'k', timestamp: 1 })
    // LevelDB's compactRange returns as if nothing were; what fails is the next write.
    const counts = (call: string) => call === 'write' && ground.plan.seen.includes('compactRange')
    ground.plan.arm(at('write', { counts }))
    await rejects(store.compact(), 'TIDEMARK_FAILED', 'EIO')
    ground.plan.disarm()
    await store.close()
    assert.is((await ground.examine()).length, 1)
  } finally {
    await ground.remove()
  }
})

test('a store whose last trim of the log fails is closed, and says why', async () => {
  await withGround(async (ground) => {
    const store = await ground.open()
    const told: string[] = []
    store.on('error', ({ code }) => told.push(code))
    await (await store.service('orders')).eventTime.register({ key: 'k', timestamp: 1 })
    ground.plan.arm(at('flush'))
    await store.close()
    await eventually(() => told.length === 1)
    assert.equal(told, ['TIDEMARK_FAILED'])
    ground.plan.disarm()
    const again = await ground.open()
    assert.is((await again.service('orders')).eventTime.count, 1)
    await again.close()
  })
})

test.run()
