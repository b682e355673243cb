#!/usr/bin/env node
/** The `tidemark` command: finds the verb, and loads nothing but that. */
import fs from 'node:fs'
import { invalidArgument } from '../errors.ts'
import { EXIT } from './exitcodes.ts'
import { didYouMean } from './hints.ts'
import { printable } from './printable.ts'
import { concluded, runVerb, terminalFor } from './run.ts'
import type { Terminal } from './terminal.ts'
import type { AnyVerb } from './verb.ts'

/** In the order of the help. */
const VERBS: Record<string, () => Promise<AnyVerb>> = {
  checkpoints: async () => (await import('./checkpoints.ts')).checkpoints,
  inspect: async () => (await import('./inspect.ts')).inspect,
  verify: async () => (await import('./verify.ts')).verify,
  diff: async () => (await import('./diff.ts')).diff,
  restore: async () => (await import('./restore.ts')).restore,
  export: async () => (await import('./export.ts')).exportVerb,
  import: async () => (await import('./import.ts')).importVerb,
  report: async () => (await import('./report.ts')).report,
  doctor: async () => (await import('./doctor.ts')).doctor,
  compact: async () => (await import('./compact.ts')).compact,
  migrate: async () => (await import('./migrate.ts')).migrate,
}

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args
  const load = first !== undefined && Object.hasOwn(VERBS, first) ? VERBS[first] : undefined
  if (load !== undefined) return runVerb(await load(), rest)
  const terminal = terminalFor(args)
  return concluded(terminal, () => withoutVerb(first, rest, terminal))
}

async function withoutVerb(
  first: string | undefined,
  [second]: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const { printCommandHelp, printVerbHelp } = await import('./help.ts')
  if (first === '--version' || first === '-v' || first === '-V') {
    terminal.print(terminal.isJson ? JSON.stringify({ version: readVersion() }) : readVersion())
    return EXIT.fine
  }
  if (first === 'help' && second !== undefined) {
    const load = Object.hasOwn(VERBS, second) ? VERBS[second] : undefined
    if (load === undefined) throw unknownVerb(second)
    printVerbHelp(await load(), terminal)
    return EXIT.fine
  }
  if (first === '--help' || first === '-h' || first === 'help') {
    printCommandHelp(await Promise.all(Object.values(VERBS).map((load) => load())), terminal)
    return EXIT.fine
  }
  if (first === undefined) throw invalidArgument('which verb? see tidemark --help')
  throw unknownVerb(first)
}

function unknownVerb(word: string): Error {
  const hint = didYouMean(word, Object.keys(VERBS)) || ': see tidemark --help'
  return invalidArgument(`there is no verb '${printable(word)}'${hint}`)
}

/** From the package's own file: two levels up in a checkout, three in what is built. */
function readVersion(): string {
  for (const place of ['../../package.json', '../../../package.json']) {
    const url = new URL(place, import.meta.url)
    if (fs.existsSync(url)) return (JSON.parse(fs.readFileSync(url, 'utf8')) as { version: string }).version
  }
  return 'unknown'
}
