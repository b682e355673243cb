/**
 * Blocks of a checkpoint's file, one after the other: each is read, held against the index, and decoded only if it is
 * wanted. Those that lie behind one another are read together; between them nothing is read.
 */
import type { FileHandle } from '../files.ts'
import type { PlacedBlock } from './blockindex.ts'
import { FileSource, type Frame, frameContent } from './filesource.ts'
import { check } from './format.ts'

export class BlockStream {
  readonly #path: string
  readonly #file: FileHandle
  readonly #blocks: readonly PlacedBlock[]
  #next = 0
  #source: FileSource | undefined
  #frame: Frame | undefined

  /** `blocks` are in the order of the file. */
  constructor(path: string, file: FileHandle, blocks: readonly PlacedBlock[]) {
    this.#path = path
    this.#file = file
    this.#blocks = blocks
  }

  /** The next block; undefined: there is none. */
  get upcoming(): PlacedBlock | undefined {
    return this.#blocks[this.#next]
  }

  /** The next block as it is stored; it stays the next one. */
  async frame(): Promise<Frame> {
    if (this.#frame !== undefined) return this.#frame
    const block = this.#blocks[this.#next]!
    const source = this.#sourceAt(block)
    const frame = await source.takeFrame('block')
    await source.naming(placeOf(block), () => {
      const { crc, entries } = frame.head
      const isTheOne = frame.bytes.length === block.length && crc === block.crc && entries === block.count
      check(isTheOne, 'it is not the block that the index tells of')
    })
    this.#frame = frame
    return frame
  }

  /** Goes on to the one after; what is read of this one is not decoded. */
  skip(): void {
    this.#frame = undefined
    this.#next++
  }

  /** Decodes the next block, and goes on to the one after. */
  async take<T>(decode: (block: PlacedBlock, content: Buffer) => T): Promise<T> {
    const block = this.#blocks[this.#next]!
    const frame = await this.frame()
    this.skip()
    return this.#source!.naming(placeOf(block), () => decode(block, frameContent(frame)))
  }

  #sourceAt({ offset }: PlacedBlock): FileSource {
    if (this.#source?.offset === offset && !this.#source.atEnd) return this.#source
    this.#source = new FileSource(this.#path, this.#file, offset, this.#endOfRun())
    return this.#source
  }

  /** Where the blocks end that lie behind one another, the next one first. */
  #endOfRun(): number {
    const first = this.#blocks[this.#next]!
    let end = first.offset
    for (let i = this.#next; this.#blocks[i]?.offset === end; i++) end += this.#blocks[i]!.length
    return end
  }
}

function placeOf({ offset }: PlacedBlock): string {
  return `block at byte ${offset}`
}
