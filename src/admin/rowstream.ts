/**
 * The timers of one queue of a source as bytes, many at a time, in order of identity: what is compared with another's
 * needs no text. Of a checkpoint's file they are its blocks, which can be left alone where they are known.
 */
import type { PlacedBlock } from '../checkpoint/blockindex.ts'
import type { BlockRows } from '../checkpoint/blockrows.ts'
import type { BlockStream } from '../checkpoint/blockstream.ts'
import { RowsReader } from '../checkpoint/rowsreader.ts'
import { bytesOf } from '../checkpoint/textbytes.ts'
import type { VisibleChunk } from '../snapshot/walk.ts'
import { CHECKSUM_CHARACTERS } from '../timer/checksum.ts'
import { isBlockWanted } from './checkpointsource.ts'
import type { Source, TimerRange } from './source.ts'

export type Rows = Pick<BlockRows, 'count' | 'identities' | 'bodies'>

export interface RowStream {
  /** The block that is next, where it is known before it is read. */
  readonly upcoming: PlacedBlock | undefined
  /** Its bytes, as they are stored. */
  storedBytes(): Promise<Buffer>
  /** Goes on behind it. */
  skip(): void
  /** The next timers; undefined: there are none. */
  next(): Promise<Rows | undefined>
  close(): Promise<void>
}

/** The timers of a range, and perhaps more, which is to be of one queue. */
export function openRows(source: Source, range: TimerRange): RowStream {
  const { checkpoint } = source
  if (checkpoint === undefined || checkpoint.header.kind === 'incremental') {
    return new ChunkRows(source.timers(range))
  }
  const stream = checkpoint.stream((block) => isBlockWanted(block, range))
  return new BlockRowStream(stream, checkpoint.header.version)
}

class BlockRowStream implements RowStream {
  readonly #stream: BlockStream
  readonly #reader: RowsReader

  constructor(stream: BlockStream, version: number) {
    this.#stream = stream
    this.#reader = new RowsReader(version)
  }

  get upcoming(): PlacedBlock | undefined {
    return this.#stream.upcoming
  }

  async storedBytes(): Promise<Buffer> {
    return (await this.#stream.frame()).bytes
  }

  skip(): void {
    this.#stream.skip()
  }

  async next(): Promise<Rows | undefined> {
    if (this.#stream.upcoming === undefined) return undefined
    return this.#stream.take((block, content) => this.#reader.read(block, content))
  }

  async close(): Promise<void> {}
}

class ChunkRows implements RowStream {
  readonly upcoming = undefined
  readonly #chunks: AsyncIterator<VisibleChunk>

  constructor(chunks: AsyncIterable<VisibleChunk>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  async next(): Promise<Rows | undefined> {
    const { done, value } = await this.#chunks.next()
    if (done === true) return undefined
    const { count, identities, values } = value
    const bodies = bytesOf(values.map((text) => text.slice(0, -CHECKSUM_CHARACTERS)))
    return { count, identities: bytesOf(identities), bodies }
  }

  storedBytes(): Promise<Buffer> {
    return Promise.reject(new Error('what is walked has no blocks'))
  }

  skip(): void {}

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}
