/** A thousand services in one store, each with timers of both domains: each fires its own, also after a restart. */
import * as assert from 'uvu/assert'
import type { TimerService } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing.ts'
import { type Store, withStore } from '../../support/store.ts'
import type { Part } from '../family.ts'
import { Ledger, mixed } from './ledger.ts'
import { hindrance, returnsResources } from './resources.ts'
import { LoadWatch } from './watch.ts'

/** Of each domain, in each service. */
const TIMERS = 20
const SPAN_MS = 1000
const STARTS_AT_ONCE = 50

/** One of many services; its timers come due at other times than those of its neighbours. */
class One {
  readonly name: string
  readonly event: Ledger
  readonly processing: Ledger
  #service!: TimerService<string, string, undefined>
  watermark = 0

  constructor(index: number, seed: number) {
    this.name = `service ${index}`
    const timestampOf = (number: number) => mixed(index * TIMERS + number, seed) % SPAN_MS
    this.event = new Ledger(TIMERS, timestampOf)
    this.processing = new Ledger(TIMERS, (number) => SPAN_MS - timestampOf(number))
  }

  async start(store: Store, clock: ManualClock): Promise<void> {
    this.#service = await store.service(this.name, {
      onEventTime: (timer) => this.event.note(timer, this.watermark),
      onProcessingTime: (timer) => this.processing.note(timer, clock.now()),
    })
  }

  async register(): Promise<void> {
    const { eventTime, processingTime } = this.#service
    const counts = await Promise.all([
      eventTime.registerMany(this.event.timers(0, TIMERS)),
      processingTime.registerMany(this.processing.timers(0, TIMERS)),
    ])
    assert.equal(counts, [TIMERS, TIMERS])
  }

  async advance(watermark: number): Promise<void> {
    this.watermark = watermark
    await this.#service.advanceWatermark(watermark)
  }

  checkAt(ms: number): void {
    this.event.check((number) => this.event.timer(number).timestamp <= ms)
    this.processing.check((number) => this.processing.timer(number).timestamp <= ms)
  }
}

async function run(count: number, seed: number): Promise<string> {
  const clock = new ManualClock(0)
  const services = Array.from({ length: count }, (_, index) => new One(index, seed))
  let watched = ''
  await withStore({ clock }, async (store, _, reopen) => {
    const watch = new LoadWatch()
    const startAll = async (on: Store) => {
      for (let from = 0; from < count; from += STARTS_AT_ONCE) {
        await Promise.all(services.slice(from, from + STARTS_AT_ONCE).map((one) => one.start(on, clock)))
      }
    }
    const moveTo = async (ms: number) => {
      await Promise.all([clock.advanceTo(ms), ...services.map((one) => one.advance(ms))])
      for (const one of services) one.checkAt(ms)
    }
    await startAll(store)
    await Promise.all(services.map((one) => one.register()))
    await moveTo(SPAN_MS / 4)
    await moveTo(SPAN_MS / 2)
    const startMs = performance.now()
    const again = await reopen()
    await startAll(again)
    const startedMs = performance.now() - startMs
    assert.is(Object.keys(again.stats().services).length, count)
    await moveTo(SPAN_MS)
    const left = Object.values(again.stats().services).reduce(
      (sum, one) => sum + one.eventTime + one.processingTime,
      0,
    )
    assert.is(left, 0)
    watched = `closed, opened and all started in ${startedMs.toFixed(0)} ms; ${watch.stop()}`
  })
  return watched
}

export const services: Part = {
  behaviour: '1,000 services in one store each fire their own timers, in order, also after a restart',
  unit: 'services',
  inCi: 1000,
  inTorture: 4000,
  hindrance,
  run: async ({ tries, seed }) => {
    let watched = ''
    const returned = await returnsResources(async () => {
      watched = await run(tries, seed)
    })
    return { tries, told: `${2 * TIMERS} timers each; ${watched}; ${returned}` }
  },
}
