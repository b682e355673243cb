/**
 * Proves a checkpoint's file: every byte, every frame, every timer or log entry, and goes on where something is damaged,
 * so that all of the damage is told and not only what comes first.
 *
 * - Where blocks begin and end is known from the index, which was proved when the file was opened: no damaged length leads
 *   astray.
 * - The file is read once, its SHA-256 taken on the way.
 */
import { createHash, type Hash } from 'node:crypto'
import { TidemarkError } from '../errors.ts'
import { CHECKPOINT_IO_BYTES } from '../limits.ts'
import type { PlacedBlock } from './blockindex.ts'
import { FileSource, frameContent } from './filesource.ts'
import {
  check,
  checkFrame,
  corruptCheckpoint,
  FOOTER_BYTES,
  FOOTER_SHA256_OFFSET,
  FRAME_TYPES,
  namingLog,
} from './format.ts'
import type { CheckpointHeader } from './header.ts'
import { readLogEntries } from './logreader.ts'
import { LogTotals } from './logtotals.ts'
import type { OpenFile } from './openfile.ts'
import { RowsReader } from './rowsreader.ts'

export interface ProofOptions {
  signal?: AbortSignal
  /** Leaves out what is in the frames: their checksums, and the SHA-256, prove the bytes. */
  bytesOnly?: boolean
  /** What an incremental checkpoint builds on: then its log entries must lead from there to its own totals. */
  base?: CheckpointHeader
  /** Called with the bytes that were looked at, now and then. */
  onProgress?(bytes: number): void
}

/** Damage told of one file at most. */
const MAX_PROBLEMS = 1000

/** Returns what is damaged: an error each, that of the SHA-256 only where nothing else was found. */
export async function proveFile(
  opened: OpenFile,
  header: CheckpointHeader,
  index: readonly PlacedBlock[],
  options: ProofOptions,
): Promise<TidemarkError[]> {
  const { path, footer, footerBytes } = opened
  const sha256 = createHash('sha256')
  const problems: TidemarkError[] = []
  await hashPart(opened, 0, footer.blocksOffset, sha256, options)
  if (header.kind === 'incremental') {
    await hashPart(opened, footer.blocksOffset, footer.indexOffset, sha256, options)
    await collecting(problems, () => proveLog(opened, header, options))
  } else {
    await proveBlocks(opened, header, index, sha256, problems, options)
  }
  await hashPart(opened, footer.indexOffset, footer.fileLength - FOOTER_BYTES, sha256, options)
  sha256.update(footerBytes.subarray(0, FOOTER_SHA256_OFFSET))
  const isSame = sha256.digest().equals(footer.sha256)
  // Whoever gave the signal asks it again, and cares no more for what was found.
  if (options.signal?.aborted === true || isSame || problems.length > 0) return problems
  return [corruptCheckpoint(path, 'the whole file', 'its SHA-256 is not the one in its footer')]
}

async function hashPart(
  { path, file }: OpenFile,
  start: number,
  end: number,
  sha256: Hash,
  { signal, onProgress }: ProofOptions,
): Promise<void> {
  const source = new FileSource(path, file, start, end)
  while (!source.atEnd && signal?.aborted !== true) {
    sha256.update(await source.take(Math.min(CHECKPOINT_IO_BYTES, end - source.offset)))
    onProgress?.(source.offset)
  }
}

async function proveBlocks(
  { path, file, footer }: OpenFile,
  { version }: CheckpointHeader,
  index: readonly PlacedBlock[],
  sha256: Hash,
  problems: TidemarkError[],
  { signal, bytesOnly, onProgress }: ProofOptions,
): Promise<void> {
  const source = new FileSource(path, file, footer.blocksOffset, footer.indexOffset)
  const rows = new RowsReader(version)
  for (const block of index) {
    if (signal?.aborted === true || problems.length >= MAX_PROBLEMS) return
    const bytes = await source.take(block.length)
    sha256.update(bytes)
    await collecting(problems, () =>
      source.naming(`block at byte ${block.offset} (${count(block)})`, () => {
        const head = checkFrame(bytes)
        const isTheOne =
          head.type === FRAME_TYPES.block && head.crc === block.crc && head.entries === block.count
        check(isTheOne, 'it is not the block that the index tells of')
        if (bytesOnly !== true) rows.read(block, frameContent({ offset: block.offset, head, bytes }))
      }),
    )
    onProgress?.(source.offset)
  }
}

function count({ count, domain, serviceId }: PlacedBlock): string {
  return `${count} timers of service ${serviceId}, ${domain}`
}

async function proveLog(
  opened: OpenFile,
  header: CheckpointHeader,
  { base, signal }: ProofOptions,
): Promise<void> {
  const totals = base === undefined ? undefined : new LogTotals(base.services)
  for await (const logged of readLogEntries(opened, header)) {
    if (signal?.aborted === true) return
    namingLog(opened.path, () => totals?.add(logged))
  }
  namingLog(opened.path, () => totals?.compare(header.services))
}

async function collecting(problems: TidemarkError[], run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error
    problems.push(error)
  }
}
