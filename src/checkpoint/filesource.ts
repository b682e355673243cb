/**
 * Reads a part of a checkpoint's file from its start to its end, frame by frame.
 *
 * - The file is read in large pieces. What a frame's head says about its length is believed only up to the limit of a
 *   frame, and nothing of a frame is passed on before its checksum was verified.
 * - Whatever is wrong is an error that names the file and the byte at which the frame begins.
 */

import { inflateRawSync } from 'node:zlib'
import type { FileHandle } from '../files.ts'
import { CHECKPOINT_IO_BYTES } from '../limits.ts'
import {
  check,
  checkFrame,
  corruptCheckpoint,
  FormatProblem,
  FRAME_CODINGS,
  FRAME_HEAD_BYTES,
  FRAME_TYPES,
  type FrameHead,
  type FrameType,
  parseFrameHead,
} from './format.ts'

/** A frame whose checksum is right, as it is stored. */
export interface Frame {
  offset: number
  head: FrameHead
  /** Head and content. */
  bytes: Buffer
}

export class FileSource {
  readonly path: string
  readonly #file: FileHandle
  readonly #end: number
  #piece: Buffer = Buffer.alloc(0)
  /** Where the first byte of the piece is in the file. */
  #pieceOffset: number
  /** Where the next byte to be taken is in the file. */
  offset: number

  constructor(path: string, file: FileHandle, start: number, end: number) {
    this.path = path
    this.#file = file
    this.#end = end
    this.offset = start
    this.#pieceOffset = start
  }

  get atEnd(): boolean {
    return this.offset >= this.#end
  }

  /** The next bytes; they stay as they are. `length` is limited by the caller. */
  async take(length: number): Promise<Buffer> {
    const bytes = await this.#peek(length)
    this.offset += length
    return bytes
  }

  /** The next frame, which must be of a type, or of one of two. */
  async takeFrame(type: FrameType, or: FrameType = type): Promise<Frame> {
    const offset = this.offset
    const place = `${type} at byte ${offset}`
    return this.naming(place, async () => {
      const { storedLength } = parseFrameHead(await this.#peek(FRAME_HEAD_BYTES))
      const bytes = await this.take(FRAME_HEAD_BYTES + storedLength)
      const head = checkFrame(bytes)
      const isExpected = head.type === FRAME_TYPES[type] || head.type === FRAME_TYPES[or]
      check(isExpected, `a frame of type ${head.type} is in its place`)
      return { offset, head, bytes }
    })
  }

  /** Runs something on what is at a place: what is wrong with it becomes an error that names file and place. */
  async naming<T>(place: string, run: () => T | Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw isProblem(error) ? corruptCheckpoint(this.path, place, (error as Error).message, error) : error
    }
  }

  async #peek(length: number): Promise<Buffer> {
    check(length <= this.#end - this.offset, 'it is cut off')
    const start = this.offset - this.#pieceOffset
    if (start + length > this.#piece.length) return this.#refill(length)
    return this.#piece.subarray(start, start + length)
  }

  /** Reads the next piece into memory of its own: frames that were taken from the last one may still be in use. */
  async #refill(length: number): Promise<Buffer> {
    const wanted = Math.min(Math.max(length, CHECKPOINT_IO_BYTES), this.#end - this.offset)
    const piece = Buffer.allocUnsafeSlow(wanted)
    await readFully(this.#file, piece, this.offset)
    this.#piece = piece
    this.#pieceOffset = this.offset
    return piece.subarray(0, length)
  }
}

/** What a parser throws at bytes that are wrong, of its own or from JSON and zlib. */
function isProblem(error: unknown): boolean {
  const { code } = error as { code?: string }
  const isZlib = typeof code === 'string' && (code.startsWith('Z_') || code === 'ERR_BUFFER_TOO_LARGE')
  return error instanceof FormatProblem || error instanceof SyntaxError || isZlib
}

/** Fills a buffer from the file. */
export async function readFully(file: FileHandle, buffer: Buffer, position: number): Promise<void> {
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, position + filled)
    check(bytesRead > 0, 'the file became shorter while it was read')
    filled += bytesRead
  }
}

/** The content of a frame: as long as its head says, and never longer. */
export function frameContent({ head, bytes }: Frame): Buffer {
  const stored = bytes.subarray(FRAME_HEAD_BYTES)
  if (head.coding === FRAME_CODINGS.plain) return stored
  // At once: on another thread it would take longer to begin than it takes here to end.
  const content = inflateRawSync(stored, {
    maxOutputLength: head.rawLength,
    chunkSize: Math.max(head.rawLength, 64),
  })
  check(content.length === head.rawLength, 'a frame has another length when it is inflated')
  return content
}
