/**
 * What was asked for and what fired: timers are numbered, and what each is follows from its number, so that the ledger
 * of ten million takes ten megabytes.
 *
 * - In its queue a timer fires in order of timestamp, and where that is equal in the order of their numbers, in which
 *   they are registered.
 */
import * as assert from 'uvu/assert'

export interface LoadTimer {
  key: string
  timestamp: number
}

export class Ledger {
  readonly #timestampOf: (number: number) => number
  readonly #fired: Uint8Array
  #lastNumber = -1
  #lastTimestamp = Number.NEGATIVE_INFINITY
  fired = 0

  constructor(timers: number, timestampOf: (number: number) => number) {
    this.#timestampOf = timestampOf
    this.#fired = new Uint8Array(timers)
  }

  timer(number: number): LoadTimer {
    return { key: String(number), timestamp: this.#timestampOf(number) }
  }

  /** The timers of a range of numbers, `to` excluded. */
  timers(from: number, to: number): LoadTimer[] {
    return Array.from({ length: Math.max(0, to - from) }, (_, i) => this.timer(from + i))
  }

  /** Notes that a timer fires, while it is `now` in its time. */
  note({ key, timestamp }: LoadTimer, now: number): void {
    const number = Number(key)
    if (timestamp > now) throw wrong(number, `fired early: at ${now}, not at ${timestamp}`)
    if (timestamp !== this.#timestampOf(number)) throw wrong(number, `fired for ${timestamp}`)
    if (this.#fired[number] !== 0) throw wrong(number, 'fired twice')
    const inOrder =
      timestamp > this.#lastTimestamp || (timestamp === this.#lastTimestamp && number > this.#lastNumber)
    if (!inOrder)
      throw wrong(number, `(${timestamp}) after timer ${this.#lastNumber} (${this.#lastTimestamp})`)
    this.#fired[number] = 1
    this.#lastNumber = number
    this.#lastTimestamp = timestamp
    this.fired++
  }

  /** A later pass may begin earlier: what was registered since comes before what has fired. */
  beginPass(): void {
    this.#lastNumber = -1
    this.#lastTimestamp = Number.NEGATIVE_INFINITY
  }

  /** Fails unless exactly those timers have fired of which `isDue` says so. */
  check(isDue: (number: number) => boolean = () => true): void {
    for (let number = 0; number < this.#fired.length; number++) {
      if ((this.#fired[number] === 1) === isDue(number)) continue
      assert.unreachable(
        `timer ${number} at ${this.#timestampOf(number)} has${isDue(number) ? ' not' : ''} fired`,
      )
    }
  }
}

function wrong(number: number, message: string): Error {
  return new Error(`timer ${number} ${message}`)
}

/** A whole number from 0 to below 2^32 for each number, and each seed: the same whenever it is asked. */
export function mixed(number: number, seed: number): number {
  let mixed = (number ^ Math.imul(seed, 0x9e3779b1)) | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
