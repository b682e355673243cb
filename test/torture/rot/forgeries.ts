/**
 * Checkpoint files in which one thing is not as it must be and every checksum is right: fields of headers, services, index
 * and footer at their extremes, frames swapped, dropped and doubled.
 */
import {
  type BlockRecord,
  encodeBlockRecord,
  parseBlockRecords,
  type Segment,
} from '../../../src/checkpoint/blockindex.ts'
import { encodePreamble } from '../../../src/checkpoint/format.ts'
import { type FileFrame, type FileParts, frameOf, putTogether, sealFrame } from './frames.ts'
import { EXTREMES } from './mutation.ts'

export interface Forgery {
  what: string
  bytes: Buffer
  /** It may be believed: it says nothing of what is stored. Then what is stored must come back. */
  isFree?: boolean
}

/** What JSON can say in the place of a number, a text or an object. */
const VALUES: readonly unknown[] = [
  ...EXTREMES,
  -1,
  -(2 ** 53 - 1),
  2 ** 53,
  1e308,
  0.5,
  null,
  true,
  '',
  'x',
  '../../x',
  'x'.repeat(300_000),
  [],
  [[]],
  {},
]

/** Where much of it may be believed, and each takes a restore. */
const FEW_VALUES = [0, 2, 32769, 2 ** 53 - 1, 2 ** 53, -1, null, '', '../../x', {}, undefined]

/** Of a header: what tells nothing of the timers, or what a store that goes on from it is free to choose. */
const FREE_FIELDS = new Set([
  'createdMs',
  'pauseMs',
  'metadata',
  'storeId',
  'checkpointId',
  'version',
  'chain',
  'kind',
  'maxParallelism',
  'keyGroups.start',
  'keyGroups.end',
  'name',
  'schemas',
  'watermark',
])

export function* forgeries(parts: FileParts): Generator<Forgery> {
  yield* versions(parts)
  yield* frameHeads(parts)
  yield* jsonFields(parts)
  yield* indexFields(parts)
  yield* columnLengths(parts)
  yield* entryLengths(parts)
  yield* footerFields(parts)
  yield* places(parts)
}

function* versions(parts: FileParts): Generator<Forgery> {
  for (const version of [0, 2, 255, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
    yield {
      what: `format version ${version}`,
      bytes: putTogether({ ...parts, preamble: encodePreamble(version) }),
    }
  }
}

function withFrame(parts: FileParts, index: number, frame: FileFrame): FileParts {
  return { ...parts, frames: parts.frames.map((each, i) => (i === index ? frame : each)) }
}

function* frameHeads(parts: FileParts): Generator<Forgery> {
  const fields: [string, number, number][] = [
    ['type', 0, 1],
    ['coding', 1, 1],
    ['reserved', 2, 2],
    ['entries', 4, 4],
    ['length of the content', 8, 4],
    ['stored length', 12, 4],
  ]
  for (const [index, frame] of parts.frames.entries()) {
    for (const [name, at, width] of fields) {
      const values = [...EXTREMES, frame.bytes.readUIntLE(at, width) + 1].filter(
        (value) => value < 2 ** (8 * width),
      )
      for (const value of new Set(values)) {
        const bytes = Buffer.from(frame.bytes)
        bytes.writeUIntLE(value, at, width)
        if (bytes.equals(frame.bytes)) continue
        const forged = withFrame(parts, index, { ...frame, bytes: sealFrame(bytes) })
        yield { what: `${name} of frame ${index} (${frame.type}) is ${value}`, bytes: putTogether(forged) }
      }
    }
  }
}

type Fields = Record<string, unknown>

/** Every field of an object and of those within it, by its path. */
function* pathsIn(fields: Fields, prefix = ''): Generator<string> {
  for (const [name, value] of Object.entries(fields)) {
    yield prefix + name
    if (typeof value === 'object' && value !== null) yield* pathsIn(value as Fields, `${prefix}${name}.`)
  }
}

/** A copy in which a field has another value; undefined: it is gone. */
function withField(fields: Fields, path: string, value: unknown): Fields {
  const [name, ...rest] = path.split('.') as [string, ...string[]]
  const changed = rest.length === 0 ? value : withField(fields[name] as Fields, rest.join('.'), value)
  return { ...fields, [name]: changed }
}

function* jsonFields(parts: FileParts): Generator<Forgery> {
  for (const [index, frame] of parts.frames.entries()) {
    if (frame.type !== 'header' && frame.type !== 'service') continue
    const fields = JSON.parse(frame.content.toString('utf8')) as Fields
    for (const path of pathsIn(fields)) {
      const isFree = FREE_FIELDS.has(path)
      for (const value of isFree ? FEW_VALUES : [...VALUES, undefined]) {
        const content = Buffer.from(JSON.stringify(withField(fields, path, value)))
        if (content.equals(frame.content)) continue
        const bytes = putTogether(withFrame(parts, index, frameOf(frame.type, 1, content)))
        const told = String(JSON.stringify(value)).slice(0, 40)
        yield {
          what: `${path} of frame ${index} (${frame.type}) is ${told}`,
          bytes,
          isFree,
        }
      }
    }
  }
}

function* indexFields(parts: FileParts): Generator<Forgery> {
  for (const [index, frame] of parts.frames.entries()) {
    if (frame.type !== 'index') continue
    const records = parseBlockRecords(frame.content.toString('latin1'), frame.entries)
    const make = (changed: readonly BlockRecord[], what: string): Forgery | undefined => {
      const content = Buffer.from(changed.map(encodeBlockRecord).join(''), 'latin1')
      if (content.equals(frame.content)) return undefined
      return { what, bytes: putTogether(withFrame(parts, index, frameOf('index', changed.length, content))) }
    }
    for (const [i, record] of records.entries()) {
      const change = (other: Partial<BlockRecord>) =>
        records.map((each, at) => (at === i ? { ...each, ...other } : each))
      const segment = (other: Partial<Segment>) =>
        change({ segments: [{ ...record.segments[0]!, ...other }, ...record.segments.slice(1)] })
      for (const value of [...EXTREMES, -1, -(2 ** 53 - 1)]) {
        const isCount = value >= 0
        const all: [string, BlockRecord[]][] = [
          ...(isCount && value < 4096
            ? [['service', change({ serviceId: value })] as [string, BlockRecord[]]]
            : []),
          ...(isCount ? [['length', change({ length: value })] as [string, BlockRecord[]]] : []),
          ...(isCount ? [['crc', change({ crc: value })] as [string, BlockRecord[]]] : []),
          ['set hash', change({ setHash: value })],
          ...(isCount && value < 2 ** 18
            ? [['key group', segment({ keyGroup: value })] as [string, BlockRecord[]]]
            : []),
          ...(isCount ? [['count', segment({ count: value })] as [string, BlockRecord[]]] : []),
          ['earliest', segment({ earliest: value })],
          ['latest', segment({ latest: value })],
        ]
        for (const [name, changed] of all) {
          const forgery = make(changed, `${name} of block ${i} is ${value} in the index`)
          if (forgery !== undefined) yield forgery
        }
      }
      yield make(
        change({ domain: record.domain === 'eventTime' ? 'processingTime' : 'eventTime' }),
        `domain of block ${i}`,
      )!
      yield make(
        records.filter((_, at) => at !== i),
        `record ${i} of the index is gone`,
      )!
      yield make([...records, record], `record ${i} of the index is there twice`)!
    }
  }
}

function* columnLengths(parts: FileParts): Generator<Forgery> {
  for (const [index, frame] of parts.frames.entries()) {
    if (frame.type !== 'block') continue
    for (let column = 0; column < 4; column++) {
      for (const value of EXTREMES.filter((each) => each < 2 ** 32)) {
        const content = Buffer.from(frame.content)
        content.writeUInt32LE(value, column * 4)
        if (content.equals(frame.content)) continue
        yield {
          what: `column ${column} of frame ${index} has ${value} bytes`,
          bytes: withBlock(parts, index, content),
        }
      }
    }
  }
}

/** A block with other content, of which the index tells. */
function withBlock(parts: FileParts, index: number, content: Buffer): Buffer {
  const block = frameOf('block', parts.frames[index]!.entries, content)
  const place = parts.frames.slice(0, index).filter(({ type }) => type === 'block').length
  const forged = withFrame(parts, index, block)
  const at = forged.frames.findIndex(({ type }) => type === 'index')
  const { content: text, entries } = forged.frames[at]!
  const records = parseBlockRecords(text.toString('latin1'), entries)
  records[place] = { ...records[place]!, length: block.bytes.length, crc: block.bytes.readUInt32LE(16) }
  const made = Buffer.from(records.map(encodeBlockRecord).join(''), 'latin1')
  return putTogether(withFrame(forged, at, frameOf('index', entries, made)))
}

function* entryLengths(parts: FileParts): Generator<Forgery> {
  for (const [index, frame] of parts.frames.entries()) {
    if (frame.type !== 'log') continue
    for (let at = 0, entry = 0; at < frame.content.length; entry++) {
      const length = frame.content.readUInt32LE(at)
      for (const value of [...EXTREMES.filter((each) => each < 2 ** 32), length - 1, length + 1]) {
        const content = Buffer.from(frame.content)
        content.writeUInt32LE(value, at)
        if (content.equals(frame.content)) continue
        const bytes = putTogether(withFrame(parts, index, frameOf('log', frame.entries, content)))
        yield { what: `log entry ${entry} has ${value} bytes`, bytes }
      }
      at += 4 + length
    }
  }
}

function* footerFields(parts: FileParts): Generator<Forgery> {
  const fields: [string, number, number][] = [
    ['blocks', 0, 4],
    ['index frames', 4, 4],
    ['timers', 8, 6],
    ['start of the blocks', 16, 6],
    ['start of the index', 24, 6],
    ['length of the file', 32, 6],
    ['crc of the header', 40, 4],
    ['crc of the index', 44, 4],
    ['duration', 48, 4],
  ]
  const whole = putTogether(parts)
  for (const [name, at, width] of fields) {
    for (const value of [...EXTREMES, whole.length, whole.length - 96].filter(
      (each) => each < 2 ** (8 * width),
    )) {
      const bytes = putTogether(parts, (footer) => footer.writeUIntLE(value, at, width))
      if (!bytes.equals(whole))
        yield { what: `footer: ${name} is ${value}`, bytes, isFree: name === 'duration' }
    }
  }
}

/** Every frame in the place of every other, gone, and there twice: with a footer of before, and with one that fits. */
function* places(parts: FileParts): Generator<Forgery> {
  const { frames } = parts
  const both = function* (what: string, forged: FileFrame[]): Generator<Forgery> {
    const body = Buffer.concat([parts.preamble, ...forged.map(({ bytes }) => bytes)])
    yield { what, bytes: Buffer.concat([body, parts.footer]) }
    yield { what: `${what}, and the footer knows`, bytes: putTogether({ ...parts, frames: forged }) }
  }
  for (const [i, frame] of frames.entries()) {
    yield* both(
      `frame ${i} (${frame.type}) is gone`,
      frames.filter((_, at) => at !== i),
    )
    for (let j = 0; j <= frames.length; j++) {
      yield* both(`frame ${i} (${frame.type}) is also in place ${j}`, [
        ...frames.slice(0, j),
        frame,
        ...frames.slice(j),
      ])
    }
    for (let j = i + 1; j < frames.length; j++) {
      const swapped = [...frames]
      swapped[i] = frames[j]!
      swapped[j] = frame
      yield* both(`frames ${i} (${frame.type}) and ${j} (${frames[j]!.type}) are swapped`, swapped)
    }
  }
}
