/**
 * Which checkpoint files go, and in which order: a pure plan, and the hand that carries it out.
 *
 * - The newest checkpoints of this store stay, as many as are to be retained, with all that they build on. So do
 *   savepoints, files that were given another name, and those of other stores or of another past, with all that they
 *   build on.
 * - A checkpoint goes before the one that it builds on, on disk too: whenever the process dies, each file that is left
 *   has all that it builds on.
 * - A file of a checkpoint that is under way is never touched. What a file that cannot be read just now may build on
 *   stays until it can be.
 */
import { basename } from 'node:path'
import { TidemarkError } from '../errors.ts'
import { type Files, syncDirectory } from '../files.ts'
import { reached } from '../steps.ts'
import { type CheckpointCatalog, type CheckpointInfo, chainFinder, hasOwnName } from './catalog.ts'
import { temporarySuffix, versionInFileName } from './cut.ts'

/** Whose checkpoints are meant. */
export interface CheckpointOwner {
  storeId: string
  /** The version that a checkpoint would have now: those above it are of another past, its directory was put back. */
  version: number
  /** Whether one of this store is known to be of another past, though its version has been passed since. */
  isOfOtherPast?(id: string): boolean
}

/** Whether a checkpoint is one of a store's own past. */
export function isOwn(checkpoint: CheckpointInfo, owner: CheckpointOwner): boolean {
  if (checkpoint.storeId !== owner.storeId || checkpoint.version > owner.version) return false
  return owner.isOfOtherPast?.(checkpoint.id) !== true
}

/** The newest checkpoint that a restore finds whole, savepoints too. `checkpoints`: oldest first. */
export function latestWhole(checkpoints: readonly CheckpointInfo[]): CheckpointInfo | undefined {
  const chainOf = chainFinder(checkpoints)
  return checkpoints.findLast((checkpoint) => chainOf(checkpoint).isWhole)
}

/**
 * The files that go, in the order in which they go. `checkpoints`: all of the directory, oldest first; `bases`: ids of
 * those that checkpoints under way build on.
 */
export function planRetention(
  checkpoints: readonly CheckpointInfo[],
  owner: CheckpointOwner,
  retain: number,
  bases: ReadonlySet<string | undefined>,
): CheckpointInfo[] {
  const chainOf = chainFinder(checkpoints)
  const isRemovable = (one: CheckpointInfo) =>
    one.kind !== 'savepoint' && isOwn(one, owner) && hasOwnName(one)
  const candidates = checkpoints.filter(isRemovable)
  const retained = new Set(candidates.filter((one) => chainOf(one).isWhole).slice(-retain))
  const [oldest] = retained
  // A newer one of which a part is missing counts for nothing, but somebody may put that part back.
  const isBroken = (one: CheckpointInfo) => one.version >= (oldest?.version ?? 0) && !chainOf(one).isWhole
  const stays = (one: CheckpointInfo) =>
    !isRemovable(one) || retained.has(one) || bases.has(one.id) || isBroken(one)
  const kept = new Set(checkpoints.filter(stays).flatMap((one) => chainOf(one).links))
  const removed = candidates.filter((candidate) => !kept.has(candidate))
  const links = new Map(removed.map((one) => [one, chainOf(one).links.length]))
  return removed.sort((a, b) => b.version - a.version || links.get(b)! - links.get(a)!)
}

/** What of a plan goes now: nothing that a file may build on which is there and could not be read. */
export function holdBack(
  plan: readonly CheckpointInfo[],
  unreadable: CheckpointCatalog['unreadable'],
): { removed: CheckpointInfo[]; heldBy: CheckpointCatalog['unreadable'][number] | undefined } {
  let removed = [...plan]
  let heldBy: CheckpointCatalog['unreadable'][number] | undefined
  for (const file of unreadable) {
    // One that is damaged builds on nothing any more; one that a newer Tidemark wrote may.
    if (file.error.code === 'TIDEMARK_CHECKPOINT_CORRUPT') continue
    const version = versionInFileName(file.path) ?? Number.POSITIVE_INFINITY
    const others = removed.filter((one) => one.version > version)
    if (others.length < removed.length) heldBy ??= file
    removed = others
  }
  return { removed, heldBy }
}

/** Temporary files that dead runs of a store have left; `underWay` has the ids of those being written. */
export function leftovers(
  temporary: readonly string[],
  { storeId }: CheckpointOwner,
  underWay: ReadonlyMap<string, unknown>,
): string[] {
  const suffix = temporarySuffix(storeId)
  const isLive = (path: string) =>
    [...underWay.keys()].some((id) => basename(path).includes(`-${id.slice(0, 8)}.`))
  return temporary.filter((path) => path.endsWith(suffix) && !isLive(path))
}

/** Removes files in their order, each on disk before the next, and tells of each. Rejects with TIDEMARK_FAILED. */
export async function removeFiles<T extends { path: string }>(
  files: Files,
  directory: string,
  removed: readonly T[],
  onRemoved: (file: T) => void = () => {},
): Promise<void> {
  for (const file of removed) {
    try {
      reached('retention.beforeRemove')
      await files.rm(file.path, { force: true })
      reached('retention.afterRemove')
      await syncDirectory(files, directory)
      reached('retention.afterSync')
    } catch (cause) {
      const message = `${file.path} could not be removed (${(cause as Error).message}): see to it, or remove it`
      throw new TidemarkError('TIDEMARK_FAILED', message, { cause })
    }
    onRemoved(file)
  }
}
