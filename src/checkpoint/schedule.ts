/**
 * When the next checkpoint begins, and which of those under way have had their time: pure, as Flink's coordinator
 * decides it.
 *
 * - Scheduled checkpoints begin `intervalMs` apart, and not before `minPauseMs` after the end of the last one of any kind.
 * - At most `maxConcurrent` are under way. One that is slower than the interval delays the next, which then begins at once;
 *   however much was missed, only one is due.
 * - Those that were asked for by a call do not wait for their time, and do not move the schedule's; they take a place.
 */

export interface ScheduleOptions {
  intervalMs: number
  minPauseMs: number
  timeoutMs: number
  maxConcurrent: number
}

/** What a schedule knows; every change makes another. `T`: a checkpoint under way. */
export interface ScheduleState<T> {
  /** When the last scheduled one began; before the first, when the schedule did. */
  readonly beganMs: number
  /** When the last one ended, however it did; -Infinity before. */
  readonly endedMs: number
  /** Those under way, and since when. */
  readonly underWay: ReadonlyMap<T, number>
}

export interface ScheduleStep<T> {
  /** Whether a scheduled checkpoint begins now. */
  begins: boolean
  /** Those under way that have had their time. */
  expired: T[]
  /** When to look again, if nothing begins or ends before; Infinity: not at all. */
  wakeAtMs: number
}

export function hasPlace<T>({ maxConcurrent }: ScheduleOptions, { underWay }: ScheduleState<T>): boolean {
  return underWay.size < maxConcurrent
}

/** What is to be done at a time. One that is expired keeps its place until it has ended. */
export function nextStep<T>(
  options: ScheduleOptions,
  state: ScheduleState<T>,
  nowMs: number,
): ScheduleStep<T> {
  const { intervalMs, minPauseMs, timeoutMs } = options
  const dueMs = Math.max(state.beganMs + intervalMs, state.endedMs + minPauseMs)
  const isFree = hasPlace(options, state)
  const expired: T[] = []
  let wakeAtMs = isFree ? dueMs : Number.POSITIVE_INFINITY
  for (const [one, sinceMs] of state.underWay) {
    if (sinceMs + timeoutMs <= nowMs) expired.push(one)
    else wakeAtMs = Math.min(wakeAtMs, sinceMs + timeoutMs)
  }
  return { begins: isFree && dueMs <= nowMs, expired, wakeAtMs }
}

/** One begins, scheduled or asked for. */
export function begun<T>(
  state: ScheduleState<T>,
  one: T,
  nowMs: number,
  isScheduled: boolean,
): ScheduleState<T> {
  const underWay = new Map(state.underWay).set(one, nowMs)
  return { ...state, underWay, beganMs: isScheduled ? nowMs : state.beganMs }
}

/** One has ended, however it did. */
export function ended<T>(state: ScheduleState<T>, one: T, nowMs: number): ScheduleState<T> {
  const underWay = new Map(state.underWay)
  underWay.delete(one)
  return { ...state, underWay, endedMs: nowMs }
}

/** Where the clock was set back nothing lies ahead of it: no checkpoint waits longer than its interval for that. */
export function notAhead<T>(state: ScheduleState<T>, nowMs: number): ScheduleState<T> {
  const { beganMs, endedMs, underWay } = state
  const isAhead = beganMs > nowMs || endedMs > nowMs || [...underWay.values()].some((ms) => ms > nowMs)
  if (!isAhead) return state
  const since = Array.from(underWay, ([one, ms]) => [one, Math.min(ms, nowMs)] as const)
  return {
    beganMs: Math.min(beganMs, nowMs),
    endedMs: Math.min(endedMs, nowMs),
    underWay: new Map(since),
  }
}
