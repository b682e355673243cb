// timeout: 400s
// A damaged, truncated, foreign or newer file is refused for what it is: every bit of it, in bounded time and memory.

import fs from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeBlock } from '../../src/checkpoint/blockdecoder.ts'
import { encodeBlockRecord, parseBlockRecords } from '../../src/checkpoint/blockindex.ts'
import { checkpointFileName } from '../../src/checkpoint/cut.ts'
import { frameContent } from '../../src/checkpoint/filesource.ts'
import {
  checkFrame,
  encodeFrameHead,
  encodePreamble,
  FOOTER_BYTES,
  FormatProblem,
  PREAMBLE_BYTES,
  parseFooter,
} from '../../src/checkpoint/format.ts'
import { parseHead, parseService } from '../../src/checkpoint/header.ts'
import { openCheckpointFile, verifyBytes } from '../../src/checkpoint/openfile.ts'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'
import { writeCheckpoint } from '../../src/checkpoint/writer.ts'
import { TidemarkError } from '../../src/errors.ts'
import '../support/random.ts'
import { rejects } from '../support/refusals.ts'
import { withDirectory } from '../support/store.ts'
import { manyTimers, readAll, sampleOf } from './sample.ts'

/** A file, whole in memory, small enough to try everything on it. */
async function fileOf(count: number, payload?: (i: number) => string): Promise<Buffer> {
  return withDirectory(async (directory) => {
    const sample = await sampleOf(manyTimers(count, payload), { services: ['orders'] })
    return readFile((await writeCheckpoint(sample.engine, sample.cut, directory)).path)
  })
}

async function verifyFile(path: string): Promise<void> {
  const opened = await openCheckpointFile(path)
  await verifyBytes(opened).finally(() => opened.file.close())
}

/** Opens and reads everything; the code of the refusal, or undefined. */
async function codeOf(
  path: string,
  read: (path: string) => Promise<unknown> = readAll,
): Promise<string | undefined> {
  try {
    await read(path)
    return undefined
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error
    assert.ok(error.message.includes(path), error.message)
    return error.code
  }
}

test('every flipped bit is found: by reading everything, and by looking at the bytes alone', async () => {
  const bytes = await fileOf(5)
  await withDirectory(async (directory) => {
    const path = join(directory, 'file')
    await writeFile(path, bytes)
    assert.is(await codeOf(path), undefined)
    assert.is(await codeOf(path, verifyFile), undefined)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      await writeFile(path, bytes)
      assert.is(await codeOf(path), 'TIDEMARK_CHECKPOINT_CORRUPT', `bit ${bit}`)
      if (bit % 5 === 0) {
        assert.is(await codeOf(path, verifyFile), 'TIDEMARK_CHECKPOINT_CORRUPT', `bit ${bit}`)
      }
      bytes[bit >> 3]! ^= 1 << (bit & 7)
    }
  })
})

test('every truncation is found, and everything that stands behind a file', async () => {
  const bytes = await fileOf(30, (i) => `{"i":${i}}`)
  await withDirectory(async (directory) => {
    const path = join(directory, 'file')
    for (let length = 0; length < bytes.length; length++) {
      await writeFile(path, bytes.subarray(0, length))
      assert.is(await codeOf(path), 'TIDEMARK_CHECKPOINT_CORRUPT', `${length} bytes`)
    }
    for (const more of [Buffer.from([0]), bytes.subarray(-FOOTER_BYTES), bytes]) {
      await writeFile(path, Buffer.concat([bytes, more]))
      assert.is(await codeOf(path), 'TIDEMARK_CHECKPOINT_CORRUPT')
    }
  })
})

test('bytes changed anywhere in a large file are found, also when only a part is read', async () => {
  const bytes = await fileOf(50_000)
  await withDirectory(async (directory) => {
    const path = join(directory, 'file')
    for (let i = 0; i < 40; i++) {
      const at = Math.floor((bytes.length * i) / 40)
      const changed = Buffer.from(bytes)
      changed.fill(changed[at]! ^ 0x55, at, at + 1 + (i % 3) * 4096)
      await writeFile(path, changed)
      assert.is(await codeOf(path), 'TIDEMARK_CHECKPOINT_CORRUPT', `byte ${at}`)
      const reader = await CheckpointReader.open(path).catch(() => undefined)
      if (reader === undefined) continue
      await rejects(reader.verify(), 'TIDEMARK_CHECKPOINT_CORRUPT')
      const damaged = reader.index.find(({ offset, length }) => at >= offset && at < offset + length)!
      const { keyGroup } = damaged.segments[0]!
      const range = { start: keyGroup, end: keyGroup }
      await rejects(readAll(path, range), 'TIDEMARK_CHECKPOINT_CORRUPT', `block at byte ${damaged.offset}`)
      await reader.close()
    }
  })
})

test('a file that becomes shorter while it is opened is damaged, and nothing else', async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, 'short.tidemark')
    await writeFile(path, encodePreamble())
    const { stat } = fs.promises
    // What it was a moment ago.
    fs.promises.stat = (async (place: string) => {
      const stats = (await stat(place)) as fs.Stats
      stats.size += 2 * FOOTER_BYTES
      return stats
    }) as never
    try {
      await rejects(() => CheckpointReader.open(path), 'TIDEMARK_CHECKPOINT_CORRUPT')
    } finally {
      fs.promises.stat = stat
    }
  })
})

test('foreign files, empty ones, directories, and no file at all', async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, 'file')
    const foreign = [
      Buffer.alloc(0),
      Buffer.alloc(1),
      Buffer.alloc(100_000),
      Buffer.from('{"kind":"full"}'.repeat(100)),
      await readFile(process.execPath).then((bytes) => bytes.subarray(0, 1_000_000)),
      encodePreamble(),
    ]
    for (const bytes of foreign) {
      await writeFile(path, bytes)
      assert.is(await codeOf(path), 'TIDEMARK_CHECKPOINT_CORRUPT')
    }
    await rejects(readAll(directory), 'TIDEMARK_CHECKPOINT_CORRUPT', 'not a file')
    await rejects(readAll(join(directory, 'absent')), 'TIDEMARK_CHECKPOINT_NOT_FOUND', 'absent')
    await rejects(readAll(join(path, 'below')), 'TIDEMARK_CHECKPOINT_NOT_FOUND')
  })
})

test('a newer format is not called damaged', async () => {
  const bytes = await fileOf(5)
  await withDirectory(async (directory) => {
    const path = join(directory, 'file')
    encodePreamble(2).copy(bytes)
    await writeFile(path, bytes)
    await rejects(readAll(path), 'TIDEMARK_UNSUPPORTED_FORMAT', 'format 2', path)
    await writeFile(path, Buffer.concat([encodePreamble(2 ** 32 - 1), Buffer.from('whatever comes then')]))
    await rejects(readAll(path), 'TIDEMARK_UNSUPPORTED_FORMAT')
    await writeFile(path, Buffer.concat([encodePreamble(0), bytes.subarray(PREAMBLE_BYTES)]))
    await rejects(readAll(path), 'TIDEMARK_CHECKPOINT_CORRUPT')
  })
})

test('a block of another checkpoint is not taken for this one, though its own checksum is right', async () => {
  await withDirectory(async (directory) => {
    const files = await Promise.all(
      [(i: number) => `"${i % 9}"`, (i: number) => `"${(i + 1) % 9}"`].map(async (payload) => {
        const { engine, cut } = await sampleOf(manyTimers(40, payload), { maxParallelism: 1 })
        await mkdir(join(directory, payload(0)))
        return (await writeCheckpoint(engine, cut, join(directory, payload(0)))).path
      }),
    )
    const readers = await Promise.all(files.map((path) => CheckpointReader.open(path)))
    const [mine, other] = await Promise.all(files.map((path) => readFile(path)))
    const [block, foreign] = readers.map((reader) => reader.index[0]!)
    await Promise.all(readers.map((reader) => reader.close()))
    const swapped = Buffer.concat([
      mine!.subarray(0, block!.offset),
      other!.subarray(foreign!.offset, foreign!.offset + foreign!.length),
      mine!.subarray(block!.offset + block!.length),
    ])
    const path = join(directory, checkpointFileName({ kind: 'full', version: 1, checkpointId: 'swapped0' }))
    await writeFile(path, swapped)
    assert.is(await codeOf(path), 'TIDEMARK_CHECKPOINT_CORRUPT')
  })
})

test('what a head says of lengths is not believed', async () => {
  const bytes = await fileOf(5)
  await withDirectory(async (directory) => {
    const path = join(directory, 'file')
    const head = (rawLength: number, stored: Buffer, claimed = stored.length) => {
      const frame = Buffer.concat([encodeFrameHead('header', 1, rawLength, stored), stored])
      frame.writeUInt32LE(claimed, 12)
      frame.writeUInt32LE(crc32(stored, crc32(frame.subarray(0, 16))), 16)
      return frame
    }
    const bomb = deflateRawSync(Buffer.alloc(200_000_000))
    const frames = [
      head(0xffffffff, Buffer.alloc(10), 0xffffffff),
      head(1024 * 1024, Buffer.alloc(10), 1024 * 1024),
      head(1024 * 1024, bomb.subarray(0, 500_000)),
      head(100, deflateRawSync(Buffer.alloc(50))),
      head(100, Buffer.from('not deflated at all')),
    ]
    for (const frame of frames) {
      const footer = bytes.subarray(-FOOTER_BYTES)
      footer.writeUIntLE(PREAMBLE_BYTES + frame.length, 16, 6)
      footer.writeUIntLE(PREAMBLE_BYTES + frame.length, 24, 6)
      footer.writeUIntLE(PREAMBLE_BYTES + frame.length + FOOTER_BYTES, 32, 6)
      footer.writeUInt32LE(crc32(footer.subarray(0, 80)), 80)
      await writeFile(path, Buffer.concat([bytes.subarray(0, PREAMBLE_BYTES), frame, footer]))
      const before = process.memoryUsage().rss
      assert.is(await codeOf(path), 'TIDEMARK_CHECKPOINT_CORRUPT')
      assert.ok(process.memoryUsage().rss - before < 50_000_000)
    }
  })
})

/** Parsing these bytes works, or fails as parsing fails. */
function parses(parse: () => unknown): void {
  try {
    parse()
  } catch (error) {
    if (!(error instanceof FormatProblem) && !(error instanceof SyntaxError)) throw error
  }
}

const change = fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }), cut: fc.nat({ max: 40 }) })

/** The bytes with some of them changed, and the end cut off. */
function changed(bytes: Buffer, changes: { at: number; byte: number; cut: number }[]): Buffer {
  const copy = Buffer.from(bytes)
  for (const { at, byte } of changes) if (copy.length > 0) copy[at % copy.length] = byte
  const cut = changes[0]!.cut
  return copy.subarray(0, cut > 30 ? Math.max(0, copy.length - cut) : copy.length)
}

test('no parser trusts what it parses, though the checksums around it were right', async () => {
  const segments = [
    { keyGroup: 3, count: 20, earliest: -5, latest: 9 },
    { keyGroup: 70, count: 1, earliest: 0, latest: 0 },
  ]
  const record = {
    serviceId: 0,
    domain: 'eventTime' as const,
    length: 500,
    crc: 7,
    count: 21,
    setHash: 77,
    segments,
  }
  const index = Buffer.from(encodeBlockRecord(record).repeat(3))
  const file = await fileOf(60, (i) => (i % 2 === 0 ? '' : `"ü${i}"`))
  const everything = { start: 0, end: 127 }
  const inputs = await withDirectory(async (directory) => {
    const path = join(directory, 'file')
    await writeFile(path, file)
    const reader = await CheckpointReader.open(path)
    const { header, index: blocks } = reader
    await reader.close()
    return { header, block: blocks[0]! }
  })
  const { offset, length } = inputs.block
  const frame = file.subarray(offset, offset + length)
  const content = frameContent({ offset, head: checkFrame(frame), bytes: frame })
  const json = Buffer.from(JSON.stringify({ ...inputs.header, metadata: '1', services: undefined }))
  const service = Buffer.from(JSON.stringify(inputs.header.services[0]))
  parseHead(json)
  parseService(service, 0)
  assert.is(decodeBlock(inputs.block, content, inputs.header.version, everything).count, inputs.block.count)
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      parses(() => parseBlockRecords(changed(index, changes).toString('latin1'), 3))
      parses(() => decodeBlock(inputs.block, changed(content, changes), inputs.header.version, everything))
      parses(() =>
        decodeBlock({ ...inputs.block, count: 2 ** 40 }, content, inputs.header.version, everything),
      )
      parses(() => parseHead(changed(json, changes)))
      parses(() => parseService(changed(service, changes), 0))
      parses(() => checkFrame(changed(frame, changes)))
      parses(() => parseFooter(changed(file.subarray(-FOOTER_BYTES), changes), file.length))
    }),
    { numRuns: 20_000 },
  )
})

test.run()
