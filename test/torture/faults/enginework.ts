/** What is done beside the calls of a store while the engine fails: compaction, restore, conversion. */
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { restoreCheckpoint } from '../../../src/checkpoint/restore.ts'
import { linesOf } from '../../support/picture.ts'
import { all } from '../../support/store.ts'
import { type EngineScenario, FAILED, large, startOrders } from './enginescenarios.ts'
import { Attempts } from './loop.ts'

export const compacting: EngineScenario = {
  name: 'compaction',
  isClassic: true,
  async run(ground, arm, tally) {
    const store = await ground.open()
    store.on('error', ({ code }) => assert.ok(FAILED.includes(code), code))
    const { eventTime } = await startOrders(store)
    for (let i = 0; i < 12; i++) await eventTime.register({ key: 'k', timestamp: i, payload: large })
    for (let i = 0; i < 9; i++) await eventTime.delete({ key: 'k', timestamp: i })
    const standing = await linesOf(store)
    const attempts = new Attempts()
    arm()
    await attempts.attempt('compact', FAILED, () => store.compact())
    const extra = await attempts.attempt('register', FAILED, () =>
      eventTime.register({ key: 'k', timestamp: 77 }),
    )
    await ground.close(store)
    tally.count(`compactions ${attempts.resolved.includes('compact') ? 'done' : 'failed'}`)
    const held = await ground.examine()
    const without = held.filter((line) => !line.includes(',77,'))
    assert.equal(without, standing)
    if (extra) assert.is(held.length, standing.length + 1)
  },
}

export const restoring: EngineScenario = {
  name: 'restoring',
  async run(ground, arm, tally) {
    const store = await ground.open()
    const { eventTime } = await startOrders(store)
    await eventTime.registerMany(Array.from({ length: 50 }, (_, i) => ({ key: `k${i % 7}`, timestamp: i })))
    await store.checkpoint(ground.checkpoints, { incremental: true })
    await eventTime.deleteAll({ key: 'k3' })
    const { path } = await store.checkpoint(ground.checkpoints, { incremental: true })
    const standing = await linesOf(store)
    await store.close()
    const before = ground.names(ground.directory)
    const target = join(ground.directory, 'target')
    const attempts = new Attempts()
    const restore = () => restoreCheckpoint(path, target, {}, ground.platform())
    arm()
    const restored = await attempts.attempt('restore', FAILED, restore)
    ground.plan.disarm()
    tally.count(restored === undefined ? 'failed restores' : 'restores')
    if (restored === undefined) {
      assert.equal(ground.names(ground.directory), before)
      await restore()
    }
    const opened = await ground.openRestored(target)
    assert.equal(await linesOf(opened), standing)
    assert.equal(await opened.verify(), [])
    await opened.close()
  },
}

export const converting: EngineScenario = {
  name: 'conversion of a service',
  async run(ground, arm, tally) {
    const before = await ground.open()
    const numbers = Array.from({ length: 30 }, (_, i) => ({ key: `k${i}`, timestamp: i, payload: { n: i } }))
    await (await before.service('orders', { payload: z.object({ n: z.int() }) })).eventTime.registerMany(
      numbers,
    )
    const old = await linesOf(before)
    await before.close()
    const converted = {
      payload: z.object({ text: z.string() }),
      migrate: ({ key, namespace, payload }: { key: unknown; namespace: unknown; payload?: unknown }) => ({
        key: z.string().parse(key),
        namespace: z.string().parse(namespace),
        payload: { text: String(z.object({ n: z.int() }).parse(payload).n) },
      }),
    }
    const attempts = new Attempts()
    arm()
    const store = await attempts.attempt('open', FAILED, () => ground.open())
    if (store !== undefined) {
      store.on('error', ({ code }) => assert.ok(FAILED.includes(code), code))
      const start = () => store.service('orders', converted)
      let started = await attempts.attempt('service', FAILED, start)
      ground.plan.disarm()
      started ??= await attempts.attempt('service', FAILED, start)
      tally.count(started === undefined ? 'failed conversions' : 'conversions')
      await ground.close(store)
    }
    const held = await ground.examine()
    assert.is(held.length, old.length, 'every timer is there, as it was or converted')
    const again = await ground.open()
    const { eventTime } = await again.service('orders', converted)
    const texts = (await all(eventTime.list())).map((one) => one.payload.text)
    assert.equal(
      texts,
      numbers.map(({ timestamp }) => String(timestamp)),
    )
    await again.close()
  },
}
