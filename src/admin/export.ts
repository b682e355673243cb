/** `tidemark export`: all that a checkpoint or a store holds, as text. */
import fs from 'node:fs'
import { invalidArgument } from '../errors.ts'
import { EXIT } from './exitcodes.ts'
import { type Exported, exportSource, type LineSink } from './exporter.ts'
import { CSV, type ExportFormat, NDJSON } from './exportformat.ts'
import { writeWhole } from './outputfile.ts'
import { escapedJson, printable } from './printable.ts'
import { runAsScript } from './run.ts'
import { openSource, type Source } from './source.ts'
import type { Terminal } from './terminal.ts'
import { bytes, counted } from './units.ts'
import { defineVerb } from './verb.ts'

export const exportVerb = defineVerb({
  name: 'export',
  summary: 'writes all timers of a checkpoint or a store as NDJSON or CSV',
  description:
    'Services come with their schemas and watermarks, timers with their payloads, in the order in which they are due.\n' +
    'Nothing is lost: tidemark import makes the same of it. In CSV a cell is a JSON value or, where it is none, the\n' +
    'string that it is. Many timers are sorted in a temporary file, in TMPDIR.',
  operands: ['FILE|STORE'],
  options: {
    format: { type: 'string', value: 'FORMAT', help: 'ndjson (default) or csv' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      help: 'write to a file, which is there when it is whole',
    },
  },
  examples: [
    ['export data/orders -o orders.ndjson', 'a store, as one JSON document a line'],
    ['export checkpoint-000000000042-c0ffee00.tidemark --format csv | head', 'the first timers due, as CSV'],
    ['export data/orders | tidemark import data/orders-copy', 'a store, into a new one'],
  ],
  async run({ operands: [place], options }, terminal) {
    const format = formatOf(options.format)
    const source = await openSource(place!, terminal)
    try {
      if (options.output === undefined)
        await exportSource(source, format, toTerminal(format, terminal), terminal)
      else await exportToFile(source, format, options.output, terminal)
      return EXIT.fine
    } finally {
      await source.close()
    }
  },
})

function formatOf(name = 'ndjson'): ExportFormat {
  if (name === 'ndjson') return NDJSON
  if (name === 'csv') return CSV
  throw invalidArgument(`--format takes ndjson or csv, not '${printable(name)}'`)
}

function toTerminal({ lineEnd }: ExportFormat, terminal: Terminal): LineSink {
  // The terminal ends lines as systems do.
  const end = lineEnd.slice(0, -1)
  return (lines) => {
    for (const line of lines) terminal.print(escapedJson(line) + end)
    return terminal.drained()
  }
}

async function exportToFile(
  source: Source,
  format: ExportFormat,
  place: string,
  terminal: Terminal,
): Promise<void> {
  const exported = await writeWhole<Exported>(place, (append) =>
    exportSource(
      source,
      format,
      (lines) => append(lines.map((line) => line + format.lineEnd).join('')),
      terminal,
    ),
  )
  const { size } = await fs.promises.stat(place)
  if (terminal.isJson) terminal.json({ path: place, ...exported, bytes: size })
  else {
    const what = `${counted(exported.timers, 'timer')} of ${counted(exported.services, 'service')}`
    terminal.print(`${what}, ${bytes(size)}: ${printable(place)}`)
  }
}

await runAsScript(import.meta.url, exportVerb)
