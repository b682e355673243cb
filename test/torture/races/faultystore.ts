/**
 * A store on LevelDB whose checkpoints real threads write that misbehave; and what must hold whatever they do:
 *
 * - a checkpoint rejects in time, with a code that says why, or there is a file that restores;
 * - there is no other file, whole or temporary; no snapshot runs, no log is held, no worker is left behind;
 * - the next checkpoint is written.
 */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { setEnvironmentData, type Worker } from 'node:worker_threads'
import { CheckpointClient } from '../../../src/checkpoint/client.ts'
import { rehearseRestore } from '../../../src/checkpoint/restore.ts'
import { TidemarkError, TimerStore } from '../../../src/index.ts'
import { type LogHold, LogRetention } from '../../../src/log/retention.ts'
import { type Platform, systemPlatform } from '../../../src/platform.ts'
import { ManualClock } from '../../../src/testing.ts'
import { built } from '../../support/built.ts'
import { inTime } from '../../support/eventually.ts'
import { ENVIRONMENT_KEY, type Fault, FaultMemory } from './faults.ts'

/** How long a worker may take to answer: short, so that silence is soon over. */
const PATIENCE_MS = 250
/** Somebody gives a checkpoint up when this much time has passed since its fault, and nothing came of it. */
const GIVEN_UP_AFTER_MS = 50
const WORKER = 'test/torture/races/faultyworker'

export type Kind = 'full' | 'incremental'

export interface Checkpointing {
  kind: Kind
  parallelism: number
  /** When the caller aborts: never, or at once. */
  isAborted?: boolean
}

/** What came of a checkpoint. */
export type Outcome = 'done' | 'failed' | 'aborted' | 'not reached'

let script: URL | undefined

/** Compiled once for this process. */
function workerScript(): URL {
  script ??= pathToFileURL(join(built('races', [`${WORKER}.ts`, 'src/checkpoint/worker.ts']), `${WORKER}.js`))
  return script
}

/** Workers that live, by thread. */
class Workers {
  readonly living = new Map<number, Worker>()
  readonly #note = (worker: Worker) => {
    const { threadId } = worker
    this.living.set(threadId, worker)
    worker.once('exit', () => this.living.delete(threadId))
  }

  constructor() {
    process.on('worker', this.#note)
  }

  end(): void {
    process.off('worker', this.#note)
  }
}

/** The holds on logs that have not ended, of all stores of this process. */
const holds = new Set<LogHold>()
const { hold, release } = LogRetention.prototype

function watchHolds(): void {
  LogRetention.prototype.hold = function watched(...args) {
    const held = hold.apply(this, args)
    holds.add(held)
    return held
  }
  LogRetention.prototype.release = function watched(held) {
    holds.delete(held)
    release.call(this, held)
  }
}

function stopWatchingHolds(): void {
  Object.assign(LogRetention.prototype, { hold, release })
  holds.clear()
}

export class FaultyStore {
  readonly memory = new FaultMemory()
  readonly workers = new Workers()
  readonly #parent: string
  readonly #timers: number
  readonly #platform: Platform
  /** Called when a worker is to write a checkpoint. */
  #onRun = () => {}
  #directories = 0
  #store!: TimerStore

  constructor(parent: string, timers: number) {
    this.#parent = parent
    this.#timers = timers
    const script = workerScript()
    this.#platform = {
      ...systemPlatform,
      checkpointWriters: (realPath, sizes) => {
        const client = new CheckpointClient(realPath, sizes, script, PATIENCE_MS)
        const run: CheckpointClient['run'] = (...args) => {
          this.#onRun()
          return client.run(...args)
        }
        return { run, committed: () => client.committed(), close: () => client.close() }
      },
    }
  }

  /** Runs `body` with a store that has so many timers, half in each domain. */
  static async with(
    parent: string,
    timers: number,
    body: (store: FaultyStore) => Promise<void>,
  ): Promise<void> {
    const store = new FaultyStore(parent, timers)
    // Node 20 aborts the process now and then when a thread ends while V8 still compiles for it beside it (an assertion in
    // NodePlatform::ForIsolate). Here hundreds of threads end while they are busy.
    setFlagsFromString('--no-concurrent-recompilation')
    setEnvironmentData(ENVIRONMENT_KEY, store.memory.shared as never)
    watchHolds()
    try {
      await store.open()
      const { eventTime, processingTime } = await store.#store.service('s')
      const half = Array.from({ length: timers / 2 }, (_, i) => ({
        key: `key ${i % 5000}`,
        timestamp: 1 + i,
      }))
      await Promise.all([eventTime.registerMany(half), processingTime.registerMany(half)])
      await body(store)
      await store.close()
    } finally {
      store.workers.end()
      stopWatchingHolds()
    }
  }

  async open(): Promise<void> {
    const options = { durability: 'os', clock: new ManualClock(0) } as const
    this.#store = await TimerStore.openOn(this.#platform, join(this.#parent, 'store'), options)
  }

  /** Closes it, which must end all of its workers. */
  async close(): Promise<void> {
    await inTime(this.#store.close(), 'close')
    require(this.workers.living.size ===
      0, `${this.workers.living.size} workers live when the store is closed`)
  }

  /** Takes a checkpoint with a fault, and checks all that must hold. */
  async try(fault: Fault, checkpointing: Checkpointing): Promise<Outcome> {
    return this.#inDirectory(checkpointing.kind, async (directory, before) => {
      const aborter = new AbortController()
      this.memory.arm(fault)
      const taking = this.#take(directory, checkpointing, aborter.signal)
      if (checkpointing.isAborted === true) setImmediate(() => aborter.abort())
      const outcome = await this.#watched(taking, aborter)
      const { isReached } = this.memory
      this.memory.disarm()
      await this.#check(directory, before, outcome)
      const next = await inTime(this.#take(directory, checkpointing), 'the next checkpoint')
      require(typeof next !== 'string', `the next checkpoint failed with ${String(next)}`)
      const after =
        typeof outcome === 'string' ? [...before, next.path] : [...before, outcome.path, next.path]
      await this.#check(directory, after, undefined)
      return isReached ? nameOf(outcome) : 'not reached'
    })
  }

  /** Closes the store while a checkpoint is written, with a fault, and opens it again. */
  async tryClosing(fault: Fault, checkpointing: Checkpointing): Promise<Outcome> {
    return this.#inDirectory(checkpointing.kind, async (directory) => {
      // A worker that has begun: closing one that never had anything to do is told by nothing.
      await this.#take(directory, checkpointing)
      const files = await readdir(directory)
      this.memory.arm(fault)
      const begun = new Promise<void>((resolve) => {
        this.#onRun = resolve
      })
      const taking = this.#take(directory, checkpointing)
      await inTime(begun, 'a checkpoint')
      // The worker is told by now, and closing comes a little later each time.
      for (let turns = fault.nth - 1; turns >= 0; turns--)
        await new Promise((resolve) => setImmediate(resolve))
      await this.#watched(this.close())
      const outcome = await inTime(taking, 'the checkpoint of a closed store')
      const { isReached } = this.memory
      this.memory.disarm()
      const left = typeof outcome === 'string' ? files.length : files.length + 1
      require((await readdir(directory)).length === left, `there are ${await readdir(directory)}`)
      holds.clear()
      await this.open()
      await this.#store.service('s')
      return isReached ? nameOf(outcome) : 'not reached'
    })
  }

  async #inDirectory<T>(kind: Kind, body: (directory: string, before: string[]) => Promise<T>): Promise<T> {
    const directory = join(this.#parent, `checkpoints-${this.#directories++}`)
    await mkdir(directory)
    const before: string[] = []
    if (kind === 'incremental') {
      const base = await this.#store.checkpoint(directory, { incremental: true })
      before.push(base.path)
      const { eventTime } = await this.#store.service('s')
      await eventTime.register({ key: 'changed', timestamp: 1, payload: undefined })
      await eventTime.delete({ key: 'changed', timestamp: 1 })
    }
    const result = await body(directory, before)
    await rm(directory, { recursive: true })
    return result
  }

  /** The summary, or the code that it failed with. */
  async #take(directory: string, { kind, parallelism }: Checkpointing, signal?: AbortSignal) {
    const options = { incremental: kind === 'incremental', ...(kind === 'full' ? { parallelism } : {}) }
    try {
      return await this.#store.checkpoint(directory, {
        ...options,
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (error) {
      return error instanceof TidemarkError
        ? error.code
        : `not an error of Tidemark: ${(error as Error).stack}`
    }
  }

  /** Waits for what ends by itself, kills who is to be killed, and gives up what does not end after its fault. */
  async #watched<T>(promise: Promise<T>, aborter?: AbortController): Promise<T> {
    let isOver = false
    const over = promise.finally(() => {
      isOver = true
    })
    let reachedMs: number | undefined
    const watching = (async () => {
      while (!isOver) {
        const victim = this.memory.takeVictim()
        if (victim > 0) void this.workers.living.get(victim)?.terminate()
        if (this.memory.isReached) reachedMs ??= performance.now()
        if (reachedMs !== undefined && performance.now() - reachedMs > GIVEN_UP_AFTER_MS) aborter?.abort()
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    })()
    await inTime(over, 'what had a fault')
    await watching
    return promise
  }

  async #check(
    directory: string,
    before: readonly string[],
    outcome: object | string | undefined,
  ): Promise<void> {
    const expected = [...before]
    if (typeof outcome === 'string') {
      const codes = ['TIDEMARK_FAILED', 'TIDEMARK_CHECKPOINT_ABORTED']
      require(codes.includes(outcome), `the checkpoint rejected with ${outcome}`)
    } else if (outcome !== undefined) {
      const { path } = outcome as { path: string }
      expected.push(path)
      const { timers } = await rehearseRestore(path, join(this.#parent, 'nowhere'))
      require(timers === this.#timers, `the checkpoint has ${timers} timers`)
    }
    const files = (await readdir(directory)).map((name) => join(directory, name)).sort()
    require(files.join() === expected.sort().join(), `there are ${files}, and should be ${expected}`)
    const { runningSnapshots } = this.#store.stats()
    require(runningSnapshots === 0, `${runningSnapshots} snapshots run`)
    // One for each directory that has incremental checkpoints, as long as the store is open.
    require(holds.size <= this.#directories, `${holds.size} holds on the log`)
  }
}

function nameOf(outcome: object | string): Outcome {
  if (typeof outcome !== 'string') return 'done'
  return outcome === 'TIDEMARK_FAILED' ? 'failed' : 'aborted'
}

function require(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message)
}
