/**
 * Steady traffic of sessions, and a model of what must come of it: each session has a deadline or none; visits move it, and
 * it fires when nobody comes. The number of sessions is what bounds everything that stands.
 *
 * - One half lives in processing time, the other in event time, whose watermark follows the clock.
 * - Every answer is compared with the model at once, and every fire: never early, exactly once, with the newest payload.
 */
import * as assert from 'uvu/assert'
import { z } from 'zod'
import type { TimerService } from '../../../src/index.ts'
import type { ManualClock } from '../../../src/testing.ts'
import type { Store } from '../../support/store.ts'

/** Until a session ends when nobody comes. */
const IDLE_MS = 5000
/** Sessions that do something in one step, all at once. */
const STEP_SESSIONS = 200
export const STEP_MS = 500

interface Payload {
  visits: number
  note: string
}

/** What a session has registered. */
interface Deadline {
  timestamp: number
  visits: number
}

export class Sessions {
  readonly #count: number
  readonly #clock: ManualClock
  readonly #random: () => number
  readonly #deadlines: (Deadline | undefined)[]
  readonly #onFire: (timer: object) => void
  #service!: TimerService<string, string, Payload>
  #visits = 0
  /** Calls that were answered, and timers that fired. */
  operations = 0
  fires = 0
  standing = 0

  constructor(count: number, clock: ManualClock, random: () => number, onFire: (timer: object) => void) {
    this.#count = count
    this.#clock = clock
    this.#random = random
    this.#deadlines = new Array(count)
    this.#onFire = onFire
  }

  async start(store: Store): Promise<void> {
    const definition = {
      payload: z.object({ visits: z.int(), note: z.string() }),
      onEventTime: (timer: Fired) => this.#fired(timer),
      onProcessingTime: (timer: Fired) => this.#fired(timer),
    }
    this.#service = await store.service('sessions', definition)
  }

  #queueOf(session: number) {
    return session % 2 === 0 ? this.#service.processingTime : this.#service.eventTime
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  /** One step: many sessions at once, then time goes on, and what nobody came for fires. */
  async step(): Promise<void> {
    const chosen = new Set<number>()
    while (chosen.size < STEP_SESSIONS) chosen.add(this.#below(this.#count))
    await Promise.all(Array.from(chosen, (session) => this.#act(session)))
    await this.#clock.advanceBy(STEP_MS)
    await this.#service.advanceWatermark(this.#clock.now())
    const { eventTime, processingTime } = this.#service
    assert.is(eventTime.count + processingTime.count, this.standing)
  }

  #act(session: number): Promise<void> {
    const stands = this.#deadlines[session] !== undefined
    const chance = this.#random()
    if (!stands || chance < 0.1) return this.#register(session)
    if (chance < 0.6) return this.#move(session)
    if (chance < 0.75) return this.#note(session)
    if (chance < 0.9) return this.#replace(session)
    return this.#leave(session)
  }

  #next(): Deadline {
    return { timestamp: this.#clock.now() + IDLE_MS + this.#below(IDLE_MS), visits: ++this.#visits }
  }

  /** A first visit, or one that finds the session as it was. */
  async #register(session: number): Promise<void> {
    if (this.#deadlines[session] === undefined) return this.#add(session, this.#next())
    const answer = await this.#queueOf(session).register(timerOf(session, this.#deadlines[session]))
    this.operations++
    assert.is(answer, false)
  }

  async #add(session: number, deadline: Deadline): Promise<void> {
    this.#deadlines[session] = deadline
    this.standing++
    const answer = await this.#queueOf(session).register(timerOf(session, deadline))
    this.operations++
    assert.is(answer, true)
  }

  /** As Flink's session windows do it: the old one is deleted, a new one registered. */
  async #move(session: number): Promise<void> {
    const { timestamp } = this.#deadlines[session]!
    this.#deadlines[session] = undefined
    this.standing--
    const deleted = this.#queueOf(session).delete({ key: keyOf(session), timestamp })
    const added = this.#add(session, this.#next())
    assert.is(await deleted, true)
    this.operations++
    await added
  }

  /** Another payload, the same deadline. */
  async #note(session: number): Promise<void> {
    const deadline = { ...this.#deadlines[session]!, visits: ++this.#visits }
    this.#deadlines[session] = deadline
    assert.is(await this.#queueOf(session).register(timerOf(session, deadline)), false)
    this.operations++
  }

  async #replace(session: number): Promise<void> {
    const { timestamp } = this.#deadlines[session]!
    const deadline = this.#next()
    this.#deadlines[session] = deadline
    const replaced = await this.#queueOf(session).replace(timerOf(session, deadline))
    this.operations++
    assert.equal(replaced, deadline.timestamp === timestamp ? [] : [timestamp])
  }

  async #leave(session: number): Promise<void> {
    this.#deadlines[session] = undefined
    this.standing--
    assert.is(await this.#queueOf(session).deleteAll({ key: keyOf(session) }), 1)
    this.operations++
  }

  #fired(timer: Fired): void {
    const session = Number(timer.key.slice(1))
    const deadline = this.#deadlines[session]
    if (timer.timestamp > this.#clock.now()) throw new Error(`session ${session} ended early`)
    if (deadline?.timestamp !== timer.timestamp || deadline.visits !== timer.payload.visits) {
      throw new Error(`session ${session} ended at ${timer.timestamp}, not at ${deadline?.timestamp}`)
    }
    this.#deadlines[session] = undefined
    this.standing--
    this.fires++
    this.#onFire(timer)
  }

  /** Fails unless what a snapshot holds is what stood when it was taken. */
  async checkAll(
    timers: AsyncIterable<{ key: unknown; timestamp: number; payload?: unknown }>,
  ): Promise<void> {
    let count = 0
    for await (const { key, timestamp, payload } of timers) {
      const deadline = this.#deadlines[Number((key as string).slice(1))]
      assert.is(timestamp, deadline?.timestamp)
      assert.is((payload as { visits: number }).visits, deadline?.visits)
      count++
    }
    assert.is(count, this.standing)
  }
}

interface Fired {
  key: string
  timestamp: number
  payload: Payload
}

function keyOf(session: number): string {
  return `s${session}`
}

function timerOf(session: number, { timestamp, visits }: Deadline) {
  return { key: keyOf(session), timestamp, payload: { visits, note: 'n'.repeat(visits % 60) } }
}
