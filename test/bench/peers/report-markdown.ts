/** A result as Markdown: a table of medians, the best of each column bold, what it ran on, and where Tidemark is behind. Pure. */
import { bestOf, faultsOf, lossesOf, type Measured, measuredOf } from './report-figures.ts'
import { write } from './report-numbers.ts'
import { type Result, roundsText, type Taker } from './result.ts'

/** A gap that the next run may close is not told as one. */
const TOLD_FACTOR = 1.05

export function toMarkdown(result: Result): string {
  const all = measuredOf(result)
  const main = all.filter(({ figure }) => figure.main)
  const usual = main.filter((one) => one.timers === leastOf(main, one))
  const larger = main.filter((one) => !usual.includes(one))
  const sizes = [...new Set(larger.map(({ timers }) => timers))]
  const parts = [
    table(result, usual),
    ...sizes.map(
      (size) =>
        `With ${size.toLocaleString('en')} timers:\n\n${table(
          result,
          larger.filter(({ timers }) => timers === size),
        )}`,
    ),
    conditions(result, main),
    losses(main),
    faults(result),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function leastOf(measured: readonly Measured[], { figure }: Measured): number {
  return Math.min(...measured.filter((one) => one.figure.id === figure.id).map(({ timers }) => timers))
}

function table({ contenders }: Result, columns: readonly Measured[]): string {
  const heads = ['', 'survives', ...columns.map(({ figure }) => figure.short)]
  const takers = contenders.filter(({ id }) =>
    columns.some(({ rows }) => rows.some(({ taker }) => taker.id === id)),
  )
  const rows = takers.map((taker) => [
    escapeCell(taker.title),
    escapeCell(taker.durability.split(':')[0]!),
    ...columns.map((column) => cell(column, taker)),
  ])
  const widths = heads.map((head, i) => Math.max(3, head.length, ...rows.map((row) => row[i]!.length)))
  const isNumber = (i: number) => i > 1
  const line = (cells: readonly string[]) => {
    const padded = cells.map((one, i) => (isNumber(i) ? one.padStart(widths[i]!) : one.padEnd(widths[i]!)))
    return `| ${padded.join(' | ')} |`
  }
  const rule = widths.map((width, i) => (isNumber(i) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  return [line(heads), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n')
}

function cell(column: Measured, taker: Taker): string {
  const row = column.rows.find((one) => one.taker.id === taker.id)
  if (row === undefined) return ''
  const mark = row.faults.length > 0 ? ' ¹' : ''
  if (row.spread === undefined) return `failed${mark}`
  const written = write(row.spread.median, column.figure.unit)
  return `${row === bestOf(column) ? `**${written}**` : written}${mark}`
}

function escapeCell(text: string): string {
  return text.replace(/[|\\`*_<>[\]]/g, '\\$&').replace(/\s+/g, ' ')
}

/** What it ran on, with which versions, with how many timers, and how often. */
function conditions(result: Result, all: readonly Measured[]): string {
  const { machine, contenders, startedAt } = result
  const versions = new Set<string>()
  for (const taker of contenders)
    for (const [name, version] of Object.entries(taker.versions))
      versions.add(name === 'server' ? version : `${name} ${version}`)
  const groups = new Map<string, string[]>()
  for (const one of all) {
    const rounds = roundsText(one.rows.map(({ runs }) => runs))
    const group = `${one.timers.toLocaleString('en')} timers, ${rounds === '1' ? '1 round' : `${rounds} rounds`}`
    groups.set(group, [...(groups.get(group) ?? []), one.figure.short])
  }
  const told = [...groups].map(([group, shorts]) => `${group} (${shorts.join('; ')})`)
  return [
    `Medians, ${startedAt.slice(0, 10)}, of ${told.join(', ')}.`,
    `${escapeCell(machine.cpu)}, ${machine.cores} cores, ${machine.memoryGib} GiB, Linux ${machine.kernel}, Node ${machine.node};`,
    `${[...versions].map(escapeCell).join(', ')}.`,
  ].join('\n')
}

function losses(all: readonly Measured[]): string {
  const told = lossesOf(all).filter(({ factor }) => factor >= TOLD_FACTOR)
  const reasons = new Set<string>()
  const lines = told.map(({ measured: { figure, timers }, own, best, factor }) => {
    const figures = `${write(best.spread!.median, figure.unit)} against ${write(own.spread!.median, figure.unit)}`
    const name = `${figure.title} (${timers.toLocaleString('en')} timers)`
    const times = `${factor.toFixed(factor < 10 ? 1 : 0)}×`
    // Once for a figure: it is the same for any number of timers.
    const why = reasons.has(figure.why) ? '' : `; ${figure.why}`
    reasons.add(figure.why)
    return `- ${name}: ${escapeCell(best.taker.title)}, ${figures}: ${times}${why}`
  })
  return lines.length === 0 ? '' : `Where Tidemark is behind the best:\n\n${lines.join('\n')}`
}

function faults({ runs, contenders }: Result): string {
  const lines = new Set<string>()
  for (const run of runs)
    for (const fault of faultsOf(run)) {
      const title = contenders.find(({ id }) => id === run.contender)?.title ?? run.contender
      lines.add(`- ${escapeCell(title)}, ${run.workload}: ${escapeCell(fault)}`)
    }
  return lines.size === 0 ? '' : `¹ Not as it should be, in at least one run:\n\n${[...lines].join('\n')}`
}

const BEGIN = '<!-- peers: begin -->'
const END = '<!-- peers: end -->'

/** A text with the table between its two markers, in the place of what was there. */
export function withTable(text: string, markdown: string): string {
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END, begin)
  if (begin === -1 || end === -1) throw new Error(`there is no '${BEGIN}' with a '${END}' after it`)
  return `${text.slice(0, begin + BEGIN.length)}\n\n${markdown}\n${text.slice(end)}`
}
