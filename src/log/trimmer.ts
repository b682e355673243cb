/**
 * Removes log entries that were held and are free: in slices, beside the service's own commits, one under way at a time.
 *
 * - Entries that leave the tail go with the commit that makes them leave; only what was held before is left to this.
 * - How long a removed entry was is read before: only the sum is kept in memory.
 */
import { nextTurn } from '../clock.ts'
import type { Engine } from '../engine/engine.ts'
import { logKey } from '../engine/keyspaces.ts'
import { LOG_TRIM_SLICE_ENTRIES, SCAN_CHUNK_BYTES } from '../limits.ts'
import { reached } from '../steps.ts'
import type { CommitPipeline } from './pipeline.ts'
import type { LogRetention } from './retention.ts'

export class LogTrimmer {
  readonly #engine: Engine
  readonly #pipeline: CommitPipeline
  readonly #retention: LogRetention
  readonly #onError: (error: unknown) => void
  #trimming: Promise<void> | undefined
  #stopped = false

  constructor(
    engine: Engine,
    pipeline: CommitPipeline,
    retention: LogRetention,
    onError: (error: unknown) => void,
  ) {
    this.#engine = engine
    this.#pipeline = pipeline
    this.#retention = retention
    this.#onError = onError
    retention.onFree = () => this.wake()
  }

  wake(): void {
    if (this.#stopped) return
    this.#trimming ??= this.#trim()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#trimming
  }

  async #trim(): Promise<void> {
    try {
      // A hold often ends where another begins: see what is free when both are done.
      await nextTurn()
      while (!this.#stopped && this.#retention.freeBefore > this.#retention.oldest) {
        reached('trim.beforeSlice')
        if (!(await this.#trimSlice())) return
        reached('trim.afterSlice')
      }
    } catch (error) {
      // A failed store tells its callers itself.
      if (this.#pipeline.failure === undefined) this.#onError(error)
    } finally {
      // At once: what becomes free after the last look must find nobody at work.
      this.#trimming = undefined
    }
  }

  /** False: nothing more is to be done. */
  async #trimSlice(): Promise<boolean> {
    const { oldest, freeBefore } = this.#retention
    const limits = { limit: LOG_TRIM_SLICE_ENTRIES, maxBytes: SCAN_CHUNK_BYTES }
    const range = { from: logKey(oldest), to: logKey(freeBefore), ...limits }
    const entries = await this.#engine.scan(range).read()
    if (entries.length === 0) return false
    let characters = 0
    for (const [, value] of entries) characters += value.length
    const keys = entries.map(([key]) => key)
    return new Promise((resolve, reject) => {
      const settle = { resolve, reject }
      this.#pipeline.submit({
        kind: 'trim',
        keys,
        before: oldest + keys.length,
        characters,
        settle,
        done: false,
      })
    })
  }
}
