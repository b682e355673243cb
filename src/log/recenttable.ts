/**
 * A table of recent timers: what the commits of some time left of each timer that they touched. It is in the log, and not
 * in the `timers` and `due` spaces yet.
 *
 * - A timer that came and went while the table was open leaves nothing of itself: it is never written to the spaces.
 * - What may be *below* (in an older table, or in the spaces) is known of each timer, with the `due` entries that go.
 * - When it is full nothing is added to it. It goes to the spaces in slices, by whole timers; what is removed until then is
 *   removed from it.
 * - Of a timer it keeps numbers in typed arrays, and texts in an arena: nothing that V8 has to collect.
 */
import type { EngineBatch } from '../engine/engine.ts'
import { invariant } from '../errors.ts'
import { IDENTITY_QUEUE_END, identityTimestamp } from '../timer/identity.ts'
import { dueKey, orderTextIn, storedCharacters } from '../timer/stored.ts'
import { putTimer } from './apply.ts'
import {
  type DuePosition,
  DueRuns,
  type RecentDue,
  RUN_TIMER_BYTES,
  type Run,
  type TimerTexts,
} from './dueruns.ts'
import type { TimerEvent } from './events.ts'
import { grown, IdentityTable } from './identitytable.ts'
import { KnownParts } from './knownparts.ts'
import type { QueueState } from './state.ts'
import { FIRST_PLACE, TextArena, type TextReader } from './textarena.ts'

/** What a timer takes in memory besides its identity and its texts. */
const STATE_BYTES = 9
const TIMER_BYTES = RUN_TIMER_BYTES + STATE_BYTES

/** Instead of its value: a timer that went. */
export const GONE = ''

/** Instead of a value's place: the table knows nothing of it (any more); it went. */
const UNKNOWN = 0
const WENT = 1

/** Instead of the place of the keys of `due` entries that go: nothing is below; something may be, and no entry goes. */
const NOT_BELOW = 0
const NO_KEYS = 1
const KEYS_SEPARATOR = '\0'

/** What a newer table did with a timer that stands. */
const UNTOUCHED = 0
const CHANGED_LATER = 1
const GONE_LATER = 2

/** What a slice of a spill wrote. */
export interface SpilledSlice {
  timers: number
  /** Characters put, about. */
  characters: number
  /** Timers that went, and the characters of their entries. */
  removedTimers: number
  removedCharacters: number
}

export class RecentTable implements TimerTexts {
  readonly #arena = new TextArena()
  readonly #identities = new IdentityTable(this.#arena)
  /** Of each timer the place of its value, that of the keys that go below, and what a newer table did. */
  #values = new Uint32Array(this.#identities.room)
  #below = new Uint32Array(this.#identities.room)
  #later = new Uint8Array(this.#identities.room)
  /** Timers that it knows something of. */
  #timers = 0
  #standing = 0
  readonly #due = new Map<QueueState, DueRuns>()
  readonly #freeRuns: Run[] = []
  readonly knownParts = new KnownParts()
  /** The queues that its commits touched, by what begins their identities. */
  readonly #queues = new Map<string, QueueState>()
  #lastQueue: QueueState | undefined
  /** Whether what it tells of may be in the spaces, for the log was read again. */
  #isReadAgain = false
  #logCharacters = 0
  /** What is to go from below, that no slice has told of. */
  #removedTimers = 0
  #removedCharacters = 0
  /** What stands for it in the filters of all tables (tablefilter.ts). */
  bit = 0
  /** The newest commit that it knows. */
  newestVersion = 0
  /** The next timer to spill, once that is begun. */
  #unspilled: number | undefined

  get timers(): number {
    return this.#timers
  }

  /** Whether some of it may be in the spaces. */
  get isBegun(): boolean {
    return this.#unspilled !== undefined
  }

  /** About what it takes in memory. */
  get bytes(): number {
    const { size, bytes } = this.#identities
    return this.#arena.bytes + bytes + size * TIMER_BYTES + this.knownParts.bytes
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

  /** Notes that a newer table removes a timer, or changes its payload. `hash`: the identity's. */
  touchedLater(identity: string, hash: number, isGone: boolean): void {
    if (this.#standing === 0) return
    const id = this.#identities.find(identity, hash)
    if (id === undefined || this.#values[id]! < FIRST_PLACE || this.#later[id] === GONE_LATER) return
    this.#later[id] = isGone ? GONE_LATER : CHANGED_LATER
  }

  /**
   * Removes a timer that stands, and that it has not put yet; false: it tells of it otherwise; undefined: it does not know
   * it. That it is removed is newer than the table: the log tells of it until it is in the spaces, one way or the other.
   */
  removeUnspilled(event: TimerEvent, hash: number): boolean | undefined {
    const id = this.#known(event.identity, hash)
    if (id === undefined) return undefined
    const isUnspilled = id >= (this.#unspilled ?? 0)
    if (!isUnspilled || this.#values[id] === WENT || this.#later[id] !== UNTOUCHED) return false
    this.#remove(id, event, !this.#isReadAgain)
    return true
  }

  /** Lets all go, to be filled again. */
  clear(): void {
    this.#arena.clear()
    this.#identities.clear()
    this.#timers = 0
    this.#standing = 0
    for (const runs of this.#due.values()) runs.clear()
    this.#due.clear()
    this.knownParts.clear()
    this.#queues.clear()
    this.#lastQueue = undefined
    this.#isReadAgain = false
    this.#logCharacters = 0
    this.#removedTimers = 0
    this.#removedCharacters = 0
    this.newestVersion = 0
    this.#unspilled = undefined
  }

  /** Whether the table tells of a timer. `hash`: the identity's. */
  knows(identity: string, hash: number): boolean {
    return this.#known(identity, hash) !== undefined
  }

  /** The value of a timer; GONE: it went; undefined: the table does not know it. `hash`: the identity's. */
  find(identity: string, hash: number): string | undefined {
    const id = this.#known(identity, hash)
    return id === undefined ? undefined : this.valueOf(id)
  }

  /** The value of a timer that it tells of; GONE: it went. */
  valueOf(id: number): string {
    const place = this.#values[id]!
    return place === WENT ? GONE : this.value(place)
  }

  /** The number of a timer that it tells of. */
  #known(identity: string, hash: number): number | undefined {
    const id = this.#identities.find(identity, hash)
    return id === undefined || this.#values[id] === UNKNOWN ? undefined : id
  }

  identity(id: number): string {
    return this.#arena.text(this.#identities.place(id))
  }

  value(place: number): string {
    return this.#arena.text(place)
  }

  compareValues(a: number, b: number): number {
    return this.#arena.compare(a, b)
  }

  isStanding(id: number, place: number): boolean {
    return this.#values[id] === place && this.#later[id] === UNTOUCHED
  }

  /** Puts the numbers of the timers behind a prefix into an array, and returns how many (IdentityTable). */
  numbersBehind(prefix: string, keyHash: number, numbers: number[]): number {
    return this.#identities.numbersBehind(prefix, keyHash, numbers)
  }

  /**
   * `hash`: the identity's; `keyHash`: that of its part up to the NUL behind the key; `isNew`: what the event registers is
   * nowhere below; where the log is read again, nobody knows.
   */
  add(event: TimerEvent, hash: number, keyHash: number, isNew = true): void {
    const { identity, queue, timestamp, timer, kind } = event
    if (!isNew) this.#isReadAgain = true
    if (queue !== this.#lastQueue) this.#noteQueue(queue)
    const id = this.#numberOf(identity, hash, keyHash)
    const before = this.#values[id]!
    if (kind === 'delete' || kind === 'fire') {
      invariant(before !== WENT, 'a timer went twice')
      this.#remove(id, event, isNew)
      return
    }
    if (before === UNKNOWN) {
      this.#timers++
      if (!(isNew && kind === 'register')) this.#below[id] = NO_KEYS
    }
    const place = this.#arena.addValue(timer.body, timer.checksum)
    this.#values[id] = place
    if (before < FIRST_PLACE) this.#standing++
    const due = this.#dueOf(queue)
    due.add(id, place, timestamp)
    if (before >= FIRST_PLACE) due.remove()
  }

  #noteQueue(queue: QueueState): void {
    this.#queues.set(queue.prefix, queue)
    this.#lastQueue = queue
  }

  /** The number of a timer; one that it knew nothing of is found by its key from now on. */
  #numberOf(identity: string, hash: number, keyHash: number): number {
    const known = this.#identities.find(identity, hash)
    if (known === undefined) {
      const id = this.#identities.add(identity, hash, keyHash)
      if (id >= this.#values.length) this.#grow()
      this.#values[id] = UNKNOWN
      this.#below[id] = NOT_BELOW
      this.#later[id] = UNTOUCHED
      return id
    }
    if (this.#values[known] === UNKNOWN) this.#identities.show(known)
    return known
  }

  #grow(): void {
    const { room } = this.#identities
    this.#values = grown(this.#values, room)
    this.#below = grown(this.#below, room)
    const later = new Uint8Array(room)
    later.set(this.#later)
    this.#later = later
  }

  #remove(id: number, event: TimerEvent, isNew: boolean): void {
    const { identity, queue, timer } = event
    const before = this.#values[id]!
    const below = before === UNKNOWN ? NO_KEYS : this.#below[id]!
    if (before >= FIRST_PLACE) this.#standing--
    if (before === UNKNOWN) this.#timers++
    if (below === NOT_BELOW) {
      this.#values[id] = UNKNOWN
      this.#timers--
      this.#identities.hide(id)
    } else {
      this.#values[id] = WENT
      this.#below[id] = below
      // What was registered since the table was begun has no entry below; where the log is read again, it may have.
      if (below === NO_KEYS || !isNew) {
        const key = event.dueKey ?? dueKey(identity, timer.orderText)
        const keys = below === NO_KEYS ? key : this.#arena.text(below) + KEYS_SEPARATOR + key
        this.#below[id] = this.#arena.add(keys)
        this.#removedTimers++
        this.#removedCharacters += storedCharacters(identity, timer)
      }
    }
    // One of those that are due does not stand any more.
    if (before !== UNKNOWN) this.#dueOf(queue).remove()
  }

  #dueOf(queue: QueueState): DueRuns {
    let runs = this.#due.get(queue)
    if (runs === undefined) {
      runs = new DueRuns(this, this.#freeRuns)
      this.#due.set(queue, runs)
    }
    return runs
  }

  async prepareDue(queue: QueueState): Promise<void> {
    await this.#due.get(queue)?.prepare()
  }

  /** The first timers of a queue behind a position that no newer table touched. */
  due(queue: QueueState, after: DuePosition, most: number): RecentDue[] {
    return this.#due.get(queue)?.take(after, most) ?? []
  }

  /**
   * Puts the next timers into a batch: the end state of each. One that a newer table removes is not put, and what is below
   * goes now, for that is older still. Returns undefined where all are put.
   */
  spill(batch: EngineBatch, most: number): SpilledSlice | undefined {
    const slice: SpilledSlice = { timers: 0, characters: 0, removedTimers: 0, removedCharacters: 0 }
    const texts = this.#arena.reader()
    let id = this.#unspilled ?? 0
    for (; slice.timers < most && id < this.#identities.size; id++) {
      if (this.#values[id] === UNKNOWN) continue
      this.#spillOne(batch, id, texts, slice)
      slice.timers++
    }
    this.#unspilled = id
    if (slice.timers === 0) return undefined
    slice.removedTimers += this.#removedTimers
    slice.removedCharacters += this.#removedCharacters
    this.#removedTimers = 0
    this.#removedCharacters = 0
    return slice
  }

  #spillOne(batch: EngineBatch, id: number, texts: TextReader, slice: SpilledSlice): void {
    const place = this.#values[id]!
    const below = this.#below[id]!
    const identity = texts.next(this.#identities.place(id))
    if (below >= FIRST_PLACE) for (const key of texts.text(below).split(KEYS_SEPARATOR)) batch.del(key)
    if (place !== WENT && this.#later[id] !== GONE_LATER) {
      const value = texts.text(place)
      const queue = this.#queues.get(identity.slice(0, IDENTITY_QUEUE_END))!
      this.knownParts.put(queue, identityTimestamp(identity))
      slice.characters += putTimer(batch, identity, value)
      // Another payload than below; where the log was read again it may be none.
      if (below === NO_KEYS) slice.removedCharacters += value.length
    } else if (below !== NOT_BELOW) {
      batch.del(identity)
      if (place !== WENT) batch.del(dueKey(identity, orderTextIn(texts.text(place))))
      slice.characters += 2 * identity.length
    }
  }
}
