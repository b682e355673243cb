/**
 * Compaction: giving back the disk of what was deleted, fired, purged and trimmed, in the background.
 *
 * - What commits remove is counted, in characters. When that is much in itself and against what stands, and removing all
 *   but rests, the log is trimmed and every table is rewritten without it. While much is being removed LevelDB's own
 *   merges take it along, and what is rewritten would soon be rewritten again.
 * - It goes in pieces, and after each one waits for longer than it took: LevelDB has one thread, and its own flushes and
 *   merges come first. close() waits for one piece at most.
 * - What is rewritten needs free disk: without it, it waits until there is, and whoever asks for it is told.
 * - A store that is opened has counted nothing: there the tables are compared with what stands, roughly.
 */
import { nextTurn, pause } from '../clock.ts'
import type { Engine } from '../engine/engine.ts'
import { rewriteTables } from '../engine/rewrite.ts'
import { TidemarkError } from '../errors.ts'
import {
  COMPACTION_PAUSES_PER_PIECE,
  COMPACTION_REST_MS,
  COMPACTION_ROOM_REST_MS,
  COMPACTION_TRIM_ENTRIES,
  LEVEL0_TABLES_TO_MERGE,
  MAX_COMPACTION_PAUSE_MS,
  MAX_QUIET_SHARE,
  MIN_COMPACTION_PAUSE_MS,
} from '../limits.ts'
import { trimSome } from '../log/close.ts'
import type { Commit } from '../log/events.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import type { Spilled } from '../log/recent.ts'
import type { LogRetention } from '../log/retention.ts'
import type { StoreState } from '../log/state.ts'
import { storedCharacters } from '../timer/stored.ts'
import { isBloated, RemovedCount } from './removed.ts'

export interface CompactionParts {
  engine: Engine
  pipeline: CommitPipeline
  state: StoreState
  retention: LogRetention
  onError(error: unknown): void
}

export class Compactor {
  readonly #parts: CompactionParts
  readonly #removed: RemovedCount
  readonly #stopping = new AbortController()
  /** What waits for its time in the background, and then compacts. */
  #scheduled: Promise<void> | undefined
  /** The compaction that was begun last; the next one begins when it has ended. */
  #last: Promise<void> = Promise.resolve()

  constructor(parts: CompactionParts) {
    this.#parts = parts
    this.#removed = new RemovedCount(parts.state, parts.retention)
    this.#schedule(() => this.#afterOpening())
  }

  /** Counts what a commit removed from the key spaces, now that it is durable. */
  applied({ events }: Commit): void {
    let purged = 0
    let fired = 0
    let firedCharacters = 0
    for (const event of events) {
      if (event.kind === 'purge') purged += event.retired
      else if (event.kind === 'fire' && event.atOnce) {
        fired++
        firedCharacters += storedCharacters(event.identity, event.timer)
      }
    }
    if (purged + fired === 0) return
    this.#removed.addRetired(purged)
    this.#removed.add(fired, firedCharacters)
    this.#compactIfMuch()
  }

  /** Counts what a spill removed. */
  spilled({ removedTimers, removedCharacters }: Spilled): void {
    this.#removed.add(removedTimers, removedCharacters)
    this.#compactIfMuch()
  }

  #compactIfMuch(): void {
    if (this.#scheduled === undefined && this.#removed.isMuch()) this.#schedule(() => this.#whenQuiet())
  }

  /** Rewrites everything, at once and without pauses. Rejects with TIDEMARK_FAILED where there is no room on disk. */
  async compactNow(): Promise<void> {
    const neededBytes = await this.#compactAfterLast(false)
    if (neededBytes > 0) throw noRoom(neededBytes, 'make room, and call compact() again')
  }

  /** Begins no further piece; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#scheduled
    await this.#last
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted || this.#parts.pipeline.failure !== undefined
  }

  #schedule(run: () => Promise<void>): void {
    const { pipeline, onError } = this.#parts
    this.#scheduled = run()
      .catch((error) => {
        // A failed store tells its callers itself.
        if (pipeline.failure === undefined) onError(error)
      })
      .finally(() => {
        this.#scheduled = undefined
      })
  }

  async #afterOpening(): Promise<void> {
    await this.#pause(COMPACTION_REST_MS)
    if (this.#isStopped) return
    const { engine, state, retention } = this.#parts
    if (await isBloated(engine, state, retention)) await this.#whenQuiet()
  }

  async #whenQuiet(): Promise<void> {
    let before: number
    do {
      before = this.#removed.timers
      await this.#pause(COMPACTION_REST_MS)
      if (this.#isStopped) return
    } while (this.#removed.timers - before > this.#removed.timers * MAX_QUIET_SHARE)
    await this.#compactWithRoom()
  }

  /** Compacts, as soon as there is room for it. */
  async #compactWithRoom(): Promise<void> {
    let neededBytes = await this.#compactAfterLast(true)
    if (neededBytes > 0) this.#parts.onError(noRoom(neededBytes, 'it goes on when there is room'))
    while (neededBytes > 0) {
      await this.#pause(COMPACTION_ROOM_REST_MS)
      if (this.#isStopped) return
      if (await this.#hasRoom(neededBytes)) neededBytes = await this.#compactAfterLast(true)
    }
  }

  #compactAfterLast(paced: boolean): Promise<number> {
    const compacted = this.#last.then(() => this.#compact(paced))
    this.#last = compacted.then(
      () => {},
      () => {},
    )
    return compacted
  }

  /** Returns how many bytes there would have to be room for; 0: there was. */
  async #compact(paced: boolean): Promise<number> {
    if (this.#isStopped) return 0
    this.#removed.reset()
    await this.#trimLog()
    if (this.#isStopped) return 0
    return rewriteTables({
      engine: this.#parts.engine,
      write: (batch) => this.#alone(() => this.#parts.engine.write(batch, true)),
      hasRoom: (bytes) => this.#hasRoom(bytes),
      afterPiece: async (pieceMs) => {
        if (paced) await this.#giveWay(pieceMs)
        else await nextTurn()
        return !this.#isStopped
      },
    })
  }

  async #hasRoom(bytes: number): Promise<boolean> {
    const { engine } = this.#parts
    return engine.freeBytes === undefined || (await engine.freeBytes()) >= bytes
  }

  /** What LevelDB has in tables it cannot lose: opening need verify no log of before. */
  async #trimLog(): Promise<void> {
    const { engine, pipeline, retention, state } = this.#parts
    const flushed = state.appliedVersion
    await pipeline.spill()
    await engine.flush()
    const mayTrim = () => retention.tail < retention.anchor && retention.anchor <= flushed + 1
    while (!this.#isStopped && mayTrim()) {
      await this.#alone(async () => {
        if (mayTrim()) await trimSome(engine, retention, COMPACTION_TRIM_ENTRIES, flushed)
      })
    }
  }

  /** Writes something that is no commit, while no commit is under way. */
  #alone(write: () => Promise<void>): Promise<void> {
    const { pipeline } = this.#parts
    // A write that fails ends the store, whoever made it.
    const run = () =>
      write().catch((error) => {
        pipeline.fail(error)
        throw error
      })
    return new Promise((resolve, reject) =>
      pipeline.submit({ kind: 'read', run, settle: { resolve, reject } }),
    )
  }

  /** Leaves LevelDB's thread to what it has to do for the service. */
  async #giveWay(pieceMs: number): Promise<void> {
    const pauseMs = Math.max(MIN_COMPACTION_PAUSE_MS, pieceMs * COMPACTION_PAUSES_PER_PIECE)
    const endMs = performance.now() + MAX_COMPACTION_PAUSE_MS
    do await this.#pause(pauseMs)
    while (!this.#isStopped && this.#isMerging() && performance.now() < endMs)
  }

  #isMerging(): boolean {
    const flushed = this.#parts.engine.tables().filter(({ level }) => level === 0)
    return flushed.length >= LEVEL0_TABLES_TO_MERGE
  }

  #pause(delayMs: number): Promise<void> {
    return pause(delayMs, this.#stopping.signal)
  }
}

function noRoom(neededBytes: number, next: string): TidemarkError {
  const mib = Math.ceil(neededBytes / 2 ** 20)
  return new TidemarkError(
    'TIDEMARK_FAILED',
    `a compaction needs ${mib} MiB of free disk for its next step, and there are less: nothing is lost, and the store ` +
      `works on; ${next}`,
  )
}
