/**
 * The tables of what is recent, and who of them tells of a timer or of a key: the newest one that does is right.
 *
 * - Commits fill the open table. Closed ones are kept oldest first; only the oldest ever ends.
 * - A filter names the tables that may know an identity or a key, so that most are not asked.
 */
import { invariant } from '../errors.ts'
import { IDENTITY_QUEUE_END, keyPart } from '../timer/identity.ts'
import { type StoredTimer, storedIn } from '../timer/stored.ts'
import { compareDue, type DuePosition, type RecentDue } from './dueruns.ts'
import type { TimerEvent } from './events.ts'
import { hashOf } from './identitytable.ts'
import { GONE, RecentTable } from './recenttable.ts'
import type { QueueState } from './state.ts'
import { TableBits, TableFilter } from './tablefilter.ts'

/** Timers behind a prefix, each with what stands of it, or null where it went. */
export interface RecentRange {
  identities: string[]
  standings: (StoredTimer | null)[]
}

export const NOTHING_BEHIND: RecentRange = { identities: [], standings: [] }

export class RecentTables {
  readonly #bits = new TableBits()
  readonly #ofIdentity = new TableFilter()
  readonly #ofKey = new TableFilter()
  #open = this.#begun(new RecentTable())
  readonly #closed: RecentTable[] = []
  /** Numbers that a table told of last, in its beginning: to empty an array would give its memory back each time. */
  readonly #numbers: number[] = []

  get open(): RecentTable {
    return this.#open
  }

  /** Oldest first. */
  get closed(): readonly RecentTable[] {
    return this.#closed
  }

  /** Closes the open table, and goes on with an empty one. */
  closeOpen(next: RecentTable): void {
    this.#closed.push(this.#open)
    this.#open = this.#begun(next)
  }

  /** Ends the oldest closed table: it is asked no more. */
  endOldest(): void {
    this.#ended(this.#closed.shift()!)
  }

  /** Lets the open table's memory go, where it has nothing. */
  renewOpen(): void {
    invariant(this.#open.newestVersion === 0, 'a table that tells of something was let go')
    this.#ended(this.#open)
    this.#open = this.#begun(new RecentTable())
  }

  #begun(table: RecentTable): RecentTable {
    table.bit = this.#bits.take()
    return table
  }

  #ended({ bit }: RecentTable): void {
    if (!this.#bits.release(bit)) return
    this.#ofIdentity.remove(bit)
    this.#ofKey.remove(bit)
  }

  /** Adds what a durable commit did to a timer that it leaves to be spilled. */
  apply(event: TimerEvent): void {
    const hash = hashOf(event.identity)
    if ((event.kind === 'delete' || event.kind === 'fire') && this.#removeWhereItIs(event, hash)) return
    this.#add(event, hash, true)
    if (event.kind !== 'register') this.#touchedLater(event, hash, this.#closed.length)
  }

  /** Adds what the log says again: what it registers may be in the spaces. */
  addAgain(event: TimerEvent): void {
    this.#add(event, hashOf(event.identity), false)
  }

  /** Notes that the newest commit changed all that stood behind a prefix of a key. */
  addKnown(prefix: string): void {
    this.#open.knownParts.add(prefix)
    this.#ofKey.add(hashOf(keyPart(prefix)), this.#open.bit)
  }

  #add(event: TimerEvent, hash: number, isNew: boolean): void {
    const { identity } = event
    const keyHash = hashOf(identity, keyEnd(identity))
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

  /** What stands of a timer, or null where it went; undefined: no table tells. */
  get(identity: string, hash = hashOf(identity)): StoredTimer | null | undefined {
    const tables = this.#ofIdentity.tables(hash)
    if (tables === 0) return undefined
    let value = (tables & this.#open.bit) === 0 ? undefined : this.#open.find(identity, hash)
    for (let i = this.#closed.length - 1; value === undefined && i >= 0; i--) {
      const table = this.#closed[i]!
      if ((tables & table.bit) !== 0) value = table.find(identity, hash)
    }
    return standingFrom(value)
  }

  /** Whether a table tells of a timer, that it stands or that it went. */
  knows(identity: string, hash = hashOf(identity)): boolean {
    const tables = this.#ofIdentity.tables(hash)
    if (tables === 0) return false
    if ((tables & this.#open.bit) !== 0 && this.#open.knows(identity, hash)) return true
    for (const table of this.#closed)
      if ((tables & table.bit) !== 0 && table.knows(identity, hash)) return true
    return false
  }

  /** The identities behind a prefix (a key, or a key and namespace) that they tell of, perhaps twice. */
  identitiesBehind(prefix: string): string[] {
    const hash = hashOf(prefix, keyEnd(prefix))
    const tables = this.#ofKey.tables(hash)
    const identities: string[] = []
    if (tables === 0) return identities
    for (const table of this.#all) {
      if ((tables & table.bit) === 0) continue
      const count = table.numbersBehind(prefix, hash, this.#numbers)
      for (let i = 0; i < count; i++) identities.push(table.identity(this.#numbers[i]!))
    }
    return identities
  }

  /** What they tell of the timers behind a prefix (a key, or a key and namespace). */
  behind(prefix: string): RecentRange {
    const hash = hashOf(prefix, keyEnd(prefix))
    const tables = this.#ofKey.tables(hash)
    if (tables === 0) return NOTHING_BEHIND
    const range: RecentRange = { identities: [], standings: [] }
    for (let i = this.#closed.length; i >= 0; i--) {
      const table = this.#closed[i] ?? this.#open
      if ((tables & table.bit) !== 0)
        addFrom(table, this.#numbers, table.numbersBehind(prefix, hash, this.#numbers), range)
    }
    return range
  }

  /** Whether they tell of all that stands behind a prefix, by itself or as a part of its key or queue. */
  knowAll(prefix: string): boolean {
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

  /** The first timers of a queue behind a position, in firing order: `most` at most. */
  due(queue: QueueState, after: DuePosition, most: number): RecentDue[] {
    const found = this.#all.map((table) => table.due(queue, after, most)).filter(({ length }) => length > 0)
    if (found.length < 2) return found[0] ?? []
    return found.flat().sort(compareDue).slice(0, most)
  }

  /** Prepares `due`: where much was registered in no order this takes a while. */
  async prepareDue(queue: QueueState): Promise<void> {
    for (const table of this.#all) await table.prepareDue(queue)
  }

  get #all(): RecentTable[] {
    return [...this.#closed, this.#open]
  }
}

function keyEnd(text: string): number {
  return text.indexOf('\0') + 1
}

/** Adds what a table tells of a range, but for what newer ones told. */
function addFrom(
  table: RecentTable,
  numbers: readonly number[],
  count: number,
  { identities, standings }: RecentRange,
): void {
  const known = identities.length === 0 ? undefined : new Set(identities)
  for (let i = 0; i < count; i++) {
    const id = numbers[i]!
    const identity = table.identity(id)
    if (known?.has(identity)) continue
    identities.push(identity)
    standings.push(standingFrom(table.valueOf(id))!)
  }
}

/** What stands, or null where it went, of what a table tells. */
export function standingFrom(value: string | undefined): StoredTimer | null | undefined {
  if (value === undefined) return undefined
  return value === GONE ? null : storedIn(value)
}
