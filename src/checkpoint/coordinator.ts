/**
 * `store.checkpoints`: periodic checkpoints as Flink's coordinator takes them, and what is there of them.
 *
 * - One schedule at a time; it begins with `start` and ends with `stop`, or with the store.
 */
import { EventEmitter } from 'node:events'
import { invalidArgument, TidemarkError } from '../errors.ts'
import type { CheckpointInfo } from './catalog.ts'
import type { CheckpointSummary } from './checkpointer.ts'
import { PeriodicCheckpoints } from './periodic.ts'
import type { CheckpointEvents, EmitCheckpointEvent } from './periodicevents.ts'
import {
  checkPeriodicOptions,
  checkTriggerOptions,
  type PeriodicCheckpointOptions,
  type TriggerOptions,
} from './periodicoptions.ts'
import type { PeriodicParts } from './periodicparts.ts'

/**
 * Takes checkpoints by a schedule, and keeps the newest. Emits what {@link CheckpointEvents} tells.
 *
 * @example
 * await store.checkpoints.start({ directory: 'data/checkpoints', intervalMs: 60_000, incremental: true, retain: 3 })
 * store.checkpoints.on('completed', ({ version, bytes, pauseMs }) => log({ version, bytes, pauseMs }))
 */
export class CheckpointCoordinator extends EventEmitter<CheckpointEvents> {
  readonly #parts: PeriodicParts
  #periodic: PeriodicCheckpoints | undefined
  #starting: Promise<void> = Promise.resolve()

  /** @param parts the store's; users find theirs as `store.checkpoints`. */
  constructor(parts: PeriodicParts) {
    super()
    this.#parts = parts
  }

  /**
   * Starts the schedule. It goes on from the newest checkpoint of this store that the directory has; the first one is
   * taken an interval after that, or from now. What a process that died was writing is removed.
   * Rejects with TIDEMARK_INVALID_ARGUMENT (options, a path that is no directory, started already), _CLOSED, _FAILED.
   */
  async start(options: PeriodicCheckpointOptions): Promise<void> {
    this.#refuse()
    const checked = checkPeriodicOptions(options)
    const before = this.#periodic
    if (before !== undefined && !before.isOver) {
      throw invalidArgument(
        `periodic checkpoints are started already, into ${before.retained.directory}: await stop() first`,
      )
    }
    const emit: EmitCheckpointEvent = (name, event) => this.#tell(name, event)
    const periodic = new PeriodicCheckpoints({ ...this.#parts, emit }, checked)
    this.#periodic = periodic
    this.#starting = periodic.begin(before)
    try {
      await this.#starting
    } catch (error) {
      periodic.end(error as TidemarkError)
      if (this.#periodic === periodic) this.#periodic = before
      throw error
    }
  }

  /** Ends the schedule, and waits for what is under way. Harmless when nothing was started. */
  async stop(): Promise<void> {
    const periodic = this.#periodic
    if (periodic === undefined) return
    const message = 'the checkpoint was not begun: periodic checkpoints were stopped'
    periodic.end(this.#parts.refusal() ?? new TidemarkError('TIDEMARK_CHECKPOINT_ABORTED', message))
    await this.#starting.catch(() => {})
    await periodic.settled()
  }

  /**
   * Takes one now, whatever time it is: as soon as fewer than `maxConcurrent` are under way, a savepoint at once.
   * It resolves when it is on disk and what is no longer retained is gone. The schedule goes on as it would have,
   * `minPauseMs` after it. Rejects as `TimerStore.checkpoint` does.
   */
  async trigger(options: TriggerOptions = {}): Promise<CheckpointSummary> {
    this.#refuse()
    const checked = checkTriggerOptions(options)
    const periodic = this.#started('trigger')
    if (!periodic.isOver) return periodic.trigger(checked)
    throw invalidArgument(
      'periodic checkpoints were stopped: start() them, or call store.checkpoint(directory)',
    )
  }

  /**
   * The checkpoints and savepoints of this store in the directory that was started last, oldest first; those of other
   * stores and those that cannot be read left out (`listCheckpoints` tells them all).
   * Rejects with TIDEMARK_INVALID_ARGUMENT before `start`, TIDEMARK_CHECKPOINT_NOT_FOUND.
   */
  async list(): Promise<CheckpointInfo[]> {
    return this.#started('list').retained.list()
  }

  /** The newest of them of which nothing is missing: the one to restore. Rejects as `list` does. */
  async latest(): Promise<CheckpointInfo | undefined> {
    return this.#started('latest').retained.latest()
  }

  #started(call: string): PeriodicCheckpoints {
    if (this.#periodic !== undefined) return this.#periodic
    throw invalidArgument(`${call} needs a directory: start() periodic checkpoints first`)
  }

  #refuse(): void {
    const refused = this.#parts.refusal()
    if (refused !== undefined) throw refused
  }

  #tell: EmitCheckpointEvent = (name, event) => {
    // On a stack of its own: a listener that throws, or calls back, meets nothing half done.
    queueMicrotask(() => this.emit(name, ...([event] as never)))
  }
}
