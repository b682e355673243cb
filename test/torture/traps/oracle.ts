/**
 * What stands after a load, kept in memory beside the store: identities and payloads of one queue, exactly.
 *
 * - Timers come from a pool of numbers: number and timestamp are one identity, and say its key.
 * - What is due is found by timestamp, in the order in which it fires.
 */

/** Keys that the timers of a queue share. */
const KEYS = 4096

export interface LoadTimer {
  key: string
  timestamp: number
  payload: number
}

export function keyOf(number: number): string {
  return `order-${String(number % KEYS).padStart(4, '0')}`
}

/** A timer in one word. */
export function wordOf({ key, timestamp }: { key: string; timestamp: number }): string {
  return `${key}@${timestamp}`
}

export class QueueOracle {
  readonly #payloads = new Map<string, LoadTimer>()
  /** Words of what is live, to choose from at random. */
  readonly #words: string[] = []
  readonly #places = new Map<string, number>()
  readonly #byTimestamp = new Map<number, Set<string>>()

  get count(): number {
    return this.#payloads.size
  }

  has(timer: { key: string; timestamp: number }): boolean {
    return this.#payloads.has(wordOf(timer))
  }

  /** Any live timer; undefined where there is none. */
  any(random: () => number): LoadTimer | undefined {
    const word = this.#words[Math.floor(random() * this.#words.length)]
    return word === undefined ? undefined : this.#payloads.get(word)
  }

  /** Returns whether it is new. */
  put(timer: LoadTimer): boolean {
    const word = wordOf(timer)
    const isNew = !this.#payloads.has(word)
    this.#payloads.set(word, timer)
    if (!isNew) return false
    this.#places.set(word, this.#words.push(word) - 1)
    const due = this.#byTimestamp.get(timer.timestamp)
    if (due === undefined) this.#byTimestamp.set(timer.timestamp, new Set([word]))
    else due.add(word)
    return true
  }

  /** Returns whether it was there. */
  remove(timer: { key: string; timestamp: number }): boolean {
    const word = wordOf(timer)
    if (!this.#payloads.delete(word)) return false
    const place = this.#places.get(word)!
    this.#places.delete(word)
    const last = this.#words.pop()!
    if (last !== word) {
      this.#words[place] = last
      this.#places.set(last, place)
    }
    const due = this.#byTimestamp.get(timer.timestamp)!
    due.delete(word)
    if (due.size === 0) this.#byTimestamp.delete(timer.timestamp)
    return true
  }

  /** How many timers have a timestamp from the first to the last, both included. */
  due(first: number, last: number): number {
    let sum = 0
    for (let timestamp = first; timestamp <= last; timestamp++) {
      sum += this.#byTimestamp.get(timestamp)?.size ?? 0
    }
    return sum
  }

  /** Payloads by word, as they are now. */
  copy(): Map<string, number> {
    return new Map(Array.from(this.#payloads, ([word, { payload }]) => [word, payload]))
  }
}

/** What is not as it should be: timers that came back, are missing, or have another payload; at most a few of each. */
export interface Differences {
  cameBack: string[]
  missing: string[]
  stale: string[]
}

export async function differences(
  expected: ReadonlyMap<string, number>,
  found: AsyncIterable<{ key: unknown; timestamp: number; payload?: unknown }>,
): Promise<Differences | undefined> {
  const left = new Map(expected)
  const told: Differences = { cameBack: [], missing: [], stale: [] }
  for await (const timer of found) {
    const word = wordOf(timer as LoadTimer)
    const payload = left.get(word)
    left.delete(word)
    if (payload === undefined) told.cameBack.push(word)
    else if (payload !== timer.payload) told.stale.push(word)
  }
  told.missing.push(...left.keys())
  return Object.values(told).every((words) => words.length === 0) ? undefined : told
}
