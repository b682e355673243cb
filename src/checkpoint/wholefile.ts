/**
 * A checkpoint's file is there as a whole or not at all, whatever kind it is.
 *
 * - It gets its name only when all its bytes are on disk, were read again and were found right. Whatever goes wrong
 *   before, nothing is left.
 */
import { join } from 'node:path'
import { isCorruptionError } from '../engine/classic.ts'
import { TidemarkError } from '../errors.ts'
import { ensureDirectory, type Files, syncDirectory, systemFiles } from '../files.ts'
import { reached } from '../steps.ts'
import { type CheckpointCut, checkpointFileName, temporaryFileName, type WrittenCheckpoint } from './cut.ts'
import { CheckpointReader } from './reader.ts'
import { CheckpointSink } from './sink.ts'
import { throwIfAborted } from './watch.ts'

/** What was written into a sink, which is finished. */
export type WrittenContent = Omit<WrittenCheckpoint, 'path'>

/**
 * Makes the file of a cut in a directory, which is made where it is missing; `write` writes and finishes it.
 * Rejects with what `write` rejects with, if that is an error of Tidemark; with TIDEMARK_CHECKPOINT_ABORTED, _CORRUPT
 * (the store is damaged), _FAILED.
 */
export async function writeWholeFile(
  directory: string,
  cut: CheckpointCut,
  signal: AbortSignal | undefined,
  write: (sink: CheckpointSink) => Promise<WrittenContent>,
  files: Files = systemFiles,
): Promise<WrittenCheckpoint> {
  throwIfAborted(signal, 'checkpoint')
  const path = join(directory, checkpointFileName(cut))
  const place = join(directory, temporaryFileName(cut))
  // Names that the file has, or may have.
  const names = [place]
  try {
    reached('checkpoint.beforeDirectory')
    await ensureDirectory(files, directory)
    const written = await writeContent(place, write, files)
    await verifyWritten(place, signal, files)
    reached('checkpoint.afterVerify')
    throwIfAborted(signal, 'checkpoint')
    reached('checkpoint.beforeRename')
    names.push(path)
    await files.rename(place, path)
    reached('checkpoint.afterRename')
    await syncDirectory(files, directory)
    reached('checkpoint.afterDirectorySync')
    return { path, ...written }
  } catch (error) {
    // Where even that fails, what failed first is what to tell.
    for (const name of names) await files.rm(name, { force: true }).catch(() => {})
    throw failedWith(error, path)
  }
}

async function writeContent(
  path: string,
  write: (sink: CheckpointSink) => Promise<WrittenContent>,
  files: Files,
): Promise<WrittenContent> {
  reached('checkpoint.beforeCreate')
  const sink = await CheckpointSink.create(path, files)
  reached('checkpoint.afterCreate')
  try {
    return await write(sink)
  } finally {
    await sink.close()
  }
}

async function verifyWritten(path: string, signal: AbortSignal | undefined, files: Files): Promise<void> {
  try {
    // Header and index, too, are read as a restore will read them: what they say must be what can be believed.
    const reader = await CheckpointReader.open(path, files)
    await reader.verify(signal).finally(() => reader.close())
  } catch (cause) {
    const message = `it does not read as it was written: ${(cause as Error).message}`
    throw new Error(message, { cause })
  }
}

/** What went wrong, as an error of Tidemark. */
function failedWith(error: unknown, path: string): TidemarkError {
  if (error instanceof TidemarkError && error.code !== 'TIDEMARK_FAILED') return error
  const message = (error as Error).message
  if (isCorruptionError(error)) {
    const what = `the store is damaged (${message}): run verify(), and restore a checkpoint`
    return new TidemarkError('TIDEMARK_CORRUPT', what, { cause: error })
  }
  return new TidemarkError(
    'TIDEMARK_FAILED',
    `the checkpoint ${path} could not be written (${message}): the store goes on; see to it, and take another one`,
    { cause: error },
  )
}
