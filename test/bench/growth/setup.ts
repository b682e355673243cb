/** What the parts of one size share: the store, where figures go, and how to wait until LevelDB rests. */
import type { TimerService, TimerStore } from '../../../src/index.ts'

export interface Bench {
  /** How many timers stand in the store, half of them in each time domain. */
  pending: number
  directory: string
  store: TimerStore
  service: TimerService
  /** By the names of the charts. */
  figures: Record<string, number>
}

export const IN_FLIGHT = 2000
/** LevelDB rests when this process has used less than a tenth of a core, so many times in a row. */
const LOOK_MS = 500
const QUIET_LOOKS = 3

export function require(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message)
}

export async function timed(run: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await run()
  return performance.now() - startMs
}

/** Resolves when LevelDB has merged what it has to: after a fill that may take it a while. */
export async function atRest(): Promise<void> {
  for (let quiet = 0; quiet < QUIET_LOOKS; ) {
    const before = process.cpuUsage()
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    const { user, system } = process.cpuUsage(before)
    quiet = (user + system) / 1000 < LOOK_MS / 10 ? quiet + 1 : 0
  }
}
