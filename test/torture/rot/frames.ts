/** A checkpoint's file, taken apart into its frames, and put together again with every checksum right. */
import { createHash } from 'node:crypto'
import { crc32, inflateRawSync } from 'node:zlib'
import {
  completeFooter,
  FOOTER_BYTES,
  FOOTER_SHA256_OFFSET,
  FRAME_HEAD_BYTES,
  FRAME_TYPES,
  type FrameType,
  PREAMBLE_BYTES,
} from '../../../src/checkpoint/format.ts'

export interface FileFrame {
  type: FrameType
  /** What its head says of how much is in it. */
  entries: number
  /** Head and what is stored. */
  bytes: Buffer
  content: Buffer
}

export interface FileParts {
  preamble: Buffer
  frames: FileFrame[]
  footer: Buffer
}

const TYPE_NAMES = Object.keys(FRAME_TYPES) as FrameType[]

/** Of a file that is whole. */
export function takeApart(file: Buffer): FileParts {
  const frames: FileFrame[] = []
  for (let at = PREAMBLE_BYTES; at < file.length - FOOTER_BYTES; ) {
    const end = at + FRAME_HEAD_BYTES + file.readUInt32LE(at + 12)
    const bytes = file.subarray(at, end)
    const stored = bytes.subarray(FRAME_HEAD_BYTES)
    const content = bytes[1] === 1 ? inflateRawSync(stored) : stored
    frames.push({ type: TYPE_NAMES[bytes[0]! - 1]!, entries: bytes.readUInt32LE(4), bytes, content })
    at = end
  }
  return { preamble: file.subarray(0, PREAMBLE_BYTES), frames, footer: file.subarray(-FOOTER_BYTES) }
}

/** A frame with other content, stored as it is. */
export function frameOf(type: FrameType, entries: number, content: Buffer): FileFrame {
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES + content.length)
  bytes[0] = FRAME_TYPES[type]
  bytes.writeUInt32LE(entries, 4)
  bytes.writeUInt32LE(content.length, 8)
  bytes.writeUInt32LE(content.length, 12)
  content.copy(bytes, FRAME_HEAD_BYTES)
  return { type, entries, bytes: sealFrame(bytes), content }
}

/** Makes the checksum of a frame right, whatever its head says. */
export function sealFrame(bytes: Buffer): Buffer {
  const sealed = Buffer.from(bytes)
  if (sealed.length < FRAME_HEAD_BYTES) return sealed
  sealed.writeUInt32LE(crc32(sealed.subarray(FRAME_HEAD_BYTES), crc32(sealed.subarray(0, 16))), 16)
  return sealed
}

/** Makes a preamble's checksum right. */
export function sealPreamble(preamble: Buffer): Buffer {
  const sealed = Buffer.from(preamble)
  if (sealed.length >= PREAMBLE_BYTES) sealed.writeUInt32LE(crc32(sealed.subarray(0, 12)), 12)
  return sealed
}

export function sealFooter(footer: Buffer): Buffer {
  const sealed = Buffer.from(footer)
  if (sealed.length === FOOTER_BYTES) {
    sealed.writeUInt32LE(crc32(sealed.subarray(0, FOOTER_BYTES - 12)), FOOTER_BYTES - 12)
  }
  return sealed
}

/** What a footer says of where things are, as it follows from the frames. */
export function footerFor({ preamble, frames, footer }: FileParts): Buffer {
  const lengthOf = (types: readonly FrameType[]) =>
    frames.filter(({ type }) => types.includes(type)).reduce((sum, { bytes }) => sum + bytes.length, 0)
  const of = (types: readonly FrameType[]) => frames.filter(({ type }) => types.includes(type))
  const made = Buffer.from(footer)
  const blocksOffset = preamble.length + lengthOf(['header', 'service'])
  const indexOffset = blocksOffset + lengthOf(['block', 'log'])
  const crcOf = (types: readonly FrameType[], start: number) =>
    of(types).reduce((crc, { bytes }) => crc32(bytes, crc), start)
  made.writeUInt32LE(of(['block', 'log']).length, 0)
  made.writeUInt32LE(of(['index']).length, 4)
  made.writeUIntLE(blocksOffset, 16, 6)
  made.writeUIntLE(indexOffset, 24, 6)
  made.writeUIntLE(indexOffset + lengthOf(['index']) + FOOTER_BYTES, 32, 6)
  made.writeUInt32LE(crcOf(['header', 'service'], crc32(preamble)), 40)
  made.writeUInt32LE(crcOf(['index'], 0), 44)
  return made
}

/** A file with every checksum right; `change` may still change what its footer says. */
export function putTogether(parts: FileParts, change: (footer: Buffer) => void = () => {}): Buffer {
  const body = Buffer.concat([parts.preamble, ...parts.frames.map(({ bytes }) => bytes)])
  const footer = footerFor(parts)
  change(footer)
  const hash = createHash('sha256').update(body).update(footer.subarray(0, FOOTER_SHA256_OFFSET)).digest()
  completeFooter(footer, hash)
  return Buffer.concat([body, footer])
}
