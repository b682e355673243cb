/**
 * What a clean close leaves: everything in tables, and a log that is short, so that opening again reads little.
 *
 * - The log is trimmed without a commit of its own; a record in `meta` says up to where, in the same batch.
 */
import type { Engine } from '../engine/engine.ts'
import { logKey, META_TRIMMED } from '../engine/keyspaces.ts'
import { reached } from '../steps.ts'
import { verifiedBody, withChecksum } from '../timer/checksum.ts'
import { countLength, decodeCount, encodeCount } from '../timer/text.ts'
import type { KeptLog, LogRetention } from './retention.ts'

const TRIM_BATCH_ENTRIES = 10_000

/** Flushes the engine, then trims the log up to its newest anchor: with nothing left to replay, nothing can be lost. */
export async function trimOnClose(engine: Engine, retention: LogRetention): Promise<void> {
  reached('close.beforeFlush')
  await engine.flush()
  reached('close.afterFlush')
  while (await trimSome(engine, retention, TRIM_BATCH_ENTRIES));
}

/** Trims up to `most` entries before the newest anchor, which is in a table; false: there were none. */
export async function trimSome(engine: Engine, retention: LogRetention, most: number): Promise<boolean> {
  const before = retention.tail
  const versions = retention.trimToAnchor(most)
  if (retention.tail === before) return false
  const batch = engine.batch()
  for (const version of versions) batch.del(logKey(version))
  const { newest, oldest, tail, bytes } = retention
  const kept = [newest, oldest, tail, bytes].map(encodeCount).join('')
  batch.put(META_TRIMMED, withChecksum(META_TRIMMED, kept))
  reached('trim.beforeRecord')
  await engine.write(batch, true)
  reached('trim.afterRecord')
  return true
}

/** What a close left, if nothing was committed since: `newest` is the version of the newest entry. */
export function readTrimmed(engine: Engine, newest: number): KeptLog | undefined {
  const value = engine.get(META_TRIMMED)
  const body = value === undefined ? undefined : verifiedBody(META_TRIMMED, value)
  if (body === undefined) return undefined
  const numbers: number[] = []
  for (let at = 0; at < body.length; at += countLength(body, at)) numbers.push(decodeCount(body, at))
  const [version, oldest, tail, characters] = numbers as [number, number, number, number]
  const isWhole = numbers.length === 4 && !Number.isNaN(oldest + tail + characters)
  return isWhole && version === newest ? { oldest, tail, characters } : undefined
}
