/** Numbers as a person reads them, and shapes made of block characters. Pure. */

export const formatCount = (count: number): string => Math.round(count).toLocaleString('en-US')

export const formatShare = (share: number): string => `${(share * 100).toFixed(1)} %`

/** Three figures are enough for a duration: 0.42 ms, 18.3 ms, 1.25 s. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0)} ms`
  return `${ms < 10_000 ? (ms / 1_000).toFixed(2) : (ms / 1_000).toFixed(1)} s`
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const kib = bytes / 1024
  return kib < 1024
    ? `${kib.toFixed(kib < 10 ? 1 : 0)} KiB`
    : `${(kib / 1024).toFixed(kib < 10_240 ? 1 : 0)} MiB`
}

/** What a date can tell; a watermark that never rose is far below. */
const MAX_DATE_MS = 8.64e15

/** The clock of the data: it has no zone, so none is shown. */
export const formatTime = (timeMs: number): string =>
  Math.abs(timeMs) <= MAX_DATE_MS
    ? new Date(timeMs).toISOString().slice(0, 16).replace('T', ' ')
    : 'before the first flight'

const LEFT_EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']
const LOWER_EIGHTHS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** A bar of exactly `width` cells, filled from the left to an eighth of a cell. */
export function renderBar(fraction: number, width: number): string {
  const eighths = Math.round(Math.min(Math.max(fraction, 0), 1) * width * 8)
  const bar = '█'.repeat(eighths >> 3) + LEFT_EIGHTHS[eighths & 7]
  return bar.padEnd(width, '░')
}

/**
 * Columns side by side, `rows` lines high, the highest as high as the chart. A count that is not 0 shows at
 * least an eighth of a cell: what happened once must not look like what never did.
 */
export function renderHistogram(counts: number[], rows: number, columnWidth = 2): string[] {
  const max = Math.max(...counts, 1)
  const eighths = counts.map((count) => (count === 0 ? 0 : Math.max(1, Math.round((count / max) * rows * 8))))
  const lines: string[] = []
  for (let row = rows - 1; row >= 0; row--) {
    const cells = eighths.map((height) =>
      LOWER_EIGHTHS[Math.min(Math.max(height - row * 8, 0), 8)]!.repeat(columnWidth),
    )
    lines.push(cells.join(' '))
  }
  return lines
}
