/** A watermark that jumps a thousand times as far as it does, and one that is moved a thousand times in a row. */
import * as assert from 'uvu/assert'
import { withStore } from '../../support/store.ts'
import type { Part } from '../family.ts'
import { Ledger } from './ledger.ts'
import { hindrance, returnsResources } from './resources.ts'
import { LoadWatch } from './watch.ts'

/** Timers that come due when the watermark moves as usual. */
const USUAL = 100
const JUMP = 1000
const USUAL_STEPS = 20
const STEP_MS = 60_000
/** Memory that may become resident, however many timers come due at once. */
const MAX_GROWN_MIB = 200

/** Usual steps, a jump, and a thousand steps that are asked for at once: so many timers. */
const ROUND = (USUAL_STEPS + JUMP + JUMP) * USUAL

async function jumps(rounds: number): Promise<string> {
  const timestampOf = (number: number) => Math.floor((number * STEP_MS) / USUAL)
  const ledger = new Ledger(rounds * ROUND, timestampOf)
  let watched = ''
  await withStore({}, async (store) => {
    let asked = 0
    const service = await store.service('jumps', { onEventTime: (timer) => ledger.note(timer, asked) })
    let registered = 0
    const register = async (count: number) => {
      const timers = ledger.timers(registered, Math.min(rounds * ROUND, registered + count))
      registered += timers.length
      assert.is(await service.eventTime.registerMany(timers), timers.length)
    }
    let due = 0
    /** Moves the watermark over so many more timers; others are registered meanwhile, further on. */
    const advance = async (count: number) => {
      due += count
      asked = timestampOf(due) - 1
      return (await service.advanceWatermark(asked)).fired
    }
    await register(ROUND)
    const watch = new LoadWatch()
    for (let round = 0; round < rounds; round++) {
      for (let step = 0; step < USUAL_STEPS; step++) assert.is(await advance(USUAL), USUAL)
      const [fired] = await Promise.all([advance(JUMP * USUAL), register(ROUND / 2)])
      assert.is(fired, JUMP * USUAL)
      const steps = Array.from({ length: JUMP }, () => advance(USUAL))
      const [each] = await Promise.all([Promise.all(steps), register(ROUND / 2)])
      assert.is(
        each.reduce((sum, of) => sum + of, 0),
        JUMP * USUAL,
      )
      assert.is(ledger.fired, (round + 1) * ROUND)
    }
    watched = watch.stop()
    assert.ok(watch.grownMib < MAX_GROWN_MIB, watched)
    ledger.check()
    assert.is(service.eventTime.count, 0)
  })
  return watched
}

export const jump: Part = {
  behaviour:
    'a 1,000-fold jump of the watermark, and 1,000 moves at once, fire everything in order while registers go on',
  unit: 'timers',
  inCi: ROUND,
  inTorture: 10 * ROUND,
  hindrance,
  run: async ({ tries }) => {
    const rounds = Math.max(1, Math.ceil(tries / ROUND))
    let watched = ''
    const returned = await returnsResources(async () => {
      watched = await jumps(rounds)
    })
    return { tries: rounds * ROUND, told: `each once, none early; ${watched}; ${returned}` }
  },
}
