/**
 * Spills what is recent while a service rests: then a process that dies has little to read again, what was deleted gives
 * its disk back, and what came last is no longer in memory. A service that goes on committing spills along.
 *
 * - Where the disk has no room for it, it waits: a write that fails would end a store that nobody asks for anything.
 */
import { pause } from '../clock.ts'
import type { Engine } from '../engine/engine.ts'
import { MIN_SPILL_ROOM_BYTES, SPILL_REST_MS, SPILL_ROOM_TIMES } from '../limits.ts'
import type { CommitPipeline } from './pipeline.ts'
import type { RecentTimers } from './recent.ts'
import type { StoreState } from './state.ts'

export interface RestingParts {
  engine: Engine
  pipeline: CommitPipeline
  recent: RecentTimers
  state: StoreState
  onError(error: unknown): void
}

export class RestingSpill {
  readonly #parts: RestingParts
  readonly #stopping = new AbortController()
  #waiting: Promise<void> | undefined

  constructor(parts: RestingParts) {
    this.#parts = parts
  }

  /** Called after every commit, and when the store is open: there may be something recent. */
  wake(): void {
    if (this.#stopping.signal.aborted || this.#parts.recent.isEmpty) return
    this.#waiting ??= this.#whenResting()
  }

  /** Resolves when nothing is spilled for this any more. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#waiting
  }

  async #hasRoom(): Promise<boolean> {
    const { engine, recent } = this.#parts
    if (engine.freeBytes === undefined) return true
    const freeBytes = await engine.freeBytes().catch(() => 0)
    return freeBytes >= Math.max(recent.bytes * SPILL_ROOM_TIMES, MIN_SPILL_ROOM_BYTES)
  }

  async #whenResting(): Promise<void> {
    const { pipeline, state, onError } = this.#parts
    try {
      let version: number
      do {
        version = state.appliedVersion
        await pause(SPILL_REST_MS, this.#stopping.signal)
      } while (
        !this.#stopping.signal.aborted &&
        (version !== state.appliedVersion || !(await this.#hasRoom()))
      )
      if (!this.#stopping.signal.aborted) await pipeline.spill()
    } catch (error) {
      // A failed store tells its callers itself.
      if (pipeline.failure === undefined) onError(error)
    } finally {
      this.#waiting = undefined
    }
    if (pipeline.failure === undefined) this.wake()
  }
}
