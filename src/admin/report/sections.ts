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
import { type Content, html, type Markup } from './html.ts'
import type { Neighbour, Neighbours } from './neighbours.ts'

/** Services that are told one by one: the largest. */
const MAX_SERVICES = 500
/** Characters of JSON that all schemas may take. */
const MAX_SCHEMA_CHARACTERS = 1024 * 1024
const MAX_STORED_COLUMNS = 240
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
  const each = list.map(
    ([name, what, note]) =>
      html`<div class="card"><dt>${name}</dt><dd>${what}${note === '' ? '' : html` <span class="note">${note}</span>`}</dd></div>`,
  )
  return html`<dl class="cards">${each}</dl>`
}

/** A time with how far it is from now. */
function timeCell(timestamp: number | undefined, nowMs: number): Markup {
  if (timestamp === undefined) return html`<td class="time soft">–</td>`
  const text = iso(timestamp)
  if (!text.endsWith('Z')) return html`<td class="time">${text}</td>`
  const told = text.replace('T', ' ').replace(/\.000Z$|Z$/, '')
  return html`<td class="time"><time datetime="${text}">${told}</time><span class="note">${relative(timestamp, nowMs)}</span></td>`
}

/** A table in a box that scrolls by itself where there is no room. */
export function scrollTable(
  label: string,
  heads: readonly Content[],
  bodies: readonly Content[],
  caption?: Content,
): Markup {
  const told = caption === undefined ? '' : html`<caption>${caption}</caption>`
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table>${told}
<thead><tr>${heads}</tr></thead>
${bodies}</table></div>`
}

export const head = (text: string, className = ''): Markup =>
  html`<th scope="col"${className === '' ? '' : html` class="${className}"`}>${text}</th>`

export function servicesSection(
  services: readonly InspectedService[],
  timers: number,
  nowMs: number,
): Markup {
  const told = [...services].sort((a, b) => sizeOf(b) - sizeOf(a)).slice(0, MAX_SERVICES)
  const rows = told.map((service) => serviceRows(service, timers, nowMs))
  const left = services.length - told.length
  const more =
    left > 0 ? html`<p class="note">And ${counted(left, 'service')} more, with fewer timers each.</p>` : ''
  const heads = ['Service', 'Domain', 'Timers', 'Earliest', 'Latest', 'Watermark']
  return html`<section aria-labelledby="services-title"><h2 id="services-title">Services</h2>
${services.length === 0 ? html`<p class="soft">There are none.</p>` : scrollTable('Services', headsOf(heads, 2), rows)}
${more}</section>`
}

function headsOf(titles: readonly string[], number: number): Markup[] {
  return titles.map((title, i) => head(title, i === number ? 'number' : ''))
}

function sizeOf({ eventTime, processingTime }: InspectedService): number {
  return (eventTime?.count ?? 0) + (processingTime?.count ?? 0)
}

function serviceRows(service: InspectedService, timers: number, nowMs: number): Markup {
  const rows = DOMAINS.map((domain, i) => {
    const queue = service[domain]!
    const name =
      i === 0 ? html`<th scope="rowgroup" rowspan="2" class="stored">${stored(service.name)}</th>` : ''
    const hasWatermark = domain === 'eventTime' && service.watermark !== MIN_TIMESTAMP
    return html`<tr>${name}<td>${domainName(domain)}</td>
<td class="number">${count(queue.count)}${shareBar(queue.count, timers)}</td>
${timeCell(queue.earliest, nowMs)}${timeCell(queue.latest, nowMs)}${timeCell(hasWatermark ? service.watermark : undefined, nowMs)}</tr>`
  })
  return html`<tbody>${rows}</tbody>`
}

function shareBar(part: number, whole: number): Markup | '' {
  if (part === 0) return ''
  const share = part / whole
  const title = `${percent(share)} of all`
  return html`<svg class="share" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="${title}"><rect class="series-0" width="${Math.max(share * 100, 1)}" height="6"/></svg>`
}

export function earliestSection(timers: readonly SnapshotTimer[], nowMs: number): Markup {
  if (timers.length === 0) return html``
  const hasPayload = timers.some(({ payload }) => payload !== undefined)
  const rows = timers.map(
    ({ timestamp, service, domain, key, namespace, payload }) =>
      html`<tr>${timeCell(timestamp, nowMs)}<td class="stored">${stored(service)}</td><td>${domainName(domain)}</td>
<td class="stored">${stored(key)}</td><td class="stored">${namespace === '' ? '' : stored(namespace)}</td>
${hasPayload ? html`<td class="stored">${payload === undefined ? '' : html`<code>${stored(payload)}</code>`}</td>` : ''}</tr>`,
  )
  const titles = ['Due', 'Service', 'Domain', 'Key', 'Namespace', ...(hasPayload ? ['Payload'] : [])]
  return html`<section aria-labelledby="earliest-title"><h2 id="earliest-title">Due first</h2>
${scrollTable(
  'Timers that are due first',
  titles.map((title) => head(title)),
  [html`<tbody class="due">${rows}</tbody>`],
)}</section>`
}

export function schemasSection(services: readonly InspectedService[]): Markup {
  if (services.length === 0) return html``
  let left = MAX_SCHEMA_CHARACTERS
  const told = services.slice(0, MAX_SERVICES).map(({ name, schemas }) => {
    const { key, namespace, payload } = schemas
    const text = pretty(schemas)
    left -= text.length
    const summary = `key ${typeName(key)}, namespace ${typeName(namespace)}, ${payload === null ? 'no payload' : `payload ${typeName(payload)}`}`
    const body =
      left > 0
        ? html`<pre>${text}</pre>`
        : html`<p class="note">See tidemark inspect: there are too many for a page.</p>`
    return html`<details><summary><strong>${stored(name)}</strong> <span class="soft">${summary}</span></summary>${body}</details>`
  })
  return html`<section aria-labelledby="schemas-title"><h2 id="schemas-title">Schemas</h2>${told}</section>`
}

/** A schema in a word or a few. */
function typeName(schema: unknown): string {
  const { type, enum: values, const: constant, properties, anyOf } = Object(schema) as Record<string, unknown>
  if (Array.isArray(values)) return truncate(values.map(shown).join(' | '), 60)
  if (constant !== undefined) return stored(constant)
  if (type === 'object')
    return truncate(`{ ${Object.keys(Object(properties)).map(printable).join(', ')} }`, 60)
  if (typeof type === 'string') return printable(type)
  return Array.isArray(anyOf) ? truncate(anyOf.map(typeName).join(' | '), 60) : 'any'
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2).split('\n').map(printable).join('\n')
}

export function factsSection(header: InspectedHeader, nowMs: number): Markup {
  const facts = headerFacts(header, nowMs).map(([name, what]) => html`<dt>${name}</dt><dd>${what}</dd>`)
  const sha256 =
    header.sha256 === undefined ? '' : html`<dt>SHA-256</dt><dd><code>${header.sha256}</code></dd>`
  const metadata =
    header.metadata === undefined ? '' : html`<h3>Metadata</h3><pre>${pretty(header.metadata)}</pre>`
  return html`<section aria-labelledby="facts-title"><h2 id="facts-title">${header.kind === 'store' ? 'The store' : 'The file'}</h2>
<dl class="facts"><dt>path</dt><dd>${printable(header.path)}</dd>${facts}${sha256}</dl>${metadata}</section>`
}

export function neighboursSection(found: Neighbours | undefined, nowMs: number): Markup {
  if (found === undefined || found.neighbours.length === 0) return html``
  const { directory, neighbours, more } = found
  const titles = ['Version', 'Kind', 'Builds on', 'Taken', 'Timers', 'Size', 'Paused', 'Written in', 'File']
  const heads = titles.map((title, i) => head(title, i >= 4 && i <= 7 ? 'number' : ''))
  const left = more > 0 ? html`<p class="note">And ${count(more)} older ones.</p>` : ''
  const caption = `Of the same store, in ${printable(directory)}, newest first`
  return html`<section aria-labelledby="chain-title"><h2 id="chain-title">Checkpoints beside it</h2>
${scrollTable(
  'Checkpoints beside it',
  heads,
  [html`<tbody>${neighbours.map((neighbour) => neighbourRow(neighbour, nowMs))}</tbody>`],
  caption,
)}${left}</section>`
}

function neighbourRow({ checkpoint, isThis, isBase, isWhole }: Neighbour, nowMs: number): Markup {
  const { version, kind, base, createdMs, timers, bytes: length, pauseMs, durationMs } = checkpoint
  const tag = isThis ? ' this one' : isBase ? ' built on' : ''
  const broken = isWhole ? '' : html` <span class="tag">broken: a base is missing</span>`
  return html`<tr${isThis ? html` class="this"` : ''}><th scope="row">${count(version)}${tag === '' ? '' : html` <span class="tag">${tag.trim()}</span>`}</th>
<td>${kind}</td><td>${base === undefined ? '' : count(base.version)}${broken}</td>${timeCell(createdMs, nowMs)}
<td class="number">${count(timers)}</td><td class="number">${bytes(length)}</td><td class="number">${duration(pauseMs)}</td>
<td class="number">${duration(durationMs)}</td><td class="stored">${printable(path.basename(checkpoint.path))}</td></tr>`
}
