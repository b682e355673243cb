/**
 * Flights that wait for a time: those of the same time together, in the order in which they came.
 *
 * The time is what the caller says (announced, departed), so that one class keeps both streams in order. Flights
 * crowd on few times, the minutes of a day or two; so a heap orders the times, not the flights.
 */
import type { Flight } from './source.ts'

export class FlightsByTime {
  readonly #timeOf: (flight: Flight) => number
  readonly #flights = new Map<number, Flight[]>()
  /** A binary heap of the keys of the map, the earliest first. */
  readonly #times: number[] = []
  #size = 0

  constructor(timeOf: (flight: Flight) => number) {
    this.#timeOf = timeOf
  }

  get size(): number {
    return this.#size
  }

  /** Infinity when none waits, so that the earlier of two is a `Math.min`. */
  get earliestMs(): number {
    return this.#times[0] ?? Infinity
  }

  push(flight: Flight): void {
    const timeMs = this.#timeOf(flight)
    const sameTime = this.#flights.get(timeMs)
    this.#size++
    if (sameTime) {
      sameTime.push(flight)
      return
    }
    this.#flights.set(timeMs, [flight])
    pushTime(this.#times, timeMs)
  }

  /** All that wait for this time, if it is the earliest; none otherwise. */
  take(timeMs: number): Flight[] {
    if (timeMs !== this.earliestMs) return []
    const flights = this.#flights.get(timeMs)!
    this.#flights.delete(timeMs)
    popTime(this.#times)
    this.#size -= flights.length
    return flights
  }

  /** The first row of all; it looks at every time, and is meant for the rare moment when a position is written. */
  firstRow(): number {
    let row = Infinity
    for (const [first] of this.#flights.values()) row = Math.min(row, first!.row)
    return row
  }
}

function pushTime(times: number[], timeMs: number): void {
  let child = times.length
  times.push(timeMs)
  while (child > 0) {
    const parent = (child - 1) >> 1
    if (times[parent]! <= timeMs) break
    times[child] = times[parent]!
    child = parent
  }
  times[child] = timeMs
}

function popTime(times: number[]): void {
  const last = times.pop()!
  if (times.length === 0) return
  let parent = 0
  for (;;) {
    let child = 2 * parent + 1
    if (child >= times.length) break
    if (child + 1 < times.length && times[child + 1]! < times[child]!) child++
    if (times[child]! >= last) break
    times[parent] = times[child]!
    parent = child
  }
  times[parent] = last
}
