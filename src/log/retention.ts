/**
 * How much of the log is kept: its *tail*, and before it what somebody holds.
 *
 * - Opening verifies the tail, and reads again what it did to timers: what is not in the spaces yet, and what LevelDB could
 *   lose from the middle of its write-ahead log, which is everything since its last two memtables began. So an entry leaves
 *   it once so much was written since it was spilled (recent.ts). It never passes the newest anchor.
 * - A hold keeps the log from a version on: an incremental checkpoint may build on one of that version. It ends when it is
 *   released, or when the log since has outgrown what it may take.
 * - Sizes of the tail's entries are in memory, eight bytes each; of what is held before it, only their sum.
 */
import {
  ANCHOR_INTERVAL_CHARACTERS,
  ANCHOR_INTERVAL_VERSIONS,
  ANCHOR_SHARE_TIMES,
  MAX_LOG_TRIM_ENTRIES,
} from '../limits.ts'

/** How many write buffers' worth of commits the tail has: two memtables, and half of one to spare. */
const TAIL_WRITE_BUFFERS = 2.5

/** Spills that are told apart in what the tail has. */
const SPILLS_PER_TAIL = 64

/** Keeps the log from a version on. */
export interface LogHold {
  readonly version: number
  /** Characters of log since its version, after which it ends by itself. */
  maxCharacters: number
}

/** What is kept, as a log entry tells it. */
export interface KeptLog {
  /** Oldest version that is stored. */
  oldest: number
  /** First version of the tail. */
  tail: number
  /** Characters of the entries that are stored. */
  characters: number
}

export class LogRetention {
  /** Oldest version that is kept; version + 1 while the log is empty. */
  oldest: number
  /** First version of the tail. */
  tail: number
  anchor = 0
  /** Characters of the kept entries. */
  bytes = 0
  /** Called when entries before the tail may have become free. */
  onFree: () => void = () => {}
  /** How much must have been written since an entry was spilled, before it may leave the tail. */
  readonly #tailCharacters: number
  /** Sizes of the tail's entries; those before `#head` have left it. */
  #sizes: number[] = []
  #head = 0
  #writtenCharacters = 0
  /** Up to which versions everything was in the spaces, and how much was written in all by then; rising. */
  #spills: { version: number; written: number }[] = []
  /** Entries up to this one may leave the tail. */
  #mayLeave = 0
  #anchorCharacters = 0
  #charactersSinceAnchor = 0
  /** Each hold, and how many characters of log were written in all when it began. */
  readonly #holds = new Map<LogHold, number>()
  #loggedCharacters = 0
  #reopened: LogHold | undefined

  constructor(writeBufferBytes: number, version: number) {
    this.#tailCharacters = writeBufferBytes * TAIL_WRITE_BUFFERS
    this.oldest = version + 1
    this.tail = version + 1
  }

  get entries(): number {
    return this.tail - this.oldest + this.#sizes.length - this.#head
  }

  get newest(): number {
    return this.tail + this.#sizes.length - this.#head - 1
  }

  /** Whether the entry of `version` should tell everything. */
  wantsAnchor(version: number): boolean {
    if (this.anchor === 0) return true
    return (
      version - this.anchor >= ANCHOR_INTERVAL_VERSIONS ||
      this.#charactersSinceAnchor >=
        Math.max(ANCHOR_INTERVAL_CHARACTERS, this.#anchorCharacters * ANCHOR_SHARE_TIMES)
    )
  }

  /** Notes that LevelDB is given so much to write. */
  wrote(characters: number): void {
    this.#writtenCharacters += characters
  }

  /** Notes that everything up to a version is in the spaces. */
  spilled(version: number): void {
    // Where they come close together one stands for several, and a few entries stay a little longer.
    const before = this.#spills.at(-2)?.written ?? Number.NEGATIVE_INFINITY
    if (this.#writtenCharacters - before < this.#tailCharacters / SPILLS_PER_TAIL) this.#spills.pop()
    this.#spills.push({ version, written: this.#writtenCharacters })
  }

  /** Notes an entry, in order of versions. */
  add(version: number, isAnchor: boolean, entryCharacters: number): void {
    if (isAnchor) {
      this.anchor = version
      this.#anchorCharacters = entryCharacters
      this.#charactersSinceAnchor = 0
    } else {
      this.#charactersSinceAnchor += entryCharacters
    }
    this.#sizes.push(entryCharacters)
    this.bytes += entryCharacters
    this.#loggedCharacters += entryCharacters
    if (this.#holds.size > 0) this.#endOutgrown()
  }

  /** Notes, after the tail was added, what a store that is opened has before it: it stays until somebody else holds. */
  reopened({ oldest, characters }: KeptLog, maxCharacters: number): void {
    this.oldest = oldest
    this.bytes = characters
    if (oldest === this.tail) return
    this.#reopened = { version: oldest, maxCharacters }
    this.#holds.set(this.#reopened, this.#loggedCharacters - characters)
  }

  /** The versions that the next commit trims, oldest first; they count as gone at once. */
  trim(): number[] {
    while (this.#spills.length > 0) {
      const { version, written } = this.#spills[0]!
      if (this.#writtenCharacters - written < this.#tailCharacters) break
      this.#mayLeave = version
      this.#spills.shift()
    }
    const versions: number[] = []
    for (let left = 0; left < MAX_LOG_TRIM_ENTRIES; left++) {
      if (this.tail >= this.anchor || this.tail > this.#mayLeave) break
      this.#shortenTail(versions)
    }
    return versions
  }

  /** Up to `most` versions before the anchor: what a clean close leaves out, once all is in tables. */
  trimToAnchor(most: number): number[] {
    const versions: number[] = []
    while (versions.length < most && this.tail < this.anchor) this.#shortenTail(versions)
    return versions
  }

  /** The oldest entry leaves the tail: it goes, unless it or one before it is held. */
  #shortenTail(gone: number[]): void {
    const size = this.#sizes[this.#head]!
    this.#head++
    if (this.#head > 1024 && this.#head * 2 > this.#sizes.length) {
      this.#sizes = this.#sizes.slice(this.#head)
      this.#head = 0
    }
    const version = this.tail++
    if (this.oldest !== version || version >= this.#heldFrom()) return
    this.oldest++
    this.bytes -= size
    gone.push(version)
  }

  /** Keeps the log from a version on, which it must still reach, or that of the next commit. */
  hold(version: number, maxCharacters: number): LogHold {
    const hold = { version, maxCharacters }
    this.#holds.set(hold, this.#loggedCharacters)
    return hold
  }

  release(hold: LogHold): void {
    if (this.#holds.delete(hold)) this.onFree()
  }

  /** Ends what opening held: somebody has seen to what may be built on. */
  releaseReopened(): void {
    if (this.#reopened !== undefined) this.release(this.#reopened)
    this.#reopened = undefined
  }

  /** Whether a hold has not ended. */
  holds(hold: LogHold): boolean {
    return this.#holds.has(hold)
  }

  /** The version before which the entries that left the tail are free; the oldest itself where none is. */
  get freeBefore(): number {
    return Math.max(this.oldest, Math.min(this.tail, this.#heldFrom()))
  }

  /** Drops the entries before a version; false, and nothing, where one of them has been held meanwhile. */
  drop(before: number, characters: number): boolean {
    if (before > this.freeBefore) return false
    this.oldest = before
    this.bytes -= characters
    return true
  }

  #heldFrom(): number {
    let from = Number.POSITIVE_INFINITY
    for (const { version } of this.#holds.keys()) from = Math.min(from, version)
    return from
  }

  #endOutgrown(): void {
    for (const [hold, began] of this.#holds) {
      if (this.#loggedCharacters - began <= hold.maxCharacters) continue
      this.#holds.delete(hold)
      this.onFree()
    }
  }
}
