/** The end of a store's lives: nobody kills it any more, and everything that is left fires, once and in order. */
import * as assert from 'uvu/assert'
import { ManualClock } from '../../../src/testing.ts'
import { inStore } from '../../support/store.ts'
import { definitionOf, type Form, plannedOf } from './definitions.ts'
import type { Domain, PlannedTimer } from './ledger.ts'
import type { Model } from './model.ts'
import type { Store } from './pen.ts'

const LATER_MS = 2e9

/** Returns how many timers fired. */
export async function fireAll(location: string, model: Model, names: readonly string[]): Promise<number> {
  const clock = new ManualClock(model.nowMs)
  let count = 0
  await inStore(location, { clock }, async (store) => {
    const fired: Record<string, PlannedTimer[]> = {}
    const services: Awaited<ReturnType<typeof start>>[] = []
    for (const name of names) {
      const note = (domain: Domain) => (timer: object) => {
        fired[name + domain] ??= []
        fired[name + domain]!.push(plannedOf({ service: name, domain, ...timer } as never))
      }
      services.push(await start(store, name, note))
    }
    for (const service of services) await service.advanceWatermark(LATER_MS)
    await clock.advanceTo(LATER_MS)
    for (const name of names) {
      for (const domain of ['eventTime', 'processingTime'] as const) {
        const expected = model.firingOrder(name, domain)
        assert.equal(fired[name + domain] ?? [], expected, `what fired of ${name}, ${domain}`)
        count += expected.length
      }
    }
  })
  return count
}

/** In the form in which it is stored, or to which it is being converted. */
async function start(store: Store, name: string, note: (domain: Domain) => (timer: object) => void) {
  const startIn = (form: Form) =>
    store.service(name, {
      ...definitionOf(name, form),
      onEventTime: note('eventTime'),
      onProcessingTime: note('processingTime'),
    } as never)
  return startIn(0).catch(() => startIn(1))
}
