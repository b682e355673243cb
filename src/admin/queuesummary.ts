/**
 * How many timers each key group of each queue has, and between which timestamps: from a checkpoint's index without
 * reading a timer, or counted while a source is walked.
 */
import type { BlockRecord } from '../checkpoint/blockindex.ts'
import type { CutService } from '../snapshot/cut.ts'
import type { VisibleChunk } from '../snapshot/walk.ts'
import { addToSetHash } from '../timer/checksum.ts'
import { IDENTITY_KEY_START, type TimeDomain } from '../timer/identity.ts'
import { decodeDigits, decodeTimestamp, TIMESTAMP_CHARACTERS } from '../timer/text.ts'

export interface KeyGroupSummary {
  keyGroup: number
  count: number
  earliest: number
  latest: number
}

/** What a queue has; its bounds are there if it has timers. */
export interface QueueSummary {
  serviceId: number
  domain: TimeDomain
  count: number
  setHash: number
  earliest?: number
  latest?: number
  /** Those that have timers, in order. */
  keyGroups: KeyGroupSummary[]
}

/** Gathers segments, or timers, in order of identity. */
class Gatherer {
  readonly #queues = new Map<string, QueueSummary>()

  constructor(services: readonly CutService[]) {
    for (const { id: serviceId } of services) {
      for (const domain of ['eventTime', 'processingTime'] as const) {
        this.#queues.set(`${serviceId} ${domain}`, { serviceId, domain, count: 0, setHash: 0, keyGroups: [] })
      }
    }
  }

  get queues(): QueueSummary[] {
    return [...this.#queues.values()]
  }

  /** A queue, made where nothing has told of its service. */
  queue(serviceId: number, domain: TimeDomain): QueueSummary {
    const name = `${serviceId} ${domain}`
    const queue = this.#queues.get(name) ?? { serviceId, domain, count: 0, setHash: 0, keyGroups: [] }
    this.#queues.set(name, queue)
    return queue
  }

  /** The summary of a key group, which is the queue's last or comes behind it. */
  keyGroup(queue: QueueSummary, keyGroup: number): KeyGroupSummary {
    const last = queue.keyGroups.at(-1)
    if (last?.keyGroup === keyGroup) return last
    const earliest = Number.POSITIVE_INFINITY
    const added = { keyGroup, count: 0, earliest, latest: Number.NEGATIVE_INFINITY }
    queue.keyGroups.push(added)
    return added
  }
}

function withBounds(queue: QueueSummary): QueueSummary {
  const { keyGroups } = queue
  if (keyGroups.length === 0) return queue
  queue.count = 0
  queue.earliest = Number.POSITIVE_INFINITY
  queue.latest = Number.NEGATIVE_INFINITY
  for (const { count, earliest, latest } of keyGroups) {
    queue.count += count
    queue.earliest = Math.min(queue.earliest, earliest)
    queue.latest = Math.max(queue.latest, latest)
  }
  return queue
}

/** What a checkpoint's index tells. */
export function summarizeIndex(
  services: readonly CutService[],
  index: readonly BlockRecord[],
): QueueSummary[] {
  const gatherer = new Gatherer(services)
  for (const { serviceId, domain, setHash, segments } of index) {
    const queue = gatherer.queue(serviceId, domain)
    queue.setHash = addToSetHash(queue.setHash, setHash)
    for (const { keyGroup, count, earliest, latest } of segments) {
      const summary = gatherer.keyGroup(queue, keyGroup)
      summary.count += count
      summary.earliest = Math.min(summary.earliest, earliest)
      summary.latest = Math.max(summary.latest, latest)
    }
  }
  return gatherer.queues.map(withBounds)
}

/** Counts the timers of a walk, chunk by chunk, in order of identity. */
export class QueueCounter {
  readonly #gatherer: Gatherer
  #prefix = ''
  #queue!: QueueSummary
  #keyGroup!: KeyGroupSummary

  constructor(services: readonly CutService[]) {
    this.#gatherer = new Gatherer(services)
  }

  /** `onTimer` is called with each timer's timestamp, its queue, and its place in the chunk. */
  add(
    { count, identities, checksums }: VisibleChunk,
    onTimer: (timestamp: number, queue: QueueSummary, at: number) => void,
  ): void {
    for (let i = 0; i < count; i++) {
      const identity = identities[i]!
      if (!identity.startsWith(this.#prefix) || this.#prefix === '') this.#enter(identity)
      const timestamp = decodeTimestamp(identity, identity.length - TIMESTAMP_CHARACTERS)
      const keyGroup = this.#keyGroup
      keyGroup.count++
      if (timestamp < keyGroup.earliest) keyGroup.earliest = timestamp
      if (timestamp > keyGroup.latest) keyGroup.latest = timestamp
      this.#queue.setHash = addToSetHash(this.#queue.setHash, checksums[i]!)
      onTimer(timestamp, this.#queue, i)
    }
  }

  end(): QueueSummary[] {
    return this.#gatherer.queues.map(withBounds)
  }

  #enter(identity: string): void {
    this.#prefix = identity.slice(0, IDENTITY_KEY_START)
    const domain = identity[3] === 'e' ? 'eventTime' : 'processingTime'
    this.#queue = this.#gatherer.queue(decodeDigits(identity, 1, 2), domain)
    this.#keyGroup = this.#gatherer.keyGroup(this.#queue, decodeDigits(identity, 4, 3))
  }
}
