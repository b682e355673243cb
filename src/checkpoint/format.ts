/**
 * The bytes of a checkpoint file that its writer and its reader share (FORMAT.md): preamble, frames, footer.
 *
 * - All numbers are little-endian. Every byte of a file is under a checksum, and the footer's SHA-256 covers them all.
 * - Preamble and its checksum stay as they are in every later version, so that a newer file is told from a damaged one.
 * - Nothing here trusts what it parses: a length is compared with its limit before anything is done with it.
 */
import { crc32 } from 'node:zlib'
import { TidemarkError } from '../errors.ts'
import { MAX_CHECKPOINT_FRAME_BYTES } from '../limits.ts'

export const CHECKPOINT_FORMAT_VERSION = 1

const MAGIC = Buffer.from('\x89TMCKPT\n', 'latin1')
const END_MAGIC = Buffer.from('TMCKEND\n', 'latin1')

/** Magic (8), format version (4), crc32 of both (4). */
export const PREAMBLE_BYTES = 16
export const SHA256_BYTES = 32
export const FRAME_HEAD_BYTES = 20
const FRAME_CHECKED_BYTES = 16
/** Where the footer's SHA-256 is: it covers every byte of the file before it. */
export const FOOTER_SHA256_OFFSET = 52
const FOOTER_CRC_OFFSET = FOOTER_SHA256_OFFSET + SHA256_BYTES
export const FOOTER_BYTES = FOOTER_CRC_OFFSET + 4 + END_MAGIC.length

/** Lengths of a block's columns, four bytes each, at its start. */
export const BLOCK_COLUMNS = 4
export const BLOCK_HEAD_BYTES = BLOCK_COLUMNS * 4

/** The length of a log entry, before it. */
export const LOG_LENGTH_BYTES = 4

export const FRAME_TYPES = { header: 1, service: 2, block: 3, index: 4, log: 5 } as const
export type FrameType = keyof typeof FRAME_TYPES
export const FRAME_CODINGS = { plain: 0, deflate: 1 } as const

/** Where in a file something is wrong, and what. */
export function corruptCheckpoint(
  path: string,
  place: string,
  problem: string,
  cause?: unknown,
): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CHECKPOINT_CORRUPT',
    `the checkpoint ${path} is damaged or not a checkpoint: ${place}: ${problem}; use another checkpoint`,
    cause === undefined ? undefined : { cause },
  )
}

/** A problem with what was parsed; whoever knows the file and the place makes an error of it. */
export class FormatProblem extends Error {}

export function check(holds: boolean, problem: string): asserts holds {
  if (!holds) throw new FormatProblem(problem)
}

/** Runs something on log entries of a file: what is wrong with them becomes an error that names it. */
export function namingLog(path: string, run: () => void): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error
    throw corruptCheckpoint(path, 'its log entries', error.message, error)
  }
}

// preamble

export function encodePreamble(version = CHECKPOINT_FORMAT_VERSION): Buffer {
  const bytes = Buffer.alloc(PREAMBLE_BYTES)
  MAGIC.copy(bytes)
  bytes.writeUInt32LE(version, 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 12)), 12)
  return bytes
}

/** Whether a file that begins so is a checkpoint, of this format or of another, whole or damaged. */
export function beginsAsCheckpoint(bytes: Buffer): boolean {
  return bytes.subarray(0, MAGIC.length).equals(MAGIC)
}

/** The format version of a file, known to this code or newer. */
export function parsePreamble(bytes: Buffer): number {
  check(bytes.length === PREAMBLE_BYTES, 'the file is shorter than its first bytes')
  check(beginsAsCheckpoint(bytes), 'it does not begin as a checkpoint does')
  check(
    bytes.readUInt32LE(12) === crc32(bytes.subarray(0, 12)),
    'the checksum of the format version is wrong',
  )
  const version = bytes.readUInt32LE(8)
  check(version > 0, 'there is no format version 0')
  return version
}

// frames

export interface FrameHead {
  type: number
  coding: number
  /** What the frame holds, in its own unit: timers, block records, or 1. */
  entries: number
  rawLength: number
  storedLength: number
  crc: number
}

/** Writes a frame's head over `stored`, which is how its content is stored. */
export function encodeFrameHead(type: FrameType, entries: number, rawLength: number, stored: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES)
  head[0] = FRAME_TYPES[type]
  head[1] = stored.length < rawLength ? FRAME_CODINGS.deflate : FRAME_CODINGS.plain
  head.writeUInt32LE(entries, 4)
  head.writeUInt32LE(rawLength, 8)
  head.writeUInt32LE(stored.length, 12)
  head.writeUInt32LE(crc32(stored, crc32(head.subarray(0, FRAME_CHECKED_BYTES))), FRAME_CHECKED_BYTES)
  return head
}

/** Reads a head, and holds its lengths to their limits; its checksum is still to be verified. */
export function parseFrameHead(bytes: Buffer): FrameHead {
  const head = {
    type: bytes[0]!,
    coding: bytes[1]!,
    entries: bytes.readUInt32LE(4),
    rawLength: bytes.readUInt32LE(8),
    storedLength: bytes.readUInt32LE(12),
    crc: bytes.readUInt32LE(16),
  }
  check(head.rawLength <= MAX_CHECKPOINT_FRAME_BYTES, 'a frame is longer than any may be')
  check(head.storedLength <= head.rawLength, 'a frame is stored longer than it is')
  return head
}

/** Verifies a whole frame, head included, and returns its head. */
export function checkFrame(bytes: Buffer): FrameHead {
  check(bytes.length >= FRAME_HEAD_BYTES, 'a frame is cut off')
  const head = parseFrameHead(bytes)
  check(head.storedLength === bytes.length - FRAME_HEAD_BYTES, 'a frame has another length')
  const crc = crc32(bytes.subarray(FRAME_HEAD_BYTES), crc32(bytes.subarray(0, FRAME_CHECKED_BYTES)))
  check(crc === head.crc, 'the checksum of a frame is wrong')
  const coding = head.storedLength < head.rawLength ? FRAME_CODINGS.deflate : FRAME_CODINGS.plain
  check(head.coding === coding && bytes.readUInt16LE(2) === 0, 'a frame is coded in an unknown way')
  return head
}

// footer

export interface Footer {
  /** Blocks; in an incremental checkpoint, frames of log entries. */
  blocks: number
  indexFrames: number
  /** Timers that stand at the checkpoint's version. */
  timers: number
  /** How long writing took, up to here. */
  durationMs: number
  /** Where the blocks begin: behind preamble, header and services. */
  blocksOffset: number
  /** Where the index begins: behind the blocks. */
  indexOffset: number
  /** Length of the whole file. */
  fileLength: number
  /** crc32 of everything before the blocks, and of the index. */
  headerCrc: number
  indexCrc: number
  sha256: Buffer
}

/** The footer without what ends it: SHA-256, checksum and magic, for {@link completeFooter}. */
export function encodeFooter(footer: Omit<Footer, 'sha256'>): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  bytes.writeUInt32LE(footer.blocks, 0)
  bytes.writeUInt32LE(footer.indexFrames, 4)
  bytes.writeUIntLE(footer.timers, 8, 6)
  bytes.writeUIntLE(footer.blocksOffset, 16, 6)
  bytes.writeUIntLE(footer.indexOffset, 24, 6)
  bytes.writeUIntLE(footer.fileLength, 32, 6)
  bytes.writeUInt32LE(footer.headerCrc, 40)
  bytes.writeUInt32LE(footer.indexCrc, 44)
  bytes.writeUInt32LE(Math.min(Math.round(footer.durationMs), 2 ** 32 - 1), 48)
  END_MAGIC.copy(bytes, FOOTER_CRC_OFFSET + 4)
  return bytes
}

export function completeFooter(bytes: Buffer, sha256: Buffer): void {
  sha256.copy(bytes, FOOTER_SHA256_OFFSET)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, FOOTER_CRC_OFFSET)), FOOTER_CRC_OFFSET)
}

/** Reads the last bytes of a file of `fileLength` bytes. */
export function parseFooter(bytes: Buffer, fileLength: number): Footer {
  check(bytes.length === FOOTER_BYTES, 'the file is too short to have a footer')
  check(bytes.subarray(FOOTER_CRC_OFFSET + 4).equals(END_MAGIC), 'it does not end as a checkpoint does')
  const crc = crc32(bytes.subarray(0, FOOTER_CRC_OFFSET))
  check(bytes.readUInt32LE(FOOTER_CRC_OFFSET) === crc, 'the checksum of the footer is wrong')
  const footer = {
    blocks: bytes.readUInt32LE(0),
    indexFrames: bytes.readUInt32LE(4),
    timers: bytes.readUIntLE(8, 6),
    blocksOffset: bytes.readUIntLE(16, 6),
    indexOffset: bytes.readUIntLE(24, 6),
    fileLength: bytes.readUIntLE(32, 6),
    headerCrc: bytes.readUInt32LE(40),
    indexCrc: bytes.readUInt32LE(44),
    durationMs: bytes.readUInt32LE(48),
    sha256: Buffer.from(bytes.subarray(FOOTER_SHA256_OFFSET, FOOTER_CRC_OFFSET)),
  }
  check(footer.fileLength === fileLength, `it should have ${footer.fileLength} bytes, and has ${fileLength}`)
  const inOrder =
    footer.blocksOffset > PREAMBLE_BYTES &&
    footer.indexOffset >= footer.blocksOffset &&
    fileLength - FOOTER_BYTES >= footer.indexOffset
  check(inOrder, 'the parts of the file are out of order')
  return footer
}
