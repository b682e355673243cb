/**
 * A store that is open to be written by the command: through its log and its commits, as a service writes, but with no
 * service started, so that nothing fires. It is locked until it is closed.
 */

import { systemClock } from '../clock.ts'
import type { StoreRecord } from '../engine/migration.ts'
import type { TidemarkError } from '../errors.ts'
import type { Call, Settle, TimerCall } from '../log/calls.ts'
import { leave } from '../log/close.ts'
import { CommitPipeline } from '../log/pipeline.ts'
import type { QueueState, ServiceState, StoreState } from '../log/state.ts'
import { freshRecord, type Opened, openParts } from '../opening.ts'
import { checkOptions } from '../options.ts'
import { systemPlatform } from '../platform.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import { refuseLocked } from './storesource.ts'

/** A timer to be registered, encoded. */
export interface EncodedTimer {
  queue: QueueState
  identity: string
  timestamp: number
  /** JSON, or '' for none. */
  payload: string
}

export class StoreWriter {
  readonly record: StoreRecord
  readonly state: StoreState
  /** An end of LevelDB's log that was left out when it was opened, and may have been whole. */
  readonly endDamaged: TidemarkError | undefined
  readonly #opened: Opened
  readonly #pipeline: CommitPipeline

  /**
   * Opens the store of a directory; where there is none, it is made as `fresh` says.
   * Rejects with TIDEMARK_LOCKED, _UNSUPPORTED_FORMAT, _CORRUPT, _INVALID_ARGUMENT, _FAILED.
   */
  static async open(
    location: string,
    fresh: { maxParallelism: number; keyGroups: KeyGroupRange },
  ): Promise<StoreWriter> {
    refuseLocked(location)
    const record = freshRecord(fresh.maxParallelism, fresh.keyGroups)
    return new StoreWriter(await openParts(systemPlatform, location, checkOptions({}), record))
  }

  private constructor(opened: Opened) {
    const { engine, record, state, retention, recent } = opened
    this.record = record
    this.state = state
    this.endDamaged = opened.endDamaged
    this.#opened = opened
    this.#pipeline = new CommitPipeline({
      engine,
      state,
      retention,
      recent,
      flushToDisk: true,
      now: () => systemClock.now(),
      newestSnapshot: () => 0,
      onRetired: () => {},
      onDecided: () => {},
      onApplied: () => {},
      onFailed: () => {},
    })
  }

  /** The service of a name, which is made where there is none; it must not be there with other schemas. */
  service(name: string, schemas: string): Promise<ServiceState> {
    return this.#call((settle) => ({ kind: 'service', name, schemas, settle, answer: undefined }))
  }

  /** Registers timers in one commit, in their order; resolves when they are durable, with how many were new. */
  async register(timers: readonly EncodedTimer[]): Promise<number> {
    const calls = timers.map(
      (timer): TimerCall => ({ kind: 'register', ...timer, settle: undefined, answer: false }),
    )
    await this.#call<void>((settle) => ({ kind: 'step', calls, settle }))
    return calls.reduce((sum, { answer }) => sum + (answer ? 1 : 0), 0)
  }

  /** Raises the watermark of a service; a lower one leaves it. */
  raiseWatermark(service: ServiceState, timestamp: number): Promise<void> {
    return this.#call((settle) => ({ kind: 'watermark', service, timestamp, settle }))
  }

  /** Writes what is under way, and leaves the store as a clean close does. */
  async close(): Promise<void> {
    const { engine, directory } = this.#opened
    try {
      if (await this.#pipeline.end()) await leave(this.#pipeline, this.#opened)
    } finally {
      await engine.close().finally(() => directory.release())
    }
  }

  #call<T>(make: (settle: Settle<T>) => Call): Promise<T> {
    return new Promise((resolve, reject) => this.#pipeline.submit(make({ resolve, reject })))
  }
}
