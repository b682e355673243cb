// The log names all that was done: the timers that stand are the fold of its events, and of nothing else.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { TimerStore } from '../../src/index.ts'
import { parseEntry, parseEvents } from '../../src/log/entry.ts'
import { orderTextOf, parseStored, payloadText } from '../../src/timer/stored.ts'
import { keysOf, withLevel } from '../support/damage.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryDirectory } from '../support/tmp.ts'

/** A closed store that did one of everything, its whole log kept: nothing was ever trimmed from so small a store. */
async function storeOfEverything(): Promise<string> {
  const directory = temporaryDirectory('entry')
  const store = await TimerStore.open(directory)
  const service = await store.service('every\0thing', {
    payload: z.object({ n: z.int() }).optional(),
    onEventTime: async (timer, context) => {
      if (timer.key === 'chain')
        await context.eventTime.register({ key: 'next', timestamp: 90, payload: { n: 9 } })
    },
  })
  const { eventTime, processingTime } = service
  await eventTime.registerMany(Array.from({ length: 50 }, (_, i) => ({ key: `k${i % 7}`, timestamp: i })))
  await eventTime.register({ key: 'nul\0\u0001', namespace: 'n\0', timestamp: 60, payload: { n: 1 } })
  const snapshot = await store.snapshot()
  await eventTime.register({ key: 'nul\0\u0001', namespace: 'n\0', timestamp: 60, payload: { n: 2 } })
  await eventTime.delete({ key: 'k3', timestamp: 45 })
  await eventTime.register({ key: 'chain', timestamp: 5 })
  await processingTime.register({ key: 'p', timestamp: 4_000_000_000_000 })
  await processingTime.replace({ key: 'p', timestamp: 4_000_000_000_001, payload: { n: 3 } })
  await eventTime.deleteAll({ key: 'k1' })
  await service.advanceWatermark(20)
  await snapshot.release()
  await eventually(() => store.stats().retired === 0, 'the purge')
  await store.close()
  return directory
}

test('the timers that stand are the fold of the events', async () => {
  const directory = await storeOfEverything()
  await withLevel(directory, async (level) => {
    const folded = new Map<string, { orderText: string; payload: string }>()
    const kinds = new Set<string>()
    for (const key of await keysOf(level, 'l')) {
      const value = (await level.get(key))!
      const entry = parseEntry(key, value)!
      for (const event of parseEvents(value, entry)) {
        kinds.add(event.kind)
        if (event.kind === 'register') {
          const orderText = orderTextOf(event.createVersion, event.place)
          folded.set(event.identity, { orderText, payload: event.payload })
        } else if (event.kind === 'payload') {
          folded.set(event.identity, { orderText: event.orderText, payload: event.payload })
        } else if (event.kind === 'delete' || event.kind === 'fire') {
          assert.is(folded.get(event.identity)?.orderText, event.orderText)
          folded.delete(event.identity)
        } else if (event.kind === 'service') assert.is(event.name, 'every\0thing')
        else if (event.kind === 'watermark') assert.is(event.watermark, 20)
      }
    }
    assert.equal([...kinds].sort(), [
      'delete',
      'fire',
      'payload',
      'purge',
      'register',
      'service',
      'watermark',
    ])
    const standing = await keysOf(level, 't')
    assert.equal([...folded.keys()].sort(), standing.sort())
    for (const identity of standing) {
      const timer = parseStored(identity, (await level.get(identity))!)!
      assert.equal(folded.get(identity), { orderText: timer.orderText, payload: payloadText(timer) })
    }
  })
})

test('an event that is not whole is refused', async () => {
  const directory = await storeOfEverything()
  await withLevel(directory, async (level) => {
    for (const key of await keysOf(level, 'l')) {
      const value = (await level.get(key))!
      const entry = parseEntry(key, value)!
      for (const eventsEnd of [entry.eventsEnd - 1, entry.eventsEnd + 1]) {
        assert.throws(() => [...parseEvents(value, { ...entry, eventsEnd })], /not whole/)
      }
    }
  })
})

test.run()
