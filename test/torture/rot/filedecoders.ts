/** Every decoder of a checkpoint's file, and of what is imported, tried with changed inputs whose checksums are right. */
import { Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { readLines } from '../../../src/admin/importlines.ts'
import { ImportProblem } from '../../../src/admin/importproblem.ts'
import { recordOf } from '../../../src/admin/importrecords.ts'
import { decodeBlock } from '../../../src/checkpoint/blockdecoder.ts'
import { type BlockRecord, encodeBlockRecord, parseBlockRecords } from '../../../src/checkpoint/blockindex.ts'
import { frameContent } from '../../../src/checkpoint/filesource.ts'
import {
  BLOCK_HEAD_BYTES,
  checkFrame,
  PREAMBLE_BYTES,
  parseFooter,
  parsePreamble,
} from '../../../src/checkpoint/format.ts'
import {
  type CheckpointHeader,
  encodeHead,
  encodeService,
  parseHead,
  parseService,
} from '../../../src/checkpoint/header.ts'
import { eventsOf, readLogEntries } from '../../../src/checkpoint/logreader.ts'
import { LogTotals } from '../../../src/checkpoint/logtotals.ts'
import { logKey } from '../../../src/engine/keyspaces.ts'
import { parseEntry } from '../../../src/log/entry.ts'
import { addToSetHash, checksumOf, encodeChecksum, withChecksum } from '../../../src/timer/checksum.ts'
import { parseIdentity } from '../../../src/timer/identity.ts'
import { parseStored } from '../../../src/timer/stored.ts'
import { compareStored } from '../../../src/timer/text.ts'
import type { Corpus } from './corpus.ts'
import { type Decoder, hold, isRefusal, orRefused, type Verdict } from './decoder.ts'
import { type FileFrame, frameOf, sealFooter, sealFrame, sealPreamble, takeApart } from './frames.ts'
import { EXTREMES, mutateBytes, mutateText, oneOf, type Random, upTo } from './mutation.ts'

/** Bytes that are changed, and most often sealed. */
function ofBytes(
  name: string,
  corpus: readonly Buffer[],
  seal: (bytes: Buffer) => Buffer,
  decode: (bytes: Buffer, random: Random) => void,
): Decoder {
  return {
    name,
    prepare: (random) => {
      const changed = mutateBytes(random, corpus)
      const input = random() < 0.85 ? seal(changed) : changed
      return { input, decode: () => orRefused(() => decode(input, random)) }
    },
  }
}

function ofJson(name: string, corpus: readonly Buffer[], decode: (bytes: Buffer) => void): Decoder {
  const texts = corpus.map((bytes) => bytes.toString('utf8'))
  return {
    name,
    prepare: (random) => {
      const text = mutateText(random, texts)
      return { input: text, decode: () => orRefused(() => decode(Buffer.from(text))) }
    },
  }
}

function contentsOf(frames: readonly FileFrame[], type: FileFrame['type']): Buffer[] {
  return frames.filter((frame) => frame.type === type).map(({ content }) => content)
}

function decodeHead(bytes: Buffer): void {
  const head = parseHead(bytes)
  hold(isSame(parseHead(encodeAgain(head)), head), 'made again it is another one')
}

function encodeAgain(head: ReturnType<typeof parseHead>): Buffer {
  const metadata = head.metadata === undefined ? {} : { metadata: JSON.stringify(head.metadata) }
  const services = new Array(head.serviceCount)
  return encodeHead({ ...head, ...metadata, services } as never)
}

function decodeService(bytes: Buffer): void {
  const service = parseService(bytes, 0)
  hold(isSame(parseService(encodeService(service), 0), service), 'made again it is another one')
}

/** As JSON, which knows no negative zero. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** The header's metadata, changed on its own: it is a text of JSON within JSON. */
function metadataDecoder(head: Buffer): Decoder {
  const fields = JSON.parse(head.toString('utf8'))
  const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`
  return {
    name: 'metadata',
    prepare: (random) => {
      const metadata = mutateText(random, [
        fields.metadata,
        '{"a":[1,{"__proto__":{"x":1}}]}',
        deep,
        '"\\u0000"',
      ])
      const bytes = Buffer.from(JSON.stringify({ ...fields, metadata }))
      return { input: metadata, decode: () => orRefused(() => decodeHead(bytes)) }
    },
  }
}

function decodeRecords(bytes: Buffer): void {
  const records = parseBlockRecords(bytes.toString('latin1'), 1)
  const again = parseBlockRecords(records.map(encodeBlockRecord).join(''), records.length)
  hold(isDeepStrictEqual(again, records), 'made again they are others')
  const numbers = records.flatMap(({ segments, ...record }) => [
    ...Object.values(record),
    ...segments.flatMap(Object.values),
  ])
  hold(
    numbers.every((value) => typeof value === 'string' || Number.isSafeInteger(value)),
    'a number of it is none',
  )
}

/** What the sum of the checksums would be, found in the simplest way, where the lengths allow. */
function setHashOf(content: Buffer, count: number): number {
  const [lengths, rests, timestamps] = [0, 4, 8].map((at) => content.readUInt32LE(at)) as [
    number,
    number,
    number,
  ]
  let at = BLOCK_HEAD_BYTES
  let rest = at + lengths
  let timestamp = rest + rests
  let body = timestamp + timestamps
  const next = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = content[at++]!
      value |= (byte & 127) << shift
      if (!(byte > 127)) return value
    }
  }
  let sum = 0
  let before = Buffer.alloc(0)
  for (let i = 0; i < count; i++) {
    const [shared, own, length] = [next(), next(), next()] as const
    before = Buffer.concat([before.subarray(0, shared), content.subarray(rest, rest + own)])
    const identity = Buffer.concat([before, content.subarray(timestamp, timestamp + 9)]).toString('utf8')
    sum = addToSetHash(sum, checksumOf(identity, content.toString('utf8', body, body + length)))
    rest += own
    timestamp += 9
    body += length
  }
  return sum
}

function blockDecoder(frames: readonly FileFrame[], version: number): Decoder {
  const blocks = frames.filter(({ type }) => type === 'block')
  const records = frames
    .filter(({ type }) => type === 'index')
    .flatMap(({ content, entries }) => parseBlockRecords(content.toString('latin1'), entries))
  const contents = blocks.map(({ content }) => content)
  return {
    name: 'block',
    prepare: (random) => {
      const index = upTo(random, blocks.length)
      const content = mutateBytes(random, random() < 0.7 ? [contents[index]!] : contents)
      const record = changedRecord(random, records[index]!, content)
      return { input: content, decode: () => orRefused(() => decodeTimers(record, content, version)) }
    },
  }
}

function changedRecord(random: Random, record: BlockRecord, content: Buffer): BlockRecord {
  const changed = structuredClone(record)
  if (random() < 0.1) changed.count = oneOf(random, EXTREMES)
  if (random() < 0.1) changed.segments[0]!.count = oneOf(random, EXTREMES)
  if (random() < 0.1) changed.segments[0]!.latest = oneOf(random, EXTREMES)
  const isWorthIt = content.length > BLOCK_HEAD_BYTES && changed.count < 1000 && random() < 0.9
  if (isWorthIt) changed.setHash = setHashOf(content, changed.count)
  return changed
}

function decodeTimers(record: BlockRecord, content: Buffer, version: number): void {
  const { count, identities, values } = decodeBlock(record, content, version, { start: 0, end: 32767 })
  hold(
    count === record.count && identities.length === count && values.length === count,
    'it has another count',
  )
  for (let i = 0; i < count; i++) {
    const isBehind = i === 0 || compareStored(identities[i - 1]!, identities[i]!) < 0
    hold(isBehind, 'an identity does not come after the one before')
    const parts = parseIdentity(identities[i]!)
    hold(
      parts?.serviceId === record.serviceId && parts.domain === record.domain,
      'an identity is none of the queue',
    )
    const timer = parseStored(identities[i]!, values[i]!)
    hold(timer !== undefined && timer.sinceVersion < version, 'a value is none that stood before the version')
  }
}

/** A file of which only the log frames are there. */
function openFileOf(bytes: Buffer, frames: number) {
  const file = {
    read: async (buffer: Buffer, offset: number, length: number, position: number) => {
      return { bytesRead: bytes.copy(buffer, offset, position, Math.min(bytes.length, position + length)) }
    },
  }
  const footer = { blocksOffset: 0, indexOffset: bytes.length, blocks: frames }
  return { path: 'file', file, footer } as never
}

function logFramesDecoder(
  frames: readonly FileFrame[],
  header: CheckpointHeader,
  { services }: CheckpointHeader,
): Decoder {
  const content = Buffer.concat(contentsOf(frames, 'log'))
  const values: string[] = []
  for (let at = 0; at < content.length; ) {
    const length = content.readUInt32LE(at)
    values.push(content.toString('utf8', at + 4, at + 4 + length))
    at += 4 + length
  }
  return {
    name: 'log frames',
    prepare: (random) => {
      const changed =
        random() < 0.6
          ? sealedEntries(random, values, header)
          : { bytes: mutateBytes(random, [content]), header }
      const cut = 1 + upTo(random, changed.bytes.length + 1)
      const parts = [changed.bytes.subarray(0, cut), changed.bytes.subarray(cut)].filter(
        ({ length }) => length > 0,
      )
      const made = parts.map((part) => frameOf('log', 1, part))
      if (made.length > 0 && random() < 0.2)
        made[0] = { ...made[0]!, bytes: sealFrame(mutateBytes(random, [made[0]!.bytes])) }
      const input = Buffer.concat(made.map(({ bytes }) => bytes))
      return { input, decode: () => decodeEntries(input, made.length, changed.header, services) }
    },
  }
}

/** Entries of which one is changed, chained again from there on. */
function sealedEntries(random: Random, values: readonly string[], header: CheckpointHeader) {
  const at = upTo(random, values.length)
  const bytes: Buffer[] = []
  let { chain, version } = header.base!
  for (const [i, value] of values.entries()) {
    const key = logKey(version++)
    const { previous, checksum } = parseEntry(key, value)!
    const chained = value.slice(0, -8).replace(encodeChecksum(previous), encodeChecksum(chain))
    const sealed = withChecksum(key, i === at ? mutateText(random, [chained]) : chained)
    chain = parseEntry(key, sealed)?.checksum ?? checksum
    const length = Buffer.alloc(4)
    length.writeUInt32LE(Buffer.byteLength(sealed))
    bytes.push(length, Buffer.from(sealed))
  }
  return { bytes: Buffer.concat(bytes), header: { ...header, chain } }
}

async function decodeEntries(
  bytes: Buffer,
  frames: number,
  header: CheckpointHeader,
  services: CheckpointHeader['services'],
): Promise<Verdict> {
  const totals = new LogTotals(services)
  try {
    for await (const logged of readLogEntries(openFileOf(bytes, frames), header)) {
      for (const event of eventsOf(logged))
        if ('identity' in event) hold(parseIdentity(event.identity) !== undefined, 'no timer')
      totals.add(logged)
    }
    return 'accepted'
  } catch (error) {
    if (isRefusal(error)) return 'refused'
    throw error
  }
}

const EXPORT = [
  '{"tidemark":"export","format":1,"storeId":"x","version":3,"maxParallelism":128,"keyGroups":{"start":0,"end":127}}',
  '{"service":"orders","watermark":5,"schemas":{"key":{"type":"string"},"namespace":{"type":"string"}}}',
  '{"service":"orders","domain":"eventTime","key":"a","namespace":"n","timestamp":5,"payload":{"n":1},"createVersion":1,"place":0}',
  '{"service":"orders","domain":"processingTime","key":{"id":1},"timestamp":-9007199254740991}',
].join('\n')
const CSV = [
  'record,service,domain,key,namespace,timestamp,payload,createVersion,place,watermark,schemas,store',
  'service,orders,,,,,,,,5,"{""key"":{""type"":""string""},""namespace"":{""type"":""string""}}",',
  'timer,orders,eventTime,"a ""b""",n,5,"{""n"":1}",1,0,,,',
  'timer,orders,processingTime,"""42""",,17,,2,3,,,',
].join('\r\n')

function importDecoder(name: string, text: string): Decoder {
  return {
    name,
    prepare: (random) => {
      const input = mutateText(random, [text])
      const cut = upTo(random, input.length + 1)
      return { input, decode: () => importText([input.slice(0, cut), input.slice(cut)]) }
    },
  }
}

async function importText(texts: readonly string[]): Promise<Verdict> {
  try {
    for await (const line of readLines(Readable.from(texts))) recordOf(line)
    return 'accepted'
  } catch (error) {
    if (error instanceof ImportProblem) return 'refused'
    throw error
  }
}

export function fileDecoders(corpus: Corpus): Decoder[] {
  const parts = [...corpus.files.values()].map(({ bytes }) => takeApart(bytes))
  const frames = parts.flatMap((file) => file.frames)
  const [full, incremental] = ['full', 'incremental'].map((kind) =>
    takeApart(corpus.files.get(kind as 'full')!.bytes),
  )
  const heads = contentsOf(frames, 'header')
  const header = headerOf(incremental!.frames)
  const lengths = [...corpus.files.values()].map(({ bytes }) => bytes.length)
  const version = parseHead(contentsOf(full!.frames, 'header')[0]!).version
  return [
    ofBytes(
      'preamble',
      parts.map(({ preamble }) => preamble),
      sealPreamble,
      (bytes) => {
        hold(parsePreamble(bytes) >= 1 && bytes.length === PREAMBLE_BYTES, 'no version')
      },
    ),
    ofBytes(
      'frame',
      frames.map(({ bytes }) => bytes),
      sealFrame,
      (bytes) => {
        const head = checkFrame(bytes)
        const content = frameContent({ offset: 0, head, bytes })
        hold(content.length === head.rawLength, 'its content has another length than it says')
      },
    ),
    ofJson('header', heads, decodeHead),
    metadataDecoder(contentsOf(full!.frames, 'header')[0]!),
    ofJson('service', contentsOf(frames, 'service'), decodeService),
    blockDecoder(full!.frames, version),
    ofBytes('index', indexTexts(frames), (bytes) => bytes, decodeRecords),
    logFramesDecoder(incremental!.frames, header, headerOf(full!.frames)),
    ofBytes(
      'footer',
      parts.map(({ footer }) => footer),
      sealFooter,
      (bytes) => {
        const length =
          lengths.find((each) => bytes.length > 38 && bytes.readUIntLE(32, 6) === each) ?? lengths[0]!
        const footer = parseFooter(bytes, length)
        hold(
          footer.blocksOffset <= footer.indexOffset && footer.indexOffset < length,
          'its parts are out of order',
        )
      },
    ),
    importDecoder('import of NDJSON', EXPORT),
    importDecoder('import of CSV', CSV),
  ]
}

/** Single records, so that the number that is expected says nothing. */
function indexTexts(frames: readonly FileFrame[]): Buffer[] {
  const segments = Array.from({ length: 3 }, (_, i) => ({
    keyGroup: i * 7,
    count: i + 1,
    earliest: -i,
    latest: i * 2 ** 30,
  }))
  const many = {
    serviceId: 5,
    domain: 'eventTime' as const,
    length: 70_000,
    crc: 2 ** 31,
    count: 6,
    setHash: 2 ** 51,
    segments,
  }
  const records = contentsOf(frames, 'index').flatMap((content) => {
    const { entries } = frames.find((frame) => frame.content === content)!
    return parseBlockRecords(content.toString('latin1'), entries)
  })
  return [many, ...records].map((record) => Buffer.from(encodeBlockRecord(record), 'latin1'))
}

function headerOf(frames: readonly FileFrame[]): CheckpointHeader {
  const head = parseHead(contentsOf(frames, 'header')[0]!)
  return { ...head, services: contentsOf(frames, 'service').map((content, id) => parseService(content, id)) }
}
