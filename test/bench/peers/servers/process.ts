/**
 * A server's process. It ends with the benchmark whatever becomes of that: the kernel tells it of its parent's death
 * (setpriv, of util-linux), so that nothing stays behind even when the benchmark is killed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const STARTED_WITHIN_MS = 120_000
const STOPPED_WITHIN_MS = 60_000
const POLL_MS = 3
const TOLD_CHARACTERS = 2000

export interface Launch {
  command: string
  args: readonly string[]
  directory: string
  /** Who runs it: another user than the benchmark's only where the server refuses that one. */
  user?: string
  /** What makes it end cleanly, at once. */
  endSignal: 'SIGTERM' | 'SIGINT'
  /** Whether it serves requests, with all of its data. */
  ready(): Promise<boolean>
}

export interface Running {
  pid: number
  /** From its start until it served requests. */
  startMs: number
  stop(): Promise<void>
}

export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** The prefix of a command that another user is to run. */
export function asUser(user: string): string[] {
  return ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--reset-env']
}

function ended({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Starts a server and waits until it is ready. Its output goes to a file beside its data. */
export async function start({ command, args, directory, user, endSignal, ready }: Launch): Promise<Running> {
  const logFile = join(directory, 'server.log')
  const log = openSync(logFile, 'a')
  const startMs = performance.now()
  const [program, ...prefix] = user === undefined ? ['setpriv'] : asUser(user)
  const child = spawn(
    program!,
    [...prefix, `--pdeathsig=${endSignal.slice('SIG'.length)}`, command, ...args],
    { cwd: directory, stdio: ['ignore', log, log] },
  )
  closeSync(log)
  let failure: Error | undefined
  child.on('error', (error) => {
    failure = error
  })
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = async () => {
    if (child.pid === undefined) return
    if (!ended(child)) child.kill(endSignal)
    const patience = setTimeout(() => child.kill('SIGKILL'), STOPPED_WITHIN_MS)
    await exited
    clearTimeout(patience)
    if (child.signalCode === 'SIGKILL')
      throw new Error(`${command} did not stop within ${STOPPED_WITHIN_MS} ms, and was killed`)
  }
  while (!(await ready())) {
    if (failure !== undefined) throw failure
    if (ended(child))
      throw new Error(`${command} ended: ${readFileSync(logFile, 'utf8').slice(-TOLD_CHARACTERS)}`)
    if (performance.now() - startMs > STARTED_WITHIN_MS) {
      await stop()
      throw new Error(`${command} did not start within ${STARTED_WITHIN_MS} ms: see ${logFile}`)
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  return { pid: child.pid!, startMs: performance.now() - startMs, stop }
}

/** Runs a command to its end and returns what it printed. */
export function run(command: string, args: readonly string[], env = process.env): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command} ${args[0]} ended with ${status}: ${stderr}`)
  return stdout
}

/** Where a server's program is; installs Debian's package of it where that can be done. */
export function installed(find: () => string | undefined, debianPackage: string): string {
  const found = find()
  if (found !== undefined) return found
  if (!isRoot() || !existsSync('/etc/debian_version'))
    throw new Error(`${debianPackage} is missing: install it, or run this as root on Debian`)
  // Runlevel 1: the package's own service is not to be started.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  run('apt-get', ['update'], env)
  run('apt-get', ['install', '-y', '--no-install-recommends', debianPackage], env)
  const now = find()
  if (now === undefined)
    throw new Error(`${debianPackage} was installed, and its program is not where it was looked for`)
  return now
}
