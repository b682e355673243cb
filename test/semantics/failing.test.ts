// A store whose writes fail: it says so, does nothing more, and opened again has everything it had promised.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { startChildWithLimit } from '../support/child.ts'
import { names } from '../support/recorder.ts'
import { all, inStore, withDirectory } from '../support/store.ts'
import { definition, type Failure, type Mode } from './failing.ts'

const script = new URL('./failing-child.ts', import.meta.url)

async function failed(directory: string, mode: Mode): Promise<Failure> {
  const child = startChildWithLimit(1024, script, directory, mode)
  const failure = await child.message<Failure>()
  await child.kill()
  return failure
}

test('a failed write fails the store: every later call is refused with TIDEMARK_FAILED, and close still closes', async () => {
  await withDirectory(async (directory) => {
    const { acknowledged, intended, codes, closed } = await failed(join(directory, 'store'), 'register')
    assert.ok(acknowledged.length > 0 && acknowledged.length < intended.length)
    const { open, ...calls } = codes
    for (const [call, code] of Object.entries(calls)) assert.is(code, 'TIDEMARK_FAILED', call)
    assert.ok(Object.keys(calls).length >= 8)
    assert.is(open, 'TIDEMARK_LOCKED')
    assert.is(closed, true)
  })
})

test('2. what a promise said before the failure is there afterwards, and nothing that nobody asked for', async () => {
  await withDirectory(async (directory) => {
    const location = join(directory, 'store')
    const { acknowledged, intended } = await failed(location, 'register')
    await inStore(location, {}, async (store) => {
      const { eventTime } = await store.service('orders', definition)
      const there = (await all(eventTime.list({}))).map(({ timestamp }) => timestamp)
      for (const timestamp of acknowledged) assert.ok(there.includes(timestamp), String(timestamp))
      for (const timestamp of there) assert.ok(intended.includes(timestamp), String(timestamp))
      assert.is(eventTime.count, there.length)
      assert.is(await eventTime.register({ key: 'after', timestamp: -1 }), true)
    })
  })
})

for (const mode of ['fire', 'fire by the clock'] as const) {
  test(`10. a handler whose removal could not be written is run again after opening, and not before (${mode})`, async () => {
    await withDirectory(async (directory) => {
      const location = join(directory, 'store')
      const { acknowledged, fired, codes } = await failed(location, mode)
      assert.is(codes.firing, 'TIDEMARK_FAILED')
      assert.ok(fired.length > 0)
      assert.is(new Set(fired).size, fired.length, 'no handler ran twice in a store that failed')
      await inStore(location, {}, async (store) => {
        const orders = await store.service('orders', definition)
        const queue = mode === 'fire' ? orders.eventTime : orders.processingTime
        const there = new Set(names(await all(queue.list({ key: 'k' }))))
        const made = new Set(names(await all(queue.list({ key: 'made' }))))
        for (const timestamp of acknowledged) {
          // Gone with what its handler registered, or still there without it.
          const name = String(timestamp)
          assert.is(there.has(`k@${timestamp}`), !made.has(`made@${timestamp + 1_000_000}`), name)
          if (!fired.includes(timestamp)) assert.ok(there.has(`k@${timestamp}`), name)
        }
      })
    })
  })
}

test.run()
