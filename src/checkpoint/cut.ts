/**
 * The cut: what a checkpoint is told about the store at its version, by the thread that decides the commits. Everything
 * else it reads from the engine, and proves against these counts and set hashes.
 */
import type { CutService } from '../snapshot/cut.ts'
import type { KeyGroupRange } from '../timer/codec.ts'

export type { CutQueue, CutService } from '../snapshot/cut.ts'

export interface CheckpointCut {
  storeId: string
  /** A UUID. */
  checkpointId: string
  /** The version of the snapshot that the checkpoint writes. */
  version: number
  createdMs: number
  maxParallelism: number
  /** The key groups that the store takes, both ends included; left out: all. */
  keyGroups?: KeyGroupRange
  /** The caller's own JSON text, kept as it is. */
  metadata?: string
  services: CutService[]
}

/** What was written. */
export interface WrittenCheckpoint {
  path: string
  bytes: number
  timers: number
}

/** Sorts by version; the id tells checkpoints of one version, and of other stores, apart. */
export function checkpointFileName(cut: Pick<CheckpointCut, 'version' | 'checkpointId'>): string {
  return `checkpoint-${String(cut.version).padStart(12, '0')}-${cut.checkpointId.slice(0, 8)}.tidemark`
}

/** The name that the file has until it is whole and verified. */
export function temporaryFileName(cut: CheckpointCut): string {
  return `${checkpointFileName(cut)}.tmp`
}

export function totalTimers(services: readonly CutService[]): number {
  return services.reduce(
    (sum, { eventTime, processingTime }) => sum + eventTime.count + processingTime.count,
    0,
  )
}
