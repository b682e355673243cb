/** Reads the blocks of a file one after the other, and sees to it that each begins behind where the last one ended. */
import type { BlockRecord } from './blockindex.ts'
import { type BlockRows, decodeRows } from './blockrows.ts'
import { check } from './format.ts'

export class RowsReader {
  /** The checkpoint's version. */
  readonly #version: number
  #last: Uint8Array = new Uint8Array(0)

  constructor(version: number) {
    this.#version = version
  }

  /** Throws a FormatProblem. */
  read(record: BlockRecord, content: Buffer): BlockRows {
    const rows = decodeRows(record, content, this.#version)
    const { bytes, ends } = rows.identities
    const first = bytes.subarray(0, ends[0])
    check(Buffer.compare(this.#last, first) < 0, 'its timers do not come after those of the block before')
    this.#last = bytes.subarray(ends.at(-2) ?? 0, ends.at(-1))
    return rows
  }
}
