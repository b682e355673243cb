/**
 * The timestamps of a checkpoint over time, from some of its blocks: where keys are spread over key groups by their hash,
 * as they are, a few blocks tell what all would.
 *
 * - Blocks are picked so that equal shares of all timers lie between them; each stands for its share. A file that has no
 *   more blocks than are picked is read whole, and what is told of it is exact.
 */
import type { PlacedBlock } from '../checkpoint/blockindex.ts'
import type { CheckpointFacts } from './source.ts'
import { TimeHistogram } from './timehistogram.ts'

/** 64 KiB each: read and understood in about a twentieth of a second. */
export const SAMPLED_BLOCKS = 64

export interface TimeSample {
  histogram: TimeHistogram
  blocksRead: number
  blocks: number
  /** Whether every block was read. */
  isExact: boolean
}

/** For every block that is picked, how many timers each of its timers stands for. */
export function pickBlocks(blocks: readonly PlacedBlock[], most: number): Map<PlacedBlock, number> {
  if (blocks.length <= most) return new Map(blocks.map((block) => [block, 1]))
  const total = blocks.reduce((sum, { count }) => sum + count, 0)
  const picked = new Map<PlacedBlock, number>()
  let at = 0
  let before = 0
  for (let i = 0; i < most; i++) {
    const middle = ((i + 0.5) * total) / most
    while (before + blocks[at]!.count <= middle) before += blocks[at++]!.count
    const block = blocks[at]!
    picked.set(block, (picked.get(block) ?? 0) + total / most / block.count)
  }
  return picked
}

/** Reads the timestamps of at most so many of the blocks; `onRead` hears how many were read. */
export async function sampleTimes(
  checkpoint: CheckpointFacts,
  blocks: readonly PlacedBlock[],
  most: number,
  onRead: (blocks: number) => void,
): Promise<TimeSample> {
  const picked = pickBlocks(blocks, most)
  const histogram = new TimeHistogram()
  let blocksRead = 0
  for await (const { block, timestamps } of checkpoint.timestamps((block) => picked.has(block))) {
    const weight = picked.get(block)!
    for (let i = 0; i < timestamps.length; i++) histogram.add(timestamps[i]!, weight)
    onRead(++blocksRead)
  }
  return { histogram, blocksRead, blocks: blocks.length, isExact: blocksRead === blocks.length }
}
