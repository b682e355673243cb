/**
 * Reads the log entries of an incremental checkpoint: contiguous, each verified and chained to the one before, the last
 * the one that the header tells of. Whoever has read them all has proved all of them.
 */
import { logKey } from '../engine/keyspaces.ts'
import { type LoggedEvent, type ParsedEntry, parseEntry, parseEvents } from '../log/entry.ts'
import { FileSource, frameContent } from './filesource.ts'
import { check, FormatProblem, LOG_LENGTH_BYTES } from './format.ts'
import type { CheckpointHeader } from './header.ts'
import type { OpenFile } from './openfile.ts'

/** A log entry as it was stored. */
export interface LogEntry {
  entry: ParsedEntry
  value: string
}

/** The events of an entry. Throws a FormatProblem where one is not whole. */
export function* eventsOf({ entry, value }: LogEntry): Generator<LoggedEvent> {
  try {
    yield* parseEvents(value, entry)
  } catch (error) {
    throw new FormatProblem((error as Error).message)
  }
}

export async function* readLogEntries(
  { path, file, footer }: OpenFile,
  { base, version, chain }: CheckpointHeader,
): AsyncGenerator<LogEntry> {
  const source = new FileSource(path, file, footer.blocksOffset, footer.indexOffset)
  const bytes = new FrameBytes(source)
  let previous = base!.chain
  for (let expected = base!.version; expected < version; expected++) {
    const value = await source.naming(`the log entry of version ${expected}`, () => bytes.takeEntry())
    const entry = parseEntry(logKey(expected), value)
    await source.naming(`the log entry of version ${expected}`, () => {
      check(entry !== undefined, 'its checksum is wrong')
      check(entry.previous === previous, 'it does not follow the one before')
      check(
        expected + 1 < version || entry.checksum === chain,
        'it is not the last one that the header tells of',
      )
    })
    yield { entry: entry!, value }
    previous = entry!.checksum
  }
  const isCounted = bytes.frames === footer.blocks && bytes.begun === version - base!.version
  const atEnd = source.atEnd && bytes.isEmpty && isCounted
  await source.naming('its log entries', () => check(atEnd, 'there are more than the header tells of'))
}

/** The contents of the frames, as one run of bytes. */
class FrameBytes {
  readonly #source: FileSource
  #content: Buffer = Buffer.alloc(0)
  frames = 0
  /** Entries that begin in the frames, as their heads say. */
  begun = 0

  constructor(source: FileSource) {
    this.#source = source
  }

  get isEmpty(): boolean {
    return this.#content.length === 0
  }

  async takeEntry(): Promise<string> {
    const length = (await this.#take(LOG_LENGTH_BYTES)).readUInt32LE(0)
    return (await this.#take(length)).toString('utf8')
  }

  /** What is gathered was verified, frame by frame: a length that is wrong finds the end of the file. */
  async #take(length: number): Promise<Buffer> {
    const parts = [this.#content]
    let gathered = this.#content.length
    while (gathered < length) {
      check(!this.#source.atEnd, 'it is cut off')
      const frame = await this.#source.takeFrame('log')
      const content = frameContent(frame)
      this.frames++
      this.begun += frame.head.entries
      parts.push(content)
      gathered += content.length
    }
    const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    this.#content = all.subarray(length)
    return all.subarray(0, length)
  }
}
