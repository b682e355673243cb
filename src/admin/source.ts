/**
 * One view of a checkpoint's file or a store's directory, for every verb: what it is, and its timers in order of identity.
 *
 * - A file is read and never written. A store that is open somewhere is not touched; one that is not, is open, and
 *   locked, until the source is closed. A directory that is no store stays as it is.
 * - Once the timers of an incremental checkpoint are asked for, it is restored, by what it builds on, into a temporary
 *   store, which goes when the source is closed. What its file alone tells costs nothing of that.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { PlacedBlock } from '../checkpoint/blockindex.ts'
import type { BlockStream } from '../checkpoint/blockstream.ts'
import type { CheckpointHeader } from '../checkpoint/header.ts'
import { MARKER_FILE } from '../engine/directory.ts'
import { invalidArgument, TidemarkError } from '../errors.ts'
import type { CutService } from '../snapshot/cut.ts'
import type { VisibleChunk } from '../snapshot/walk.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import type { TimeDomain } from '../timer/identity.ts'
import type { Terminal } from './terminal.ts'

/**
 * Which timers are wanted. It spares reading, and is no filter: chunks have what is wanted, and may have more. What is
 * left out is not narrowed.
 */
export interface TimerRange {
  serviceIds?: readonly number[]
  domain?: TimeDomain
  keyGroups?: readonly KeyGroupRange[]
  /** Timestamps, both ends included. */
  from?: number
  to?: number
}

/** What is known of a checkpoint's file beside its timers. */
export interface CheckpointFacts {
  header: CheckpointHeader
  /** Length of the file. */
  bytes: number
  durationMs: number
  sha256: string
  /** Its index; empty for an incremental checkpoint. */
  index: readonly PlacedBlock[]
  /** Some of its blocks, one by one; an incremental checkpoint has none. */
  stream(isWanted: (block: PlacedBlock) => boolean): BlockStream
  /** The timestamps of some of its blocks; an incremental checkpoint has none. */
  timestamps(
    isWanted: (block: PlacedBlock) => boolean,
  ): AsyncIterable<{ block: PlacedBlock; timestamps: Float64Array }>
}

/** What is known of a store beside its timers. */
export interface StoreFacts {
  formatVersion: number
  retired: number
  /** The kept log; bytes as characters of its entries. */
  log: { entries: number; bytes: number }
}

export interface Source {
  readonly kind: 'checkpoint' | 'store'
  /** As it was given. */
  readonly path: string
  readonly storeId: string
  /** It holds what was made before this version. */
  readonly version: number
  readonly maxParallelism: number
  /** The key groups that the store takes, both ends included. */
  readonly keyGroups: KeyGroupRange
  /** Counts, set hashes and watermarks as they are at the version. */
  readonly services: readonly CutService[]
  /** How many timers there are. */
  readonly count: number
  readonly checkpoint?: CheckpointFacts
  readonly store?: StoreFacts
  /** Timers in order of identity, each once, many at a time; every checksum is verified. */
  timers(range?: TimerRange): AsyncIterable<VisibleChunk>
  close(): Promise<void>
}

/**
 * Opens a checkpoint's file or a store's directory. Throws TIDEMARK_INVALID_ARGUMENT and _CHECKPOINT_NOT_FOUND for a path
 * that is neither, TIDEMARK_LOCKED, _CORRUPT, _CHECKPOINT_CORRUPT, _UNSUPPORTED_FORMAT.
 */
export async function openSource(place: string, terminal: Terminal): Promise<Source> {
  if (await isDirectory(place)) {
    const { openStoreSource } = await import('./storesource.ts')
    return openStoreSource(place)
  }
  const { openCheckpointSource } = await import('./checkpointsource.ts')
  return openCheckpointSource(place, terminal)
}

async function isDirectory(place: string): Promise<boolean> {
  const stats = await fs.promises.stat(place).catch((cause) => {
    const message = `there is nothing at ${place} that can be read (${cause.message}): check the path`
    throw new TidemarkError('TIDEMARK_CHECKPOINT_NOT_FOUND', message, { cause })
  })
  if (!stats.isDirectory()) return false
  const names = await fs.promises.readdir(place)
  if (names.includes(MARKER_FILE)) return true
  const newest = names
    .filter((name) => name.endsWith('.tidemark'))
    .sort()
    .at(-1)
  if (newest === undefined)
    throw invalidArgument(`${place} is a directory, and no Tidemark store: check the path`)
  throw invalidArgument(
    `${place} is a directory of checkpoints, and no store: give one of its files, such as ` +
      `${path.join(place, newest)}, or see tidemark checkpoints ${place}`,
  )
}
