// The command as users have it: built, and run in a process of its own.

import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/repository.ts'

/** Inside node_modules, so that what is built finds its dependencies, and nothing else finds it. */
const built = join(root, 'node_modules', `.tidemark-command-${process.pid}`)
/** As npm links it. */
const bin = join(built, 'bin', 'tidemark')
let isBuilt = false

/** Builds the command, once in a process; what was built goes with the process. */
export function buildCommand(): string {
  if (isBuilt) return bin
  isBuilt = true
  process.once('exit', () => rmSync(built, { recursive: true, force: true }))
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  // Types are checked elsewhere.
  const options = ['--noCheck', '--declaration', 'false', '--outDir', join(built, 'dist')]
  const args = [tsc, '-p', 'tsconfig.build.json', ...options]
  execFileSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  copyFileSync(join(root, 'package.json'), join(built, 'package.json'))
  // What is no TypeScript, as the build does.
  const filter = (path: string) => statSync(path).isDirectory() || /\.(?:mjs|css)$/.test(path)
  cpSync(join(root, 'src'), join(built, 'dist', 'src'), { recursive: true, filter })
  const script = join(built, 'dist', 'src', 'admin', 'tidemark.js')
  chmodSync(script, 0o755)
  mkdirSync(join(built, 'bin'))
  symlinkSync(script, bin)
  return bin
}

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

export interface RunOptions {
  env?: Record<string, string | undefined>
  cwd?: string
  /** What is piped into it. */
  input?: string
  /** Options of Node itself. */
  node?: string[]
}

/** Runs the command to its end. */
export function tidemark(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return run(process.execPath, [...(options.node ?? []), buildCommand(), ...args], options)
}

/** Runs any command to its end. */
export function run(
  command: string,
  args: readonly string[],
  { env, cwd, input }: RunOptions = {},
): Promise<Outcome> {
  const inherited = { ...process.env, NO_COLOR: undefined, FORCE_COLOR: undefined }
  const child = spawn(command, args, { cwd, env: { ...inherited, ...env }, timeout: 120_000 })
  const outcome: Outcome = { code: null, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    outcome.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    outcome.stderr += text
  })
  child.stdin.on('error', () => {}) // It may end without reading what it is given.
  child.stdin.end(input ?? '')
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ ...outcome, code }))
  })
}
