/**
 * What recent commits made of timers: it is in the log, and not in the `timers` and `due` spaces yet. Most timers are
 * cancelled or moved soon; those never cost more than their lines in the log.
 *
 * - A table is filled by commits that are durable. When there are some full ones the oldest is *spilled*: written to the
 *   spaces in slices, each in the batch of a later commit, so that there is one write at a time, and more is spilled than
 *   is added.
 * - What is recent is seen before the spaces are: whoever reads those alone spills first (CommitPipeline.spill). A running
 *   snapshot needs no more than that at its cut: what is retired later is put at once, with its commit.
 * - A table stays until the commit that wrote its last slice is durable. A process that dies leaves its events to the log,
 *   which is read again when the store is opened: to put what stands twice is harmless.
 */
import type { Engine, EngineBatch } from '../engine/engine.ts'
import {
  MAX_SPILLED_ALONG_TIMERS,
  MAX_TABLES_TO_SPILL,
  MIN_SPILLED_ALONG_TIMERS,
  RECENT_LOG_WRITE_BUFFERS,
  RECENT_TABLES,
  RECENT_WRITE_BUFFERS,
  SPILL_SLICE_TIMERS,
  SPILLED_ALONG_SHARE,
} from '../limits.ts'
import { reached } from '../steps.ts'
import type { StoredTimer } from '../timer/stored.ts'
import type { Changes } from './changes.ts'
import type { DuePosition, RecentDue } from './dueruns.ts'
import type { Commit, TimerEvent } from './events.ts'
import { hashOf } from './identitytable.ts'
import { RecentTable, type SpilledSlice } from './recenttable.ts'
import { type RecentRange, RecentTables, standingFrom } from './recenttables.ts'
import { markSpilled } from './spillmark.ts'
import type { QueueState } from './state.ts'

/** What a batch takes along of a spill. */
export interface Spilled extends SpilledSlice {
  /** The newest version that it may have something of. */
  version: number
  /** The table that ends with it. */
  table: RecentTable | undefined
}

/** What stands of a timer, or nothing; undefined: nothing recent tells. */
export type StandingOf = (identity: string) => StoredTimer | null | undefined

const NO_SLICE: SpilledSlice = { timers: 0, characters: 0, removedTimers: 0, removedCharacters: 0 }

export class RecentTimers implements Changes {
  /** Of a table. */
  readonly #maxBytes: number
  readonly #maxLogCharacters: number
  readonly #tables = new RecentTables()
  /** How many of the closed tables, the oldest ones, are in batches that are on their way. */
  #written = 0
  /** How many tables were spilled so far. */
  #spilledTables = 0
  /** One of those, to be filled again. */
  #spare: RecentTable | undefined
  /** How many look at tables that may be spilled meanwhile: those are not filled again. */
  #views = 0
  /** Up to this version everything is to be spilled. */
  #askedVersion = 0
  /** Timers of the tables that are to be spilled, when the last of them was closed. */
  #toSpill = 0

  /** @param writeBufferBytes LevelDB's: what is recent may take a part of it (limits.ts). */
  constructor(writeBufferBytes: number) {
    this.#maxBytes = (writeBufferBytes * RECENT_WRITE_BUFFERS) / RECENT_TABLES
    this.#maxLogCharacters = (writeBufferBytes * RECENT_LOG_WRITE_BUFFERS) / RECENT_TABLES
  }

  get(identity: string, hash?: number): StoredTimer | null | undefined {
    return this.#tables.get(identity, hash)
  }

  /** Whether it tells of a timer, that it stands or that it went. */
  knows(identity: string, hash?: number): boolean {
    return this.#tables.knows(identity, hash)
  }

  changedOf(prefix: string): readonly string[] {
    return this.#tables.identitiesBehind(prefix)
  }

  /** What it tells of the timers behind a prefix (a key, or a key and namespace): that they stand, or went. */
  behind(prefix: string): RecentRange {
    return this.#tables.behind(prefix)
  }

  /** Whether all that stands behind such a prefix is recent: the spaces need not be asked. */
  knowsAll(prefix: string): boolean {
    return this.#tables.knowAll(prefix)
  }

  /** The first recent timers of a queue behind a position, in firing order: `most` at most. */
  due(queue: QueueState, after: DuePosition, most: number): RecentDue[] {
    return this.#tables.due(queue, after, most)
  }

  /** Prepares `due`: where much was registered in no order this takes a while. */
  prepareDue(queue: QueueState): Promise<void> {
    return this.#tables.prepareDue(queue)
  }

  /** Runs something with what is recent now: that tells of it also when it was spilled, for who read the spaces before. */
  async viewed<T>(run: (standingOf: StandingOf) => Promise<T>): Promise<T> {
    this.#views++
    try {
      return await run(this.#view())
    } finally {
      this.#views--
    }
  }

  #view(): StandingOf {
    const tables = [this.#tables.open, ...this.#tables.closed.toReversed()]
    const spilledTables = this.#spilledTables
    return (identity) => {
      const standing = this.get(identity)
      if (standing !== undefined || spilledTables === this.#spilledTables) return standing
      const hash = hashOf(identity)
      for (const table of tables) {
        const value = table.find(identity, hash)
        if (value !== undefined) return standingFrom(value)
      }
      return undefined
    }
  }

  /**
   * Adds what a commit did, now that it is durable, and the counts of its queues are those after it. `knownPrefixes`: those
   * behind which it changed all that stood before.
   */
  applied(
    { version, events, totals }: Commit,
    logCharacters: number,
    knownPrefixes: readonly string[],
  ): void {
    const { open } = this.#tables
    for (const event of events) if ('queue' in event && !event.atOnce) this.#tables.apply(event)
    for (const prefix of knownPrefixes) this.#tables.addKnown(prefix)
    for (const { queue, totals: after } of totals) if (after.count === 0) open.knownParts.addEmpty(queue)
    open.committed(version, logCharacters)
    if (this.#fullness(open) > 1) this.#closeOpen()
  }

  /**
   * Adds what the log says of a commit that may be in the spaces, or in part; in order of versions. Returns whether that is
   * so much that it should be spilled before more is added.
   */
  readAgain(version: number, events: Iterable<TimerEvent>, logCharacters: number): boolean {
    const { open } = this.#tables
    for (const event of events) this.#tables.addAgain(event)
    open.committed(version, logCharacters)
    return open.bytes > this.#maxBytes
  }

  /** Lets all that is recent now be spilled. Returns its newest version; undefined: nothing is recent. */
  close(): number | undefined {
    this.#closeOpen()
    const newest = this.#tables.closed.at(-1)?.newestVersion
    if (newest !== undefined) {
      this.#askedVersion = newest
      this.#countToSpill()
    }
    return newest
  }

  /** Begins a new table. */
  #closeOpen(): void {
    if (this.#tables.open.newestVersion === 0) return
    this.#tables.closeOpen(this.#spare ?? new RecentTable())
    this.#spare = undefined
    this.#countToSpill()
  }

  #countToSpill(): void {
    this.#toSpill = 0
    for (let i = this.#written; this.#isToSpill(i); i++) this.#toSpill += this.#tables.closed[i]!.timers
  }

  /** Whether a table is to be spilled: with those closed after it there is enough, or somebody asked. */
  #isToSpill(i: number): boolean {
    const table = this.#tables.closed[i]
    if (table === undefined) return false
    return table.newestVersion <= this.#askedVersion || this.#fullTablesFrom(i) > RECENT_TABLES
  }

  /** How many full tables those from one on come to. */
  #fullTablesFrom(first: number): number {
    let fullTables = 0
    for (let i = first; i < this.#tables.closed.length; i++)
      fullTables += this.#fullness(this.#tables.closed[i]!)
    return fullTables
  }

  /** Whether something up to a version is still to be spilled, or on its way. */
  isUnspilled(version: number): boolean {
    return this.#tables.closed.length > 0 && this.#tables.closed[0]!.newestVersion <= version
  }

  /** Whether everything is in the spaces. */
  get isEmpty(): boolean {
    return this.#tables.open.newestVersion === 0 && this.#tables.closed.length === 0
  }

  /** About what it takes in memory. */
  get bytes(): number {
    let { bytes } = this.#tables.open
    for (const table of this.#tables.closed) bytes += table.bytes
    return bytes
  }

  /** Whether there is more to spill than what is on its way. */
  get isSpilling(): boolean {
    return this.#isToSpill(this.#written)
  }

  /** Whether so much waits to be spilled that nothing else is to be committed before. */
  get isBehind(): boolean {
    return this.#fullTablesFrom(this.#written) > RECENT_TABLES + MAX_TABLES_TO_SPILL
  }

  /** How much of what a table may have one has; above 1 it is closed. */
  #fullness({ bytes, logCharacters }: RecentTable): number {
    return Math.max(bytes / this.#maxBytes, logCharacters / this.#maxLogCharacters)
  }

  /** How many timers a commit is to spill along, so that all are spilled before the table that is filled is full. */
  along(events: number, logCharacters: number): number {
    const ofLog = (logCharacters / this.#maxLogCharacters) * this.#toSpill
    const timers = MIN_SPILLED_ALONG_TIMERS + Math.ceil(Math.max(events, ofLog) * SPILLED_ALONG_SHARE)
    return Math.min(timers, MAX_SPILLED_ALONG_TIMERS)
  }

  /** Puts up to `most` timers into a batch. Whoever writes it tells when it is durable. */
  spill(batch: EngineBatch, most: number): Spilled | undefined {
    if (!this.isSpilling) return undefined
    const table = this.#tables.closed[this.#written]!
    const slice: SpilledSlice | undefined = table.spill(batch, most)
    const isWhole = slice === undefined || slice.timers < most
    if (isWhole) this.#written++
    return { ...(slice ?? NO_SLICE), version: table.newestVersion, table: isWhole ? table : undefined }
  }

  /** Notes that a batch is durable; returns the version up to which everything is in the spaces now, if that rose. */
  spilled({ table }: Spilled): number | undefined {
    if (table === undefined) return undefined
    // Batches are written in order.
    this.#tables.endOldest()
    this.#written--
    this.#spilledTables++
    if (this.#tables.closed.length === 0 || !this.#tables.closed[0]!.isBegun) table.knownParts.spilledLast()
    const { newestVersion } = table
    if (this.#views === 0) {
      table.clear()
      this.#spare = table
    }
    if (this.isEmpty) this.#shrink()
    return newestVersion
  }

  /** Lets the memory go that tables had: there is nothing to do for a while. */
  #shrink(): void {
    this.#tables.renewOpen()
    this.#spare = undefined
  }

  /** Writes everything to the spaces, and to disk; for who writes alone. `onWritten` hears of each batch. */
  async spillAll(engine: Engine, onWritten: (spilled: Spilled) => void): Promise<void> {
    this.close()
    while (this.isSpilling) {
      const batch = engine.batch()
      const spilled = this.spill(batch, SPILL_SLICE_TIMERS)!
      markSpilled(batch, spilled.version)
      reached('spill.beforeBatch')
      // A table may end with nothing left to put.
      if (spilled.characters + spilled.removedTimers > 0) await engine.write(batch, true)
      reached('spill.afterBatch')
      onWritten(spilled)
    }
  }
}
