// What a store should hold and fire, said as simply as it can be: maps, a counter, and a sort.

import type { Action, Domain, Payload } from './commands.ts'
import { perform, performOutside, told } from './perform.ts'

export interface Timer {
  key: string
  namespace: string
  timestamp: number
  payload?: Payload
  order: number
}

interface Service {
  started: boolean
  watermark: number
  eventTime: Map<string, Timer>
  processingTime: Map<string, Timer>
}

export type Cut = Record<string, Service>

type Place = Pick<Timer, 'key' | 'namespace'>
type Id = Place & { timestamp: number }

const nameOf = ({ key, namespace, timestamp }: Id) => JSON.stringify([key, namespace, timestamp])

export class Oracle {
  nowMs = 0
  services: Cut = {}
  /** What fired, by service and domain. */
  readonly fired: Record<string, string[]> = {}
  /** Called after each step of a drain. */
  onStep: () => void = () => {}
  readonly #failures = new Map<string, number>()
  #orders = 0

  start(name: string, started: boolean): void {
    const fresh = { watermark: -(2 ** 53 - 1), eventTime: new Map(), processingTime: new Map() }
    this.services[name] = { ...(this.services[name] ?? fresh), started }
  }

  cut(): Cut {
    return structuredClone(this.services)
  }

  due(service: string, domain: Domain): Timer[] {
    const timers = [...this.services[service]![domain].values()]
    return timers.sort((a, b) => a.timestamp - b.timestamp || a.order - b.order)
  }

  queue(service: string, domain: Domain) {
    const timers = this.services[service]![domain]
    const queue = {
      has: (timer: Id) => timers.has(nameOf(timer)),
      register: ({ payload, ...id }: Id & { payload?: Payload }) => {
        const known = timers.get(nameOf(id))
        // What stands and stays as it is, is the same object: that is how a drain sees that nothing changed.
        if (known !== undefined && JSON.stringify(known.payload) === JSON.stringify(payload)) return false
        timers.set(nameOf(id), { ...id, payload, order: known?.order ?? this.#orders++ })
        return known === undefined
      },
      delete: (timer: Id) => timers.delete(nameOf(timer)),
      registerMany: (many: Id[]) => many.filter(queue.register).length,
      deleteAll: ({ key, keys, namespace }: Partial<Place> & { keys?: Iterable<string> }) => {
        const all = new Set<string | undefined>(keys ?? [key])
        return [...timers.values()]
          .filter((timer) => all.has(timer.key) && (namespace ?? timer.namespace) === timer.namespace)
          .filter(queue.delete).length
      },
      replace: (timer: Id) => {
        const others = this.due(service, domain).filter(
          ({ key, namespace, timestamp }) =>
            key === timer.key && namespace === timer.namespace && timestamp !== timer.timestamp,
        )
        others.forEach(queue.delete)
        queue.register(timer)
        return others.map(({ timestamp }) => timestamp)
      },
    }
    return queue
  }

  queues(service: string) {
    return {
      eventTime: this.queue(service, 'eventTime'),
      processingTime: this.queue(service, 'processingTime'),
      watermark: this.services[service]!.watermark,
      nowMs: this.nowMs,
    }
  }

  /** Returns how many fired, or undefined when a handler failed. */
  advance(name: string, watermark: number): number | undefined {
    const service = this.services[name]!
    service.watermark = Math.max(service.watermark, watermark)
    return this.#drain(name, 'eventTime', service.watermark)
  }

  /** Fires all that is due by the clock; returns how many. */
  settle(): number {
    const fired = Object.keys(this.services).map((name) => this.#drain(name, 'processingTime', this.nowMs)!)
    return fired.reduce((sum, count) => sum + count, 0)
  }

  #drain(service: string, domain: Domain, bound: number): number | undefined {
    let fired = 0
    while (this.services[service]!.started) {
      const timer = this.due(service, domain)[0]
      if (timer === undefined || timer.timestamp > bound) break
      const name = `${service} ${domain} ${nameOf(timer)}`
      const failures = this.#failures.get(name) ?? 0
      const fails = domain === 'eventTime' && failures < (timer.payload?.fails ?? 0)
      for (const action of timer.payload?.outside ?? []) {
        performOutside(this.queues(service), domain, timer, action)
        this.onStep()
      }
      const before = fails ? this.cut() : this.services
      if (this.services[service]![domain].get(nameOf(timer)) === timer)
        this.queue(service, domain).delete(timer)
      const answers = (timer.payload?.does ?? []).map((action: Action) =>
        perform(this.queues(service), domain, timer.timestamp, action),
      )
      this.fired[`${service} ${domain}`] ??= []
      this.fired[`${service} ${domain}`]!.push(told(timer, bound - timer.timestamp, answers, fails))
      if (fails) {
        this.#failures.set(name, failures + 1)
        this.services = before
        return undefined
      }
      fired++
      this.onStep()
    }
    return fired
  }
}

/** The timers of a cut as sorted lines. */
export function linesOf(cut: Cut): string[] {
  const domains = ['eventTime', 'processingTime'] as const
  return Object.entries(cut)
    .flatMap(([service, state]) =>
      domains.flatMap((domain) =>
        [...state[domain].values()].map((timer) => ({ service, domain, ...timer })),
      ),
    )
    .map(({ service, domain, key, namespace, timestamp, payload }) =>
      JSON.stringify([service, domain, key, namespace, timestamp, payload ?? null]),
    )
    .sort()
}
