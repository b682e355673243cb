/**
 * Writes an incremental checkpoint: the log from its base's version to its own, entry by entry as it is stored.
 *
 * - Time and bytes follow what was committed since the base, never what is stored.
 * - It proves itself: the entries are contiguous, each verified and chained to the one before, and the last is the one
 *   that the store had when the checkpoint was cut.
 */
import type { Engine } from '../engine/engine.ts'
import { TidemarkError } from '../errors.ts'
import { CHECKPOINT_BLOCK_BYTES } from '../limits.ts'
import { readKept } from '../log/tail.ts'
import { reached } from '../steps.ts'
import { type CheckpointCut, totalTimers, type WrittenCheckpoint } from './cut.ts'
import { writeFileHead, writeFooter } from './fileends.ts'
import { LOG_LENGTH_BYTES } from './format.ts'
import { appendFrame } from './framewriter.ts'
import type { CheckpointSink } from './sink.ts'
import { elapsedFromNow, throttled, throwIfAborted } from './watch.ts'
import { type WrittenContent, writeWholeFile } from './wholefile.ts'
import type { WriteOptions } from './writer.ts'

/** Writes the incremental checkpoint of a cut that has a base; the log must be held from the base's version on. */
export function writeIncremental(
  engine: Engine,
  cut: CheckpointCut,
  directory: string,
  options: WriteOptions = {},
): Promise<WrittenCheckpoint> {
  const write = (sink: CheckpointSink) => writeLog(engine, cut, sink, options)
  return writeWholeFile(directory, cut, options.signal, write, options.files)
}

async function writeLog(
  engine: Engine,
  cut: CheckpointCut,
  sink: CheckpointSink,
  { signal, onProgress, elapsedMs = elapsedFromNow(), pace }: WriteOptions,
): Promise<WrittenContent> {
  const headerCrc = await writeFileHead(sink, cut)
  const blocksOffset = sink.offset
  const frames = new LogFrames(sink)
  reached('checkpoint.beforeLog')
  const timers = totalTimers(cut.services)
  const report = throttled(onProgress)
  for await (const value of provedEntries(engine, cut)) {
    throwIfAborted(signal, 'checkpoint')
    const before = frames.count
    await frames.add(value)
    if (frames.count > before) await pace?.rest()
    report({ timers, bytes: sink.offset, total: timers })
  }
  await frames.end()
  reached('checkpoint.afterLog')
  return writeFooter(sink, {
    blocks: frames.count,
    indexFrames: 0,
    timers,
    durationMs: elapsedMs(),
    blocksOffset,
    indexOffset: sink.offset,
    headerCrc,
    indexCrc: 0,
  })
}

/** The stored entries from the base's version to the cut's. */
async function* provedEntries(engine: Engine, cut: CheckpointCut): AsyncGenerator<string> {
  const first = cut.base!.version
  if (first === cut.version) return
  let { chain } = cut.base!
  for await (const { entry, value } of readKept(engine, { version: cut.version - 1 }, first)) {
    if (entry.version === first && entry.previous !== chain) throw notTheOne(first - 1)
    chain = entry.checksum
    yield value
  }
  if (chain !== cut.chain) throw notTheOne(cut.version - 1)
}

function notTheOne(version: number): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the log entry of version ${version} is not the one that was committed: run verify(), and restore a checkpoint`,
  )
}

/** Puts entries behind one another into frames of one size; an entry may go on in the next. */
class LogFrames {
  readonly #sink: CheckpointSink
  readonly #frame = Buffer.allocUnsafeSlow(CHECKPOINT_BLOCK_BYTES)
  #filled = 0
  /** Entries that begin in the frame. */
  #begun = 0
  count = 0

  constructor(sink: CheckpointSink) {
    this.#sink = sink
  }

  async add(value: string): Promise<void> {
    const bytes = Buffer.allocUnsafe(LOG_LENGTH_BYTES + Buffer.byteLength(value))
    bytes.writeUInt32LE(bytes.length - LOG_LENGTH_BYTES, 0)
    bytes.write(value, LOG_LENGTH_BYTES)
    this.#begun++
    for (let from = 0; from < bytes.length; ) {
      const copied = bytes.copy(this.#frame, this.#filled, from)
      from += copied
      this.#filled += copied
      if (this.#filled === this.#frame.length) await this.end()
    }
  }

  async end(): Promise<void> {
    if (this.#filled === 0) return
    const bytes = this.#frame.subarray(0, this.#filled)
    await appendFrame(this.#sink, { type: 'log', entries: this.#begun, bytes, isRepetitive: true })
    this.count++
    this.#filled = 0
    this.#begun = 0
  }
}
