/**
 * Whether a commit is decided or written in less time, where each waits for the other: one that begins while none is under
 * way.
 *
 * - Who calls again once answered, and so do all of many, would decide and write in turns for ever: the disk waits for this
 *   thread, and this thread for the disk. Parted in two, half of them are decided while the other half is written.
 * - Where the disk takes longer they stay together: else each half would wait for the fsync of the other.
 */
export class CommitPace {
  readonly nowMs: () => number
  #decideMs = 0
  #writeMs = 0

  constructor(nowMs: () => number = () => performance.now()) {
    this.nowMs = nowMs
  }

  /** A commit that began while none was under way is decided. */
  decided(sinceMs: number): void {
    this.#decideMs = this.nowMs() - sinceMs
  }

  /** A commit is durable. */
  written(sinceMs: number): void {
    this.#writeMs = this.nowMs() - sinceMs
  }

  /** Whether many calls are better parted. */
  get isDiskFaster(): boolean {
    return this.#writeMs < this.#decideMs
  }
}
