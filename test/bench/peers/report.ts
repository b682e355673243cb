/**
 * Makes a page of the result of a comparison, and a table.
 *
 *   npx tsx test/bench/peers/report.ts result.json page.html
 *   npx tsx test/bench/peers/report.ts result.json page.html --growth growth.json
 *   npx tsx test/bench/peers/report.ts result.json page.html --markdown table.md
 *   npx tsx test/bench/peers/report.ts result.json --readme README.md      between the two markers in it
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Growth } from './report-growth.ts'
import { toMarkdown, withTable } from './report-markdown.ts'
import { toHtml } from './report-page.ts'
import type { Result } from './result.ts'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    growth: { type: 'string' },
    markdown: { type: 'string' },
    readme: { type: 'string' },
  },
})
const [from, page] = positionals
if (from === undefined) throw new Error('give the result of main.ts, and where the page goes')

function read<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T
}

const result = read<Result>(from)
const markdown = toMarkdown(result)
if (page !== undefined)
  writeFileSync(page, toHtml(result, values.growth === undefined ? undefined : read<Growth>(values.growth)))
if (values.markdown !== undefined) writeFileSync(values.markdown, markdown)
if (values.readme !== undefined)
  writeFileSync(values.readme, withTable(readFileSync(values.readme, 'utf8'), markdown))
if (page === undefined && values.markdown === undefined && values.readme === undefined)
  process.stdout.write(markdown)
