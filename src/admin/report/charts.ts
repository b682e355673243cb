/** The report's sections that are charts: what stands around them, and what they show, as tables too. */
import type { KeyGroupRange } from '../../timer/codec.ts'
import type { InspectedService } from '../inspection.ts'
import { keyGroupCounts, timeLabel } from '../inspectview.ts'
import { count, counted, duration, percent } from '../units.ts'
import { domainName } from '../values.ts'
import type { ChartData } from './chartdata.ts'
import type { Gathered, Series } from './gather.ts'
import { head, html, type Markup, scrollTable, section } from './html.ts'
import { stored } from './sections.ts'

const TABLE_BARS = 32

/** The name of its colour in the style sheet. */
export function colourOf({ queue }: Series, place: number): string {
  return queue === undefined ? 'series-others' : `series-${place}`
}

export function labelOf({ queue, queues }: Series): string {
  if (queue === undefined) return `${counted(queues, 'other queue')}`
  return `${stored(queue.service)}, ${domainName(queue.domain)}`
}

/** Which colour is what; with a script, what is shown. */
export function legend({ series }: Gathered): Markup {
  const total = series.reduce((sum, one) => sum + one.total, 0)
  const items = series.map(
    (
      one,
      i,
    ) => html`<label><input type="checkbox" checked data-series="${i}"><span class="swatch ${colourOf(one, i)}"></span>
<span>${labelOf(one)} <span class="soft">${count(one.total)} (${percent(one.total / total)})</span></span></label>`,
  )
  return html`<fieldset class="legend" aria-label="Timers that the charts show">${items}</fieldset>`
}

const ACTIONS = [
  ['in', '+', 'Zoom in'],
  ['out', '−', 'Zoom out'],
  ['left', '←', 'Earlier'],
  ['right', '→', 'Later'],
] as const

/** Whether all that there is is shown at first. */
function showsAll({ all, home }: ChartData): boolean {
  return all[0] >= home[0] && all[1] <= home[1]
}

function tools(name: string, data: ChartData): Markup {
  const buttons = ACTIONS.map(
    ([action, sign, label]) =>
      html`<button type="button" data-act="${action}" aria-label="${label}: ${name}" title="${label}">${sign}</button>`,
  )
  const all = showsAll(data) ? '' : html`<button type="button" data-act="all">All</button>`
  return html`<div class="tools" role="group" aria-label="What is shown of ${name}">${buttons}
<button type="button" data-act="home">Reset</button>${all}</div>`
}

const HINT = 'Drag to zoom in, double-click to go back; with the keyboard: + and −, ← and →, Home.'

function plot(kind: 'stack' | 'sum', label: string): Markup {
  return html`<div class="plot" data-kind="${kind}" tabindex="0" role="img" aria-label="${label} ${HINT}"></div>`
}

export function timesSection(gathered: Gathered, data: ChartData): Markup {
  const { bars, widthMs, earlier, later } = gathered.times.bars(TABLE_BARS)
  const title = 'Timers over time'
  if (bars.length === 0) return section('times', title, html`<p class="soft">There are none.</p>`)
  const at = (timestamp: number) => timeLabel(timestamp, widthMs)
  const most = bars.reduce((a, b) => (b.count > a.count ? b : a))
  const span = `from ${at(bars[0]!.from)} to ${at(bars.at(-1)!.from + widthMs)}`
  const far = showsAll(data) ? '' : ' A few lie far away from the others: All shows them too.'
  const rows = [
    ...(earlier > 0 ? [tableRow('earlier', earlier)] : []),
    ...bars.map(({ from, count: timers }) => tableRow(at(from), timers)),
    ...(later > 0 ? [tableRow('later', later)] : []),
  ]
  const zoom = `zooming in goes down to ${duration(data.width)} a bar.`
  const body = [
    html`<p class="note">When they are due, in UTC; ${zoom}${far}</p>`,
    plot('stack', `${title}, ${span}; most of them, ${count(most.count)}, from ${at(most.from)} on.`),
    html`<h3>Due by then</h3>`,
    plot('sum', `How many timers are due before a time, ${span}.`),
    countTable(title, `From (UTC, ${duration(widthMs)} each)`, rows),
  ]
  return section('times', title, body, tools('time', data), 'times')
}

export function keyGroupsSection(
  services: readonly InspectedService[],
  range: KeyGroupRange,
  data: ChartData,
): Markup {
  const counts = keyGroupCounts(services, range)
  const total = counts.reduce((sum, n) => sum + n, 0)
  if (total === 0) return html``
  const title = 'Timers over key groups'
  const each = Math.ceil(counts.length / TABLE_BARS)
  const rows: Markup[] = []
  for (let at = 0; at < counts.length; at += each) {
    const sum = counts.slice(at, at + each).reduce((before, n) => before + n, 0)
    const first = range.start + at
    const last = Math.min(first + each - 1, range.end)
    rows.push(tableRow(first === last ? String(first) : `${first} – ${last}`, sum))
  }
  const body = [
    html`<p class="note">${skewOf(counts, range.start)}</p>`,
    plot('stack', `${title} ${range.start} to ${range.end}.`),
    countTable(title, 'Key group', rows),
  ]
  return section('key-groups', title, body, tools('key groups', data), 'keyGroups')
}

/** How evenly timers are spread. */
function skewOf(counts: readonly number[], first: number): string {
  const mean = counts.reduce((sum, n) => sum + n, 0) / counts.length
  const most = counts.reduce((a, b) => Math.max(a, b), 0)
  const least = counts.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const times = `${(most / mean).toFixed(2)} times the mean of ${mean < 10 ? mean.toFixed(1) : count(mean)}`
  const fullest = `the fullest, ${first + counts.indexOf(most)}, has ${count(most)}: ${times}`
  return `Of ${counted(counts.length, 'key group')} ${fullest}; the emptiest has ${count(least)}.`
}

function tableRow(label: string, timers: number): Markup {
  return html`<tr><th scope="row">${label}</th><td class="number">${count(timers)}</td></tr>`
}

function countTable(label: string, first: string, rows: readonly Markup[]): Markup {
  const table = scrollTable(label, [head(first), head('Timers', true)], html`<tbody>${rows}</tbody>`)
  return html`<details><summary>As a table</summary>${table}</details>`
}
