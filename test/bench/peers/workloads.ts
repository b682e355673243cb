/**
 * The workloads, the same for all contenders. Each runs in a process of its own, on an empty store, and is exact or failed:
 * every timer fires once, none early, and what was scheduled is what is stored.
 *
 * - Whoever is to fire is closed and opened again before, as a service that starts anew: nobody fires from what it has in
 *   memory of the scheduling.
 */

import { type Lateness, latenessOf } from '../percentiles.ts'
import type { Memory } from '../resources.ts'
import { withInFlight } from '../workload.ts'
import type { Instance, PeerTimer } from './contender.ts'
import { Fires } from './fires.ts'

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
  /** Timers that fired after one that was due later. */
  outOfOrder?: number
  /** What is not as it should be, and is told, not hidden. */
  inexact?: string[]
}

export interface Occupied {
  client: Memory
  server?: Memory
  diskBytes: number
}

/** A contender's store in this process. */
export interface Session {
  /** When its opening began, by `performance.now()`. */
  readonly begunMs: number
  readonly instance: Instance
  /** Closes it, and opens it again. */
  reopen(): Promise<Instance>
  occupied(): Occupied
}

/** Timers in flight, where they are scheduled one by one. */
const IN_FLIGHT = 1000
/** For how long everybody warms up, at least; with how many timers that are scheduled and cancelled, or fired, at once. */
export const WARM_UP_MS = 3000
const WARM_UP_TIMERS = 5000
const WARM_UP_FIRES = 20_000
const DAY_MS = 86_400_000
/** What is due later is scheduled before: this is how long that may take. */
const BURST_LEAD_MS = 8000
const BURSTS = 4
const BURST_GAP_MS = 3000
const STEADY_LEAD_MS = 12_000
const STEADY_PER_SECOND = 2000

/** What a result says of how it was measured. */
export const settings = {
  inFlight: IN_FLIGHT,
  warmUpMs: WARM_UP_MS,
  warmUpTimers: WARM_UP_TIMERS,
  warmUpFires: WARM_UP_FIRES,
  bursts: BURSTS,
  burstGapMs: BURST_GAP_MS,
  steadyPerSecond: STEADY_PER_SECOND,
}

export interface Workload {
  id: string
  title: string
  /** How many timers, unless the caller says otherwise. */
  timers: number
  /** Does the like to another store before: a service's process has long compiled its code when it is busy. */
  warmUp?(session: Session): Promise<void>
  run(session: Session, count: number): Promise<Figures>
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

/** Resolves when no more are pending: removals may be committed after the handlers ran. */
async function settled(instance: Instance, left = 0): Promise<void> {
  while ((await instance.pending()) > left) await new Promise((resolve) => setTimeout(resolve, 5))
}

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

const bulk: Workload = {
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

const single: Workload = {
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

const due: Workload = {
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

const burst: Workload = {
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

const steady: Workload = {
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

/** The first half of a restart: all pending, and one due. */
const fill: Workload = {
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
const restart: Workload = {
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

export const workloads: readonly Workload[] = [bulk, single, due, burst, steady, restart]
/** Those that are a part of another one. */
export const allWorkloads: readonly Workload[] = [...workloads, fill]
