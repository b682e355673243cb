/** What is public. */

export { type CheckpointCatalog, type CheckpointInfo, listCheckpoints } from './checkpoint/catalog.ts'
export type { CheckpointSummary } from './checkpoint/checkpointer.ts'
export type { CheckpointCoordinator } from './checkpoint/coordinator.ts'
export type { CheckpointBase, CheckpointKind } from './checkpoint/cut.ts'
export type { CheckpointOptions, CheckpointProgress } from './checkpoint/options.ts'
export type {
  AbortedCheckpoint,
  CheckpointAttempt,
  CheckpointEvents,
  CompletedCheckpoint,
  FailedCheckpoint,
  ForeignCheckpoints,
  SubsumedCheckpoint,
} from './checkpoint/periodicevents.ts'
export type { PeriodicCheckpointOptions, TriggerOptions } from './checkpoint/periodicoptions.ts'
export type {
  RestoredCheckpoint,
  RestoreOptions,
  RestoreProgress,
  RestoreSummary,
} from './checkpoint/restore.ts'
export type { Clock } from './clock.ts'
export type {
  MigratedTimer,
  MigratingTimer,
  ServiceDefinition,
  StoredServiceSchemas,
  TimerHandler,
} from './definition.ts'
export { TidemarkError, type TidemarkErrorCode } from './errors.ts'
export type {
  ContextQueue,
  HandlerContext,
  KeySelection,
  TimerId,
  TimerInput,
} from './firing/handler.ts'
export type { StoreStats } from './log/stats.ts'
export type { Durability, EngineOptions, StoreOptions } from './options.ts'
export type { KeysSelection, ListSelection, Timer, TimerQueue, TimerService } from './service.ts'
export type { Snapshot, SnapshotFilter, SnapshotTimer } from './snapshot/snapshot.ts'
export type { Finding } from './snapshot/verify.ts'
export { TimerStore } from './store.ts'
export type { KeyGroupRange } from './timer/codec.ts'
export { keyGroupOf, keyGroupRange } from './timer/keygroup.ts'
