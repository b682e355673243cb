// Processes under the shim (shim.c): what they do to their files is recorded, or the n-th call of a kind fails.
//
// - Linux with glibc and gcc; elsewhere `hindrance` says what is missing.
// - The shim is compiled once a process, into a temporary directory.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, realpathSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child } from '../../support/child.ts'
import { temporaryDirectory } from '../../support/tmp.ts'
import { marksOf } from './marks.ts'

/** What can fail; `write` is a write or a flush of stdio, `sync` is of a file or a directory, `open` is of any sort. */
export type CallKind =
  | 'open'
  | 'write'
  | 'sync'
  | 'rename'
  | 'unlink'
  | 'mkdir'
  | 'rmdir'
  | 'link'
  | 'truncate'

export interface FailPlan {
  kinds: readonly CallKind[]
  /** The matching call that fails, from 1. */
  nth: number
  error: 'EIO' | 'ENOSPC' | 'EDQUOT' | 'EMFILE' | 'EACCES' | 'EROFS'
  /** Every matching call from the n-th on, and not that one alone. */
  isLasting?: boolean
  /** The n-th, if it is a write, writes half: write(2) then says so, and stdio fails. */
  isShort?: boolean
  /** Parts of names: only files whose own name has one of them count. Default: all. */
  names?: readonly string[]
  /** Whether calls count from the beginning, and not from the mark `arm` on. Default true; the mark `disarm` ends it. */
  isArmed?: boolean
}

export interface Counts {
  /** Calls that matched, so far. */
  matched: number
  failed: number
}

/** Why there can be no shim here; undefined where there can. */
export function hindrance(): string | undefined {
  if (process.platform !== 'linux') return 'the preloaded shim needs Linux'
  const { glibcVersionRuntime } = (process.report.getReport() as { header: Record<string, unknown> }).header
  if (glibcVersionRuntime === undefined) return 'the preloaded shim needs glibc'
  if (spawnSync('gcc', ['--version']).status !== 0) return 'the preloaded shim needs gcc'
  return undefined
}

let compiled: string | undefined

function shim(): string {
  if (compiled !== undefined) return compiled
  const library = join(temporaryDirectory('tidemark-shim'), 'shim.so')
  const source = fileURLToPath(new URL('./shim.c', import.meta.url))
  const flags = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror']
  execFileSync('gcc', [...flags, '-o', library, source, '-ldl', '-pthread'], { stdio: 'pipe' })
  compiled = library
  return library
}

/** Starts a script; all that it changes below `root` (made where absent) is appended to the file `log`: oplog.ts. */
export function startRecorded(script: URL, args: readonly string[], root: string, log: string): Child {
  return start(script, args, root, { TIDEMARK_SHIM_LOG: log })
}

/** Starts a script of which a call on files below `root` fails, and tells how many calls matched, whatever its end. */
export function startFailing(
  script: URL,
  args: readonly string[],
  root: string,
  plan: FailPlan,
): { child: Child; counts(): Counts } {
  const countFile = join(temporaryDirectory('tidemark-shim'), 'count')
  const child = start(script, args, root, {
    TIDEMARK_SHIM_FAIL: planText(plan),
    TIDEMARK_SHIM_COUNT: countFile,
    TIDEMARK_SHIM_ARMED: plan.isArmed === false ? '0' : '1',
  })
  const counts = () => {
    const numbers = readFileSync(countFile)
    return { matched: Number(numbers.readBigUInt64LE(0)), failed: Number(numbers.readBigUInt64LE(8)) }
  }
  return { child, counts }
}

/** As the shim reads it: from its environment, or behind the mark `arm`. */
export function planText({ kinds, nth, error, isLasting, isShort, names = [] }: FailPlan): string {
  const often = isLasting === true ? 'on' : 'once'
  const how = isShort === true ? 'short' : 'long'
  const wanted = names.length > 0 ? names.join(',') : '*'
  return `${kinds.join(',')} ${nth} ${constants.errno[error]} ${often} ${how} ${wanted}`
}

function start(script: URL, args: readonly string[], root: string, env: Record<string, string>): Child {
  mkdirSync(root, { recursive: true })
  const realRoot = realpathSync(root)
  const command = ['--import', 'tsx', fileURLToPath(script), ...args]
  return new Child(
    spawn(process.execPath, command, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: {
        ...process.env,
        ...env,
        LD_PRELOAD: shim(),
        UV_USE_IO_URING: '0',
        TIDEMARK_SHIM_ROOT: realRoot,
        TIDEMARK_SHIM_MARKS: marksOf(realRoot),
      },
    }),
  )
}
