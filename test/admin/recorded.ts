// A terminal whose output is text in memory.

import { EventEmitter } from 'node:events'
import { parseArguments } from '../../src/admin/arguments.ts'
import { type Output, Terminal, type TerminalOptions } from '../../src/admin/terminal.ts'
import type { Options, Verb } from '../../src/admin/verb.ts'

export class RecordedOutput extends EventEmitter implements Output {
  text = ''
  /** Whether the next writes are taken at once. */
  takes = true
  isTTY: boolean
  columns?: number

  constructor(columns?: number) {
    super()
    this.isTTY = columns !== undefined
    if (columns !== undefined) this.columns = columns
  }

  write(text: string): boolean {
    this.text += text
    return this.takes
  }
}

export interface Recorded {
  terminal: Terminal
  stdout: RecordedOutput
  stderr: RecordedOutput
}

/** With columns it is a terminal, without them a pipe. */
export function recorded(options: Partial<TerminalOptions> & { columns?: number } = {}): Recorded {
  const { columns, ...others } = options
  const stdout = new RecordedOutput(columns)
  const stderr = new RecordedOutput(columns)
  const terminal = new Terminal({ stdout, stderr, env: {}, nowMs: 1_700_000_000_000, ...others })
  return { terminal, stdout, stderr }
}

/** What a screen shows after all of this was written to it: lines without colours. */
export function screenOf(written: string): string[] {
  const lines: string[] = ['']
  let column = 0
  const put = (character: string) => {
    const line = lines.at(-1)!.padEnd(column)
    lines[lines.length - 1] = line.slice(0, column) + character + line.slice(column + 1)
    column++
  }
  for (let at = 0; at < written.length; at++) {
    const sequence = /^\u001b\[([0-9;]*)([A-Za-z])/.exec(written.slice(at, at + 16))
    if (sequence !== null) {
      const [whole, parameter, letter] = sequence
      if (letter === 'K' && parameter === '2') lines[lines.length - 1] = ''
      else if (letter !== 'm') throw new Error(`the screen knows no ${JSON.stringify(whole)}`)
      at += whole.length - 1
    } else if (written[at] === '\r') column = 0
    else if (written[at] === '\n') lines.push('')
    else put(written[at]!)
  }
  return lines.map((line) => line.trimEnd())
}

export interface Ran {
  code: number
  stdout: string
  stderr: string
  /** What it printed, a JSON document a line. */
  documents(): unknown[]
}

/** Runs a verb in this process, as the command would; rejects with what the verb rejects with. */
export async function runRecorded<O extends Options>(
  verb: Verb<O>,
  args: readonly string[],
  columns?: number,
): Promise<Ran> {
  const parsed = parseArguments(verb, args)
  const { terminal, stdout, stderr } = recorded({ json: parsed.json, columns })
  const code = await verb.run(parsed, terminal)
  await terminal.end()
  const documents = () =>
    stdout.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown)
  return { code, stdout: stdout.text, stderr: stderr.text, documents }
}
