/**
 * Opening a store: its directory claimed, its engine opened, its format brought up to date, its log read. Whatever is not
 * as it must be is found here, before the first call.
 */
import { randomUUID } from 'node:crypto'
import { migrations } from '../migrations/index.ts'
import { type ClaimedDirectory, claimDirectory, syncEngineFiles } from './engine/directory.ts'
import type { Engine } from './engine/engine.ts'
import { migrate, refuseWithoutRecord, type StoreRecord } from './engine/migration.ts'
import { openEngine, openingFailed } from './engine/open.ts'
import { invalidArgument, type TidemarkError } from './errors.ts'
import { noteNewest, refuseOlder } from './log/newest.ts'
import type { RecentTimers } from './log/recent.ts'
import type { LogRetention } from './log/retention.ts'
import type { StoreState } from './log/state.ts'
import { loadState } from './log/tail.ts'
import { type CheckedOptions, defaultMaxParallelism } from './options.ts'
import type { Platform } from './platform.ts'
import { reached } from './steps.ts'
import type { KeyGroupRange } from './timer/codec.ts'

/** What a store is made of; whoever has it closes the engine, and releases the directory. */
export interface Opened {
  platform: Platform
  location: string
  directory: ClaimedDirectory
  engine: Engine
  record: StoreRecord
  state: StoreState
  retention: LogRetention
  recent: RecentTimers
  options: CheckedOptions
  /** An end of LevelDB's log that was left out, and may have been whole. */
  endDamaged: TidemarkError | undefined
}

/**
 * `fresh`: what a store becomes where there is none.
 * Rejects with TIDEMARK_LOCKED, _UNSUPPORTED_FORMAT, _CORRUPT, _INVALID_ARGUMENT, _FAILED.
 */
export async function openParts(
  platform: Platform,
  location: string,
  options: CheckedOptions,
  fresh = freshRecord(defaultMaxParallelism(options.maxParallelism)),
): Promise<Opened> {
  const { files } = platform
  reached('open.beforeClaim')
  const directory = await claimDirectory(location, files).catch((error) => {
    throw openingFailed(location, error)
  })
  reached('open.afterClaim')
  const { realPath } = directory
  let engine: Engine | undefined
  let endDamaged: TidemarkError | undefined
  try {
    engine = await openEngine(location, directory, options.engine, platform, (error) => {
      endDamaged = error
    })
    reached('open.afterEngine')
    // Its marker is older than its record, and its record older than its commits.
    if (directory.hasEngineFiles) await refuseWithoutRecord(engine)
    const record = await migrate(files, engine, realPath, migrations, fresh)
    reached('open.afterFormat')
    checkParallelism(location, record, options)
    const { state, retention, recent } = await loadState(engine, record, options.engine.writeBufferBytes)
    reached('open.afterLog')
    const newest = { files, realPath, record, version: state.decidedVersion }
    await refuseOlder(newest)
    if (options.durability === 'disk') {
      await syncEngineFiles(files, realPath)
      await noteNewest(newest)
    }
    reached('open.afterSync')
    return { platform, location, directory, engine, record, state, retention, recent, options, endDamaged }
  } catch (error) {
    // Where even that fails, what failed first is what to tell.
    await engine?.close().catch(() => {})
    directory.release()
    throw openingFailed(location, error)
  }
}

/** The record of a new store: of all key groups, or of some. */
export function freshRecord(
  maxParallelism: number,
  keyGroups: KeyGroupRange = { start: 0, end: maxParallelism - 1 },
): StoreRecord {
  return { formatVersion: 0, storeId: randomUUID(), maxParallelism, keyGroups }
}

function checkParallelism(location: string, record: StoreRecord, options: CheckedOptions): void {
  const asked = options.maxParallelism
  if (asked === undefined || asked === record.maxParallelism) return
  throw invalidArgument(
    `maxParallelism of ${location} is ${record.maxParallelism} for good, not ${asked}: leave the option out`,
  )
}
