/** Growth: each figure over the number of timers, as a small line chart (log x), with the median of equal sizes. Pure. */
import { html, type Markup, section } from '../../../src/admin/report/html.ts'
import { scaleFor } from './report-bars.ts'
import { compact, tickLabel } from './report-numbers.ts'
import { type Result, type Spread, spreadOf } from './result.ts'

export interface Growth {
  machine: Result['machine']
  runs: { timers: number; figures: Record<string, number> }[]
}

interface Point extends Spread {
  timers: number
}

const WIDTH = 340
const HEIGHT = 190
const LEFT = 46
const RIGHT = 4
/** Room for what is written at the first and the last point. */
const INSET = 18
const TOP = 18
const BOTTOM = 24

/** Empty where there is nothing to draw. */
export function growthSection({ machine, runs }: Growth): Markup {
  const names = [...new Set(runs.flatMap(({ figures }) => Object.keys(figures)))]
  const charts = names.map((name) => chart(name, pointsOf(runs, name)))
  const where = `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, Node ${machine.node}`
  return section(
    'growth',
    'Tidemark as the work grows',
    html`<p class="note">Over the number of pending timers (log scale); medians, with ranges where there are several runs. ${where}.</p>
<div class="charts">${charts}</div>`,
  )
}

function pointsOf(runs: Growth['runs'], name: string): Point[] {
  const sizes = [...new Set(runs.map(({ timers }) => timers))].sort((a, b) => a - b)
  return sizes.flatMap((timers) => {
    const values = runs.filter((run) => run.timers === timers).flatMap(({ figures }) => figures[name] ?? [])
    const spread = spreadOf(values)
    return spread === undefined ? [] : [{ ...spread, timers }]
  })
}

function chart(name: string, points: readonly Point[]): Markup {
  const from = Math.log10(points[0]!.timers)
  const span = Math.log10(points.at(-1)!.timers) - from
  const scale = scaleFor(points)
  const x = (timers: number) =>
    LEFT +
    INSET +
    (span === 0 ? 0.5 : (Math.log10(timers) - from) / span) * (WIDTH - LEFT - RIGHT - 2 * INSET)
  const y = (value: number) => HEIGHT - BOTTOM - (scale.at(value) / 100) * (HEIGHT - TOP - BOTTOM)
  const lines = scale.ticks.map((tick) => {
    const at = y(tick).toFixed(1)
    return html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>
<text x="${LEFT - 6}" y="${at}" dy="4" text-anchor="end">${tickLabel(tick)}</text>`
  })
  const path = points.map(({ timers, median }) => `${x(timers).toFixed(1)},${y(median).toFixed(1)}`).join(' ')
  const marks = points.map((point) => {
    const at = x(point.timers).toFixed(1)
    return html`<line class="whisker" x1="${at}" x2="${at}" y1="${y(point.least).toFixed(1)}" y2="${y(point.most).toFixed(1)}"/>
<circle class="series-0" cx="${at}" cy="${y(point.median).toFixed(1)}" r="3.5"/>
<text x="${at}" y="${(y(point.most) - 7).toFixed(1)}" text-anchor="middle">${compact(point.median)}</text>
<text x="${at}" y="${HEIGHT - 6}" text-anchor="middle">${tickLabel(point.timers)}</text>`
  })
  const told = points.map(({ timers, median }) => `${tickLabel(timers)}: ${compact(median)}`).join(', ')
  return html`<figure><figcaption>${name}${scale.isLog ? html` <span class="note">log scale</span>` : ''}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${name}, by number of timers: ${told}">${lines}
<polyline class="line" points="${path}"/>${marks}</svg></figure>`
}
