/** A checkpoint's file as a source: only the blocks that a range needs are read. */
import type { PlacedBlock, Segment } from '../checkpoint/blockindex.ts'
import { totalTimers } from '../checkpoint/cut.ts'
import { CheckpointReader } from '../checkpoint/reader.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../limits.ts'
import type { VisibleChunk } from '../snapshot/walk.ts'
import type { Source, TimerRange } from './source.ts'

export async function openCheckpointSource(path: string): Promise<Source> {
  const reader = await CheckpointReader.open(path)
  const { header, index, bytes, durationMs, sha256 } = reader
  const { storeId, version, maxParallelism, keyGroups, services } = header
  return {
    kind: 'checkpoint',
    path,
    storeId,
    version,
    maxParallelism,
    keyGroups,
    services,
    count: totalTimers(services),
    checkpoint: {
      header,
      bytes,
      durationMs,
      sha256,
      index,
      timestamps: (isWanted) => reader.timestamps(isWanted),
    },
    timers: (range) => wantedBlocks(reader, range),
    close: () => reader.close(),
  }
}

function wantedBlocks(reader: CheckpointReader, range: TimerRange = {}): AsyncIterable<VisibleChunk> {
  return reader.blocks(undefined, (block) => isBlockWanted(block, range))
}

/** Whether a block may have timers of a range. */
export function isBlockWanted(block: PlacedBlock, range: TimerRange): boolean {
  const { serviceIds, domain } = range
  if (serviceIds !== undefined && !serviceIds.includes(block.serviceId)) return false
  if (domain !== undefined && domain !== block.domain) return false
  return block.segments.some((segment) => isSegmentWanted(segment, range))
}

function isSegmentWanted({ keyGroup, earliest, latest }: Segment, range: TimerRange): boolean {
  const { keyGroups, from = MIN_TIMESTAMP, to = MAX_TIMESTAMP } = range
  if (latest < from || earliest > to) return false
  return keyGroups === undefined || keyGroups.some(({ start, end }) => keyGroup >= start && keyGroup <= end)
}
