/**
 * Which checkpoint is meant: by a directory, by a file, and by a version that either of them covers.
 *
 * - A directory stands for its newest checkpoint: of the store that wrote there last, the one of the highest version.
 *   One that is newer and cannot be read is an error, not a reason to take what is older; and so it is where time and
 *   version say different things: the highest version may be of a past that was given up.
 * - A version is covered by the chains that begin at it or before and end at it or behind; what lies beside them,
 *   savepoints or other chains, does not matter.
 */
import path from 'node:path'
import { invalidArgument, TidemarkError } from '../errors.ts'
import { type Files, systemFiles } from '../files.ts'
import { type CheckpointCatalog, type CheckpointInfo, chainFinder, listFiles } from './catalog.ts'
import { versionInFileName } from './cut.ts'
import { notFound } from './openfile.ts'
import { CheckpointReader } from './reader.ts'

/** A checkpoint, and the links of its chain that are there. */
interface Known {
  checkpoint: CheckpointInfo
  links: readonly CheckpointInfo[]
  isWhole: boolean
}

/**
 * The file whose chain holds a version: of a directory, that of its newest checkpoint, or one whose chain covers the
 * version; of a file, itself, or one in its directory that builds on it and reaches the version.
 */
export async function fileWithVersion(
  place: string,
  version: number | undefined,
  files: Files = systemFiles,
): Promise<string> {
  const stats = await files.stat(place).catch((cause) => Promise.reject(notFound(place, cause)))
  if (stats.isDirectory()) return fileInDirectory(place, version, files)
  if (version === undefined) return place
  const reader = await CheckpointReader.open(place, files)
  const { header } = reader
  await reader.close()
  if (version <= header.version) return place
  const known = chainsOf(await listFiles(path.dirname(place), files))
  const onIt = known.filter(({ links }) => links.some(({ id }) => id === header.checkpointId))
  const found = nearest(onIt, version)
  if (found !== undefined) return found.checkpoint.path
  throw invalidArgument(
    `version ${version} is behind ${place}, which has version ${header.version}, ` +
      'and no checkpoint that builds on it reaches it',
  )
}

async function fileInDirectory(
  directory: string,
  version: number | undefined,
  files: Files,
): Promise<string> {
  const catalog = await listFiles(directory, files)
  const known = chainsOf(catalog)
  const newest = newestOf(known)
  const found = version === undefined ? newest : covering(known, newest, version)
  if (version === undefined && newest !== undefined) refuseUnclear(known, newest)
  const least = version ?? newest?.checkpoint.version ?? 0
  const unreadable = catalog.unreadable.find((file) => (versionInFileName(file.path) ?? 0) >= least)
  if (unreadable !== undefined && (version === undefined || found === undefined)) throw unreadable.error
  if (found !== undefined) return found.checkpoint.path
  // A chain of which a part is missing: opening it will say which.
  const broken =
    version === undefined
      ? undefined
      : nearest(
          known.filter(({ isWhole }) => !isWhole),
          version,
        )
  if (broken !== undefined) return broken.checkpoint.path
  throw new TidemarkError(
    'TIDEMARK_CHECKPOINT_NOT_FOUND',
    version === undefined
      ? `there is no checkpoint in ${directory}: check the path`
      : `no checkpoint in ${directory} covers version ${version}: covered are ${coveredBy(known)}`,
  )
}

/** In order of version; of one version, what builds on another behind it. */
function chainsOf({ checkpoints }: CheckpointCatalog): Known[] {
  const chainOf = chainFinder(checkpoints)
  return checkpoints
    .map((checkpoint) => ({ checkpoint, ...chainOf(checkpoint) }))
    .sort(
      (a, b) =>
        a.checkpoint.version - b.checkpoint.version ||
        a.checkpoint.createdMs - b.checkpoint.createdMs ||
        a.links.length - b.links.length,
    )
}

/** Versions of different stores say nothing about each other: of several, the one counts that wrote last. */
function newestOf(known: readonly Known[]): Known | undefined {
  const last = cutLast(known)
  return known.findLast(({ checkpoint }) => checkpoint.storeId === last?.checkpoint.storeId)
}

function cutLast(known: readonly Known[]): Known | undefined {
  const latestMs = known.reduce((latest, { checkpoint }) => Math.max(latest, checkpoint.createdMs), -Infinity)
  return known.findLast(({ checkpoint }) => checkpoint.createdMs === latestMs)
}

/** A store whose directory was put back goes on from a lower version: what it had before is no longer its newest. */
function refuseUnclear(known: readonly Known[], { checkpoint: newest }: Known): void {
  const { checkpoint: last } = cutLast(known)!
  if (last.version === newest.version) return
  throw invalidArgument(
    `which checkpoint is the newest is not clear: ${newest.path} has the highest version, and ${last.path} ` +
      'was taken later, so the store or its clock was put back in between: name the one to restore',
  )
}

/** The store of the newest checkpoint comes before the others. */
function covering(known: readonly Known[], newest: Known | undefined, version: number): Known | undefined {
  const all = known.filter(({ links, isWhole }) => isWhole && links.at(-1)!.version <= version)
  const { storeId } = newest?.checkpoint ?? {}
  return (
    nearest(
      all.filter(({ checkpoint }) => checkpoint.storeId === storeId),
      version,
    ) ?? nearest(all, version)
  )
}

/** The last of those that reach a version with the least. */
function nearest(known: readonly Known[], version: number): Known | undefined {
  const first = known.find(({ checkpoint }) => checkpoint.version >= version)?.checkpoint.version
  return known.findLast(({ checkpoint }) => checkpoint.version === first)
}

/** The versions that whole chains cover, as text. */
function coveredBy(known: readonly Known[]): string {
  const ranges: { from: number; to: number }[] = []
  const whole = known.filter(({ isWhole }) => isWhole)
  const all = whole.map(({ checkpoint, links }) => ({ from: links.at(-1)!.version, to: checkpoint.version }))
  for (const { from, to } of all.sort((a, b) => a.from - b.from)) {
    const last = ranges.at(-1)
    if (last === undefined || from > last.to + 1) ranges.push({ from, to })
    else last.to = Math.max(last.to, to)
  }
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`)).join(', ') || 'none'
}
