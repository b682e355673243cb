/**
 * The store's side of writing checkpoints: workers write them, this thread only says which, and that it commits.
 *
 * - A run that rejects has left no file behind: a worker tells only after it has removed its own, and what a dead one
 *   left is removed here.
 */
import { TidemarkError } from '../errors.ts'
import type { EngineOptions } from '../options.ts'
import type { CheckpointCut, WrittenCheckpoint } from './cut.ts'
import { WorkerPool } from './pool.ts'
import { sharedWork } from './production.ts'
import { planTasks } from './sections.ts'
import type { RunOptions, Sharing, WorkerThread } from './thread.ts'
import { throwIfAborted } from './watch.ts'

export interface ClientRunOptions extends RunOptions {
  /** Workers that share the work, at most. Default: 1. */
  parallelism?: number
}

/** Who writes a store's checkpoints: {@link CheckpointClient}, unless a test has somebody else. */
export interface CheckpointWriters {
  run(cut: CheckpointCut, directory: string, options?: ClientRunOptions): Promise<WrittenCheckpoint>
  /** Called after every commit: what writes beside it gives way. */
  committed(): void
  close(): Promise<void>
}

export class CheckpointClient implements CheckpointWriters {
  readonly #pool: WorkerPool
  readonly #commits = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  #closing: Promise<void> | undefined

  /**
   * For the store in a directory that this thread has open, and closes only after this client.
   * `script` is what a worker begins with, if it is not the worker itself: it imports `workerData.entry` in the end;
   * `patienceMs`: how long one that is told to abort or to close may take.
   */
  constructor(realPath: string, sizes: Required<EngineOptions>, script?: URL, patienceMs?: number) {
    this.#pool = new WorkerPool({ realPath, sizes, commits: this.#commits.buffer }, script, patienceMs)
  }

  /**
   * Writes the checkpoint of a cut, whose snapshot must run until this settles.
   * Rejects with TIDEMARK_CHECKPOINT_ABORTED, _CORRUPT, _INVALID_ARGUMENT, _FAILED.
   */
  async run(
    cut: CheckpointCut,
    directory: string,
    options: ClientRunOptions = {},
  ): Promise<WrittenCheckpoint> {
    if (this.#closing !== undefined) {
      throw new TidemarkError('TIDEMARK_CLOSED', 'the store is closed: open it again')
    }
    throwIfAborted(options.signal, 'checkpoint')
    const writer = this.#pool.take()
    return writer.run(cut, directory, options, this.#share(cut, writer, options.parallelism))
  }

  /** Who shares the work, if anybody: the log is written by one, and so is what is no more than one task. */
  #share(cut: CheckpointCut, writer: WorkerThread, parallelism = 1): Sharing | undefined {
    if (cut.kind === 'incremental' || parallelism === 1) return undefined
    const work = sharedWork(planTasks(cut))
    const most = Math.min(parallelism, work.tasks.length) - 1
    return { work, assistants: this.#pool.takeAssistants(writer, most) }
  }

  committed(): void {
    Atomics.add(this.#commits, 0, 1)
  }

  /** Aborts what runs, and ends the workers. */
  close(): Promise<void> {
    this.#closing ??= this.#pool.close()
    return this.#closing
  }
}
