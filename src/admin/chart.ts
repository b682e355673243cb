/** Bar charts of text: one line a bar, an eighth of a character the finest step. */
import { pad, widthOf } from './printable.ts'
import type { Terminal } from './terminal.ts'
import { count } from './units.ts'

export interface Bar {
  label: string
  value: number
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']
const FULL = '█'
const MIN_BAR_COLUMNS = 10

/** A bar of a share of `columns`; what is more than nothing is seen. */
export function bar(share: number, columns: number): string {
  const eighths = Math.max(Math.round(share * columns * 8), share > 0 ? 1 : 0)
  return FULL.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]
}

/** The lines of a chart: label, number, bar; the largest value fills the width. */
export function barChart(
  bars: readonly Bar[],
  columns: number,
): { label: string; value: string; bar: string }[] {
  const labels = Math.max(0, ...bars.map(({ label }) => widthOf(label)))
  const values = Math.max(0, ...bars.map(({ value }) => count(value).length))
  const largest = Math.max(0, ...bars.map(({ value }) => value))
  const barColumns = Math.max(MIN_BAR_COLUMNS, columns - labels - values - 4)
  return bars.map(({ label, value }) => ({
    label: pad(label, labels),
    value: pad(count(value), values, 'right'),
    bar: largest > 0 ? bar(value / largest, barColumns) : '',
  }))
}

export function printChart(terminal: Terminal, bars: readonly Bar[], indent = '  '): void {
  for (const { label, value, bar } of barChart(bars, terminal.chartColumns - indent.length)) {
    terminal.print(`${indent}${label}  ${value}  ${terminal.style('cyan', bar)}`.trimEnd())
  }
}
