/**
 * Opens a checkpoint's file and finds out whether it is one: by its first bytes and its footer, before anything else is
 * believed. And verifies all of its bytes, without an idea of what they mean.
 */
import { createHash } from 'node:crypto'
import { TidemarkError } from '../errors.ts'
import { type FileHandle, type Files, systemFiles } from '../files.ts'
import { FileSource, readFully } from './filesource.ts'
import {
  CHECKPOINT_FORMAT_VERSION,
  corruptCheckpoint,
  FOOTER_BYTES,
  FOOTER_SHA256_OFFSET,
  type Footer,
  FormatProblem,
  type FrameType,
  PREAMBLE_BYTES,
  parseFooter,
  parsePreamble,
} from './format.ts'

export interface OpenFile {
  path: string
  file: FileHandle
  preamble: Buffer
  footer: Footer
  footerBytes: Buffer
}

/** Throws TIDEMARK_CHECKPOINT_NOT_FOUND, _CHECKPOINT_CORRUPT or _UNSUPPORTED_FORMAT. */
export async function openCheckpointFile(path: string, files: Files = systemFiles): Promise<OpenFile> {
  const length = await fileLength(path, files)
  const file = await files.open(path, 'r').catch((cause) => Promise.reject(notFound(path, cause)))
  try {
    const preamble = await readPart(path, file, length, 'its first bytes', 0, PREAMBLE_BYTES)
    const version = parsed(path, 'its first bytes', () => parsePreamble(preamble))
    if (version > CHECKPOINT_FORMAT_VERSION) throw newerFormat(path, version)
    const footerStart = length - FOOTER_BYTES
    const footerBytes = await readPart(path, file, length, 'its footer', footerStart, FOOTER_BYTES)
    const footer = parsed(path, 'its footer', () => parseFooter(footerBytes, length))
    return { path, file, preamble, footer, footerBytes }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Verifies every frame's checksum and the SHA-256 of the whole file. */
export async function verifyBytes(opened: OpenFile, signal?: AbortSignal): Promise<void> {
  const { path, file, preamble, footer, footerBytes } = opened
  const sha256 = createHash('sha256').update(preamble)
  const verifyFrames = async (
    start: number,
    end: number,
    typeOf: (index: number) => FrameType,
    or?: FrameType,
  ) => {
    const source = new FileSource(path, file, start, end)
    for (let i = 0; !source.atEnd && signal?.aborted !== true; i++) {
      sha256.update((await source.takeFrame(typeOf(i), or)).bytes)
    }
  }
  await verifyFrames(PREAMBLE_BYTES, footer.blocksOffset, (i) => (i === 0 ? 'header' : 'service'))
  await verifyFrames(footer.blocksOffset, footer.indexOffset, () => 'block', 'log')
  await verifyFrames(footer.indexOffset, footer.fileLength - FOOTER_BYTES, () => 'index')
  sha256.update(footerBytes.subarray(0, FOOTER_SHA256_OFFSET))
  // Whoever gave the signal asks it again, and cares no more for what was found.
  if (signal?.aborted === true || sha256.digest().equals(footer.sha256)) return
  throw corruptCheckpoint(path, 'the whole file', 'its SHA-256 is not the one in its footer')
}

async function fileLength(path: string, files: Files): Promise<number> {
  const stats = await files.stat(path).catch((cause) => Promise.reject(notFound(path, cause)))
  if (!stats.isFile()) throw corruptCheckpoint(path, 'the path', 'it is not a file')
  return stats.size
}

async function readPart(
  path: string,
  file: FileHandle,
  fileLength: number,
  place: string,
  start: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(Math.max(0, Math.min(length, fileLength - Math.max(start, 0))))
  if (start >= 0) {
    await readFully(file, bytes, start).catch((error) =>
      parsed(path, place, () => {
        throw error
      }),
    )
  }
  return start >= 0 ? bytes : bytes.subarray(0, 0)
}

function parsed<T>(path: string, place: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof FormatProblem) throw corruptCheckpoint(path, place, error.message)
    throw error
  }
}

export function notFound(path: string, cause: unknown): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CHECKPOINT_NOT_FOUND',
    `there is no checkpoint ${path} that can be read (${(cause as Error).message}): check the path`,
    { cause },
  )
}

function newerFormat(path: string, version: number): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_UNSUPPORTED_FORMAT',
    `the checkpoint ${path} has format ${version}, and this Tidemark reads up to ${CHECKPOINT_FORMAT_VERSION}: ` +
      'use a newer Tidemark',
  )
}
