/**
 * LevelDB's write-ahead log, looked at before LevelDB replays it. LevelDB drops what is damaged without a word, and with it
 * all that follows within 32 KiB; at the end of a log that is up to 32 KiB of acknowledged commits.
 *
 * - Commits are appended one after the other. So a record that begins behind a damaged one says that the damaged one was
 *   whole once: that is refused. Damaged ones further ahead would leave a hole in Tidemark's own log, too (log/tail.ts).
 * - At the very end, what is cut off is a write that was under way when the process died. What is whole but for its
 *   checksum is that only after a loss of power: it is told.
 * - There always is a log: LevelDB removes one only when the next is there. Without it, it opens with what is in tables.
 * - A piece of the file is in memory at a time, whatever its bytes say.
 */
import path from 'node:path'
import { TidemarkError } from '../errors.ts'
import type { FileHandle, Files } from '../files.ts'
import { crc32c } from './crc32c.ts'
import type { ClaimedDirectory } from './directory.ts'

const BLOCK_BYTES = 32 * 1024
/** Checksum (4), length (2), type (1). */
const HEAD_BYTES = 7
/** A record that is whole, and the first part of one; the middle and last parts follow in later blocks. */
const FULL = 1
const FIRST = 2
const LAST = 4
const MASK_DELTA = 0xa282ead8

/**
 * Looks at the logs of a directory that LevelDB is about to open. Throws TIDEMARK_CORRUPT where commits that were written
 * whole would be lost; returns what is to be told of an end that is not whole.
 */
export async function checkWriteAhead(
  files: Files,
  { realPath, hasEngineFiles }: Pick<ClaimedDirectory, 'realPath' | 'hasEngineFiles'>,
  location: string,
): Promise<TidemarkError | undefined> {
  let told: TidemarkError | undefined
  const names = await files.readdir(realPath)
  const logs = names.filter((name) => name.endsWith('.log')).sort()
  const isMissing = hasEngineFiles && logs.length === 0 && names.some((name) => name.startsWith('MANIFEST-'))
  if (isMissing) throw missing(location)
  for (const name of logs) {
    const place = path.join(realPath, name)
    const file = await files.open(place, 'r').catch(absent)
    if (file === undefined) continue
    try {
      const end = await readLog(file)
      if (end.isDamaged) throw damaged(location, name, end.wholeBytes)
      if (end.isSuspicious) told = endDamaged(location, name, end.wholeBytes)
    } finally {
      await file.close()
    }
  }
  return told
}

/** Another process has the store open, and needs that log no more: LevelDB will say so. */
function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

interface LogEnd {
  /** Bytes before the first record that is not whole. */
  wholeBytes: number
  /** Something that was written whole is not whole any more. */
  isDamaged: boolean
  /** The end is as long as it says, and not what its checksum says. */
  isSuspicious: boolean
}

async function readLog(file: FileHandle): Promise<LogEnd> {
  const block = Buffer.alloc(BLOCK_BYTES)
  const end: LogEnd = { wholeBytes: Number.POSITIVE_INFINITY, isDamaged: false, isSuspicious: false }
  for (let offset = 0; !end.isDamaged; offset += BLOCK_BYTES) {
    const length = await readBlock(file, block, offset)
    checkBlock(block.subarray(0, length), offset, end)
    if (length < BLOCK_BYTES) break
  }
  return end
}

/** Fills a block from the file, as far as there is one. */
async function readBlock(file: FileHandle, block: Buffer, offset: number): Promise<number> {
  let filled = 0
  while (filled < block.length) {
    const { bytesRead } = await file.read(block, filled, block.length - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

/** Goes through the records of a block; a record of a later block is where its block begins. */
function checkBlock(block: Buffer, offset: number, end: LogEnd): void {
  let at = 0
  while (at + HEAD_BYTES <= block.length) {
    const next = endOfRecord(block, at)
    if (next === undefined) {
      noteBad(block, at, offset, end)
      return
    }
    if (end.wholeBytes < offset && begins(block, at)) end.isDamaged = true
    at = next
  }
  // The last bytes of a block have no room for a record; of a log that ends within one, they are a part of one.
  if (block.length < BLOCK_BYTES && at < block.length) end.wholeBytes = Math.min(end.wholeBytes, offset + at)
}

function noteBad(block: Buffer, at: number, offset: number, end: LogEnd): void {
  end.wholeBytes = Math.min(end.wholeBytes, offset + at)
  const claimed = at + HEAD_BYTES + block.readUInt16LE(at + 4)
  const isCutOff = claimed > block.length && block.length < BLOCK_BYTES
  if (isCutOff) end.isDamaged ||= isRight(block, at, block.length)
  else end.isSuspicious = true
  for (let from = at + 1; from + HEAD_BYTES <= block.length && !end.isDamaged; from++) {
    end.isDamaged = begins(block, from) && endOfRecord(block, from) !== undefined
  }
}

/** Whether a commit begins with the record at a place. */
function begins(block: Buffer, at: number): boolean {
  const type = block[at + 6]!
  return type === FULL || type === FIRST
}

/** Where the record at a place ends, or undefined where none is whole. */
function endOfRecord(block: Buffer, at: number): number | undefined {
  const end = at + HEAD_BYTES + block.readUInt16LE(at + 4)
  return end <= block.length && isRight(block, at, end) ? end : undefined
}

/** Whether the record from `at` to `end` is what its checksum says: of its type and its content. */
function isRight(block: Buffer, at: number, end: number): boolean {
  const type = block[at + 6]!
  if (type < FULL || type > LAST) return false
  const crc = crc32c(block, at + 6, end)
  const masked = (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
  return block.readUInt32LE(at) === masked
}

function missing(location: string): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the store ${location} is damaged: LevelDB's log is missing, and with it the last commits: it was left untouched; ` +
      'restore a checkpoint',
  )
}

function damaged(location: string, name: string, offset: number): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the store ${location} is damaged: in ${name} commits stand behind byte ${offset}, and what is there cannot be read: ` +
      'LevelDB would leave them out without a word; it was left untouched; restore a checkpoint',
  )
}

function endDamaged(location: string, name: string, offset: number): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `what stood in ${name} of the store ${location} from byte ${offset} on could not be read, and was left out: after a ` +
      'loss of power, what was being written then; otherwise the last commits: ask what is there, or restore a checkpoint',
  )
}
