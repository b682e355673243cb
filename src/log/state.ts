/**
 * What a store knows of its services and queues without reading: exact counts, set hashes, watermarks.
 *
 * - `decided` runs ahead of `applied` by the commits that are under way. Answers are decided; what users see is applied.
 * - `high` is a timestamp that no timer of the queue lies above: what is registered above it is new, and need not be read.
 * - `low` is a timestamp that no timer of the queue lies below: where reading what is due begins, past what was deleted.
 */
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../limits.ts'
import { queuePrefix, type TimeDomain } from '../timer/identity.ts'
import { FREE_NAME } from '../timer/servicename.ts'
import type { TimerEvent } from './events.ts'

/** Below every timestamp: the `timers` space has nothing of a queue. */
export const NOTHING_STORED = Number.NEGATIVE_INFINITY

/** Count, set hash and bounds of a queue, after a version. */
export interface QueueTotals {
  count: number
  setHash: number
  low: number
  high: number
}

/** Hears of every event of a queue, when it is decided and when it is durable. */
export interface QueueListener {
  onDecided(event: TimerEvent, version: number): void
  onApplied(event: TimerEvent, version: number): void
}

/** One service's timers of one time domain. */
export class QueueState {
  readonly service: ServiceState
  readonly domain: TimeDomain
  /** The four characters that begin every identity of this queue. */
  readonly prefix: string
  readonly decided: QueueTotals = { count: 0, setHash: 0, low: MAX_TIMESTAMP, high: MIN_TIMESTAMP }
  appliedCount = 0
  /** A timestamp above which the `timers` space has nothing of this queue: the lowest, where that is known to be empty. */
  storedHigh = NOTHING_STORED
  /** The version whose commit touched this queue last: what it must tell the totals of. */
  touchedIn = 0
  /** What fires from this queue, and must hear what is decided and applied. */
  listener: QueueListener | undefined

  constructor(service: ServiceState, domain: TimeDomain) {
    this.service = service
    this.domain = domain
    this.prefix = queuePrefix(service.id, domain)
  }
}

export class ServiceState {
  readonly id: number
  /** As it is stored (timer/servicename.ts); '' where the number is free. */
  name: string
  /** Key, namespace and payload schemas, as one canonical JSON text. */
  schemas: string
  readonly eventTime: QueueState
  readonly processingTime: QueueState
  decidedWatermark = MIN_TIMESTAMP
  appliedWatermark = MIN_TIMESTAMP

  constructor(id: number, name: string, schemas: string) {
    this.id = id
    this.name = name
    this.schemas = schemas
    this.eventTime = new QueueState(this, 'eventTime')
    this.processingTime = new QueueState(this, 'processingTime')
  }
}

export class StoreState {
  readonly storeId: string
  readonly maxParallelism: number
  readonly services: ServiceState[] = []
  readonly serviceByName = new Map<string, ServiceState>()
  decidedVersion = 0
  appliedVersion = 0
  decidedRetired = 0
  appliedRetired = 0
  /** Checksum of the newest decided log entry: the next one chains to it. */
  chain = 0

  constructor(storeId: string, maxParallelism: number) {
    this.storeId = storeId
    this.maxParallelism = maxParallelism
  }

  addService(service: ServiceState): void {
    this.services[service.id] = service
    if (service.name !== FREE_NAME) this.serviceByName.set(service.name, service)
  }

  /** Names a service, new or known, and tells its schemas. */
  nameService(service: ServiceState, name: string, schemas: string): void {
    if (this.serviceByName.get(service.name) === service) this.serviceByName.delete(service.name)
    service.name = name
    service.schemas = schemas
    this.addService(service)
  }

  /** The number for the next service: a free one, or one more. */
  get freeServiceId(): number {
    const free = this.services.findIndex(({ name }) => name === FREE_NAME)
    return free < 0 ? this.services.length : free
  }

  /** Every queue, by service and domain. */
  *queues(): Iterable<QueueState> {
    for (const service of this.services) {
      yield service.eventTime
      yield service.processingTime
    }
  }

  queueOf(serviceId: number, domain: TimeDomain): QueueState | undefined {
    return this.services[serviceId]?.[domain]
  }
}
