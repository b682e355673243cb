// Semantics 2, 7 and 10 under SIGKILL: what a killed process leaves is a state that it went through, with everything
// that a promise had said, and each fired timer gone exactly if its handler's registrations are there.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ManualClock } from '../../src/testing.ts'
import { startChild } from '../support/child.ts'
import { randomFrom, seed } from '../support/random.ts'
import { names, recorder } from '../support/recorder.ts'
import { all, inStore, withDirectory } from '../support/store.ts'

const script = new URL('./crash-child.ts', import.meta.url)

interface Moment {
  at: string
  fired?: number
}

for (const domain of ['event time', 'processing time'] as const) {
  test(`10. killed in a ${domain} handler, before its commit: the timer fires again, and nothing of its handler is there`, async () => {
    await withDirectory(async (directory) => {
      const location = join(directory, 'store')
      const child = startChild(script, location, domain, 'in the handler')
      await child.message<Moment>(({ at }) => at === 'in the handler')
      assert.is((await child.kill()).signal, 'SIGKILL')
      const clock = new ManualClock(1000)
      const handler = recorder()
      await inStore(location, { clock }, async (store) => {
        const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
        const queue = domain === 'event time' ? orders.eventTime : orders.processingTime
        await (domain === 'event time' ? orders.advanceWatermark(0) : clock.advanceBy(0))
        assert.equal(
          handler.fired.map(({ key, namespace, timestamp }) => [key, namespace, timestamp]),
          [
            ['first', 'n', 1],
            ['second', 'n', 2],
          ],
        )
        assert.equal(names(await all(queue.list({}))), [])
        if (domain === 'event time') assert.is(orders.currentWatermark, 10)
      })
    })
  })

  test(`10. killed after the commit of a ${domain} handler: the timer is gone, and its registrations are there`, async () => {
    await withDirectory(async (directory) => {
      const location = join(directory, 'store')
      const child = startChild(script, location, domain, 'after the commit')
      await child.message<Moment>(({ at }) => at === 'after the commit')
      await child.kill()
      const clock = new ManualClock(1000)
      const handler = recorder()
      await inStore(location, { clock }, async (store) => {
        const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
        const queue = domain === 'event time' ? orders.eventTime : orders.processingTime
        await (domain === 'event time' ? orders.advanceWatermark(0) : clock.advanceBy(0))
        assert.equal(handler.names(), [])
        assert.equal(names(await all(queue.list({}))), ['made by first@5000', 'made by second@5000'])
      })
    })
  })
}

test('10. killed at any moment of a drain, no timer is lost, and none is gone without what its handler made', async () => {
  const random = randomFrom(seed)
  for (let round = 0; round < 8; round++) {
    await withDirectory(async (directory) => {
      const location = join(directory, 'store')
      const child = startChild(script, location, 'event time', 'a long drain')
      const enough = Math.floor(random() * 3000)
      await child.message<Moment>(({ fired }) => fired !== undefined && fired >= enough)
      await child.kill()
      const handler = recorder()
      await inStore(location, {}, async (store) => {
        const orders = await store.service('orders', { onEventTime: handler })
        const left = (await all(orders.eventTime.list({ key: 'k' }))).map(({ timestamp }) => timestamp)
        const made = (await all(orders.eventTime.list({ key: 'made' }))).map(
          ({ timestamp }) => timestamp - 1_000_000,
        )
        assert.equal(
          [...made, ...left],
          Array.from({ length: 4000 }, (_, timestamp) => timestamp),
          'each timer, or what its handler made of it, in order',
        )
        assert.is(orders.currentWatermark, 4000)
        const outcome = await orders.advanceWatermark(4000)
        assert.is(outcome.fired, left.length)
        assert.equal(
          handler.fired.map(({ timestamp }) => timestamp),
          left,
        )
        assert.is(orders.eventTime.count, made.length)
      })
    })
  }
})

test('17. killed with a snapshot held, a store purges at open what was kept for it', async () => {
  await withDirectory(async (directory) => {
    const location = join(directory, 'store')
    const child = startChild(script, location, 'event time', 'with a snapshot')
    const { fired: version } = await child.message<Moment>(({ at }) => at === 'with a snapshot')
    await child.kill()
    await inStore(location, {}, async (store) => {
      const { eventTime } = await store.service('orders')
      assert.is(store.stats().runningSnapshots, 0)
      assert.ok(store.stats().version >= version!)
      assert.is(eventTime.count, 0)
      // verify() waits for the purge, or counts what is left of it: at the end nothing is.
      while (store.stats().retired > 0) await eventTime.next()
    })
  })
})

test.run()
