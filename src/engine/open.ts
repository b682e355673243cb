/** Opening the engine of a claimed directory, with what LevelDB says turned into Tidemark's words. */
import { TidemarkError } from '../errors.ts'
import { type Files, systemFiles } from '../files.ts'
import type { EngineOptions } from '../options.ts'
import { isCorruptionError, isLockedError, openClassicEngine } from './classic.ts'
import { type ClaimedDirectory, lockedError } from './directory.ts'
import type { Engine } from './engine.ts'

/** What stores stand on: LevelDB and the machine's files, unless a test has something else. */
export interface EnginePlatform {
  files: Files
  /** Opens the engine in a directory; `mustExist`: where nothing is, that is an error. */
  openEngine(realPath: string, sizes: Required<EngineOptions>, mustExist: boolean): Promise<Engine>
}

export const systemEngine: EnginePlatform = { files: systemFiles, openEngine: openClassicEngine }

/** Rejects with TIDEMARK_LOCKED, TIDEMARK_CORRUPT, TIDEMARK_FAILED. */
export async function openEngine(
  location: string,
  directory: ClaimedDirectory,
  sizes: Required<EngineOptions>,
  platform: EnginePlatform = systemEngine,
): Promise<Engine> {
  try {
    return await platform.openEngine(directory.realPath, sizes, directory.hasEngineFiles)
  } catch (error) {
    if (isLockedError(error)) throw lockedError(location, error)
    const why = ((error as { cause?: unknown }).cause ?? error) as Error
    if (isCorruptionError(error) || /does not exist|No such file/.test(why.message)) {
      const message = `the store ${location} is damaged (${why.message}): restore a checkpoint`
      throw new TidemarkError('TIDEMARK_CORRUPT', message, { cause: error })
    }
    const message = `the store ${location} cannot be opened: ${why.message}`
    throw new TidemarkError('TIDEMARK_FAILED', message, { cause: error })
  }
}
