// Verbs of the command, run in this process: what they write to stdout and stderr, and the code that they end with.

import { parseArguments } from '../../../src/admin/arguments.ts'
import { concluded } from '../../../src/admin/run.ts'
import { type Output, Terminal } from '../../../src/admin/terminal.ts'
import type { AnyVerb, Verb } from '../../../src/admin/verb.ts'

const MODULES = {
  checkpoints: () => import('../../../src/admin/checkpoints.ts').then(({ checkpoints }) => checkpoints),
  diff: () => import('../../../src/admin/diff.ts').then(({ diff }) => diff),
  doctor: () => import('../../../src/admin/doctor.ts').then(({ doctor }) => doctor),
  export: () => import('../../../src/admin/export.ts').then(({ exportVerb }) => exportVerb),
  import: () => import('../../../src/admin/import.ts').then(({ importVerb }) => importVerb),
  inspect: () => import('../../../src/admin/inspect.ts').then(({ inspect }) => inspect),
  report: () => import('../../../src/admin/report.ts').then(({ report }) => report),
  restore: () => import('../../../src/admin/restore.ts').then(({ restore }) => restore),
  verify: () => import('../../../src/admin/verify.ts').then(({ verify }) => verify),
}

export interface Written {
  code: number
  stdout: string
  stderr: string
}

class Gathered implements Output {
  text = ''

  write(text: string): boolean {
    this.text += text
    return true
  }

  once(): void {}
  on(): void {}
  off(): void {}
}

export async function runVerb(name: keyof typeof MODULES, args: readonly string[]): Promise<Written> {
  const verb = (await MODULES[name]()) as AnyVerb as Verb
  const [stdout, stderr] = [new Gathered(), new Gathered()]
  const terminal = new Terminal({ stdout, stderr, env: {}, json: args.includes('--json') })
  const code = await concluded(terminal, async () => verb.run(parseArguments(verb, args), terminal))
  return { code, stdout: stdout.text, stderr: stderr.text }
}
