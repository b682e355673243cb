/**
 * Puts a checkpoint's timers into an empty store, as fast as LevelDB takes them.
 *
 * - LevelDB is fast where keys come in order, and rewrites everything again and again where they do not. Timers come in
 *   the order of the `timers` space; their `due` entries are gathered and sorted, a run of many at a time.
 * - Nothing is flushed to disk here: until the restore is whole nobody relies on it.
 */
import type { Engine, EngineBatch } from '../engine/engine.ts'
import { RESTORE_BATCH_CHARACTERS, RESTORE_BATCH_ENTRIES, RESTORE_RUN_TIMERS } from '../limits.ts'
import { reached } from '../steps.ts'
import { IDENTITY_QUEUE_END } from '../timer/identity.ts'
import type { DecodedBlock } from './blockdecoder.ts'
import { DueRun } from './duerun.ts'

/** Writes entries in batches; while one is written the next is filled. */
class BatchWriter {
  readonly #engine: Engine
  #batch: EngineBatch | undefined
  #entries = 0
  #characters = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Puts an entry; true: the batch is full, and must be sent before the next. */
  put(key: string, value: string): boolean {
    this.#batch ??= this.#engine.batch()
    this.#batch.put(key, value)
    this.#characters += key.length + value.length
    return ++this.#entries >= RESTORE_BATCH_ENTRIES || this.#characters >= RESTORE_BATCH_CHARACTERS
  }

  async send(): Promise<void> {
    const batch = this.#batch
    this.#batch = undefined
    this.#entries = 0
    this.#characters = 0
    await this.#writing
    if (batch === undefined) return
    this.#writing = this.#write(batch)
    // Whoever sends next, or flushes, hears of a failure.
    this.#writing.catch(() => {})
  }

  async #write(batch: EngineBatch): Promise<void> {
    reached('restore.beforeBatch')
    await this.#engine.write(batch, false)
    reached('restore.afterBatch')
  }

  /** Has everything so far made into tables. */
  async flush(): Promise<void> {
    await this.send()
    await this.#writing
    await this.#engine.flush()
  }
}

/** Few enough for the processor's cache. */
const TOUCHED_AT_ONCE = 128

export class TimerLoader {
  readonly #writer: BatchWriter
  #runs: DueRun[] = []
  #waiting = 0

  constructor(engine: Engine) {
    this.#writer = new BatchWriter(engine)
  }

  /** Adds timers, in order of identity. */
  async add({ count, identities, values }: DecodedBlock): Promise<void> {
    if (count === 0) return
    const run = this.#runOf(identities[0]!.slice(0, IDENTITY_QUEUE_END))
    for (let i = 0; i < count; i++) {
      if (this.#writer.put(identities[i]!, values[i]!)) await this.#writer.send()
    }
    run.add(identities, values)
    this.#waiting += count
    if (this.#waiting >= RESTORE_RUN_TIMERS) await this.#writeDue()
  }

  async end(): Promise<void> {
    await this.#writeDue()
  }

  #runOf(queue: string): DueRun {
    const last = this.#runs.at(-1)
    if (last?.queue === queue) return last
    const run = new DueRun(queue)
    this.#runs.push(run)
    return run
  }

  async #writeDue(): Promise<void> {
    // A table that began with the last timers and ended with the first due entries would overlap all tables between.
    await this.#writer.flush()
    for (const run of this.#runs) {
      const sorted = run.sorted()
      for (let start = 0; start < sorted.length; start += TOUCHED_AT_ONCE) {
        const indexes = sorted.subarray(start, start + TOUCHED_AT_ONCE)
        run.touch(indexes)
        for (const index of indexes) {
          if (this.#writer.put(run.key(index), run.value(index))) await this.#writer.send()
        }
      }
    }
    this.#runs = []
    this.#waiting = 0
    await this.#writer.flush()
  }
}
