/**
 * Timers of one queue whose `due` entries are to be written in order.
 *
 * - The entries are made while their timers are at hand, and kept as one text for many: millions of small strings would
 *   cost the collector more than all the rest.
 * - Timestamp and index make one number, so that plain numbers are sorted, without a call for each comparison. What
 *   shares a timestamp is put in order afterwards.
 */
import { dueKey, dueValue, orderTextIn } from '../timer/stored.ts'
import { decodeTimestamp, TIMESTAMP_CHARACTERS } from '../timer/text.ts'

/** More than a run and a block have: what an index is below. */
const INDEX_RANGE = 2 ** 21
const FIRST_CAPACITY = 4096
const PLACE_NUMBERS = 4

export class DueRun {
  readonly queue: string
  count = 0
  /** Keys and values, one after the other, of the timers that were added together. */
  readonly #texts: string[] = []
  #timestamps = new Float64Array(FIRST_CAPACITY)
  /** For each timer: its text, and where in it the key begins, the value begins, the value ends. */
  #places = new Uint32Array(FIRST_CAPACITY * PLACE_NUMBERS)
  /** Keeps what was looked at from being left out as useless. */
  #touched = 0

  constructor(queue: string) {
    this.queue = queue
  }

  /** Adds timers of the queue. */
  add(identities: readonly string[], values: readonly string[]): void {
    this.#reserve(identities.length)
    const places = this.#places
    const text = this.#texts.length
    const parts: string[] = []
    let place = this.count * PLACE_NUMBERS
    let at = 0
    for (let i = 0; i < identities.length; i++) {
      const identity = identities[i]!
      const key = dueKey(identity, orderTextIn(values[i]!))
      const value = dueValue(key, identity)
      parts.push(key, value)
      this.#timestamps[this.count++] = decodeTimestamp(identity, identity.length - TIMESTAMP_CHARACTERS)
      places[place] = text
      places[place + 1] = at
      at += key.length
      places[place + 2] = at
      at += value.length
      places[place + 3] = at
      place += PLACE_NUMBERS
    }
    this.#texts.push(parts.join(''))
  }

  key(index: number): string {
    const place = index * PLACE_NUMBERS
    return this.#texts[this.#places[place]!]!.slice(this.#places[place + 1], this.#places[place + 2])
  }

  value(index: number): string {
    const place = index * PLACE_NUMBERS
    return this.#texts[this.#places[place]!]!.slice(this.#places[place + 2], this.#places[place + 3])
  }

  /**
   * Looks at what key and value of some timers are made of, so that the processor has it at hand: it fetches many at once
   * when nothing else is to be done in between, and that halves the time of putting them.
   */
  touch(indexes: Float64Array): void {
    let touched = this.#touched
    for (let i = 0; i < indexes.length; i++) {
      const place = indexes[i]! * PLACE_NUMBERS
      const text = this.#texts[this.#places[place]!]!
      touched ^= text.charCodeAt(this.#places[place + 1]!) ^ text.charCodeAt(this.#places[place + 3]! - 1)
    }
    this.#touched = touched
  }

  /** The indexes of the timers, in the order of their `due` entries. */
  sorted(): Float64Array {
    const timestamps = this.#timestamps.subarray(0, this.count)
    const earliest = timestamps.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
    const latest = timestamps.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
    // Timestamps far apart do not fit: then neighbours share a number, and are told apart afterwards.
    const unitMs = Math.ceil(((latest - earliest + 1) * INDEX_RANGE) / Number.MAX_SAFE_INTEGER)
    const sorted = timestamps.map(
      (timestamp, i) => Math.floor((timestamp - earliest) / unitMs) * INDEX_RANGE + i,
    )
    sorted.sort()
    this.#orderTies(sorted)
    return sorted
  }

  /** Takes the timestamps out of sorted numbers, and orders the indexes that shared one. */
  #orderTies(sorted: Float64Array): void {
    let start = 0
    let last = -1
    for (let i = 0; i < sorted.length; i++) {
      const unit = Math.floor(sorted[i]! / INDEX_RANGE)
      sorted[i]! -= unit * INDEX_RANGE
      if (unit === last) continue
      this.#sortByKey(sorted.subarray(start, i))
      start = i
      last = unit
    }
    this.#sortByKey(sorted.subarray(start))
  }

  #sortByKey(indexes: Float64Array): void {
    if (indexes.length < 2) return
    const keys = Array.from(indexes, (index) => ({ index, key: this.key(index) }))
    // Behind the queue, keys are digits: their order is that of the bytes.
    keys.sort((a, b) => (a.key < b.key ? -1 : 1))
    keys.forEach(({ index }, i) => {
      indexes[i] = index
    })
  }

  #reserve(more: number): void {
    const wanted = this.count + more
    if (wanted <= this.#timestamps.length) return
    const capacity = Math.max(wanted, this.#timestamps.length * 2)
    const timestamps = new Float64Array(capacity)
    timestamps.set(this.#timestamps)
    this.#timestamps = timestamps
    const places = new Uint32Array(capacity * PLACE_NUMBERS)
    places.set(this.#places)
    this.#places = places
  }
}
