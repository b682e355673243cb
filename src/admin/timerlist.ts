/** `inspect --timers`: the timers themselves, in order of identity, as they are read. */
import { decodeTimer, type SnapshotTimer } from '../snapshot/snapshot.ts'
import { countIn } from './inspection.ts'
import { shown } from './printable.ts'
import type { Source } from './source.ts'
import { type Column, Table } from './table.ts'
import type { Terminal } from './terminal.ts'
import { type TimerSelection, timerFilter } from './timerfilter.ts'
import { iso } from './units.ts'
import { domainName } from './values.ts'

/** The timers of a selection, at most so many. */
export async function* selectTimers(
  source: Source,
  selection: TimerSelection,
  limit: number,
  terminal: Terminal,
): AsyncGenerator<SnapshotTimer> {
  const { range, matches } = timerFilter(selection, source.maxParallelism)
  const names = new Map(source.services.map(({ id, name }) => [id, name]))
  const wanted = source.services.filter(({ id }) => selection.serviceIds?.includes(id) ?? true)
  const isAll = range.keyGroups === undefined && selection.from === undefined && selection.to === undefined
  const total = isAll ? countIn(wanted, selection.domain) : undefined
  const progress = terminal.progress('reading', 'timers', total)
  let read = 0
  let found = 0
  if (limit === 0) return
  for await (const { count, identities, values, checksums } of source.timers(range)) {
    for (let i = 0; i < count; i++) {
      if (!matches(identities[i]!)) continue
      yield decodeTimer(identities[i]!, values[i]!, checksums[i]!, names)
      if (++found >= limit) return
    }
    read += count
    progress.at(read)
    await terminal.drained()
  }
}

export async function listTimers(
  source: Source,
  selection: TimerSelection,
  limit: number,
  terminal: Terminal,
): Promise<void> {
  const timers = selectTimers(source, selection, limit, terminal)
  if (terminal.isJson) {
    for await (const timer of timers) terminal.json(timer)
    return
  }
  const fields = fieldsFor(source, selection)
  const table = new Table(terminal, fields)
  for await (const timer of timers) table.add(...fields.map(({ tell }) => tell(timer)))
  table.end()
}

type Field = Column & { tell(timer: SnapshotTimer): string }

/** What all of the listed timers share is not told of each. */
function fieldsFor({ services }: Source, { serviceIds, domain }: TimerSelection): Field[] {
  const wanted = services.filter(({ id }) => serviceIds?.includes(id) ?? true)
  const isOneService = wanted.length === 1
  // As schemas are stored, an empty text is that of a payload that there is none of.
  const hasPayloads = wanted.some(({ schemas }) => !schemas.includes('"payload":""'))
  return [
    { title: 'timestamp', align: 'right', tell: ({ timestamp }) => String(timestamp) },
    { title: 'time', tell: ({ timestamp }) => iso(timestamp) },
    ...(isOneService
      ? []
      : [{ title: 'service', flexible: true, tell: (timer) => shown(timer.service) } as Field]),
    ...(domain === undefined
      ? [{ title: 'domain', tell: (timer) => domainName(timer.domain) } as Field]
      : []),
    { title: 'key', flexible: true, tell: ({ key }) => shown(key) },
    {
      title: 'namespace',
      flexible: true,
      tell: ({ namespace }) => (namespace === '' ? '' : shown(namespace)),
    },
    ...(hasPayloads ? [payload] : []),
  ]
}

const payload: Field = {
  title: 'payload',
  flexible: true,
  tell: (timer) => (timer.payload === undefined ? '' : shown(timer.payload)),
}
