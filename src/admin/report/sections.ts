/** The report's sections that are text and tables. Stored text is made printable, and then escaped as all text is. */
import path from 'node:path'
import { MIN_TIMESTAMP } from '../../limits.ts'
import type { SnapshotTimer } from '../../snapshot/snapshot.ts'
import type { TimeDomain } from '../../timer/identity.ts'
import type { InspectedHeader, InspectedService } from '../inspection.ts'
import { headerFacts } from '../inspectview.ts'
import { printable, shown, truncate } from '../printable.ts'
import { bytes, count, counted, duration, iso, percent, relative } from '../units.ts'
import { domainName } from '../values.ts'
import { head, html, type Markup, scrollTable, section } from './html.ts'
import type { Neighbour, Neighbours } from './neighbours.ts'

/** Services that are told one by one: the largest. */
const MAX_SERVICES = 500
/** Characters of JSON that all schemas may take. */
const MAX_SCHEMA_CHARACTERS = 1024 * 1024
const MAX_STORED_COLUMNS = 240
const MAX_TYPE_COLUMNS = 60
const DOMAINS: readonly TimeDomain[] = ['eventTime', 'processingTime']

export function stored(value: unknown): string {
  return truncate(shown(value), MAX_STORED_COLUMNS)
}

export function cards(header: InspectedHeader, services: number, nowMs: number): Markup {
  const { timers, version, createdMs, bytes: length, pauseMs, durationMs, retired, log } = header
  const list: [string, string, string][] = [
    ['Timers', count(timers), ''],
    ['Services', count(services), ''],
    ['Version', count(version), 'holds what was made before'],
  ]
  if (createdMs !== undefined) {
    const each = timers > 0 && header.base === undefined ? `${bytes(length! / timers)} a timer` : ''
    list.push(
      ['Taken', relative(createdMs, nowMs), iso(createdMs).slice(0, 19).replace('T', ' ')],
      ['Size', bytes(length!), each],
      ['Written in', duration(durationMs!), `calls held up ${duration(pauseMs!)}`],
    )
  } else {
    list.push(
      ['Retired', count(retired!), 'deleted, not purged yet'],
      ['Log', bytes(log!.bytes), counted(log!.entries, 'entry', 'entries')],
    )
  }
  return html`<dl class="cards">${list.map(card)}</dl>`
}

function card([name, what, note]: [string, string, string]): Markup {
  const told = note === '' ? what : html`${what} <span class="note">${note}</span>`
  return html`<div class="card"><dt>${name}</dt><dd>${told}</dd></div>`
}

/** A time with how far it is from now. */
function timeCell(timestamp: number | undefined, nowMs: number): Markup {
  if (timestamp === undefined) return html`<td class="time soft">–</td>`
  const text = iso(timestamp)
  if (!text.endsWith('Z')) return html`<td class="time">${text}</td>`
  const told = text.replace('T', ' ').replace(/\.000Z$|Z$/, '')
  const time = html`<time datetime="${text}">${told}</time>`
  return html`<td class="time">${time}<span class="note">${relative(timestamp, nowMs)}</span></td>`
}

function storedCell(value: unknown): Markup {
  return html`<td class="stored">${value === undefined ? '' : stored(value)}</td>`
}

function numberCell(text: string): Markup {
  return html`<td class="number">${text}</td>`
}

export function servicesSection(
  services: readonly InspectedService[],
  timers: number,
  nowMs: number,
): Markup {
  if (services.length === 0) return section('services', 'Services', html`<p class="soft">There are none.</p>`)
  const told = [...services].sort((a, b) => sizeOf(b) - sizeOf(a)).slice(0, MAX_SERVICES)
  const rows = told.map((service) => serviceRows(service, timers, nowMs))
  const left = services.length - told.length
  const more = `And ${counted(left, 'service')} more, with fewer timers each.`
  const heads = ['Service', 'Domain', 'Timers', 'Earliest', 'Latest', 'Watermark']
  const table = scrollTable(
    'Services',
    heads.map((title) => head(title, title === 'Timers')),
    rows,
  )
  return section('services', 'Services', [table, left > 0 ? html`<p class="note">${more}</p>` : ''])
}

function sizeOf({ eventTime, processingTime }: InspectedService): number {
  return (eventTime?.count ?? 0) + (processingTime?.count ?? 0)
}

function serviceRows(service: InspectedService, timers: number, nowMs: number): Markup {
  const name = html`<th scope="rowgroup" rowspan="2" class="stored">${stored(service.name)}</th>`
  const rows = DOMAINS.map((domain, i) => {
    const queue = service[domain]!
    const hasWatermark = domain === 'eventTime' && service.watermark !== MIN_TIMESTAMP
    const times = [queue.earliest, queue.latest, hasWatermark ? service.watermark : undefined]
    return html`<tr>${i === 0 ? name : ''}<td class="word">${domainName(domain)}</td>
<td class="number">${count(queue.count)}${shareBar(queue.count / timers)}</td>
${times.map((timestamp) => timeCell(timestamp, nowMs))}</tr>`
  })
  return html`<tbody>${rows}</tbody>`
}

function shareBar(share: number): Markup {
  if (!(share > 0)) return html``
  const bar = html`<rect class="series-0" width="${Math.max(share * 100, 1)}" height="6"/>`
  return html`<svg class="share" viewBox="0 0 100 6" preserveAspectRatio="none"
role="img" aria-label="${percent(share)} of all">${bar}</svg>`
}

export function earliestSection(timers: readonly SnapshotTimer[], nowMs: number): Markup {
  if (timers.length === 0) return html``
  const titles = ['Due', 'Service', 'Domain', 'Key', 'Namespace', 'Payload']
  const hasPayload = timers.some(({ payload }) => payload !== undefined)
  const rows = timers.map(({ timestamp, service, domain, key, namespace, payload }) => {
    const cells = [key, namespace === '' ? undefined : namespace, ...(hasPayload ? [payload] : [])]
    return html`<tr>${timeCell(timestamp, nowMs)}${storedCell(service)}<td class="word">${domainName(domain)}</td>
${cells.map(storedCell)}</tr>`
  })
  const heads = titles.slice(0, hasPayload ? 6 : 5).map((title) => head(title))
  const table = scrollTable('Timers that are due first', heads, html`<tbody class="due">${rows}</tbody>`)
  return section('earliest', 'Due first', table)
}

export function schemasSection(services: readonly InspectedService[]): Markup {
  if (services.length === 0) return html``
  let left = MAX_SCHEMA_CHARACTERS
  const told = services.slice(0, MAX_SERVICES).map(({ name, schemas }) => {
    const { key, namespace, payload } = schemas
    const text = pretty(schemas)
    left -= text.length
    const payloadType = payload === null ? 'no payload' : `payload ${typeName(payload)}`
    const types = `key ${typeName(key)}, namespace ${typeName(namespace)}, ${payloadType}`
    const body =
      left > 0
        ? html`<pre>${text}</pre>`
        : html`<p class="note">See tidemark inspect: there are too many for a page.</p>`
    const summary = html`<strong>${stored(name)}</strong> <span class="soft">${types}</span>`
    return html`<details><summary>${summary}</summary>${body}</details>`
  })
  return section('schemas', 'Schemas', told)
}

/** A schema in a word or a few. */
function typeName(schema: unknown): string {
  const { type, enum: values, const: constant, properties, anyOf } = Object(schema) as Record<string, unknown>
  const short = (words: string) => truncate(words, MAX_TYPE_COLUMNS)
  if (Array.isArray(values)) return short(values.map(shown).join(' | '))
  if (constant !== undefined) return stored(constant)
  if (type === 'object') return short(`{ ${Object.keys(Object(properties)).map(printable).join(', ')} }`)
  if (typeof type === 'string') return printable(type)
  return Array.isArray(anyOf) ? short(anyOf.map(typeName).join(' | ')) : 'any'
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2).split('\n').map(printable).join('\n')
}

export function factsSection(header: InspectedHeader, nowMs: number): Markup {
  const { kind, sha256, metadata } = header
  const facts = [['path', printable(header.path)] as const, ...headerFacts(header, nowMs)]
  const told = facts.map(([name, what]) => html`<dt>${name}</dt><dd>${what}</dd>`)
  if (sha256 !== undefined) told.push(html`<dt>SHA-256</dt><dd><code>${sha256}</code></dd>`)
  return section('facts', kind === 'store' ? 'The store' : 'The file', [
    html`<dl class="facts">${told}</dl>`,
    metadata === undefined ? '' : html`<h3>Metadata</h3><pre>${pretty(metadata)}</pre>`,
  ])
}

export function neighboursSection(found: Neighbours | undefined, nowMs: number): Markup {
  if (found === undefined || found.neighbours.length === 0) return html``
  const { directory, neighbours, more } = found
  const titles = ['Version', 'Kind', 'Builds on', 'Taken', 'Timers', 'Size', 'Paused', 'Written in', 'File']
  const heads = titles.map((title, i) => head(title, i >= 4 && i <= 7))
  const rows = neighbours.map((neighbour) => neighbourRow(neighbour, nowMs))
  const caption = `Of the same store, in ${printable(directory)}, newest first`
  return section('chain', 'Checkpoints beside it', [
    scrollTable('Checkpoints beside it', heads, html`<tbody>${rows}</tbody>`, caption),
    more > 0 ? html`<p class="note">And ${count(more)} older ones.</p>` : '',
  ])
}

function neighbourRow({ checkpoint, isThis, isBase, isWhole }: Neighbour, nowMs: number): Markup {
  const { version, kind, base, createdMs, timers, bytes: length, pauseMs, durationMs } = checkpoint
  const tag = (text: string) => html` <span class="tag">${text}</span>`
  const role = isThis ? tag('this one') : isBase ? tag('built on') : ''
  const numbers = [count(timers), bytes(length), duration(pauseMs), duration(durationMs)]
  return html`<tr class="${isThis ? 'this' : 'other'}"><th scope="row">${count(version)}${role}</th><td>${kind}</td>
<td>${base === undefined ? '' : count(base.version)}${isWhole ? '' : tag('broken: a base is missing')}</td>
${timeCell(createdMs, nowMs)}${numbers.map(numberCell)}
<td class="stored">${printable(path.basename(checkpoint.path))}</td></tr>`
}
