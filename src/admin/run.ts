/**
 * Runs a verb as a process: arguments in, exit code out. Errors become one message on stderr; an error is never a stack,
 * and with --json it is JSON.
 */
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { TidemarkError } from '../errors.ts'
import { parseArguments } from './arguments.ts'
import { EXIT, exitCodeOf } from './exitcodes.ts'
import { printVerbHelp } from './help.ts'
import { printable, safeJson } from './printable.ts'
import { ReaderGone, Terminal } from './terminal.ts'
import type { AnyVerb, Verb } from './verb.ts'

/** Runs a verb with a command line; returns the exit code. */
export async function runVerb(verb: AnyVerb, args: readonly string[]): Promise<number> {
  const terminal = terminalFor(args)
  return concluded(terminal, async () => {
    const parsed = parseArguments(verb as Verb, args)
    if (!parsed.help) return (verb as Verb).run(parsed, terminal)
    printVerbHelp(verb, terminal)
    return EXIT.fine
  })
}

/** Before arguments are understood it must be known how to tell that they are not. */
export function terminalFor(args: readonly string[]): Terminal {
  const json = args.includes('--json')
  const colour = args.includes('--no-color') ? false : undefined
  return new Terminal({ stdout: process.stdout, stderr: process.stderr, env: process.env, json, colour })
}

/** Runs something to its end: everything is written, and what went wrong is told. */
export async function concluded(terminal: Terminal, run: () => Promise<number>): Promise<number> {
  try {
    const code = await run()
    await terminal.end()
    return code
  } catch (error) {
    return await failed(terminal, error)
  }
}

async function failed(terminal: Terminal, error: unknown): Promise<number> {
  // What was printed before is true, and comes before what went wrong.
  if (!(error instanceof ReaderGone)) await terminal.end().catch(() => {})
  if (terminal.isInterrupted) return EXIT.interrupted
  if (error instanceof ReaderGone) return EXIT.fine
  const { code, message } = described(error)
  if (terminal.isJson) terminal.note(safeJson({ error: { code, message } }))
  else terminal.error(message.split('\n').map(printable).join('\n'))
  return exitCodeOf(error)
}

function described(error: unknown): { code: string; message: string } {
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof TidemarkError) return { code: error.code, message }
  return { code: code ?? 'UNEXPECTED', message: code === undefined ? `unexpected: ${message}` : message }
}

/** Runs a verb if its file is what Node was started with. */
export async function runAsScript(moduleUrl: string, verb: AnyVerb): Promise<void> {
  const script = process.argv[1]
  if (script === undefined || !isSameFile(script, fileURLToPath(moduleUrl))) return
  process.exitCode = await runVerb(verb, process.argv.slice(2))
}

function isSameFile(script: string, module: string): boolean {
  try {
    return fs.realpathSync(script) === fs.realpathSync(module)
  } catch {
    return false // Node was started with something that is no file.
  }
}
