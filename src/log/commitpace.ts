/**
 * Whether many calls that wait, while nothing is under way, are better parted in two commits.
 *
 * - Who calls again once answered, and so do all of many, decides and writes in turns: the disk waits for this thread, and
 *   this thread for the disk. Parted, half of them are decided while the other half is written, and so it goes on until
 *   there is a rest. It pays where a write takes less than deciding all: else each half waits for the fsync of the other.
 * - A write takes about as long for half of them, and deciding half as long. What was not measured yet is not fast.
 */
import { MIN_MEASURED_CALLS, MIN_PARTED_CALLS } from '../limits.ts'

/** The shortest of the last writes counts: the others waited for this thread, too, before it heard of their end. */
const WRITES = 8

export class CommitPace {
  readonly nowMs: () => number
  readonly #writesMs: number[] = []
  #decideMsPerCall = 0

  constructor(nowMs: () => number = () => performance.now()) {
    this.nowMs = nowMs
  }

  /** A commit of so many calls, which began while none was under way, was read and decided. */
  decided(sinceMs: number, calls: number): void {
    if (calls >= MIN_MEASURED_CALLS) this.#decideMsPerCall = (this.nowMs() - sinceMs) / calls
  }

  /** A commit is durable. */
  written(sinceMs: number): void {
    this.#writesMs.push(this.nowMs() - sinceMs)
    if (this.#writesMs.length > WRITES) this.#writesMs.shift()
  }

  /** Whether so many calls are to be parted. */
  parts(calls: number): boolean {
    return calls >= MIN_PARTED_CALLS && Math.min(...this.#writesMs) < calls * this.#decideMsPerCall
  }
}
