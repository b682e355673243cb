// A store's life, made up from a seed: every kind of event that a log can have, in any order and of any size.

import { z } from 'zod'
import type { ManualClock } from '../../src/testing.ts'
import { eventually } from '../support/eventually.ts'
import type { Store } from '../support/store.ts'

interface Payload {
  n: number
  text?: string
  /** The handler registers as many in one step. */
  burst?: number
}

export const lifeDefinition = {
  payload: z
    .object({ n: z.int(), text: z.string().optional(), burst: z.int().optional() })
    .optional() as z.ZodType<Payload | undefined>,
}

export const lifeNames = ['orders', 'spät\0 ✓ 😀', '__proto__']
export const lifeKeys = [
  'a',
  'a\0',
  '\u0001',
  'a\u0001\u0001',
  'ü',
  '😀',
  '\uffff',
  ...Array.from({ length: 60 }, (_, i) => `key ${i}`),
]
const namespaces = ['', 'n', 'n\0ä']
const domains = ['eventTime', 'processingTime'] as const

export interface LifeOptions {
  /** Timers of a registerMany, at most. */
  many: number
  /** Bytes of a long payload, at most. */
  text: number
  /** Timers that a handler registers in one step, at most. */
  burst: number
  /** What keys are taken from. */
  keys: readonly string[]
  /** The services that come, in this order. */
  names: readonly string[]
}

const defaults: LifeOptions = { many: 40, text: 300, burst: 30, keys: lifeKeys, names: lifeNames }

type Service = Awaited<ReturnType<Life['service']>>
type Snapshot = Awaited<ReturnType<Store['snapshot']>>

export class Life {
  readonly #random: () => number
  readonly #clock: ManualClock
  readonly #options: LifeOptions
  #store: Store
  #services: Service[] = []
  #held: Snapshot[] = []
  #watermark = 0

  private constructor(store: Store, clock: ManualClock, random: () => number, options: Partial<LifeOptions>) {
    this.#store = store
    this.#clock = clock
    this.#random = random
    this.#options = { ...defaults, ...options }
  }

  /** Begins with one service. */
  static async of(
    store: Store,
    clock: ManualClock,
    random: () => number,
    options: Partial<LifeOptions> = {},
  ): Promise<Life> {
    const life = new Life(store, clock, random, options)
    await life.reopened(store)
    return life
  }

  /** Goes on in a store that was opened again, with the services that it has. */
  async reopened(store: Store): Promise<void> {
    this.#store = store
    this.#held = []
    this.#services = []
    for (const name of new Set([this.#options.names[0]!, ...Object.keys(store.stats().services)])) {
      this.#services.push(await this.service(name))
    }
  }

  service(name: string) {
    return this.#store.service(name, {
      ...lifeDefinition,
      onEventTime: async (timer, context) => {
        const { key, namespace, timestamp, payload = { n: 0 } } = timer
        const { burst, n, text } = payload
        const late = { key, namespace, timestamp: timestamp + 5000 }
        if (burst !== undefined) {
          const many = Array.from({ length: burst }, (_, i) => ({
            ...late,
            timestamp: late.timestamp + i,
            ...(text === undefined ? {} : { payload: { n: i, text } }),
          }))
          await context.processingTime.registerMany(many)
        }
        if (n % 3 === 0) await context.processingTime.register({ ...late, payload: { n: n + 1 } })
        if (n % 5 === 0) await context.eventTime.replace({ ...late, payload: { n: n + 1 } })
        if (n % 7 === 0) await context.eventTime.deleteAll({ key })
      },
      onProcessingTime: async ({ key, timestamp }, context) => {
        if (timestamp % 4 === 0) await context.eventTime.register({ key, timestamp: timestamp + 9000 })
      },
    })
  }

  /** Does something, and waits for it. */
  async step(): Promise<void> {
    const steps = [
      () => this.#register(),
      () => this.#register(),
      () => this.#register(),
      () => this.#again(),
      () => this.#remove(),
      () => this.#many(),
      () => this.#long(),
      () => this.#advance(),
      () => this.#clock.advanceBy(this.#below(900)),
      () => this.#burst(),
      () => this.#hold(),
      () => this.#grow(),
    ]
    await this.#pick(steps)()
    // What is registered in the past by the clock fires at once.
    await this.#clock.advanceBy(0)
  }

  /** So many steps, and as many more as it takes to commit something: two checkpoints around them are of two versions. */
  async steps(count: number): Promise<void> {
    const { version } = this.#store.stats()
    for (let i = 0; i < count; i++) await this.step()
    while (this.#store.stats().version === version) await this.step()
  }

  /** Lets go of every snapshot, and waits until what they held is gone. */
  async rest(): Promise<void> {
    for (const snapshot of this.#held.splice(0)) await snapshot.release()
    await eventually(() => this.#store.stats().retired === 0, 'the purge')
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)]!
  }

  #queue() {
    return this.#pick(this.#services)[this.#pick(domains)]
  }

  #timer() {
    const timestamp = (this.#random() < 0.3 ? 700 : this.#below(3000)) + this.#watermark
    const n = this.#below(100)
    const payload = this.#random() < 0.5 ? {} : { payload: { n } }
    return { key: this.#pick(this.#options.keys), namespace: this.#pick(namespaces), timestamp, ...payload }
  }

  #timers(count: number) {
    return Array.from({ length: count }, () => this.#timer())
  }

  /** A few at once, of one commit or of two. */
  async #register(): Promise<void> {
    await Promise.all(this.#timers(1 + this.#below(8)).map((timer) => this.#queue().register(timer)))
  }

  /** Changes payloads of what is there, and registers what was deleted in the same commit. */
  async #again(): Promise<void> {
    const queue = this.#queue()
    const calls: Promise<unknown>[] = []
    for await (const { key, namespace, timestamp } of queue.list({ limit: 1 + this.#below(6) })) {
      const timer = { key, namespace, timestamp }
      if (this.#random() < 0.3) calls.push(queue.delete(timer))
      calls.push(queue.register({ ...timer, payload: { n: this.#below(100) } }))
      if (this.#random() < 0.3) calls.push(queue.register(timer))
    }
    await Promise.all(calls)
  }

  async #remove(): Promise<void> {
    const queue = this.#queue()
    const { key, namespace } = this.#timer()
    const first = await queue.next()
    const calls = [
      () => queue.deleteAll({ key }),
      () => queue.deleteAll({ key, namespace }),
      () => queue.replace(this.#timer()),
      () => (first === undefined ? undefined : queue.delete(first)),
    ]
    await this.#pick(calls)()
  }

  async #many(): Promise<void> {
    await this.#queue().registerMany(this.#timers(this.#below(this.#options.many)))
  }

  async #long(): Promise<void> {
    const payload = { n: 1, text: 'ö"'.repeat(this.#below(this.#options.text / 4)) }
    await Promise.all(this.#timers(3).map((timer) => this.#queue().register({ ...timer, payload })))
  }

  async #advance(): Promise<void> {
    this.#watermark += this.#below(600)
    await this.#pick(this.#services).advanceWatermark(this.#watermark)
  }

  async #burst(): Promise<void> {
    await this.burstOf(this.#below(this.#options.burst))
  }

  /** Fires a timer whose handler registers as many in one step, each with this text. */
  async burstOf(burst: number, text?: string): Promise<void> {
    const service = this.#pick(this.#services)
    const timestamp = this.#watermark
    await service.eventTime.register({
      key: this.#pick(this.#options.keys),
      timestamp,
      payload: { n: 3, burst, text },
    })
    await service.advanceWatermark(timestamp)
  }

  /** Takes a snapshot, or lets one go: what went meanwhile is purged. */
  async #hold(): Promise<void> {
    if (this.#random() < 0.5) this.#held.push(await this.#store.snapshot())
    else await this.#held.shift()?.release()
  }

  async #grow(): Promise<void> {
    const known = this.#services.map(({ name }) => name)
    const name = this.#options.names.find((name) => !known.includes(name))
    if (name !== undefined && this.#random() < 0.5) this.#services.push(await this.service(name))
  }
}
