/** `tidemark report`: what inspect tells, as one page with charts. */
import fs from 'node:fs'
import { invalidArgument } from '../errors.ts'
import { EXIT } from './exitcodes.ts'
import { firstBytes, writeWhole } from './outputfile.ts'
import { printable } from './printable.ts'
import { runAsScript } from './run.ts'
import { openSource } from './source.ts'
import { bytes, counted } from './units.ts'
import { defineVerb } from './verb.ts'

export const report = defineVerb({
  name: 'report',
  summary: 'writes what is in a checkpoint or a store as one page with charts',
  description:
    'The page is one file, which needs no network and sends nothing: timers over time and over key groups in charts\n' +
    'that can be zoomed, services with their schemas and watermarks, what is due first, metadata, and the checkpoints\n' +
    'beside it. It reads all timers, and holds keys, namespaces and payloads of the twenty that are due first.',
  operands: ['FILE|STORE'],
  options: {
    output: {
      type: 'string',
      value: 'FILE',
      short: 'o',
      help: 'where to write the page; an earlier one is replaced',
    },
  },
  examples: [
    ['report checkpoint-000000000042-c0ffee00.tidemark -o report.html', 'a page about a checkpoint'],
    ['report data/orders --output orders.html', 'a page about a store that no service has open'],
  ],
  async run({ operands: [place], options: { output } }, terminal) {
    if (output === undefined || output === '') throw invalidArgument('--output is missing: -o report.html')
    await refuseForeign(output)
    const source = await openSource(place!, terminal)
    try {
      const { reportOn } = await import('./report/document.ts')
      const page = await reportOn(source, terminal)
      await writeWhole(output, (append) => append(page))
      const { kind, path, version, count: timers } = source
      const length = Buffer.byteLength(page)
      if (terminal.isJson) terminal.json({ output, bytes: length, kind, path, version, timers })
      else terminal.print(`${printable(output)}: ${counted(timers, 'timer')} on a page of ${bytes(length)}`)
      return EXIT.fine
    } finally {
      await source.close()
    }
  },
})

const PAGE_BEGINS = '<!doctype html>'

/** A page replaces a page, and nothing else: a checkpoint that is named by mistake stays. */
async function refuseForeign(output: string): Promise<void> {
  const stats = await fs.promises.stat(output).catch(() => undefined)
  if (stats === undefined) return
  const begins = stats.isFile() ? (await firstBytes(output, PAGE_BEGINS.length)).toString('latin1') : ''
  if (begins.toLowerCase() === PAGE_BEGINS || (stats.isFile() && stats.size === 0)) return
  throw invalidArgument(`${output} is there, and no page: it was left as it is; give another path`)
}

await runAsScript(import.meta.url, report)
