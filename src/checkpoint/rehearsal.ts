/**
 * A restore without a store: all that it reads is read, and proved as far as files alone can prove it; what it would write
 * is counted.
 */
import type { KeyGroupRange } from '../timer/codec.ts'
import { IDENTITY_QUEUE_END } from '../timer/identity.ts'
import { ownersOf } from '../timer/servicename.ts'
import { decodeDigits } from '../timer/text.ts'
import { namingLog } from './format.ts'
import { eventsOf, type LogEntry } from './logreader.ts'
import { LogTotals } from './logtotals.ts'
import type { CheckpointReader } from './reader.ts'
import type { RestoreSource } from './restoresource.ts'
import { RowsReader } from './rowsreader.ts'

/** What a source would come to. */
export interface Rehearsed {
  timers: number
  /** Names of its services, as they are at its version. */
  services: string[]
}

/** `report` is called with how many timers and log entries were read since the last call; it may throw. */
export async function rehearse(
  { chain, version, keyGroups }: RestoreSource,
  report: (read: number) => void,
): Promise<Rehearsed> {
  const [full, ...links] = chain as [CheckpointReader, ...CheckpointReader[]]
  let timers = await countBlocks(full, keyGroups, report)
  let names = full.header.services.map(({ name }) => name)
  let base = full
  for (const link of links) {
    const totals = new LogTotals(base.header.services)
    for await (const logged of link.entries()) {
      const { entry } = logged
      namingLog(link.path, () => {
        totals.add(logged)
        if (entry.version < version) timers += changeOf(logged, keyGroups)
      })
      if (entry.version === version - 1) names = totals.names
      report(1)
    }
    namingLog(link.path, () => totals.compare(link.header.services))
    base = link
  }
  return { timers, services: ownersOf(names) }
}

async function countBlocks(
  reader: CheckpointReader,
  { start, end }: KeyGroupRange,
  report: (read: number) => void,
): Promise<number> {
  const isWanted = (keyGroup: number) => keyGroup >= start && keyGroup <= end
  const stream = reader.stream(({ segments }) => segments.some(({ keyGroup }) => isWanted(keyGroup)))
  const rows = new RowsReader(reader.header.version)
  let timers = 0
  for (let block = stream.upcoming; block !== undefined; block = stream.upcoming) {
    await stream.take((record, content) => rows.read(record, content))
    for (const { keyGroup, count } of block.segments) if (isWanted(keyGroup)) timers += count
    report(block.count)
  }
  return timers
}

/** How many more timers of some key groups there are after an entry than before it. */
function changeOf(logged: LogEntry, { start, end }: KeyGroupRange): number {
  let change = 0
  for (const event of eventsOf(logged)) {
    if (!('identity' in event) || event.kind === 'payload') continue
    const keyGroup = decodeDigits(event.identity, IDENTITY_QUEUE_END, 3)
    if (keyGroup >= start && keyGroup <= end) change += event.kind === 'register' ? 1 : -1
  }
  return change
}
