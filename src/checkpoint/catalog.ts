/**
 * The checkpoints of a directory, as their files tell it: what each is, and what builds on what.
 *
 * - Of each file only its first bytes, header and footer are read: no index, no block, no log.
 * - A file that cannot be read hides no other.
 * - What is written at the same time by others may be there or not; a file that goes meanwhile was not there.
 */
import { basename, join } from 'node:path'
import { TidemarkError } from '../errors.ts'
import { type Files, systemFiles } from '../files.ts'
import { MAX_CHAIN_LINKS } from '../limits.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import { baseFileName, type CheckpointBase, type CheckpointKind, checkpointFileName } from './cut.ts'
import { openCheckpointFile } from './openfile.ts'
import { readHeader } from './reader.ts'

/** A checkpoint's file, as it tells of itself. */
export interface CheckpointInfo {
  path: string
  kind: CheckpointKind
  id: string
  storeId: string
  /** It holds what was made before this version. */
  version: number
  /** Checksum of the newest log entry before the version. */
  chain: number
  /** The checkpoint that an incremental one builds on: a file beside it. */
  base?: CheckpointBase
  maxParallelism: number
  /** The key groups that its store takes, both ends included. */
  keyGroups: KeyGroupRange
  /** When it was cut, by its store's clock; of one version each is later than the one before, by a millisecond at least. */
  createdMs: number
  /** How long calls were held up by the cut. */
  pauseMs: number
  /** How long writing took. */
  durationMs: number
  /** Timers that stand at its version, whether in this file or in those that it builds on. */
  timers: number
  /** Length of this file. */
  bytes: number
  /** SHA-256 of the file as its footer tells it, in hexadecimal digits. */
  sha256: string
  /** What the caller stored in it. */
  metadata?: unknown
}

export interface CheckpointCatalog {
  /** Oldest first: by version, then by when they were cut, and what builds on another behind it. Of all stores. */
  checkpoints: CheckpointInfo[]
  /** Files that are named as checkpoints and are none that can be read, and why. */
  unreadable: { path: string; error: TidemarkError }[]
  /** Files that are being written, or that were when their process died. */
  temporary: string[]
}

const SUFFIX = '.tidemark'

/**
 * Looks through a directory: cheap, whatever the size of its checkpoints.
 * Rejects with TIDEMARK_CHECKPOINT_NOT_FOUND where there is no directory that can be read.
 */
export function listCheckpoints(directory: string): Promise<CheckpointCatalog> {
  return listFiles(directory, systemFiles)
}

/** As {@link listCheckpoints}, wherever the files are. */
export async function listFiles(directory: string, files: Files): Promise<CheckpointCatalog> {
  const names = await files.readdir(directory).catch((cause) => {
    const message = `there are no checkpoints in ${directory} (${cause.message}): check the path`
    throw new TidemarkError('TIDEMARK_CHECKPOINT_NOT_FOUND', message, { cause })
  })
  const catalog: CheckpointCatalog = { checkpoints: [], unreadable: [], temporary: [] }
  for (const name of names.sort()) {
    const path = join(directory, name)
    if (isTemporaryName(name)) catalog.temporary.push(path)
    if (!name.endsWith(SUFFIX)) continue
    try {
      catalog.checkpoints.push(await readCheckpointInfo(path, files))
    } catch (cause) {
      const error = cause instanceof TidemarkError ? cause : unreadable(path, cause as Error)
      if (!isGone(error)) catalog.unreadable.push({ path, error })
    }
  }
  catalog.checkpoints = inOrder(catalog.checkpoints)
  return catalog
}

/** What one file tells. Throws TIDEMARK_CHECKPOINT_NOT_FOUND, _CHECKPOINT_CORRUPT or _UNSUPPORTED_FORMAT. */
export async function readCheckpointInfo(path: string, files?: Files): Promise<CheckpointInfo> {
  const opened = await openCheckpointFile(path, files)
  try {
    const { checkpointId: id, ...header } = await readHeader(opened)
    const { kind, storeId, version, chain, base, maxParallelism, keyGroups, createdMs, pauseMs, metadata } =
      header
    const { durationMs, timers, fileLength: bytes, sha256 } = opened.footer
    return {
      path,
      kind,
      id,
      storeId,
      version,
      chain,
      ...(base === undefined ? {} : { base }),
      maxParallelism,
      keyGroups,
      createdMs,
      pauseMs,
      durationMs,
      timers,
      bytes,
      sha256: sha256.toString('hex'),
      ...(metadata === undefined ? {} : { metadata }),
    }
  } finally {
    await opened.file.close()
  }
}

/** By version; of one version by when they were cut, but what builds on another behind it, whatever the clock said. */
function inOrder(checkpoints: readonly CheckpointInfo[]): CheckpointInfo[] {
  const chainOf = chainFinder(checkpoints)
  const ofVersion = new Map<number, number>()
  for (const { version } of checkpoints) ofVersion.set(version, (ofVersion.get(version) ?? 0) + 1)
  const placed = checkpoints.map((one) => {
    if (ofVersion.get(one.version) === 1) return { one, latestMs: one.createdMs, links: 0 }
    const same = chainOf(one).links.filter(({ version }) => version === one.version)
    return { one, latestMs: Math.max(...same.map(({ createdMs }) => createdMs)), links: same.length }
  })
  placed.sort((a, b) => a.one.version - b.one.version || a.latestMs - b.latestMs || a.links - b.links)
  return placed.map(({ one }) => one)
}

/** Whether a checkpoint's file has the name by which others build on it: somebody may have given it another. */
export function hasOwnName({ path, kind, version, id }: CheckpointInfo): boolean {
  return basename(path) === checkpointFileName({ kind, version, checkpointId: id })
}

function isTemporaryName(name: string): boolean {
  return name.endsWith('.tmp') && name.includes(SUFFIX)
}

function unreadable(path: string, cause: Error): TidemarkError {
  const message = `the checkpoint ${path} could not be read (${cause.message}): see to the disk, or use another one`
  return new TidemarkError('TIDEMARK_CHECKPOINT_NOT_FOUND', message, { cause })
}

/** Whether a file went after the directory was read: retention does that. */
function isGone({ cause }: TidemarkError): boolean {
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
}

// chains

/** A checkpoint and what it builds on, as far as it is there. */
export interface KnownChain {
  /** From the checkpoint itself down. */
  links: CheckpointInfo[]
  /** Whether the last link builds on nothing: then all that restoring needs is there. */
  isWhole: boolean
}

/** Finds what each checkpoint builds on, as a restore would: by name, beside it, and the very file. */
export function chainFinder(checkpoints: readonly CheckpointInfo[]): (of: CheckpointInfo) => KnownChain {
  const byName = new Map(checkpoints.map((checkpoint) => [basename(checkpoint.path), checkpoint]))
  const find = (base: CheckpointBase) => {
    const found = byName.get(baseFileName(base))
    return found?.id === base.checkpointId && found.sha256 === base.sha256 ? found : undefined
  }
  // Looked for once: a directory may have thousands, each with a long chain.
  const bases = new Map<CheckpointInfo, CheckpointInfo | undefined>()
  const baseOf = (link: CheckpointInfo) => {
    if (!bases.has(link)) bases.set(link, find(link.base!))
    return bases.get(link)
  }
  return (of) => {
    const links = new Set([of])
    for (let link = of; link.base !== undefined; ) {
      const base = baseOf(link)
      if (base === undefined || links.has(base) || links.size > MAX_CHAIN_LINKS)
        return { links: [...links], isWhole: false }
      links.add(base)
      link = base
    }
    return { links: [...links], isWhole: true }
  }
}
