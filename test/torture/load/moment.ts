/** 10,000 timers due in the same millisecond, in both time domains, while registers go on. */
import * as assert from 'uvu/assert'
import { ManualClock } from '../../../src/testing.ts'
import { withStore } from '../../support/store.ts'
import type { Part } from '../family.ts'
import { Ledger } from './ledger.ts'
import { hindrance, returnsResources } from './resources.ts'
import { LoadWatch } from './watch.ts'

/** Due in one millisecond, of each domain. */
const AT_ONCE = 10_000
const STEP_MS = 1000

/** Which timers, by their number: in each moment so many of each domain, one registered after the other. */
const momentOf = (number: number) => (Math.floor(number / AT_ONCE) + 1) * STEP_MS

async function fireMoments(moments: number): Promise<string> {
  const clock = new ManualClock(0)
  const ledgers = [0, 1].map(() => new Ledger(moments * AT_ONCE, momentOf))
  const [event, processing] = ledgers as [Ledger, Ledger]
  let watched = ''
  await withStore({ clock }, async (store) => {
    let watermark = 0
    const service = await store.service('moments', {
      onEventTime: (timer) => event.note(timer, watermark),
      onProcessingTime: (timer) => processing.note(timer, clock.now()),
    })
    const registered = async (moment: number) => {
      const [from, to] = [moment * AT_ONCE, (moment + 1) * AT_ONCE]
      // One by one on one queue, all at once on the other.
      const one = event.timers(from, to).map((timer) => service.eventTime.register(timer))
      assert.is(await service.processingTime.registerMany(processing.timers(from, to)), AT_ONCE)
      assert.ok((await Promise.all(one)).every((isNew) => isNew))
    }
    await registered(0)
    const watch = new LoadWatch()
    for (let moment = 0; moment < moments; moment++) {
      const nowMs = (moment + 1) * STEP_MS
      await clock.advanceTo(nowMs - 1)
      assert.is(processing.fired, moment * AT_ONCE)
      watermark = nowMs
      // The next moment's are registered while these fire.
      const [{ fired }] = await Promise.all([
        service.advanceWatermark(nowMs),
        clock.advanceTo(nowMs),
        moment + 1 < moments ? registered(moment + 1) : undefined,
      ])
      assert.is(fired, AT_ONCE)
      assert.is(processing.fired, (moment + 1) * AT_ONCE)
    }
    watched = watch.stop()
    assert.is(service.eventTime.count + service.processingTime.count, 0)
    for (const ledger of ledgers) ledger.check()
  })
  return watched
}

export const moment: Part = {
  behaviour:
    '10,000 timers due in the same millisecond, in each time domain, fire in the order of their registers',
  unit: 'timers',
  inCi: 60_000,
  inTorture: 2_000_000,
  hindrance,
  run: async ({ tries }) => {
    const moments = Math.max(1, Math.ceil(tries / (2 * AT_ONCE)))
    let watched = ''
    const returned = await returnsResources(async () => {
      watched = await fireMoments(moments)
    })
    return { tries: 2 * moments * AT_ONCE, told: `each once, none early; ${watched}; ${returned}` }
  },
}
