/** The report of a source: what is told of it, in which order. */
import path from 'node:path'
import { MIN_TIMESTAMP } from '../../limits.ts'
import { FREE_NAME } from '../../timer/servicename.ts'
import { inspectHeader, inspectServices } from '../inspection.ts'
import { printable } from '../printable.ts'
import type { Source } from '../source.ts'
import type { Terminal } from '../terminal.ts'
import { iso } from '../units.ts'
import { keyGroupsData, timesData } from './chartdata.ts'
import { colourOf, keyGroupsSection, labelOf, legend, timesSection } from './charts.ts'
import { type Gathered, gather } from './gather.ts'
import { html, type Markup, section } from './html.ts'
import { neighboursOf } from './neighbours.ts'
import { renderPage, WAVES } from './page.ts'
import {
  cards,
  earliestSection,
  factsSection,
  neighboursSection,
  schemasSection,
  servicesSection,
  stored,
} from './sections.ts'

const MAX_WATERMARK_MARKS = 4

/** Reads the source, and writes the page. */
export async function reportOn(source: Source, terminal: Terminal): Promise<string> {
  const { nowMs } = terminal
  const gathered = await gather(source, terminal)
  const neighbours = await neighboursOf(source)
  const header = inspectHeader(source)
  const services = inspectServices(source, gathered.queues, {}).filter(({ name }) => name !== FREE_NAME)
  const times = timesData(gathered)
  const keyGroups = keyGroupsData(gathered, source.keyGroups)
  const name = printable(path.basename(path.resolve(source.path)))
  const hasTimers = gathered.series.length > 0
  const main = html`${cards(header, services.length, nowMs)}
${hasTimers ? section('legend', 'What the charts show', legend(gathered)) : ''}
${timesSection(gathered, times)}
${keyGroupsSection(services, source.keyGroups, keyGroups)}
${servicesSection(services, source.count, nowMs)}
${earliestSection(gathered.earliest, nowMs)}
${schemasSection(services)}
${factsSection(header, nowMs)}
${neighboursSection(neighbours, nowMs)}`
  return renderPage({
    title: `${name} – Tidemark`,
    header: pageHeader(name, header.kind),
    main,
    footer: html`<p>Made by <code>tidemark report</code> at ${iso(nowMs)}. All numbers are exact; times are in UTC.
Charts by uPlot (MIT).</p>`,
    data: {
      series: gathered.series.map((one, i) => ({ label: labelOf(one), colour: colourOf(one, i) })),
      charts: { times: { unit: 'time', ...times }, keyGroups: { unit: 'keyGroup', ...keyGroups } },
      marks: marksOf(source, gathered, nowMs),
    },
  })
}

function pageHeader(name: string, kind: string): Markup {
  const what = kind === 'store' ? 'Store' : kind === 'savepoint' ? 'Savepoint' : `${kind} checkpoint`
  const themes = ['auto', 'light', 'dark'].map((theme) => {
    const checked = theme === 'auto' ? html` checked` : ''
    return html`<label><input type="radio" name="theme" value="${theme}"${checked}>${theme}</label>`
  })
  const waves = html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${WAVES}"/></svg>`
  return html`<div class="title"><div class="brand">${waves}Tidemark report</div>
<h1>${name}</h1><p class="soft">${what[0]!.toUpperCase()}${what.slice(1)}</p></div>
<fieldset class="themes" aria-label="Colours">${themes}</fieldset>`
}

/** Moments that mean something on the time axis: when the source was as it is, and how far event time is. */
function marksOf(source: Source, { series }: Gathered, nowMs: number): { at: number; label: string }[] {
  const { checkpoint, services } = source
  const cut =
    checkpoint === undefined
      ? { at: nowMs, label: 'now: this report' }
      : { at: checkpoint.header.createdMs, label: 'the checkpoint' }
  const watermarks = services
    .filter(({ id, watermark }) => {
      const isDrawn = series.some(({ queue }) => queue?.serviceId === id && queue.domain === 'eventTime')
      return watermark !== MIN_TIMESTAMP && isDrawn
    })
    .map(({ name, watermark }) => ({ at: watermark, label: `watermark of ${stored(name)}` }))
  return [cut, ...watermarks.slice(0, MAX_WATERMARK_MARKS)]
}
