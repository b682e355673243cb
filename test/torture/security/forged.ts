// Checkpoint files put together from any parts: every checksum is right, whatever they say.

import { createHash } from 'node:crypto'
import { crc32, deflateRawSync } from 'node:zlib'
import {
  completeFooter,
  encodeFooter,
  encodeFrameHead,
  encodePreamble,
  FOOTER_BYTES,
  FOOTER_SHA256_OFFSET,
  type FrameType,
} from '../../../src/checkpoint/format.ts'

export interface FrameOf {
  /** What is in it, uncompressed. */
  content: Buffer | string
  entries?: number
  /** What its head says, if not the truth. */
  rawLength?: number
}

export interface FileOf {
  /** JSON of the header. */
  head: FrameOf
  services?: readonly FrameOf[]
  blocks?: readonly FrameOf[]
  index?: readonly FrameOf[]
  log?: readonly FrameOf[]
  timers?: number
  /** What the footer says, if not the truth. */
  footer?: Partial<Parameters<typeof encodeFooter>[0]>
}

/** A header that could be of any checkpoint. */
export function headOf(fields: Record<string, unknown> = {}): string {
  return JSON.stringify({
    kind: 'full',
    storeId: '5f0e9a6c-0000-4000-8000-000000000000',
    checkpointId: 'c0ffee00-0000-4000-8000-000000000000',
    version: 2,
    chain: 0,
    maxParallelism: 128,
    keyGroups: { start: 0, end: 127 },
    createdMs: 1,
    pauseMs: 0,
    serviceCount: 0,
    ...fields,
  })
}

/** A service without timers. */
export function serviceOf(id: number, name: string, fields: Record<string, unknown> = {}): string {
  const none = { count: 0, setHash: 0 }
  const schemas = '{"key":{"type":"string"},"namespace":{"type":"string"}}'
  return JSON.stringify({
    id,
    name,
    schemas,
    watermark: -5,
    eventTime: none,
    processingTime: none,
    ...fields,
  })
}

export function frame(type: FrameType, { content, entries = 1, rawLength }: FrameOf): Buffer {
  const bytes = Buffer.from(content as string)
  const deflated = deflateRawSync(bytes, { level: 9 })
  const stored = deflated.length < bytes.length ? deflated : bytes
  return Buffer.concat([encodeFrameHead(type, entries, rawLength ?? bytes.length, stored), stored])
}

export function fileOf({
  head,
  services = [],
  blocks = [],
  index = [],
  log = [],
  timers = 0,
  footer,
}: FileOf): Buffer {
  const all = (type: FrameType, frames: readonly FrameOf[]) => {
    // A frame may be there many times.
    const made = new Map([...new Set(frames)].map((one) => [one, frame(type, one)]))
    return Buffer.concat(frames.map((one) => made.get(one)!))
  }
  const begin = Buffer.concat([encodePreamble(), frame('header', head), all('service', services)])
  const middle = Buffer.concat([all('block', blocks), all('log', log)])
  const end = all('index', index)
  const body = Buffer.concat([begin, middle, end])
  const told = encodeFooter({
    blocks: blocks.length + log.length,
    indexFrames: index.length,
    timers,
    durationMs: 1,
    blocksOffset: begin.length,
    indexOffset: begin.length + middle.length,
    fileLength: body.length + FOOTER_BYTES,
    headerCrc: crc32(begin),
    indexCrc: crc32(end),
    ...footer,
  })
  const sha256 = createHash('sha256').update(body).update(told.subarray(0, FOOTER_SHA256_OFFSET)).digest()
  completeFooter(told, sha256)
  return Buffer.concat([body, told])
}
