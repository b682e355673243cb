// timeout: 400s
// SIGKILL while timers are converted: whatever moment it was, each timer is there once, and the next start goes on.
//
// KILLS  how many processes are killed at least (default 20)

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type SnapshotTimer, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { startChild } from '../support/child.ts'
import { randomFrom, seed } from '../support/random.ts'
import { recorder } from '../support/recorder.ts'
import { all, inStore, openStore, withDirectory } from '../support/store.ts'
import { after, before, firingOrder, timerAfter, timerBefore } from './migrate-definitions.ts'

const script = new URL('./migrate-child.ts', import.meta.url)
const kills = Number(process.env.KILLS || 20)
const perDomain = 2000
const total = 2 * perDomain

async function makeStore(location: string): Promise<void> {
  const store = await openStore(location)
  const orders = await store.service('orders', before)
  const timers = Array.from({ length: perDomain }, (_, i) => timerBefore(i))
  await orders.eventTime.registerMany(timers)
  await orders.processingTime.registerMany(timers)
  await orders.advanceWatermark(-5)
  await store.close()
}

/** The i-th timer of a domain, by its key before or after: what `i` is, and whether it is converted. */
function recognize({ key, namespace, timestamp, payload }: SnapshotTimer): {
  i: number
  isConverted: boolean
} {
  const isConverted = typeof key === 'object'
  const { sequence } = payload as { sequence: string | number }
  const i = Number(sequence)
  assert.equal({ key, namespace, timestamp, payload }, (isConverted ? timerAfter : timerBefore)(i))
  return { i, isConverted }
}

/** Checks that every timer is there once, as it was or converted; returns how many still wait. */
async function checkContent(location: string): Promise<number> {
  return inStore(location, {}, async (store) => {
    assert.equal(store.stats().services, {
      orders: { watermark: -5, eventTime: perDomain, processingTime: perDomain },
    })
    const snapshot = await store.snapshot()
    const seen = { eventTime: new Set<number>(), processingTime: new Set<number>() }
    let waiting = 0
    for (const timer of await all(snapshot.timers())) {
      const { i, isConverted } = recognize(timer)
      seen[timer.domain].add(i)
      if (!isConverted) waiting++
    }
    await snapshot.release()
    assert.equal([seen.eventTime.size, seen.processingTime.size], [perDomain, perDomain])
    return waiting
  })
}

/** Finishes what is left, and checks that all fires in the order in which it was registered. */
async function checkFires(location: string): Promise<void> {
  const clock = new ManualClock(-1000)
  const [onEventTime, onProcessingTime] = [recorder(), recorder()]
  await inStore(location, { clock }, async (store) => {
    const orders = await store.service('orders', { ...after, onEventTime, onProcessingTime })
    await orders.advanceWatermark(1000)
    await clock.advanceTo(1000)
    for (const { fired } of [onEventTime, onProcessingTime]) {
      assert.equal(
        fired.map(({ payload }) => (payload as { sequence: number }).sequence),
        firingOrder(perDomain),
      )
    }
  })
}

test('killed at random moments until all timers are converted, a store has each once, in order', async () => {
  const random = randomFrom(seed)
  await withDirectory(async (directory) => {
    const location = join(directory, 'store')
    await makeStore(location)
    let waiting = total
    let killed = 0
    let halfWay = 0
    for (let isDone = false; !isDone; ) {
      // Every timer that waits is tried first, and then converted. Enough is left for the kills that are to come.
      const most = waiting + Math.min(1000, waiting - 1000)
      const least = random() < 0.2 ? 0 : waiting
      const early = Math.ceil(least + random() * (most - least))
      // Then at the very end, or never.
      const late = random() < 0.5 ? 2 * waiting : 0
      const killAt = killed < kills ? early : late
      const how = ['at once', 'next turn', '0', '1', '3'][Math.floor(random() * 5)]!
      const child = startChild(script, location, String(killAt), how)
      const { signal } = await child.ended
      isDone = child.messages.includes('done')
      if (!isDone) assert.is(signal, 'SIGKILL', child.output)
      if (!isDone) killed++
      const left = await checkContent(location)
      assert.ok(left <= waiting, 'nothing goes back')
      waiting = left
      if (waiting > 0 && waiting < total) halfWay++
      if (killed % 7 === 3 && waiting > 0)
        await checkRestored(location, join(directory, `half-way-${killed}`))
    }
    assert.is(waiting, 0)
    assert.ok(killed >= kills && halfWay > 3, `${killed} processes were killed, ${halfWay} of them half-way`)
    await checkFires(location)
  })
})

async function checkRestored(location: string, directory: string): Promise<void> {
  const store = await openStore(location)
  const { path } = await store.checkpoint(join(directory, 'checkpoints'))
  await store.close()
  await TimerStore.restore(path, join(directory, 'store'))
  await checkContent(join(directory, 'store'))
  await checkFires(join(directory, 'store'))
}

test.run()
