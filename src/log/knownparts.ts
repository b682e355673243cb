/**
 * What a table of recent timers knows all of: prefixes (a queue, a key, a key and namespace) behind which nothing stands in
 * older tables or the key spaces that it, or a newer one, does not tell of.
 *
 * - Whoever looks behind one of them need not look there: LevelDB may have much that was deleted to walk over.
 */
import { NOTHING_STORED, type QueueState } from './state.ts'

/** What a prefix takes in memory besides its text, about. */
const PREFIX_BYTES = 64

export class KnownParts {
  readonly #prefixes = new Set<string>()
  readonly #queues = new Set<string>()
  /** Of each queue that is known: the highest timestamp that was put in the spaces since. */
  readonly #putHighs = new Map<QueueState, number>()
  #bytes = 0

  /** About what it takes in memory. */
  get bytes(): number {
    return this.#bytes
  }

  /** Notes that the newest commit changed all that stood behind a prefix. */
  add(prefix: string): void {
    if (this.#prefixes.has(prefix)) return
    this.#prefixes.add(prefix)
    this.#bytes += PREFIX_BYTES + prefix.length
  }

  /** Notes that a queue has no timers now. */
  addEmpty(queue: QueueState): void {
    this.#queues.add(queue.prefix)
    this.#putHighs.set(queue, NOTHING_STORED)
  }

  /** Whether all that stands behind a prefix of a key, or of a key and namespace, is known; not by its queue. */
  has(prefix: string): boolean {
    return this.#prefixes.size > 0 && this.#prefixes.has(prefix)
  }

  /** Whether all that stands in a queue is known. */
  hasQueue(prefix: string): boolean {
    return this.#queues.size > 0 && this.#queues.has(prefix)
  }

  /** Notes that a timer is put in the spaces. */
  put(queue: QueueState, timestamp: number): void {
    if (timestamp > queue.storedHigh) queue.storedHigh = timestamp
    if (this.#putHighs.size === 0) return
    const high = this.#putHighs.get(queue)
    if (high !== undefined && timestamp > high) this.#putHighs.set(queue, timestamp)
  }

  /** Notes that all that was put is in the spaces, and nothing that is newer: queues that are known have no more there. */
  spilledLast(): void {
    for (const [queue, high] of this.#putHighs) queue.storedHigh = high
  }

  clear(): void {
    this.#prefixes.clear()
    this.#queues.clear()
    this.#putHighs.clear()
    this.#bytes = 0
  }
}
