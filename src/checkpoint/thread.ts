/**
 * One worker of a store, from its start to its end, as the store's thread sees it.
 *
 * - While it has nothing to do it does not keep the process alive.
 * - When it dies its runs fail, and what they left is removed; and so do the runs that it assisted.
 * - One that talks nonsense is ended, and so is one that was told to abort, or to close, and does not answer in time. It
 *   is asked to close first: Node 20 may abort the whole process when a thread is terminated in the middle of its work
 *   with files.
 * - When a run settles nobody reads for it any more: its snapshot may end.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { MessageChannel, type MessagePort, type TransferListItem, Worker } from 'node:worker_threads'
import { systemClock } from '../clock.ts'
import { TidemarkError } from '../errors.ts'
import { WORKER_PATIENCE_MS } from '../limits.ts'
import { type CheckpointCut, checkpointFileName, temporaryFileName, type WrittenCheckpoint } from './cut.ts'
import { checkFromWorker } from './messagechecks.ts'
import { type FromWorker, type ToWorker, toldError, type WorkerStart, type WorkerStore } from './messages.ts'
import type { CheckpointProgress } from './options.ts'
import type { SharedWork } from './production.ts'
import { abortedError } from './watch.ts'

export interface RunOptions {
  signal?: AbortSignal
  onProgress?(progress: CheckpointProgress): void
}

/** Work that is shared, and who shares it with the writer. */
export interface Sharing {
  work: SharedWork
  assistants: readonly WorkerThread[]
}

interface Run {
  /** Names that its file has or had, from the first to the last. */
  files: string[]
  onProgress: ((progress: CheckpointProgress) => void) | undefined
  signal: AbortSignal | undefined
  /** What it rejects with where the worker says that it failed: a listener threw it, or an assistant died. */
  thrown: unknown
  /** Whether it rejects even if the worker says that it is done: a listener threw. */
  mustFail: boolean
  resolve(written: WrittenCheckpoint): void
  reject(error: unknown): void
}

/** What one worker does for the run of another. */
interface Assistance {
  /** Rejects when it died. */
  ended: Promise<void>
  /** It is needed no more, for whatever reason. */
  end(): void
}

export class WorkerThread {
  readonly #worker: Worker
  readonly #runs = new Map<number, Run>()
  readonly #assists = new Map<number, { resolve(): void; reject(error: unknown): void }>()
  /** By the number of what was told to abort: each takes back the worker's end. */
  readonly #deadlines = new Map<number, () => void>()
  readonly #patienceMs: number
  readonly #exited: Promise<void>
  #lastRun = 0
  #failure: unknown
  #closing = false
  ended = false

  constructor(store: WorkerStore, begin?: URL, patienceMs = WORKER_PATIENCE_MS) {
    this.#patienceMs = patienceMs
    const fromSource = import.meta.url.endsWith('.ts')
    const entry = new URL(fromSource ? './worker.ts' : './worker.js', import.meta.url)
    const start: WorkerStart = { entry: entry.href, ...store }
    const script = begin ?? (fromSource ? new URL('./worker-bootstrap.mjs', import.meta.url) : entry)
    // Options of the process, such as --input-type, are not for this thread: some would keep it from starting.
    this.#worker = new Worker(script, { name: 'tidemark-checkpoint', workerData: start, execArgv: [] })
    this.#worker.unref()
    this.#worker.on('message', (message: unknown) => this.#hear(message))
    this.#worker.on('messageerror', (error) => this.#retire(error))
    this.#worker.on('error', (error) => {
      this.#failure ??= error
      this.ended = true
    })
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.ended = true
        this.#failAll(code).then(resolve)
      })
    })
  }

  /** How much it has to do. */
  get load(): number {
    return this.#runs.size + this.#assists.size
  }

  /** Writes a checkpoint, with the help of others where the work is shared. */
  async run(
    cut: CheckpointCut,
    directory: string,
    { signal, onProgress }: RunOptions,
    shared?: Sharing,
  ): Promise<WrittenCheckpoint> {
    const run = ++this.#lastRun
    const abort = () => this.#abort(run)
    signal?.addEventListener('abort', abort)
    const assistances: Assistance[] = []
    try {
      return await new Promise((resolve, reject) => {
        const files = [temporaryFileName(cut), checkpointFileName(cut)].map((name) => join(directory, name))
        this.#runs.set(run, {
          files,
          onProgress,
          signal,
          thrown: undefined,
          mustFail: false,
          resolve,
          reject,
        })
        this.#worker.ref()
        const ports: MessagePort[] = []
        for (const assistant of shared?.assistants ?? []) {
          const { port1, port2 } = new MessageChannel()
          const assistance = assistant.#assist(cut, shared!.work, port2)
          assistance.ended.catch((error) => this.#stop(run, error))
          assistances.push(assistance)
          ports.push(port1)
        }
        this.#tell({ type: 'run', run, cut, directory, work: shared?.work, assistants: ports }, ports)
      })
    } finally {
      signal?.removeEventListener('abort', abort)
      for (const assistance of assistances) assistance.end()
      await Promise.allSettled(assistances.map(({ ended }) => ended))
    }
  }

  #assist(cut: CheckpointCut, work: SharedWork, writer: MessagePort): Assistance {
    const run = ++this.#lastRun
    const ended = new Promise<void>((resolve, reject) => this.#assists.set(run, { resolve, reject }))
    this.#worker.ref()
    this.#tell({ type: 'assist', run, cut, work, writer }, [writer])
    return { ended, end: () => this.#abort(run) }
  }

  /** Ends it when it has aborted what it still does. */
  async close(): Promise<void> {
    // From now on its end is waited for, whatever else there is to do.
    this.#closing = true
    this.#worker.ref()
    this.#tell({ type: 'close' })
    const cancel = this.#onSilence('close', () => void this.#worker.terminate())
    await this.#exited
    cancel()
  }

  #tell(message: ToWorker, transferred: TransferListItem[] = []): void {
    this.#worker.postMessage(message, transferred)
  }

  /** Tells it to abort something, which it must answer. */
  #abort(id: number): void {
    if (this.ended || this.#deadlines.has(id) || !(this.#runs.has(id) || this.#assists.has(id))) return
    this.#tell({ type: 'abort', run: id })
    this.#deadlines.set(
      id,
      this.#onSilence('abort', (silence) => this.#retire(silence)),
    )
  }

  /** Calls `end` when what was told is not answered in time; returns what takes that back. */
  #onSilence(told: 'abort' | 'close', end: (silence: Error) => void): () => void {
    const what = `the worker did not answer '${told}' in ${this.#patienceMs} ms`
    return systemClock.schedule!(this.#patienceMs, () => end(new Error(what)))
  }

  /** Ends a worker that cannot be trusted any more: it takes no more work, and what it has fails when it is gone. */
  #retire(failure: unknown): void {
    this.#failure ??= failure
    if (this.ended) return
    this.ended = true
    void this.close()
  }

  #hear(message: unknown): void {
    // What was under way when it was ended is removed when it is gone.
    if (this.ended) return
    const heard = checkFromWorker(message)
    if (heard === undefined || !this.#isExpected(heard)) {
      this.#retire(new Error('the worker said something that makes no sense'))
      return
    }
    this.#onMessage(heard)
  }

  /** Whether something is an answer to what this worker was told. What it says twice is heard once. */
  #isExpected(message: FromWorker): boolean {
    const { run } = message
    if (run === 0 || run > this.#lastRun) return false
    if (message.type === 'assisted') return !this.#runs.has(run)
    if (this.#assists.has(run)) return false
    return (
      message.type !== 'done' || [undefined, message.written.path].includes(this.#runs.get(run)?.files.at(-1))
    )
  }

  #onMessage(message: FromWorker): void {
    if (message.type === 'progress') {
      this.#report(message.run, message.progress)
      return
    }
    const run = this.#runs.get(message.run)
    this.#runs.delete(message.run)
    this.#settled(message.run)
    if (message.type === 'done') this.#done(run, message.written)
    else if (message.type === 'failed') run?.reject(run.thrown ?? toldError(message.error))
    else this.#assists.get(message.run)?.resolve()
    this.#assists.delete(message.run)
    if (this.load === 0 && !this.#closing) this.#worker.unref()
  }

  #done(run: Run | undefined, written: WrittenCheckpoint): void {
    if (run?.mustFail === true) void removeFiles(run).then(() => run.reject(run.thrown))
    else run?.resolve(written)
  }

  #settled(id: number): void {
    this.#deadlines.get(id)?.()
    this.#deadlines.delete(id)
  }

  /** A listener that throws ends its run, and its error is what the run rejects with. */
  #report(id: number, progress: CheckpointProgress): void {
    try {
      this.#runs.get(id)?.onProgress?.(progress)
    } catch (error) {
      this.#runs.get(id)!.mustFail = true
      this.#stop(id, error)
    }
  }

  /** Ends a run that will reject with an error. */
  #stop(id: number, error: unknown): void {
    const run = this.#runs.get(id)
    if (run === undefined) return
    run.thrown ??= error
    this.#abort(id)
  }

  /** The worker is gone: so is what it did, and what its runs left is removed. */
  async #failAll(exitCode: number): Promise<void> {
    const cause = this.#failure ?? new Error(`the worker ended with exit code ${exitCode}`)
    const error = new TidemarkError(
      'TIDEMARK_FAILED',
      `a worker that wrote the checkpoint ended (${(cause as Error).message}): take another one`,
      { cause },
    )
    for (const id of [...this.#deadlines.keys()]) this.#settled(id)
    for (const { reject } of this.#assists.values()) reject(error)
    this.#assists.clear()
    const runs = [...this.#runs.values()]
    this.#runs.clear()
    for (const run of runs) {
      const { signal, thrown, reject } = run
      await removeFiles(run)
      // Who aborted a run hears that, also where the worker had to be ended for it.
      reject(thrown ?? (signal?.aborted === true ? abortedError(signal, 'checkpoint') : error))
    }
  }
}

async function removeFiles({ files }: Run): Promise<void> {
  for (const file of files) await fs.promises.rm(file, { force: true }).catch(() => {})
}
