/**
 * Deciding what a commit does to services: their names, schemas and watermarks. Pure, as the rest of the draft (draft.ts).
 *
 * - A watermark never goes back, but where a service's number is free for the next one.
 */
import { invalidArgument, invariant } from '../errors.ts'
import { MAX_SERVICES, MAX_TIMESTAMP, MIN_TIMESTAMP } from '../limits.ts'
import { FREE_NAME } from '../timer/servicename.ts'
import type { Commit, CommitEvent } from './events.ts'
import { type QueueState, ServiceState, type StoreState } from './state.ts'

export class DraftServices {
  readonly #state: StoreState
  readonly #events: CommitEvent[]
  readonly #touch: (queue: QueueState) => void
  readonly #watermarks = new Map<ServiceState, number>()

  constructor(state: StoreState, events: CommitEvent[], touch: (queue: QueueState) => void) {
    this.#state = state
    this.#events = events
    this.#touch = touch
  }

  /** The service of a name, with these schemas: as it stands, with others instead of its own, or new. */
  start(name: string, schemas: string): ServiceState {
    const state = this.#state
    const known = state.serviceByName.get(name)
    if (known?.schemas === schemas) return known
    if (known === undefined && state.freeServiceId >= MAX_SERVICES) {
      throw invalidArgument(`a store may have ${MAX_SERVICES} services: '${name}' would be one more`)
    }
    const service = known ?? new ServiceState(state.freeServiceId, name, schemas)
    this.#name(service, name, schemas)
    return service
  }

  /** Gives the name and the watermark of a service that has no timers to another one; its number is free then. */
  handOver(from: ServiceState, to: ServiceState | undefined): void {
    const { name, decidedWatermark } = from
    const isEmpty = from.eventTime.decided.count === 0 && from.processingTime.decided.count === 0
    invariant(isEmpty, `service '${name}' has timers, and its number was to be free`)
    this.#name(from, FREE_NAME, '')
    this.#beginAnew(from)
    if (to === undefined) return
    this.#name(to, name, to.schemas)
    if (to.decidedWatermark !== decidedWatermark) this.#setWatermark(to, decidedWatermark)
  }

  advanceWatermark(service: ServiceState, timestamp: number): void {
    if (timestamp > service.decidedWatermark) this.#setWatermark(service, timestamp)
  }

  /** The watermarks that the commit's entry tells: of all services, or those that changed. */
  watermarks(ofAll: boolean): Commit['watermarks'] {
    return ofAll
      ? this.#state.services.map((service) => ({ service, watermark: service.decidedWatermark }))
      : Array.from(this.#watermarks, ([service, watermark]) => ({ service, watermark }))
  }

  #name(service: ServiceState, name: string, schemas: string): void {
    this.#state.nameService(service, name, schemas)
    this.#events.push({ kind: 'service', service, name, schemas })
  }

  #setWatermark(service: ServiceState, timestamp: number): void {
    service.decidedWatermark = timestamp
    this.#watermarks.set(service, timestamp)
    this.#events.push({ kind: 'watermark', service, timestamp })
  }

  /** What the next service of this number begins with. */
  #beginAnew(service: ServiceState): void {
    service.decidedWatermark = MIN_TIMESTAMP
    this.#watermarks.set(service, MIN_TIMESTAMP)
    for (const queue of [service.eventTime, service.processingTime]) {
      this.#touch(queue)
      queue.decided.low = MAX_TIMESTAMP
      queue.decided.high = MIN_TIMESTAMP
    }
  }
}
