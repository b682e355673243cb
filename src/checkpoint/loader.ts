/**
 * Puts a checkpoint's timers into an empty store, as fast as LevelDB takes them.
 *
 * - LevelDB is fast where keys come in order, and rewrites everything again and again where they do not. Timers come in
 *   the order of the `timers` space; their `due` entries are gathered and sorted, a run of many at a time.
 * - Nothing is flushed to disk here: until the restore is whole nobody relies on it.
 */
import type { Engine, EngineBatch } from '../engine/engine.ts'
import { RESTORE_BATCH_CHARACTERS, RESTORE_BATCH_ENTRIES, RESTORE_RUN_TIMERS } from '../limits.ts'
import { IDENTITY_QUEUE_END } from '../timer/identity.ts'
import { dueKey, dueValue, orderTextIn } from '../timer/stored.ts'
import { decodeTimestamp, TIMESTAMP_CHARACTERS } from '../timer/text.ts'
import type { DecodedBlock } from './blockdecoder.ts'

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
    this.#writing = this.#engine.write(batch, false)
    // Whoever sends next, or drains, hears of a failure.
    this.#writing.catch(() => {})
  }

  async drain(): Promise<void> {
    await this.send()
    await this.#writing
  }
}

/** Timers whose due entries are still to be written: those of one queue, in the order in which they came. */
interface QueueRun {
  queue: string
  identities: string[]
  orders: string[]
  timestamps: number[]
}

/** More than a run and a block: what an index is below. */
const INDEX_RANGE = 2 ** 21

export class TimerLoader {
  readonly #writer: BatchWriter
  #runs: QueueRun[] = []
  #waiting = 0

  constructor(engine: Engine) {
    this.#writer = new BatchWriter(engine)
  }

  /** Adds timers, in order of identity. */
  async add({ count, identities, values }: DecodedBlock): Promise<void> {
    if (count === 0) return
    const run = this.#runOf(identities[0]!.slice(0, IDENTITY_QUEUE_END))
    for (let i = 0; i < count; i++) {
      const identity = identities[i]!
      const value = values[i]!
      if (this.#writer.put(identity, value)) await this.#writer.send()
      run.identities.push(identity)
      run.orders.push(orderTextIn(value))
      run.timestamps.push(decodeTimestamp(identity, identity.length - TIMESTAMP_CHARACTERS))
    }
    this.#waiting += count
    if (this.#waiting >= RESTORE_RUN_TIMERS) await this.#writeDue()
  }

  async end(): Promise<void> {
    await this.#writeDue()
    await this.#writer.drain()
  }

  #runOf(queue: string): QueueRun {
    const last = this.#runs.at(-1)
    if (last?.queue === queue) return last
    const run: QueueRun = { queue, identities: [], orders: [], timestamps: [] }
    this.#runs.push(run)
    return run
  }

  async #writeDue(): Promise<void> {
    for (const run of this.#runs) {
      for (const index of inDueOrder(run)) {
        const identity = run.identities[index]!
        const key = dueKey(identity, run.orders[index]!)
        if (this.#writer.put(key, dueValue(key, identity))) await this.#writer.send()
      }
    }
    this.#runs = []
    this.#waiting = 0
  }
}

/**
 * The indexes of a run in the order of its `due` entries. Timestamp and index make one number, so that numbers are
 * sorted without a call for each comparison; what shares a timestamp is put in order afterwards.
 */
export function inDueOrder({ timestamps, orders }: Pick<QueueRun, 'timestamps' | 'orders'>): Float64Array {
  const count = timestamps.length
  let earliest = Number.POSITIVE_INFINITY
  let latest = Number.NEGATIVE_INFINITY
  for (const timestamp of timestamps) {
    if (timestamp < earliest) earliest = timestamp
    if (timestamp > latest) latest = timestamp
  }
  // Timestamps far apart do not fit: then neighbours share a number, and are told apart afterwards.
  const unitMs = Math.ceil(((latest - earliest + 1) * INDEX_RANGE) / Number.MAX_SAFE_INTEGER)
  const sorted = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    sorted[i] = Math.floor((timestamps[i]! - earliest) / unitMs) * INDEX_RANGE + i
  }
  sorted.sort()
  const byDue = (a: number, b: number) =>
    timestamps[a]! - timestamps[b]! || (orders[a]! < orders[b]! ? -1 : orders[a] === orders[b] ? a - b : 1)
  let start = 0
  let unit = -1
  for (let i = 0; i <= count; i++) {
    const number = i < count ? sorted[i]! : Number.POSITIVE_INFINITY
    const next = Math.floor(number / INDEX_RANGE)
    if (next !== unit) {
      if (i - start > 1) sorted.subarray(start, i).sort(byDue)
      start = i
      unit = next
    }
    if (i < count) sorted[i] = number % INDEX_RANGE
  }
  return sorted
}
