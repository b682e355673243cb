/**
 * Tables for people. The first rows say how wide the columns are, the others follow as they come: a table of a million
 * rows needs no more memory than one of a thousand.
 */
import { pad, truncate, widthOf } from './printable.ts'
import type { Style, Terminal } from './terminal.ts'

export interface Column {
  title: string
  align?: 'left' | 'right'
  /** May be cut where the terminal is narrow. */
  flexible?: boolean
}

/** Text that is `printable`, alone or with a style. */
export type Cell = string | { text: string; style: Style }

/** Rows that are looked at before the first is printed. */
const MEASURED_ROWS = 1000
const GAP = '  '
const MIN_FLEXIBLE_WIDTH = 8

export class Table {
  readonly #terminal: Terminal
  readonly #columns: readonly Column[]
  readonly #indent: string
  #waiting: (readonly Cell[])[] = []
  #widths: number[] | undefined

  constructor(terminal: Terminal, columns: readonly Column[], indent = '') {
    this.#terminal = terminal
    this.#columns = columns
    this.#indent = indent
  }

  add(...cells: readonly Cell[]): void {
    if (this.#widths !== undefined) {
      this.#print(cells, this.#widths)
      return
    }
    this.#waiting.push(cells)
    if (this.#waiting.length >= MEASURED_ROWS) this.#begin()
  }

  /** Prints what is left; a table without rows has its titles. */
  end(): void {
    if (this.#widths === undefined) this.#begin()
  }

  #begin(): void {
    const rows = this.#waiting
    this.#waiting = []
    const natural = this.#columns.map(({ title }, i) =>
      rows.reduce((width, row) => Math.max(width, widthOf(textOf(row[i]!))), widthOf(title)),
    )
    const widths = fitted(natural, this.#columns, this.#terminal.columns - this.#indent.length)
    this.#widths = widths
    const titles = this.#columns.map(({ title }) => ({ text: title, style: 'bold' as const }))
    this.#print(titles, widths)
    for (const row of rows) this.#print(row, widths)
  }

  #print(cells: readonly Cell[], widths: readonly number[]): void {
    let line = this.#indent
    for (let i = 0; i < cells.length; i++) {
      const { align, flexible } = this.#columns[i]!
      const cell = cells[i]!
      const isCut = flexible === true && Number.isFinite(this.#terminal.columns)
      const text = isCut ? truncate(textOf(cell), widths[i]!) : textOf(cell)
      const styled = typeof cell === 'string' ? text : this.#terminal.style(cell.style, text)
      line += (i === 0 ? '' : GAP) + pad(styled, widths[i]!, align)
    }
    this.#terminal.print(line.trimEnd())
  }
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text
}

/** Takes from the widest flexible columns what is too much. */
export function fitted(natural: readonly number[], columns: readonly Column[], available: number): number[] {
  const widths = [...natural]
  let excess = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1) - available
  while (excess > 0) {
    let widest = -1
    widths.forEach((width, i) => {
      if (columns[i]!.flexible === true && width > (widths[widest] ?? MIN_FLEXIBLE_WIDTH)) widest = i
    })
    if (widest < 0) return widths
    widths[widest]!--
    excess--
  }
  return widths
}
