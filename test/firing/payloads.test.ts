// Firing many timers with large payloads keeps few of them in memory, however many are due, and however slow the disk is.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { TimerStore } from '../../src/index.ts'
import { MAX_REMOVALS_CHARACTERS } from '../../src/limits.ts'
import { ManualClock } from '../../src/testing.ts'
import { eventually, gate, turns } from '../support/eventually.ts'
import { heldDisk } from '../support/helddisk.ts'
import { verified, withDirectory } from '../support/store.ts'

const TIMERS = 600
const PAYLOAD = 'x'.repeat(60_000)

test('while a disk takes no removals, only so many characters of fired timers wait for it', async () => {
  const { platform, disk } = heldDisk()
  await withDirectory(async (directory) => {
    let fired = 0
    const options = { durability: 'os', clock: new ManualClock(0) } as const
    const store = await TimerStore.openOn(platform, join(directory, 'store'), options)
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
    const moved = options.clock.advanceTo(TIMERS)
    await eventually(() => fired > 0, 'the first handler')
    for (let before = -1; before < fired; ) {
      before = fired
      await turns(200)
    }
    const most = MAX_REMOVALS_CHARACTERS / PAYLOAD.length
    assert.ok(fired <= most + 1, `${fired} fired, and ${most.toFixed(0)} may wait`)
    held.open()
    await moved
    assert.is(fired, TIMERS)
    assert.is(orders.processingTime.count, 0)
    await verified(store)
    await store.close()
  })
})

test.run()
