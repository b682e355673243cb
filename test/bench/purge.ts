/**
 * What is over: purging a million retired timers and giving back their disk, and what is due first after a million fired.
 */
import fs from 'node:fs'
import path from 'node:path'
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { watchTurns } from '../support/eventloop.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { kilo, median, tell } from './measure.ts'
import { FIRST_TIMESTAMP, makeTimers, withInFlight } from './workload.ts'

const TIMERS = Number(process.env.BENCH_LARGE ?? 1_000_000)
/** What stands beside those that come and go: the fewer, the less may be left of the others. */
const STANDING = TIMERS / 10
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)
const SLICE = 10_000
const IN_FLIGHT = 2000
const DISK_WAIT_MS = 120_000

const directory = temporaryDirectory('bench-purge')
type Queue = Awaited<ReturnType<TimerStore['service']>>['eventTime']

async function registerAll(queue: Queue, first: number, count: number): Promise<void> {
  for (let at = first; at < first + count; at += SLICE) {
    await queue.registerMany(makeTimers(Math.min(SLICE, first + count - at), 'random', at))
  }
}

async function deleteAll(queue: Queue, first: number, count: number): Promise<void> {
  for (let at = first; at < first + count; at += SLICE) {
    const timers = makeTimers(Math.min(SLICE, first + count - at), 'random', at)
    await withInFlight(timers, IN_FLIGHT, (timer) => queue.delete(timer))
  }
}

function diskMib(location: string): number {
  let bytes = 0
  for (const name of fs.readdirSync(location)) {
    bytes += fs.statSync(path.join(location, name), { throwIfNoEntry: false })?.size ?? 0
  }
  return bytes / 2 ** 20
}

/** The longest turns of the event loop, until it is stopped: of all, and of those in which no garbage was collected. */
function watchLongest(): () => Promise<{ allMs: number; ownMs: number }> {
  const turns: { endMs: number; ms: number }[] = []
  const collections: PerformanceEntry[] = []
  const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  const stop = watchTurns((ms) => {
    if (ms > 1) turns.push({ endMs: performance.now(), ms })
  })
  return async () => {
    stop()
    await pause(100) // The observer hears of collections a little later.
    observer.disconnect()
    const longest = (of: typeof turns) => of.reduce((most, { ms }) => Math.max(most, ms), 0)
    const own = turns.filter(
      ({ endMs, ms }) =>
        !collections.some(
          ({ startTime, duration }) => startTime < endMs && startTime + duration > endMs - ms - 1,
        ),
    )
    return { allMs: longest(turns), ownMs: longest(own) }
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function purge(): Promise<void> {
  const fresh = await TimerStore.open(path.join(directory, 'fresh'))
  await registerAll((await fresh.service('bench')).eventTime, 0, STANDING)
  await fresh.close()
  const freshMib = diskMib(fresh.location)

  const used = await TimerStore.open(path.join(directory, 'used'))
  const { eventTime } = await used.service('bench')
  await registerAll(eventTime, 0, STANDING + TIMERS)
  const snapshot = await used.snapshot()
  for (let at = 0; at < TIMERS; at += 10 * SLICE) {
    const count = Math.min(10 * SLICE, TIMERS - at)
    await deleteAll(eventTime, STANDING + at, count)
    await registerAll(eventTime, STANDING + TIMERS + at, count)
    await deleteAll(eventTime, STANDING + TIMERS + at, count)
  }
  if (used.stats().retired !== TIMERS) throw new Error('not exact')
  const heldMib = diskMib(used.location)
  // It holds none of them, and makes the purge look at each.
  const other = await used.snapshot()
  const startMs = performance.now()
  const stop = watchLongest()
  await snapshot.release()
  while (used.stats().retired > TIMERS / 2) await pause(5)
  const { allMs, ownMs } = await stop()
  // Watching every turn takes a processor: the other half is timed.
  const timed = { retired: used.stats().retired, startMs: performance.now() }
  while (used.stats().retired > 0) await pause(5)
  const perSecond = timed.retired / ((performance.now() - timed.startMs) / 1000)
  await other.release()
  while (diskMib(used.location) > 1.5 * freshMib && performance.now() - startMs < DISK_WAIT_MS)
    await pause(50)
  const returnedMs = performance.now() - startMs
  const mib = diskMib(used.location)
  if (eventTime.count !== STANDING || (await used.verify()).length > 0) throw new Error('not exact')
  await used.close()
  tell({
    name: 'retired empty after a snapshot of 1,000,000, s',
    value: TIMERS / perSecond,
    target: 30,
    atLeast: false,
    detail: `${kilo(perSecond)}, each looked at; timed over a half`,
  })
  tell({
    name: 'longest slice of that purge, ms',
    value: ownMs,
    target: 10,
    atLeast: false,
    detail: `${allMs.toFixed(1)} ms with what the garbage collector took`,
  })
  tell({
    name: 'disk then, over a fresh store',
    value: mib / freshMib,
    target: 1.5,
    atLeast: false,
    detail: `${heldMib.toFixed(0)} → ${mib.toFixed(1)} MiB in ${(returnedMs / 1000).toFixed(1)} s, fresh ${freshMib.toFixed(1)} MiB`,
  })
}

/** Behind everything that fires before it, far apart. */
const LATE = FIRST_TIMESTAMP + 2 ** 33
const STEP = 1000

/** A store whose timers come due one by one; `fired` of them did before. */
class FirstDue {
  readonly #location: string
  #clock = new ManualClock(0)
  #store: TimerStore | undefined
  #called = () => {}
  #nextAt = LATE

  constructor(name: string) {
    this.#location = path.join(directory, name)
  }

  async #open(): Promise<Queue> {
    this.#store = await TimerStore.open(this.#location, { clock: this.#clock })
    const service = await this.#store.service('bench', { onProcessingTime: () => this.#called() })
    return service.processingTime
  }

  async prepare(fired: number): Promise<void> {
    const queue = await this.#open()
    await registerAll(queue, 0, fired)
    await queue.registerMany(
      makeTimers(STANDING, 'ascending').map(({ key }, i) => ({ key, timestamp: LATE + i * STEP })),
    )
    await this.#clock.advanceTo(FIRST_TIMESTAMP + 2 ** 32)
    if (queue.count !== STANDING) throw new Error('not exact')
  }

  /** Milliseconds from when a timer comes due to its handler. */
  async running(): Promise<number> {
    return this.#until(() => this.#clock.advanceTo(this.#due()))
  }

  /** Milliseconds from opening to the handler of the timer that came due meanwhile. */
  async reopened(): Promise<number> {
    await this.#store!.close()
    this.#clock = new ManualClock(this.#due())
    return this.#until(() => this.#open())
  }

  async close(): Promise<void> {
    await this.#store!.close()
  }

  #due(): number {
    const at = this.#nextAt
    this.#nextAt += STEP
    return at
  }

  async #until(run: () => Promise<unknown>): Promise<number> {
    const startMs = performance.now()
    let calledMs = 0
    const called = new Promise<void>((resolve) => {
      this.#called = () => {
        calledMs = performance.now()
        resolve()
      }
    })
    await Promise.all([run(), called])
    return calledMs - startMs
  }
}

async function firstDue(): Promise<void> {
  const fresh = new FirstDue('first-fresh')
  const used = new FirstDue('first-used')
  await fresh.prepare(0)
  await used.prepare(TIMERS)
  for (const [how, rounds] of [
    ['running', 40 * ROUNDS],
    ['reopened', 3 * ROUNDS],
  ] as const) {
    const ofFresh: number[] = []
    const ofUsed: number[] = []
    for (let round = 0; round < rounds; round++) {
      ofUsed.push(await used[how]())
      ofFresh.push(await fresh[how]())
    }
    tell({
      name: `first due after 1,000,000 fired, ${how}, over fresh`,
      value: median(ofUsed) / median(ofFresh),
      target: 2,
      atLeast: false,
      detail: `${median(ofUsed).toFixed(2)} ms over ${median(ofFresh).toFixed(2)} ms, the very first ${ofUsed[0]!.toFixed(2)} ms`,
    })
  }
  await fresh.close()
  await used.close()
}

await purge()
await firstDue()
