/**
 * Builds the store of a checkpoint in an empty directory.
 *
 * - Timers keep their bytes: identity, create version, place, payload. The log begins with one entry that tells the totals
 *   at the version before the checkpoint's, so that the next commit has the checkpoint's version, and every timer of it
 *   was made before.
 * - What says that the directory is a store is written last: one that was given up is none.
 */
import { randomUUID } from 'node:crypto'
import { migrations } from '../../migrations/index.ts'
import { openClassicEngine } from '../engine/classic.ts'
import { syncEngineFiles } from '../engine/directory.ts'
import type { Engine } from '../engine/engine.ts'
import { logKey } from '../engine/keyspaces.ts'
import { migrate } from '../engine/migration.ts'
import { putService } from '../log/apply.ts'
import { encodeEntry } from '../log/entry.ts'
import { ServiceState, StoreState } from '../log/state.ts'
import { checkOptions } from '../options.ts'
import { addToSetHash } from '../timer/checksum.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import type { DecodedBlock } from './blockdecoder.ts'
import { corruptCheckpoint } from './format.ts'
import type { CheckpointHeader } from './header.ts'
import { TimerLoader } from './loader.ts'
import type { CheckpointReader } from './reader.ts'
import { throttled, throwIfAborted } from './watch.ts'

export interface RestoreProgress {
  /** Timers restored so far. */
  timers: number
  /** Timers there are to restore. */
  total: number
}

/** Whether everything in the file is wanted; the blocks of a store that takes fewer key groups are all there is. */
export function isEverything({ keyGroups }: CheckpointHeader, { start, end }: KeyGroupRange): boolean {
  return start === keyGroups.start && end === keyGroups.end
}

export class StoreBuilder {
  readonly #reader: CheckpointReader
  readonly #keyGroups: KeyGroupRange
  readonly #signal: AbortSignal | undefined
  readonly #onProgress: ((progress: RestoreProgress) => void) | undefined
  readonly #state: StoreState

  constructor(
    reader: CheckpointReader,
    keyGroups: KeyGroupRange,
    options: { signal?: AbortSignal; onProgress?(progress: RestoreProgress): void },
  ) {
    this.#reader = reader
    this.#keyGroups = keyGroups
    this.#signal = options.signal
    this.#onProgress = options.onProgress
    this.#state = new StoreState(randomUUID(), reader.header.maxParallelism)
    for (const { id, name, schemas, watermark } of reader.header.services) {
      const service = new ServiceState(id, name, schemas)
      service.decidedWatermark = watermark
      this.#state.addService(service)
    }
  }

  /** Returns how many timers the store has. */
  async build(directory: string): Promise<number> {
    const engine = await openClassicEngine(directory, checkOptions({}).engine, false)
    try {
      const timers = await this.#loadTimers(engine)
      if (isEverything(this.#reader.header, this.#keyGroups)) this.#proveTotals()
      await this.#writeState(engine)
      const { storeId, maxParallelism } = this.#state
      const record = { formatVersion: 0, storeId, maxParallelism, keyGroups: this.#keyGroups }
      await migrate(engine, directory, migrations, record)
      // Into tables, which LevelDB puts on disk before it lets go of its log.
      await engine.flush()
      return timers
    } finally {
      await engine.close()
      await syncEngineFiles(directory)
    }
  }

  async #loadTimers(engine: Engine): Promise<number> {
    const loader = new TimerLoader(engine)
    const report = throttled(this.#onProgress)
    const total = this.#count()
    let timers = 0
    for await (const block of this.#reader.blocks(this.#keyGroups)) {
      throwIfAborted(this.#signal, 'restore')
      await loader.add(block)
      this.#addTotals(block)
      timers += block.count
      report({ timers, total })
    }
    await loader.end()
    throwIfAborted(this.#signal, 'restore')
    return timers
  }

  /** How many timers the index has in the range. */
  #count(): number {
    let sum = 0
    for (const { segments } of this.#reader.index) {
      for (const { keyGroup, count } of segments) if (this.#isWanted(keyGroup)) sum += count
    }
    return sum
  }

  #isWanted(keyGroup: number): boolean {
    return keyGroup >= this.#keyGroups.start && keyGroup <= this.#keyGroups.end
  }

  #addTotals({ record, count, checksums }: DecodedBlock): void {
    const totals = this.#state.queueOf(record.serviceId, record.domain)!.decided
    totals.count += count
    for (let i = 0; i < count; i++) totals.setHash = addToSetHash(totals.setHash, checksums[i]!)
    for (const { keyGroup, earliest, latest } of record.segments) {
      if (!this.#isWanted(keyGroup)) continue
      totals.low = Math.min(totals.low, earliest)
      totals.high = Math.max(totals.high, latest)
    }
  }

  /** All is there: what was put in, timer by timer, is what the header says. */
  #proveTotals(): void {
    for (const service of this.#reader.header.services) {
      for (const domain of ['eventTime', 'processingTime'] as const) {
        const { count, setHash } = this.#state.queueOf(service.id, domain)!.decided
        if (count === service[domain].count && setHash === service[domain].setHash) continue
        const what = `the ${domain} timers of service '${service.name}' are not those of its header`
        throw corruptCheckpoint(this.#reader.path, 'its blocks', what)
      }
    }
  }

  /** Writes services, and the one log entry that tells where the store stands. */
  async #writeState(engine: Engine): Promise<void> {
    const { services } = this.#state
    const batch = engine.batch()
    for (const service of services) putService(batch, service)
    const { version: next, createdMs: timeMs } = this.#reader.header
    const version = next - 1
    // Before the first commit there is nothing to tell.
    if (version > 0) {
      const head = {
        version,
        timeMs,
        kept: { oldest: version, tail: version, characters: 0 },
        anchor: version,
        previous: 0,
        retired: 0,
      }
      const totals = Array.from(this.#state.queues(), (queue) => ({ queue, totals: queue.decided }))
      const watermarks = services.map((service) => ({ service, watermark: service.decidedWatermark }))
      const commit = { version, timeMs, events: [], totals, watermarks, retired: 0 }
      const key = logKey(version)
      batch.put(key, encodeEntry(key, head, commit).value)
    }
    await engine.write(batch, true)
  }
}
