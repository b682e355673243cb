/** What `inspect` found out, for people. */
import { MIN_TIMESTAMP } from '../limits.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import type { TimeDomain } from '../timer/identity.ts'
import { type Bar, printChart } from './chart.ts'
import type { InspectedHeader, InspectedService, InspectedTimes } from './inspection.ts'
import { printable, shown } from './printable.ts'
import { type Cell, Table } from './table.ts'
import type { Terminal } from './terminal.ts'
import { bytes, count, counted, duration, iso, isoSeconds, moment } from './units.ts'

const MAX_KEY_GROUP_BARS = 16
const MAX_METADATA_LINES = 40

/** Names and what they stand for, the latter beneath one another. */
export function printFacts(
  terminal: Terminal,
  facts: readonly (readonly [string, string])[],
  indent = '  ',
): void {
  const width = Math.max(...facts.map(([name]) => name.length))
  for (const [name, what] of facts) {
    terminal.print(`${indent}${terminal.style('dim', name.padEnd(width))}  ${what}`)
  }
}

export function printHeader(terminal: Terminal, header: InspectedHeader): void {
  terminal.print(terminal.style('bold', printable(header.path)))
  printFacts(terminal, headerFacts(header, terminal.nowMs))
  const { metadata } = header
  if (metadata === undefined) return
  const lines = JSON.stringify(metadata, null, 2).split('\n').map(printable)
  printFacts(terminal, [
    ['metadata', lines.length > MAX_METADATA_LINES ? shown(metadata) : lines.join('\n    ')],
  ])
}

/** Names and what they stand for. */
export function headerFacts(header: InspectedHeader, nowMs: number): [string, string][] {
  return header.kind === 'store' ? storeFacts(header) : checkpointFacts(header, nowMs)
}

function commonFacts({ storeId, version, maxParallelism, keyGroups }: InspectedHeader): [string, string][] {
  const { start, end } = keyGroups
  const all = start === 0 && end === maxParallelism - 1 ? 'all' : `${start} to ${end}`
  return [
    ['store', printable(storeId)],
    ['version', `${version}: it holds what was made before`],
    ['key groups', `${all} of ${maxParallelism}`],
  ]
}

function checkpointFacts(header: InspectedHeader, nowMs: number): [string, string][] {
  const { kind, id, createdMs, pauseMs, durationMs, timers, bytes: length, blocks, base, version } = header
  const size = timers > 0 && blocks !== undefined ? `, ${bytes(length! / timers)} a timer` : ''
  const content =
    base === undefined
      ? `${counted(timers, 'timer')} in ${counted(blocks!, 'block')}`
      : `${counted(version - base.version, 'log entry', 'log entries')}, with which there are ${counted(timers, 'timer')}`
  return [
    ['kind', `${kind} checkpoint`],
    ['id', printable(id!)],
    ...commonFacts(header),
    ...(base === undefined
      ? []
      : [['builds on', `version ${base.version}, ${printable(base.checkpointId)}`] as [string, string]]),
    ['created', moment(createdMs!, nowMs)],
    ['content', content],
    ['size', `${bytes(length!)}${size}`],
    ['took', `${duration(durationMs!)}, calls were held up for ${duration(pauseMs!)}`],
  ]
}

function storeFacts(header: InspectedHeader): [string, string][] {
  const { formatVersion, timers, retired, log } = header
  return [
    ['kind', `store, format ${formatVersion}`],
    ...commonFacts(header),
    ['content', `${counted(timers, 'timer')}, ${count(retired!)} retired`],
    ['log', `${counted(log!.entries, 'entry', 'entries')}, ${bytes(log!.bytes)}`],
  ]
}

const DOMAINS: readonly (readonly [TimeDomain, string])[] = [
  ['eventTime', 'event'],
  ['processingTime', 'processing'],
]

export function printServices(terminal: Terminal, services: readonly InspectedService[]): void {
  terminal.print(`\n${terminal.style('bold', 'Services')}`)
  if (services.length === 0) {
    terminal.print('  none')
    return
  }
  const columns = [{ title: 'service', flexible: true }, { title: 'domain' }]
  const right = { title: 'timers', align: 'right' as const }
  const table = new Table(terminal, [...columns, right, { title: 'earliest' }, { title: 'latest' }], '  ')
  for (const service of services) {
    let name = shown(service.name)
    for (const [domain, domainName] of DOMAINS) {
      const queue = service[domain]
      if (queue === undefined) continue
      const cells: Cell[] = [name, domainName, count(queue.count)]
      for (const bound of [queue.earliest, queue.latest])
        cells.push(bound === undefined ? '' : isoSeconds(bound))
      table.add(...cells)
      name = ''
    }
  }
  table.end()
  terminal.print(`\n${terminal.style('bold', 'Watermarks and schemas')}`)
  for (const { name, watermark, schemas } of services) {
    terminal.print(`  ${shown(name)}`)
    const { key, namespace, payload } = schemas
    const told: [string, string][] = [
      ['watermark', watermark === MIN_TIMESTAMP ? 'none yet' : moment(watermark, terminal.nowMs)],
      ['key', shown(key)],
      ['namespace', shown(namespace)],
      ['payload', payload === null ? 'none' : shown(payload)],
    ]
    printFacts(terminal, told, '    ')
  }
}

export function printTimes(terminal: Terminal, times: InspectedTimes): void {
  const { widthMs, bars, earlier, later, isExact, blocksRead, blocks } = times
  const how = isExact
    ? 'exact'
    : `estimated from ${count(blocksRead!)} of ${counted(blocks!, 'block')}, --exact reads them all`
  const note = bars.length === 0 ? 'none' : `UTC, ${duration(widthMs)} a bar; ${how}`
  terminal.print(`\n${terminal.style('bold', 'Timers over time')} ${terminal.style('dim', `(${note})`)}`)
  if (bars.length === 0) return
  const rows: Bar[] = bars.map(({ from, count: value }) => ({ label: timeLabel(from, widthMs), value }))
  if (earlier > 0) rows.unshift({ label: 'earlier', value: earlier })
  if (later > 0) rows.push({ label: 'later', value: later })
  printChart(terminal, rows)
}

/** A time to the precision that a bar's width asks for. */
export function timeLabel(timestamp: number, widthMs: number): string {
  const text = iso(timestamp)
  if (!text.endsWith('Z')) return text
  const [day, time] = text.slice(0, -1).split('T') as [string, string]
  if (widthMs >= 86_400_000) return day
  const length = widthMs >= 60_000 ? 5 : widthMs >= 1000 ? 8 : 12
  return `${day} ${time.slice(0, length)}`
}

export function printKeyGroups(
  terminal: Terminal,
  services: readonly InspectedService[],
  range: KeyGroupRange,
): void {
  const counts = keyGroupCounts(services, range)
  const each = Math.ceil(counts.length / MAX_KEY_GROUP_BARS)
  const bars: Bar[] = []
  for (let at = 0; at < counts.length; at += each) {
    const value = counts.slice(at, at + each).reduce((sum, n) => sum + n, 0)
    const first = range.start + at
    const last = Math.min(first + each - 1, range.end)
    bars.push({ label: first === last ? String(first) : `${first}–${last}`, value })
  }
  const empty = counts.filter((n) => n === 0).length
  const least = counts.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const most = counts.reduce((a, b) => Math.max(a, b), 0)
  const spread = empty > 0 ? `${count(empty)} of ${count(counts.length)} empty` : `from ${count(least)}`
  const note = terminal.style('dim', `(${spread}, up to ${count(most)} in one; exact)`)
  terminal.print(`\n${terminal.style('bold', 'Timers over key groups')} ${note}`)
  printChart(terminal, bars)
}

/** Timers of every key group of a range, over all queues. */
export function keyGroupCounts(
  services: readonly InspectedService[],
  { start, end }: KeyGroupRange,
): number[] {
  const counts = new Array<number>(end - start + 1).fill(0)
  for (const { eventTime, processingTime } of services) {
    for (const queue of [eventTime, processingTime]) {
      for (const { keyGroup, count: timers } of queue?.keyGroups ?? []) {
        if (keyGroup >= start && keyGroup <= end) counts[keyGroup - start]! += timers
      }
    }
  }
  return counts
}
