/** What a handler calls on its context: kept until it has settled, and then one change with the removal of its timer. */
import type { HandlerContext } from '../../../src/index.ts'
import type { TimeDomain } from '../../../src/timer/identity.ts'
import { type Entry, idOf, type QueueLedger, type ServiceLedger, type TimerName } from './ledger.ts'
import type { Shop } from './shop.ts'

export class FiringTools {
  readonly #shop: Shop
  readonly #ledger: ServiceLedger
  readonly #queue: QueueLedger
  readonly #entry: Entry
  readonly #context: HandlerContext<string, string, string>
  readonly #calls: (() => void)[] = []
  /** What it called itself makes of timers, its own gone. */
  readonly #own = new Map<string, boolean>()

  constructor(
    shop: Shop,
    ledger: ServiceLedger,
    queue: QueueLedger,
    entry: Entry,
    context: HandlerContext<string, string, string>,
  ) {
    this.#shop = shop
    this.#ledger = ledger
    this.#queue = queue
    this.#entry = entry
    this.#context = context
    this.#own.set(`${queue.domain} ${entry.id}`, false)
  }

  async register(domain: TimeDomain, name: TimerName, payload = ''): Promise<void> {
    const isNew = !this.#isThere(domain, name)
    this.#calls.push(() => this.#ledger.register(this.#ledger[domain], name, payload))
    this.#own.set(`${domain} ${idOf(name)}`, true)
    const answer = await this.#context[domain].register({ ...name, payload })
    if (answer !== isNew) this.#shop.fail(`a context's register answered ${answer}: ${JSON.stringify(name)}`)
  }

  async delete(domain: TimeDomain, name: TimerName): Promise<void> {
    const wasThere = this.#isThere(domain, name)
    this.#calls.push(() => this.#ledger.delete(this.#ledger[domain], idOf(name)))
    this.#own.set(`${domain} ${idOf(name)}`, false)
    const answer = await this.#context[domain].delete(name)
    if (answer !== wasThere) this.#shop.fail(`a context's delete answered ${answer}: ${JSON.stringify(name)}`)
  }

  /** Nothing else of this key and namespace may be called by the same handler. */
  async replace(domain: TimeDomain, name: TimerName, payload = ''): Promise<void> {
    this.#calls.push(() => this.#ledger.replace(this.#ledger[domain], name, payload))
    await this.#context[domain].replace({ ...name, payload })
  }

  /** The handler has settled: its timer goes, unless it was changed meanwhile, and its calls take effect. */
  settle(): void {
    this.#ledger.together(() => {
      const { id } = this.#entry
      if (this.#queue.timers.get(id) === this.#entry) this.#ledger.delete(this.#queue, id)
      for (const call of this.#calls) call()
    })
  }

  #isThere(domain: TimeDomain, name: TimerName): boolean {
    const id = idOf(name)
    return this.#own.get(`${domain} ${id}`) ?? this.#ledger[domain].timers.has(id)
  }
}
