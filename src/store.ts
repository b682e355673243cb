/**
 * TimerStore: lifecycle, and the wiring of the parts. What a part does is told in its own file.
 *
 * - The parts hear of each other only here: the pipeline tells firing, releases wake the purge.
 * - Closing goes from the outside in: handlers, checkpoints, snapshots, purge, commits, the worker's engine, the engine.
 */
import { EventEmitter } from 'node:events'
import type { z } from 'zod'
import { Checkpointer, type CheckpointSummary } from './checkpoint/checkpointer.ts'
import { CheckpointCoordinator } from './checkpoint/coordinator.ts'
import type { CheckpointOptions } from './checkpoint/options.ts'
import { type RestoreOptions, type RestoreSummary, restoreCheckpoint } from './checkpoint/restore.ts'
import { inNextTurn } from './clock.ts'
import { type AnyDefinition, checkDefinition, type ServiceDefinition } from './definition.ts'
import { readFailure, TidemarkError } from './errors.ts'
import { Firing } from './firing/firing.ts'
import type { AnyHandler } from './firing/handler.ts'
import { leave } from './log/close.ts'
import { CommitPipeline } from './log/pipeline.ts'
import { RestingSpill } from './log/resting.ts'
import { type StoreStats, storeStats } from './log/stats.ts'
import { LogTrimmer } from './log/trimmer.ts'
import { planStart, type StartPlan, startedMismatch } from './migrating/plan.ts'
import { prepareService } from './migrating/start.ts'
import { type Opened, openParts } from './opening.ts'
import { checkOptions, type StoreOptions } from './options.ts'
import { type Platform, systemPlatform } from './platform.ts'
import { TimerService } from './service.ts'
import { Compactor } from './snapshot/compaction.ts'
import { takeReadableCut } from './snapshot/cut.ts'
import { Purger } from './snapshot/purge.ts'
import { RetiredTimers } from './snapshot/retired.ts'
import { RunningSnapshots } from './snapshot/running.ts'
import { Snapshot } from './snapshot/snapshot.ts'
import { type Finding, verifyStore } from './snapshot/verify.ts'
import { reached } from './steps.ts'
import { TimerCodec } from './timer/codec.ts'
import { parseSchemas } from './timer/schematext.ts'

/**
 * A store of durable timers in one directory. Emits `error` (a {@link TidemarkError}) for what no call can tell: a
 * processing-time handler that failed, a damaged entry that was passed over.
 *
 * @example
 * const store = await TimerStore.open('data/orders')
 */
export class TimerStore extends EventEmitter<{ error: [TidemarkError] }> {
  readonly #opened: Opened
  readonly #pipeline: CommitPipeline
  readonly #running: RunningSnapshots
  readonly #purger: Purger
  readonly #compactor: Compactor
  readonly #resting: RestingSpill
  readonly #trimmer: LogTrimmer
  readonly #firing: Firing
  readonly #services = new Map<
    string,
    { schemas: string; started: Promise<TimerService<never, never, never>> }
  >()
  readonly #checkpointer: Checkpointer
  /** Checkpoints by a schedule: started, stopped, triggered, listed. */
  readonly checkpoints: CheckpointCoordinator
  #closing: Promise<void> | undefined

  /**
   * Opens the store in a directory, created when absent; its lock is exclusive.
   * Rejects with TIDEMARK_LOCKED, _UNSUPPORTED_FORMAT, _CORRUPT, _INVALID_ARGUMENT, _FAILED.
   */
  static open(location: string, options: StoreOptions = {}): Promise<TimerStore> {
    return TimerStore.openOn(systemPlatform, location, options)
  }

  /** As {@link open}, on something else than this machine: for tests. @internal */
  static async openOn(platform: Platform, location: string, options: StoreOptions = {}): Promise<TimerStore> {
    const opened = await openParts(platform, location, checkOptions(options))
    const store = new TimerStore(opened)
    // Once whoever opens it can have a listener.
    if (opened.endDamaged !== undefined) inNextTurn(() => store.#tell(opened.endDamaged))
    return store
  }

  /**
   * Writes the timers of a checkpoint into a new directory: whole, for a range of key groups, or as they stood at another
   * version that its chain covers. A directory stands for its newest checkpoint: of the store that wrote there last; where
   * that cannot be read, or is not clear, nothing is restored. Several checkpoints, of the parts of what was one store,
   * are put together.
   * Rejects with TIDEMARK_CHECKPOINT_NOT_FOUND, _CHECKPOINT_CORRUPT, _UNSUPPORTED_FORMAT, _RESTORE_TARGET_EXISTS,
   * _KEY_GROUP_OUT_OF_RANGE, _SERVICE_MISMATCH, _CHECKPOINT_ABORTED, _INVALID_ARGUMENT, _FAILED; then no target directory
   * is left behind.
   */
  static restore(
    checkpointPath: string | readonly string[],
    location: string,
    options: RestoreOptions = {},
  ): Promise<RestoreSummary> {
    return restoreCheckpoint(checkpointPath, location, options)
  }

  private constructor(opened: Opened) {
    super()
    this.#opened = opened
    const { engine, state, retention, recent, options } = opened
    const onError = (error: unknown) => this.#tell(error)
    const retired = new RetiredTimers(state.decidedRetired)
    this.#running = new RunningSnapshots(retired, () => this.#purger.wake())
    this.#pipeline = new CommitPipeline({
      engine,
      state,
      retention,
      recent,
      flushToDisk: options.durability === 'disk',
      now: () => options.clock.now(),
      newestSnapshot: () => retired.newest,
      onRetired: (identity, sinceVersion) => retired.retire(identity, sinceVersion),
      onDecided: (commit) => this.#firing.onDecided(commit),
      onApplied: (commit) => {
        this.#firing.onApplied(commit)
        this.#compactor.applied(commit)
        this.#checkpointer.applied()
        this.#resting.wake()
      },
      onSpilled: (spilled) => this.#compactor.spilled(spilled),
      onFailed: (error) => this.#tell(error),
    })
    this.#purger = new Purger({ engine, pipeline: this.#pipeline, state, retired, onError })
    this.#compactor = new Compactor({ engine, pipeline: this.#pipeline, state, retention, onError })
    this.#resting = new RestingSpill({ engine, pipeline: this.#pipeline, recent, state, onError })
    this.#trimmer = new LogTrimmer(engine, this.#pipeline, retention, onError)
    this.#firing = new Firing({
      engine,
      pipeline: this.#pipeline,
      recent,
      state,
      clock: options.clock,
      onError,
    })
    this.#checkpointer = new Checkpointer({
      files: opened.platform.files,
      writers: opened.platform.checkpointWriters(opened.directory.realPath, options.engine),
      record: opened.record,
      options,
      engine,
      pipeline: this.#pipeline,
      retention,
      running: this.#running,
    })
    this.checkpoints = new CheckpointCoordinator({
      taker: this.#checkpointer,
      files: opened.platform.files,
      clock: options.clock,
      storeId: opened.record.storeId,
      nextVersion: () => state.appliedVersion + 1,
      refusal: () => this.#refusal(),
      onError,
    })
    this.#purger.wake()
    this.#resting.wake()
  }

  /** The directory, as it was given to `open`. */
  get location(): string {
    return this.#opened.location
  }

  /**
   * Starts a service: what is overdue begins to fire once its handler is here. Again with equal schemas: the same
   * instance, the first handlers stay. With other schemas than those that are stored it starts where all that may be stored
   * can be read under them, and otherwise once the definition's `migrate` has converted every timer. Rejects with
   * TIDEMARK_SERVICE_MISMATCH where there is no `migrate`, or it cannot convert a timer; then nothing was changed.
   */
  async service<
    K extends z.ZodType = z.ZodString,
    N extends z.ZodType = z.ZodString,
    P extends z.ZodType = z.ZodUndefined,
  >(
    name: string,
    definition: ServiceDefinition<K, N, P> = {},
  ): Promise<TimerService<z.output<K>, z.output<N>, z.output<P>>> {
    this.#refuse()
    const schemas = checkDefinition(name, definition as AnyDefinition)
    const known = this.#services.get(name)
    if (known !== undefined) {
      if (known.schemas !== schemas) throw startedMismatch(name, known.schemas, schemas)
      return (await known.started) as never
    }
    const plan = planStart(this.#opened.state, name, schemas, definition.migrate !== undefined)
    const started = this.#startService(name, plan, definition as AnyDefinition)
    this.#services.set(name, { schemas, started })
    started.catch(() => this.#services.delete(name))
    return (await started) as never
  }

  async #startService(
    name: string,
    plan: StartPlan,
    definition: AnyDefinition,
  ): Promise<TimerService<never, never, never>> {
    const { engine, state, recent, record, options } = this.#opened
    const hasEarlier = parseSchemas(plan.schemas).earlier !== undefined
    const codec = new TimerCodec(definition, state.maxParallelism, record.keyGroups, hasEarlier)
    const preparing = { engine, pipeline: this.#pipeline, recent, refuse: () => this.#refuse() }
    const service = await prepareService(preparing, name, plan, codec, definition.migrate)
    this.#refuse()
    const { onEventTime, onProcessingTime } = definition as {
      onEventTime?: AnyHandler
      onProcessingTime?: AnyHandler
    }
    const firing = this.#firing.start(service, codec, { onEventTime, onProcessingTime })
    const parts = { engine, pipeline: this.#pipeline, recent, codec, refusal: () => this.#refusal() }
    return new TimerService(parts, service, options.clock, firing)
  }

  /** A consistent view of all timers; release it when it is read. It includes every call made before, awaited or not. */
  async snapshot(): Promise<Snapshot> {
    this.#refuse()
    const { running, services } = await takeReadableCut(this.#pipeline, this.#running)
    return new Snapshot(this.#opened.engine, running, services)
  }

  /**
   * Writes a checkpoint of all timers into a directory, by a worker thread, while everything goes on.
   * It includes every call made before it, awaited or not. Rejects with TIDEMARK_CHECKPOINT_ABORTED, _CORRUPT (the
   * stored timers are not those that the log counted), _INVALID_ARGUMENT, _FAILED.
   */
  async checkpoint(directory: string, options: CheckpointOptions = {}): Promise<CheckpointSummary> {
    this.#refuse()
    return this.#checkpointer.checkpoint(directory, options)
  }

  /** What the store holds and does, at once, exactly. */
  stats(): StoreStats {
    const { state, retention } = this.#opened
    return storeStats(state, retention, this.#running.count)
  }

  /** Checks every stored entry, and the key spaces against each other and the log. Empty: all is well. */
  async verify(): Promise<Finding[]> {
    this.#refuse()
    const { engine, state, record } = this.#opened
    const cut = async () => {
      const taken = await takeReadableCut(this.#pipeline, this.#running)
      if (taken.running.released) this.#refuse()
      return taken
    }
    try {
      return await verifyStore({ engine, state, record, pipeline: this.#pipeline, cut })
    } catch (error) {
      // A store that closes meanwhile fails the reads: what the caller should hear is that it closed.
      this.#refuse()
      throw readFailure(error)
    }
  }

  /**
   * Rewrites the store without what was deleted: for quiet hours, it takes as long as copying it. Rejects with
   * TIDEMARK_FAILED where a step finds too little free disk: then the store works on, and is smaller by the steps before.
   */
  async compact(): Promise<void> {
    this.#refuse()
    await this.#pipeline.barrier()
    await this.#compactor.compactNow()
    // One that closes meanwhile leaves the rest as it is.
    this.#refuse()
  }

  /**
   * Waits for the handlers that run, starts no other, and loses nothing: calls made before are written first.
   * Called from inside a handler, it resolves at once, and the store closes when that handler has settled.
   */
  close(): Promise<void> {
    const fromHandler = this.#firing.isCalledByHandler()
    if (this.#closing === undefined) {
      // Known before anything is done for it: who hears of it may call this again.
      let close!: () => void
      this.#closing = new Promise((resolve, reject) => {
        close = () => this.#close().then(resolve, reject)
      })
      close()
    }
    return fromHandler ? Promise.resolve() : this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { engine, directory } = this.#opened
    reached('close.begun')
    const compacted = this.#compactor.stop()
    try {
      await this.#firing.stop()
      reached('close.afterHandlers')
      const stopped = this.checkpoints.stop()
      await this.#checkpointer.abort()
      await stopped
      reached('close.afterCheckpoints')
      await this.#purger.stop()
      await compacted
      await this.#trimmer.stop()
      await this.#resting.stop()
      const healthy = await this.#pipeline.end()
      reached('close.afterCommits')
      await this.#checkpointer.close()
      reached('close.afterWriters')
      // All that was acknowledged is written: where no more can be, the next opening only has more to read.
      if (healthy) await leave(this.#pipeline, this.#opened).catch((error) => this.#tell(error))
    } finally {
      // The last cut may have been asked for just before: nobody reads on when the engine is gone.
      this.#running.releaseAll()
      await engine.close().finally(() => directory.release())
      reached('close.afterEngine')
    }
  }

  #refusal(): TidemarkError | undefined {
    if (this.#pipeline.failure !== undefined) return this.#pipeline.failure
    if (this.#closing === undefined) return undefined
    return new TidemarkError('TIDEMARK_CLOSED', `the store ${this.location} is closed: open it again`)
  }

  #refuse(): void {
    const refused = this.#refusal()
    if (refused !== undefined) throw refused
  }

  /** Tells an error that no call rejects with; without a listener, as a warning of the process. */
  #tell(error: unknown): void {
    const told =
      error instanceof TidemarkError
        ? error
        : new TidemarkError('TIDEMARK_FAILED', `unexpected: ${(error as Error).message}`, { cause: error })
    // On a stack of its own: a listener that closes the store is no handler that would wait for itself. And only then is
    // it known whether there is one: that of `once` may have heard of another error meanwhile.
    queueMicrotask(() => {
      if (this.listenerCount('error') === 0) process.emitWarning(told)
      else this.emit('error', told)
    })
  }
}
