/** What `inspect` finds out about a source: one document, which is what --json prints. */
import type { CheckpointBase, CheckpointKind } from '../checkpoint/cut.ts'
import { TidemarkError } from '../errors.ts'
import type { CutService } from '../snapshot/cut.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import type { TimeDomain } from '../timer/identity.ts'
import { FREE_NAME } from '../timer/servicename.ts'
import { isBlockWanted } from './checkpointsource.ts'
import { type KeyGroupSummary, QueueCounter, type QueueSummary, summarizeIndex } from './queuesummary.ts'
import type { CheckpointFacts, Source, TimerRange } from './source.ts'
import type { Terminal } from './terminal.ts'
import { type TimeBar, TimeHistogram } from './timehistogram.ts'
import { SAMPLED_BLOCKS, sampleTimes } from './timesample.ts'

export interface InspectedQueue {
  count: number
  earliest?: number
  latest?: number
  /** Those that have timers; left out where they were not looked at. */
  keyGroups?: KeyGroupSummary[]
}

export interface InspectedService {
  name: string
  watermark: number
  /** JSON Schemas; a payload that there is none of is null. */
  schemas: { key: unknown; namespace: unknown; payload: unknown }
  eventTime?: InspectedQueue
  processingTime?: InspectedQueue
}

export interface InspectedTimes {
  widthMs: number
  bars: TimeBar[]
  earlier: number
  later: number
  /** Otherwise it was estimated from `blocksRead` of `blocks`. */
  isExact: boolean
  blocksRead?: number
  blocks?: number
}

/** What is known at once. */
export interface InspectedHeader {
  kind: CheckpointKind | 'store'
  path: string
  storeId: string
  version: number
  maxParallelism: number
  keyGroups: KeyGroupRange
  timers: number
  /** Of a checkpoint. */
  id?: string
  createdMs?: number
  pauseMs?: number
  durationMs?: number
  bytes?: number
  blocks?: number
  sha256?: string
  base?: CheckpointBase
  metadata?: unknown
  /** Of a store. */
  formatVersion?: number
  retired?: number
  log?: { entries: number; bytes: number }
}

export function inspectHeader(source: Source): InspectedHeader {
  const { kind, path, storeId, version, maxParallelism, keyGroups, count: timers, checkpoint, store } = source
  const common = { path, storeId, version, maxParallelism, keyGroups, timers }
  if (checkpoint === undefined) return { kind: kind as 'store', ...common, ...store }
  const { header, bytes, durationMs, sha256, index } = checkpoint
  const { checkpointId: id, createdMs, pauseMs, base, metadata } = header
  const isFull = header.kind !== 'incremental'
  return {
    kind: header.kind,
    ...common,
    id,
    createdMs,
    pauseMs,
    durationMs,
    bytes,
    ...(isFull ? { blocks: index.length } : { base: base! }),
    sha256,
    ...(metadata === undefined ? {} : { metadata }),
  }
}

/** How a narrowed look goes: services and a domain, or all. */
export type Narrowing = Pick<TimerRange, 'serviceIds' | 'domain'>

export interface InspectedTimers {
  /** Undefined where the timers were not looked at: an incremental checkpoint has only what changed. */
  queues: QueueSummary[] | undefined
  /** Reads what is needed of them. */
  times(): Promise<InspectedTimes | undefined>
}

const MAX_TIME_BARS = 32

/** Counts the timers, by the cheapest way that there is; `exact` reads them all. */
export async function inspectTimers(
  source: Source,
  narrowing: Narrowing,
  exact: boolean,
  terminal: Terminal,
): Promise<InspectedTimers> {
  const { checkpoint, services } = source
  if (checkpoint === undefined || (checkpoint.index.length === 0 && exact)) {
    return walked(source, narrowing, terminal)
  }
  if (checkpoint.header.kind === 'incremental') return { queues: undefined, times: async () => undefined }
  const queues = summarizeIndex(services, checkpoint.index).filter((queue) => isWanted(queue, narrowing))
  return { queues, times: () => sampledTimes(checkpoint, narrowing, exact, terminal) }
}

function isWanted(
  queue: { serviceId: number; domain: TimeDomain },
  { serviceIds, domain }: Narrowing,
): boolean {
  return (domain ?? queue.domain) === queue.domain && (serviceIds?.includes(queue.serviceId) ?? true)
}

async function sampledTimes(
  checkpoint: CheckpointFacts,
  narrowing: Narrowing,
  exact: boolean,
  terminal: Terminal,
): Promise<InspectedTimes> {
  const blocks = checkpoint.index.filter((block) => isBlockWanted(block, narrowing))
  const most = exact ? blocks.length : SAMPLED_BLOCKS
  const progress = terminal.progress('reading', 'blocks', Math.min(most, blocks.length))
  const sample = await sampleTimes(checkpoint, blocks, most, (read) => progress.at(read))
  progress.end()
  const { isExact, blocksRead } = sample
  return { ...sample.histogram.bars(MAX_TIME_BARS), isExact, blocksRead, blocks: blocks.length }
}

async function walked(source: Source, narrowing: Narrowing, terminal: Terminal): Promise<InspectedTimers> {
  const { services } = source
  const histogram = new TimeHistogram()
  const counter = new QueueCounter(services)
  const wanted = services.filter(({ id }) => narrowing.serviceIds?.includes(id) ?? true)
  const progress = terminal.progress('reading', 'timers', countIn(wanted, narrowing.domain))
  let done = 0
  for await (const chunk of source.timers(narrowing)) {
    counter.add(chunk, (timestamp) => histogram.add(timestamp))
    done += chunk.count
    progress.at(done)
  }
  progress.end()
  const queues = counter.end().filter((queue) => isWanted(queue, narrowing))
  for (const queue of queues) checkQueue(source, queue)
  return { queues, times: async () => ({ ...histogram.bars(MAX_TIME_BARS), isExact: true }) }
}

export function countIn(services: readonly CutService[], domain?: TimeDomain): number {
  let sum = 0
  for (const { eventTime, processingTime } of services) {
    if (domain !== 'processingTime') sum += eventTime.count
    if (domain !== 'eventTime') sum += processingTime.count
  }
  return sum
}

/** What was walked must be what the log counted. Throws TIDEMARK_CORRUPT. */
export function checkQueue(
  { path, services }: Source,
  { serviceId, domain, count, setHash }: QueueSummary,
): void {
  const service = services[serviceId]
  const expected = service?.[domain]
  if (expected?.count === count && expected.setHash === setHash) return
  const { count: logged = 0, setHash: loggedHash = 0 } = expected ?? {}
  const counts = `${count} timers (set hash ${setHash}), and its log counts ${logged} (${loggedHash})`
  throw new TidemarkError(
    'TIDEMARK_CORRUPT',
    `${path} has in ${domain} of '${service?.name ?? `service ${serviceId}`}' ${counts}: restore a checkpoint`,
  )
}

/** Services as the document tells them, with what is known of their queues. */
export function inspectServices(
  { services }: Source,
  queues: readonly QueueSummary[] | undefined,
  narrowing: Narrowing,
): InspectedService[] {
  return services
    .filter(({ id, name }) => name !== FREE_NAME && (narrowing.serviceIds?.includes(id) ?? true))
    .map((service) => {
      const { id, name, watermark, schemas } = service
      const inspected: InspectedService = { name, watermark, schemas: parseSchemas(schemas) }
      for (const domain of ['eventTime', 'processingTime'] as const) {
        if (!isWanted({ serviceId: id, domain }, narrowing)) continue
        const found = queues?.find((queue) => queue.serviceId === id && queue.domain === domain)
        inspected[domain] = found === undefined ? { count: service[domain].count } : queueOf(found)
      }
      return inspected
    })
}

function queueOf({ count, earliest, latest, keyGroups }: QueueSummary): InspectedQueue {
  return { count, ...(count > 0 ? { earliest: earliest!, latest: latest! } : {}), keyGroups }
}

/** Schemas are stored as texts of JSON in a JSON text; what is not readable is told as it is. */
function parseSchemas(text: string): InspectedService['schemas'] {
  const fields = tryParse(text) as Record<string, string> | string
  if (typeof fields !== 'object' || fields === null) return { key: fields, namespace: null, payload: null }
  const { key, namespace, payload } = fields
  return { key: tryParse(key), namespace: tryParse(namespace), payload: tryParse(payload) }
}

function tryParse(text: unknown): unknown {
  if (typeof text !== 'string') return text ?? null
  if (text === '') return null
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
