/**
 * Makes a new store of a checkpoint: all of it, or the timers of a range of key groups.
 *
 * - The checkpoint is verified first. The store is built in a directory beside its place, and moved there when it is whole
 *   and on disk: whatever happens before, there is no store, and what a dead process left beside it is in nobody's way.
 * - Timers keep their bytes: identity, create version, place, payload. The log begins with one entry that tells the totals
 *   at the version before the checkpoint's, so that the next commit has the checkpoint's version, and every timer of it
 *   was made before.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { migrations } from '../../migrations/index.ts'
import { openClassicEngine } from '../engine/classic.ts'
import { syncDirectory, syncEngineFiles } from '../engine/directory.ts'
import type { Engine } from '../engine/engine.ts'
import { logKey } from '../engine/keyspaces.ts'
import { migrate } from '../engine/migration.ts'
import { invalidArgument, TidemarkError } from '../errors.ts'
import { PROGRESS_INTERVAL_MS } from '../limits.ts'
import { putService } from '../log/apply.ts'
import { encodeEntry } from '../log/entry.ts'
import { ServiceState, StoreState } from '../log/state.ts'
import { checkOptions } from '../options.ts'
import { addToSetHash } from '../timer/checksum.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import { corruptCheckpoint } from './format.ts'
import type { CheckpointHeader } from './header.ts'
import { TimerLoader } from './loader.ts'
import { CheckpointReader } from './reader.ts'
import { throwIfAborted } from './writer.ts'

export interface RestoreProgress {
  /** Timers restored so far. */
  timers: number
  /** Timers there are to restore. */
  total: number
}

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
  const reader = await CheckpointReader.open(checkpointPath)
  try {
    const { header, bytes } = reader
    const keyGroups = wantedKeyGroups(header, options.keyGroups)
    if (isEverything(header, keyGroups)) await reader.verify(options.signal)
    const timers = await buildBeside(target, (directory) => build(directory, reader, keyGroups, options))
    const { checkpointId: id, storeId, version, metadata } = header
    const services = header.services.map(({ name }) => name)
    const durationMs = performance.now() - startMs
    return { id, storeId, version, timers, bytes, keyGroups, metadata, services, durationMs }
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

/** Whether everything in the file is wanted; the blocks of a store that takes fewer key groups are all there is. */
function isEverything({ keyGroups }: CheckpointHeader, { start, end }: KeyGroupRange): boolean {
  return start === keyGroups.start && end === keyGroups.end
}

function wantedKeyGroups({ keyGroups }: CheckpointHeader, wanted: KeyGroupRange | undefined): KeyGroupRange {
  if (wanted === undefined) return keyGroups
  const { start, end } = wanted
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
  const temporary = `${target}.restoring-${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    await fs.promises.mkdir(temporary, { recursive: true, mode: 0o700 })
    const built = await build(await fs.promises.realpath(temporary))
    await refuseExisting(target)
    await fs.promises.rename(temporary, target)
    await syncDirectory(path.dirname(target))
    return built
  } catch (error) {
    // Where even that fails, what failed first is what to tell.
    await fs.promises.rm(temporary, { recursive: true, force: true }).catch(() => {})
    if (error instanceof TidemarkError) throw error
    throw new TidemarkError(
      'TIDEMARK_FAILED',
      `${target} could not be restored (${(error as Error).message}): nothing is there; see to it, and restore again`,
      { cause: error },
    )
  }
}

/** Builds the store; returns how many timers it has. */
async function build(
  directory: string,
  reader: CheckpointReader,
  keyGroups: KeyGroupRange,
  options: RestoreOptions,
): Promise<number> {
  const engine = await openClassicEngine(directory, checkOptions({}).engine, false)
  try {
    const { header } = reader
    const state = new StoreState(randomUUID(), header.maxParallelism)
    for (const { id, name, schemas, watermark } of header.services) {
      const service = new ServiceState(id, name, schemas)
      service.decidedWatermark = watermark
      state.addService(service)
    }
    const timers = await loadTimers(engine, reader, state, keyGroups, options)
    if (isEverything(header, keyGroups)) proveTotals(reader, state)
    await writeState(engine, header, state)
    const { storeId, maxParallelism } = state
    await migrate(engine, directory, migrations, { formatVersion: 0, storeId, maxParallelism, keyGroups })
    // Into tables, which LevelDB puts on disk before it lets go of its log.
    await engine.flush()
    return timers
  } finally {
    await engine.close()
    await syncEngineFiles(directory)
  }
}

async function loadTimers(
  engine: Engine,
  reader: CheckpointReader,
  state: StoreState,
  keyGroups: KeyGroupRange,
  { signal, onProgress }: RestoreOptions,
): Promise<number> {
  const loader = new TimerLoader(engine)
  const total = countIn(reader, keyGroups)
  let timers = 0
  let reportedMs = performance.now()
  for await (const block of reader.blocks(keyGroups)) {
    throwIfAborted(signal, 'restore')
    await loader.add(block)
    const { serviceId, domain, segments } = block.record
    const totals = state.queueOf(serviceId, domain)!.decided
    totals.count += block.count
    for (let i = 0; i < block.count; i++) totals.setHash = addToSetHash(totals.setHash, block.checksums[i]!)
    for (const { keyGroup, earliest } of segments) {
      if (keyGroup >= keyGroups.start && keyGroup <= keyGroups.end && earliest < totals.low)
        totals.low = earliest
    }
    timers += block.count
    const nowMs = performance.now()
    if (nowMs - reportedMs < PROGRESS_INTERVAL_MS) continue
    reportedMs = nowMs
    onProgress?.({ timers, total })
  }
  await loader.end()
  throwIfAborted(signal, 'restore')
  return timers
}

/** How many timers the index has in a range. */
function countIn(reader: CheckpointReader, { start, end }: KeyGroupRange): number {
  let sum = 0
  for (const { segments } of reader.index) {
    for (const { keyGroup, count } of segments) if (keyGroup >= start && keyGroup <= end) sum += count
  }
  return sum
}

/** All is there: what was put in, timer by timer, is what the header says. */
function proveTotals({ header, path: checkpointPath }: CheckpointReader, state: StoreState): void {
  for (const service of header.services) {
    for (const domain of ['eventTime', 'processingTime'] as const) {
      const { count, setHash } = state.queueOf(service.id, domain)!.decided
      if (count === service[domain].count && setHash === service[domain].setHash) continue
      const what = `the ${domain} timers of service '${service.name}' are not those of its header`
      throw corruptCheckpoint(checkpointPath, 'its blocks', what)
    }
  }
}

/** Writes services and the one log entry that tells where the store stands. */
async function writeState(engine: Engine, header: CheckpointHeader, state: StoreState): Promise<void> {
  const batch = engine.batch()
  for (const service of state.services) putService(batch, service)
  const version = header.version - 1
  // Before the first commit there is nothing to tell.
  if (version > 0) {
    const key = logKey(version)
    const head = {
      version,
      timeMs: header.createdMs,
      oldest: version,
      anchor: version,
      previous: 0,
      retired: 0,
    }
    const totals = Array.from(state.queues(), (queue) => ({ queue, totals: queue.decided }))
    const watermarks = state.services.map((service) => ({ service, watermark: service.decidedWatermark }))
    const commit = { version, timeMs: header.createdMs, events: [], totals, watermarks, retired: 0 }
    batch.put(key, encodeEntry(key, head, commit).value)
  }
  await engine.write(batch, true)
}
