/**
 * What a batch says that spills and has no log entry: up to which version it may have. Where the log was lost from there on
 * (with durability `os`, by a loss of power) and the batch was not, the key spaces would have timers that the log knows
 * nothing of. A batch with a log entry needs none: what is lost of those is a hole in the log.
 */
import type { Engine, EngineBatch } from '../engine/engine.ts'
import { META_SPILLED } from '../engine/keyspaces.ts'
import { TidemarkError } from '../errors.ts'
import { verifiedBody, withChecksum } from '../timer/checksum.ts'
import { decodeCount, encodeCount } from '../timer/text.ts'

export function markSpilled(batch: EngineBatch, version: number): void {
  batch.put(META_SPILLED, withChecksum(META_SPILLED, encodeCount(version)))
}

/** Throws TIDEMARK_CORRUPT where something was spilled that is newer than the log. */
export function refuseSpilledBeyond(engine: Engine, newestVersion: number): void {
  const value = engine.get(META_SPILLED)
  if (value === undefined) return
  const spilled = decodeCount(verifiedBody(META_SPILLED, value) ?? '', 0)
  if (spilled <= newestVersion) return
  const what = Number.isNaN(spilled)
    ? 'the record of what was spilled is damaged'
    : `the log ends with version ${newestVersion}, and the stored timers may be those of version ${spilled}`
  throw new TidemarkError('TIDEMARK_CORRUPT', `${what}: the store cannot be trusted; restore a checkpoint`)
}
