// The test runner: `npm test`, or `npm test -- timer log/` for the files whose path contains one of these.
//
// Each test file is a process of its own, so that a crash, a leak or a held lock stays in its file. A file
// that takes too long is killed with everything it started. The last line is always the totals.
//
// TEST_JOBS          files at a time (default 2)
// SEED               reaches the tests as it is: repeats a random run
// TIDEMARK_TEST_DIR  where temporary directories go (default: the system's)

import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { built } from './built.ts'
import {
  declaredTimeout,
  defaultTimeoutSeconds,
  type Ended,
  exitCode,
  figureLines,
  inOrder,
  judge,
  select,
  sum,
  type TestFile,
  type Totals,
  totalsLine,
  unmatched,
  type Verdict,
} from './report.ts'
import { temporaryDirectory } from './tmp.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const running = new Set<number>()

// The files' processes are in groups of their own, so an interrupt does not reach them by itself.
process.on('exit', () => {
  for (const group of running) killGroup(group)
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))

process.exitCode = await main(process.argv.slice(2))

async function main(filters: string[]): Promise<number> {
  const { files, broken } = discover()
  const wrong = unmatched([...files, ...broken], filters)
  for (const filter of wrong) console.log(`no test file has '${filter}' in its path`)
  const chosen = wrong.length > 0 ? [] : inOrder(select(files, filters))
  const unfit = wrong.length > 0 ? [] : select(broken, filters)

  const jobs = jobsAtATime()
  const results: Totals[] = unfit.map(() => ({ passed: 0, failed: 1, skipped: 0 }))
  const failed = unfit.map(({ path }) => path)
  const width = Math.max(0, ...chosen.map((file) => file.path.length))
  const directory = temporaryDirectory('tidemark-test')
  const seed = process.env.SEED ? `, SEED=${process.env.SEED}` : ''
  console.log(`${chosen.length} files, ${jobs} at a time${seed}`)
  const worker = chosen.length > 0 ? compiledWorker() : undefined

  for (const { path, message } of unfit) console.log(`failed ${path}: ${message}`)

  const waiting = [...chosen]
  async function work(): Promise<void> {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const started = performance.now()
      const { verdict, output } = await runFile(file, directory, worker)
      results.push(verdict)
      console.log(describe(file.path.padEnd(width), verdict, (performance.now() - started) / 1000))
      for (const line of figureLines(output)) console.log(`       ${line}`)
      if (verdict.reason === undefined) continue
      failed.push(file.path)
      console.log(`${output.trimEnd()}\n`)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))

  if (failed.length > 0) console.log(`failed: ${failed.sort().join(', ')}`)
  const totals = sum(results)
  console.log(totalsLine(totals))
  return exitCode(totals)
}

function discover(): { files: TestFile[]; broken: { path: string; message: string }[] } {
  const files: TestFile[] = []
  const broken: { path: string; message: string }[] = []
  for (const name of readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.test.ts') || name.includes('node_modules')) continue
    const path = join('test', name).split(sep).join('/')
    const text = readFileSync(join(root, path), 'utf8')
    try {
      files.push({ path, bytes: text.length, timeoutSeconds: declaredTimeout(text) })
    } catch (error) {
      broken.push({ path, message: (error as Error).message })
    }
  }
  return { files, broken }
}

function jobsAtATime(): number {
  const jobs = Number(process.env.TEST_JOBS || 2)
  if (!Number.isInteger(jobs) || jobs < 1) throw new Error(`TEST_JOBS is a whole number from 1 on`)
  return jobs
}

/**
 * Starting a checkpoint's worker as TypeScript took half of the time of all tests that write one. undefined: it does not
 * compile, and the tests themselves say so.
 */
function compiledWorker(): string | undefined {
  try {
    return pathToFileURL(join(built('worker', ['src/checkpoint/worker.ts']), 'src/checkpoint/worker.js')).href
  } catch (error) {
    console.log(`the checkpoint's worker does not compile: ${(error as Error).message}`)
    return undefined
  }
}

async function runFile(
  file: TestFile,
  directory: string,
  worker: string | undefined,
): Promise<{ verdict: Verdict; output: string }> {
  const timeoutSeconds = file.timeoutSeconds ?? defaultTimeoutSeconds
  const child = spawn(process.execPath, ['--import', 'tsx', file.path], {
    cwd: root,
    detached: true, // a process group of its own, to be killed as one
    env: {
      ...process.env,
      NO_COLOR: '1',
      FORCE_COLOR: undefined,
      TIDEMARK_TEST_DIR: directory,
      TIDEMARK_COMPILED_WORKER: worker,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended: Ended = { stdout: '', stderr: '', code: null, signal: null, timedOut: false }
  let output = ''
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      ended[stream] += text
      output += text
    })
  }
  const group = child.pid
  if (group !== undefined) running.add(group)
  const timeout = setTimeout(() => {
    ended.timedOut = true
    killGroup(group)
  }, timeoutSeconds * 1000)

  await new Promise<void>((resolve) => {
    child.once('error', (error) => {
      output += `${error.message}\n`
      resolve()
    })
    // What the file has started and left behind would keep the pipes open.
    child.once('exit', () => killGroup(group))
    child.once('close', (code, signal) => {
      ended.code = code
      ended.signal = signal
      resolve()
    })
  })
  clearTimeout(timeout)
  if (group !== undefined) running.delete(group)
  return { verdict: judge(ended, timeoutSeconds), output }
}

function killGroup(group: number | undefined): void {
  if (group === undefined) return
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // Nobody is left in it.
  }
}

function describe(path: string, verdict: Verdict, seconds: number): string {
  const outcome = verdict.reason === undefined ? 'ok    ' : 'failed'
  const counts = [`${String(verdict.passed).padStart(4)} passed`]
  if (verdict.failed > 0) counts.push(`${verdict.failed} failed`)
  if (verdict.skipped > 0) counts.push(`${verdict.skipped} skipped`)
  const reason = verdict.reason === undefined ? '' : ` (${verdict.reason})`
  return `${outcome} ${path} ${counts.join(', ')} ${seconds.toFixed(1).padStart(6)} s${reason}`
}
