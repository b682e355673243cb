/**
 * Cuts the walked timers into blocks.
 *
 * - A block belongs to one queue. A key group that is large has blocks of its own but for its first, which may begin with
 *   the end of the one before; small ones share a block. So restoring a few key groups reads little else, and tens of
 *   thousands of small ones do not make as many blocks.
 * - A block never goes beyond its section (sections.ts).
 */
import { TidemarkError } from '../errors.ts'
import { CHECKPOINT_BLOCK_BYTES, MIN_CHECKPOINT_BLOCK_BYTES } from '../limits.ts'
import type { VisibleChunk } from '../snapshot/walk.ts'
import { addToSetHash } from '../timer/checksum.ts'
import { IDENTITY_KEY_START, IDENTITY_QUEUE_END, queuePrefix, type TimeDomain } from '../timer/identity.ts'
import { decodeDigits } from '../timer/text.ts'
import { BlockEncoder } from './blockencoder.ts'
import type { BlockRecord } from './blockindex.ts'
import type { CheckpointCut } from './cut.ts'
import { sectionCount, sectionOf } from './sections.ts'
import { bytesOf, type TextBytes } from './textbytes.ts'

/** A block that is full, and what the index will tell of it once it is stored. */
export interface CutBlock {
  record: Omit<BlockRecord, 'length' | 'crc'>
  bytes: Buffer
  isRepetitive: boolean
}

/** A queue of the cut. */
interface Queue {
  readonly serviceId: number
  readonly domain: TimeDomain
  readonly sections: number
}

export class BlockCutter {
  readonly #byPrefix = new Map<string, Queue>()
  readonly #maxParallelism: number
  readonly #take: (block: CutBlock) => Promise<void>
  readonly #encoder = new BlockEncoder()
  #queue: Queue | undefined
  #section = 0
  /** The key groups of the block, and the index of the first timer of each. */
  #begun: { keyGroup: number; first: number }[] = []
  #setHash = 0

  /** `take` is given each block, one at a time. */
  constructor(cut: CheckpointCut, take: (block: CutBlock) => Promise<void>) {
    this.#maxParallelism = cut.maxParallelism
    this.#take = take
    for (const service of cut.services) {
      for (const domain of ['eventTime', 'processingTime'] as const) {
        const sections = sectionCount(service[domain].count, cut.maxParallelism)
        this.#byPrefix.set(queuePrefix(service.id, domain), { serviceId: service.id, domain, sections })
      }
    }
  }

  async add(chunk: VisibleChunk): Promise<void> {
    const identities = bytesOf(chunk.identities)
    const values = bytesOf(chunk.values)
    let next = this.#fill(chunk, identities, values, 0)
    while (next < chunk.count) {
      await this.#cut()
      next = this.#fill(chunk, identities, values, next)
    }
  }

  async end(): Promise<void> {
    if (this.#encoder.count > 0) await this.#cut()
  }

  /** Puts timers into the block, from an index on; returns that of the first which has to go into the next one. */
  #fill(chunk: VisibleChunk, identities: TextBytes, values: TextBytes, start: number): number {
    const { count, checksums } = chunk
    const encoder = this.#encoder
    let setHash = this.#setHash
    let i = start
    for (; i < count; i++) {
      const shared = encoder.sharedWith(identities, i)
      // It shares service, domain and key group with the one before it, or begins another segment.
      if (shared < IDENTITY_KEY_START) {
        if (!this.#beginSegment(chunk.identities[i]!)) break
      } else if (encoder.size >= CHECKPOINT_BLOCK_BYTES) break
      encoder.add(identities, values, i, shared)
      setHash = addToSetHash(setHash, checksums[i]!)
    }
    this.#setHash = setHash
    return i
  }

  /** Begins the segment of another key group; false where it belongs to another block. */
  #beginSegment(identity: string): boolean {
    const queue = this.#byPrefix.get(identity.slice(0, IDENTITY_QUEUE_END))
    const keyGroup = decodeDigits(identity, IDENTITY_QUEUE_END, 3)
    if (queue === undefined || !(keyGroup < this.#maxParallelism)) {
      throw new TidemarkError(
        'TIDEMARK_CORRUPT',
        `the timer ${JSON.stringify(identity)} belongs to no service and key group of this store: run verify()`,
      )
    }
    const section = sectionOf(keyGroup, queue.sections, this.#maxParallelism)
    if (this.#encoder.count > 0) {
      if (queue !== this.#queue || section !== this.#section) return false
      if (this.#encoder.size >= MIN_CHECKPOINT_BLOCK_BYTES) return false
    }
    this.#queue = queue
    this.#section = section
    this.#begun.push({ keyGroup, first: this.#encoder.count })
    return true
  }

  async #cut(): Promise<void> {
    const { serviceId, domain } = this.#queue!
    const { count } = this.#encoder
    const setHash = this.#setHash
    const segments = this.#begun.map(({ keyGroup, first }, i) => {
      const segmentCount = (this.#begun[i + 1]?.first ?? count) - first
      return { keyGroup, count: segmentCount, ...this.#encoder.timestampRange(first, segmentCount) }
    })
    const isRepetitive = this.#encoder.isMostlyValues
    this.#begun = []
    this.#setHash = 0
    const record = { serviceId, domain, count, setHash, segments }
    await this.#take({ record, bytes: this.#encoder.finish(), isRepetitive })
  }
}
