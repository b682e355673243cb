/**
 * Turns contents into frames, and appends them in the order in which they came.
 *
 * - Compressing runs on other threads, a few frames at once, while the next content is made.
 * - Between identities there is little to repeat, but their digits are few: Huffman coding alone takes them to half, in
 *   a quarter of the time that looking for repetitions would take. Where values prevail, repetitions are looked for.
 */
import { constants, deflateRaw } from 'node:zlib'
import { MAX_CHECKPOINT_DEFLATES, MIN_CHECKPOINT_DEFLATE_BYTES } from '../limits.ts'
import { encodeFrameHead, FRAME_HEAD_BYTES, type FrameType, parseFrameHead } from './format.ts'
import type { CheckpointSink } from './sink.ts'

/** What a frame holds, and is told when it was appended. */
export interface FrameContent {
  type: FrameType
  entries: number
  bytes: Buffer
  /** Whether the same texts occur in it again and again. */
  isRepetitive: boolean
  onAppended?(length: number, crc: number): void
}

interface FrameUnderWay {
  content: FrameContent
  stored: Promise<Buffer>
}

export class FrameWriter {
  readonly #sink: CheckpointSink
  readonly #underWay: FrameUnderWay[] = []

  constructor(sink: CheckpointSink) {
    this.#sink = sink
  }

  /** Takes a content; resolves when there is room for the next. */
  async add(content: FrameContent): Promise<void> {
    const stored = compress(content)
    // It is awaited in its turn; until then its failure is nobody's.
    stored.catch(() => {})
    this.#underWay.push({ content, stored })
    while (this.#underWay.length > MAX_CHECKPOINT_DEFLATES) await this.#appendOldest()
  }

  /** Resolves when every content that was taken is appended. */
  async drain(): Promise<void> {
    while (this.#underWay.length > 0) await this.#appendOldest()
  }

  async #appendOldest(): Promise<void> {
    const { content, stored: compressed } = this.#underWay.shift()!
    const stored = await compressed
    const head = encodeFrameHead(content.type, content.entries, content.bytes.length, stored)
    await this.#sink.append(head)
    await this.#sink.append(stored)
    content.onAppended?.(FRAME_HEAD_BYTES + stored.length, parseFrameHead(head).crc)
  }
}

/** The bytes as they are stored: compressed, unless that makes them no shorter. */
function compress({ bytes, isRepetitive }: FrameContent): Promise<Buffer> {
  if (bytes.length < MIN_CHECKPOINT_DEFLATE_BYTES) return Promise.resolve(bytes)
  const strategy = isRepetitive ? constants.Z_DEFAULT_STRATEGY : constants.Z_HUFFMAN_ONLY
  return new Promise((resolve, reject) => {
    deflateRaw(bytes, { level: 1, strategy, chunkSize: bytes.length }, (error, compressed) => {
      if (error !== null) reject(error)
      else resolve(compressed.length < bytes.length ? compressed : bytes)
    })
  })
}
