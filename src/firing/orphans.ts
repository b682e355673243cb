/**
 * Orphans: `due` entries whose timers are not there. LevelDB brought the one back, or lost the other; either way they are
 * told and removed, and never fired. A timer that LevelDB only does not find by its key is no orphan's: then the store's
 * files are damaged, and it fails.
 */
import type { Engine } from '../engine/engine.ts'
import { hiddenKey, walkTo } from '../engine/walked.ts'
import { TidemarkError } from '../errors.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import type { RecentTimers } from '../log/recent.ts'
import { dueKey, parseStored } from '../timer/stored.ts'
import type { DueTimer } from './due.ts'

export interface OrphanParts {
  engine: Engine
  pipeline: CommitPipeline
  recent: RecentTimers
}

/** Removes the due entry of a timer that did not stand, if it is still there; returns what to tell. */
export async function removeIfOrphan(
  { engine, pipeline, recent }: OrphanParts,
  { identity, orderText }: DueTimer,
): Promise<TidemarkError | undefined> {
  await pipeline.barrier()
  const key = dueKey(identity, orderText)
  const standing = pipeline.standings.now(identity)
  const isNone = recent.viewed(async (standingOf) => {
    // The timer is read before its due entry: one that is removed in between is then missing from both.
    if (standing?.orderText === orderText || (await walkTo(engine, key)) === undefined) return true
    // What went recently has its entry until that is spilled.
    return standingOf(identity) !== undefined
  })
  if (await isNone) return undefined
  const walked = standing === undefined ? await walkTo(engine, identity) : undefined
  if (walked !== undefined && parseStored(identity, walked)?.orderText === orderText) {
    const error = hiddenKey(identity)
    pipeline.fail(error)
    throw error
  }
  await new Promise<void>((resolve, reject) => {
    pipeline.submit({ kind: 'purge', keys: [key], retired: 0, settle: { resolve, reject } })
  })
  const name = JSON.stringify(key)
  const message = `an orphan in the due space (${name}) was removed and not fired: its timer was not there; run verify()`
  return new TidemarkError('TIDEMARK_CORRUPT', message)
}

export function damagedDue(key: string): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the due entry ${JSON.stringify(key)} is damaged: run verify()`,
  )
}
