/**
 * Makes a new store of a checkpoint: all of it, or the timers of a range of key groups.
 *
 * - The checkpoint is verified first. The store is built in a directory beside its place, and moved there when it is whole
 *   and on disk: whatever happens before, there is no store, and what a dead process left beside it is in nobody's way.
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { syncDirectory } from '../engine/directory.ts'
import { invalidArgument, TidemarkError } from '../errors.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import type { CheckpointHeader } from './header.ts'
import { CheckpointReader } from './reader.ts'
import { isEverything, type RestoreProgress, StoreBuilder } from './storebuilder.ts'
import { throwIfAborted } from './watch.ts'

export type { RestoreProgress } from './storebuilder.ts'

export interface RestoreOptions {
  /** Restores only the timers of these key groups, both ends included. */
  keyGroups?: KeyGroupRange
  /** Aborts it: the call rejects with TIDEMARK_CHECKPOINT_ABORTED, and there is no new store. */
  signal?: AbortSignal
  /** Called now and then, at most ten times a second. */
  onProgress?(progress: RestoreProgress): void
}

export interface RestoreSummary {
  /** The checkpoint's id. */
  id: string
  /** The id of the store that the checkpoint was taken of; the new store has an id of its own. */
  storeId: string
  /** The checkpoint's version, which the new store's next commit will have. */
  version: number
  timers: number
  /** Length of the checkpoint's file. */
  bytes: number
  /** The key groups that the new store takes, both ends included. */
  keyGroups: KeyGroupRange
  /** What was given as metadata when the checkpoint was taken. */
  metadata?: unknown
  /** Names of the services. */
  services: string[]
  durationMs: number
}

const KNOWN = new Set(['keyGroups', 'signal', 'onProgress'])

/**
 * Rejects with TIDEMARK_CHECKPOINT_NOT_FOUND, _CHECKPOINT_CORRUPT, _UNSUPPORTED_FORMAT, _RESTORE_TARGET_EXISTS,
 * _KEY_GROUP_OUT_OF_RANGE, _CHECKPOINT_ABORTED, _INVALID_ARGUMENT, _FAILED; then there is no target directory.
 */
export async function restoreCheckpoint(
  checkpointPath: string,
  location: string,
  options: RestoreOptions = {},
): Promise<RestoreSummary> {
  const startMs = performance.now()
  checkArguments(checkpointPath, location, options)
  throwIfAborted(options.signal, 'restore')
  const target = path.resolve(location)
  await refuseExisting(target)
  try {
    return { ...(await restoreTo(target, checkpointPath, options)), durationMs: performance.now() - startMs }
  } catch (error) {
    throw failedWith(error, target)
  }
}

async function restoreTo(
  target: string,
  checkpointPath: string,
  options: RestoreOptions,
): Promise<Omit<RestoreSummary, 'durationMs'>> {
  const reader = await CheckpointReader.open(checkpointPath)
  try {
    const { header, bytes } = reader
    const keyGroups = wantedKeyGroups(header, options.keyGroups)
    if (isEverything(header, keyGroups)) await reader.verify(options.signal)
    const timers = await buildBeside(target, (directory) =>
      new StoreBuilder(reader, keyGroups, options).build(directory),
    )
    const { checkpointId: id, storeId, version, metadata } = header
    const services = header.services.map(({ name }) => name)
    return { id, storeId, version, timers, bytes, keyGroups, metadata, services }
  } finally {
    await reader.close()
  }
}

function checkArguments(checkpointPath: string, location: string, options: RestoreOptions): void {
  for (const [name, value] of Object.entries({ checkpointPath, location })) {
    if (typeof value === 'string' && value !== '' && !value.includes('\0')) continue
    throw invalidArgument(`${name} must be a path`)
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name))
      throw invalidArgument(`unknown option '${name}': known are ${[...KNOWN].join(', ')}`)
  }
}

function wantedKeyGroups({ keyGroups }: CheckpointHeader, wanted: KeyGroupRange | undefined): KeyGroupRange {
  if (wanted === undefined) return keyGroups
  const { start, end } = Object(wanted) as KeyGroupRange
  if (!Number.isInteger(start) || !Number.isInteger(end)) {
    throw invalidArgument('keyGroups must have a start and an end that are whole numbers')
  }
  if (start >= keyGroups.start && start <= end && end <= keyGroups.end) return { start, end }
  throw new TidemarkError(
    'TIDEMARK_KEY_GROUP_OUT_OF_RANGE',
    `key groups ${start} to ${end} were asked for, and the checkpoint has ${keyGroups.start} to ${keyGroups.end}`,
  )
}

async function refuseExisting(target: string): Promise<void> {
  const existing = await fs.promises.lstat(target).catch(() => undefined)
  if (existing === undefined) return
  throw new TidemarkError(
    'TIDEMARK_RESTORE_TARGET_EXISTS',
    `${target} exists already, and was left as it is: give a path where there is nothing`,
  )
}

/** Has a directory built beside its place, and puts it there when it is whole; otherwise removes it. */
async function buildBeside<T>(target: string, build: (directory: string) => Promise<T>): Promise<T> {
  let place = `${target}.restoring-${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    await fs.promises.mkdir(place, { recursive: true, mode: 0o700 })
    const built = await build(await fs.promises.realpath(place))
    await refuseExisting(target)
    await fs.promises.rename(place, target)
    place = target
    await syncDirectory(path.dirname(target))
    return built
  } catch (error) {
    // Where even that fails, what failed first is what to tell.
    await fs.promises.rm(place, { recursive: true, force: true }).catch(() => {})
    throw error
  }
}

function failedWith(error: unknown, target: string): TidemarkError {
  if (error instanceof TidemarkError) return error
  const { message, cause } = error as Error
  const why = cause instanceof Error ? `${message}: ${cause.message}` : message
  const what = `${target} could not be restored (${why}): nothing is there; see to it, and restore again`
  return new TidemarkError('TIDEMARK_FAILED', what, { cause: error })
}
