/**
 * Reads a checkpoint: what it says of itself and where its timers are, then the blocks that are wanted.
 *
 * - Opening reads header, index and footer, and proves that they agree: blocks lie behind one another without a gap,
 *   in the order of queues and key groups, and their counts and set hashes add up to the header's.
 * - An incremental checkpoint has log entries where others have blocks, and no index.
 * - A block must be the one that the index tells of. So whoever reads all blocks has proved every timer, without
 *   reading the file twice; {@link CheckpointReader.verify} looks at every byte, read or not.
 */
import { crc32 } from 'node:zlib'
import type { TidemarkError } from '../errors.ts'
import type { Files } from '../files.ts'
import { addToSetHash } from '../timer/checksum.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import type { TimeDomain } from '../timer/identity.ts'
import { FREE_NAME } from '../timer/servicename.ts'
import { type DecodedBlock, decodeBlock } from './blockdecoder.ts'
import { type BlockRecord, type PlacedBlock, parseBlockRecords } from './blockindex.ts'
import { decodeTimestamps } from './blockrows.ts'
import { BlockStream } from './blockstream.ts'
import { totalTimers } from './cut.ts'
import { FileSource, frameContent } from './filesource.ts'
import { check, FOOTER_BYTES, type Footer, FRAME_HEAD_BYTES, PREAMBLE_BYTES } from './format.ts'
import { type CheckpointHeader, parseHead, parseService } from './header.ts'
import { type LogEntry, readLogEntries } from './logreader.ts'
import { type OpenFile, openCheckpointFile, verifyBytes } from './openfile.ts'
import { type ProofOptions, proveFile } from './proof.ts'

export class CheckpointReader {
  readonly path: string
  readonly header: CheckpointHeader
  /** The index. */
  readonly index: readonly PlacedBlock[]
  readonly timers: number
  readonly bytes: number
  /** How long writing took. */
  readonly durationMs: number
  /** SHA-256 of the file, as its footer tells it. */
  readonly sha256: string
  readonly #opened: OpenFile

  private constructor(opened: OpenFile, header: CheckpointHeader, index: readonly PlacedBlock[]) {
    this.path = opened.path
    this.header = header
    this.index = index
    this.timers = opened.footer.timers
    this.bytes = opened.footer.fileLength
    this.durationMs = opened.footer.durationMs
    this.sha256 = opened.footer.sha256.toString('hex')
    this.#opened = opened
  }

  /** Throws TIDEMARK_CHECKPOINT_NOT_FOUND, _CHECKPOINT_CORRUPT or _UNSUPPORTED_FORMAT. */
  static async open(path: string, files?: Files): Promise<CheckpointReader> {
    const opened = await openCheckpointFile(path, files)
    try {
      const header = await readHeader(opened)
      const index = await readIndex(opened, header)
      return new CheckpointReader(opened, header, index)
    } catch (error) {
      await opened.file.close()
      throw error
    }
  }

  /** Reads every byte, and proves the file by its SHA-256. */
  verify(signal?: AbortSignal): Promise<void> {
    return verifyBytes(this.#opened, signal)
  }

  /** Reads every byte and every timer or log entry; returns all that is damaged, an error each. */
  prove(options: ProofOptions = {}): Promise<TidemarkError[]> {
    return proveFile(this.#opened, this.header, this.index, options)
  }

  /** The timers in order of identity, block by block: those of a range of key groups, in the blocks that are wanted. */
  blocks(
    keyGroups: KeyGroupRange = this.#allKeyGroups(),
    isWanted: (block: PlacedBlock) => boolean = () => true,
  ): AsyncGenerator<DecodedBlock> {
    const { version } = this.header
    return this.#read(keyGroups, isWanted, (block, content) =>
      decodeBlock(block, content, version, keyGroups),
    )
  }

  /** The blocks that are wanted, to be taken one by one. */
  stream(isWanted: (block: PlacedBlock) => boolean): BlockStream {
    return new BlockStream(this.path, this.#opened.file, this.index.filter(isWanted))
  }

  /** Nothing but the timestamps of the blocks that are wanted, each block's in its order: a fraction of the work. */
  timestamps(
    isWanted: (block: PlacedBlock) => boolean,
  ): AsyncGenerator<{ block: PlacedBlock; timestamps: Float64Array }> {
    return this.#read(this.#allKeyGroups(), isWanted, (block, content) => ({
      block,
      timestamps: decodeTimestamps(block, content),
    }))
  }

  /** The log entries of an incremental checkpoint, from its base's version to its own. */
  entries(): AsyncGenerator<LogEntry> {
    return readLogEntries(this.#opened, this.header)
  }

  close(): Promise<void> {
    return this.#opened.file.close()
  }

  #allKeyGroups(): KeyGroupRange {
    return { start: 0, end: this.header.maxParallelism - 1 }
  }

  async *#read<T>(
    keyGroups: KeyGroupRange,
    isWanted: (block: PlacedBlock) => boolean,
    decode: (block: PlacedBlock, content: Buffer) => T,
  ): AsyncGenerator<T> {
    const stream = this.stream((block) => isInside(block, keyGroups) && isWanted(block))
    while (stream.upcoming !== undefined) yield await stream.take(decode)
  }
}

function isInside({ segments }: PlacedBlock, { start, end }: KeyGroupRange): boolean {
  return segments[0]!.keyGroup <= end && segments.at(-1)!.keyGroup >= start
}

/** What the file says of itself, services included: proved by the footer, the index left alone. */
export async function readHeader({ path, file, preamble, footer }: OpenFile): Promise<CheckpointHeader> {
  const source = new FileSource(path, file, PREAMBLE_BYTES, footer.blocksOffset)
  let crc = crc32(preamble)
  const content = async (type: 'header' | 'service') => {
    const frame = await source.takeFrame(type)
    check(frame.head.entries === 1, 'a frame of the header has more than one')
    crc = crc32(frame.bytes, crc)
    return frameContent(frame)
  }
  return source.naming('its header', async () => {
    const head = parseHead(await content('header'))
    const header: CheckpointHeader = { ...head, services: [] }
    const names = new Set<string | number>()
    for (let id = 0; id < head.serviceCount; id++) {
      const service = parseService(await content('service'), id)
      header.services.push(service)
      // Any number of numbers may be free.
      names.add(service.name === FREE_NAME ? id : service.name)
    }
    check(names.size === header.services.length, 'two services have one name')
    check(source.atEnd && crc === footer.headerCrc, 'it is not the header that the footer tells of')
    return header
  })
}

async function readIndex(opened: OpenFile, header: CheckpointHeader): Promise<PlacedBlock[]> {
  const { path, file, footer } = opened
  const source = new FileSource(path, file, footer.indexOffset, footer.fileLength - FOOTER_BYTES)
  const placed: PlacedBlock[] = []
  let offset = footer.blocksOffset
  let segments = 0
  let crc = 0
  await source.naming('its index', async () => {
    for (let i = 0; i < footer.indexFrames; i++) {
      const frame = await source.takeFrame('index')
      crc = crc32(frame.bytes, crc)
      const text = frameContent(frame).toString('latin1')
      for (const record of parseBlockRecords(text, frame.head.entries)) {
        placed.push({ ...record, offset })
        offset += record.length
        segments += record.segments.length
      }
      // Before more of it is read: a few bytes could tell of any number of blocks.
      const fits = offset <= footer.indexOffset && placed.length <= footer.blocks
      check(fits && segments <= footer.fileLength, 'it tells of more than the file has room for')
    }
    check(source.atEnd && crc === footer.indexCrc, 'it is not the index that the footer tells of')
    if (header.kind === 'incremental') checkNoIndex(header, footer)
    else checkIndex(header, placed, footer)
  })
  return placed
}

function checkNoIndex({ services }: CheckpointHeader, { indexFrames, timers }: Footer): void {
  check(indexFrames === 0, 'an incremental checkpoint has no index')
  check(timers === totalTimers(services), 'its header has another number of timers than the footer says')
}

/** Proves that index, header and footer are about the same blocks. */
function checkIndex(header: CheckpointHeader, index: readonly PlacedBlock[], footer: Footer): void {
  const end = index.reduce((sum, { length }) => sum + length, footer.blocksOffset)
  const timers = index.reduce((sum, { count }) => sum + count, 0)
  check(index.length === footer.blocks && end === footer.indexOffset, 'its blocks do not fill their place')
  check(timers === footer.timers, 'its blocks have another number of timers than the footer says')
  const totals = new Map<string, { count: number; setHash: number }>()
  let last: BlockRecord | undefined
  for (const block of index) {
    check(block.length > FRAME_HEAD_BYTES, 'a block is too short')
    const { start, end } = header.keyGroups
    const isWithin = block.segments[0]!.keyGroup >= start && block.segments.at(-1)!.keyGroup <= end
    check(isWithin, 'a key group is not one of its store')
    if (last !== undefined) check(isBehind(block, last), 'blocks are out of order')
    last = block
    const queue = queueName(block.serviceId, block.domain)
    const { count, setHash } = totals.get(queue) ?? { count: 0, setHash: 0 }
    totals.set(queue, { count: count + block.count, setHash: addToSetHash(setHash, block.setHash) })
  }
  for (const service of header.services) {
    for (const domain of ['eventTime', 'processingTime'] as const) {
      const queue = queueName(service.id, domain)
      const found = totals.get(queue) ?? { count: 0, setHash: 0 }
      totals.delete(queue)
      const { count, setHash } = service[domain]
      check(
        found.count === count && found.setHash === setHash,
        `its blocks are not the ${domain} of '${service.name}'`,
      )
    }
  }
  check(totals.size === 0, 'a block belongs to no service')
}

function queueName(serviceId: number, domain: TimeDomain): string {
  return `${serviceId} ${domain}`
}

function isBehind(block: BlockRecord, last: BlockRecord): boolean {
  if (block.serviceId !== last.serviceId) return block.serviceId > last.serviceId
  if (block.domain !== last.domain) return block.domain > last.domain
  return block.segments[0]!.keyGroup >= last.segments.at(-1)!.keyGroup
}
