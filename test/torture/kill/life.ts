/**
 * The load of a process that is killed: it opens its store, and does everything at once that a service may do, again and
 * again, until it dies.
 *
 * - Calls are made from the event loop's own turns, so that nothing comes between a line of the ledger and what it tells.
 * - What goes on side by side: calls, watermarks, the clock, checkpoints, snapshots, restores, compactions. What is done
 *   most is the focus of the life.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { CheckpointClient } from '../../../src/checkpoint/client.ts'
import { TimerStore } from '../../../src/index.ts'
import { type Platform, systemPlatform } from '../../../src/platform.ts'
import { ManualClock } from '../../../src/testing.ts'
import { randomFrom } from '../../support/random-generator.ts'
import { CHANGING, definitionOf, type Form, plannedOf, STEADY } from './definitions.ts'
import type { Domain, LedgerWriter } from './ledger.ts'
import { Load } from './load.ts'
import type { Focus, Order } from './order.ts'
import { type Queues, Reactions, type Service, type Store } from './pen.ts'
import { watchedEngine } from './watchedengine.ts'

/** A life that does not die ends after this time. */
const LONGEST_MS = 8000
const ENOUGH_TIMERS = 250
const CLOSED = ['TIDEMARK_CLOSED', 'TIDEMARK_CHECKPOINT_ABORTED']

/** Rounds of calls between opening and closing, and how often in a hundred rounds else is done what. */
interface Habits {
  rounds: number
  checkpoints: number
  snapshots: number
  restores: number
  compactions: number
}

const habitsOf: Record<Focus, Habits> = {
  mixed: { rounds: 120, checkpoints: 8, snapshots: 8, restores: 1, compactions: 0.5 },
  opening: { rounds: 4, checkpoints: 20, snapshots: 10, restores: 0, compactions: 0 },
  commits: { rounds: 300, checkpoints: 0, snapshots: 2, restores: 0, compactions: 0 },
  checkpoints: { rounds: 150, checkpoints: 100, snapshots: 0, restores: 0, compactions: 0 },
  purges: { rounds: 100, checkpoints: 2, snapshots: 60, restores: 0, compactions: 0 },
  compaction: { rounds: 60, checkpoints: 4, snapshots: 4, restores: 0, compactions: 50 },
  restores: { rounds: 60, checkpoints: 20, snapshots: 0, restores: 100, compactions: 0 },
  migrations: { rounds: 6, checkpoints: 10, snapshots: 10, restores: 0, compactions: 0 },
}

export class Life {
  readonly #order: Order
  readonly #ledger: LedgerWriter
  readonly #random: () => number
  readonly #clock: ManualClock
  readonly #platform: Platform
  readonly #habits: Habits
  readonly #bornMs = performance.now()
  #form: Form
  #restores = 0

  constructor(order: Order, ledger: LedgerWriter) {
    this.#order = order
    this.#ledger = ledger
    this.#random = randomFrom(order.seed)
    this.#clock = new ManualClock(order.nowMs)
    this.#form = order.form
    this.#habits = habitsOf[order.focus]
    this.#platform = {
      ...systemPlatform,
      openEngine: watchedEngine(order.log),
      checkpointWriters: (realPath, sizes) =>
        new CheckpointClient(realPath, sizes, new URL('./checkpoint-worker.js', import.meta.url)),
    }
  }

  async run(): Promise<void> {
    while (performance.now() - this.#bornMs < LONGEST_MS) await this.#sit()
  }

  /** From opening to closing. */
  async #sit(): Promise<void> {
    const store = await this.#open()
    if (store === undefined) return
    const reactions = new Reactions(this.#ledger, () => isFull(store))
    const services = [
      await this.#start(store, STEADY, reactions),
      await this.#startChanging(store, reactions),
    ]
    const { checkpoints } = this.#order
    await this.#ledger.call({ kind: 'start' }, () =>
      store.checkpoints.start({
        directory: checkpoints,
        intervalMs: 200,
        incremental: true,
        maxLinks: 3,
        retain: 2,
        metadata: this.#mark,
      }),
    )
    const started = services.filter((service) => service !== undefined)
    const load = new Load(this.#ledger, store, started, this.#clock, this.#random, this.#order.life)
    load.form = this.#form
    if (this.#order.many > 0) await load.fill(CHANGING, this.#order.many)
    await this.#live(store, load)
    load.end()
    if (this.#random() < 0.5) await load.rest()
    await this.#ledger.call({ kind: 'close' }, () => store.close())
    await load.rest()
    if (this.#order.focus === 'migrations' || this.#random() < 0.5) this.#form = this.#form === 0 ? 1 : 0
  }

  async #open(): Promise<Store | undefined> {
    const { store: location, durability, writeBufferBytes } = this.#order
    const store = await this.#ledger.call({ kind: 'open' }, () =>
      TimerStore.openOn(this.#platform, location, {
        durability,
        clock: this.#clock,
        maxParallelism: 8,
        engine: { writeBufferBytes, maxFileBytes: 1024 * 1024, cacheBytes: 1024 * 1024 },
      }),
    )
    store?.on('error', (error) => {
      if (error.code === 'TIDEMARK_HANDLER_FAILED') return
      this.#ledger.write({ is: 'wrong', message: error.stack ?? error.message })
    })
    store?.checkpoints.on('completed', ({ path, version }) =>
      this.#ledger.write({ is: 'completed', path, version }),
    )
    return store
  }

  async #start(store: Store, name: string, reactions: Reactions): Promise<Service | undefined> {
    const form = this.#form
    const handler = (domain: Domain) => (timer: object, context: object) => {
      const planned = plannedOf({ service: name, domain, ...timer } as never)
      return reactions.handle(planned, context as Queues, form)
    }
    const definition = {
      ...definitionOf(name, form),
      onEventTime: handler('eventTime'),
      onProcessingTime: handler('processingTime'),
    }
    const inOrder = ['TIDEMARK_SERVICE_MISMATCH']
    const answer = () => undefined
    const started = await this.#ledger.call(
      { kind: 'service', service: name },
      () => store.service(name, definition as never),
      { inOrder, answer },
    )
    return started as Service | undefined
  }

  /** A conversion that has begun goes on to what it began with, and to nothing else. */
  async #startChanging(store: Store, reactions: Reactions): Promise<Service | undefined> {
    const started = await this.#start(store, CHANGING, reactions)
    if (started !== undefined) return started
    this.#form = this.#form === 0 ? 1 : 0
    return this.#start(store, CHANGING, reactions)
  }

  readonly #mark = () => ({ life: this.#order.life, line: this.#ledger.lines })

  /** Rounds of calls, and whatever else is begun meanwhile. */
  async #live(store: Store, load: Load): Promise<void> {
    const { rounds, checkpoints, snapshots, restores, compactions } = this.#habits
    const isTime = (often: number) => this.#random() * 100 < often
    for (let left = Math.ceil(rounds * (0.2 + this.#random())); left > 0; left--) {
      await load.round()
      load.beside('watermark', () => load.advance())
      load.beside('clock', () => load.advanceClock())
      if (isTime(checkpoints)) load.beside('checkpoint', () => this.#checkpoint(store))
      if (isTime(checkpoints / 4)) load.beside('direct', () => this.#checkpointDirectly(store))
      if (isTime(snapshots)) load.beside(`snapshot ${left % 3}`, () => load.snapshot())
      if (isTime(restores)) load.beside('restore', () => this.#restore(store))
      if (isTime(compactions)) load.beside('compaction', () => this.#compact(store))
    }
  }

  async #checkpoint(store: Store): Promise<void> {
    const savepoint = this.#random() < 0.03
    const options = { inOrder: CLOSED, answer: () => undefined }
    await this.#ledger.call({ kind: 'checkpoint' }, () => store.checkpoints.trigger({ savepoint }), options)
  }

  /** Beside the schedule. */
  async #checkpointDirectly(store: Store): Promise<void> {
    const incremental = this.#random() < 0.7
    const { checkpoints } = this.#order
    const metadata = this.#mark()
    // The line of the call itself changes nothing.
    await this.#ledger.call(
      { kind: 'checkpoint' },
      () => store.checkpoint(checkpoints, { incremental, metadata }),
      { inOrder: CLOSED, answer: () => undefined },
    )
  }

  /** The newest checkpoint, into a new directory. */
  async #restore(store: Store): Promise<void> {
    const latest = await store.checkpoints.latest()
    const target = join(this.#order.restored, `restored-${this.#restores++}`)
    if (latest === undefined || existsSync(target)) return
    mkdirSync(this.#order.restored, { recursive: true })
    await this.#ledger.call({ kind: 'restore', target }, () => TimerStore.restore(latest.path, target), {
      // Retention may be faster.
      inOrder: ['TIDEMARK_CHECKPOINT_NOT_FOUND'],
      answer: ({ version }) => version,
    })
  }

  async #compact(store: Store): Promise<void> {
    await this.#ledger.call({ kind: 'compact' }, () => store.compact(), { inOrder: CLOSED })
  }
}

function isFull(store: Store): boolean {
  let count = 0
  for (const { eventTime, processingTime } of Object.values(store.stats().services))
    count += eventTime + processingTime
  return count > ENOUGH_TIMERS
}
