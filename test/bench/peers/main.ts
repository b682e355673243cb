/**
 * `npm run bench:peers`: Tidemark beside what a user would pick instead. Each measurement is a process of its own on an empty
 * store, with a server of its own where there is one; the rounds go over all contenders in turn, so that a noisy minute
 * does not hit one of them alone.
 *
 *   npm run bench:peers                                    five rounds of everything, 100,000 timers
 *   npm run bench:peers -- --large                         besides, 1,000,000 in bulk and one by one
 *   npm run bench:peers -- --append                        adds rounds to a result that is there
 *   npm run bench:peers -- --only tidemark,bullmq --workloads bulk,due --rounds 1 --timers 20000
 *
 * The result is written as JSON (--out); report.ts makes the page and the README's table of it.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { temporaryDirectory } from '../../support/tmp.ts'
import { thisMachine } from '../measure.ts'
import { tidemarkVersions } from '../versions.ts'
import type { Order } from './child.ts'
import type { Contender, Place, Server } from './contender.ts'
import { contenderIds, loadContender } from './contenders.ts'
import type { Result, Run, Taker } from './result.ts'
import { settings, workloads } from './workloads/all.ts'
import type { Figures } from './workloads/workload.ts'

const MOST_MINUTES = 20
const LARGE_TIMERS = 1_000_000
const LARGE_WORKLOADS = new Set(['bulk', 'single'])

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: contenderIds.join() },
    workloads: { type: 'string', default: workloads.map(({ id }) => id).join() },
    rounds: { type: 'string', default: '5' },
    timers: { type: 'string' },
    large: { type: 'boolean', default: false },
    append: { type: 'boolean', default: false },
    out: { type: 'string', default: fileURLToPath(new URL('./result.json', import.meta.url)) },
  },
})
const rounds = Number(values.rounds)
const chosen = values.workloads.split(',')

/** Runs a measurement in a process of its own; `onWarm` ends before it begins to measure. */
function measure(order: Order, onWarm = async () => {}): Promise<Figures> {
  const script = fileURLToPath(new URL('./child.ts', import.meta.url))
  const args = ['--expose-gc', '--import', 'tsx', script, JSON.stringify(order)]
  const child = spawn(process.execPath, args, {
    // The channel tells the child of this process's death.
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    timeout: MOST_MINUTES * 60_000,
    killSignal: 'SIGKILL',
  })
  let output = ''
  child.stdout!.on('data', (chunk) => {
    output += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('message', () => {
      onWarm().then(
        () => child.send('measure'),
        (error) => {
          child.kill('SIGKILL')
          reject(error)
        },
      )
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      const line = output.trim().split('\n').at(-1)!
      if (code === 0) resolve(JSON.parse(line) as Figures)
      else reject(new Error(`the measurement ended with ${signal ?? code}`))
    })
  })
}

function madeIn(directory: string, name: string): string {
  const made = join(directory, name)
  mkdirSync(made)
  return made
}

async function runOne(contender: Contender, workload: string, count: number, round: number): Promise<Run> {
  const at = new Date().toISOString()
  const run: Run = { contender: contender.id, workload, timers: count, round, at }
  const directory = temporaryDirectory(`bench-${contender.id}`)
  const serverDirectory = madeIn(directory, 'server')
  let server: Server | undefined
  let warmUp: WarmUp | undefined
  const orderOf = (id: string): Order => ({
    contender: contender.id,
    workload: id,
    count,
    directory,
    connection: server?.connection ?? '',
    warmUp: warmUp?.place,
    serverPid: server?.pid ?? 0,
  })
  try {
    server = await contender.startServer?.(serverDirectory)
    if (workloads.find(({ id }) => id === workload)?.warmUp !== undefined)
      warmUp = await beginWarmUp(contender)
    if (workload === 'restart') {
      await measure(orderOf('fill'))
      await server?.stop()
      server = await contender.startServer?.(serverDirectory)
      if (server !== undefined) run.serverStartMs = server.startMs
    }
    run.figures = await measure(orderOf(workload), () => warmUp!.end())
  } catch (error) {
    run.failed = (error as Error).message
  } finally {
    try {
      await server?.stop()
    } finally {
      await warmUp?.end()
      await rm(directory, { recursive: true, force: true })
    }
  }
  return run
}

/** A store, and a server, for nothing but to warm up. */
interface WarmUp {
  place: Place
  /** Once, however often it is asked for. */
  end(): Promise<void>
}

async function beginWarmUp({ id, startServer }: Contender): Promise<WarmUp> {
  const directory = temporaryDirectory(`bench-warm-${id}`)
  const server = await startServer?.(madeIn(directory, 'server'))
  let ending: Promise<void> | undefined
  const end = async () => {
    await server?.stop()
    await rm(directory, { recursive: true, force: true })
  }
  return {
    place: { directory, connection: server?.connection ?? '' },
    end() {
      ending ??= end()
      return ending
    },
  }
}

function versionOf(name: string): string {
  const { resolve } = createRequire(import.meta.url)
  // Not every package lets its package.json be resolved.
  for (const directory of resolve.paths(name) ?? []) {
    try {
      return (JSON.parse(readFileSync(join(directory, name, 'package.json'), 'utf8')) as { version: string })
        .version
    } catch {
      // It is not installed there.
    }
  }
  throw new Error(`${name} is not installed`)
}

async function takerOf(contender: Contender): Promise<Taker> {
  const { id, title, kind, durability, offers, packages, settings, startServer } = contender
  const versions = Object.fromEntries(packages.map((name) => [name, versionOf(name)]))
  if (startServer !== undefined) {
    const directory = temporaryDirectory('bench-server')
    const server = await startServer(madeIn(directory, 'server'))
    versions.server = server.version
    await server.stop()
    await rm(directory, { recursive: true })
  }
  return { id, title, kind, durability, offers, versions, ...(settings && { settings }) }
}

/** The workloads, and with how many timers each. */
function* plan(): Generator<{ id: string; count: number }> {
  for (const { id, timers } of workloads) {
    if (!chosen.includes(id)) continue
    yield { id, count: values.timers === undefined ? timers : Number(values.timers) }
    if (values.large && LARGE_WORKLOADS.has(id)) yield { id, count: LARGE_TIMERS }
  }
}

/** The peers have a folder, a package.json and a lock file of their own. */
function installPeers(): void {
  const folder = fileURLToPath(new URL('.', import.meta.url))
  if (existsSync(join(folder, 'node_modules'))) return
  const { status } = spawnSync('npm', ['ci'], { cwd: folder, stdio: 'inherit' })
  if (status !== 0) throw new Error(`npm ci ended with ${status} in ${folder}`)
}

installPeers()
const contenders = await Promise.all(values.only.split(',').map(loadContender))
function begun(): Result {
  const machine = thisMachine()
  const versions = tidemarkVersions()
  if (values.append && existsSync(values.out)) {
    const there = JSON.parse(readFileSync(values.out, 'utf8')) as Result
    if (!isDeepStrictEqual([there.machine, there.versions, there.settings], [machine, versions, settings]))
      throw new Error(
        `${values.out} was measured on another machine, of another commit, or in another way: begin a new one`,
      )
    return there
  }
  return {
    startedAt: new Date().toISOString(),
    machine,
    rounds: 0,
    versions,
    settings,
    contenders: [],
    runs: [],
  }
}

const result = begun()
for (const contender of contenders) {
  const taker = await takerOf(contender)
  const there = result.contenders.find(({ id }) => id === contender.id)
  if (there === undefined) result.contenders.push(taker)
  else if (!isDeepStrictEqual(there.versions, taker.versions))
    throw new Error(`${values.out} has other versions of ${contender.id}: begin a new one`)
}
const until = result.rounds + rounds
while (result.rounds < until) {
  const round = ++result.rounds
  for (const { id, count } of plan()) {
    for (const contender of contenders) {
      const run = await runOne(contender, id, count, round)
      result.runs.push(run)
      // What was measured stays, whatever comes after it.
      writeFileSync(values.out, `${JSON.stringify(result, undefined, 1)}\n`)
      console.log(round, id, count, contender.id, run.failed ?? JSON.stringify(run.figures))
    }
  }
}
const failed = result.runs.filter((run) => run.failed !== undefined).length
console.log(`${result.runs.length - failed} measured, ${failed} failed: ${values.out}`)
process.exitCode = failed === 0 ? 0 : 1
