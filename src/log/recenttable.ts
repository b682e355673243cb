/**
 * A table of recent timers: the newest event of each timer that the commits of some time touched. Those events are in the
 * log, and not in the `timers` and `due` spaces yet.
 *
 * - A timer that came and went while the table was open leaves nothing of itself: it is never written to the spaces.
 * - What may be *below* (in an older table, or in the spaces) is known of each timer, with the `due` entries that go.
 * - Once it is spilled nothing is added to it: it goes to the spaces in slices, by whole timers.
 */
import type { EngineBatch } from '../engine/engine.ts'
import { invariant } from '../errors.ts'
import { MIN_TIMESTAMP } from '../limits.ts'
import { DUE_ENTRY_CHARACTERS, dueKey, type StoredTimer } from '../timer/stored.ts'
import { putTimer } from './apply.ts'
import { type DuePosition, DueRuns } from './dueruns.ts'
import type { TimerEvent } from './events.ts'
import { KeyIndex } from './keyindex.ts'
import type { QueueState } from './state.ts'

/** What an event takes in memory besides its texts, about: objects, places in maps and runs. */
const EVENT_BYTES = 256
const PREFIX_BYTES = 64
const NOTHING: readonly string[] = []

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
  readonly #events = new Map<string, TimerEvent>()
  /** Made when it is first asked for. */
  #index: KeyIndex | undefined
  /** Timers that may be below, and the keys of those `due` entries there that are to go. */
  readonly #below = new Map<string, string[]>()
  readonly #due = new Map<QueueState, DueRuns>()
  /** Prefixes behind which nothing stands below that it does not know of. */
  readonly #knownPrefixes = new Set<string>()
  /** The queues that its commits touched. */
  readonly #queues = new Set<QueueState>()
  /** Those that had no timers when it was closed. */
  #emptyQueues: readonly QueueState[] = []
  #bytes = 0
  #logCharacters = 0
  /** The newest commit that it knows. */
  newestVersion = 0
  #unspilled: Iterator<TimerEvent> | undefined

  get timers(): number {
    return this.#events.size
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
    this.#emptyQueues = [...this.#queues].filter(({ appliedCount }) => appliedCount === 0)
  }

  /** Notes that it is in the spaces, and nothing that is newer: of the queues that had nothing then they have nothing. */
  spilledLast(): void {
    for (const queue of this.#emptyQueues) queue.storedHigh = MIN_TIMESTAMP
  }

  event(identity: string): TimerEvent | undefined {
    return this.#events.get(identity)
  }

  /** Adds the timers of a key to `identities`; `part`: their part up to the NUL behind the key. */
  addIdentitiesOf(part: string, identities: string[]): void {
    this.index().collect(part, identities)
  }

  /** Its timers by key, from now on. */
  index(): KeyIndex {
    this.#index ??= new KeyIndex(this.#events.keys())
    return this.#index
  }

  /** `isNew`: what it registers is nowhere below; where the log is read again, nobody knows. */
  add(event: TimerEvent, isNew = true): void {
    const { identity, queue } = event
    this.#queues.add(queue)
    const before = this.#events.get(identity)
    if (event.kind === 'delete' || event.kind === 'fire') {
      if (before !== undefined) invariant(isStanding(before), 'a timer went twice')
      this.#remove(before, event, isNew)
      return
    }
    if (before === undefined && !(isNew && event.kind === 'register')) this.#below.set(identity, [])
    this.#put(before, event)
    const due = this.#dueOf(queue)
    due.add(event)
    if (before !== undefined && isStanding(before)) this.#leaveOut(due)
  }

  #remove(before: TimerEvent | undefined, event: TimerEvent, isNew: boolean): void {
    const { identity, queue } = event
    const below = before === undefined ? [] : this.#below.get(identity)
    if (below === undefined) {
      this.#events.delete(identity)
      this.#index?.remove(identity)
      this.#bytes -= bytesOf(before!)
    } else {
      // What was registered since the table was begun has no entry below; where the log is read again, it may have.
      if (below.length === 0 || !isNew) below.push(event.dueKey ?? dueKey(identity, event.timer.orderText))
      if (before === undefined) this.#below.set(identity, below)
      this.#put(before, event)
    }
    if (before !== undefined) this.#leaveOut(this.#dueOf(queue))
  }

  #put(before: TimerEvent | undefined, event: TimerEvent): void {
    this.#events.set(event.identity, event)
    this.#bytes += bytesOf(event)
    if (before !== undefined) this.#bytes -= bytesOf(before)
    else this.#index?.add(event.identity)
  }

  /** One of those that are due is not the newest of its timer any more. */
  #leaveOut(due: DueRuns): void {
    due.remove((event) => this.#events.get(event.identity) === event)
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
  due(
    queue: QueueState,
    after: DuePosition,
    most: number,
    isNewest: (event: TimerEvent) => boolean,
  ): TimerEvent[] {
    return this.#due.get(queue)?.take(after, most, isNewest) ?? []
  }

  /**
   * Puts the next timers into a batch: the end state of each. `hasGone` tells of a timer that a newer table removes: it is
   * not put, and what is below goes now, for that is older still. Returns undefined where all are put.
   */
  spill(batch: EngineBatch, most: number, hasGone: (identity: string) => boolean): SpilledSlice | undefined {
    this.#unspilled ??= this.#events.values()
    const slice: SpilledSlice = { timers: 0, characters: 0, removedTimers: 0, removedCharacters: 0 }
    while (slice.timers < most) {
      const next = this.#unspilled.next()
      if (next.done === true) return slice.timers === 0 ? undefined : slice
      this.#spillOne(batch, next.value, hasGone, slice)
      slice.timers++
    }
    return slice
  }

  #spillOne(
    batch: EngineBatch,
    event: TimerEvent,
    hasGone: (identity: string) => boolean,
    slice: SpilledSlice,
  ): void {
    const { identity, timestamp, timer, queue } = event
    const below = this.#below.get(identity)
    for (const key of below ?? NOTHING) batch.del(key)
    if (below !== undefined && below.length > 0) {
      slice.removedTimers++
      slice.removedCharacters += 2 * identity.length + timer.value.length + DUE_ENTRY_CHARACTERS
    }
    if (isStanding(event) && !hasGone(identity)) {
      if (timestamp > queue.storedHigh) queue.storedHigh = timestamp
      slice.characters += putTimer(batch, identity, timer)
      if (event.kind === 'payload') slice.removedCharacters += timer.value.length
    } else if (below !== undefined) {
      batch.del(identity)
      if (isStanding(event)) batch.del(dueKey(identity, timer.orderText))
      slice.characters += 2 * identity.length
    }
  }
}

/** What stands after an event; null: nothing does. */
export function standingAfter(event: TimerEvent): StoredTimer | null {
  return isStanding(event) ? event.timer : null
}

function isStanding({ kind }: TimerEvent): boolean {
  return kind === 'register' || kind === 'payload'
}

function bytesOf({ identity, timer }: TimerEvent): number {
  return EVENT_BYTES + identity.length + timer.value.length
}
