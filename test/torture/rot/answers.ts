/**
 * Everything that a store can be asked, and what it does: so that a damaged one can be held against what it was.
 *
 * - Steps are taken one after the other, whatever the ones before them came to: so it shows who finds what.
 * - What a step refuses is an error of Tidemark; any other error is a failure of the proof.
 */
import { join } from 'node:path'
import { openClassicEngine } from '../../../src/engine/classic.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import { systemEngine } from '../../../src/engine/open.ts'
import { TidemarkError } from '../../../src/errors.ts'
import { systemFiles } from '../../../src/files.ts'
import { TimerStore } from '../../../src/index.ts'
import type { Platform } from '../../../src/platform.ts'
import { ManualClock } from '../../../src/testing.ts'
import { inTime } from '../../support/eventually.ts'
import { all } from '../../support/store.ts'
import { WritersHere } from '../../support/writers.ts'
import { END_MS, ENGINE, everyTimer, payload, START_MS } from './sample.ts'

/** Who may find damage, in the order in which they are asked. */
export const FINDERS = ['opening', 'reading', 'checkpoint', 'verify', 'firing', 'closing'] as const
export type Finder = (typeof FINDERS)[number]

export interface Examined {
  /** What each finder said. */
  found: Map<Finder, string>
  /** What the store answered, step by step, as text. */
  answers: Map<string, string>
  /** Errors that no caller should see. */
  foreign: string[]
}

const timers = everyTimer()

/** `verifyFirst`: before anything is read, which may make LevelDB rewrite what is damaged. */
export async function examine(directory: string, verifyFirst = false): Promise<Examined> {
  const examined: Examined = { found: new Map(), answers: new Map(), foreign: [] }
  const step = async (finder: Finder, name: string, run: () => Promise<unknown>) => {
    try {
      const answer = await inTime(run(), name)
      if (answer !== undefined) examined.answers.set(name, JSON.stringify(answer))
    } catch (error) {
      if (error instanceof TidemarkError) note(finder, error)
      else examined.foreign.push(`${name}: ${(error as Error).stack}`)
    }
  }
  const note = (finder: Finder, error: TidemarkError) => {
    const before = examined.found.get(finder)
    examined.found.set(finder, before === undefined ? `${error.code} ${error.message}` : before)
  }

  const clock = new ManualClock(START_MS - 1)
  let engine: Engine | undefined
  const platform: Platform = {
    ...systemEngine,
    openEngine: async (...args) => {
      engine = await openClassicEngine(...args)
      return engine
    },
    checkpointWriters: () => new WritersHere(() => engine!, systemFiles),
  }
  let store: TimerStore | undefined
  await step('opening', 'open', async () => {
    store = await TimerStore.openOn(platform, join(directory, 'store'), {
      clock,
      durability: 'os',
      engine: ENGINE,
    })
  })
  if (store === undefined) return examined
  const opened = store
  let during: Finder = 'reading'
  opened.on('error', (error) => note(during, error))
  const verify = async () => {
    during = 'verify'
    await step('verify', 'verify', async () => {
      const findings = await opened.verify()
      if (findings.length === 0) return
      examined.found.set('verify', findings.map(({ space, message }) => `${space}: ${message}`).join('; '))
    })
  }
  if (verifyFirst) await verify()
  during = 'reading'
  let checkpointPath = ''
  await step('reading', 'counts', async () => {
    const { version, retired, services } = opened.stats()
    return { version, retired, services }
  })
  await step('reading', 'snapshot', async () => {
    const snapshot = await opened.snapshot()
    return all(snapshot.timers()).finally(() => snapshot.release())
  })
  /** By queue: between queues there is no order. */
  const fired = new Map<string, unknown[]>()
  const started = async (handlers: boolean) => {
    const handler = (queue: string) => {
      const timers: unknown[] = []
      fired.set(queue, timers)
      return (timer: object) => void timers.push(timer)
    }
    const definition = (name: string) =>
      handlers
        ? { payload, onEventTime: handler(`${name} e`), onProcessingTime: handler(`${name} p`) }
        : { payload }
    return {
      orders: await opened.service('orders', definition('orders')),
      calls: await opened.service('calls', definition('calls')),
    }
  }
  let services: Awaited<ReturnType<typeof started>> | undefined
  await step('reading', 'start', async () => {
    services = await started(true)
  })
  if (services !== undefined) {
    const { orders, calls } = services
    for (const [name, service] of Object.entries({ orders, calls })) {
      for (const domain of ['eventTime', 'processingTime'] as const) {
        await step('reading', `list ${name} ${domain}`, () => all(service[domain].list()))
        await step('reading', `next ${name} ${domain}`, async () => (await service[domain].next()) ?? 'none')
      }
    }
    const queueOf = (timer: (typeof timers)[number]) =>
      (timer.service === 'orders' ? orders : calls)[timer.domain]
    await step('reading', 'has', () => Promise.all(timers.map((timer) => queueOf(timer).has(timer))))
  }
  during = 'checkpoint'
  await step('checkpoint', 'checkpoint', async () => {
    const { path, timers } = await opened.checkpoint(join(directory, 'checkpoints'))
    checkpointPath = path
    return timers
  })
  await verify()
  during = 'firing'
  if (services !== undefined) {
    const { orders, calls } = services
    await step('firing', 'fire orders', () => orders.advanceWatermark(END_MS))
    await step('firing', 'fire calls', () => calls.advanceWatermark(END_MS))
    await step('firing', 'fire by the clock', () => clock.advanceTo(END_MS))
    examined.answers.set('fired', JSON.stringify([...fired]))
    await step('firing', 'counts after', async () => opened.stats().services)
  }
  during = 'closing'
  await step('closing', 'close', () => opened.close())
  if (checkpointPath === '') return examined
  await step('checkpoint', 'restored', async () => {
    const target = join(directory, 'restored')
    await TimerStore.restore(checkpointPath, target)
    const restored = await TimerStore.openOn(platform, target, { clock, durability: 'os', engine: ENGINE })
    try {
      const snapshot = await restored.snapshot()
      return [await all(snapshot.timers()), restored.stats().services]
    } finally {
      await restored.close()
    }
  })
  return examined
}
