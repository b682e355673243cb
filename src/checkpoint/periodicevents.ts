/** What `store.checkpoints` emits. */
import type { TidemarkError } from '../errors.ts'
import type { CheckpointInfo } from './catalog.ts'
import type { CheckpointSummary } from './checkpointer.ts'

/** A checkpoint on its way: the same object from `started` to `completed`, `failed`, `aborted` or `subsumed`. */
export interface CheckpointAttempt {
  /** 1 for the first since `start`, and so on. */
  readonly number: number
  /** What began it: the schedule, or a call of `trigger`. */
  readonly by: 'schedule' | 'call'
  readonly savepoint: boolean
  /** When it began, by the store's clock. */
  readonly startedMs: number
}

export interface CompletedCheckpoint extends CheckpointSummary {
  attempt: CheckpointAttempt
}

export interface FailedCheckpoint {
  attempt: CheckpointAttempt
  error: TidemarkError
}

export interface AbortedCheckpoint extends FailedCheckpoint {
  /** `timeout` counts as a failure; `signal`: that of the call; `closed`: the store was closed. */
  reason: 'timeout' | 'signal' | 'closed'
}

export type SubsumedCheckpoint =
  /** One that began later was completed first: this one was aborted. */
  | { reason: 'superseded'; attempt: CheckpointAttempt; newer: CheckpointSummary }
  /** A completed one is no longer retained: its file was removed. */
  | { reason: 'retention'; checkpoint: CheckpointInfo }

export interface ForeignCheckpoints {
  directory: string
  checkpoints: CheckpointInfo[]
}

export type CheckpointEvents = {
  started: [CheckpointAttempt]
  /** It is on disk, verified. */
  completed: [CompletedCheckpoint]
  failed: [FailedCheckpoint]
  aborted: [AbortedCheckpoint]
  subsumed: [SubsumedCheckpoint]
  /**
   * Once, at `start`: the directory has checkpoints of other stores (of the one that this was restored from, say), or of
   * versions that this store has not reached, for its directory was put back. They are neither listed nor ever removed.
   */
  foreign: [ForeignCheckpoints]
}

/** Tells one event. */
export type EmitCheckpointEvent = <N extends keyof CheckpointEvents>(
  name: N,
  event: CheckpointEvents[N][0],
) => void
