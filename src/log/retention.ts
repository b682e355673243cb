/**
 * How much of the log is kept. Opening verifies what is kept, so it must reach back further than what LevelDB could
 * lose from the middle of its write-ahead log: everything since its last two memtables began.
 *
 * - `oldest` never passes the newest anchor: opening can always begin there.
 * - Sizes of kept entries are in memory, so that `stats()` is exact without reading: eight bytes an entry.
 */
import { ANCHOR_INTERVAL_CHARACTERS, ANCHOR_INTERVAL_VERSIONS, MAX_LOG_TRIM_ENTRIES } from '../limits.ts'

/** How many write buffers' worth of commits are kept: two memtables, and half of one to spare. */
const KEPT_WRITE_BUFFERS = 2.5

export class LogRetention {
  /** Oldest version that is kept; version + 1 while the log is empty. */
  oldest: number
  anchor = 0
  bytes = 0
  /** How much commits must have written since an entry, before it may go. */
  readonly #keptBatchCharacters: number
  /** Sizes of the kept entries, from `oldest` on; `#head` are trimmed. */
  #sizes: number[] = []
  /** What each kept commit wrote in all, in step with the sizes. */
  #writes: number[] = []
  #head = 0
  #writtenCharacters = 0
  #charactersSinceAnchor = 0

  constructor(writeBufferBytes: number, version: number) {
    this.#keptBatchCharacters = writeBufferBytes * KEPT_WRITE_BUFFERS
    this.oldest = version + 1
    this.anchor = 0
  }

  get entries(): number {
    return this.#sizes.length - this.#head
  }

  /** Whether the entry of `version` should tell everything. */
  wantsAnchor(version: number): boolean {
    if (this.anchor === 0) return true
    return (
      version - this.anchor >= ANCHOR_INTERVAL_VERSIONS ||
      this.#charactersSinceAnchor >= ANCHOR_INTERVAL_CHARACTERS
    )
  }

  /** Notes an entry, in order of versions. */
  add(version: number, isAnchor: boolean, entryCharacters: number, writtenCharacters: number): void {
    if (isAnchor) {
      this.anchor = version
      this.#charactersSinceAnchor = 0
    }
    this.#charactersSinceAnchor += entryCharacters
    this.#sizes.push(entryCharacters)
    this.#writes.push(writtenCharacters)
    this.#writtenCharacters += writtenCharacters
    this.bytes += entryCharacters
  }

  /** The versions that the next commit trims, oldest first; they count as gone at once. */
  trim(): number[] {
    const versions: number[] = []
    while (
      versions.length < MAX_LOG_TRIM_ENTRIES &&
      this.oldest < this.anchor &&
      this.#writtenCharacters - this.#writes[this.#head]! >= this.#keptBatchCharacters
    ) {
      versions.push(this.#dropOldest())
    }
    return versions
  }

  /** Up to `most` versions before the anchor: what a clean close leaves out, once all is in tables. */
  trimToAnchor(most: number): number[] {
    const versions: number[] = []
    while (versions.length < most && this.oldest < this.anchor) versions.push(this.#dropOldest())
    return versions
  }

  #dropOldest(): number {
    this.bytes -= this.#sizes[this.#head]!
    this.#writtenCharacters -= this.#writes[this.#head]!
    this.#head++
    if (this.#head > 1024 && this.#head * 2 > this.#sizes.length) {
      this.#sizes = this.#sizes.slice(this.#head)
      this.#writes = this.#writes.slice(this.#head)
      this.#head = 0
    }
    return this.oldest++
  }
}
