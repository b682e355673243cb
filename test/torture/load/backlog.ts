/**
 * Handlers that are slower than their timers come: a backlog grows to minutes, and is worked off. The clock is moved by
 * the handlers themselves, so that minutes take seconds.
 */
import * as assert from 'uvu/assert'
import { HeldClock } from '../../support/clocks.ts'
import { eventually } from '../../support/eventually.ts'
import { withStore } from '../../support/store.ts'
import type { Part } from '../family.ts'
import { Ledger } from './ledger.ts'
import { hindrance, returnsResources } from './resources.ts'
import { LoadWatch } from './watch.ts'

/** Timers come every so often, and a handler takes longer: then so many more stand behind it. */
const INTERVAL_MS = 10
const HANDLER_MS = 30
/** The other service's, whose handler returns at once. */
const QUICK_INTERVAL_MS = 1000
/** How late the other service may be, by the clock: it waits for nobody's handler. */
const MAX_QUICK_LATE_MS = 30_000
/** The clock's wake-ups come so often, in handlers. */
const HANDLERS_PER_WAKE_UP = 20
/** Memory that may become resident, however long the backlog. */
const MAX_GROWN_MIB = 120

async function workOff(count: number): Promise<string> {
  const clock = new HeldClock(0)
  const slow = new Ledger(count, (number) => number * INTERVAL_MS)
  const quickCount = Math.floor((count * HANDLER_MS) / QUICK_INTERVAL_MS)
  const quick = new Ledger(quickCount, (number) => number * QUICK_INTERVAL_MS)
  let mostLateMs = 0
  let mostQuickLateMs = 0
  let told = ''
  await withStore({ clock }, async (store) => {
    const watch = new LoadWatch()
    let registered = 0
    const registerNext = (queue: typeof slowService.processingTime) => {
      // Some ahead of the clock, as long as there are any.
      const until = Math.min(count, Math.floor(clock.nowMs / INTERVAL_MS) + 1000)
      const timers = slow.timers(registered, until)
      registered = Math.max(registered, until)
      return timers.length > 0 ? queue.registerMany(timers) : undefined
    }
    const slowService = await store.service('slow', {
      onProcessingTime: async (timer, { lateByMs }) => {
        slow.note(timer, clock.nowMs)
        assert.is(lateByMs, clock.nowMs - timer.timestamp)
        mostLateMs = Math.max(mostLateMs, lateByMs)
        // As long as a read of the store: on a busy machine, too, the other service has its turns meanwhile.
        await slowService.eventTime.has(timer)
        clock.nowMs += HANDLER_MS
        if (slow.fired % HANDLERS_PER_WAKE_UP === 0) clock.wakeAll()
      },
    })
    const quickService = await store.service('quick', {
      onProcessingTime: (timer, { lateByMs }) => {
        quick.note(timer, clock.nowMs)
        mostQuickLateMs = Math.max(mostQuickLateMs, lateByMs)
      },
    })
    assert.is(await quickService.processingTime.registerMany(quick.timers(0, quickCount)), quickCount)
    await registerNext(slowService.processingTime)
    while (slow.fired < count) {
      clock.wakeAll()
      // The clock stands still where no handler is to run.
      const due = Math.min(count, Math.floor(clock.nowMs / INTERVAL_MS) + 1)
      if (slow.fired === due) clock.nowMs += INTERVAL_MS
      await registerNext(slowService.processingTime)
      await new Promise((resolve) => setImmediate(resolve))
    }
    clock.nowMs = Math.max(clock.nowMs, quickCount * QUICK_INTERVAL_MS)
    clock.wakeAll()
    const { processingTime } = quickService
    await eventually(() => slowService.processingTime.count + processingTime.count === 0, 'the last')
    slow.check()
    quick.check()
    const watched = watch.stop()
    assert.ok(watch.grownMib < MAX_GROWN_MIB, watched)
    const minutes = (mostLateMs / 60_000).toFixed(1)
    const seconds = (mostQuickLateMs / 1000).toFixed(1)
    told = `${minutes} minutes behind at most, another service ${seconds} s; ${watched}`
  })
  assert.ok(mostLateMs > count * (HANDLER_MS - INTERVAL_MS) * 0.9, `a backlog of ${mostLateMs} ms`)
  assert.ok(mostQuickLateMs <= MAX_QUICK_LATE_MS, `the other service was ${mostQuickLateMs} ms late`)
  return told
}

export const backlog: Part = {
  behaviour:
    'a backlog of minutes behind slow handlers is worked off in order, in bounded memory, beside other services',
  unit: 'slow timers',
  inCi: 20_000,
  inTorture: 500_000,
  hindrance,
  run: async ({ tries }) => {
    let told = ''
    const returned = await returnsResources(async () => {
      told = await workOff(tries)
    })
    return { tries, told: `each once, none early; ${told}; ${returned}` }
  },
}
