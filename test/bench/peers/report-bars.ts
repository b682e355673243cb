/** One figure as horizontal bars, one per contender: the median, a whisker over the range, on a log scale where spans are large. Pure. */
import { html, type Markup, section } from '../../../src/admin/report/html.ts'
import { bestOf, type Measured, type Row } from './report-figures.ts'
import { tickLabel, write } from './report-numbers.ts'
import type { Spread, Taker } from './result.ts'

/** From here on, the shortest bar would be too short to be seen. */
const LOG_FROM_RATIO = 20

interface Scale {
  /** From 0 to 100. */
  at(value: number): number
  ticks: number[]
  isLog: boolean
}

export function colourOf(kind: Taker['kind']): string {
  return `series-${['Tidemark', 'job queue', 'hand-written'].indexOf(kind)}`
}

export function barsSection(measured: Measured): Markup {
  const { figure, timers, rows } = measured
  const spreads = rows.flatMap(({ spread }) => spread ?? [])
  const scale = scaleFor(spreads)
  const best = bestOf(measured)
  const bars = rows.map((row) => bar(measured, row, scale, row === best))
  const order = figure.better === 'more' ? 'more is better' : 'less is better'
  const note = `${order}${scale.isLog ? ', log scale' : ''}; ${timers.toLocaleString('en')} timers`
  return section(
    `${figure.id}-${timers}`,
    figure.title,
    html`<div class="bars" role="list">${bars}${spreads.length === 0 ? '' : axis(measured, scale)}</div>`,
    html`<span class="note">${note}</span>`,
  )
}

/** From nothing; or, where spans are large, a log scale from half of the least. */
export function scaleFor(spreads: readonly Spread[]): Scale {
  const most = Math.max(...spreads.map((spread) => spread.most))
  const positive = spreads.flatMap((spread) => [spread.least, spread.median]).filter((value) => value > 0)
  const least = Math.min(...positive)
  if (most > 0 && most / Math.min(...spreads.map(({ median }) => median)) > LOG_FROM_RATIO) {
    const from = Math.log10(Math.min(least, most) / 2)
    const to = Math.log10(most * 1.05)
    const at = (value: number) =>
      Math.max(0, ((Math.log10(Math.max(value, 1e-9)) - from) / (to - from)) * 100)
    const decades = Array.from(
      { length: Math.floor(to) - Math.ceil(from) + 1 },
      (_, i) => 10 ** (Math.ceil(from) + i),
    )
    return { at, ticks: decades, isLog: true }
  }
  const step = niceStep(most / 5)
  const to = most * 1.05 || 1
  const ticks = Array.from({ length: Math.floor(to / step) + 1 }, (_, i) => i * step)
  return { at: (value) => (value / to) * 100, ticks, isLog: false }
}

/** 1, 2 or 5 of some power of ten. */
function niceStep(least: number): number {
  if (!(least > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(least))
  return power * ([1, 2, 5].find((times) => times * power >= least) ?? 10)
}

const percent = (value: number) => `${value.toFixed(2)}%`

function bar(measured: Measured, row: Row, scale: Scale, isBest: boolean): Markup {
  const { taker, faults } = row
  const faulty = faults.length > 0 ? html`<span class="fault">${faults.join('; ')}</span>` : undefined
  return html`<div class="bar" role="listitem">
<div class="who${taker.kind === 'Tidemark' ? ' own' : ''}"><span class="swatch ${colourOf(taker.kind)}"></span><b>${taker.title}</b>
<span class="note">${taker.durability.split(':')[0]!}</span></div>
${row.spread === undefined ? html`<div></div>` : drawn(row, row.spread, scale)}
<div class="value">${valueText(measured, row, isBest)}${faulty}</div></div>`
}

function drawn({ taker, serverPart }: Row, { median, least, most }: Spread, scale: Scale): Markup {
  const length = scale.at(median)
  // On a log scale parts of a bar would mean nothing.
  const ownLength = scale.isLog || serverPart === undefined ? length : scale.at(median - serverPart.median)
  const server = html`<rect class="${colourOf(taker.kind)} server" x="${percent(ownLength)}" y="4"
width="${percent(length - ownLength)}" height="12"/>`
  const whisker = html`<line class="whisker" x1="${percent(scale.at(least))}" x2="${percent(scale.at(most))}" y1="10" y2="10"/>
${[least, most].map((end) => html`<line class="whisker" x1="${percent(scale.at(end))}" x2="${percent(scale.at(end))}" y1="6" y2="14"/>`)}`
  return html`<svg height="20" aria-hidden="true">${grid(scale)}
<rect class="${colourOf(taker.kind)}" y="4" width="${percent(ownLength)}" height="12"/>${length > ownLength ? server : ''}
${most > least ? whisker : ''}</svg>`
}

function grid({ ticks, at }: Scale): Markup[] {
  return ticks.map(
    (tick) => html`<line class="grid" x1="${percent(at(tick))}" x2="${percent(at(tick))}" y1="0" y2="20"/>`,
  )
}

function axis({ figure }: Measured, scale: Scale): Markup {
  const labels = scale.ticks.map((tick, i) => {
    const at = scale.at(tick)
    const anchor = at > 92 ? 'end' : i === 0 && at < 8 ? 'start' : 'middle'
    return html`<text x="${percent(at)}" y="12" text-anchor="${anchor}">${tickLabel(tick)}</text>`
  })
  const unit = { 'per second': 'a second', ms: 'ms', MiB: 'MiB', bytes: 'bytes' }[figure.unit]
  return html`<div class="bar axis" aria-hidden="true"><div></div><svg height="16">${labels}</svg>
<div class="note">${unit}</div></div>`
}

function valueText(
  { figure }: Measured,
  { spread, serverPart, mapped, failed }: Row,
  isBest: boolean,
): Markup {
  if (spread === undefined) return html`<span class="fault">none: all ${failed} runs failed</span>`
  const { median, least, most, runs } = spread
  const written = write(median, figure.unit)
  const range =
    most > least ? `${write(least, figure.unit)} – ${write(most, figure.unit)}` : runs === 1 ? 'one run' : ''
  const parts = [
    range,
    serverPart === undefined ? '' : `${write(serverPart.median, figure.unit)} of it the server`,
    mapped === undefined ? '' : `besides, ${write(mapped.median, 'MiB')} mapped files`,
    failed > 0 ? `${failed} of ${failed + runs} failed` : '',
  ]
  return html`${isBest ? html`<strong class="best">${written}</strong>` : html`<strong>${written}</strong>`}
<span class="note">${parts.filter((part) => part !== '').join('; ')}</span>`
}
