/**
 * Builds the store of what is restored in an empty directory.
 *
 * - Timers keep their bytes: identity, create version, place, payload (unless several sources are put together,
 *   translation.ts). Blocks come first, then the log entries of the checkpoints that build on them.
 * - The log begins with one entry that tells the totals at the version before the checkpoint's, so that the next commit
 *   has the checkpoint's version, and every timer of it was made before.
 * - What says that the directory is a store is written last: one that was given up is none.
 */
import { randomUUID } from 'node:crypto'
import { migrations } from '../../migrations/index.ts'
import { syncEngineFiles } from '../engine/directory.ts'
import type { Engine } from '../engine/engine.ts'
import { logKey } from '../engine/keyspaces.ts'
import { migrate } from '../engine/migration.ts'
import type { EnginePlatform } from '../engine/open.ts'
import { putService } from '../log/apply.ts'
import { encodeEntry, type LoggedEvent } from '../log/entry.ts'
import { ServiceState, StoreState } from '../log/state.ts'
import { checkOptions } from '../options.ts'
import { reached } from '../steps.ts'
import { addToSetHash } from '../timer/checksum.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import { ownersOf } from '../timer/servicename.ts'
import type { DecodedBlock } from './blockdecoder.ts'
import { corruptCheckpoint, FormatProblem } from './format.ts'
import { TimerLoader } from './loader.ts'
import type { CheckpointReader } from './reader.ts'
import { LogReplayer } from './replay.ts'
import { mergeServices, type RestoreSource } from './restoresource.ts'
import type { Translation } from './translation.ts'
import { throttled, throwIfAborted } from './watch.ts'

export interface RestoreProgress {
  /** Timers and log entries restored so far. */
  timers: number
  /** Timers and log entries there are to restore. */
  total: number
}

interface BuildOptions {
  signal?: AbortSignal
  onProgress?(progress: RestoreProgress): void
}

export class StoreBuilder {
  readonly #sources: readonly RestoreSource[]
  readonly #keyGroups: KeyGroupRange
  readonly #signal: AbortSignal | undefined
  readonly #state: StoreState
  readonly #translations: readonly Translation[]
  /** Tells the progress; throws TIDEMARK_CHECKPOINT_ABORTED once that was asked for. */
  readonly report: (restored: number) => void
  #restored = 0

  /** Throws TIDEMARK_SERVICE_MISMATCH. */
  constructor(sources: readonly RestoreSource[], keyGroups: KeyGroupRange, options: BuildOptions) {
    this.#sources = sources
    this.#keyGroups = keyGroups
    this.#signal = options.signal
    this.#state = new StoreState(randomUUID(), sources[0]!.chain[0]!.header.maxParallelism)
    this.#translations = mergeServices(sources, this.#state)
    const report = throttled(options.onProgress)
    const total = sources.reduce((sum, source) => sum + workOf(source), 0)
    this.report = (restored) => {
      throwIfAborted(this.#signal, 'restore')
      this.#restored += restored
      report({ timers: this.#restored, total })
    }
  }

  /** The version that the store's next commit will have. */
  get version(): number {
    return Math.max(...this.#sources.map(({ version }) => version))
  }

  get services(): string[] {
    return ownersOf(this.#state.services.map(({ name }) => name))
  }

  /** Returns how many timers the store has. */
  async build(directory: string, platform: EnginePlatform): Promise<number> {
    const { files } = platform
    const engine = await platform.openEngine(directory, checkOptions({}).engine, false)
    try {
      reached('restore.beforeBlocks')
      const loader = new TimerLoader(engine)
      for (const [i, source] of this.#sources.entries()) {
        await this.#loadBlocks(loader, source, this.#translations[i]!)
      }
      await loader.end()
      reached('restore.afterBlocks')
      for (const [i, source] of this.#sources.entries()) {
        await this.#replayLog(engine, source, this.#translations[i]!)
      }
      if (this.#sources.length === 1) this.#proveTotals(this.#sources[0]!)
      reached('restore.beforeState')
      await this.#writeState(engine)
      reached('restore.afterState')
      const { storeId, maxParallelism } = this.#state
      const record = { formatVersion: 0, storeId, maxParallelism, keyGroups: this.#keyGroups }
      await migrate(files, engine, directory, migrations, record)
      // Into tables, which LevelDB puts on disk before it lets go of its log.
      await engine.flush()
      reached('restore.afterFlush')
      return Array.from(this.#state.queues()).reduce((sum, { decided }) => sum + decided.count, 0)
    } finally {
      await engine.close()
      await syncEngineFiles(files, directory)
      reached('restore.afterSync')
    }
  }

  async #loadBlocks(
    loader: TimerLoader,
    { chain, keyGroups }: RestoreSource,
    translation: Translation,
  ): Promise<void> {
    for await (const stored of chain[0]!.blocks(keyGroups)) {
      this.report(stored.count)
      const block = translation.block(stored)
      await loader.add(block)
      this.#addTotals(block, keyGroups, translation)
    }
    this.report(0)
  }

  #addTotals(
    { record, count, checksums }: DecodedBlock,
    { start, end }: KeyGroupRange,
    translation: Translation,
  ): void {
    const totals = this.#state.queueOf(translation.serviceId(record.serviceId), record.domain)!.decided
    totals.count += count
    for (let i = 0; i < count; i++) totals.setHash = addToSetHash(totals.setHash, checksums[i]!)
    for (const { keyGroup, earliest, latest } of record.segments) {
      if (keyGroup < start || keyGroup > end) continue
      totals.low = Math.min(totals.low, earliest)
      totals.high = Math.max(totals.high, latest)
    }
  }

  async #replayLog(engine: Engine, source: RestoreSource, translation: Translation): Promise<void> {
    const isOnly = this.#sources.length === 1
    const replayer = new LogReplayer({
      engine,
      state: this.#state,
      translation,
      keyGroups: source.keyGroups,
      isOnly,
      isWhole: isOnly && source.isWhole,
      onService: (event) => {
        // Of several sources, the last file has told what there is.
        if (isOnly) this.#putService(event)
      },
    })
    for (const reader of source.chain.slice(1)) {
      await namingFile(reader, async () => {
        for await (const entry of reader.entries()) {
          // Those behind the version are read as well: so the file is proved to its end.
          if (entry.entry.version < source.version) await replayer.add(entry)
          this.report(1)
        }
        await replayer.flush()
      })
    }
  }

  #putService({ serviceId, name, schemas }: LoggedEvent & { kind: 'service' }): void {
    const known = this.#state.services[serviceId]
    const service = new ServiceState(serviceId, name, schemas)
    if (known !== undefined) {
      service.decidedWatermark = known.decidedWatermark
      Object.assign(service.eventTime.decided, known.eventTime.decided)
      Object.assign(service.processingTime.decided, known.processingTime.decided)
      this.#state.serviceByName.delete(known.name)
    }
    this.#state.addService(service)
  }

  /** All is there: what was put in, timer by timer, is what the last file's header says. */
  #proveTotals({ chain, version, isWhole }: RestoreSource): void {
    const { header, path } = chain.at(-1)!
    if (header.version !== version || !isWhole) return
    for (const { id, name, schemas, watermark, eventTime, processingTime } of header.services) {
      const found = this.#state.services[id]
      const isSame =
        found?.name === name &&
        found.schemas === schemas &&
        found.decidedWatermark === watermark &&
        isEqual(found.eventTime.decided, eventTime) &&
        isEqual(found.processingTime.decided, processingTime)
      if (isSame) continue
      throw corruptCheckpoint(path, 'its timers', `those of service '${name}' are not those of its header`)
    }
  }

  /** Writes services, and the one log entry that tells where the store stands. */
  async #writeState(engine: Engine): Promise<void> {
    const { services } = this.#state
    const batch = engine.batch()
    for (const service of services) putService(batch, service)
    const timeMs = Math.max(...this.#sources.map(({ chain }) => chain.at(-1)!.header.createdMs))
    const version = this.version - 1
    // Before the first commit there is nothing to tell.
    if (version > 0) {
      const kept = { oldest: version, tail: version, characters: 0 }
      const head = { version, timeMs, kept, anchor: version, previous: 0, retired: 0 }
      const totals = Array.from(this.#state.queues(), (queue) => ({ queue, totals: queue.decided }))
      const watermarks = services.map((service) => ({ service, watermark: service.decidedWatermark }))
      const commit = { version, timeMs, events: [], totals, watermarks, retired: 0 }
      const key = logKey(version)
      batch.put(key, encodeEntry(key, head, commit).value)
    }
    await engine.write(batch, true)
  }
}

function isEqual(a: { count: number; setHash: number }, b: { count: number; setHash: number }): boolean {
  return a.count === b.count && a.setHash === b.setHash
}

/** How much there is to restore: timers of the wanted key groups, and log entries. */
function workOf({ chain, keyGroups: { start, end } }: RestoreSource): number {
  let sum = chain.at(-1)!.header.version - chain[0]!.header.version
  for (const { segments } of chain[0]!.index) {
    for (const { keyGroup, count } of segments) if (keyGroup >= start && keyGroup <= end) sum += count
  }
  return sum
}

async function namingFile(reader: CheckpointReader, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error
    throw corruptCheckpoint(reader.path, 'its log entries', error.message, error)
  }
}
