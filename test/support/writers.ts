/** Checkpoints that are written in this thread: no worker, the store's own engine, and whatever files a test has. */
import type { CheckpointWriters, ClientRunOptions } from '../../src/checkpoint/client.ts'
import type { CheckpointCut, WrittenCheckpoint } from '../../src/checkpoint/cut.ts'
import { writeIncremental } from '../../src/checkpoint/logwriter.ts'
import { writeCheckpoint } from '../../src/checkpoint/writer.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { TidemarkError } from '../../src/errors.ts'
import type { Files } from '../../src/files.ts'

export class WritersHere implements CheckpointWriters {
  readonly #engine: () => Engine
  readonly #files: Files
  readonly #closing = new AbortController()
  readonly #underWay = new Set<Promise<unknown>>()

  /** `engine` is asked for when the first checkpoint is written. */
  constructor(engine: () => Engine, files: Files) {
    this.#engine = engine
    this.#files = files
  }

  async run(
    cut: CheckpointCut,
    directory: string,
    options: ClientRunOptions = {},
  ): Promise<WrittenCheckpoint> {
    if (this.#closing.signal.aborted) throw new TidemarkError('TIDEMARK_CLOSED', 'the store is closed')
    const given = options.signal === undefined ? [] : [options.signal]
    const signal = AbortSignal.any([this.#closing.signal, ...given])
    const write = cut.kind === 'incremental' ? writeIncremental : writeCheckpoint
    const { onProgress } = options
    const written = write(this.#engine(), cut, directory, { signal, onProgress, files: this.#files })
    this.#underWay.add(written)
    try {
      return await written
    } finally {
      this.#underWay.delete(written)
    }
  }

  /** Nothing gives way here: what a test does beside it decides. */
  committed(): void {}

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#underWay)
  }
}
