/** Calls of many kinds, made up from a seed; and what goes on beside them, one of each kind at a time. */
import type { ManualClock } from '../../../src/testing.ts'
import type { Form } from './definitions.ts'
import type { Change, Domain, LedgerWriter, PlannedTimer } from './ledger.ts'
import { make, type Service, SLOW, type Store } from './pen.ts'

const MOST_UNANSWERED = 40
const MOST_TIMERS = 300
const KEYS = 30
/** Timestamps of the timers that never fire: those that make migrations and restores long. */
export const FAR = 1e9
const CLOSED = ['TIDEMARK_CLOSED']

export class Load {
  form: Form = 0
  readonly #ledger: LedgerWriter
  readonly #store: Store
  readonly #services: readonly Service[]
  readonly #clock: ManualClock
  readonly #random: () => number
  readonly #life: number
  readonly #unanswered = new Set<Promise<unknown>>()
  readonly #beside = new Map<string, Promise<void>>()
  #slow = 0
  #n: number
  /** Timers that are far away: not counted. */
  #far = 0

  constructor(
    ledger: LedgerWriter,
    store: Store,
    services: readonly Service[],
    clock: ManualClock,
    random: () => number,
    life: number,
  ) {
    this.#ledger = ledger
    this.#store = store
    this.#services = services
    this.#clock = clock
    this.#random = random
    this.#life = life
    this.#n = Math.floor(random() * 1e6)
  }

  /** A few calls at once, in the event loop's next turn. */
  async round(): Promise<void> {
    await nextTurn()
    for (let left = 1 + this.#below(8); left > 0; left--) this.#change(this.#made())
    if (this.#unanswered.size > MOST_UNANSWERED || this.#random() < 0.1) await Promise.all(this.#unanswered)
  }

  /** Begins something, unless the last of its kind still goes on. */
  beside(kind: string, run: () => Promise<void>): void {
    if (this.#beside.has(kind)) return
    this.#beside.set(
      kind,
      run().finally(() => this.#beside.delete(kind)),
    )
  }

  /** Waits for all that goes on. */
  async rest(): Promise<void> {
    await Promise.all([...this.#unanswered, ...this.#beside.values()])
  }

  /** Timers that stand for long, so that whatever copies them takes its time. */
  async fill(service: string, many: number): Promise<void> {
    const { eventTime, processingTime } = this.#store.stats().services[service]!
    this.#far = Math.max(many, eventTime + processingTime)
    if (eventTime + processingTime >= many) return
    for (const domain of ['eventTime', 'processingTime'] as const) {
      for (let i = 0; i < many / 2; i += 500) {
        const timers = Array.from({ length: 500 }, (_, j) => ({
          service,
          domain,
          key: `${(i + j) % 7}/order-${i + j}`,
          namespace: (i + j) % 3 === 0 ? 'pay' : 'ship',
          timestamp: FAR + (((i + j) * 37) % 11),
          n: i + j,
        }))
        await this.#change({ kind: 'registerMany', timers })
      }
    }
  }

  async advance(): Promise<void> {
    await nextTurn()
    for (const service of this.#services) {
      if (this.#isClosing) return
      const by = this.#isFull ? 2000 : this.#below(120) - 10
      const watermark = Math.max(service.currentWatermark, 0) + by
      await this.#ledger.call(
        { kind: 'advanceWatermark', service: service.name, watermark },
        () => service.advanceWatermark(watermark),
        { inOrder: ['TIDEMARK_HANDLER_FAILED', ...CLOSED], answer: ({ fired }) => fired },
      )
    }
  }

  async advanceClock(): Promise<void> {
    await nextTurn()
    if (this.#isClosing) return
    const nowMs = this.#clock.now() + (this.#isFull ? 2000 : this.#below(60))
    await this.#ledger.call({ kind: 'advanceClock', nowMs }, () => this.#clock.advanceTo(nowMs))
  }

  /** Holds one for a while, reads a little of it, and lets it go: what went meanwhile is purged. */
  async snapshot(): Promise<void> {
    const snapshot = await this.#store.snapshot()
    for (let turns = this.#below(12); turns > 0; turns--) await nextTurn()
    await snapshot.release()
  }

  #isClosing = false

  /** From now on nothing is begun. */
  end(): void {
    this.#isClosing = true
  }

  #change(change: Change): Promise<void> {
    const { service: name } = change.kind === 'registerMany' ? change.timers[0]! : change.timer
    const service = this.#services.find((service) => service.name === name)!
    const answer = (told: unknown) => told
    const called = this.#ledger
      .call(change, () => make(service, change, this.form), { answer })
      .then(() => {
        this.#unanswered.delete(called)
      })
    this.#unanswered.add(called)
    return called
  }

  #made(): Change {
    const roll = this.#below(20)
    if (roll < 9) return { kind: 'register', timer: this.#timer() }
    if (roll < 11) return { kind: 'registerMany', timers: this.#timers(1 + this.#below(20)) }
    if (roll < 13) return { kind: 'replace', timer: this.#timer() }
    const timer = this.#timer()
    if (roll < 17) return { kind: 'delete', timer }
    if (roll < 18) return { kind: 'register', timer: this.#slowTimer() }
    const { service, domain, key, namespace } = timer
    const one = this.#random() < 0.5 ? { namespace } : {}
    return { kind: 'deleteAll', timer: { service, domain, key, ...one } }
  }

  #timers(count: number): PlannedTimer[] {
    const { service, domain } = this.#timer()
    return Array.from({ length: count }, () => ({ ...this.#timer(), service, domain }))
  }

  #timer(): PlannedTimer {
    const service = this.#services[this.#below(this.#services.length)]!
    const domain: Domain = this.#random() < 0.5 ? 'eventTime' : 'processingTime'
    const now = domain === 'eventTime' ? Math.max(service.currentWatermark, 0) : this.#clock.now()
    return {
      service: service.name,
      domain,
      key: `${this.#below(7)}/key-${this.#below(KEYS)}`,
      namespace: this.#random() < 0.5 ? 'pay' : 'ship',
      // Few timestamps, so that the same timer comes again.
      timestamp: Math.floor((now + this.#below(600)) / 20) * 20,
      n: this.#n++,
    }
  }

  /** Its handler takes its time. */
  #slowTimer(): PlannedTimer {
    return { ...this.#timer(), key: `6/${SLOW}-${this.#life}-${this.#slow++}` }
  }

  get #isFull(): boolean {
    let count = -this.#far
    for (const { eventTime, processingTime } of Object.values(this.#store.stats().services))
      count += eventTime + processingTime
    return count > MOST_TIMERS
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
