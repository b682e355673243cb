// Whatever reads a store's timers reads a bounded number of bytes at once, also where every payload is as large as may be.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import type { Engine } from '../../src/engine/engine.ts'
import { TimerStore } from '../../src/index.ts'
import { READ_AT_ONCE_TIMERS, SCAN_CHUNK_BYTES } from '../../src/limits.ts'
import { type Platform, systemPlatform } from '../../src/platform.ts'
import { ManualClock } from '../../src/testing.ts'
import { eventually } from '../support/eventually.ts'
import { all, verified, withDirectory } from '../support/store.ts'

const TIMERS = 400
const PAYLOAD = 'x'.repeat(60_000)

test('verify(), a list of one key, a snapshot, and a purge read a bounded number of bytes at once', async () => {
  let most = 0
  let mostByKey = 0
  const watch = (engine: Engine): Engine => {
    const scan = engine.scan.bind(engine)
    const getMany = engine.getMany.bind(engine)
    return Object.assign(engine, {
      scan: (range: Parameters<typeof scan>[0]) => {
        const { read } = scan(range)
        return {
          read: async () => {
            const entries = await read()
            // One entry of a log has a whole commit.
            const bytes = entries.slice(0, -1).reduce((sum, [, value]) => sum + value.length, 0)
            most = Math.max(most, bytes)
            return entries
          },
        }
      },
      getMany: async (keys: string[]) => {
        const values = await getMany(keys)
        const bytes = values.reduce((sum, value) => sum + (value?.length ?? 0), 0)
        mostByKey = Math.max(mostByKey, bytes)
        return values
      },
    })
  }
  const platform: Platform = {
    ...systemPlatform,
    openEngine: async (...place) => watch(await systemPlatform.openEngine(...place)),
  }
  await withDirectory(async (parent) => {
    const options = { durability: 'os', clock: new ManualClock(0) } as const
    const store = await TimerStore.openOn(platform, join(parent, 'store'), options)
    const { eventTime } = await store.service('orders', { payload: z.string() })
    const timers = Array.from({ length: TIMERS }, (_, i) => ({ key: 'a', timestamp: i, payload: PAYLOAD }))
    await eventTime.registerMany(timers)
    assert.is((await all(eventTime.list({ key: 'a' }))).length, TIMERS)
    const snapshot = await store.snapshot()
    await verified(store)
    assert.is((await all(eventTime.list())).length, TIMERS)
    const mostOfAll = mostByKey
    assert.ok(mostOfAll <= 1.1 * READ_AT_ONCE_TIMERS * PAYLOAD.length, `${mostOfAll} bytes read by key`)
    for (const timer of timers) await eventTime.delete(timer)
    assert.is((await all(snapshot.timers())).length, TIMERS)
    // Another one makes the purge look at each.
    const other = await store.snapshot()
    await snapshot.release()
    await eventually(() => store.stats().retired === 0, 'the purge')
    await other.release()
    assert.ok(most > SCAN_CHUNK_BYTES / 2, `${most} bytes: nothing was read`)
    assert.ok(most < 1.2 * SCAN_CHUNK_BYTES, `${most} bytes in one read`)
    await store.close()
  })
})

test.run()
