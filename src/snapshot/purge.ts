/**
 * Purging: the physical removal of retired timers that no running snapshot holds.
 *
 * - A sweep walks the `retired` space once, in slices of one short scan and one commit each; it runs beside the
 *   service's own commits and shares their fsyncs.
 * - A snapshot that ends during a sweep makes another one follow. Nothing sweeps while nothing is retired.
 */
import { nextTurn } from '../clock.ts'
import type { Engine } from '../engine/engine.ts'
import { END, RETIRED } from '../engine/keyspaces.ts'
import { TidemarkError } from '../errors.ts'
import { PURGE_SLICE_ENTRIES } from '../limits.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import type { StoreState } from '../log/state.ts'
import { parseRetired } from '../timer/stored.ts'
import type { RunningSnapshots } from './running.ts'

export class Purger {
  readonly #engine: Engine
  readonly #pipeline: CommitPipeline
  readonly #state: StoreState
  readonly #running: RunningSnapshots
  readonly #onError: (error: unknown) => void
  #sweeping: Promise<void> | undefined
  #again = false
  #stopped = false

  constructor(
    engine: Engine,
    pipeline: CommitPipeline,
    state: StoreState,
    running: RunningSnapshots,
    onError: (error: unknown) => void,
  ) {
    this.#engine = engine
    this.#pipeline = pipeline
    this.#state = state
    this.#running = running
    this.#onError = onError
  }

  /** Lets a sweep begin, unless there is nothing to find. */
  wake(): void {
    if (this.#stopped || this.#state.decidedRetired === 0) return
    this.#again = true
    this.#sweeping ??= this.#sweepUntilDone().finally(() => {
      this.#sweeping = undefined
    })
  }

  /** Resolves when no sweep is under way. */
  async settled(): Promise<void> {
    while (this.#sweeping !== undefined) await this.#sweeping
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.settled()
  }

  async #sweepUntilDone(): Promise<void> {
    try {
      while (this.#again && !this.#stopped && this.#state.decidedRetired > 0) {
        this.#again = false
        await this.#sweep()
      }
    } catch (error) {
      // A failed store tells its callers itself.
      if (this.#pipeline.failure === undefined) this.#onError(error)
    }
  }

  async #sweep(): Promise<void> {
    // What is retired by commits under way is swept as well.
    await this.#pipeline.barrier()
    let after = RETIRED
    while (!this.#stopped) {
      const limit = PURGE_SLICE_ENTRIES
      const entries = await this.#engine.scan({ after, to: RETIRED + END, limit }).read()
      const keys: string[] = []
      for (const [key, value] of entries) {
        if (this.#isNeeded(key, value)) continue
        keys.push(key)
      }
      if (keys.length > 0) await this.#purge(keys)
      if (entries.length < limit) return
      after = entries.at(-1)![0]
      await nextTurn()
    }
  }

  #isNeeded(key: string, value: string): boolean {
    const retired = parseRetired(key, value)
    if (retired !== undefined) return this.#running.needs(retired.timer.sinceVersion, retired.deleteVersion)
    throw new TidemarkError(
      'TIDEMARK_CORRUPT',
      `the retired entry ${JSON.stringify(key)} is damaged: run verify()`,
    )
  }

  #purge(keys: string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pipeline.submit({ kind: 'purge', keys, retired: keys.length, settle: { resolve, reject } })
    })
  }
}
