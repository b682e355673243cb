/** What all lives of a store share: its ledgers, checkers, figures, and what its users know. */
import { Busy, Checker } from './checker.ts'
import { type ServiceCut, ServiceLedger } from './ledger.ts'
import { Trace } from './trace.ts'
import type { World } from './world.ts'

export const SERVICES = ['sessions', 'calendar', 'windows'] as const
export type ServiceName = (typeof SERVICES)[number]

/** What a checkpoint or a snapshot should hold. */
export type Cut = Record<ServiceName, ServiceCut>

export interface Figures {
  fires: number
  failures: number
  calls: number
  crashes: number
  powerLosses: number
  faults: number
  restarts: number
  restores: number
  checkpoints: number
  snapshots: number
  verifies: number
  counts: number
  /** Timers times the milliseconds for which they were registered. */
  timerMs: number
  /** Milliseconds of the wall clock, times the services. */
  serviceMs: number
  suspendedMs: number
  takenBack: number
}

export class Shop {
  readonly world: World
  readonly trace: Trace
  readonly checker: Checker
  readonly ledgers: Record<ServiceName, ServiceLedger>
  readonly busy: Record<ServiceName, Busy>
  readonly figures: Figures = {
    ...{ fires: 0, failures: 0, calls: 0, crashes: 0, powerLosses: 0, faults: 0, restarts: 0, restores: 0 },
    ...{
      checkpoints: 0,
      snapshots: 0,
      verifies: 0,
      counts: 0,
      timerMs: 0,
      serviceMs: 0,
      suspendedMs: 0,
      takenBack: 0,
    },
  }
  /** The first thing that was wrong: the simulation ends with it. */
  breach: Error | undefined
  #countedAtMs: number

  constructor(world: World) {
    this.world = world
    this.trace = new Trace(world)
    this.checker = new Checker(world)
    const each = <T>(make: (name: ServiceName) => T) =>
      Object.fromEntries(SERVICES.map((name) => [name, make(name)])) as Record<ServiceName, T>
    this.ledgers = each((name) => new ServiceLedger(name, world))
    this.busy = each(() => new Busy(world))
    this.#countedAtMs = world.monoMs
  }

  get timers(): number {
    return SERVICES.reduce((sum, name) => sum + this.ledgers[name].timers, 0)
  }

  cut(): Cut {
    return Object.fromEntries(SERVICES.map((name) => [name, this.ledgers[name].cut()])) as Cut
  }

  become(cut: Cut): void {
    this.count()
    for (const name of SERVICES) this.ledgers[name].become(cut[name])
  }

  /** Adds what has passed since it was counted last: as often as the number of timers changes much. */
  count(): void {
    const passedMs = this.world.monoMs - this.#countedAtMs
    this.#countedAtMs = this.world.monoMs
    this.figures.timerMs += passedMs * this.timers
    this.figures.serviceMs += passedMs * SERVICES.length
  }

  /** Time for which the machine was suspended. */
  countSuspended(ms: number): void {
    this.figures.suspendedMs += ms
    this.figures.timerMs += ms * this.timers
    this.figures.serviceMs += ms * SERVICES.length
  }

  /** Notes what is wrong, and goes no further. */
  fail(error: unknown): void {
    this.breach ??= error instanceof Error ? error : new Error(String(error))
    this.trace.add(`breach ${this.breach.message}`)
  }

  /** Does what must not throw. */
  check<T>(run: () => T): T {
    try {
      return run()
    } catch (error) {
      this.fail(error)
      throw error
    }
  }
}
