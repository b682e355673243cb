/** A million timers due at once: one drain, in order, whose memory does not grow with their number. */
import * as assert from 'uvu/assert'
import { withStore } from '../../support/store.ts'
import type { Part } from '../family.ts'
import { Ledger, mixed } from './ledger.ts'
import { heapMib, hindrance, returnsResources } from './resources.ts'
import { LoadWatch } from './watch.ts'

const SLICE_TIMERS = 10_000
const SPAN_MS = 2 ** 31
/** What may be resident and in the heap beyond what was there when the drain began. */
const MAX_GROWN_MIB = 200
const MAX_HEAP_MIB = 30
/** The heap is measured so often, in handlers: it takes a while. */
const TIMERS_PER_MEASURE = 50_000

async function drain(count: number, seed: number): Promise<string> {
  const ledger = new Ledger(count, (number) => mixed(number, seed) >>> 1)
  let told = ''
  await withStore({}, async (store) => {
    let mostHeapMib = 0
    const service = await store.service('overdue', {
      onEventTime: (timer) => {
        ledger.note(timer, SPAN_MS)
        if (ledger.fired % TIMERS_PER_MEASURE === 0) mostHeapMib = Math.max(mostHeapMib, heapMib())
      },
    })
    for (let from = 0; from < count; from += SLICE_TIMERS) {
      await service.eventTime.registerMany(ledger.timers(from, Math.min(count, from + SLICE_TIMERS)))
    }
    const beforeMib = heapMib()
    const watch = new LoadWatch()
    const startMs = performance.now()
    assert.equal(await service.advanceWatermark(SPAN_MS), { fired: count })
    const perMs = count / (performance.now() - startMs)
    const watched = watch.stop()
    ledger.check()
    const grownMib = mostHeapMib - beforeMib
    told = `${perMs.toFixed(0)} k/s, heap ≤ ${grownMib.toFixed(0)} MiB more; ${watched}`
    assert.ok(grownMib < MAX_HEAP_MIB, told)
    assert.ok(watch.grownMib < MAX_GROWN_MIB, told)
  })
  return told
}

export const overdue: Part = {
  behaviour:
    'timers that are all due at once fire in one drain, in order, in memory that does not grow with their number',
  unit: 'timers due at once',
  inCi: 200_000,
  inTorture: 1_000_000,
  hindrance,
  run: async ({ tries, seed }) => {
    let told = ''
    const returned = await returnsResources(async () => {
      told = await drain(tries, seed)
    })
    return { tries, told: `each once; ${told}; ${returned}` }
  },
}
