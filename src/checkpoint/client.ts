/**
 * The store's side of the checkpoints' worker.
 *
 * - The worker is started by the first checkpoint and kept for the next; while it has nothing to do it does not keep the
 *   process alive. One that died fails its runs, and the next checkpoint starts another.
 * - A run that rejects has left no file behind: the worker tells only after it has removed its own, and what a dead one
 *   left is removed here.
 * - The worker's engine must be closed before the store's: `close` resolves when the thread has ended.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { TidemarkError } from '../errors.ts'
import type { EngineOptions } from '../options.ts'
import { type CheckpointCut, temporaryFileName, type WrittenCheckpoint } from './cut.ts'
import { type FromWorker, type ToWorker, toldError, type WorkerStart } from './messages.ts'
import type { CheckpointProgress } from './options.ts'
import { throwIfAborted } from './watch.ts'
import type { WriteOptions } from './writer.ts'

interface Run {
  /** Where the file is until it is whole. */
  temporary: string
  onProgress: ((progress: CheckpointProgress) => void) | undefined
  /** What the listener threw. */
  thrown: unknown
  resolve(written: WrittenCheckpoint): void
  reject(error: unknown): void
}

export class CheckpointClient {
  readonly #realPath: string
  readonly #sizes: Required<EngineOptions>
  #thread: WorkerThread | undefined
  /** Those before it, which died: their engines, too, are closed before the store's. */
  readonly #before = new Set<WorkerThread>()
  #closing: Promise<void> | undefined

  /** For the store in a directory that this thread has open, and closes only after this client. */
  constructor(realPath: string, sizes: Required<EngineOptions>) {
    this.#realPath = realPath
    this.#sizes = sizes
  }

  /**
   * Writes the checkpoint of a cut, whose snapshot must run until this settles.
   * Rejects with TIDEMARK_CHECKPOINT_ABORTED, _CORRUPT, _INVALID_ARGUMENT, _FAILED.
   */
  async run(cut: CheckpointCut, directory: string, options: WriteOptions = {}): Promise<WrittenCheckpoint> {
    if (this.#closing !== undefined)
      throw new TidemarkError('TIDEMARK_CLOSED', 'the store is closed: open it again')
    throwIfAborted(options.signal, 'checkpoint')
    if (this.#thread?.ended === true) {
      this.#before.add(this.#thread)
      this.#thread = undefined
    }
    this.#thread ??= new WorkerThread(this.#realPath, this.#sizes)
    return this.#thread.run(cut, directory, options)
  }

  /** Aborts what runs, and ends the worker. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#thread !== undefined) await this.#thread.close()
    for (const thread of this.#before) await thread.close()
  }
}

/** One worker, from its start to its end. */
class WorkerThread {
  readonly #worker: Worker
  readonly #runs = new Map<number, Run>()
  readonly #exited: Promise<void>
  #lastRun = 0
  #failure: unknown
  #closing = false
  ended = false

  constructor(realPath: string, sizes: Required<EngineOptions>) {
    const fromSource = import.meta.url.endsWith('.ts')
    const entry = new URL(fromSource ? './worker.ts' : './worker.js', import.meta.url)
    const start: WorkerStart = { entry: entry.href, realPath, sizes }
    const script = fromSource ? new URL('./worker-bootstrap.mjs', import.meta.url) : entry
    // Options of the process, such as --input-type, are not for this thread: some would keep it from starting.
    this.#worker = new Worker(script, { name: 'tidemark-checkpoint', workerData: start, execArgv: [] })
    this.#worker.unref()
    this.#worker.on('message', (message: FromWorker) => this.#onMessage(message))
    this.#worker.on('error', (error) => {
      this.#failure = error
      this.ended = true
    })
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.ended = true
        this.#failAll(code).then(resolve)
      })
    })
  }

  async run(
    cut: CheckpointCut,
    directory: string,
    { signal, onProgress }: WriteOptions,
  ): Promise<WrittenCheckpoint> {
    const run = ++this.#lastRun
    const abort = () => this.#tell({ type: 'abort', run })
    signal?.addEventListener('abort', abort)
    try {
      return await new Promise((resolve, reject) => {
        const temporary = join(directory, temporaryFileName(cut))
        this.#runs.set(run, { temporary, onProgress, thrown: undefined, resolve, reject })
        this.#worker.ref()
        this.#tell({ type: 'run', run, cut, directory })
      })
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  async close(): Promise<void> {
    // From now on its end is waited for, whatever else there is to do.
    this.#closing = true
    this.#worker.ref()
    this.#tell({ type: 'close' })
    await this.#exited
  }

  #tell(message: ToWorker): void {
    this.#worker.postMessage(message)
  }

  #onMessage(message: FromWorker): void {
    const run = this.#runs.get(message.run)
    if (run === undefined) return
    if (message.type === 'progress') {
      this.#report(message.run, run, message.progress)
      return
    }
    this.#runs.delete(message.run)
    if (this.#runs.size === 0 && !this.#closing) this.#worker.unref()
    if (message.type === 'done') run.resolve(message.written)
    else run.reject(run.thrown ?? toldError(message.error))
  }

  /** A listener that throws ends its run, and its error is what the run rejects with. */
  #report(id: number, run: Run, progress: CheckpointProgress): void {
    try {
      run.onProgress?.(progress)
    } catch (error) {
      run.thrown ??= error
      this.#tell({ type: 'abort', run: id })
    }
  }

  /** The worker is gone: so are its runs, and what they left is removed. */
  async #failAll(exitCode: number): Promise<void> {
    const cause = this.#failure ?? new Error(`the worker ended with exit code ${exitCode}`)
    const runs = [...this.#runs.values()]
    this.#runs.clear()
    for (const { temporary, reject } of runs) {
      await fs.promises.rm(temporary, { force: true }).catch(() => {})
      reject(
        new TidemarkError(
          'TIDEMARK_FAILED',
          `the worker that wrote the checkpoint ended (${(cause as Error).message}): take another one`,
          { cause },
        ),
      )
    }
  }
}
