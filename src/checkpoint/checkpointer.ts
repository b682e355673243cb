/**
 * Taking checkpoints: the main thread cuts and goes on, a worker writes. A checkpoint's version is released whatever
 * becomes of it.
 */
import { randomUUID } from 'node:crypto'
import type { StoreRecord } from '../engine/migration.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import type { CheckedOptions } from '../options.ts'
import { takeCut } from '../snapshot/cut.ts'
import type { RunningSnapshots } from '../snapshot/running.ts'
import { CheckpointClient } from './client.ts'
import { type CheckpointOptions, checkCheckpoint } from './options.ts'

export interface CheckpointSummary {
  id: string
  path: string
  kind: 'full'
  /** It holds what was made before this version. */
  version: number
  timers: number
  bytes: number
  /** How long calls were held up by the cut. */
  pauseMs: number
  durationMs: number
}

export interface CheckpointerParts {
  realPath: string
  record: StoreRecord
  options: CheckedOptions
  pipeline: CommitPipeline
  running: RunningSnapshots
}

export class Checkpointer {
  readonly #parts: CheckpointerParts
  readonly #client: CheckpointClient
  readonly #closing = new AbortController()
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(parts: CheckpointerParts) {
    this.#parts = parts
    this.#client = new CheckpointClient(parts.realPath, parts.options.engine)
  }

  /** Takes one; the cut has its place among the calls at once. Rejects as `TimerStore.checkpoint` says. */
  async checkpoint(directory: string, options: CheckpointOptions): Promise<CheckpointSummary> {
    const metadata = checkCheckpoint(directory, options)
    const taken = this.#take(directory, options, metadata)
    this.#underWay.add(taken)
    try {
      return await taken
    } finally {
      this.#underWay.delete(taken)
    }
  }

  async #take(
    directory: string,
    { signal, onProgress }: CheckpointOptions,
    metadata: string | undefined,
  ): Promise<CheckpointSummary> {
    const startMs = performance.now()
    const { record, options, pipeline, running: snapshots } = this.#parts
    const { running, services, chain, pauseMs } = await takeCut(pipeline, snapshots)
    try {
      const id = randomUUID()
      const { version } = running
      const { storeId, maxParallelism, keyGroups } = record
      const createdMs = options.clock.now()
      const cut = {
        kind: 'full' as const,
        chain,
        pauseMs,
        storeId,
        checkpointId: id,
        version,
        createdMs,
        maxParallelism,
        keyGroups,
        metadata,
        services,
      }
      const either = AbortSignal.any([this.#closing.signal, ...(signal === undefined ? [] : [signal])])
      const written = await this.#client.run(cut, directory, { signal: either, onProgress })
      const { path, bytes, timers } = written
      return {
        id,
        path,
        kind: 'full',
        version,
        timers,
        bytes,
        pauseMs,
        durationMs: performance.now() - startMs,
      }
    } finally {
      running.release()
    }
  }

  /** Aborts what is under way, and waits for it. */
  async abort(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#underWay)
  }

  /** Ends the worker: its engine closes before the main thread's. */
  async close(): Promise<void> {
    await this.#client.close()
  }
}
