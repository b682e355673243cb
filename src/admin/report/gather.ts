/**
 * What a report tells of a source's timers, from one walk through all of them, in bounded memory.
 *
 * - Everything is exact: what was walked must be what the log counted.
 * - A chart has few series: the largest queues have their own, all others share one.
 */
import { decodeTimer, type SnapshotTimer } from '../../snapshot/snapshot.ts'
import type { VisibleChunk } from '../../snapshot/walk.ts'
import type { TimeDomain } from '../../timer/identity.ts'
import { orderTextIn } from '../../timer/stored.ts'
import { checkQueue } from '../inspection.ts'
import { QueueCounter, type QueueSummary } from '../queuesummary.ts'
import type { Source } from '../source.ts'
import type { Terminal } from '../terminal.ts'
import { TimeHistogram } from '../timehistogram.ts'

/** As many as there are colours that are told apart. */
export const MAX_SERIES = 8
const MAX_SERIES_BINS = 16_384
const EARLIEST_TIMERS = 20

/** The timers that are drawn in one colour: those of a queue, or of all that have none of their own. */
export interface Series {
  /** Undefined: the others. */
  queue?: { serviceId: number; service: string; domain: TimeDomain }
  /** How many queues it stands for. */
  queues: number
  total: number
  times: TimeHistogram
}

export interface Gathered {
  series: Series[]
  queues: QueueSummary[]
  /** The series that a queue belongs to. */
  seriesOf(queue: { serviceId: number; domain: TimeDomain }): Series
  times: TimeHistogram
  /** What is due first, in order. */
  earliest: SnapshotTimer[]
}

export async function gather(source: Source, terminal: Terminal): Promise<Gathered> {
  const { series, seriesOf } = planSeries(source)
  const times = new TimeHistogram()
  const earliest = new Earliest(source)
  const counter = new QueueCounter(source.services)
  const progress = terminal.progress('reading', 'timers', source.count)
  let done = 0
  let lastQueue: QueueSummary | undefined
  let lastTimes = times
  for await (const chunk of source.timers()) {
    counter.add(chunk, (timestamp, queue, at) => {
      if (queue !== lastQueue) {
        lastQueue = queue
        lastTimes = seriesOf(queue).times
      }
      lastTimes.add(timestamp)
      times.add(timestamp)
      earliest.add(timestamp, chunk, at)
    })
    done += chunk.count
    progress.at(done)
  }
  progress.end()
  const queues = counter.end()
  for (const queue of queues) checkQueue(source, queue)
  return { series, queues, seriesOf, times, earliest: earliest.timers() }
}

function planSeries({ services }: Source): Pick<Gathered, 'series' | 'seriesOf'> {
  const queues = services
    .flatMap(({ id: serviceId, name: service, ...counts }) =>
      (['eventTime', 'processingTime'] as const).map((domain) => ({
        queue: { serviceId, service, domain },
        total: counts[domain].count,
      })),
    )
    .filter(({ total }) => total > 0)
  const bySize = [...queues].sort((a, b) => b.total - a.total)
  const own = new Set(bySize.slice(0, queues.length > MAX_SERIES ? MAX_SERIES - 1 : MAX_SERIES))
  const series: Series[] = queues
    .filter((queue) => own.has(queue))
    .map(({ queue, total }) => ({ queue, queues: 1, total, times: new TimeHistogram(MAX_SERIES_BINS) }))
  const known = new Map(series.map((one) => [`${one.queue!.serviceId} ${one.queue!.domain}`, one]))
  const total = queues.reduce((sum, queue) => sum + (own.has(queue) ? 0 : queue.total), 0)
  const others = { queues: queues.length - own.size, total, times: new TimeHistogram(MAX_SERIES_BINS) }
  if (others.queues > 0) series.push(others)
  return { series, seriesOf: ({ serviceId, domain }) => known.get(`${serviceId} ${domain}`) ?? others }
}

interface Candidate {
  timestamp: number
  /** First registered, first fired. */
  order: string
  identity: string
  value: string
  checksum: number
}

/** Keeps those of the timers that are due first. */
class Earliest {
  readonly #names: ReadonlyMap<number, string>
  #kept: Candidate[] = []
  #last = Number.POSITIVE_INFINITY

  constructor({ services }: Source) {
    this.#names = new Map(services.map(({ id, name }) => [id, name]))
  }

  add(timestamp: number, { identities, values, checksums }: VisibleChunk, at: number): void {
    if (timestamp > this.#last) return
    const value = values[at]!
    const candidate = { timestamp, order: orderTextIn(value), identity: identities[at]!, value }
    const before = this.#kept.findLastIndex((kept) => compare(kept, candidate) <= 0)
    if (before + 1 >= EARLIEST_TIMERS) return
    this.#kept.splice(before + 1, 0, { ...candidate, checksum: checksums[at]! })
    if (this.#kept.length > EARLIEST_TIMERS) this.#kept.pop()
    if (this.#kept.length === EARLIEST_TIMERS) this.#last = this.#kept.at(-1)!.timestamp
  }

  timers(): SnapshotTimer[] {
    return this.#kept.map(({ identity, value, checksum }) =>
      decodeTimer(identity, value, checksum, this.#names),
    )
  }
}

function compare(a: Pick<Candidate, 'timestamp' | 'order'>, b: typeof a): number {
  return a.timestamp - b.timestamp || (a.order < b.order ? -1 : a.order > b.order ? 1 : 0)
}
