/**
 * The late departures that have been reported, each counted once however often it is.
 *
 * After a restore everything that fired since the checkpoint fires again. A report is therefore no more than
 * "this row is late", and saying it twice changes nothing: at least once, made exactly once by the receiver.
 */
import type { LateDeparture } from './messages.ts'

export class LateDepartures {
  /** Reports of a row that had been reported before. */
  repeats = 0
  count = 0
  distanceMiles = 0
  readonly byHour: number[] = new Array(24).fill(0)
  readonly byOrigin = new Map<string, number>()
  readonly rows: RowSet

  constructor(flights: number) {
    this.rows = new RowSet(flights)
  }

  add({ row, scheduledMs, origin, distanceMiles }: LateDeparture): void {
    if (!this.rows.add(row)) {
      this.repeats++
      return
    }
    this.count++
    this.distanceMiles += distanceMiles
    this.byHour[new Date(scheduledMs).getUTCHours()]!++
    this.byOrigin.set(origin, (this.byOrigin.get(origin) ?? 0) + 1)
  }

  /** The airports with the most of them. */
  topOrigins(limit: number): [airport: string, late: number][] {
    return [...this.byOrigin].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, limit)
  }
}

/** A set of row numbers, one bit each. */
export class RowSet {
  readonly #bits: Uint8Array
  readonly length: number

  constructor(length: number) {
    this.length = length
    this.#bits = new Uint8Array(Math.ceil(length / 8))
  }

  has(row: number): boolean {
    return (this.#bits[row >> 3]! & (1 << (row & 7))) !== 0
  }

  /** True: it was not in the set. */
  add(row: number): boolean {
    if (!(row >= 0 && row < this.length)) throw new RangeError(`no such row: ${row}`)
    const isNew = !this.has(row)
    this.#bits[row >> 3]! |= 1 << (row & 7)
    return isNew
  }
}
