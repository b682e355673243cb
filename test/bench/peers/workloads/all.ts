/** The workloads, the same for all contenders, and what a result says of how they were measured. */
import { BURST_GAP_MS, BURSTS, burst, due, STEADY_PER_SECOND, steady, WARM_UP_FIRES } from './firing.ts'
import { fill, restart } from './restarting.ts'
import { bulk, IN_FLIGHT, single, WARM_UP_TIMERS } from './scheduling.ts'
import type { Workload } from './workload.ts'

/** For how long everybody warms up, at least. */
export const WARM_UP_MS = 3000

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

export const workloads: readonly Workload[] = [bulk, single, due, burst, steady, restart]
/** Those that are a part of another one. */
export const allWorkloads: readonly Workload[] = [...workloads, fill]
