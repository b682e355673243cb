/**
 * Makes the blocks of a checkpoint, task by task: walks, cuts, compresses, and sends what comes out of it in pieces.
 *
 * - Every worker of a checkpoint does this, the one that writes the file too. They share a counter: each takes the next
 *   task when it is done with its last, so the faster one does more, and nobody waits to be told.
 */
import type { Engine } from '../engine/engine.ts'
import { walkVisible } from '../snapshot/walk.ts'
import { BlockCutter } from './blockcutter.ts'
import { encodeBlockRecord } from './blockindex.ts'
import type { CheckpointCut } from './cut.ts'
import { encodeFrame } from './framewriter.ts'
import type { Pace } from './pace.ts'
import { PieceSender, type SendPiece } from './pieces.ts'
import type { WriteTask } from './sections.ts'

/** What is to be done for one checkpoint: the same for all of its workers, to which it may be posted. */
export interface SharedWork {
  tasks: readonly WriteTask[]
  /** How many of them were taken, as one Int32. */
  taken: SharedArrayBuffer
}

export function sharedWork(tasks: readonly WriteTask[]): SharedWork {
  return { tasks, taken: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT) }
}

export interface Production {
  engine: Engine
  cut: CheckpointCut
  work: SharedWork
  send: SendPiece
  /** Default: as fast as it can be done. */
  pace?: Pace
  /** Called now and then: throws when there is no use in going on. */
  check(): void
}

/** Does tasks until none is left. Resolves when the last piece is sent, which need not be taken yet. */
export async function produceBlocks({ engine, cut, work, send, check, pace }: Production): Promise<void> {
  const pieces = new PieceSender(send)
  const { tasks } = work
  const counter = new Int32Array(work.taken)
  /** Index of a task that nobody else has. */
  const take = () => Atomics.add(counter, 0, 1)
  let task = take()
  const cutter = new BlockCutter(cut, async ({ record, bytes, isRepetitive }) => {
    const frame = encodeFrame({ type: 'block', entries: record.count, bytes, isRepetitive })
    await pieces.append(task, frame.head)
    await pieces.append(task, frame.stored)
    const { serviceId, domain, count, setHash } = record
    const { length, crc } = frame
    pieces.addBlock({
      serviceId,
      domain,
      count,
      setHash,
      record: encodeBlockRecord({ ...record, length, crc }),
    })
  })
  for (; task < tasks.length; task = take()) {
    for await (const chunk of walkVisible(engine, cut.version, { ...tasks[task], pace })) {
      check()
      await cutter.add(chunk)
    }
    await cutter.end()
    await pieces.endTask(task)
  }
}
