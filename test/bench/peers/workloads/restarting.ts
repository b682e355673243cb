/** A restart with all pending: filled in one process, opened in the next. */
import { DAY_MS, keyOf, requirePending, settled, timersFrom, type Workload } from './workload.ts'

/** The first half of a restart: all pending, and one due. */
export const fill: Workload = {
  id: 'fill',
  title: 'fill, for a restart',
  timers: 1_000_000,
  async run({ instance }, count) {
    const timers = timersFrom(Date.now() + DAY_MS, count)
    timers[0] = { key: keyOf(0), dueMs: Date.now() - 1000 }
    await instance.scheduleAll(timers)
    await requirePending(instance, count)
    return {}
  },
}

/** The second half, in another process. */
export const restart: Workload = {
  id: 'restart',
  title: 'restart, until the first fires',
  timers: 1_000_000,
  async run({ instance, begunMs }, count) {
    const key = await new Promise<string>((resolve, reject) => {
      instance.work(resolve).catch(reject)
    })
    const openToFirstFireMs = performance.now() - begunMs
    if (key !== keyOf(0)) throw new Error(`'${key}' fired first`)
    await settled(instance, count - 1)
    await requirePending(instance, count - 1)
    return { openToFirstFireMs }
  },
}
