/**
 * Writes a checkpoint: what stood at the cut's version, walked and put into one file.
 *
 * - Where a block ends depends only on what is stored, never on time: equal content makes equal bytes.
 * - Every checkpoint proves itself: count and set hash of each queue must be the cut's, which the commits kept.
 * - A file gets its name only when all its bytes are on disk, were read again and were found right. Whatever goes wrong
 *   before, nothing is left.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { isCorruptionError } from '../engine/classic.ts'
import { syncDirectory } from '../engine/directory.ts'
import type { Engine } from '../engine/engine.ts'
import { TidemarkError } from '../errors.ts'
import { CHECKPOINT_BLOCK_BYTES, MAX_METADATA_BYTES } from '../limits.ts'
import { walkVisible } from '../snapshot/walk.ts'
import { utf8Length } from '../timer/text.ts'
import { BlockCutter, type CountedQueue } from './blockcutter.ts'
import { type BlockRecord, encodeBlockRecord } from './blockindex.ts'
import {
  type CheckpointCut,
  checkpointFileName,
  temporaryFileName,
  totalTimers,
  type WrittenCheckpoint,
} from './cut.ts'
import { completeFooter, encodeFooter, encodePreamble, FOOTER_BYTES, FOOTER_SHA256_OFFSET } from './format.ts'
import { appendFrame } from './framewriter.ts'
import { encodeHead, encodeService } from './header.ts'
import { verifyFile } from './openfile.ts'
import type { CheckpointProgress } from './options.ts'
import { CheckpointSink } from './sink.ts'
import { throttled, throwIfAborted } from './watch.ts'

export interface WriteOptions {
  signal?: AbortSignal
  onProgress?(progress: CheckpointProgress): void
}

/** Writes the checkpoint of a cut into a directory, which is made where it is missing. */
export async function writeCheckpoint(
  engine: Engine,
  cut: CheckpointCut,
  directory: string,
  options: WriteOptions = {},
): Promise<WrittenCheckpoint> {
  throwIfAborted(options.signal, 'checkpoint')
  const path = join(directory, checkpointFileName(cut))
  // Where the file is so far.
  let place = join(directory, temporaryFileName(cut))
  try {
    await fs.promises.mkdir(directory, { recursive: true, mode: 0o700 })
    const written = await writeFile(engine, cut, place, options)
    await verifyWritten(place, options.signal)
    throwIfAborted(options.signal, 'checkpoint')
    await fs.promises.rename(place, path)
    place = path
    await syncDirectory(directory)
    return { path, ...written }
  } catch (error) {
    // Where even that fails, what failed first is what to tell.
    await fs.promises.rm(place, { force: true }).catch(() => {})
    throw failedWith(error, path)
  }
}

async function verifyWritten(path: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await verifyFile(path, signal)
  } catch (cause) {
    const message = `it does not read as it was written: ${(cause as Error).message}`
    throw new Error(message, { cause })
  }
}

/** What went wrong, as an error of Tidemark. */
function failedWith(error: unknown, path: string): TidemarkError {
  if (error instanceof TidemarkError) return error
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

async function writeFile(
  engine: Engine,
  cut: CheckpointCut,
  path: string,
  options: WriteOptions,
): Promise<{ bytes: number; timers: number }> {
  const sink = await CheckpointSink.create(path)
  try {
    return await new FileWriter(cut, sink, options).write(engine)
  } finally {
    await sink.close()
  }
}

/** Writes the parts of one file, in order. */
class FileWriter {
  readonly #cut: CheckpointCut
  readonly #sink: CheckpointSink
  readonly #options: WriteOptions
  readonly #records: BlockRecord[] = []
  #timers = 0

  constructor(cut: CheckpointCut, sink: CheckpointSink, options: WriteOptions) {
    this.#cut = cut
    this.#sink = sink
    this.#options = options
  }

  async write(engine: Engine): Promise<{ bytes: number; timers: number }> {
    this.#sink.beginSection()
    await this.#writeHeader()
    const headerCrc = this.#sink.endSection()
    const blocksOffset = this.#sink.offset
    await this.#writeBlocks(engine)
    const indexOffset = this.#sink.offset
    this.#sink.beginSection()
    const indexFrames = await this.#writeIndex()
    const footer = encodeFooter({
      blocks: this.#records.length,
      indexFrames,
      timers: this.#timers,
      blocksOffset,
      indexOffset,
      fileLength: this.#sink.offset + FOOTER_BYTES,
      headerCrc,
      indexCrc: this.#sink.endSection(),
    })
    await this.#sink.finish(footer, FOOTER_SHA256_OFFSET, completeFooter)
    return { bytes: this.#sink.offset, timers: this.#timers }
  }

  async #writeHeader(): Promise<void> {
    const { metadata, services } = this.#cut
    if (metadata !== undefined && utf8Length(metadata) > MAX_METADATA_BYTES) {
      throw new TidemarkError(
        'TIDEMARK_INVALID_ARGUMENT',
        `metadata may take ${MAX_METADATA_BYTES} bytes at most`,
      )
    }
    await this.#sink.append(encodePreamble())
    await appendFrame(this.#sink, {
      type: 'header',
      entries: 1,
      bytes: encodeHead(this.#cut),
      isRepetitive: true,
    })
    for (const service of services) {
      await appendFrame(this.#sink, {
        type: 'service',
        entries: 1,
        bytes: encodeService(service),
        isRepetitive: true,
      })
    }
  }

  async #writeBlocks(engine: Engine): Promise<void> {
    const cutter = new BlockCutter(this.#cut, async ({ record, bytes, isRepetitive }) => {
      const content = { type: 'block' as const, entries: record.count, bytes, isRepetitive }
      this.#records.push({ ...record, ...(await appendFrame(this.#sink, content)) })
    })
    const total = totalTimers(this.#cut.services)
    const report = throttled(this.#options.onProgress)
    for await (const chunk of walkVisible(engine, this.#cut.version)) {
      throwIfAborted(this.#options.signal, 'checkpoint')
      await cutter.add(chunk)
      this.#timers += chunk.count
      report({ timers: this.#timers, bytes: this.#sink.offset, total })
    }
    await cutter.end()
    for (const queue of cutter.queues) proveQueue(queue, this.#cut.version)
  }

  /** Returns how many frames the index takes. */
  async #writeIndex(): Promise<number> {
    let frames = 0
    let text = ''
    let entries = 0
    const add = async () => {
      await appendFrame(this.#sink, { type: 'index', entries, bytes: Buffer.from(text), isRepetitive: true })
      frames++
      text = ''
      entries = 0
    }
    for (const record of this.#records) {
      text += encodeBlockRecord(record)
      entries++
      if (text.length >= CHECKPOINT_BLOCK_BYTES) await add()
    }
    if (entries > 0) await add()
    return frames
  }
}

/** Compares what was found with what the commits say. */
function proveQueue({ service, domain, expected, count, setHash }: CountedQueue, version: number): void {
  if (count === expected.count && setHash === expected.setHash) return
  throw new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the ${domain} timers of service '${service}' are not those of version ${version}: ` +
      `the log says ${expected.count} with set hash ${expected.setHash}, ` +
      `the store has ${count} with set hash ${setHash}: run verify(), and restore a checkpoint`,
  )
}
