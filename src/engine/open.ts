/** Opening the engine of a claimed directory, with what LevelDB says turned into Tidemark's words. */
import { TidemarkError } from '../errors.ts'
import { type Files, systemFiles } from '../files.ts'
import type { EngineOptions } from '../options.ts'
import { reached } from '../steps.ts'
import { isCorruptionError, isLockedError, openClassicEngine } from './classic.ts'
import { type ClaimedDirectory, lockedError } from './directory.ts'
import type { Engine } from './engine.ts'
import { KeptLogs, passedOver } from './keptlogs.ts'
import { checkWriteAhead } from './writeahead.ts'

/** What stores stand on: LevelDB and the machine's files, unless a test has something else. */
export interface EnginePlatform {
  files: Files
  /** Opens the engine in a directory; `mustExist`: where nothing is, that is an error. */
  openEngine(realPath: string, sizes: Required<EngineOptions>, mustExist: boolean): Promise<Engine>
}

export const systemEngine: EnginePlatform = { files: systemFiles, openEngine: openClassicEngine }

/**
 * `onEndDamaged` hears of an end of LevelDB's log that was left out, and may have been whole.
 * Rejects with TIDEMARK_LOCKED, TIDEMARK_CORRUPT, TIDEMARK_FAILED.
 */
export async function openEngine(
  location: string,
  directory: ClaimedDirectory,
  sizes: Required<EngineOptions>,
  platform: EnginePlatform = systemEngine,
  onEndDamaged: (error: TidemarkError) => void = () => {},
): Promise<Engine> {
  try {
    const endDamaged = await checkWriteAhead(platform.files, directory, location)
    if (endDamaged !== undefined) onEndDamaged(endDamaged)
    return await openKeepingLogs(directory, sizes, platform)
  } catch (error) {
    if (isLockedError(error)) throw lockedError(location, error)
    const why = causeOf(error)
    if (/does not exist|No such file/.test(why)) throw damaged(location, why, error)
    throw openingFailed(location, error)
  }
}

async function openKeepingLogs(
  { realPath, hasEngineFiles }: ClaimedDirectory,
  sizes: Required<EngineOptions>,
  { files, openEngine: open }: EnginePlatform,
): Promise<Engine> {
  reached('open.beforeKeep')
  const kept = await KeptLogs.keep(files, realPath)
  reached('open.afterKeep')
  let engine: Engine | undefined
  try {
    engine = await open(realPath, sizes, hasEngineFiles)
    const problem = await kept.putBack()
    if (problem !== undefined) throw passedOver(problem)
    reached('open.beforeRelease')
    await kept.release()
    reached('open.afterRelease')
    return engine
  } catch (error) {
    await engine?.close().catch(() => {})
    // Where even that fails, what failed first is what to tell; the next opening removes them.
    await kept.release().catch(() => {})
    throw error
  }
}

/** What opening a store failed with, as an error of Tidemark: what is stored is as it was. */
export function openingFailed(location: string, error: unknown): TidemarkError {
  if (error instanceof TidemarkError && error.code !== 'TIDEMARK_FAILED') return error
  const why = causeOf(error)
  if (isCorruptionError(error)) return damaged(location, why, error)
  const message = `the store ${location} cannot be opened (${why}): see to it, and open it again`
  return new TidemarkError('TIDEMARK_FAILED', message, { cause: error })
}

function causeOf(error: unknown): string {
  return (((error as { cause?: unknown }).cause ?? error) as Error).message
}

function damaged(location: string, why: string, cause: unknown): TidemarkError {
  const message = `the store ${location} is damaged (${why}): restore a checkpoint`
  return new TidemarkError('TIDEMARK_CORRUPT', message, { cause })
}
