/**
 * What a clean close leaves: everything in the key spaces, those in tables, a log that is short, so that opening again
 * reads little, and a note of how far it goes.
 *
 * - The log is trimmed without a commit of its own; a record in `meta` says up to where, in the same batch.
 */
import type { Engine } from '../engine/engine.ts'
import { logKey, META_TRIMMED } from '../engine/keyspaces.ts'
import type { StoreRecord } from '../engine/migration.ts'
import type { Files } from '../files.ts'
import { reached } from '../steps.ts'
import { verifiedBody, withChecksum } from '../timer/checksum.ts'
import { countLength, decodeCount, encodeCount } from '../timer/text.ts'
import { noteNewest } from './newest.ts'
import type { CommitPipeline } from './pipeline.ts'
import type { KeptLog, LogRetention } from './retention.ts'
import type { StoreState } from './state.ts'

const TRIM_BATCH_ENTRIES = 10_000

/** What of an open store a close needs. */
export interface LeftStore {
  platform: { files: Files }
  directory: { realPath: string }
  engine: Engine
  record: StoreRecord
  state: StoreState
  retention: LogRetention
}

/** Once nothing is under way, and nothing will be. */
export async function leave(pipeline: CommitPipeline, left: LeftStore): Promise<void> {
  const { platform, directory, engine, record, state, retention } = left
  await pipeline.spillAlone()
  await trimOnClose(engine, retention)
  const { files } = platform
  await noteNewest({ files, realPath: directory.realPath, record, version: state.decidedVersion })
}

/**
 * Once all is spilled: flushes the engine, then trims the log up to its newest anchor. With nothing left to read again,
 * nothing can be lost.
 */
async function trimOnClose(engine: Engine, retention: LogRetention): Promise<void> {
  const { newest } = retention
  reached('close.beforeFlush')
  await engine.flush()
  reached('close.afterFlush')
  const isSaid = newest === 0 || readTrimmed(engine, newest)?.spilled === newest
  if (!isSaid) await trimSome(engine, retention, TRIM_BATCH_ENTRIES, newest)
  while (retention.tail < retention.anchor) await trimSome(engine, retention, TRIM_BATCH_ENTRIES, newest)
}

/**
 * Trims up to `most` entries before the newest anchor, which is in a table, and says so; `spilled`: up to which version
 * everything is in the key spaces, and those in tables.
 */
export async function trimSome(
  engine: Engine,
  retention: LogRetention,
  most: number,
  spilled: number,
): Promise<void> {
  const versions = retention.trimToAnchor(most)
  const batch = engine.batch()
  for (const version of versions) batch.del(logKey(version))
  const { newest, oldest, tail, bytes } = retention
  const kept = [newest, oldest, tail, bytes, spilled].map(encodeCount).join('')
  batch.put(META_TRIMMED, withChecksum(META_TRIMMED, kept))
  reached('trim.beforeRecord')
  await engine.write(batch, true)
  reached('trim.afterRecord')
}

/** What a close left, if nothing was committed since: `newest` is the version of the newest entry. */
export function readTrimmed(engine: Engine, newest: number): (KeptLog & { spilled: number }) | undefined {
  const value = engine.get(META_TRIMMED)
  const body = value === undefined ? undefined : verifiedBody(META_TRIMMED, value)
  if (body === undefined) return undefined
  const numbers: number[] = []
  for (let at = 0; at < body.length; at += countLength(body, at)) numbers.push(decodeCount(body, at))
  // Whoever wrote four knew nothing that was not in the spaces.
  const [version, oldest, tail, characters, spilled = newest] = numbers as [
    number,
    number,
    number,
    number,
    number?,
  ]
  const isWhole = (numbers.length === 4 || numbers.length === 5) && !numbers.some(Number.isNaN)
  return isWhole && version === newest ? { oldest, tail, characters, spilled } : undefined
}
