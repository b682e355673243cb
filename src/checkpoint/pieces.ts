/**
 * Pieces: what a producer of blocks sends to whoever puts the file together, in the same thread or in another one.
 *
 * - A piece is a part of the bytes of one task, and tells of the blocks that end in it. Frames may go on in the next.
 * - A producer may be ahead of the file by so many pieces, and then waits: it has that many buffers, and gets each back
 *   when its bytes are taken.
 */
import { CHECKPOINT_PIECE_BYTES, MAX_CHECKPOINT_PIECES_AHEAD } from '../limits.ts'
import type { TimeDomain } from '../timer/identity.ts'

/** A block that was made: what is to be summed up, and its record for the index. */
export interface MadeBlock {
  serviceId: number
  domain: TimeDomain
  count: number
  setHash: number
  record: string
}

export interface Piece {
  /** Index of its task. */
  task: number
  /** How many pieces of its task are before it. */
  ordinal: number
  bytes: Uint8Array<ArrayBuffer>
  blocks: MadeBlock[]
  /** Whether its task ends with it. */
  isLast: boolean
}

/** Takes a piece; resolves with the buffer of its bytes when that may be used again. */
export type SendPiece = (piece: Piece) => Promise<ArrayBuffer>

/** Gathers the bytes of a producer into pieces. */
export class PieceSender {
  readonly #send: SendPiece
  readonly #free: ArrayBuffer[] = []
  #made = 0
  #ordinal = 0
  #buffer: Uint8Array<ArrayBuffer> | undefined
  #length = 0
  #blocks: MadeBlock[] = []
  #failure: { error: unknown } | undefined
  /** Wakes who waits for a buffer. */
  #wake: () => void = () => {}

  constructor(send: SendPiece) {
    this.#send = send
  }

  /** Appends bytes, which may be used for something else once this resolves. Rejects with what sending failed with. */
  async append(task: number, bytes: Uint8Array): Promise<void> {
    let from = 0
    while (from < bytes.length) {
      this.#buffer ??= await this.#takeBuffer()
      const buffer = this.#buffer
      const part = bytes.subarray(from, from + buffer.length - this.#length)
      buffer.set(part, this.#length)
      from += part.length
      this.#length += part.length
      if (this.#length === buffer.length) this.#post(buffer, task, false)
    }
  }

  /** Tells of the block whose last bytes were appended. */
  addBlock(block: MadeBlock): void {
    this.#blocks.push(block)
  }

  async endTask(task: number): Promise<void> {
    this.#post(this.#buffer ?? (await this.#takeBuffer()), task, true)
  }

  #post(buffer: Uint8Array<ArrayBuffer>, task: number, isLast: boolean): void {
    const bytes = buffer.subarray(0, this.#length)
    const piece = { task, ordinal: this.#ordinal, bytes, blocks: this.#blocks, isLast }
    this.#ordinal = isLast ? 0 : this.#ordinal + 1
    this.#buffer = undefined
    this.#length = 0
    this.#blocks = []
    this.#send(piece).then(
      (returned) => {
        this.#free.push(returned)
        this.#wake()
      },
      (error) => {
        this.#failure ??= { error }
        this.#wake()
      },
    )
  }

  async #takeBuffer(): Promise<Uint8Array<ArrayBuffer>> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error
      const free = this.#free.pop()
      if (free !== undefined) return new Uint8Array(free)
      if (this.#made < MAX_CHECKPOINT_PIECES_AHEAD) {
        this.#made++
        return new Uint8Array(CHECKPOINT_PIECE_BYTES)
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
