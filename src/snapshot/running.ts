/**
 * The versions of the running snapshots.
 *
 * - Any number may run at once, several of one version too, and end in any order; ending one twice is harmless.
 * - A deleted timer is kept while a running snapshot holds it, so every way a snapshot can end leads to `release`.
 */
import { isNeeded } from '../timer/visibility.ts'

export interface RunningSnapshot {
  readonly version: number
  readonly released: boolean
  /** Ends it; what it alone held back can be purged. */
  release(): void
}

export class RunningSnapshots {
  readonly #running = new Set<RunningSnapshot>()
  readonly #onRelease: () => void
  /** Rising, without doubles. */
  #versions: number[] = []

  constructor(onRelease: () => void) {
    this.#onRelease = onRelease
  }

  get count(): number {
    return this.#running.size
  }

  /** Version of the newest one, or 0. */
  get newest(): number {
    return this.#versions.at(-1) ?? 0
  }

  add(version: number): RunningSnapshot {
    const running = this.#running
    const snapshot: RunningSnapshot = {
      version,
      get released(): boolean {
        return !running.has(snapshot)
      },
      release: () => {
        if (!running.delete(snapshot)) return
        this.#update()
        this.#onRelease()
      },
    }
    running.add(snapshot)
    this.#update()
    return snapshot
  }

  /** Whether a running snapshot holds what stood from `since` to `deleted`. */
  needs(since: number, deleted: number): boolean {
    return isNeeded(since, deleted, this.#versions)
  }

  releaseAll(): void {
    for (const snapshot of [...this.#running]) snapshot.release()
  }

  #update(): void {
    this.#versions = [...new Set(Array.from(this.#running, (snapshot) => snapshot.version))].sort(
      (a, b) => a - b,
    )
  }
}
