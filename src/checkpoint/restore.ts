/**
 * Makes a new store of a checkpoint, or of several that are its parts: all of it, or the timers of a range of key groups.
 *
 * - The checkpoint is verified first. The store is built in a directory beside its place, and moved there when it is whole
 *   and on disk: whatever happens before, there is no store, and what a dead process left beside it is in nobody's way.
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { type EnginePlatform, systemEngine } from '../engine/open.ts'
import { invalidArgument, requireObject, TidemarkError } from '../errors.ts'
import { ensureDirectory, type Files, syncDirectory } from '../files.ts'
import { reached } from '../steps.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import type { CheckpointChain } from './chain.ts'
import { type Rehearsed, rehearse } from './rehearsal.ts'
import { closeSources, openSources, planSources, type RestoreSource } from './restoresource.ts'
import { type RestoreProgress, StoreBuilder } from './storebuilder.ts'
import { throwIfAborted } from './watch.ts'

export type { RestoreProgress } from './storebuilder.ts'

export interface RestoreOptions {
  /** Restores only the timers of these key groups, both ends included. */
  keyGroups?: KeyGroupRange
  /**
   * Restores what stood before this version. Of a file: any from that of the full checkpoint to that of the newest one
   * which builds on it in its directory; of a directory: any that one of its chains covers. Default: the version of the
   * checkpoint. For one source only.
   */
  version?: number
  /** Aborts it: the call rejects with TIDEMARK_CHECKPOINT_ABORTED, and there is no new store. */
  signal?: AbortSignal
  /** Called now and then, at most ten times a second. */
  onProgress?(progress: RestoreProgress): void
}

/** A checkpoint that was restored, or the newest one that is not newer than the version asked for. */
export interface RestoredCheckpoint {
  /** The checkpoint's id. */
  id: string
  path: string
  version: number
  /** The id of the store that the checkpoint was taken of; the new store has an id of its own. */
  storeId: string
  /** What was given as metadata when the checkpoint was taken. */
  metadata?: unknown
}

/** Of several checkpoints, `id`, `path`, `storeId` and `metadata` are the first one's. */
export interface RestoreSummary extends RestoredCheckpoint {
  /** The version that the new store's next commit will have. */
  version: number
  timers: number
  /** Length of the files that were restored. */
  bytes: number
  /** The key groups that the new store takes, both ends included. */
  keyGroups: KeyGroupRange
  /** Names of the services. */
  services: string[]
  /** One for each source, in the order in which they were given. */
  checkpoints: RestoredCheckpoint[]
  durationMs: number
}

const KNOWN = new Set(['keyGroups', 'version', 'signal', 'onProgress'])

/**
 * Restores a checkpoint (a file, or the newest in a directory), or several that are parts of what was one store.
 * Rejects with TIDEMARK_CHECKPOINT_NOT_FOUND, _CHECKPOINT_CORRUPT, _UNSUPPORTED_FORMAT, _RESTORE_TARGET_EXISTS,
 * _KEY_GROUP_OUT_OF_RANGE, _SERVICE_MISMATCH, _CHECKPOINT_ABORTED, _INVALID_ARGUMENT, _FAILED; then there is no target
 * directory.
 */
export async function restoreCheckpoint(
  checkpointPath: string | readonly string[],
  location: string,
  options: RestoreOptions = {},
  platform: EnginePlatform = systemEngine,
): Promise<RestoreSummary> {
  const { files } = platform
  return restoring(files, checkpointPath, location, options, async ({ builder }, target) => {
    const timers = await buildBeside(files, target, (directory) => builder.build(directory, platform))
    return { timers, services: builder.services }
  })
}

/**
 * Does all that a restore does before it writes: reads and proves what it would, and finds out whether it could be put at
 * its place. Rejects as {@link restoreCheckpoint} does; its summary is that of the restore, with the timers there would be.
 */
export async function rehearseRestore(
  checkpointPath: string | readonly string[],
  location: string,
  options: RestoreOptions = {},
): Promise<RestoreSummary> {
  const { files } = systemEngine
  return restoring(files, checkpointPath, location, options, async ({ sources, builder }, target) => {
    await requirePlace(files, target)
    const report = builder.report
    const rehearsed: Rehearsed[] = []
    for (const source of sources) rehearsed.push(await rehearse(source, report))
    const timers = rehearsed.reduce((sum, source) => sum + source.timers, 0)
    return { timers, services: [...new Set(rehearsed.flatMap(({ services }) => services))] }
  })
}

interface Plan {
  sources: readonly RestoreSource[]
  builder: StoreBuilder
}

/** Checks what can be checked beforehand, has `run` do the rest, and sums up. */
async function restoring(
  files: Files,
  checkpointPath: string | readonly string[],
  location: string,
  options: RestoreOptions,
  run: (plan: Plan, target: string) => Promise<Pick<RestoreSummary, 'timers' | 'services'>>,
): Promise<RestoreSummary> {
  const startMs = performance.now()
  const places = typeof checkpointPath === 'string' ? [checkpointPath] : checkpointPath
  checkArguments(places, location, options)
  throwIfAborted(options.signal, 'restore')
  const target = path.resolve(location)
  await refuseExisting(files, target)
  try {
    const chains = await openSources(places, options.version, files)
    try {
      const { sources, keyGroups } = planSources(chains, options.version, options.keyGroups)
      for (const source of sources) await verifySource(source, options.signal)
      const builder = new StoreBuilder(sources, keyGroups, options)
      const done = await run({ sources, builder }, target)
      const checkpoints = chains.map((chain) => restored(chain, options.version))
      const { version } = builder
      const bytes = bytesOf(sources)
      const durationMs = performance.now() - startMs
      return { ...checkpoints[0]!, version, bytes, keyGroups, ...done, checkpoints, durationMs }
    } finally {
      await closeSources(chains)
    }
  } catch (error) {
    throw failedWith(error, target)
  }
}

function bytesOf(sources: readonly RestoreSource[]): number {
  return sources.reduce((sum, { chain }) => sum + chain.reduce((all, file) => all + file.bytes, 0), 0)
}

/** Every byte that will be relied on: all files, but for the blocks of a full one that is not wanted as a whole. */
async function verifySource(
  { chain, isWhole }: RestoreSource,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const reader of isWhole ? chain : chain.slice(1)) {
    await reader.verify(signal)
    throwIfAborted(signal, 'restore')
  }
}

function restored(chain: CheckpointChain, version: number | undefined): RestoredCheckpoint {
  const { path: file, header } = chain.findLast((link) => link.header.version <= (version ?? Infinity))!
  const { checkpointId: id, storeId, metadata } = header
  return { id, path: file, version: header.version, storeId, metadata }
}

function checkArguments(places: readonly string[], location: string, options: RestoreOptions): void {
  if (!Array.isArray(places) || places.length === 0)
    throw invalidArgument('checkpointPath must be a path, or several')
  for (const place of places) checkPath(place, 'checkpointPath')
  checkPath(location, 'location')
  requireObject(options, 'the options of a restore')
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name))
      throw invalidArgument(`unknown option '${name}': known are ${[...KNOWN].join(', ')}`)
  }
  const { version } = options
  if (version === undefined) return
  if (!Number.isSafeInteger(version) || version < 1) {
    throw invalidArgument(`version must be a whole number from 1 on, not ${version}`)
  }
  if (places.length > 1)
    throw invalidArgument('version is for one checkpoint: those of several stores are not alike')
}

function checkPath(value: unknown, name: string): void {
  if (typeof value !== 'string' || value === '' || value.includes('\0'))
    throw invalidArgument(`${name} must be a path`)
}

async function refuseExisting(files: Files, target: string): Promise<void> {
  const existing = await files.lstat(target).catch(() => undefined)
  if (existing === undefined) return
  throw new TidemarkError(
    'TIDEMARK_RESTORE_TARGET_EXISTS',
    `${target} exists already, and was left as it is: give a path where there is nothing`,
  )
}

/** A directory can be made at a place. */
async function requirePlace(files: Files, target: string): Promise<void> {
  let parent = path.dirname(target)
  while (!(await isThere(files, parent))) parent = path.dirname(parent)
  const stats = await files.stat(parent)
  if (!stats.isDirectory()) throw new Error(`${parent} is no directory`)
  await files.access(parent, fs.constants.W_OK | fs.constants.X_OK)
}

async function isThere(files: Files, place: string): Promise<boolean> {
  return (await files.lstat(place).catch(() => undefined)) !== undefined
}

/** Has a directory built beside its place, and puts it there when it is whole; otherwise removes it. */
async function buildBeside<T>(
  files: Files,
  target: string,
  build: (directory: string) => Promise<T>,
): Promise<T> {
  let place = `${target}.restoring-${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    reached('restore.beforeDirectory')
    await ensureDirectory(files, place)
    reached('restore.afterDirectory')
    const built = await build(await files.realpath(place))
    await refuseExisting(files, target)
    reached('restore.beforeRename')
    await files.rename(place, target).catch(async (error) => {
      if (await isGone(files, place)) place = target
      throw error
    })
    reached('restore.afterRename')
    place = target
    await syncDirectory(files, path.dirname(target))
    reached('restore.afterDirectorySync')
    return built
  } catch (error) {
    // Where even that fails, what failed first is what to tell.
    await files.rm(place, { recursive: true, force: true }).catch(() => {})
    throw error
  }
}

/** Whether a rename that says that it failed has been done: some file systems tell so. */
function isGone(files: Files, place: string): Promise<boolean> {
  return files.lstat(place).then(
    () => false,
    (error) => (error as NodeJS.ErrnoException).code === 'ENOENT',
  )
}

function failedWith(error: unknown, target: string): TidemarkError {
  if (error instanceof TidemarkError && error.code !== 'TIDEMARK_FAILED') return error
  const { message, cause } = error as Error
  const why = cause instanceof Error ? `${message}: ${cause.message}` : message
  const what = `${target} could not be restored (${why}): nothing is there; see to it, and restore again`
  return new TidemarkError('TIDEMARK_FAILED', what, { cause: error })
}
