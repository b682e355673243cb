/**
 * Flights as a stream of events in time order, one moment (a minute in which something happens) at a time.
 *
 * Every flight is two events: it is *announced* two hours before its scheduled departure, and it has *departed*
 * at its scheduled departure + delay. The file is in the order of scheduled departure, so announcements come in
 * order by themselves; departures do not. What waits in memory is the flights of the next day, and those that
 * have not departed yet: no more of them, however long the file is.
 *
 * The position between two moments is small: the time of the last one, and the first row that still has an event
 * to come. Reading from that row on, and leaving out what is not later than that time, gives exactly the rest.
 */
import { FlightsByTime } from './by-time.ts'
import { type Flight, MINUTE_MS } from './source.ts'

export const ANNOUNCED_BEFORE_MS = 120 * MINUTE_MS
export const LATE_AFTER_MS = 15 * MINUTE_MS
/** How far rows are read ahead of the moment: a flight may depart that much before its schedule, and no more. */
export const LOOK_AHEAD_MS = 24 * 60 * MINUTE_MS

export interface Moment {
  timeMs: number
  /** Both in the order of their rows. Who is announced and departs in the same minute is announced first. */
  announced: Flight[]
  departed: Flight[]
}

/** Between two moments; plain JSON, to be kept with a checkpoint. */
export interface Position {
  timeMs: number
  row: number
}

export const BEGINNING: Position = { timeMs: Number.MIN_SAFE_INTEGER, row: 0 }

export const announcedMs = (flight: Flight): number => flight.scheduledMs - ANNOUNCED_BEFORE_MS
export const departedMs = (flight: Flight): number => flight.departedMs

export class Events {
  readonly #batches: AsyncIterator<Flight[]>
  readonly #toBeAnnounced = new FlightsByTime(announcedMs)
  readonly #toDepart = new FlightsByTime(departedMs)
  #batch: Flight[] = []
  #next = 0
  #nextRow: number
  #timeMs: number
  #scheduledMs = -Infinity

  /** `batches` begin at the row of the position. */
  constructor(batches: AsyncIterable<Flight[]>, from: Position = BEGINNING) {
    this.#batches = batches[Symbol.asyncIterator]()
    this.#timeMs = from.timeMs
    this.#nextRow = from.row
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Moment> {
    for (;;) {
      await this.#readAhead()
      const timeMs = this.#earliestMs()
      if (timeMs === Infinity) return
      this.#timeMs = timeMs
      yield { timeMs, announced: this.#toBeAnnounced.take(timeMs), departed: this.#toDepart.take(timeMs) }
    }
  }

  /** Where to go on after the moment that was handed out last. */
  position(): Position {
    const row = Math.min(this.#toBeAnnounced.firstRow(), this.#toDepart.firstRow(), this.#nextRow)
    return { timeMs: this.#timeMs, row }
  }

  /** How many events wait in memory. */
  get waiting(): number {
    return this.#toBeAnnounced.size + this.#toDepart.size
  }

  #earliestMs(): number {
    return Math.min(this.#toBeAnnounced.earliestMs, this.#toDepart.earliestMs)
  }

  /** Reads until no row that is still to come can have an event at or before the earliest that waits. */
  async #readAhead(): Promise<void> {
    for (;;) {
      if (this.#next === this.#batch.length) {
        const { done, value } = await this.#batches.next()
        if (done) return
        this.#batch = value
        this.#next = 0
        continue
      }
      const flight = this.#batch[this.#next]!
      if (flight.scheduledMs > this.#earliestMs() + LOOK_AHEAD_MS) return
      this.#take(flight)
      this.#next++
      this.#nextRow = flight.row + 1
    }
  }

  #take(flight: Flight): void {
    if (flight.scheduledMs - flight.departedMs > LOOK_AHEAD_MS) {
      throw new RangeError(`row ${flight.row} departs earlier than the look-ahead allows`)
    }
    if (flight.scheduledMs < this.#scheduledMs) {
      throw new RangeError(`row ${flight.row} is not in the order of scheduled departure`)
    }
    this.#scheduledMs = flight.scheduledMs
    if (announcedMs(flight) > this.#timeMs) this.#toBeAnnounced.push(flight)
    if (flight.departedMs > this.#timeMs) this.#toDepart.push(flight)
  }
}
