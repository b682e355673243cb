// Checkpoint files that nobody wrote: every checksum is right, and what they say is not.

import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type CheckpointCut, checkpointFileName } from '../../src/checkpoint/cut.ts'
import {
  completeFooter,
  encodeFooter,
  encodePreamble,
  FOOTER_BYTES,
  FOOTER_SHA256_OFFSET,
} from '../../src/checkpoint/format.ts'
import { encodeFrame } from '../../src/checkpoint/framewriter.ts'
import { encodeHead, encodeService } from '../../src/checkpoint/header.ts'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'

/** An incremental checkpoint, taken apart. */
export interface Parts {
  cut: CheckpointCut
  /** Log entries, as they are stored. */
  values: string[]
}

export async function partsOf(path: string): Promise<Parts> {
  const reader = await CheckpointReader.open(path)
  try {
    const { header } = reader
    const { metadata, base } = header
    const told = metadata === undefined ? {} : { metadata: JSON.stringify(metadata) }
    const cut = { ...header, ...told, ...(base === undefined ? {} : { base }) } as CheckpointCut
    const values: string[] = []
    for await (const { value } of reader.entries()) values.push(value)
    return { cut, values }
  } finally {
    await reader.close()
  }
}

/** A log entry as it stands in a frame; `length` says another one. */
export function entryBytes(value: string, length = Buffer.byteLength(value)): Buffer {
  const bytes = Buffer.alloc(4 + Buffer.byteLength(value))
  bytes.writeUInt32LE(length, 0)
  bytes.write(value, 4)
  return bytes
}

/** The bytes of a file; `sha256`: what its footer claims, if not the truth. */
export function fileOf(
  cut: CheckpointCut,
  content: Buffer,
  sha256?: string,
): { bytes: Buffer; sha256: string } {
  const frame = (type: 'header' | 'service' | 'log', bytes: Buffer, entries = 1) => {
    const { head, stored } = encodeFrame({ type, entries, bytes, isRepetitive: true })
    return Buffer.concat([head, stored])
  }
  const services = cut.services.map((service) => frame('service', encodeService(service)))
  const head = Buffer.concat([encodePreamble(), frame('header', encodeHead(cut)), ...services])
  const starts: number[] = []
  for (let at = 0; at + 4 <= content.length; at += 4 + content.readUInt32LE(at)) starts.push(at)
  const frames: Buffer[] = []
  for (let at = 0; at < content.length; at += 65_536)
    frames.push(
      frame(
        'log',
        content.subarray(at, at + 65_536),
        starts.filter((s) => s >= at && s < at + 65_536).length,
      ),
    )
  const body = Buffer.concat([head, ...frames])
  const timers = cut.services.reduce((sum, each) => sum + each.eventTime.count + each.processingTime.count, 0)
  const footer = encodeFooter({
    blocks: frames.length,
    indexFrames: 0,
    timers,
    // No checkpoint of a test takes a day: so the file differs from the one it is made of.
    durationMs: 86_400_000,
    blocksOffset: head.length,
    indexOffset: body.length,
    fileLength: body.length + FOOTER_BYTES,
    headerCrc: crc32(head),
    indexCrc: 0,
  })
  const hash = createHash('sha256').update(body).update(footer.subarray(0, FOOTER_SHA256_OFFSET)).digest()
  completeFooter(footer, sha256 === undefined ? hash : Buffer.from(sha256, 'hex'))
  return { bytes: Buffer.concat([body, footer]), sha256: sha256 ?? hash.toString('hex') }
}

/** Puts a file made of parts into a directory, under the name that it must have; returns its path. */
export async function forge(directory: string, { cut, values }: Parts, sha256?: string): Promise<string> {
  const path = join(directory, checkpointFileName(cut))
  const content = Buffer.concat(values.map((value) => entryBytes(value)))
  await writeFile(path, fileOf(cut, content, sha256).bytes)
  return path
}

/** Makes an incremental checkpoint of other parts, in its place; what it was can be put back. */
export async function altered(
  path: string,
  alter: (parts: Parts) => Parts | undefined,
): Promise<() => Promise<void>> {
  const bytes = await readFile(path)
  const parts = await partsOf(path)
  const { cut, values } = alter(parts) ?? parts
  const content = Buffer.concat(values.map((value) => entryBytes(value)))
  await writeFile(path, fileOf(cut, content).bytes)
  return () => writeFile(path, bytes)
}
