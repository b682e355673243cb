/**
 * What the next incremental checkpoint in a directory may build on: the newest chain there of this store and this log.
 *
 * - Deciding is pure. A base must still be reached by the log, and its chain be whole, short, and smaller than what it
 *   saves.
 * - What was written is remembered; what others wrote before the store was opened is found by looking. A file is looked
 *   at again each time, for somebody may have taken it away, or changed it: then nothing builds on it any more.
 */

import path from 'node:path'
import { type Files, systemFiles } from '../files.ts'
import { MIN_OUTGROWN_BYTES } from '../limits.ts'
import { type CheckpointInfo, chainFinder, hasOwnName, listFiles } from './catalog.ts'
import type { CheckpointBase } from './cut.ts'

/** A checkpoint, and what its file looked like when it was first seen. */
export type Link = Pick<CheckpointInfo, 'path' | 'id' | 'version' | 'chain' | 'sha256' | 'bytes'> & {
  seen: string | undefined
}

/** A checkpoint and those that it builds on, newest first. */
export type Lineage = readonly Link[]

export interface BaseLimits {
  /** Version of the checkpoint that is to build on it. */
  version: number
  oldestLogVersion: number
  /** Whether the log since the newest one has outgrown what is worth keeping. */
  isOutgrown: boolean
  maxLinks: number
}

/** The base of the next incremental checkpoint; undefined: it must be full. */
export function baseOf(
  lineage: Lineage,
  { version: next, oldestLogVersion, isOutgrown, maxLinks }: BaseLimits,
): CheckpointBase | undefined {
  const newest = lineage[0]
  if (newest === undefined || newest.version < oldestLogVersion || isOutgrown) return undefined
  // One that was cut later may have ended before this one looked.
  if (newest.version > next || lineage.length > maxLinks) return undefined
  if (incrementalBytes(lineage) > Math.max(lineage.at(-1)!.bytes, MIN_OUTGROWN_BYTES)) return undefined
  const { id: checkpointId, version, chain, sha256 } = newest
  return { checkpointId, version, chain, sha256 }
}

/** How much log, in characters, is worth keeping for the next one: what it compresses to is about a third. */
export function worthwhileLogCharacters(lineage: Lineage): number {
  const left = Math.max(lineage.at(-1)!.bytes, MIN_OUTGROWN_BYTES) - incrementalBytes(lineage)
  return 3 * Math.max(left, 0)
}

function incrementalBytes(lineage: Lineage): number {
  return lineage.slice(0, -1).reduce((sum, { bytes }) => sum + bytes, 0)
}

/** The lineages of directories. */
export class Lineages {
  readonly #storeId: string
  readonly #files: Files
  readonly #byDirectory = new Map<string, Lineage>()
  /** Files that are not what they were. */
  readonly #changed = new Set<string>()

  constructor(storeId: string, files: Files = systemFiles) {
    this.#storeId = storeId
    this.#files = files
  }

  /** That of a directory, its files being there. `isOurs` tells whether a checkpoint found there is of this very log. */
  async of(directory: string, isOurs: (checkpoint: CheckpointInfo) => boolean): Promise<Lineage> {
    const known = this.#byDirectory.get(path.resolve(directory))
    if (known !== undefined && (await this.#areUnchanged(known))) return known
    const found = await this.#find(directory, isOurs)
    this.#byDirectory.set(path.resolve(directory), found)
    return found
  }

  /** Notes a checkpoint that was completed; `base` is what it builds on. */
  completed(directory: string, checkpoint: Link, base: CheckpointBase | undefined): Lineage {
    const place = path.resolve(directory)
    const before = this.#byDirectory.get(place) ?? []
    const at = before.findIndex(({ id }) => id === base?.checkpointId)
    // One that ended late must not take the place of a newer one, nor of what has taken its base's.
    if (checkpoint.version < (before[0]?.version ?? 0) || (base !== undefined && at < 0)) return before
    const lineage = base === undefined ? [checkpoint] : [checkpoint, ...before.slice(at)]
    this.#byDirectory.set(place, lineage)
    return lineage
  }

  async #find(directory: string, isOurs: (checkpoint: CheckpointInfo) => boolean): Promise<Lineage> {
    // Where there is no directory yet, there is nothing in it; where it cannot be read, writing will tell.
    const catalog = await listFiles(directory, this.#files).catch(() => undefined)
    const candidates = (catalog?.checkpoints ?? []).filter(
      (checkpoint) =>
        checkpoint.storeId === this.#storeId && checkpoint.kind !== 'savepoint' && hasOwnName(checkpoint),
    )
    const chainOf = chainFinder(candidates)
    for (const checkpoint of candidates.reverse()) {
      const { links, isWhole } = chainOf(checkpoint)
      const isUnchanged = !links.some((link) => this.#changed.has(link.path))
      if (!isWhole || !isUnchanged || !isOurs(checkpoint)) continue
      const seen = await Promise.all(links.map((link) => lookAt(link.path, this.#files)))
      return links.map((link, i) => ({ ...link, seen: seen[i] }))
    }
    return []
  }

  async #areUnchanged(lineage: Lineage): Promise<boolean> {
    const found = await Promise.all(lineage.map((link) => lookAt(link.path, this.#files)))
    const changed = lineage.filter(({ seen }, i) => seen === undefined || found[i] !== seen)
    for (const { path: file } of changed) this.#changed.add(file)
    return lineage.length > 0 && changed.length === 0
  }
}

/** What tells that a file is still the one that it was: length, last change, inode; undefined where there is none. */
export async function lookAt(file: string, files: Files = systemFiles): Promise<string | undefined> {
  const stats = await files.stat(file).catch(() => undefined)
  return stats === undefined ? undefined : `${stats.size} ${stats.mtimeMs} ${stats.ino}`
}
