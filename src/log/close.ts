/**
 * What a clean close leaves: everything in tables, and a log that is short, so that opening again reads little.
 *
 * - The log is trimmed without a commit of its own; a record in `meta` says up to where, in the same batch.
 */
import type { Engine } from '../engine/engine.ts'
import { logKey, META_TRIMMED } from '../engine/keyspaces.ts'
import { verifiedBody, withChecksum } from '../timer/checksum.ts'
import { decodeCount, encodeCount } from '../timer/text.ts'
import type { LogRetention } from './retention.ts'

const TRIM_BATCH_ENTRIES = 10_000

/** Flushes the engine, then trims the log up to its newest anchor: with nothing left to replay, nothing can be lost. */
export async function trimOnClose(engine: Engine, retention: LogRetention): Promise<void> {
  await engine.flush()
  for (;;) {
    const versions = retention.trimToAnchor(TRIM_BATCH_ENTRIES)
    if (versions.length === 0) return
    const batch = engine.batch()
    for (const version of versions) batch.del(logKey(version))
    batch.put(META_TRIMMED, withChecksum(META_TRIMMED, encodeCount(retention.oldest)))
    await engine.write(batch, true)
  }
}

/** The oldest version that a close left, or 0. */
export function readTrimmed(engine: Engine): number {
  const value = engine.get(META_TRIMMED)
  const body = value === undefined ? undefined : verifiedBody(META_TRIMMED, value)
  const oldest = body === undefined ? Number.NaN : decodeCount(body, 0)
  return Number.isNaN(oldest) ? 0 : oldest
}
