/**
 * Migrations of the stored format: forward only, one step a file in `migrations/`, resumable after a kill at any point.
 *
 * - The format version is in the store (`m!store`) and in the marker file, which is written first: a Tidemark that is too
 *   old refuses a store whose migration has begun.
 * - A step's own work must be harmless when done twice; its last batch carries the new version, so it ends atomically.
 */
import { TidemarkError } from '../errors.ts'
import type { Files } from '../files.ts'
import { MAX_MAX_PARALLELISM } from '../limits.ts'
import { reached } from '../steps.ts'
import { verifiedBody, withChecksum } from '../timer/checksum.ts'
import { syncEngineFiles, writeMarker } from './directory.ts'
import type { Engine, EngineBatch } from './engine.ts'
import { END, LOG, META_STORE } from './keyspaces.ts'

/** What a store is, whatever it holds. */
export interface StoreRecord {
  formatVersion: number
  storeId: string
  maxParallelism: number
  /** The key groups it takes, both ends included: all of them, unless it was restored for a part. */
  keyGroups: { start: number; end: number }
}

export interface Migration {
  /** The format version that it leads to. */
  version: number
  name: string
  /** Does its work, and returns the last batch, not written yet, with the record to store in it. */
  up(engine: Engine, record: StoreRecord): Promise<{ batch: EngineBatch; record: StoreRecord }>
}

/** Reads what a store is; undefined where nothing is stored yet. */
export function readStoreRecord(engine: Engine): StoreRecord | undefined {
  const value = engine.get(META_STORE)
  if (value === undefined) return undefined
  const record = parseRecord(verifiedBody(META_STORE, value))
  if (record !== undefined) return record
  throw new TidemarkError('TIDEMARK_CORRUPT', "the store's own record is damaged: restore a checkpoint")
}

/** Undefined where it is no record, whatever its checksum says. */
function parseRecord(body: string | undefined): StoreRecord | undefined {
  let record: StoreRecord
  try {
    record = JSON.parse(body ?? '') as StoreRecord
  } catch {
    return undefined
  }
  const { formatVersion, storeId, maxParallelism, keyGroups } = Object(record) as StoreRecord
  const { start, end } = Object(keyGroups) as StoreRecord['keyGroups']
  const isRecord =
    typeof storeId === 'string' &&
    isWithin(formatVersion, 0, Number.MAX_SAFE_INTEGER) &&
    isWithin(maxParallelism, 1, MAX_MAX_PARALLELISM) &&
    isWithin(start, 0, maxParallelism - 1) &&
    isWithin(end, start, maxParallelism - 1)
  return isRecord ? record : undefined
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most
}

/** Throws TIDEMARK_CORRUPT where there are commits and no record: such a store is not a new one. */
export async function refuseWithoutRecord(engine: Engine): Promise<void> {
  if (readStoreRecord(engine) !== undefined) return
  const entries = await engine.scan({ from: LOG, to: LOG + END, limit: 1 }).read()
  if (entries.length === 0) return
  throw new TidemarkError('TIDEMARK_CORRUPT', "the store's own record is missing: restore a checkpoint")
}

export function putStoreRecord(batch: EngineBatch, record: StoreRecord): void {
  batch.put(META_STORE, withChecksum(META_STORE, JSON.stringify(record)))
}

/** Brings a store to the newest format, step by step; `fresh` is what a new one becomes. */
export async function migrate(
  files: Files,
  engine: Engine,
  realPath: string,
  migrations: readonly Migration[],
  fresh: StoreRecord,
): Promise<StoreRecord> {
  let record = readStoreRecord(engine) ?? fresh
  for (const migration of migrations) {
    if (migration.version <= record.formatVersion) continue
    // Where the marker says that something is stored, LevelDB must find its files.
    await syncEngineFiles(files, realPath)
    await writeMarker(files, realPath, migration.version)
    const last = await migration.up(engine, record)
    record = { ...last.record, formatVersion: migration.version }
    putStoreRecord(last.batch, record)
    reached('format.beforeWrite')
    await engine.write(last.batch, true)
    reached('format.afterWrite')
  }
  return record
}
