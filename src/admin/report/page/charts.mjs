/**
 * The charts of a report's page, on uPlot, which is there before: stacked bars, and how many are due by when. What stands
 * over one another and has one axis is a group, and is zoomed together.
 */
/* global uPlot */
import { countText, shortText, UNITS } from './axes.mjs'
import { barsOf, decodeBins, stackOf } from './bins.mjs'

const AXIS_FONT = '12px system-ui, sans-serif'
const MARK_FONT_PIXELS = 11
const MARK_LINE_PIXELS = 16
const Y_AXIS_PIXELS = 56
const BAR_PIXELS = 5
const MIN_PLOT_PIXELS = 200
/** Nothing is shown of less. */
const MIN_VIEW_BINS = 8

const { series, charts, marks } = JSON.parse(document.getElementById('data').textContent)
/** Which of the series are. */
export const isShown = series.map(() => true)

const probe = document.body.appendChild(document.createElement('span'))
probe.hidden = true

/** A colour of the style sheet, as it is at the moment. */
function colour(name) {
  probe.style.color = `var(--${name})`
  return getComputedStyle(probe).color
}

const KINDS = {
  stack: {
    height: 330,
    data: (bars) => stackOf(bars, isShown),
    range: (_, max) => [0, max > 0 ? max * 1.06 : 1],
    series: () =>
      series
        .map((one) => ({
          fill: () => colour(one.colour),
          width: 0,
          points: { show: false },
          paths: uPlot.paths.bars({ size: [1], align: 1, gap: 1 }),
        }))
        .reverse(),
  },
  sum: {
    height: 170,
    // What came before is of no interest in a part.
    range: (min, max) =>
      max > min ? [Math.max(0, min - (max - min) * 0.08), max + (max - min) * 0.06] : [0, max || 1],
    data: ({ xs, width, sums }) => [[...xs, xs.at(-1) + width], sums],
    series: () => [
      {
        stroke: () => colour('accent'),
        fill: () => colour('accent-soft'),
        width: 2,
        points: { show: false },
      },
    ],
  },
}

/** As high as its labels: a day stands below some of them. */
const xAxisSize = (_, values) => (values?.some((text) => text.includes('\n')) ? 44 : 30)
const roomIn = (width) => Math.max(10, Math.floor((width - Y_AXIS_PIXELS) / BAR_PIXELS))
const plotWidth = (width) => Math.max(MIN_PLOT_PIXELS, width)

function makePlot(group, element) {
  const kind = KINDS[element.dataset.kind]
  const unit = UNITS[group.chart.unit]
  const axis = {
    stroke: () => colour('ink-soft'),
    font: AXIS_FONT,
    grid: { stroke: () => colour('grid'), width: 1 },
    ticks: { show: false },
  }
  const hasMarks = kind === KINDS.stack && group.chart.unit === 'time'
  const headPixels = (plot) => (hasMarks ? marksIn(plot).length * MARK_LINE_PIXELS : 0)
  const own = { element, kind }
  const options = {
    width: plotWidth(element.clientWidth),
    height: kind.height,
    padding: [(plot) => 14 + headPixels(plot), 20, 0, 0],
    legend: { show: false },
    scales: { x: { time: false }, y: { range: (_, min, max) => kind.range(min, max) } },
    series: [{}, ...kind.series()],
    axes: [
      { ...axis, grid: { show: false }, splits: unit.splits, values: unit.values, size: xAxisSize },
      {
        ...axis,
        size: Y_AXIS_PIXELS,
        incrs: Array.from({ length: 16 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat(),
        values: (_, splits) => splits.map(shortText),
      },
    ],
    cursor: cursorOf(group),
    hooks: {
      setSelect: [(plot) => zoomToSelection(group, plot)],
      setCursor: [(plot) => showTip(group, own, plot)],
      draw: hasMarks ? [drawMarks] : [],
    },
  }
  own.bars = barsOf(group, roomIn(options.width), isShown)
  own.plot = new uPlot(options, kind.data(own.bars), element)
  own.tip = own.plot.over.appendChild(document.createElement('div'))
  own.tip.className = 'tip'
  own.tip.hidden = true
  return own
}

function cursorOf(group) {
  // Of what happens in one chart, the others hear where the cursor is, and no more: what to show they are told.
  const filter = (type) => type === 'mousemove' || type === 'mouseleave'
  const showHome = () => {
    group.show(group.chart.home)
    return null
  }
  return {
    y: false,
    points: { show: false },
    drag: { x: true, y: false, setScale: false, dist: 4 },
    sync: { key: group.name, filters: { pub: filter, sub: filter } },
    bind: { dblclick: () => showHome },
  }
}

function zoomToSelection(group, plot) {
  const { left, width } = plot.select
  if (width > 0) group.show([plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')])
}

function marksIn({ scales: { x } }) {
  return marks.filter(({ at }) => at >= x.min && at <= x.max)
}

function drawMarks(plot) {
  const { ctx, bbox } = plot
  const scale = devicePixelRatio
  ctx.save()
  ctx.font = `${MARK_FONT_PIXELS * scale}px system-ui, sans-serif`
  ctx.textBaseline = 'middle'
  const seen = marksIn(plot)
  seen.forEach(({ at, label }, i) => {
    const x = Math.round(plot.valToPos(at, 'x', true))
    const isRight = x > bbox.left + bbox.width / 2
    // Above the bars, each a line below the one before.
    const y = bbox.top - (MARK_LINE_PIXELS * (seen.length - i) - MARK_LINE_PIXELS / 2) * scale
    ctx.strokeStyle = colour('mark')
    ctx.fillStyle = colour('mark')
    ctx.lineWidth = scale
    ctx.setLineDash([4 * scale, 3 * scale])
    ctx.beginPath()
    ctx.moveTo(x, y)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
    ctx.textAlign = isRight ? 'right' : 'left'
    ctx.fillText(label, x + (isRight ? -6 : 6) * scale, y)
  })
  ctx.restore()
}

// what is under the cursor

function showTip(group, { bars, tip, kind }, plot) {
  if (tip === undefined) return
  const { left } = plot.cursor
  const at = left >= 0 ? Math.floor((plot.posToVal(left, 'x') - bars.xs[0]) / bars.width) : -1
  tip.hidden = !(at >= 0 && at < bars.xs.length)
  if (tip.hidden) return
  const from = bars.xs[at]
  const title = UNITS[group.chart.unit].range(from, from + bars.width)
  const lines = kind === KINDS.sum ? [['', `${countText(bars.sums[at])} before`]] : stackLines(bars, at)
  tip.replaceChildren(...[['', title], ...lines].map(tipLine))
  const isRight = left > plot.over.clientWidth / 2
  tip.style.left = isRight ? 'auto' : `${left + 14}px`
  tip.style.right = isRight ? `${plot.over.clientWidth - left + 14}px` : 'auto'
}

function stackLines({ counts }, at) {
  const found = series
    .map((one, i) => ({ ...one, count: isShown[i] ? counts[i][at] : 0 }))
    .filter(({ count }) => count > 0)
    .reverse()
  const lines = found.map(({ colour, label, count }) => [colour, `${countText(count)}  ${label}`])
  if (found.length === 0) return [['', 'none']]
  const sum = found.reduce((before, { count }) => before + count, 0)
  return found.length === 1 ? lines : [...lines, ['', `${countText(sum)} in all`]]
}

function tipLine([swatch, text]) {
  const line = document.createElement('div')
  line.textContent = text
  if (swatch === '') return line
  const mark = document.createElement('span')
  mark.className = `swatch ${swatch}`
  line.prepend(mark)
  return line
}

// what is shown

export class Group {
  constructor(name, elements) {
    this.name = name
    this.chart = charts[name]
    this.bins = this.chart.series.map(decodeBins)
    this.view = this.chart.home
    this.plots = elements.map((element) => makePlot(this, element))
    this.show(this.view)
  }

  /** Shows a range: no less than a few bins, and nothing beyond all of them. */
  show([from, to]) {
    const { all, home, width } = this.chart
    const [first, last] = [Math.min(all[0], home[0]), Math.max(all[1], home[1])]
    const span = Math.min(Math.max(to - from, MIN_VIEW_BINS * width), last - first)
    const start = Math.min(Math.max((from + to - span) / 2, first), last - span)
    this.view = [start, start + span]
    for (const own of this.plots) {
      own.bars = barsOf(this, roomIn(own.plot.width), isShown)
      own.plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
      own.plot.batch(() => {
        own.plot.setData(own.kind.data(own.bars), false)
        own.plot.setScale('x', { min: this.view[0], max: this.view[1] })
      })
      own.element.dataset.from = this.view[0]
      own.element.dataset.to = this.view[1]
    }
  }

  zoom(factor) {
    const [from, to] = this.view
    const [middle, half] = [(from + to) / 2, ((to - from) / 2) * factor]
    this.show([middle - half, middle + half])
  }

  /** Moves the view by a share of it, as far as there is something. */
  pan(share) {
    const [from, to] = this.view
    const step = (to - from) * share
    this.show([from + step, to + step])
  }

  act(action) {
    const actions = {
      in: () => this.zoom(0.5),
      out: () => this.zoom(2),
      left: () => this.pan(-0.25),
      right: () => this.pan(0.25),
      home: () => this.show(this.chart.home),
      all: () => this.show(this.chart.all),
    }
    actions[action]()
  }

  resize(width) {
    for (const { plot, element, kind } of this.plots) {
      plot.setSize({ width: plotWidth(width ?? element.clientWidth), height: kind.height })
    }
    this.show(this.view)
  }

  redraw() {
    for (const { plot } of this.plots) plot.redraw(true, true)
  }
}
