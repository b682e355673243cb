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
  const broken = known.find(
    ({ checkpoint, isWhole }) => version !== undefined && !isWhole && checkpoint.version >= version,
  )
  if (broken !== undefined) return broken.checkpoint.path
  throw new TidemarkError(
    'TIDEMARK_CHECKPOINT_NOT_FOUND',
    version === undefined
      ? `there is no checkpoint in ${directory}: check the path`
      : `no checkpoint in ${directory} covers version ${version}: covered are ${coveredBy(known)}`,
  )
}

/** In order, as they are listed. */
function chainsOf({ checkpoints }: CheckpointCatalog): Known[] {
  const chainOf = chainFinder(checkpoints)
  return checkpoints.map((checkpoint) => ({ checkpoint, ...chainOf(checkpoint) }))
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

/** The store of the newest checkpoint comes before the others, and of these the one that wrote last. */
function covering(known: readonly Known[], newest: Known | undefined, version: number): Known | undefined {
  const all = known.filter(
    ({ checkpoint, links, isWhole }) =>
      isWhole && links.at(-1)!.version <= version && checkpoint.version >= version,
  )
  for (const one of [newest, cutLast(all)]) {
    const found = nearest(
      all.filter(({ checkpoint }) => checkpoint.storeId === one?.checkpoint.storeId),
      version,
    )
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * Of one store's that reach a version, the one that does so with the least in the chain of the newest: what lies beside
 * that chain may be of a past that was given up. Where time and version name different chains, which is which is not clear.
 */
function nearest(known: readonly Known[], version: number): Known | undefined {
  const reaching = known.filter(({ checkpoint }) => checkpoint.version >= version)
  const found = leastOf(reaching, reaching.at(-1), version)
  const cut = leastOf(reaching, cutLast(reaching), version)
  if (found === undefined || cut === undefined || isOn(found, cut) || isOn(cut, found)) return found
  throw invalidArgument(
    `of which past version ${version} is meant is not clear: ${found.checkpoint.path} has the highest version of those ` +
      `that cover it, and ${cut.checkpoint.path} was taken later, so the store or its clock was put back in between: ` +
      'name the one to restore',
  )
}

/** The first checkpoint of a chain that reaches a version, with the last link of that checkpoint's version. */
function leastOf(known: readonly Known[], head: Known | undefined, version: number): Known | undefined {
  const least = head?.links.findLast((link) => link.version >= version)?.version
  const link = head?.links.find((one) => one.version === least)
  return known.find(({ checkpoint }) => checkpoint === link)
}

/** Whether a chain goes through the place in the log at which a checkpoint was cut. */
function isOn({ links }: Known, { checkpoint: { version, chain } }: Known): boolean {
  return links.some((link) => link.version === version && link.chain === chain)
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
