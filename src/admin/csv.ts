/**
 * CSV as RFC 4180 has it, a record a line: no cell that is written has a line break in it, though one that is read may.
 *
 * - A cell is a JSON value, or, where it is none, the string that it is. So `order-1` is a string, `42` a number, and the
 *   string `42` is written `"42"`. What a terminal or a spreadsheet would not show is written as JSON, which escapes it;
 *   and so is what a spreadsheet would take for a formula, which in quotes is none.
 */

import { isPrintable, safeJson } from './printable.ts'

/** Spaces at the ends, which many a program takes away. */
const ENDS_WITH_SPACE = /^\s|\s$/u
/** How a formula begins, for one spreadsheet or another. */
const FORMULA = /^[=+\-@\uff1d\uff0b\uff0d\uff20]/u
const MAY_BE_JSON = /^[\s"{[\-0-9tfn]/

/** The cell of a string. */
export function stringCell(text: string): string {
  const isPlain = isPrintable(text) && !ENDS_WITH_SPACE.test(text) && !FORMULA.test(text)
  return isPlain && jsonIn(text) === undefined ? text : safeJson(text)
}

/** The value that a cell stands for. */
export function cellValue(cell: string): unknown {
  const json = jsonIn(cell)
  return json === undefined ? cell : json.value
}

function jsonIn(text: string): { value: unknown } | undefined {
  if (!MAY_BE_JSON.test(text)) return undefined
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined // It is a string, then.
  }
}

const TO_BE_QUOTED = /[",\r\n]/

/** A line, without its end. */
export function csvLine(cells: readonly string[]): string {
  return cells.map((cell) => (TO_BE_QUOTED.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')
}

/** A record that was read, and the number of the line that it began in. */
export interface CsvRecord {
  line: number
  cells: string[]
}

/** Thrown at text that is no CSV. */
export class CsvProblem extends Error {
  readonly line: number

  constructor(line: number, problem: string) {
    super(problem)
    this.line = line
  }
}

/** Takes text as it comes, and gives the records that are whole. */
export class CsvReader {
  readonly #maxCharacters: number
  #rest = ''
  #line = 1

  /** `maxCharacters` is what a record may have at most. */
  constructor(maxCharacters: number) {
    this.#maxCharacters = maxCharacters
  }

  /** Throws a CsvProblem. */
  *take(text: string, isLast: boolean): Generator<CsvRecord> {
    const all = this.#rest + text
    let at = 0
    for (;;) {
      const end = this.#endOfRecord(all, at, isLast)
      if (end === undefined) break
      const line = this.#line
      const record = all.slice(at, end.at)
      this.#line += countBreaks(record) + 1
      at = end.next
      if (record !== '') yield { line, cells: this.#cells(record, line) }
      if (at >= all.length) break
    }
    this.#rest = all.slice(at)
    if (this.#rest.length > this.#maxCharacters) {
      throw new CsvProblem(this.#line, `a record is longer than any may be, or a quote is not closed`)
    }
    if (isLast && this.#rest !== '') throw new CsvProblem(this.#line, 'a quote is not closed')
  }

  /** Where the record that begins at `at` ends, and the next one begins. */
  #endOfRecord(text: string, at: number, isLast: boolean): { at: number; next: number } | undefined {
    let isQuoted = false
    for (let i = at; i < text.length; i++) {
      const character = text.charCodeAt(i)
      if (character === 34) isQuoted = !isQuoted
      else if (character === 10 && !isQuoted) {
        return { at: i > at && text.charCodeAt(i - 1) === 13 ? i - 1 : i, next: i + 1 }
      }
    }
    return isLast && !isQuoted ? { at: text.length, next: text.length } : undefined
  }

  #cells(record: string, line: number): string[] {
    const cells: string[] = []
    let at = 0
    for (;;) {
      if (record[at] === '"') {
        const end = endOfQuoted(record, at)
        const after = record[end]
        if (after !== undefined && after !== ',') throw new CsvProblem(line, 'there is text behind a quote')
        cells.push(record.slice(at + 1, end - 1).replaceAll('""', '"'))
        at = end
      } else {
        const comma = record.indexOf(',', at)
        const end = comma < 0 ? record.length : comma
        const cell = record.slice(at, end)
        if (cell.includes('"'))
          throw new CsvProblem(line, 'there is a quote within a cell that is not quoted')
        cells.push(cell)
        at = end
      }
      if (at >= record.length) return cells
      at++
    }
  }
}

/** Behind the quote that closes the cell which begins at `at`. */
function endOfQuoted(record: string, at: number): number {
  for (let quote = record.indexOf('"', at + 1); ; quote = record.indexOf('"', quote + 2)) {
    if (record[quote + 1] !== '"') return quote + 1
  }
}

function countBreaks(text: string): number {
  let breaks = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) breaks++
  return breaks
}
