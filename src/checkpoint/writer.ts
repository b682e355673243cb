/**
 * Writes a full checkpoint: what stood at the cut's version, walked and put into one file.
 *
 * - Where a block ends depends only on what is stored, not on time, and not on who made it: equal content makes equal
 *   bytes, however many workers assist.
 * - Every checkpoint proves itself: count and set hash of each queue must be the cut's, which the commits kept.
 * - It becomes a file as a whole or not at all (wholefile.ts).
 */
import type { MessagePort } from 'node:worker_threads'
import type { Engine } from '../engine/engine.ts'
import { TidemarkError } from '../errors.ts'
import type { Files } from '../files.ts'
import { CHECKPOINT_BLOCK_BYTES } from '../limits.ts'
import { reached } from '../steps.ts'
import { Assembler } from './assembler.ts'
import { takePieces } from './assist.ts'
import { type CheckpointCut, totalTimers, type WrittenCheckpoint } from './cut.ts'
import { writeFileHead, writeFooter } from './fileends.ts'
import { appendFrame } from './framewriter.ts'
import type { CheckpointProgress } from './options.ts'
import type { Pace } from './pace.ts'
import { produceBlocks, type SharedWork, sharedWork } from './production.ts'
import { planTasks } from './sections.ts'
import type { CheckpointSink } from './sink.ts'
import { abortedError, elapsedFromNow, throttled, throwIfAborted } from './watch.ts'
import { writeWholeFile } from './wholefile.ts'

export interface WriteOptions {
  signal?: AbortSignal
  onProgress?(progress: CheckpointProgress): void
  /** How long it has taken so far, for the footer. Default: since the call. */
  elapsedMs?(): number
  /** What is shared with the assistants. Default: nothing is, and there are none. */
  work?: SharedWork
  /** To others that make blocks of this file (assist.ts); whoever gave these ports ends the assistance. */
  assistants?: readonly MessagePort[]
  /** Default: as fast as it can be done. */
  pace?: Pace
  /** Default: those of the machine. */
  files?: Files
}

/** Writes the full checkpoint of a cut into a directory, which is made where it is missing. */
export function writeCheckpoint(
  engine: Engine,
  cut: CheckpointCut,
  directory: string,
  options: WriteOptions = {},
): Promise<WrittenCheckpoint> {
  const { elapsedMs = elapsedFromNow() } = options
  const write = async (sink: CheckpointSink) => {
    const headerCrc = await writeFileHead(sink, cut)
    const blocksOffset = sink.offset
    reached('checkpoint.beforeBlocks')
    const { records, timers } = await writeBlocks(engine, cut, sink, options)
    reached('checkpoint.afterBlocks')
    const indexOffset = sink.offset
    sink.beginSection()
    const indexFrames = await writeIndex(sink, records)
    const indexCrc = sink.endSection()
    const blocks = records.length
    const places = { blocksOffset, indexOffset, headerCrc, indexCrc }
    return writeFooter(sink, { blocks, indexFrames, timers, durationMs: elapsedMs(), ...places })
  }
  return writeWholeFile(directory, cut, options.signal, write, options.files)
}

/** Writes the blocks, this thread's own and those of the assistants, and proves them. */
async function writeBlocks(
  engine: Engine,
  cut: CheckpointCut,
  sink: CheckpointSink,
  { signal, onProgress, work = sharedWork(planTasks(cut)), assistants = [], pace }: WriteOptions,
): Promise<{ records: readonly string[]; timers: number }> {
  const total = totalTimers(cut.services)
  const report = throttled(onProgress)
  const assembler = new Assembler(sink, work.tasks.length, (timers) =>
    report({ timers, bytes: sink.offset, total }),
  )
  const onAbort = () => assembler.fail(abortedError(signal, 'checkpoint'))
  throwIfAborted(signal, 'checkpoint')
  signal?.addEventListener('abort', onAbort)
  for (const port of assistants) takePieces(port, assembler)
  try {
    const check = () => assembler.check()
    await produceBlocks({ engine, cut, work, check, pace, send: assembler.append })
  } catch (error) {
    assembler.fail(error)
  }
  await assembler.complete().finally(() => signal?.removeEventListener('abort', onAbort))
  proveQueues(cut, assembler)
  return assembler
}

/** Compares what was written with what the commits say. */
function proveQueues(cut: CheckpointCut, assembler: Assembler): void {
  for (const service of cut.services) {
    for (const domain of ['eventTime', 'processingTime'] as const) {
      const expected = service[domain]
      const { count, setHash } = assembler.sumOf(service.id, domain)
      if (count === expected.count && setHash === expected.setHash) continue
      throw new TidemarkError(
        'TIDEMARK_CORRUPT',
        `the ${domain} timers of service '${service.name}' are not those of version ${cut.version}: ` +
          `the log says ${expected.count} with set hash ${expected.setHash}, ` +
          `the store has ${count} with set hash ${setHash}: run verify(), and restore a checkpoint`,
      )
    }
  }
}

/** Returns how many frames the index takes. */
async function writeIndex(sink: CheckpointSink, records: readonly string[]): Promise<number> {
  let frames = 0
  let text = ''
  let entries = 0
  const add = async () => {
    await appendFrame(sink, { type: 'index', entries, bytes: Buffer.from(text), isRepetitive: true })
    frames++
    text = ''
    entries = 0
  }
  for (const record of records) {
    text += record
    entries++
    if (text.length >= CHECKPOINT_BLOCK_BYTES) await add()
  }
  if (entries > 0) await add()
  return frames
}
