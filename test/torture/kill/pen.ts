/**
 * Calls as they are made in a process that is killed: told to the ledger, made in the same breath, and their answers told.
 */
import type { TimerStore } from '../../../src/index.ts'
import { CHANGING, type Form, inputOf, STEADY } from './definitions.ts'
import type { Change, LedgerWriter, PlannedTimer } from './ledger.ts'

export type Store = TimerStore

/** What both a queue and a handler's context offer. */
export interface Queue {
  register(timer: object): Promise<boolean>
  registerMany(timers: object[]): Promise<number>
  delete(timer: object): Promise<boolean>
  deleteAll(selection: object): Promise<number>
  replace(timer: object): Promise<number[]>
}

export interface Queues {
  eventTime: Queue
  processingTime: Queue
}

export interface Service extends Queues {
  name: string
  readonly currentWatermark: number
  advanceWatermark(watermark: number): Promise<{ fired: number }>
}

export const SERVICES = [STEADY, CHANGING]

/** Makes a change in the queues of its service. */
export function make(queues: Queues, change: Change, form: Form): Promise<unknown> {
  const { domain } = change.kind === 'registerMany' ? change.timers[0]! : change.timer
  const queue = queues[domain]
  switch (change.kind) {
    case 'register':
      return queue.register(inputOf(change.timer, form))
    case 'replace':
      return queue.replace(inputOf(change.timer, form))
    case 'registerMany':
      return queue.registerMany(change.timers.map((timer) => inputOf(timer, form)))
    case 'delete': {
      const { payload: _, ...id } = inputOf({ ...change.timer, n: 0 }, form)
      return queue.delete(id)
    }
    case 'deleteAll': {
      const { service, namespace } = change.timer
      const whole = { ...change.timer, namespace: namespace ?? 'pay', timestamp: 0, n: 0, service }
      const input = inputOf(whole, form)
      return queue.deleteAll({
        key: input.key,
        ...(namespace === undefined ? {} : { namespace: input.namespace }),
      })
    }
  }
}

/** Keys of timers whose handlers take their time: each timer has one of its own, and nobody registers it again. */
export const SLOW = 'slow'

/** Handlers of a service: what each does follows from its timer. */
export class Reactions {
  readonly #ledger: LedgerWriter
  readonly #threw = new Set<string>()
  /** Whether there are enough timers. */
  readonly #isFull: () => boolean

  constructor(ledger: LedgerWriter, isFull: () => boolean) {
    this.#ledger = ledger
    this.#isFull = isFull
  }

  /** Fails at the first time, for some; takes its time, for some. */
  handle(timer: PlannedTimer, context: Queues, form: Form): unknown {
    const name = JSON.stringify(timer)
    if (timer.n % 19 === 7 && !this.#threw.has(name)) {
      this.#threw.add(name)
      this.#ledger.write({ is: 'threw', timer })
      throw new Error('as planned')
    }
    if (timer.key.includes(SLOW)) return this.#handleSlowly(timer, context, form)
    this.#finish(timer, context, form)
    return undefined
  }

  async #handleSlowly(timer: PlannedTimer, context: Queues, form: Form): Promise<void> {
    this.#ledger.write({ is: 'handling', timer })
    await new Promise((resolve) => setImmediate(resolve))
    this.#finish(timer, context, form)
  }

  #finish(timer: PlannedTimer, context: Queues, form: Form): void {
    const changes = this.#isFull() ? [] : changesOf(timer)
    const ofRanges: Promise<unknown>[] = []
    for (const change of changes) {
      const answer = make(context, change, form)
      if (change.kind === 'replace' || change.kind === 'deleteAll') ofRanges.push(answer)
      // A store that closes meanwhile need not answer what a handler asked and did not wait for.
      answer.catch(() => {})
    }
    const handled = () => this.#ledger.write({ is: 'handled', timer, changes })
    // What it asked of a whole key is answered before it counts as settled, also where it does not wait.
    if (ofRanges.length === 0) handled()
    else Promise.all(ofRanges).then(handled, () => {})
  }
}

function changesOf(timer: PlannedTimer): Change[] {
  const { service, key, namespace, timestamp } = timer
  const n = timer.n + 1
  const ordinary = key.includes(SLOW) ? '5/after' : key
  const at = (domain: PlannedTimer['domain'], later: number): PlannedTimer => ({
    service,
    domain,
    key: ordinary,
    namespace,
    timestamp: timestamp + later,
    n,
  })
  const changes: Change[] = []
  if (timer.n % 3 === 0) changes.push({ kind: 'register', timer: at('processingTime', 300) })
  if (timer.n % 4 === 1) changes.push({ kind: 'register', timer: at('eventTime', timer.n % 50) })
  if (timer.n % 5 === 0) changes.push({ kind: 'replace', timer: at('eventTime', 200) })
  if (timer.n % 6 === 0)
    changes.push({ kind: 'registerMany', timers: [250, 251, 250].map((ms) => at('processingTime', ms)) })
  if (timer.n % 7 === 0)
    changes.push({ kind: 'deleteAll', timer: { service, domain: 'processingTime', key: ordinary } })
  return changes
}
