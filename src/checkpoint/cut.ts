/**
 * The cut: what a checkpoint is told about the store at its version, by the thread that decides the commits. Everything
 * else it reads from the engine, and proves against these counts and set hashes.
 */
import { crc32 } from 'node:zlib'
import type { CutService } from '../snapshot/cut.ts'
import type { KeyGroupRange } from '../timer/codec.ts'

export type { CutQueue, CutService } from '../snapshot/cut.ts'

/** What a checkpoint is: an incremental one needs those that it builds on; a savepoint is a full one that stays. */
export type CheckpointKind = 'full' | 'incremental' | 'savepoint'

/** The checkpoint that an incremental one builds on: a file in the same directory. */
export interface CheckpointBase {
  checkpointId: string
  version: number
  /** Checksum of the newest log entry before its version. */
  chain: number
  /** SHA-256 of its file, as that file's footer tells it: 64 hexadecimal digits. */
  sha256: string
}

export interface CheckpointCut {
  kind: CheckpointKind
  /** What an incremental one builds on. */
  base?: CheckpointBase
  storeId: string
  /** A UUID. */
  checkpointId: string
  /** The version of the snapshot that the checkpoint writes. */
  version: number
  createdMs: number
  /** How long calls were held up by the cut. */
  pauseMs: number
  /** Checksum of the newest log entry before the version; 0: there is none. */
  chain: number
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
  /** How many timers stand at its version. */
  timers: number
  /** SHA-256 as the footer tells it. */
  sha256: string
}

/** Sorts by version; the id tells checkpoints of one version, and of other stores, apart. */
export function checkpointFileName({
  kind,
  version,
  checkpointId,
}: Pick<CheckpointCut, 'kind' | 'version' | 'checkpointId'>): string {
  const stem = kind === 'savepoint' ? 'savepoint' : 'checkpoint'
  return `${stem}-${String(version).padStart(12, '0')}-${checkpointId.slice(0, 8)}.tidemark`
}

/** The version that a file's name tells of; undefined where it is named otherwise. */
export function versionInFileName(file: string): number | undefined {
  const match = /(?:^|\/)(?:checkpoint|savepoint)-(\d{12,16})-[0-9a-f]{8}\.tidemark$/.exec(file)
  return match === null ? undefined : Number(match[1])
}

/** The file that an incremental checkpoint builds on, beside its own: never a path that the file itself could choose. */
export function baseFileName({ version, checkpointId }: CheckpointBase): string {
  return checkpointFileName({ kind: 'full', version, checkpointId })
}

/** The name that the file has until it is whole and verified: it tells the writers of one directory apart. */
export function temporaryFileName(cut: CheckpointCut): string {
  return `${checkpointFileName(cut)}${temporarySuffix(cut.storeId)}`
}

/** How the names of all temporary files of a store end. */
export function temporarySuffix(storeId: string): string {
  return `.${crc32(storeId).toString(16).padStart(8, '0')}.tmp`
}

export function totalTimers(services: readonly CutService[]): number {
  return services.reduce(
    (sum, { eventTime, processingTime }) => sum + eventTime.count + processingTime.count,
    0,
  )
}
