/** A checkpoint's file as a source: only the blocks that a range needs are read. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { PlacedBlock, Segment } from '../checkpoint/blockindex.ts'
import { totalTimers } from '../checkpoint/cut.ts'
import { CheckpointReader } from '../checkpoint/reader.ts'
import { TidemarkError } from '../errors.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../limits.ts'
import type { VisibleChunk } from '../snapshot/walk.ts'
import type { Source, TimerRange } from './source.ts'
import type { Terminal } from './terminal.ts'

export async function openCheckpointSource(place: string, terminal: Terminal): Promise<Source> {
  const reader = await CheckpointReader.open(place)
  const { header, index, bytes, durationMs, sha256 } = reader
  const { storeId, version, maxParallelism, keyGroups, services } = header
  const restored = new RestoredChain(place, terminal)
  return {
    kind: 'checkpoint',
    path: place,
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
      stream: (isWanted) => reader.stream(isWanted),
      timestamps: (isWanted) => reader.timestamps(isWanted),
    },
    timers: (range) => (header.kind === 'incremental' ? restored.timers(range) : wantedBlocks(reader, range)),
    close: async () => {
      await restored.close()
      await reader.close()
    },
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

/** What a chain comes to, in a temporary store: restored when it is first asked for, gone when it is closed. */
class RestoredChain {
  readonly #place: string
  readonly #terminal: Terminal
  #directory: string | undefined
  #store: Source | undefined

  constructor(place: string, terminal: Terminal) {
    this.#place = place
    this.#terminal = terminal
  }

  async *timers(range?: TimerRange): AsyncGenerator<VisibleChunk> {
    this.#store ??= await this.#restore()
    yield* this.#store.timers(range)
  }

  async close(): Promise<void> {
    await this.#store?.close()
    if (this.#directory !== undefined) await fs.promises.rm(this.#directory, { recursive: true, force: true })
  }

  async #restore(): Promise<Source> {
    const { restoreCheckpoint } = await import('../checkpoint/restore.ts')
    const { openStoreSource } = await import('./storesource.ts')
    const { signal } = this.#terminal
    this.#directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'tidemark-'))
    const target = path.join(this.#directory, 'store')
    const progress = this.#terminal.progress('restoring what it builds on', 'timers')
    const onProgress = ({ timers }: { timers: number }) => progress.at(timers)
    await restoreCheckpoint(this.#place, target, { signal, onProgress }).catch((error) => {
      throw withoutLink(error)
    })
    progress.end()
    return openStoreSource(target)
  }
}

/** The file is there, so what was not found is what it builds on: its chain is damaged. */
function withoutLink(error: unknown): unknown {
  if (!(error instanceof TidemarkError) || error.code !== 'TIDEMARK_CHECKPOINT_NOT_FOUND') return error
  return new TidemarkError('TIDEMARK_CHECKPOINT_CORRUPT', error.message, { cause: error })
}
