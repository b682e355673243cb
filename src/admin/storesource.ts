/**
 * A store's directory as a source. LevelDB has no way to only read: opening brings its files into order. And where a
 * process died, the key spaces are brought to what its log says, as they are when a service opens the store. So a store
 * that is open elsewhere is found out before LevelDB is asked.
 */
import path from 'node:path'
import {
  type ClaimedDirectory,
  claimDirectory,
  EMPTY_FORMAT,
  FORMAT_VERSION,
  readMarker,
} from '../engine/directory.ts'
import type { Engine } from '../engine/engine.ts'
import { END } from '../engine/keyspaces.ts'
import { readStoreRecord, type StoreRecord } from '../engine/migration.ts'
import { openEngine } from '../engine/open.ts'
import { invalidArgument, TidemarkError } from '../errors.ts'
import { systemFiles } from '../files.ts'
import { refuseOlder } from '../log/newest.ts'
import type { LogRetention } from '../log/retention.ts'
import type { StoreState } from '../log/state.ts'
import { loadState } from '../log/tail.ts'
import { checkOptions } from '../options.ts'
import { cutService } from '../snapshot/cut.ts'
import { type VisibleChunk, walkVisible } from '../snapshot/walk.ts'
import { queuePrefix } from '../timer/identity.ts'
import { encodeTriple } from '../timer/text.ts'
import { lockHolder } from './lock.ts'
import type { Source, TimerRange } from './source.ts'

/** A store that is open for the command alone: what its directory, its engine and its log tell. */
export interface OpenedStore {
  location: string
  directory: ClaimedDirectory
  engine: Engine
  record: StoreRecord
  state: StoreState
  retention: LogRetention
  close(): Promise<void>
}

/** Opens the store of a directory that has a marker file; it is locked until it is closed. */
export async function openStoreDirectory(location: string): Promise<OpenedStore> {
  refuseLocked(location)
  const directory = await claimDirectory(location)
  let engine: Engine | undefined
  const close = async () => {
    await engine?.close()
    directory.release()
  }
  try {
    await requireFiles(directory, location)
    const { engine: sizes } = checkOptions({})
    engine = await openEngine(location, directory, sizes)
    const record = readStoreRecord(engine)
    if (record === undefined) throw await withoutFiles(location)
    if (record.formatVersion !== FORMAT_VERSION) throw otherFormat(location, record.formatVersion)
    const { state, retention, recent } = await loadState(engine, record, sizes.writeBufferBytes)
    const { realPath } = directory
    await refuseOlder({ files: systemFiles, realPath, record, version: state.decidedVersion })
    await recent.spillAll(engine, (spilled) => recent.spilled(spilled))
    return { location, directory, engine, record, state, retention, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Opens it as a source; it is locked until the source is closed. */
export async function openStoreSource(location: string): Promise<Source> {
  return sourceOf(await openStoreDirectory(location))
}

export function sourceOf({ location, engine, record, state, retention, close }: OpenedStore): Source {
  return {
    kind: 'store',
    path: location,
    storeId: record.storeId,
    version: state.appliedVersion + 1,
    maxParallelism: record.maxParallelism,
    keyGroups: record.keyGroups,
    services: state.services.map(cutService),
    count: countOf(state),
    store: {
      formatVersion: record.formatVersion,
      retired: state.appliedRetired,
      log: { entries: retention.entries, bytes: retention.bytes },
    },
    timers: (range) => walk(engine, state, range),
    close,
  }
}

/** Throws TIDEMARK_LOCKED where another process has the store open, as far as the system tells that. */
export function refuseLocked(location: string): void {
  const pid = lockHolder(path.join(location, 'LOCK'))
  if (pid === undefined) return
  throw new TidemarkError(
    'TIDEMARK_LOCKED',
    `the store ${location} is open in process ${pid}, and was not touched: close it there first, or look into a checkpoint`,
  )
}

/** Throws where LevelDB has nothing to open: asked, it would leave files of its own. */
export async function requireFiles(
  { realPath, hasEngineFiles }: ClaimedDirectory,
  location: string,
): Promise<void> {
  const names = hasEngineFiles ? await systemFiles.readdir(realPath) : []
  const isThere = names.some((name) => name.endsWith('.ldb') || name.startsWith('MANIFEST-'))
  if (!isThere) throw await withoutFiles(location)
}

/** The error for a directory that is marked as a store, and has nothing of one. */
export async function withoutFiles(location: string): Promise<TidemarkError> {
  if ((await readMarker(location)) === EMPTY_FORMAT) {
    return invalidArgument(
      `nothing was ever stored in ${location}: opening it for the first time was not finished; start its service`,
    )
  }
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the store ${location} has its marker, and nothing of what is stored: restore a checkpoint`,
  )
}

function otherFormat(location: string, version: number): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_UNSUPPORTED_FORMAT',
    `the store ${location} has format ${version}, and this Tidemark has ${FORMAT_VERSION}: ` +
      `see tidemark migrate ${location} --dry-run`,
  )
}

function countOf(state: StoreState): number {
  let sum = 0
  for (const { appliedCount } of state.queues()) sum += appliedCount
  return sum
}

async function* walk(
  engine: Engine,
  state: StoreState,
  range: TimerRange = {},
): AsyncGenerator<VisibleChunk> {
  for (const [from, to] of prefixes(state, range)) {
    yield* walkVisible(engine, state.appliedVersion + 1, { from, to })
  }
}

/** Where the identities of a range begin and end: in order, and apart. */
function* prefixes(
  state: StoreState,
  { serviceIds, domain, keyGroups }: TimerRange,
): Generator<[string, string]> {
  for (const queue of state.queues()) {
    if (serviceIds !== undefined && !serviceIds.includes(queue.service.id)) continue
    if (domain !== undefined && domain !== queue.domain) continue
    const prefix = queuePrefix(queue.service.id, queue.domain)
    if (keyGroups === undefined) yield [prefix, prefix + END]
    else {
      for (const { start, end } of keyGroups) {
        yield [prefix + encodeTriple(start), prefix + encodeTriple(end) + END]
      }
    }
  }
}
