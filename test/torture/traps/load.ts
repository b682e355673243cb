/**
 * The load of finding 1, on a store: tens of thousands of timers that are registered, registered again, changed, deleted and
 * fired at random, in tables of one MiB, while checkpoints are written one after the other, snapshots are held, and timers
 * are looked up and listed (what reads makes LevelDB merge single tables). An oracle beside it knows what stands.
 *
 * - Two queues: one whose identities come and go and come again, and one whose timers are fired by the watermark.
 * - Everything is compared with the oracle: each answer, each count, each snapshot, each checkpoint's count, and now and
 *   then all timers and `verify()`. The first difference ends the load.
 * - As a control, a LevelDB snapshot is held beside the store, which Tidemark itself never does: then keys come back.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { z } from 'zod'
import { type TimerService, TimerStore } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing.ts'
import { randomFrom } from '../../support/random-generator.ts'
import { all, withDirectory } from '../../support/store.ts'
import { differences, keyOf, type LoadTimer, QueueOracle, wordOf } from './oracle.ts'

const MIB = 1024 * 1024
/** Small tables: the smaller they are, the more often the versions of one key are parted. */
const ENGINE = { cacheBytes: MIB, writeBufferBytes: MIB, maxFileBytes: MIB }
/** Identities of the queue in which they come and go. */
const POOL = 50_000
const FAR = 1_000_000_000
/** Steps of one round, of each kind. */
const TOGGLES = 1400
const ARRIVALS = 1000
const CANCELLED = 300
const LOOKED_UP = 60
/** How far ahead timers are registered that fire, and how far the watermark goes in a round. */
const HORIZON = 3000
const STRIDE = 100
const ROUNDS_PER_SNAPSHOT = 25
const ROUNDS_PER_COMPARISON = 60
const CHECKPOINTS_PER_DIRECTORY = 8

/** What is not as the oracle has it: how the load ends where a timer came back. */
export class Divergence extends Error {
  /** What noticed it, in words. */
  readonly found: string

  constructor(found: string, message: string) {
    super(`${found}: ${message}`)
    this.found = found
  }
}

export interface LoadReport {
  operations: number
  fired: number
  checkpoints: number
  incremental: number
  snapshots: number
  comparisons: number
  live: number
}

export interface LoadOptions {
  seed: number
  operations: number
  /** Whether a LevelDB snapshot is held beside the store. */
  holdsLevelSnapshot?: boolean
  /** Hears how far it came. */
  progress?: { operations: number }
}

type Store = Awaited<ReturnType<typeof TimerStore.open>>
const payload = z.int()
type Service = TimerService<string, string, number>

function openService(store: Store, load: Load): Promise<Service> {
  return store.service('orders', {
    payload,
    onEventTime: (timer, { eventTime }) => load.onFired(timer, eventTime),
  })
}

function expect(holds: boolean, found: string, what: () => string): void {
  if (!holds) throw new Divergence(found, what())
}

export function runLoad(options: LoadOptions): Promise<LoadReport> {
  return withDirectory(async (parent) => {
    const load = new Load(options, parent)
    return load.run()
  })
}

class Load {
  readonly #options: LoadOptions
  readonly #parent: string
  readonly #random: () => number
  readonly #event = new QueueOracle()
  readonly #pool = new QueueOracle()
  readonly #report: LoadReport = {
    operations: 0,
    fired: 0,
    checkpoints: 0,
    incremental: 0,
    snapshots: 0,
    comparisons: 0,
    live: 0,
  }
  #watermark = 0
  #payload = 0
  #arrived = 0
  #unexpected: string | undefined
  #service!: Service
  #store!: Store
  #checkpoint: Promise<void> | undefined
  #isWriting = false
  #lastCheckpoint: { path: string; event: Map<string, number>; pool: Map<string, number> } | undefined
  #held: { snapshot: Awaited<ReturnType<Store['snapshot']>>; event: Map<string, number> } | undefined

  constructor(options: LoadOptions, parent: string) {
    this.#options = options
    this.#parent = parent
    this.#random = randomFrom(options.seed)
  }

  async run(): Promise<LoadReport> {
    const location = join(this.#parent, 'store')
    const options = { durability: 'os', clock: new ManualClock(0), engine: ENGINE } as const
    this.#store = await TimerStore.open(location, options)
    const beside = this.#options.holdsLevelSnapshot ? await holdSnapshots(location) : undefined
    try {
      this.#store.on('error', (error) => {
        this.#unexpected ??= error.message
      })
      this.#service = await openService(this.#store, this)
      for (let round = 0; this.#report.operations < this.#options.operations; round++) {
        await this.#round(round)
        if (this.#options.progress) this.#options.progress.operations = this.#report.operations
        if (round % ROUNDS_PER_SNAPSHOT === 0) await beside?.roll()
      }
      await this.#endOfLoad()
    } finally {
      await this.#checkpoint?.catch(() => {})
      await this.#held?.snapshot.release()
      await beside?.close()
      await this.#store.close()
    }
    // What was in memory is read from disk again.
    this.#store = await TimerStore.open(location, options)
    try {
      this.#service = await openService(this.#store, this)
      await this.#compareAll()
    } finally {
      await this.#store.close()
    }
    await this.#compareRestored()
    return this.#report
  }

  /** The handler: what is fired must stand, and a tenth is registered again, further ahead. */
  async onFired(timer: LoadTimer, queue: { register(timer: LoadTimer): Promise<boolean> }): Promise<void> {
    this.#report.fired++
    this.#report.operations++
    if (!this.#event.remove(timer)) this.#unexpected ??= `${wordOf(timer)} came back, and fired`
    if (this.#random() >= 0.1) return
    const again = { ...timer, timestamp: timer.timestamp + HORIZON, payload: ++this.#payload }
    const isNew = this.#event.put(again)
    this.#report.operations++
    const answer = await queue.register(again)
    if (answer !== isNew) this.#unexpected ??= `registering ${wordOf(again)} in a handler said ${answer}`
  }

  async #round(round: number): Promise<void> {
    await this.#beginCheckpoint()
    if (round % ROUNDS_PER_SNAPSHOT === 0) await this.#rollSnapshot()
    await Promise.all([this.#toggle(), this.#arrive(), this.#cancel()])
    this.#watermark += STRIDE
    const due = this.#event.due(this.#watermark - STRIDE, this.#watermark)
    const { fired } = await this.#service.advanceWatermark(this.#watermark)
    expect(
      fired === due,
      'the number of fired timers',
      () => `${fired} fired up to ${this.#watermark}, and ${due} were due`,
    )
    await this.#lookUp()
    const { eventTime, processingTime } = this.#service
    expect(
      eventTime.count === this.#event.count,
      'a count',
      () => `count ${eventTime.count}, not ${this.#event.count}`,
    )
    expect(
      processingTime.count === this.#pool.count,
      'a count',
      () => `count ${processingTime.count}, not ${this.#pool.count}`,
    )
    expect(this.#unexpected === undefined, 'a handler or an error event', () => this.#unexpected!)
    if (round % ROUNDS_PER_COMPARISON === ROUNDS_PER_COMPARISON - 1) await this.#compareAll()
  }

  /** Of random identities: those that are there go or change, the others come. */
  async #toggle(): Promise<void> {
    const { processingTime } = this.#service
    const chosen = new Set<number>()
    while (chosen.size < TOGGLES) chosen.add(Math.floor(this.#random() * POOL))
    const coming: LoadTimer[] = []
    const going: LoadTimer[] = []
    let fresh = 0
    for (const number of chosen) {
      const timer = { key: keyOf(number), timestamp: FAR + number, payload: ++this.#payload }
      if (this.#pool.has(timer) && this.#random() < 0.7) {
        this.#pool.remove(timer)
        going.push(timer)
      } else {
        if (this.#pool.put(timer)) fresh++
        coming.push(timer)
      }
    }
    this.#report.operations += chosen.size
    const registered = processingTime.registerMany(coming)
    const deleted = going.map((timer) => processingTime.delete(timer))
    expect((await registered) === fresh, 'an answer', () => `registerMany did not say ${fresh}`)
    for (const [i, was] of (await Promise.all(deleted)).entries())
      expect(was, 'an answer', () => `${wordOf(going[i]!)} was gone before it was deleted`)
  }

  async #arrive(): Promise<void> {
    const coming: LoadTimer[] = []
    for (let i = 0; i < ARRIVALS; i++) {
      const timestamp = this.#watermark + 1 + STRIDE + Math.floor(this.#random() * HORIZON)
      coming.push({ key: keyOf(this.#arrived++), timestamp, payload: ++this.#payload })
    }
    const fresh = coming.filter((timer) => this.#event.put(timer)).length
    this.#report.operations += ARRIVALS
    const said = await this.#service.eventTime.registerMany(coming)
    expect(said === fresh, 'an answer', () => `registerMany said ${said}, not ${fresh}`)
  }

  async #cancel(): Promise<void> {
    const deleted: Promise<boolean>[] = []
    for (let i = 0; i < CANCELLED; i++) {
      const timer = this.#event.any(this.#random)
      if (timer === undefined) continue
      this.#event.remove(timer)
      this.#report.operations++
      deleted.push(this.#service.eventTime.delete(timer))
    }
    expect(
      (await Promise.all(deleted)).every(Boolean),
      'an answer',
      () => 'a timer was gone before it was deleted',
    )
  }

  /** Single reads, of what is there and of what is not, and the list of a key. */
  async #lookUp(): Promise<void> {
    const { eventTime, processingTime } = this.#service
    const asked = Array.from({ length: LOOKED_UP }, () => Math.floor(this.#random() * POOL))
    const timers = asked.map((number) => ({ key: keyOf(number), timestamp: FAR + number }))
    const answers = await Promise.all(timers.map((timer) => processingTime.has(timer)))
    for (const [i, answer] of answers.entries())
      expect(
        answer === this.#pool.has(timers[i]!),
        'an answer',
        () => `has(${wordOf(timers[i]!)}) said ${answer}`,
      )
    const from = this.#watermark + Math.floor(this.#random() * HORIZON)
    for (const { timestamp, key } of await all(eventTime.list({ from, limit: 500 })))
      expect(this.#event.has({ key, timestamp }), 'a list', () => `${wordOf({ key, timestamp })} came back`)
    for (const { timestamp, key } of await all(processingTime.list({ key: keyOf(from) })))
      expect(this.#pool.has({ key, timestamp }), 'a list', () => `${wordOf({ key, timestamp })} came back`)
  }

  /** Begins the next checkpoint as soon as one has ended: there is always one under way. */
  async #beginCheckpoint(): Promise<void> {
    if (this.#isWriting) return
    await this.#checkpoint
    const number = this.#report.checkpoints
    const series = Math.floor(number / CHECKPOINTS_PER_DIRECTORY)
    const directory = join(this.#parent, `checkpoints-${series}`)
    if (number % CHECKPOINTS_PER_DIRECTORY === 0) {
      const old = join(this.#parent, `checkpoints-${series - 2}`)
      await fs.promises.rm(old, { recursive: true, force: true })
    }
    const [event, pool] = [this.#event.copy(), this.#pool.copy()]
    const incremental = number % 2 === 1
    this.#isWriting = true
    this.#checkpoint = this.#store
      .checkpoint(directory, { incremental })
      .then(({ path, kind, timers }) => {
        const expected = event.size + pool.size
        expect(
          timers === expected,
          "a checkpoint's count",
          () => `${path} has ${timers} timers, not ${expected}`,
        )
        this.#report.checkpoints++
        if (kind === 'incremental') this.#report.incremental++
        this.#lastCheckpoint = { path, event, pool }
      })
      .finally(() => {
        this.#isWriting = false
      })
    this.#checkpoint.catch(() => {})
  }

  /** Reads the snapshot that was held since many rounds, and takes the next. */
  async #rollSnapshot(): Promise<void> {
    if (this.#held !== undefined) {
      const { snapshot, event } = this.#held
      const found = await differences(event, snapshot.timers({ domain: 'eventTime' }) as never)
      expect(found === undefined, 'a snapshot', () => told(found))
      await snapshot.release()
      this.#report.snapshots++
    }
    this.#held = { snapshot: await this.#store.snapshot(), event: this.#event.copy() }
  }

  async #compareAll(): Promise<void> {
    const { eventTime, processingTime } = this.#service
    for (const [queue, oracle] of [
      [eventTime, this.#event],
      [processingTime, this.#pool],
    ] as const) {
      const found = await differences(oracle.copy(), queue.list())
      expect(found === undefined, 'a list of all', () => told(found))
    }
    const findings = await this.#store.verify()
    expect(findings.length === 0, 'verify()', () => JSON.stringify(findings.slice(0, 3)))
    this.#report.comparisons++
  }

  async #endOfLoad(): Promise<void> {
    await this.#checkpoint
    await this.#beginCheckpoint()
    await this.#checkpoint
    await this.#rollSnapshot()
    await this.#compareAll()
    this.#report.live = this.#event.count + this.#pool.count
  }

  /** The last checkpoint, as a store. */
  async #compareRestored(): Promise<void> {
    const { path, event, pool } = this.#lastCheckpoint!
    const location = join(this.#parent, 'restored')
    await TimerStore.restore(path, location)
    const store = await TimerStore.open(location, { durability: 'os', clock: new ManualClock(0) })
    try {
      const { eventTime, processingTime } = await store.service('orders', { payload })
      for (const [queue, expected] of [
        [eventTime, event],
        [processingTime, pool],
      ] as const) {
        const found = await differences(expected, queue.list())
        expect(found === undefined, 'a restored checkpoint', () => told(found))
      }
    } finally {
      await store.close()
    }
  }
}

function told(found: Awaited<ReturnType<typeof differences>>): string {
  const parts = Object.entries(found!).map(([what, words]) => `${words.length} ${what} ${words.slice(0, 3)}`)
  return parts.join('; ')
}

/** Holds one LevelDB snapshot after the other on the store's own database, as a checkpoint of another design would. */
async function holdSnapshots(location: string) {
  const level = new ClassicLevel(await fs.promises.realpath(location), { multithreading: true })
  await level.open()
  let snapshot = level.snapshot()
  return {
    roll: async () => {
      await snapshot.close()
      snapshot = level.snapshot()
    },
    close: async () => {
      await snapshot.close()
      await level.close()
    },
  }
}
