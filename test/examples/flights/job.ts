/**
 * The job: a stream of flights in, late departures out, and the store's timers between them.
 *
 * An announced flight registers an event-time timer at its scheduled departure + 15 minutes, a departure deletes
 * it, and the watermark follows the stream: a timer that fires is a late departure.
 *
 * - The watermark goes to t − 1 ms *before* the events of the moment t are handled. So a departure exactly
 *   15 minutes late deletes its timer in time, and one 16 minutes late comes too late for it, even when nothing
 *   at all happened in the minute between.
 * - Calls are not awaited one by one. They take effect in the order in which they are made; at the next moment
 *   their answers are awaited together, so the calls of one moment are the most that is in flight.
 * - A flight may depart before it is announced. Then there is nothing to be late, and its announcement is
 *   skipped: those rows are the job's only state beside the timers, and go into the checkpoint's metadata.
 * - Checkpoints are taken by a schedule, at any moment of the stream, also in the middle of a drain. Their metadata is
 *   where the stream stood when the events of its last moment had been handled: going on from there repeats nothing.
 */
import { z } from 'zod'
import { TimerStore } from '../../../src/index.ts'
import { announcedMs, Events, LATE_AFTER_MS, type Moment } from './events.ts'
import type { CheckpointTaken, Cut, JobOptions, LateDeparture, Tally } from './messages.ts'
import { NOTHING, sum } from './messages.ts'
import { ReportWriter } from './reports.ts'
import { type Flight, readFlights } from './source.ts'

const CHECKPOINT_INTERVAL_MS = 200
const CHECKPOINTS_RETAINED = 2

export interface JobListener {
  moment(state: JobState): void
  end(state: JobState): void
  checkpoint(taken: CheckpointTaken): void
}

export interface JobState {
  timeMs: number
  events: number
  timers: number
  tally: Tally
}

/** Runs the stream to its end, and resolves to the number of timers left: none, if all is well. */
export async function watchDepartures(options: JobOptions, listener: JobListener): Promise<number> {
  const store = await TimerStore.open(options.location, { durability: options.durability })
  const reports = new ReportWriter(options.reports)
  const pending = await new DepartureWatch(store, options, listener, reports).run()
  await store.close()
  reports.close()
  return pending
}

const openDepartures = (store: TimerStore, late: (departure: LateDeparture) => void) =>
  store.service('departures', {
    key: z.tuple([z.string(), z.string(), z.int()]),
    payload: z.object({ distanceMiles: z.int() }),
    onEventTime: async ({ key: [origin, , row], timestamp, payload }) =>
      late({ row, scheduledMs: timestamp - LATE_AFTER_MS, origin, distanceMiles: payload.distanceMiles }),
  })

type Departures = Awaited<ReturnType<typeof openDepartures>>

const timerOf = (flight: Flight) => ({
  key: [flight.origin, flight.destination, flight.row] as [string, string, number],
  timestamp: flight.scheduledMs + LATE_AFTER_MS,
})

class DepartureWatch {
  readonly #store: TimerStore
  readonly #options: JobOptions
  readonly #listener: JobListener
  readonly #events: Events
  readonly #departedUnannounced: Set<number>
  #handled: number
  #tally = NOTHING
  #answers = Promise.resolve(NOTHING)
  readonly #reports: ReportWriter
  #position: Cut['position']
  #called: Pick<Cut, 'registers' | 'skipped'>
  #checkpoints = 0
  #checkpointError: Error | undefined

  constructor(store: TimerStore, options: JobOptions, listener: JobListener, reports: ReportWriter) {
    const { from, flights } = options
    this.#reports = reports
    this.#position = from.position
    this.#called = { registers: from.registers, skipped: from.skipped }
    this.#store = store
    this.#options = options
    this.#listener = listener
    this.#events = new Events(readFlights(from.position.row, flights), from.position)
    this.#departedUnannounced = new Set(from.departedUnannounced)
    this.#handled = from.events
  }

  async run(): Promise<number> {
    const departures = await openDepartures(this.#store, (departure) => {
      this.#reports.add(departure)
      this.#tally = { ...this.#tally, fired: this.#tally.fired + 1 }
    })
    const state = (): JobState => {
      return { timeMs, events: this.#handled, timers: departures.eventTime.count, tally: this.#tally }
    }
    await this.#startCheckpoints()
    let timeMs = this.#options.from.position.timeMs
    for await (const moment of this.#events) {
      timeMs = moment.timeMs
      await this.#advanceWatermark(departures, timeMs - 1)
      this.#handle(departures, moment)
      this.#listener.moment(state())
      if (this.#checkpointError !== undefined) break
    }
    await this.#advanceWatermark(departures, timeMs)
    while (this.#checkpoints < this.#options.checkpointsAtLeast) await this.#store.checkpoints.trigger()
    await this.#store.checkpoints.stop()
    if (this.#checkpointError !== undefined) throw this.#checkpointError
    this.#listener.end(state())
    return departures.eventTime.count
  }

  async #advanceWatermark(departures: Departures, timestamp: number): Promise<void> {
    await departures.advanceWatermark(timestamp)
    const answers = await this.#answers
    this.#tally = sum(this.#tally, answers)
    this.#answers = Promise.resolve(NOTHING)
  }

  #handle({ eventTime }: Departures, { announced, departed }: Moment): void {
    const registers: Promise<boolean>[] = []
    const deletes: Promise<boolean>[] = []
    let skipped = 0
    for (const flight of announced) {
      const payload = { distanceMiles: flight.distanceMiles }
      if (this.#departedUnannounced.delete(flight.row)) skipped++
      else registers.push(eventTime.register({ ...timerOf(flight), payload }))
    }
    for (const flight of departed) {
      if (flight.departedMs < announcedMs(flight)) this.#departedUnannounced.add(flight.row)
      else deletes.push(eventTime.delete(timerOf(flight)))
    }
    this.#handled += announced.length + departed.length
    this.#called.registers += registers.length
    this.#called.skipped += skipped
    this.#position = this.#events.position()
    this.#answers = awaitedLater(tallyOf(registers, deletes, skipped))
  }

  async #startCheckpoints(): Promise<void> {
    const { checkpoints } = this.#store
    checkpoints.on('completed', ({ kind, timers, bytes, pauseMs, durationMs }) => {
      this.#checkpoints++
      this.#listener.checkpoint({ kind, timers, bytes, pauseMs, durationMs })
    })
    this.#store.on('error', (error) => {
      this.#checkpointError ??= error
    })
    await checkpoints.start({
      directory: this.#options.checkpoints,
      intervalMs: CHECKPOINT_INTERVAL_MS,
      retain: CHECKPOINTS_RETAINED,
      incremental: true,
      metadata: () => this.#cut(),
    })
  }

  /** Called when a checkpoint is cut: between two turns of the event loop, so that all of it is of one moment. */
  #cut(): Cut {
    this.#reports.flush()
    return {
      position: this.#position,
      departedUnannounced: [...this.#departedUnannounced],
      events: this.#handled,
      ...this.#called,
    }
  }
}

/** The answers of one moment's calls, counted when all are there. */
async function tallyOf(
  registers: Promise<boolean>[],
  deletes: Promise<boolean>[],
  skipped: number,
): Promise<Tally> {
  const [registered, deleted] = await Promise.all([Promise.all(registers), Promise.all(deletes)])
  return {
    registers: registers.length,
    registered: registered.filter(Boolean).length,
    deletes: deletes.length,
    deleted: deleted.filter(Boolean).length,
    fired: 0,
    skipped,
  }
}

/** Someone awaits it at a later moment; until then its rejection is not an unhandled one. */
function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
