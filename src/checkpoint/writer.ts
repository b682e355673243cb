/**
 * Writes a checkpoint: what stood at the cut's version, walked and put into one file.
 *
 * - Where a block ends depends only on what is stored, never on time: equal content makes equal bytes.
 * - Every checkpoint proves itself: count and set hash of each queue must be the cut's, which the commits kept.
 * - It becomes a file as a whole or not at all (wholefile.ts).
 */
import type { Engine } from '../engine/engine.ts'
import { TidemarkError } from '../errors.ts'
import { CHECKPOINT_BLOCK_BYTES } from '../limits.ts'
import { walkVisible } from '../snapshot/walk.ts'
import { BlockCutter, type CountedQueue } from './blockcutter.ts'
import { type BlockRecord, encodeBlockRecord } from './blockindex.ts'
import { type CheckpointCut, totalTimers, type WrittenCheckpoint } from './cut.ts'
import { writeFileHead, writeFooter } from './fileends.ts'
import { appendFrame } from './framewriter.ts'
import type { CheckpointProgress } from './options.ts'
import type { CheckpointSink } from './sink.ts'
import { elapsedFromNow, throttled, throwIfAborted } from './watch.ts'
import { type WrittenContent, writeWholeFile } from './wholefile.ts'

export interface WriteOptions {
  signal?: AbortSignal
  onProgress?(progress: CheckpointProgress): void
  /** How long it has taken so far, for the footer. Default: since the call. */
  elapsedMs?(): number
}

/** Writes the full checkpoint of a cut into a directory, which is made where it is missing. */
export function writeCheckpoint(
  engine: Engine,
  cut: CheckpointCut,
  directory: string,
  options: WriteOptions = {},
): Promise<WrittenCheckpoint> {
  return writeWholeFile(directory, cut, options.signal, (sink) =>
    new FileWriter(cut, sink, options).write(engine),
  )
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

  async write(engine: Engine): Promise<WrittenContent> {
    const { elapsedMs = elapsedFromNow() } = this.#options
    const headerCrc = await writeFileHead(this.#sink, this.#cut)
    const blocksOffset = this.#sink.offset
    await this.#writeBlocks(engine)
    const indexOffset = this.#sink.offset
    this.#sink.beginSection()
    const indexFrames = await this.#writeIndex()
    const indexCrc = this.#sink.endSection()
    return writeFooter(this.#sink, {
      blocks: this.#records.length,
      indexFrames,
      timers: this.#timers,
      durationMs: elapsedMs(),
      blocksOffset,
      indexOffset,
      headerCrc,
      indexCrc,
    })
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
