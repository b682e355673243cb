/** What is to be done later: scheduled in bulk or one by one, and cancelled by the user's own key. */
import { withInFlight } from '../../workload.ts'
import type { Instance, PeerTimer } from '../contender.ts'
import {
  DAY_MS,
  type Figures,
  perSecond,
  requirePending,
  type Session,
  timersFrom,
  type Workload,
} from './workload.ts'

/** Timers in flight, where they are scheduled one by one. */
export const IN_FLIGHT = 1000
/** Timers that are scheduled and cancelled at once, to warm up. */
export const WARM_UP_TIMERS = 5000

/** Schedules in bulk and one by one, and cancels it again. */
async function warmUp({ instance }: Session): Promise<void> {
  const timers = timersFrom(Date.now() + DAY_MS, WARM_UP_TIMERS)
  const keys = timers.map(({ key }) => key)
  await instance.scheduleAll(timers)
  await cancelAll(instance, keys)
  await withInFlight(timers, IN_FLIGHT, (timer) => instance.schedule(timer))
  await cancelAll(instance, keys)
}

/** What is told of it is told with all timers pending. */
async function scheduleThen(
  { instance, occupied }: Session,
  timers: readonly PeerTimer[],
  schedule: () => Promise<void>,
): Promise<Figures> {
  const before = occupied().diskBytes
  const startMs = performance.now()
  await schedule()
  const scheduledPerSecond = perSecond(timers.length, startMs)
  await requirePending(instance, timers.length)
  await instance.rest?.()
  const { client, server, diskBytes } = occupied()
  return {
    scheduledPerSecond,
    client,
    ...(server === undefined ? {} : { server }),
    diskBytesPerTimer: (diskBytes - before) / timers.length,
  }
}

/** Cancels all that is pending; how many a second. */
async function cancelAll(instance: Instance, keys: readonly string[]): Promise<number> {
  const startMs = performance.now()
  const cancelled = await instance.cancelAll(keys)
  const rate = perSecond(keys.length, startMs)
  if (cancelled !== keys.length)
    throw new Error(`${cancelled} timers were cancelled, and should be ${keys.length}`)
  await requirePending(instance, 0)
  return rate
}

export const bulk: Workload = {
  id: 'bulk',
  title: 'schedule in bulk, then cancel all by key',
  timers: 100_000,
  warmUp,
  async run(session, count) {
    const { instance } = session
    const timers = timersFrom(Date.now() + DAY_MS, count)
    const keys = timers.map(({ key }) => key)
    const figures = await scheduleThen(session, timers, () => instance.scheduleAll(timers))
    const cancelledPerSecond = await cancelAll(instance, keys)
    await instance.scheduleAll(timers)
    const cancelledSoonPerSecond = await cancelAll(instance, keys)
    return { ...figures, cancelledPerSecond, cancelledSoonPerSecond }
  },
}

export const single: Workload = {
  id: 'single',
  title: `schedule one by one, ${IN_FLIGHT.toLocaleString('en')} in flight`,
  timers: 100_000,
  warmUp,
  run(session, count) {
    const timers = timersFrom(Date.now() + DAY_MS, count)
    const schedule = () => withInFlight(timers, IN_FLIGHT, (timer) => session.instance.schedule(timer))
    return scheduleThen(session, timers, schedule)
  },
}
