/**
 * A table of recent timers: what the commits of some time left of each timer that they touched. It is in the log, and not
 * in the `timers` and `due` spaces yet.
 *
 * - A timer that came and went while the table was open leaves nothing of itself: it is never written to the spaces.
 * - What may be *below* (in an older table, or in the spaces) is known of each timer, with the `due` entries that go.
 * - Once it is spilled nothing is added to it: it goes to the spaces in slices, by whole timers.
 * - Of a timer it keeps two texts and no object: V8 moves each about while it is young, and is late to collect it when it
 *   is old.
 */
import type { EngineBatch } from '../engine/engine.ts'
import { invariant } from '../errors.ts'
import { MIN_TIMESTAMP } from '../limits.ts'
import { IDENTITY_QUEUE_END, identityTimestamp } from '../timer/identity.ts'
import { DUE_ENTRY_CHARACTERS, dueKey, orderTextIn } from '../timer/stored.ts'
import { putTimer } from './apply.ts'
import { type DuePosition, DueRuns, type IsStanding, type RecentDue } from './dueruns.ts'
import type { TimerEvent } from './events.ts'
import { KeyIndex } from './keyindex.ts'
import type { QueueState } from './state.ts'

/** What a timer takes in memory besides its texts, about: their headers, places in maps and runs. */
const TIMER_BYTES = 144
const PREFIX_BYTES = 64

/** Instead of its value: a timer that went. */
export const GONE = ''

/** The keys of `due` entries that go, one behind the other. */
const NO_KEYS = ''
const KEYS_SEPARATOR = '\0'

/** What a slice of a spill wrote. */
export interface SpilledSlice {
  timers: number
  /** Characters put, about. */
  characters: number
  /** Timers that went, and the characters of their entries. */
  removedTimers: number
  removedCharacters: number
}

export class RecentTable {
  /** What stands of each timer, or GONE. */
  readonly #values = new Map<string, string>()
  /** Made when it is first asked for. */
  #index: KeyIndex | undefined
  /** Those that a newer table removes: they need not be put. */
  readonly #goneLater = new Set<string>()
  #standing = 0
  /** Timers that may be below, and the keys of those `due` entries there that are to go. */
  readonly #below = new Map<string, string>()
  readonly #due = new Map<QueueState, DueRuns>()
  /** Prefixes behind which nothing stands below that it does not know of. */
  readonly #knownPrefixes = new Set<string>()
  /** The queues that its commits touched, by what begins their identities. */
  readonly #queues = new Map<string, QueueState>()
  /** Those that had no timers when it was closed. */
  #emptyQueues: readonly QueueState[] = []
  #bytes = 0
  #logCharacters = 0
  /** What is to go from below, that no slice has told of. */
  #removedTimers = 0
  #removedCharacters = 0
  /** The newest commit that it knows. */
  newestVersion = 0
  #unspilled: Iterator<[string, string]> | undefined

  get timers(): number {
    return this.#values.size
  }

  /** Whether some of it may be in the spaces. */
  get isBegun(): boolean {
    return this.#unspilled !== undefined
  }

  /** About what it takes in memory. */
  get bytes(): number {
    return this.#bytes
  }

  /** Characters of its commits' part of the log, which is kept until it is spilled. */
  get logCharacters(): number {
    return this.#logCharacters
  }

  /** Notes a commit whose events were added, and how long its log entry is. */
  committed(version: number, logCharacters: number): void {
    this.newestVersion = version
    this.#logCharacters += logCharacters
  }

  /** Notes that its newest commit changed all that stood behind a prefix. */
  addKnownPrefix(prefix: string): void {
    if (this.#knownPrefixes.has(prefix)) return
    this.#knownPrefixes.add(prefix)
    this.#bytes += PREFIX_BYTES + prefix.length
  }

  /** Whether it, and what is newer, has all that stands behind a prefix. */
  knowsAll(prefix: string): boolean {
    return this.#knownPrefixes.has(prefix)
  }

  /** Notes that nothing is added to it any more. */
  close(): void {
    this.#emptyQueues = [...this.#queues.values()].filter(({ appliedCount }) => appliedCount === 0)
  }

  /** Notes that it is in the spaces, and nothing that is newer: of the queues that had nothing then they have nothing. */
  spilledLast(): void {
    for (const queue of this.#emptyQueues) queue.storedHigh = MIN_TIMESTAMP
  }

  /** Notes that a newer table removes a timer. */
  removedLater(identity: string): void {
    if (this.#standing > 0 && this.#values.has(identity)) this.#goneLater.add(identity)
  }

  /** The value of a timer; GONE: it went; undefined: the table does not know it. */
  value(identity: string): string | undefined {
    return this.#values.get(identity)
  }

  /** Adds the timers of a key to `identities`; `part`: their part up to the NUL behind the key. */
  addIdentitiesOf(part: string, identities: string[]): void {
    this.index().collect(part, identities)
  }

  /** Its timers by key, from now on. */
  index(): KeyIndex {
    this.#index ??= new KeyIndex(this.#values.keys())
    return this.#index
  }

  /** `isNew`: what it registers is nowhere below; where the log is read again, nobody knows. */
  add(event: TimerEvent, isNew = true): void {
    const { identity, queue, timestamp, timer } = event
    this.#queues.set(queue.prefix, queue)
    const before = this.#values.get(identity)
    if (event.kind === 'delete' || event.kind === 'fire') {
      invariant(before !== GONE, 'a timer went twice')
      this.#remove(before, event, isNew)
      return
    }
    if (before === undefined && !(isNew && event.kind === 'register')) this.#below.set(identity, NO_KEYS)
    this.#put(identity, before, timer.value)
    const due = this.#dueOf(queue)
    due.add(identity, timer.value, { timestamp, orderText: timer.orderText })
    if (before !== undefined && before !== GONE) this.#leaveOut(due)
  }

  #remove(before: string | undefined, event: TimerEvent, isNew: boolean): void {
    const { identity, queue, timer } = event
    const below = before === undefined ? NO_KEYS : this.#below.get(identity)
    if (below === undefined) {
      this.#values.delete(identity)
      this.#standing--
      this.#index?.remove(identity)
      this.#bytes -= bytesOf(identity, before!)
    } else {
      // What was registered since the table was begun has no entry below; where the log is read again, it may have.
      if (below === NO_KEYS || !isNew) {
        const key = event.dueKey ?? dueKey(identity, timer.orderText)
        this.#below.set(identity, below === NO_KEYS ? key : below + KEYS_SEPARATOR + key)
        this.#removedTimers++
        this.#removedCharacters += 2 * identity.length + timer.value.length + DUE_ENTRY_CHARACTERS
      }
      this.#put(identity, before, GONE)
    }
    if (before !== undefined) this.#leaveOut(this.#dueOf(queue))
  }

  #put(identity: string, before: string | undefined, value: string): void {
    this.#values.set(identity, value)
    this.#bytes += bytesOf(identity, value)
    if (value !== GONE) this.#standing++
    if (before === undefined) {
      this.#index?.add(identity)
      return
    }
    this.#bytes -= bytesOf(identity, before)
    if (before !== GONE) this.#standing--
  }

  /** One of those that are due does not stand any more. */
  #leaveOut(due: DueRuns): void {
    due.remove((identity, value) => this.#values.get(identity) === value)
  }

  #dueOf(queue: QueueState): DueRuns {
    let runs = this.#due.get(queue)
    if (runs === undefined) {
      runs = new DueRuns()
      this.#due.set(queue, runs)
    }
    return runs
  }

  async prepareDue(queue: QueueState): Promise<void> {
    await this.#due.get(queue)?.prepare()
  }

  /** The first timers of a queue behind a position, as the table alone knows them. */
  due(queue: QueueState, after: DuePosition, most: number, isNewest: IsStanding): RecentDue[] {
    return this.#due.get(queue)?.take(after, most, isNewest) ?? []
  }

  /**
   * Puts the next timers into a batch: the end state of each. One that a newer table removes is not put, and what is below
   * goes now, for that is older still. Returns undefined where all are put.
   */
  spill(batch: EngineBatch, most: number): SpilledSlice | undefined {
    this.#unspilled ??= this.#values.entries()
    const slice: SpilledSlice = { timers: 0, characters: 0, removedTimers: 0, removedCharacters: 0 }
    while (slice.timers < most) {
      const next = this.#unspilled.next()
      if (next.done === true) break
      this.#spillOne(batch, next.value[0], next.value[1], slice)
      slice.timers++
    }
    if (slice.timers === 0) return undefined
    slice.removedTimers += this.#removedTimers
    slice.removedCharacters += this.#removedCharacters
    this.#removedTimers = 0
    this.#removedCharacters = 0
    return slice
  }

  #spillOne(batch: EngineBatch, identity: string, value: string, slice: SpilledSlice): void {
    const below = this.#below.size === 0 ? undefined : this.#below.get(identity)
    if (below !== undefined && below !== NO_KEYS)
      for (const key of below.split(KEYS_SEPARATOR)) batch.del(key)
    if (value !== GONE && !(this.#goneLater.size > 0 && this.#goneLater.has(identity))) {
      const queue = this.#queues.get(identity.slice(0, IDENTITY_QUEUE_END))!
      queue.storedHigh = Math.max(queue.storedHigh, identityTimestamp(identity))
      slice.characters += putTimer(batch, identity, value)
      // Another payload than below; where the log was read again it may be none.
      if (below === NO_KEYS) slice.removedCharacters += value.length
    } else if (below !== undefined) {
      batch.del(identity)
      if (value !== GONE) batch.del(dueKey(identity, orderTextIn(value)))
      slice.characters += 2 * identity.length
    }
  }
}

function bytesOf(identity: string, value: string): number {
  return TIMER_BYTES + identity.length + value.length
}
