/**
 * What a store must hold, said naively: maps, and a number for each call in the order in which the calls were made.
 *
 * - A call takes effect when it is made; a handler's, and the removal of its timer, when the handler has settled.
 * - What was acknowledged is known; so is, for what comes later than some call, that it came later.
 */
export type Domain = 'eventTime' | 'processingTime'

export interface Id {
  key: string
  namespace: string
  timestamp: number
}

export interface Timer extends Id {
  payload: number
  /** Its place in the order of registering. */
  order: number
  /** Differs each time that it is registered or changed. */
  change: number
  /** The call that registered it. */
  madeAt: number
  /** The queue whose handler registered it, if one did. */
  byHandlerOf: string | undefined
}

/** A timer that came, changed or went. */
interface Change {
  at: number
  queue: string
  id: string
  timer: Timer | undefined
}

export const queueName = (service: string, domain: Domain) => `${service} ${domain}`
export const nameOf = ({ key, namespace, timestamp }: Id) => `${key}/${namespace}/${timestamp}`

export function isBefore(a: Timer, b: Timer): boolean {
  return a.timestamp < b.timestamp || (a.timestamp === b.timestamp && a.order < b.order)
}

export class Model {
  readonly #queues = new Map<string, Map<string, Timer>>()
  readonly changes: Change[] = []
  readonly #watermarks: { at: number; service: string; watermark: number }[] = []
  /** How many calls were made. */
  made = 0
  /** The newest call of which is known that it is durable. */
  durable = 0
  #orders = 0
  #changed = 0
  /** Set while a handler's calls take effect. */
  #handlerOf: string | undefined

  /** A call is made. */
  begin(): number {
    return ++this.made
  }

  acknowledge(call: number): void {
    if (call > this.durable) this.durable = call
  }

  queue(name: string): Map<string, Timer> {
    let queue = this.#queues.get(name)
    if (queue === undefined) {
      queue = new Map()
      this.#queues.set(name, queue)
    }
    return queue
  }

  due(name: string): Timer[] {
    return [...this.queue(name).values()].sort((a, b) => (isBefore(a, b) ? -1 : 1))
  }

  has(name: string, id: Id): boolean {
    return this.queue(name).has(nameOf(id))
  }

  register(name: string, { key, namespace, timestamp, payload }: Id & { payload: number }): boolean {
    const known = this.queue(name).get(nameOf({ key, namespace, timestamp }))
    if (known?.payload === payload) return false
    const { order, madeAt, byHandlerOf } = known ?? {
      order: ++this.#orders,
      madeAt: this.made,
      byHandlerOf: this.#handlerOf,
    }
    const change = ++this.#changed
    this.#put(name, { key, namespace, timestamp, payload, order, change, madeAt, byHandlerOf })
    return known === undefined
  }

  delete(name: string, id: Id): boolean {
    if (!this.queue(name).delete(nameOf(id))) return false
    this.changes.push({ at: this.made, queue: name, id: nameOf(id), timer: undefined })
    return true
  }

  deleteAll(name: string, { key, namespace }: { key: string; namespace?: string }): number {
    return this.#behind(name, key, namespace).filter((timer) => this.delete(name, timer)).length
  }

  replace(name: string, timer: Id & { payload: number }): number[] {
    const others = this.#behind(name, timer.key, timer.namespace).filter(
      ({ timestamp }) => timestamp !== timer.timestamp,
    )
    for (const other of others) this.delete(name, other)
    this.register(name, timer)
    return others.map(({ timestamp }) => timestamp).sort((a, b) => a - b)
  }

  /** A timer's handler succeeded: it goes unless it was changed meanwhile, and then its handler's calls take effect. */
  fire(name: string, fired: Timer, calls: readonly (() => void)[]): void {
    this.begin()
    if (this.queue(name).get(nameOf(fired))?.change === fired.change) this.delete(name, fired)
    this.#handlerOf = name
    for (const call of calls) call()
    this.#handlerOf = undefined
  }

  /** Does something; returns what takes it back. */
  try(something: () => void): () => void {
    const queues = new Map([...this.#queues].map(([name, timers]) => [name, new Map(timers)]))
    const changes = this.changes.length
    something()
    return () => {
      for (const [name, timers] of queues) this.#queues.set(name, timers)
      this.changes.length = changes
    }
  }

  advance(service: string, watermark: number): void {
    this.#watermarks.push({ at: this.made, service, watermark })
  }

  /** The highest watermark that was asked for, up to a call. */
  watermark(service: string, upTo = this.made): number {
    const reached = this.#watermarks.filter((each) => each.service === service && each.at <= upTo)
    return Math.max(-Number.MAX_SAFE_INTEGER, ...reached.map(({ watermark }) => watermark))
  }

  /** The numbers of timers of a queue that it may be told to have now: what is durable at least, and no more than was asked. */
  counts(name: string): Set<number> {
    let count = this.queue(name).size
    const counts = new Set([count])
    for (let i = this.changes.length - 1; i >= 0; i--) {
      const { at, queue, timer } = this.changes[i]!
      if (at <= this.durable) break
      // Before this change it was there if it went, and was there or not if it came: what it was then tells an older one.
      if (queue === name) {
        if (timer === undefined) count++
        else if (!this.#stoodBefore(i)) count--
      }
      // In between the changes of one call nobody looks.
      if (this.changes[i - 1]?.at !== at) counts.add(count)
    }
    return counts
  }

  #stoodBefore(index: number): boolean {
    const { queue, id } = this.changes[index]!
    for (let i = index - 1; i >= 0; i--) {
      const change = this.changes[i]!
      if (change.queue === queue && change.id === id) return change.timer !== undefined
    }
    return false
  }

  /** Everything that stands, as lines. */
  lines(service?: string): string[] {
    const lines: string[] = []
    for (const [name, timers] of this.#queues) {
      if (service !== undefined && !name.startsWith(`${service} `)) continue
      for (const timer of timers.values()) lines.push(lineOf(name, timer))
    }
    return lines.sort()
  }

  #behind(name: string, key: string, namespace?: string): Timer[] {
    return this.due(name).filter(
      (timer) => timer.key === key && (namespace ?? timer.namespace) === timer.namespace,
    )
  }

  #put(name: string, timer: Timer): void {
    this.queue(name).set(nameOf(timer), timer)
    this.changes.push({ at: this.made, queue: name, id: nameOf(timer), timer })
  }
}

export function lineOf(queue: string, timer: Id & { payload: number }): string {
  return `${queue} ${nameOf(timer)} ${timer.payload}`
}
