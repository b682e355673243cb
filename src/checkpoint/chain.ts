/**
 * A chain: a checkpoint and those that it builds on, the full one first. All are files of one directory.
 *
 * - Every link names the one before by id, version, log position and SHA-256; one that is missing or is another file is
 *   an error that names it, and what it is needed for.
 */
import path from 'node:path'
import { TidemarkError } from '../errors.ts'
import type { Files } from '../files.ts'
import { MAX_CHAIN_LINKS } from '../limits.ts'
import { baseFileName } from './cut.ts'
import { corruptCheckpoint } from './format.ts'
import { CheckpointReader } from './reader.ts'

/** Open readers of a chain, the full checkpoint first; whoever opened it closes it. */
export type CheckpointChain = readonly CheckpointReader[]

/**
 * Opens the chain of a checkpoint, and proves that its links are each other's.
 * Throws TIDEMARK_CHECKPOINT_NOT_FOUND, _CHECKPOINT_CORRUPT, _UNSUPPORTED_FORMAT.
 */
export async function openChain(checkpointPath: string, files?: Files): Promise<CheckpointChain> {
  const chain = [await CheckpointReader.open(checkpointPath, files)]
  try {
    while (chain[0]!.header.kind === 'incremental') {
      if (chain.length > MAX_CHAIN_LINKS)
        throw endless(checkpointPath, `it has more than ${MAX_CHAIN_LINKS} links`)
      const base = await openBase(chain[0]!, files)
      const isKnown = chain.some(({ header }) => header.checkpointId === base.header.checkpointId)
      chain.unshift(base)
      if (isKnown) throw endless(checkpointPath, 'it leads back to itself')
    }
    return chain
  } catch (error) {
    await closeChain(chain)
    throw error
  }
}

/** Closes all, whatever one's close says: what was read is verified already. */
export async function closeChain(chain: CheckpointChain): Promise<void> {
  await Promise.allSettled(chain.map((reader) => reader.close()))
}

/** Opens what an incremental checkpoint builds on, and proves that it is the very file. Throws as {@link openChain}. */
export async function openBase(reader: CheckpointReader, files?: Files): Promise<CheckpointReader> {
  const base = reader.header.base!
  const basePath = path.join(path.dirname(reader.path), baseFileName(base))
  const opened = await CheckpointReader.open(basePath, files).catch((error) => {
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

function endless(checkpointPath: string, problem: string): TidemarkError {
  return corruptCheckpoint(checkpointPath, 'its chain', problem)
}
