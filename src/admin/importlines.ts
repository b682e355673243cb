/**
 * The lines of an export, as they come: NDJSON, or CSV with the names of its columns in the first line. Which of the two
 * it is shows in how it begins.
 */
import fs from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { TextDecoder } from 'node:util'
import { TidemarkError } from '../errors.ts'
import { CsvProblem, CsvReader, cellValue } from './csv.ts'
import { CSV_COLUMNS } from './exportformat.ts'
import { ImportProblem } from './importproblem.ts'

/** The fields of a line, as NDJSON has them. */
export interface ImportLine {
  line: number
  fields: Record<string, unknown>
}

/** More than the longest that is not too long anyway: a service with its schemas, or a timer, everything escaped. */
export const MAX_LINE_CHARACTERS = 4 * 1024 * 1024

/** Text of a file, or of stdin (`-`); `onBytes` hears how many bytes were read. */
export async function* readText(
  place: string,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): AsyncGenerator<string> {
  const stream: Readable =
    place === '-' ? addAbortSignal(signal, process.stdin) : await openText(place, signal)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let read = 0
  for await (const bytes of stream as AsyncIterable<Buffer>) {
    read += bytes.length
    yield decodeText(decoder, bytes, read)
    onBytes(read)
  }
  yield decodeText(decoder, undefined, read)
}

async function openText(place: string, signal: AbortSignal): Promise<Readable> {
  const file = await fs.promises.open(place).catch((cause) => {
    const message = `there is no file ${place} that can be read (${cause.message}): check the path`
    throw new TidemarkError('TIDEMARK_INVALID_ARGUMENT', message, { cause })
  })
  return file.createReadStream({ signal, highWaterMark: 256 * 1024 })
}

function decodeText(decoder: TextDecoder, bytes: Buffer | undefined, end: number): string {
  try {
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
  } catch {
    throw new ImportProblem(undefined, `there are bytes before byte ${end} that are no UTF-8`)
  }
}

/** Throws an ImportProblem at a line that is none. */
export async function* readLines(texts: AsyncIterable<string>): AsyncGenerator<ImportLine> {
  let reader: LineReader | undefined
  let begun = ''
  for await (const text of texts) {
    if (reader === undefined) {
      begun += text
      if (begun.trimStart() === '') continue
      reader = begun.trimStart().startsWith('{') ? new JsonLines() : new CsvLines()
    }
    yield* reader.take(begun || text, false)
    begun = ''
  }
  if (reader !== undefined) yield* reader.take('', true)
}

interface LineReader {
  take(text: string, isLast: boolean): Generator<ImportLine>
}

class JsonLines implements LineReader {
  #rest = ''
  #line = 0;

  *take(text: string, isLast: boolean): Generator<ImportLine> {
    const lines = (this.#rest + text).split('\n')
    this.#rest = isLast ? '' : lines.pop()!
    for (const line of lines) {
      this.#line++
      if (line.trim() !== '') yield { line: this.#line, fields: objectOf(line, this.#line) }
    }
    if (this.#rest.length > MAX_LINE_CHARACTERS) throw new ImportProblem(this.#line + 1, 'it is too long')
  }
}

function objectOf(text: string, line: number): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ImportProblem(line, `it is not JSON: ${(error as Error).message}`)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new ImportProblem(line, 'it is JSON, and no object')
}

class CsvLines implements LineReader {
  readonly #reader = new CsvReader(MAX_LINE_CHARACTERS)
  #columns: string[] | undefined;

  *take(text: string, isLast: boolean): Generator<ImportLine> {
    try {
      for (const { line, cells } of this.#reader.take(text, isLast)) {
        if (this.#columns === undefined) this.#columns = columnsOf(cells, line)
        else yield { line, fields: fieldsOf(this.#columns, cells, line) }
      }
    } catch (error) {
      throw error instanceof CsvProblem ? new ImportProblem(error.line, error.message) : error
    }
  }
}

const COLUMNS: ReadonlySet<string> = new Set(CSV_COLUMNS)
const NEEDED = ['service', 'domain', 'key', 'timestamp']

function columnsOf(cells: readonly string[], line: number): string[] {
  const columns = cells.map((cell) => cell.trim())
  const unknown = columns.find((column) => !COLUMNS.has(column))
  if (unknown !== undefined) {
    throw new ImportProblem(line, `it is neither NDJSON nor names columns of CSV: ${JSON.stringify(unknown)}`)
  }
  if (new Set(columns).size < columns.length) throw new ImportProblem(line, 'a column is there twice')
  const missing = NEEDED.find((column) => !columns.includes(column))
  if (missing === undefined) return columns
  throw new ImportProblem(line, `the column ${missing} is missing`)
}

function fieldsOf(
  columns: readonly string[],
  cells: readonly string[],
  line: number,
): Record<string, unknown> {
  if (cells.length !== columns.length) {
    throw new ImportProblem(line, `it has ${cells.length} cells, and the first line has ${columns.length}`)
  }
  const row = Object.fromEntries(columns.map((column, i) => [column, cells[i]!]))
  const {
    record = 'timer',
    service,
    domain,
    key,
    namespace = '',
    payload = '',
    schemas,
    store,
    ...numbers
  } = row
  const json = (name: string, cell: string) => {
    try {
      return JSON.parse(cell) as unknown
    } catch (error) {
      throw new ImportProblem(line, `${name} is not JSON: ${(error as Error).message}`)
    }
  }
  const number = (name: string) => {
    const cell = numbers[name] ?? ''
    return cell === '' ? {} : { [name]: /^-?\d+$/.test(cell) ? Number(cell) : cell }
  }
  if (record === 'store') return { tidemark: 'export', ...(json('store', store ?? '') as object) }
  if (record === 'service') {
    return { service: cellValue(service!), ...number('watermark'), schemas: json('schemas', schemas ?? '') }
  }
  if (record !== 'timer')
    throw new ImportProblem(line, `record is ${JSON.stringify(record)}: store, service or timer`)
  return {
    service: cellValue(service!),
    domain,
    key: cellValue(key!),
    namespace: cellValue(namespace),
    ...number('timestamp'),
    ...(payload === '' ? {} : { payload: json('payload', payload) }),
    ...number('createVersion'),
    ...number('place'),
  }
}
