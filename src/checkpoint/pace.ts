/**
 * How fast a checkpoint is written: as fast as it can be while the store does nothing else, and beside commits for half of
 * the time, so that neither they nor the timers they fire wait long for a core.
 *
 * - After each part of the work it is asked to rest. Where nothing was committed for a while, it does not; otherwise for
 *   as long as the part took: the busier the machine, the longer both are.
 */
import { systemClock } from '../clock.ts'
import { GIVING_WAY_MS, MAX_CHECKPOINT_REST_MS } from '../limits.ts'
import type { WalkPace } from '../snapshot/walk.ts'

export interface PaceTimes {
  nowMs(): number
  sleep(ms: number): Promise<void>
}

const systemTimes: PaceTimes = {
  nowMs: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => void systemClock.schedule!(ms, resolve)),
}

export class Pace implements WalkPace {
  readonly #commits: Int32Array
  readonly #times: PaceTimes
  /** How many were seen, and when there were last more than before. */
  #seen: number
  #seenMs = Number.NEGATIVE_INFINITY
  #startMs: number
  givesWay = false

  /** `commits`: how many the store has made, as one Int32, which it goes on counting. */
  constructor(commits: SharedArrayBuffer, times = systemTimes) {
    this.#commits = new Int32Array(commits)
    this.#times = times
    this.#seen = Atomics.load(this.#commits, 0)
    this.#startMs = times.nowMs()
  }

  async rest(): Promise<void> {
    const commits = Atomics.load(this.#commits, 0)
    const nowMs = this.#times.nowMs()
    if (commits !== this.#seen) this.#seenMs = nowMs
    this.#seen = commits
    this.givesWay = nowMs - this.#seenMs < GIVING_WAY_MS
    if (this.givesWay) await this.#times.sleep(Math.min(nowMs - this.#startMs, MAX_CHECKPOINT_REST_MS))
    this.#startMs = this.#times.nowMs()
  }
}
