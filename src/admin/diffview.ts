/** What `diff` shows to people: the timers that differ, and then the sums. */
import type { QueueDifference, ServiceDifference, SourcesDifference, TimerDifference } from './difference.ts'
import { printable, shown, shownJson } from './printable.ts'
import type { Source } from './source.ts'
import { type Cell, Table } from './table.ts'
import type { Style, Terminal } from './terminal.ts'
import { count, counted, iso } from './units.ts'
import { domainName } from './values.ts'

const SIGNS: Record<TimerDifference['change'], { text: string; style: Style }> = {
  added: { text: '+', style: 'green' },
  removed: { text: '-', style: 'red' },
  changed: { text: '~', style: 'yellow' },
}

/** The timers that differ, a row each. */
export class DifferenceTable {
  readonly #table: Table
  #isUsed = false

  constructor(terminal: Terminal) {
    this.#table = new Table(terminal, [
      { title: '' },
      { title: 'time' },
      { title: 'service', flexible: true },
      { title: 'domain' },
      { title: 'key', flexible: true },
      { title: 'namespace', flexible: true },
      { title: 'what', flexible: true },
    ])
  }

  add(difference: TimerDifference): void {
    this.#isUsed = true
    const { change, timestamp, service, domain, key, namespace } = difference
    const space = namespace === '' ? '' : shown(namespace)
    const timer = [iso(timestamp), shown(service), domainName(domain), shown(key), space]
    this.#table.add(SIGNS[change], ...timer, whatOf(difference))
  }

  end(): void {
    if (this.#isUsed) this.#table.end()
  }
}

function whatOf(difference: TimerDifference): string {
  if (difference.change !== 'changed') return payloadOf(difference)
  const { changed, before, after } = difference
  return changed
    .map((what) =>
      what === 'payload'
        ? `${payloadOf(before) || 'no payload'} → ${payloadOf(after) || 'no payload'}`
        : `registered again: version ${before.createVersion} → ${after.createVersion}`,
    )
    .join('; ')
}

function payloadOf({ payload }: { payload?: unknown }): string {
  return payload === undefined ? '' : shownJson(payload)
}

export function printSummary(
  terminal: Terminal,
  found: SourcesDifference,
  before: Source,
  after: Source,
  listed: number,
): void {
  const differing = found.added + found.removed + found.changed
  if (listed > 0 && listed < differing) {
    terminal.print(terminal.style('dim', `… and ${counted(differing - listed, 'more', 'more')}: see --all`))
  }
  if (listed > 0) terminal.print()
  terminal.print(`before  ${factsOf(before)}`)
  terminal.print(`after   ${factsOf(after)}`)
  printQueues(terminal, found.services)
  for (const service of found.services) printService(terminal, service)
  terminal.print(found.isEqual ? terminal.style('green', 'They are equal.') : sumOf(found))
}

function factsOf({ kind, path, version, count: timers }: Source): string {
  return `${kind} ${printable(path)}: version ${version}, ${counted(timers, 'timer')}`
}

function sumOf({ added, removed, changed }: SourcesDifference): string {
  if (added + removed + changed === 0) return 'No timer differs.'
  return `${count(added)} added, ${count(removed)} removed, ${count(changed)} changed.`
}

const COLUMNS = [
  { title: 'service', flexible: true },
  { title: 'domain' },
  { title: 'before', align: 'right' },
  { title: 'after', align: 'right' },
  { title: 'added', align: 'right' },
  { title: 'removed', align: 'right' },
  { title: 'changed', align: 'right' },
] as const

function printQueues(terminal: Terminal, services: readonly ServiceDifference[]): void {
  const table = new Table(terminal, COLUMNS)
  let rows = 0
  for (const service of services) {
    for (const domain of ['eventTime', 'processingTime'] as const) {
      const queue = service[domain]
      if (queue === undefined || queue.before + queue.after === 0) continue
      table.add(shown(service.name), domainName(domain), ...cells(queue))
      rows++
    }
  }
  if (rows === 0) return
  terminal.print()
  table.end()
  terminal.print()
}

function cells({ before, after, added, removed, changed }: QueueDifference): Cell[] {
  const cell = (n: number, style: Style): Cell => (n === 0 ? '0' : { text: count(n), style })
  return [count(before), count(after), cell(added, 'green'), cell(removed, 'red'), cell(changed, 'yellow')]
}

function printService(terminal: Terminal, service: ServiceDifference): void {
  const { name, in: where, watermark, schemas } = service
  if (where !== 'both') {
    terminal.print(`service ${shown(name)} is only ${where === 'before' ? 'before' : 'after'}`)
    return
  }
  if (watermark !== undefined) {
    terminal.print(`watermark of ${shown(name)}: ${watermark.before} → ${watermark.after}`)
  }
  if (schemas === undefined) return
  terminal.print(`schemas of ${shown(name)}:`)
  terminal.print(`  before  ${printable(schemas.before!)}`)
  terminal.print(`  after   ${printable(schemas.after!)}`)
}
