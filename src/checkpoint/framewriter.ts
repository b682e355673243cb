/**
 * Turns contents into frames.
 *
 * - Between identities there is little to repeat, but their digits are few: Huffman coding alone takes them to half, in
 *   a quarter of the time that looking for repetitions would take. Where values prevail, repetitions are looked for.
 * - Compressing is done here and now: handing a block to another thread and taking it back takes as long, and would
 *   take that thread from the store's own writes.
 */
import { constants, deflateRawSync } from 'node:zlib'
import { MIN_CHECKPOINT_DEFLATE_BYTES } from '../limits.ts'
import { encodeFrameHead, type FrameType, parseFrameHead } from './format.ts'
import type { CheckpointSink } from './sink.ts'

/** What a frame holds. */
export interface FrameContent {
  type: FrameType
  entries: number
  bytes: Buffer
  /** Whether the same texts occur in it again and again. */
  isRepetitive: boolean
}

/** A frame as it is stored, and its checksum. */
export interface Frame {
  head: Buffer
  stored: Buffer
  length: number
  crc: number
}

export function encodeFrame({ type, entries, bytes, isRepetitive }: FrameContent): Frame {
  const stored = compress(bytes, isRepetitive)
  const head = encodeFrameHead(type, entries, bytes.length, stored)
  return { head, stored, length: head.length + stored.length, crc: parseFrameHead(head).crc }
}

export async function appendFrame(sink: CheckpointSink, content: FrameContent): Promise<void> {
  const { head, stored } = encodeFrame(content)
  await sink.append(head)
  await sink.append(stored)
}

/** The bytes as they are stored: compressed, unless that makes them no shorter. */
function compress(bytes: Buffer, isRepetitive: boolean): Buffer {
  if (bytes.length < MIN_CHECKPOINT_DEFLATE_BYTES) return bytes
  const strategy = isRepetitive ? constants.Z_DEFAULT_STRATEGY : constants.Z_HUFFMAN_ONLY
  const compressed = deflateRawSync(bytes, { level: 1, strategy, chunkSize: bytes.length })
  return compressed.length < bytes.length ? compressed : bytes
}
