/** One lifetime after the other, until so many timer-years have passed. */

import type { Part } from '../family.ts'
import { liveOnce } from './lifetime.ts'
import { leftInMemory } from './memory.ts'
import type { Figures } from './shop.ts'
import { LARGE } from './users.ts'

const YEAR_MS = 365.25 * 86_400_000
const DAYS = 45
/** What one lifetime may leave behind in memory, once warm: nothing, but for what the runtime keeps for itself. */
const MOST_LEFT_MIB = 16

/** A timer-year: one timer registered for one year, by the monotonic time of the world and the time it was suspended. */
export const lifetimes: Part = {
  behaviour:
    'whole lifetimes of services: never early, never late, never lost, never again, in order, counted, restored',
  unit: 'timer-years',
  inCi: 1000,
  inTorture: 100_000,
  async run({ tries, seed }) {
    const sum = {} as Figures
    let lifetimes = 0
    let jumps = 0
    const late = { maxMs: 0, maxAfterJumpMs: 0 }
    let warmMib: number | undefined
    let lastMib = 0
    let mostMib = 0
    while ((sum.timerMs ?? 0) < tries * YEAR_MS) {
      const report = await liveOnce(seed + lifetimes, DAYS, LARGE)
      for (const [name, value] of Object.entries(report.figures) as [keyof Figures, number][]) {
        sum[name] = (sum[name] ?? 0) + value
      }
      lifetimes++
      jumps += report.jumps
      late.maxMs = Math.max(late.maxMs, report.lateness.maxMs)
      late.maxAfterJumpMs = Math.max(late.maxAfterJumpMs, report.lateness.maxAfterJumpMs)
      const leftMib = await leftInMemory()
      warmMib ??= leftMib
      // V8's caches may hold the last lifetime until the next one (a heap snapshot of that moment had nothing of it): what
      // leaks is still there after two.
      mostMib = Math.max(mostMib, Math.min(lastMib, leftMib) - warmMib)
      lastMib = leftMib
      if (mostMib > MOST_LEFT_MIB) throw new Error(`${mostMib} MiB stay after ${lifetimes} lifetimes`)
    }
    const years = (ms: number) => (ms / YEAR_MS).toFixed(1)
    const {
      fires,
      failures,
      calls,
      crashes,
      powerLosses,
      faults,
      restarts,
      restores,
      checkpoints,
      snapshots,
    } = sum
    const told = [
      `${lifetimes} lifetimes, ${years(sum.serviceMs)} service-years, ${fires} fires, ${calls} calls`,
      `${crashes} crashes, ${powerLosses} losses of power, ${faults} disk errors, ${restarts} restarts`,
      `${jumps} clock steps, suspended for ${Math.round(sum.suspendedMs / 86_400_000)} days, ${failures} handlers failed`,
      `${checkpoints} checkpoints, ${restores} restores, ${snapshots} snapshots held, ${sum.verifies} verify() empty`,
      `${sum.takenBack} unacknowledged calls lost, none acknowledged`,
      `late ≤ ${late.maxMs} ms, ≤ ${(late.maxAfterJumpMs / 1000).toFixed(1)} s after the clock was set on`,
    ].join('; ')
    return { tries: Math.floor(sum.timerMs / YEAR_MS), told }
  },
}
