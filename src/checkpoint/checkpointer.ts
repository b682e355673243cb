/**
 * Taking checkpoints: the main thread cuts and goes on, a worker writes.
 *
 * - A checkpoint's version is released whatever becomes of it, and so is the log that it held.
 * - An incremental one builds on the newest of its directory; from its cut on, the log is held for the next.
 */
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import type { Engine } from '../engine/engine.ts'
import { logKey } from '../engine/keyspaces.ts'
import type { StoreRecord } from '../engine/migration.ts'
import type { Files } from '../files.ts'
import { DEFAULT_MAX_LINKS } from '../limits.ts'
import { type ParsedEntry, parseEntry } from '../log/entry.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import type { LogHold, LogRetention } from '../log/retention.ts'
import type { CheckedOptions } from '../options.ts'
import { type Cut, takeCut } from '../snapshot/cut.ts'
import type { RunningSnapshots } from '../snapshot/running.ts'
import { reached } from '../steps.ts'
import type { CheckpointInfo } from './catalog.ts'
import type { CheckpointWriters } from './client.ts'
import type { CheckpointBase, CheckpointCut, CheckpointKind, WrittenCheckpoint } from './cut.ts'
import { baseOf, type Lineage, Lineages, lookAt, worthwhileLogCharacters } from './lineage.ts'
import { type CheckpointOptions, checkCheckpoint } from './options.ts'
import { Turns } from './turns.ts'

export interface CheckpointSummary {
  id: string
  path: string
  kind: CheckpointKind
  /** It holds what was made before this version. */
  version: number
  /** What an incremental one builds on: a file beside it. */
  base?: { id: string; version: number }
  /** Timers that stand at its version. */
  timers: number
  /** Length of its file. */
  bytes: number
  /** How long calls were held up by the cut. */
  pauseMs: number
  durationMs: number
}

export interface CheckpointerParts {
  files: Files
  writers: CheckpointWriters
  record: StoreRecord
  options: CheckedOptions
  engine: Engine
  pipeline: CommitPipeline
  retention: LogRetention
  running: RunningSnapshots
}

export class Checkpointer {
  readonly #parts: CheckpointerParts
  readonly #lineages: Lineages
  readonly #closing = new AbortController()
  readonly #underWay = new Set<Promise<unknown>>()
  /** Ids of the checkpoints under way, and of those that they build on, once that is known. */
  readonly #idsUnderWay = new Map<string, string | undefined>()
  /** While a base is chosen no file is removed. */
  readonly files = new Turns()
  /** What is held for the next incremental checkpoint in a directory. */
  readonly #holds = new Map<string, LogHold>()
  /** Ids of checkpoints that are of a past that was given up: the store's directory was put back to an earlier state. */
  readonly #otherPast = new Set<string>()
  /** The newest cut that is known of. */
  #lastCut = { version: 0, createdMs: 0 }

  constructor(parts: CheckpointerParts) {
    this.#parts = parts
    this.#lineages = new Lineages(parts.record.storeId, parts.files)
  }

  /** Ids of the checkpoints that are being taken, each with that of the one that it builds on: their files must stay. */
  get idsUnderWay(): ReadonlyMap<string, string | undefined> {
    return this.#idsUnderWay
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
    options: CheckpointOptions,
    metadata: string | undefined,
  ): Promise<CheckpointSummary> {
    const startMs = performance.now()
    const { pipeline, running: snapshots, retention } = this.#parts
    const holds: LogHold[] = []
    const id = randomUUID()
    this.#idsUnderWay.set(id, undefined)
    let cut: Cut | undefined
    let createdMs = 0
    try {
      reached('checkpoint.beforeCut')
      cut = await takeCut(pipeline, snapshots, (version) => {
        createdMs = this.#createdMs(version)
        if (options.incremental !== true) return
        // All that is there stays until it is known what this one builds on; what comes stays for the next.
        for (const first of [retention.oldest, version]) {
          holds.push(retention.hold(first, Number.POSITIVE_INFINITY))
        }
      })
      reached('checkpoint.afterCut')
      const base = options.incremental === true ? await this.#baseFor(id, directory, cut, options) : undefined
      reached('checkpoint.afterBase')
      // An incremental one reads the log alone.
      if (base === undefined) await pipeline.spill()
      const told = this.#describe(id, createdMs, cut, base, options, metadata)
      const either = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])]
      const written = await this.#parts.writers.run(told, directory, {
        ...options,
        signal: AbortSignal.any(either),
      })
      reached('checkpoint.afterRun')
      const seen = await lookAt(written.path, this.#parts.files)
      this.#completed(directory, told, { ...written, seen }, holds[1])
      return summaryOf(told, written, performance.now() - startMs)
    } finally {
      cut?.running.release()
      this.#idsUnderWay.delete(id)
      for (const hold of holds) if (this.#holds.get(path.resolve(directory)) !== hold) retention.release(hold)
      reached('checkpoint.afterRelease')
    }
  }

  #baseFor(
    id: string,
    directory: string,
    cut: Cut,
    options: CheckpointOptions,
  ): Promise<CheckpointBase | undefined> {
    const { retention } = this.#parts
    return this.files.take(async () => {
      const lineage = await this.#lineages.of(directory, (checkpoint) => this.#isOurs(checkpoint, cut))
      const base = baseOf(lineage, {
        version: cut.running.version,
        oldestLogVersion: retention.oldest,
        isOutgrown: this.#isOutgrown(directory, lineage),
        maxLinks: options.maxLinks ?? DEFAULT_MAX_LINKS,
      })
      this.#idsUnderWay.set(id, base?.checkpointId)
      return base
    })
  }

  /** Whether the hold that began with the newest checkpoint has ended by itself. */
  #isOutgrown(directory: string, lineage: Lineage): boolean {
    const hold = this.#holds.get(path.resolve(directory))
    return hold !== undefined && hold.version === lineage[0]?.version && !this.#parts.retention.holds(hold)
  }

  /** Whether a checkpoint stands at a place of this log: a store's directory may have been put back to an earlier state. */
  #isOurs({ version, chain }: Pick<CheckpointBase, 'version' | 'chain'>, cut: Cut): boolean {
    if (version >= cut.running.version) return version === cut.running.version && chain === cut.chain
    return this.#entry(version)?.previous === chain
  }

  /** Checksum of the newest log entry before a version; undefined where the log does not tell. */
  #chainBefore(version: number): number | undefined {
    return this.#entry(version)?.previous ?? this.#entry(version - 1)?.checksum
  }

  #entry(version: number): ParsedEntry | undefined {
    const key = logKey(version)
    const value = version < 1 ? undefined : this.#parts.engine.get(key)
    return value === undefined ? undefined : parseEntry(key, value)
  }

  /**
   * What is above the store's next version, or has another place in its log, is of a past that was given up. That is
   * remembered: versions go on, and the log is trimmed.
   */
  noteFound(checkpoints: readonly CheckpointInfo[], nextVersion: number): void {
    for (const { storeId, id, version, chain, createdMs } of checkpoints) {
      if (storeId !== this.#parts.record.storeId) continue
      if (version > nextVersion || (this.#chainBefore(version) ?? chain) !== chain) this.#otherPast.add(id)
      else if (version >= this.#lastCut.version) this.#lastCut = { version, createdMs }
    }
  }

  isOfOtherPast(id: string): boolean {
    return this.#otherPast.has(id)
  }

  /** By the store's clock; but of one version each later than the one before: that is what tells their order. */
  #createdMs(version: number): number {
    const last = this.#lastCut
    const nowMs = this.#parts.options.clock.now()
    const createdMs = version === last.version ? Math.max(nowMs, last.createdMs + 1) : nowMs
    // What a clock gives that is no time is refused when it is written, and must not stay.
    if (Number.isSafeInteger(createdMs)) this.#lastCut = { version, createdMs }
    return createdMs
  }

  #describe(
    checkpointId: string,
    createdMs: number,
    { running, services, chain, pauseMs }: Cut,
    base: CheckpointBase | undefined,
    { savepoint }: CheckpointOptions,
    metadata: string | undefined,
  ): CheckpointCut {
    const { storeId, maxParallelism, keyGroups } = this.#parts.record
    const full = savepoint === true ? 'savepoint' : 'full'
    return {
      kind: base === undefined ? full : 'incremental',
      ...(base === undefined ? {} : { base }),
      storeId,
      checkpointId,
      version: running.version,
      chain,
      createdMs,
      pauseMs,
      maxParallelism,
      keyGroups,
      ...(metadata === undefined ? {} : { metadata }),
      services,
    }
  }

  /** Notes what the next one may build on, and holds the log for it from here on if it is to be incremental. */
  #completed(
    directory: string,
    cut: CheckpointCut,
    written: WrittenCheckpoint & { seen: string | undefined },
    hold: LogHold | undefined,
  ): void {
    if (cut.kind === 'savepoint') return
    const { retention } = this.#parts
    const place = path.resolve(directory)
    const { checkpointId: id, version, chain, base } = cut
    const lineage = this.#lineages.completed(directory, { id, version, chain, ...written }, base)
    if (hold === undefined || lineage[0]?.id !== id) return
    hold.maxCharacters = worthwhileLogCharacters(lineage)
    const before = this.#holds.get(place)
    this.#holds.set(place, hold)
    if (before !== undefined) retention.release(before)
    retention.releaseReopened()
  }

  /** Called after every commit. */
  applied(): void {
    this.#parts.writers.committed()
  }

  /** Aborts what is under way, and waits for it. */
  async abort(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#underWay)
  }

  /** Ends the workers: their engines close before the main thread's. */
  async close(): Promise<void> {
    await this.#parts.writers.close()
  }
}

function summaryOf(cut: CheckpointCut, written: WrittenCheckpoint, durationMs: number): CheckpointSummary {
  const { checkpointId: id, kind, version, base, pauseMs } = cut
  const { path: file, timers, bytes } = written
  return {
    id,
    path: file,
    kind,
    version,
    ...(base === undefined ? {} : { base: { id: base.checkpointId, version: base.version } }),
    timers,
    bytes,
    pauseMs,
    durationMs,
  }
}
