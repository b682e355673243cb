/**
 * Purging: the physical removal of retired timers that no running snapshot holds.
 *
 * - It does what the end of a snapshot made possible: what is free is counted (retired.ts). Where the keys are known they
 *   are removed as they are; otherwise a sweep walks the `retired` space, until it has found as many as are free.
 * - It goes in slices of one short scan and one commit, whose size follows the time that a slice takes on this thread.
 *   The next one begins when the commit is durable, and beside a service that commits meanwhile after a pause as long as
 *   the slice was: half of the time, at most, is the purge's.
 */
import { nextTurn, pause } from '../clock.ts'
import { type Engine, type Entry, isPart } from '../engine/engine.ts'
import { END, RETIRED } from '../engine/keyspaces.ts'
import { TidemarkError } from '../errors.ts'
import {
  FIRST_PURGE_SLICE_ENTRIES,
  MAX_PURGE_PAUSE_MS,
  PURGE_SLICE_ENTRIES,
  PURGE_SLICE_MS,
  SCAN_CHUNK_BYTES,
} from '../limits.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import type { StoreState } from '../log/state.ts'
import { reached } from '../steps.ts'
import { parseRetired } from '../timer/stored.ts'
import type { RetiredTimers, Sweep } from './retired.ts'

export interface PurgeParts {
  engine: Engine
  pipeline: CommitPipeline
  state: StoreState
  retired: RetiredTimers
  onError(error: unknown): void
}

/** The clock is read after so many entries: the largest of them are verified in a millisecond. */
const ENTRIES_BETWEEN_CLOCK_READS = 16

export class Purger {
  readonly #parts: PurgeParts
  readonly #stopping = new AbortController()
  #purging: Promise<void> | undefined
  #sliceEntries = FIRST_PURGE_SLICE_ENTRIES
  /** Damaged entries that sweeps met. */
  #damaged = 0

  constructor(parts: PurgeParts) {
    this.#parts = parts
  }

  /** Begins to purge what is free, if anything is. */
  wake(): void {
    if (this.#isStopped || this.#parts.retired.free === 0) return
    this.#purging ??= this.#purgeAll()
  }

  /** Resolves when no slice is under way; none begins any more. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#purging
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #purgeAll(): Promise<void> {
    const { retired, pipeline, onError } = this.#parts
    await nextTurn()
    try {
      while (!this.#isStopped && retired.free > 0) {
        await this.#purgeListed()
        if (!this.#isStopped && retired.freeUnlisted > 0) await this.#sweep()
      }
    } catch (error) {
      // A failed store tells its callers itself.
      if (pipeline.failure === undefined) onError(error)
    } finally {
      // In the same breath as nothing was free: what wakes it next begins anew.
      this.#purging = undefined
    }
  }

  async #purgeListed(): Promise<void> {
    while (!this.#isStopped) {
      const startMs = performance.now()
      const version = this.#parts.state.decidedVersion
      const keys = this.#parts.retired.takeListed(PURGE_SLICE_ENTRIES)
      if (keys.length === 0) return
      await this.#purge(keys)
      await this.#giveWay(startMs, version)
    }
  }

  async #sweep(): Promise<void> {
    const sweep = this.#parts.retired.beginSweep()
    const damagedBefore = this.#damaged
    let left = sweep.expected
    try {
      // What is free was decided before, and is in the store when this resolves.
      await this.#parts.pipeline.barrier()
      await this.#sweepSpace(sweep, (found) => {
        left -= found
      })
      const missing = left
      left = 0
      if (missing > 0 && !this.#isStopped && this.#damaged === damagedBefore) throw notStored(missing)
    } finally {
      // Of one that could not read on, the next finds the rest.
      sweep.end(left)
    }
  }

  /** Purges what a sweep is to find; `onFound` hears of how many. */
  async #sweepSpace(sweep: Sweep, onFound: (count: number) => void): Promise<void> {
    let found = 0
    for (let after = RETIRED; found < sweep.expected && !this.#isStopped; ) {
      const startMs = performance.now()
      const version = this.#parts.state.decidedVersion
      const limits = { limit: this.#sliceEntries, maxBytes: SCAN_CHUNK_BYTES }
      const entries = await this.#parts.engine.scan({ after, to: RETIRED + END, ...limits }).read()
      const { keys, judged } = this.#judge(entries, sweep)
      if (keys.length > 0) await this.#purge(keys)
      found += keys.length
      onFound(keys.length)
      if (judged === entries.length && !isPart(entries, limits)) return
      after = entries[judged - 1]![0]
      await this.#giveWay(startMs, version)
    }
  }

  /** The keys of the free ones among the first entries, and how many entries were looked at before the time was up. */
  #judge(entries: readonly Entry[], sweep: Sweep): { keys: string[]; judged: number } {
    const startMs = performance.now()
    const keys: string[] = []
    let judged = 0
    for (const [key, value] of entries) {
      if (sweep.isUnhindered || this.#isFree(key, value, sweep)) keys.push(key)
      if (++judged % ENTRIES_BETWEEN_CLOCK_READS === 0 && performance.now() - startMs > PURGE_SLICE_MS) break
    }
    const isShort = performance.now() - startMs < PURGE_SLICE_MS / 2
    if (isShort) this.#sliceEntries = Math.min(this.#sliceEntries * 2, PURGE_SLICE_ENTRIES)
    else if (judged < entries.length) this.#sliceEntries = Math.max(judged, ENTRIES_BETWEEN_CLOCK_READS)
    return { keys, judged }
  }

  #isFree(key: string, value: string, sweep: Sweep): boolean {
    const retired = parseRetired(key, value)
    if (retired !== undefined) return sweep.isFree(retired.timer.sinceVersion, retired.deleteVersion)
    // It stays until no snapshot runs, and holds back nothing else.
    this.#damaged++
    this.#parts.onError(damaged(key))
    return false
  }

  /** Lets the event loop turn, and a service that commits meanwhile have as much time as the slice had. */
  async #giveWay(startMs: number, version: number): Promise<void> {
    const othersCommitted = this.#parts.state.decidedVersion > version + 1
    if (!othersCommitted) await nextTurn()
    else await pause(Math.min(performance.now() - startMs, MAX_PURGE_PAUSE_MS), this.#stopping.signal)
  }

  async #purge(keys: string[]): Promise<void> {
    reached('purge.beforeSlice')
    await new Promise<void>((resolve, reject) => {
      const settle = { resolve, reject }
      this.#parts.pipeline.submit({ kind: 'purge', keys, retired: keys.length, settle })
    })
    reached('purge.afterSlice')
  }
}

function damaged(key: string): TidemarkError {
  const name = JSON.stringify(key)
  return new TidemarkError('TIDEMARK_CORRUPT', `the retired entry ${name} is damaged: run verify()`)
}

function notStored(count: number): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `${count} retired timers that the log counts are not stored: run verify()`,
  )
}
