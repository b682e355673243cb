/**
 * The workloads, the same for all contenders. Each runs in a process of its own, on an empty store, and is exact or failed:
 * every timer fires once, none early, and what was scheduled is what is stored.
 */
import { withInFlight } from '../workload.ts'
import type { Instance, PeerTimer } from './contender.ts'
import { type Lateness, latenessOf } from './percentiles.ts'
import type { Memory } from './resources.ts'

/** What one run of a workload measured. */
export interface Figures {
  scheduledPerSecond?: number
  /** After a rest. */
  cancelledPerSecond?: number
  /** Right after they were scheduled. */
  cancelledSoonPerSecond?: number
  firedPerSecond?: number
  latenessMs?: Lateness
  /** Of the first burst of a process. */
  firstLatenessMs?: Lateness
  openToFirstFireMs?: number
  /** With all timers pending. */
  client?: Memory
  server?: Memory
  diskBytesPerTimer?: number
  /** What is not as it should be, where a contender does not promise it: told, and not hidden. */
  inexact?: string[]
}

export interface Occupied {
  client: Memory
  server?: Memory
  diskBytes: number
}

export type Measure = () => Occupied

/** Timers in flight, where they are scheduled one by one. */
export const IN_FLIGHT = 1000
/** Timers that are scheduled and cancelled, or fired, to warm up: again and again. */
const WARM_UP_TIMERS = 5000
const WARM_UP_FIRES = 20_000
const DAY_MS = 86_400_000
/** What is due later is scheduled before: this is how long that may take. */
const BURST_LEAD_MS = 8000
const BURSTS = 4
const BURST_GAP_MS = 3000
const STEADY_LEAD_MS = 12_000
const STEADY_PER_SECOND = 2000

export interface Workload {
  id: string
  title: string
  /** How many timers, unless the caller says otherwise. */
  timers: number
  /** Does the like to another store before: a service's process has long compiled its code when it is busy. */
  warmUp?(instance: Instance): Promise<void>
  run(instance: Instance, count: number, measure: Measure): Promise<Figures>
}

function keyOf(i: number): string {
  return `session-${String(i).padStart(12, '0')}`
}

/** Distinct deadlines, in no order: the i-th is somewhere else in a permutation of the milliseconds. */
function timersFrom(firstMs: number, count: number): PeerTimer[] {
  let stride = Math.floor(count * 0.618) | 1
  while (greatestCommonDivisor(stride, count) !== 1) stride += 2
  return Array.from({ length: count }, (_, i) => ({
    key: keyOf(i),
    dueMs: firstMs + ((i * stride) % count),
  }))
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}

function perSecond(count: number, startMs: number): number {
  return (count / (performance.now() - startMs)) * 1000
}

async function requirePending(instance: Instance, expected: number): Promise<void> {
  const pending = await instance.pending()
  if (pending !== expected) throw new Error(`${pending} timers are pending, and should be ${expected}`)
}

/** Notes each fire, and how late it is; resolves when each of the timers has fired once. */
class Fires {
  readonly latenessMs: Float64Array
  readonly done: Promise<void>
  readonly #times: Uint8Array
  readonly #dueMs: Float64Array
  #left: number
  #resolve: () => void = () => {}
  early = 0
  twice = 0

  constructor(timers: readonly PeerTimer[]) {
    this.#left = timers.length
    this.#times = new Uint8Array(timers.length)
    this.latenessMs = new Float64Array(timers.length)
    this.#dueMs = new Float64Array(timers.length)
    for (const { key, dueMs } of timers) this.#dueMs[Number(key.slice(-12))] = dueMs
    this.done = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  readonly onFired = (key: string): void => {
    const index = Number(key.slice(-12))
    const times = this.#times[index]!
    this.#times[index] = Math.min(255, times + 1)
    if (times > 0) {
      this.twice++
      return
    }
    const lateMs = performance.timeOrigin + performance.now() - this.#dueMs[index]!
    // The wall clock has whole milliseconds, and Node's finer one may be a little beside it.
    if (lateMs < -1) this.early++
    this.latenessMs[index] = Math.max(0, lateMs)
    this.#left--
    if (this.#left === 0) this.#resolve()
  }

  get inexact(): string[] {
    const told: string[] = []
    if (this.early > 0) told.push(`${this.early} fired early`)
    if (this.twice > 0) told.push(`${this.twice} fired twice`)
    return told
  }
}

/** Resolves when nothing is pending any more: removals may be committed after the handlers ran. */
async function settled(instance: Instance): Promise<void> {
  while ((await instance.pending()) > 0) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Schedules in bulk and one by one, and cancels it again. */
async function warmUp(instance: Instance): Promise<void> {
  const timers = timersFrom(Date.now() + DAY_MS, WARM_UP_TIMERS)
  const keys = timers.map(({ key }) => key)
  await instance.scheduleAll(timers)
  await cancelAll(instance, keys)
  await withInFlight(timers, IN_FLIGHT, (timer) => instance.schedule(timer))
  await cancelAll(instance, keys)
}

/** What is told of it is told with all timers pending. */
async function scheduleThen(
  instance: Instance,
  timers: readonly PeerTimer[],
  schedule: () => Promise<void>,
  measure: Measure,
): Promise<Figures> {
  const before = measure().diskBytes
  const startMs = performance.now()
  await schedule()
  const scheduledPerSecond = perSecond(timers.length, startMs)
  await requirePending(instance, timers.length)
  await instance.rest?.()
  const { client, server, diskBytes } = measure()
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

const bulk: Workload = {
  id: 'bulk',
  title: 'schedule in bulk, then cancel all by key',
  timers: 100_000,
  warmUp,
  async run(instance, count, measure) {
    const timers = timersFrom(Date.now() + DAY_MS, count)
    const keys = timers.map(({ key }) => key)
    const figures = await scheduleThen(instance, timers, () => instance.scheduleAll(timers), measure)
    const cancelledPerSecond = await cancelAll(instance, keys)
    await instance.scheduleAll(timers)
    const cancelledSoonPerSecond = await cancelAll(instance, keys)
    return { ...figures, cancelledPerSecond, cancelledSoonPerSecond }
  },
}

const single: Workload = {
  id: 'single',
  title: `schedule one by one, ${IN_FLIGHT.toLocaleString('en')} in flight`,
  timers: 100_000,
  warmUp,
  run(instance, count, measure) {
    const timers = timersFrom(Date.now() + DAY_MS, count)
    const schedule = () => withInFlight(timers, IN_FLIGHT, (timer) => instance.schedule(timer))
    return scheduleThen(instance, timers, schedule, measure)
  },
}

/** Fires timers that are all due, until each is removed; how many a second. */
async function fireAll(instance: Instance, count: number): Promise<Figures> {
  const timers = timersFrom(Date.now() - count - 1000, count)
  await instance.scheduleAll(timers)
  const fires = new Fires(timers)
  await instance.prepare?.()
  const startMs = performance.now()
  await instance.work(fires.onFired)
  await fires.done
  await settled(instance)
  return { firedPerSecond: perSecond(count, startMs), inexact: fires.inexact }
}

const due: Workload = {
  id: 'due',
  title: 'all due: until each has fired and is removed',
  timers: 100_000,
  async warmUp(instance) {
    await fireAll(instance, WARM_UP_FIRES)
  },
  run: fireAll,
}

/** Fires timers that become due while the contender waits for them; returns how late each was. */
async function lateness(
  instance: Instance,
  timers: readonly PeerTimer[],
): Promise<{ latenessMs: Float64Array; inexact: string[] }> {
  await instance.scheduleAll(timers)
  const fires = new Fires(timers)
  await instance.prepare?.()
  await instance.work(fires.onFired)
  const firstMs = timers.reduce((first, { dueMs }) => Math.min(first, dueMs), Number.POSITIVE_INFINITY)
  if (Date.now() > firstMs - 500) throw new Error('it was not scheduled in time')
  await fires.done
  await settled(instance)
  return fires
}

const burst: Workload = {
  id: 'burst',
  title: 'due in the same millisecond, a process that has run for a while',
  timers: 10_000,
  async run(instance, count) {
    const firstMs = Date.now() + BURST_LEAD_MS
    const timers = Array.from({ length: BURSTS * count }, (_, i) => ({
      key: keyOf(i),
      dueMs: firstMs + Math.floor(i / count) * BURST_GAP_MS,
    }))
    const { latenessMs, inexact } = await lateness(instance, timers)
    // In the first ones V8 compiles what is run.
    return {
      firstLatenessMs: latenessOf(latenessMs.subarray(0, count)),
      latenessMs: latenessOf(latenessMs.subarray(-count)),
      inexact,
    }
  },
}

const steady: Workload = {
  id: 'steady',
  title: `${STEADY_PER_SECOND.toLocaleString('en')} a second, steadily`,
  timers: 60_000,
  async run(instance, count) {
    const firstMs = Date.now() + STEADY_LEAD_MS
    const everyMs = 1000 / STEADY_PER_SECOND
    const timers = Array.from({ length: count }, (_, i) => ({
      key: keyOf(i),
      dueMs: firstMs + Math.floor(i * everyMs),
    }))
    const { latenessMs, inexact } = await lateness(instance, timers)
    return { latenessMs: latenessOf(latenessMs), inexact }
  },
}

/** The first half of a restart: all pending, and one due. */
const fill: Workload = {
  id: 'fill',
  title: 'fill, for a restart',
  timers: 1_000_000,
  async run(instance, count) {
    const timers = timersFrom(Date.now() + DAY_MS, count)
    timers[0] = { key: keyOf(0), dueMs: Date.now() - 1000 }
    await instance.scheduleAll(timers)
    await requirePending(instance, count)
    return {}
  },
}

/** The second half; opening is measured by the process (child.ts), this is what comes after it. */
const restart: Workload = {
  id: 'restart',
  title: 'restart, until the first fires',
  timers: 1_000_000,
  async run(instance) {
    const key = await new Promise<string>((resolve, reject) => {
      instance.work(resolve).catch(reject)
    })
    if (key !== keyOf(0)) throw new Error(`'${key}' fired first`)
    return {}
  },
}

export const workloads: readonly Workload[] = [bulk, single, due, burst, steady, restart]
/** Those that are a part of another one. */
export const allWorkloads: readonly Workload[] = [...workloads, fill]
