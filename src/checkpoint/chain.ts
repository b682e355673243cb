/**
 * A chain: a checkpoint and those that it builds on, the full one first. All are files of one directory.
 *
 * - Every link names the one before by id, version, log position and SHA-256; one that is missing or is another file is
 *   an error that names it, and what it is needed for.
 */
import fs from 'node:fs'
import path from 'node:path'
import { invalidArgument, TidemarkError } from '../errors.ts'
import { MAX_CHAIN_LINKS } from '../limits.ts'
import { listCheckpoints } from './catalog.ts'
import { baseFileName } from './cut.ts'
import { corruptCheckpoint } from './format.ts'
import { CheckpointReader } from './reader.ts'

/** Open readers of a chain, the full checkpoint first; whoever opened it closes it. */
export type CheckpointChain = readonly CheckpointReader[]

/**
 * Opens the chain of a checkpoint, and proves that its links are each other's.
 * Throws TIDEMARK_CHECKPOINT_NOT_FOUND, _CHECKPOINT_CORRUPT, _UNSUPPORTED_FORMAT.
 */
export async function openChain(checkpointPath: string): Promise<CheckpointChain> {
  const chain = [await CheckpointReader.open(checkpointPath)]
  try {
    while (chain[0]!.header.kind === 'incremental') {
      if (chain.length > MAX_CHAIN_LINKS) throw tooLong(checkpointPath)
      chain.unshift(await openBase(chain[0]!))
    }
    return chain
  } catch (error) {
    await closeChain(chain)
    throw error
  }
}

export async function closeChain(chain: CheckpointChain): Promise<void> {
  for (const reader of chain) await reader.close()
}

async function openBase(reader: CheckpointReader): Promise<CheckpointReader> {
  const base = reader.header.base!
  const basePath = path.join(path.dirname(reader.path), baseFileName(base))
  const opened = await CheckpointReader.open(basePath).catch((error) => {
    throw error.code === 'TIDEMARK_CHECKPOINT_NOT_FOUND' ? missing(basePath, reader.path, error) : error
  })
  const { header, sha256 } = opened
  const { storeId, maxParallelism, keyGroups } = reader.header
  const isTheOne =
    sha256 === base.sha256 &&
    header.checkpointId === base.checkpointId &&
    header.version === base.version &&
    header.chain === base.chain &&
    header.storeId === storeId &&
    header.maxParallelism === maxParallelism &&
    header.keyGroups.start === keyGroups.start &&
    header.keyGroups.end === keyGroups.end
  if (isTheOne) return opened
  await opened.close()
  throw corruptCheckpoint(basePath, 'the whole file', `it is not the one that ${reader.path} builds on`)
}

function missing(basePath: string, neededBy: string, cause: unknown): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CHECKPOINT_NOT_FOUND',
    `the checkpoint ${basePath} is missing, which ${neededBy} builds on: put it back beside it, or use another checkpoint`,
    { cause },
  )
}

function tooLong(checkpointPath: string): TidemarkError {
  return corruptCheckpoint(checkpointPath, 'its chain', `it has more than ${MAX_CHAIN_LINKS} links`)
}

/**
 * The file whose chain holds a version: of a directory, that of its newest checkpoint, or the first that reaches the
 * version; of a file, itself, or the first in its directory that builds on it and reaches the version.
 */
export async function fileWithVersion(place: string, version: number | undefined): Promise<string> {
  const stats = await fs.promises.stat(place).catch(() => undefined)
  if (stats?.isDirectory()) return fileInDirectory(place, version)
  if (version === undefined || stats === undefined) return place
  const reader = await CheckpointReader.open(place)
  const { header } = reader
  await reader.close()
  if (version <= header.version) return place
  const { checkpoints } = await listCheckpoints(path.dirname(place))
  const onIt = new Set([header.checkpointId])
  for (const { id, base, version: reached, path: file } of checkpoints) {
    if (base === undefined || !onIt.has(base.checkpointId)) continue
    if (reached >= version) return file
    onIt.add(id)
  }
  throw invalidArgument(
    `version ${version} is behind ${place}, which has version ${header.version}, and no checkpoint that builds on it reaches it`,
  )
}

async function fileInDirectory(directory: string, version: number | undefined): Promise<string> {
  const { checkpoints } = await listCheckpoints(directory)
  const found =
    version === undefined
      ? checkpoints.at(-1)
      : checkpoints.find((checkpoint) => checkpoint.version >= version)
  if (found !== undefined) return found.path
  throw new TidemarkError(
    'TIDEMARK_CHECKPOINT_NOT_FOUND',
    version === undefined
      ? `there is no checkpoint in ${directory}: check the path`
      : `no checkpoint in ${directory} reaches version ${version}: the newest has ${checkpoints.at(-1)?.version ?? 'none'}`,
  )
}
