/**
 * The running snapshots, and with them what is kept for each.
 *
 * - Any number may run at once, several of one version too, and end in any order; ending one twice is harmless.
 * - A deleted timer is kept while a running snapshot holds it, so every way a snapshot can end leads to `release`.
 */
import type { RetiredTimers } from './retired.ts'

export interface RunningSnapshot {
  readonly version: number
  readonly released: boolean
  /** Ends it; what it alone held back can be purged. */
  release(): void
}

export class RunningSnapshots {
  readonly #retired: RetiredTimers
  readonly #onRelease: () => void
  readonly #running = new Set<RunningSnapshot>()
  /** How many run of each version. */
  readonly #versions = new Map<number, number>()

  constructor(retired: RetiredTimers, onRelease: () => void) {
    this.#retired = retired
    this.#onRelease = onRelease
  }

  get count(): number {
    return this.#running.size
  }

  /** `version`: that of the next commit, so none that runs is above it. */
  add(version: number): RunningSnapshot {
    const running = this.#running
    const snapshot: RunningSnapshot = {
      version,
      get released(): boolean {
        return !running.has(snapshot)
      },
      release: () => {
        if (running.delete(snapshot)) this.#ended(version)
      },
    }
    running.add(snapshot)
    const alike = this.#versions.get(version) ?? 0
    this.#versions.set(version, alike + 1)
    if (alike === 0) this.#retired.begin(version)
    return snapshot
  }

  releaseAll(): void {
    for (const snapshot of [...this.#running]) snapshot.release()
  }

  #ended(version: number): void {
    const alike = this.#versions.get(version)! - 1
    if (alike > 0) {
      this.#versions.set(version, alike)
      return
    }
    this.#versions.delete(version)
    this.#retired.end(version)
    this.#onRelease()
  }
}
