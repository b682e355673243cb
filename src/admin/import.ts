/** `tidemark import`: what was exported, into a store. */
import fs from 'node:fs'
import { EXIT, exitCodeOf } from './exitcodes.ts'
import { Importer } from './importer.ts'
import { readLines, readText } from './importlines.ts'
import { ImportProblem } from './importproblem.ts'
import { recordOf } from './importrecords.ts'
import { printable, safeJson } from './printable.ts'
import { runAsScript } from './run.ts'
import type { Terminal } from './terminal.ts'
import { count, counted } from './units.ts'
import { defineVerb } from './verb.ts'

export const importVerb = defineVerb({
  name: 'import',
  summary: 'writes exported timers into a store, which is made where there is none',
  description:
    'Reads NDJSON or CSV, as tidemark export writes it, from a file or from stdin. Each line is checked, and lines\n' +
    'are written 1,000 at a time, all of them or none: where one is wrong you are told which, and how far it came.\n' +
    'To import again is harmless: a timer that is there keeps its place, and takes the payload. A service that is\n' +
    'there must have the same schemas, and nobody may have the store open. Watermarks are raised at the end, and\n' +
    'never lowered.',
  operands: ['STORE', '[FILE]'],
  options: {},
  examples: [
    ['import data/orders-copy orders.ndjson', 'an export into a new store'],
    ['export old.tidemark --format csv | tidemark import data/orders -', 'through a pipe'],
  ],
  async run({ operands: [location, place = '-'] }, terminal) {
    const importer = new Importer(location!)
    const problem = await importAll(importer, place, terminal).catch((error) => error as Error)
    const failure = await importer.close().catch((error) => error as Error)
    return told(importer, location!, problem ?? (failure || undefined), terminal)
  },
})

async function importAll(importer: Importer, place: string, terminal: Terminal): Promise<undefined> {
  const { signal } = terminal
  const stats = place === '-' ? undefined : await fs.promises.stat(place).catch(() => undefined)
  const progress = terminal.progress('importing', 'bytes', stats?.size)
  let lines = 0
  for await (const line of readLines(readText(place, signal, (bytes) => progress.at(bytes)))) {
    lines++
    await importer.add(line.line, recordOf(line))
    signal.throwIfAborted()
  }
  if (lines === 0) throw new ImportProblem(undefined, 'there is nothing to import: it has no line')
  await importer.end()
  progress.end()
}

/** Says what is in the store now, and what was wrong. */
function told(importer: Importer, location: string, problem: Error | undefined, terminal: Terminal): number {
  const { imported } = importer
  const isNothing = imported.lines === 0
  if (importer.endDamaged !== undefined) terminal.note(printable(importer.endDamaged.message))
  const where = isNothing
    ? 'nothing was imported'
    : `lines 1 to ${imported.lines} were imported, and nothing behind them; correct it and import again`
  // Who interrupts it wants to see no result, but must know how far it came.
  if (terminal.isInterrupted) {
    tellFailure('interrupted', where, 'INTERRUPTED', terminal)
    return EXIT.interrupted
  }
  if (problem !== undefined && isNothing && !(problem instanceof ImportProblem)) throw problem
  if (terminal.isJson) {
    const error = problem === undefined ? {} : { error: { ...lineOf(problem), message: problem.message } }
    terminal.json({ path: location, isComplete: problem === undefined, ...imported, ...error })
  } else {
    terminal.print(summaryOf(importer, location))
  }
  if (imported.outOfOrder > 0) {
    const what = counted(imported.outOfOrder, 'timer comes', 'timers come')
    terminal.note(
      `${what} behind one of the same timestamp that was registered later: ` +
        'they stand in the order of the lines now',
    )
  }
  if (problem === undefined) return EXIT.fine
  tellFailure(problem.message, where, codeOf(problem), terminal)
  return problem instanceof ImportProblem ? EXIT.problem : exitCodeOf(problem)
}

function tellFailure(message: string, where: string, code: string, terminal: Terminal): void {
  const what = `${message} (${where})`
  if (terminal.isJson) terminal.note(safeJson({ error: { code, message: what } }))
  else terminal.error(what.split('\n').map(printable).join('\n'))
}

function codeOf(problem: Error): string {
  const { code } =
    ((problem instanceof ImportProblem ? problem.cause : problem) as { code?: string } | undefined) ?? {}
  return code ?? 'TIDEMARK_INVALID_ARGUMENT'
}

function lineOf(problem: Error): { line?: number } {
  return problem instanceof ImportProblem && problem.line !== undefined ? { line: problem.line } : {}
}

function summaryOf({ imported }: Importer, location: string): string {
  const { services, new: fresh, there } = imported
  const timers = `${counted(fresh, 'timer')} new, ${count(there)} there already`
  const of = `${counted(services.new, 'service')} new, ${count(services.there)} there already`
  return `${printable(location)}: ${timers}; ${of}`
}

await runAsScript(import.meta.url, importVerb)
