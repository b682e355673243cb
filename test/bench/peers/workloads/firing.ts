/**
 * What is due: all of it at once, in one millisecond, or steadily.
 *
 * - Whoever is to fire is closed and opened again before, as a service that starts anew: nobody fires from what it has in
 *   memory of the scheduling.
 */
import { latenessOf } from '../../percentiles.ts'
import type { PeerTimer } from '../contender.ts'
import { Fires } from '../fires.ts'
import {
  type Figures,
  keyOf,
  perSecond,
  type Session,
  settled,
  timersFrom,
  type Workload,
} from './workload.ts'

/** Timers that are fired at once, to warm up. */
export const WARM_UP_FIRES = 20_000
/** What is due later is scheduled before: this is how long that may take. */
const BURST_LEAD_MS = 8000
export const BURSTS = 4
export const BURST_GAP_MS = 3000
const STEADY_LEAD_MS = 12_000
export const STEADY_PER_SECOND = 2000

/** Fires timers that are all due, until each is removed; how many a second. */
async function fireAll(session: Session, count: number): Promise<Figures> {
  const timers = timersFrom(Date.now() - count - 1000, count)
  await session.instance.scheduleAll(timers)
  const fires = new Fires(timers)
  const instance = await session.reopen()
  const startMs = performance.now()
  await instance.work(fires.onFired)
  await fires.done
  await settled(instance)
  return { firedPerSecond: perSecond(count, startMs), outOfOrder: fires.outOfOrder }
}

export const due: Workload = {
  id: 'due',
  title: 'all due: until each has fired and is removed',
  timers: 100_000,
  async warmUp(session) {
    await fireAll(session, WARM_UP_FIRES)
  },
  run: fireAll,
}

/** Fires timers that become due while the contender waits for them. */
async function firesOf(session: Session, timers: readonly PeerTimer[]): Promise<Fires> {
  await session.instance.scheduleAll(timers)
  const fires = new Fires(timers)
  const instance = await session.reopen()
  await instance.work(fires.onFired)
  const firstMs = timers.reduce((first, { dueMs }) => Math.min(first, dueMs), Number.POSITIVE_INFINITY)
  if (Date.now() > firstMs - 500) throw new Error('it was not scheduled in time')
  await fires.done
  await settled(instance)
  return fires
}

export const burst: Workload = {
  id: 'burst',
  title: 'due in the same millisecond, a process that has run for a while',
  timers: 10_000,
  async run(session, count) {
    const firstMs = Date.now() + BURST_LEAD_MS
    const timers = Array.from({ length: BURSTS * count }, (_, i) => ({
      key: keyOf(i),
      dueMs: firstMs + Math.floor(i / count) * BURST_GAP_MS,
    }))
    const { latenessMs, outOfOrder } = await firesOf(session, timers)
    // In the first ones V8 compiles what is run.
    return {
      firstLatenessMs: latenessOf(latenessMs.subarray(0, count)),
      latenessMs: latenessOf(latenessMs.subarray(-count)),
      outOfOrder,
    }
  },
}

export const steady: Workload = {
  id: 'steady',
  title: `${STEADY_PER_SECOND.toLocaleString('en')} a second, steadily`,
  timers: 60_000,
  async run(session, count) {
    const firstMs = Date.now() + STEADY_LEAD_MS
    const everyMs = 1000 / STEADY_PER_SECOND
    const timers = Array.from({ length: count }, (_, i) => ({
      key: keyOf(i),
      dueMs: firstMs + Math.floor(i * everyMs),
    }))
    const { latenessMs, outOfOrder } = await firesOf(session, timers)
    return { latenessMs: latenessOf(latenessMs), outOfOrder }
  },
}
