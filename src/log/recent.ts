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
import { IDENTITY_QUEUE_END, keyPart } from '../timer/identity.ts'
import { type StoredTimer, storedIn } from '../timer/stored.ts'
import type { Changes } from './changes.ts'
import { compareDue, type DuePosition, type RecentDue } from './dueruns.ts'
import type { Commit, TimerEvent } from './events.ts'
import { hashOf } from './identitytable.ts'
import { GONE, RecentTable, type SpilledSlice } from './recenttable.ts'
import { markSpilled } from './spillmark.ts'
import type { QueueState } from './state.ts'
import { TableBits, TableFilter } from './tablefilter.ts'

/** What a batch takes along of a spill. */
export interface Spilled extends SpilledSlice {
  /** The newest version that it may have something of. */
  version: number
  /** The table that ends with it. */
  table: RecentTable | undefined
}

/** What stands of a timer, or nothing; undefined: nothing recent tells. */
export type StandingOf = (identity: string) => StoredTimer | null | undefined

/** Timers behind a prefix, each with what stands of it, or null where it went. */
export interface RecentRange {
  identities: string[]
  standings: (StoredTimer | null)[]
}

export const NOTHING_BEHIND: RecentRange = { identities: [], standings: [] }

const NO_SLICE: SpilledSlice = { timers: 0, characters: 0, removedTimers: 0, removedCharacters: 0 }

export class RecentTimers implements Changes {
  /** Of a table. */
  readonly #maxBytes: number
  readonly #maxLogCharacters: number
  readonly #bits = new TableBits()
  /** The tables that may know an identity, or something of a key. */
  readonly #ofIdentity = new TableFilter()
  readonly #ofKey = new TableFilter()
  /** The one that is filled. */
  #open = this.#begun(new RecentTable())
  /** Those that are full, oldest first; the first `#written` are in batches that are on their way. */
  #closed: RecentTable[] = []
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

  get(identity: string): StoredTimer | null | undefined {
    return standingFrom(this.#newest(identity))
  }

  /** Whether it tells of a timer, that it stands or that it went. */
  knows(identity: string): boolean {
    const hash = hashOf(identity)
    const tables = this.#ofIdentity.tables(hash)
    if ((tables & this.#open.bit) !== 0 && this.#open.knows(identity, hash)) return true
    for (const table of this.#closed)
      if ((tables & table.bit) !== 0 && table.knows(identity, hash)) return true
    return false
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
    const tables = [this.#open, ...this.#closed.toReversed()]
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

  changedOf(part: string): readonly string[] {
    return this.behind(part).identities
  }

  /** What it tells of the timers behind a prefix (a key, or a key and namespace): that they stand, or went. */
  behind(prefix: string): RecentRange {
    const part = keyPart(prefix)
    const hash = hashOf(part)
    const tables = this.#ofKey.tables(hash)
    if (tables === 0) return NOTHING_BEHIND
    const range: RecentRange = { identities: [], standings: [] }
    for (let i = this.#closed.length; i >= 0; i--) {
      const table = this.#closed[i] ?? this.#open
      if ((tables & table.bit) !== 0) addFrom(table, part, hash, prefix, range)
    }
    return range
  }

  /**
   * Whether all that stands behind a prefix (a key, or a key and namespace) is recent, by itself or as a part of its key or
   * queue: the spaces need not be asked.
   */
  knowsAll(prefix: string): boolean {
    const queue = prefix.slice(0, IDENTITY_QUEUE_END)
    const key = keyPart(prefix)
    const tables = this.#ofKey.tables(hashOf(key))
    for (let i = this.#closed.length; i >= 0; i--) {
      const { bit, knownParts } = this.#closed[i] ?? this.#open
      if (knownParts.hasQueue(queue)) return true
      if ((tables & bit) === 0) continue
      // A text keeps its hash: the prefix itself is what was hashed already.
      if (knownParts.has(prefix) || (key !== prefix && knownParts.has(key))) return true
    }
    return false
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
    const open = this.#open
    for (const event of events) {
      if (!('queue' in event) || event.atOnce) continue
      const hash = hashOf(event.identity)
      if ((event.kind === 'delete' || event.kind === 'fire') && this.#removeWhereItIs(event, hash)) continue
      this.#add(event, hash, true)
      if (event.kind !== 'register') this.#touchedLater(event, hash, this.#closed.length)
    }
    for (const prefix of knownPrefixes) {
      open.knownParts.add(prefix)
      this.#ofKey.add(hashOf(keyPart(prefix)), open.bit)
    }
    for (const { queue, totals: after } of totals) if (after.count === 0) open.knownParts.addEmpty(queue)
    open.committed(version, logCharacters)
    if (this.#fullness(open) > 1) this.#closeOpen()
  }

  #add(event: TimerEvent, hash: number, isNew: boolean): void {
    const { identity } = event
    const keyHash = hashOf(identity, identity.indexOf('\0') + 1)
    const { bit } = this.#open
    this.#open.add(event, hash, keyHash, isNew)
    this.#ofIdentity.add(hash, bit)
    this.#ofKey.add(keyHash, bit)
  }

  /** Removes a timer from the full table that tells of it, if that has not put it yet: then nobody ever puts it. */
  #removeWhereItIs(event: TimerEvent, hash: number): boolean {
    const tables = this.#ofIdentity.tables(hash)
    if (tables === 0 || this.#closed.length === 0) return false
    if ((tables & this.#open.bit) !== 0 && this.#open.knows(event.identity, hash)) return false
    for (let i = this.#closed.length - 1; i >= 0; i--) {
      const table = this.#closed[i]!
      const isRemoved = (tables & table.bit) === 0 ? undefined : table.removeUnspilled(event, hash)
      if (isRemoved === undefined) continue
      if (isRemoved) this.#touchedLater(event, hash, i)
      return isRemoved
    }
    return false
  }

  /** Tells the oldest tables of a timer that was changed or removed after them. */
  #touchedLater({ identity, kind }: TimerEvent, hash: number, count: number): void {
    const tables = this.#ofIdentity.tables(hash)
    for (let i = 0; i < count; i++) {
      const table = this.#closed[i]!
      if ((tables & table.bit) !== 0) table.touchedLater(identity, hash, kind !== 'payload')
    }
  }

  /**
   * Adds what the log says of a commit that may be in the spaces, or in part; in order of versions. Returns whether that is
   * so much that it should be spilled before more is added.
   */
  readAgain(version: number, events: Iterable<TimerEvent>, logCharacters: number): boolean {
    for (const event of events) this.#add(event, hashOf(event.identity), false)
    this.#open.committed(version, logCharacters)
    return this.#open.bytes > this.#maxBytes
  }

  /** Lets all that is recent now be spilled. Returns its newest version; undefined: nothing is recent. */
  close(): number | undefined {
    this.#closeOpen()
    const newest = this.#closed.at(-1)?.newestVersion
    if (newest !== undefined) {
      this.#askedVersion = newest
      this.#countToSpill()
    }
    return newest
  }

  /** Begins a new table. */
  #closeOpen(): void {
    if (this.#open.newestVersion === 0) return
    this.#closed.push(this.#open)
    this.#open = this.#begun(this.#spare ?? new RecentTable())
    this.#spare = undefined
    this.#countToSpill()
  }

  #begun(table: RecentTable): RecentTable {
    table.bit = this.#bits.take()
    return table
  }

  /** Ends a table: it is asked no more. */
  #ended({ bit }: RecentTable): void {
    if (!this.#bits.release(bit)) return
    this.#ofIdentity.remove(bit)
    this.#ofKey.remove(bit)
  }

  #countToSpill(): void {
    this.#toSpill = 0
    for (let i = this.#written; this.#isToSpill(i); i++) this.#toSpill += this.#closed[i]!.timers
  }

  /** Whether a table is to be spilled: with those closed after it there is enough, or somebody asked. */
  #isToSpill(i: number): boolean {
    const table = this.#closed[i]
    if (table === undefined) return false
    return table.newestVersion <= this.#askedVersion || this.#fullTablesFrom(i) > RECENT_TABLES
  }

  /** How many full tables those from one on come to. */
  #fullTablesFrom(first: number): number {
    let fullTables = 0
    for (let i = first; i < this.#closed.length; i++) fullTables += this.#fullness(this.#closed[i]!)
    return fullTables
  }

  /** Whether something up to a version is still to be spilled, or on its way. */
  isUnspilled(version: number): boolean {
    return this.#closed.length > 0 && this.#closed[0]!.newestVersion <= version
  }

  /** Whether everything is in the spaces. */
  get isEmpty(): boolean {
    return this.#open.newestVersion === 0 && this.#closed.length === 0
  }

  /** About what it takes in memory. */
  get bytes(): number {
    let { bytes } = this.#open
    for (const table of this.#closed) bytes += table.bytes
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
    const table = this.#closed[this.#written]!
    const slice: SpilledSlice | undefined = table.spill(batch, most)
    const isWhole = slice === undefined || slice.timers < most
    if (isWhole) this.#written++
    return { ...(slice ?? NO_SLICE), version: table.newestVersion, table: isWhole ? table : undefined }
  }

  /** Notes that a batch is durable; returns the version up to which everything is in the spaces now, if that rose. */
  spilled({ table }: Spilled): number | undefined {
    if (table === undefined) return undefined
    // Batches are written in order.
    this.#closed.shift()
    this.#ended(table)
    this.#written--
    this.#spilledTables++
    if (this.#closed.length === 0 || !this.#closed[0]!.isBegun) table.knownParts.spilledLast()
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
    this.#ended(this.#open)
    this.#open = this.#begun(new RecentTable())
    this.#spare = undefined
  }

  /** The first recent timers of a queue behind a position, in firing order: `most` at most. */
  due(queue: QueueState, after: DuePosition, most: number): RecentDue[] {
    const tables = [...this.#closed, this.#open]
    const found = tables.map((table) => table.due(queue, after, most)).filter(({ length }) => length > 0)
    if (found.length < 2) return found[0] ?? []
    return found.flat().sort(compareDue).slice(0, most)
  }

  /** Prepares `due`: where much was registered in no order this takes a while. */
  async prepareDue(queue: QueueState): Promise<void> {
    for (const table of [...this.#closed, this.#open]) await table.prepareDue(queue)
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

  #newest(identity: string): string | undefined {
    const hash = hashOf(identity)
    const tables = this.#ofIdentity.tables(hash)
    if (tables === 0) return undefined
    let value = (tables & this.#open.bit) === 0 ? undefined : this.#open.find(identity, hash)
    for (let i = this.#closed.length - 1; value === undefined && i >= 0; i--) {
      const table = this.#closed[i]!
      if ((tables & table.bit) !== 0) value = table.find(identity, hash)
    }
    return value
  }
}

/** Adds what a table tells of a range, but for what newer ones told. */
function addFrom(table: RecentTable, part: string, hash: number, prefix: string, range: RecentRange): void {
  const { identities, standings } = range
  const known = identities.length === 0 ? undefined : new Set(identities)
  for (let id = table.firstOf(part, hash); id >= 0; id = table.nextOf(part, hash, id)) {
    const identity = table.identity(id)
    if (!identity.startsWith(prefix) || known?.has(identity)) continue
    identities.push(identity)
    standings.push(standingFrom(table.valueOf(id))!)
  }
}

/** What stands, or nothing, of what a table tells. */
function standingFrom(value: string | undefined): StoredTimer | null | undefined {
  if (value === undefined) return undefined
  return value === GONE ? null : storedIn(value)
}
