/**
 * What two sources differ in: services, watermarks, schemas, and timers, queue by queue. Services are the same by name.
 * What the sources are apart from that (whose store, of which version) is no difference.
 */
import type { CutService } from '../snapshot/cut.ts'
import { decodeTimer, type SnapshotTimer } from '../snapshot/snapshot.ts'
import type { TimeDomain } from '../timer/identity.ts'
import { FREE_NAME } from '../timer/servicename.ts'
import { type Difference, identityOf, mergeRows, type Row, storedOf, whatChanged } from './rowmerge.ts'
import { openRows } from './rowstream.ts'
import type { Source } from './source.ts'
import { type TimerFilter, type TimerSelection, timerFilter } from './timerfilter.ts'

export type TimerSelectionByName = Omit<TimerSelection, 'serviceIds'> & { services?: readonly string[] }

export interface DiffOptions {
  selection: TimerSelectionByName
  /** Timers that differ in nothing but when they were registered are the same. */
  ignoreVersions: boolean
  onDifference(difference: TimerDifference): Promise<void> | void
  onProgress(timers: number): void
}

type TimerPart = Pick<SnapshotTimer, 'payload' | 'createVersion'>

export type TimerDifference =
  | ({ change: 'added' | 'removed' } & SnapshotTimer)
  | ({
      change: 'changed'
      /** In its payload, and in that it was registered again. */
      changed: ('payload' | 'createVersion')[]
      before: TimerPart
      after: TimerPart
    } & Omit<SnapshotTimer, keyof TimerPart>)

export interface QueueDifference {
  /** How many timers there are, with those that were not compared. */
  before: number
  after: number
  added: number
  removed: number
  changed: number
}

interface Pair<T> {
  before: T | null
  after: T | null
}

export interface ServiceDifference {
  name: string
  in: 'both' | 'before' | 'after'
  /** There where they differ. */
  watermark?: Pair<number>
  schemas?: Pair<string>
  eventTime?: QueueDifference
  processingTime?: QueueDifference
}

export interface SourcesDifference {
  isEqual: boolean
  added: number
  removed: number
  changed: number
  services: ServiceDifference[]
}

/** Both must have the same max parallelism: it decides the order of their timers. */
export async function diffSources(
  before: Source,
  after: Source,
  options: DiffOptions,
): Promise<SourcesDifference> {
  const found: SourcesDifference = { isEqual: true, added: 0, removed: 0, changed: 0, services: [] }
  for (const [one, other] of pairsOf(before, after)) {
    const name = (one ?? other)!.name
    if (options.selection.services?.includes(name) === false) continue
    const service = compareServices(name, one, other)
    for (const domain of ['eventTime', 'processingTime'] as const) {
      if ((options.selection.domain ?? domain) !== domain) continue
      const queue = await diffQueue(before, after, one, other, domain, options)
      service[domain] = queue
      found.added += queue.added
      found.removed += queue.removed
      found.changed += queue.changed
    }
    const { in: where, watermark, schemas } = service
    found.isEqual &&= where === 'both' && watermark === undefined && schemas === undefined
    found.services.push(service)
  }
  found.isEqual &&= found.added + found.removed + found.changed === 0
  return found
}

/** How many timers there are to be compared. */
export function timersToCompare(before: Source, after: Source, { services, domain }: TimerSelectionByName) {
  let sum = 0
  for (const { name, eventTime, processingTime } of [...before.services, ...after.services]) {
    if (services?.includes(name) === false) continue
    if (domain !== 'processingTime') sum += eventTime.count
    if (domain !== 'eventTime') sum += processingTime.count
  }
  return sum
}

/** Services that are the same, or that only one has. */
function pairsOf(before: Source, after: Source): [CutService | undefined, CutService | undefined][] {
  const named = ({ services }: Source) => services.filter(({ name }) => name !== FREE_NAME)
  const others = new Map(named(after).map((service) => [service.name, service]))
  const pairs = named(before).map((service): [CutService, CutService | undefined] => {
    const other = others.get(service.name)
    others.delete(service.name)
    return [service, other]
  })
  return [
    ...pairs,
    ...Array.from(others.values(), (service): [undefined, CutService] => [undefined, service]),
  ]
}

function compareServices(
  name: string,
  before: CutService | undefined,
  after: CutService | undefined,
): ServiceDifference {
  const service: ServiceDifference = {
    name,
    in: before === undefined ? 'after' : after === undefined ? 'before' : 'both',
  }
  for (const field of ['watermark', 'schemas'] as const) {
    if (before?.[field] === after?.[field]) continue
    const pair = { before: before?.[field] ?? null, after: after?.[field] ?? null }
    Object.assign(service, { [field]: pair })
  }
  return service
}

async function diffQueue(
  before: Source,
  after: Source,
  one: CutService | undefined,
  other: CutService | undefined,
  domain: TimeDomain,
  options: DiffOptions,
): Promise<QueueDifference> {
  const [countBefore, countAfter] = [one?.[domain].count ?? 0, other?.[domain].count ?? 0]
  const queue = { before: countBefore, after: countAfter, added: 0, removed: 0, changed: 0 }
  const filter = timerFilter({ ...options.selection, domain }, before.maxParallelism)
  const range = (service: CutService | undefined) => ({
    ...filter.range,
    serviceIds: service === undefined ? [] : [service.id],
  })
  await mergeRows(openRows(before, range(one)), openRows(after, range(other)), {
    onProgress: options.onProgress,
    onDifference: (difference) => {
      const told = tell(difference, filter, (one ?? other)!.name, options.ignoreVersions)
      if (told === undefined) return
      queue[told.change]++
      return options.onDifference(told)
    },
  })
  return queue
}

/** Undefined: it is none that was asked for. */
function tell(
  difference: Difference,
  { matches }: TimerFilter,
  service: string,
  ignoreVersions: boolean,
): TimerDifference | undefined {
  const { kind } = difference
  const row = kind === 'removed' ? difference.before : difference.after
  if (!matches(identityOf(row))) return undefined
  if (kind !== 'changed') return { change: kind, ...timerOf(row, service) }
  const { payload, registered } = whatChanged(storedOf(difference.before), storedOf(row))
  const isRegistered = registered && !ignoreVersions
  if (!payload && !isRegistered) return undefined
  const before = timerOf(difference.before, service)
  const { payload: _, createVersion: __, ...identity } = timerOf(row, service)
  return {
    change: 'changed',
    changed: [...(payload ? ['payload' as const] : []), ...(isRegistered ? ['createVersion' as const] : [])],
    ...identity,
    before: partOf(before),
    after: partOf(timerOf(row, service)),
  }
}

function timerOf(row: Row, service: string): SnapshotTimer {
  const { value, checksum } = storedOf(row)
  return { ...decodeTimer(identityOf(row), value, checksum, new Map()), service }
}

function partOf({ payload, createVersion }: SnapshotTimer): TimerPart {
  return payload === undefined ? { createVersion } : { payload, createVersion }
}
