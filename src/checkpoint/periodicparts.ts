/** What periodic checkpoints need of their store, and no more: so that a test can be the store. */
import type { Clock } from '../clock.ts'
import type { TidemarkError } from '../errors.ts'
import type { Files } from '../files.ts'
import type { CheckpointInfo } from './catalog.ts'
import type { CheckpointSummary } from './checkpointer.ts'
import type { EmitCheckpointEvent } from './periodicevents.ts'
import type { Turns } from './turns.ts'

export interface TakeOptions {
  signal: AbortSignal
  metadata: unknown
  incremental: boolean
  maxLinks: number
  parallelism: number
  savepoint: boolean
}

/** Takes checkpoints; each one's cut has its place among the store's calls at once. */
export interface CheckpointTaker {
  checkpoint(directory: string, options: TakeOptions): Promise<CheckpointSummary>
  /** Ids of those that are being taken, whoever asked for them, each with that of the one that it builds on. */
  readonly idsUnderWay: ReadonlyMap<string, string | undefined>
  /** While a base is chosen no file is removed. */
  readonly files: Turns
  /** Takes note of what a directory has, oldest first, while it can be told which of it is of a past that was given up. */
  noteFound(checkpoints: readonly CheckpointInfo[], nextVersion: number): void
  /** Whether that was found of a checkpoint. */
  isOfOtherPast(id: string): boolean
}

export interface PeriodicParts {
  taker: CheckpointTaker
  files: Files
  clock: Clock
  storeId: string
  /** The version that a checkpoint would have now. */
  nextVersion(): number
  /** Why the store takes no more checkpoints; undefined while it does. */
  refusal(): TidemarkError | undefined
  onError(error: TidemarkError): void
}

export interface PeriodicWiring extends PeriodicParts {
  emit: EmitCheckpointEvent
}
