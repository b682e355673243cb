/**
 * The engine on LevelDB: the only file that imports classic-level, and the one place that knows its traps
 * (FORMAT.md, "What LevelDB needs").
 *
 * - Opened with `multithreading`, so that a checkpoint's worker can open it too: the first to open is the last to close.
 * - Text keys and values; chained batches; reads in chunks with a raised high-water mark.
 * - What LevelDB says of damaged files is TIDEMARK_CORRUPT, whoever reads; every other error is as it is.
 */
import { statfs } from 'node:fs/promises'
import type { AbstractChainedBatch, AbstractLevel } from 'abstract-level'
import { ClassicLevel } from 'classic-level'
import { TidemarkError } from '../errors.ts'
import { SCAN_CHUNK_BYTES, TABLE_BLOCK_BYTES } from '../limits.ts'
import type { EngineOptions } from '../options.ts'
import { isUnused } from './directory.ts'
import type { Engine, EngineBatch, Entry, LevelTables, ScanRange } from './engine.ts'
import { END } from './keyspaces.ts'
import { LogNames } from './lognames.ts'
import { restoreManifest } from './manifest.ts'
import { type PageHint, type PrefixLimits, scanPrefixes } from './prefixscan.ts'
import { levelsOf, parseTables, type Table } from './tables.ts'

type TextLevel = AbstractLevel<string | Buffer | Uint8Array, string, string>
type TextBatch = AbstractChainedBatch<TextLevel, string, string>

/**
 * Opens the LevelDB in a directory (its real path: one spelling for all threads). Throws what LevelDB says.
 * What a loss of power may have left of LevelDB's opening is mended: where nothing was stored yet its first files begin
 * anew, and a MANIFEST that CURRENT does not name yet is found (manifest.ts).
 */
export async function openClassicEngine(
  realPath: string,
  sizes: Required<EngineOptions>,
  mustExist: boolean,
): Promise<Engine> {
  const level = new ClassicLevel<string, string>(realPath, {
    keyEncoding: 'utf8',
    valueEncoding: 'utf8',
    createIfMissing: !mustExist,
    multithreading: true,
    cacheSize: sizes.cacheBytes,
    writeBufferSize: sizes.writeBufferBytes,
    maxFileSize: sizes.maxFileBytes,
    blockSize: TABLE_BLOCK_BYTES,
  })
  try {
    await level.open()
  } catch (error) {
    if (isLockedError(error)) throw error
    if (await isUnused(realPath)) await ClassicLevel.destroy(realPath)
    else if (!(await restoreManifest(realPath))) throw error
    await level.open()
  }
  return new LevelEngine(level as unknown as TextLevel, new LogNames(realPath))
}

/** A batch as every level of the family has it. */
class LevelBatch implements EngineBatch {
  readonly chained: TextBatch

  constructor(chained: TextBatch) {
    this.chained = chained
  }

  put(key: string, value: string): void {
    this.chained.put(key, value)
  }

  del(key: string): void {
    this.chained.del(key)
  }
}

/** What a chained batch offers to those who implement one: it takes encoded text as it is. */
interface PlainBatch {
  _put(key: string, value: string): void
  _del(key: string): void
}

/**
 * classic-level's batch without what abstract-level does for each operation (options, encodings, hooks: a third of the
 * time that a put takes on the main thread). The first operation goes the public way: a batch that counts none is not
 * written. A test pins both (test/engine), for the exact version that is installed.
 */
class ClassicBatch extends LevelBatch {
  readonly #plain: PlainBatch
  #isEmpty = true

  constructor(chained: TextBatch) {
    super(chained)
    this.#plain = chained as unknown as PlainBatch
  }

  override put(key: string, value: string): void {
    if (this.#isEmpty) super.put(key, value)
    else this.#plain._put(key, value)
    this.#isEmpty = false
  }

  override del(key: string): void {
    if (this.#isEmpty) super.del(key)
    else this.#plain._del(key)
    this.#isEmpty = false
  }
}

function isClassic(level: unknown): boolean {
  return level instanceof ClassicLevel
}

/** The engine on any level of the abstract-level family. */
export class LevelEngine implements Engine {
  readonly #level: TextLevel
  readonly #logNames: LogNames | undefined
  readonly #pageHint: PageHint = { entries: 0 }

  /** @param logNames of a level whose logs are files. */
  constructor(level: TextLevel, logNames?: LogNames) {
    this.#level = level
    this.#logNames = logNames
  }

  getMany(keys: string[]): Promise<(string | undefined)[]> {
    return this.#level.getMany(keys).catch(rethrow)
  }

  get(key: string): string | undefined {
    try {
      return this.#level.getSync(key)
    } catch (error) {
      return rethrow(error)
    }
  }

  batch(): EngineBatch {
    const chained = this.#level.batch()
    return isClassic(this.#level) ? new ClassicBatch(chained) : new LevelBatch(chained)
  }

  async write(batch: EngineBatch, flushToDisk: boolean): Promise<void> {
    try {
      await (batch as LevelBatch).chained.write({ sync: flushToDisk } as object)
      if (flushToDisk) await this.#logNames?.sync()
    } catch (error) {
      rethrow(error)
    }
  }

  scan(range: ScanRange): { read(): Promise<Entry[]> } {
    const iterator = this.#level.iterator({
      ...(range.from === undefined ? {} : { gte: range.from }),
      ...(range.after === undefined ? {} : { gt: range.after }),
      lt: range.to,
      limit: range.limit,
      reverse: range.reverse ?? false,
      highWaterMarkBytes: SCAN_CHUNK_BYTES,
    } as object)
    return {
      read: async () => {
        try {
          const entries: Entry[] = []
          for (let left = range.maxBytes ?? Number.POSITIVE_INFINITY; left > 0; ) {
            // As many as fit the high-water mark.
            const more = await iterator.nextv(range.limit - entries.length)
            for (const entry of more) entries.push(entry)
            if (more.length === 0 || entries.length === range.limit) break
            left -= SCAN_CHUNK_BYTES
          }
          return entries
        } catch (error) {
          return rethrow(error)
        } finally {
          await iterator.close()
        }
      },
    }
  }

  scanPrefixes(prefixes: readonly string[], limits: PrefixLimits): Promise<Entry[][]> {
    return scanPrefixes(this.#level, prefixes, limits, this.#pageHint).catch(rethrow)
  }

  async flush(): Promise<void> {
    await this.compactRange(END, END)
  }

  tables(): Table[] {
    const level = this.#level as { getProperty?: (name: string) => string }
    return parseTables(level.getProperty?.('leveldb.sstables') ?? '')
  }

  async compactRange(first: string, last: string): Promise<void> {
    const level = this.#level as { compactRange?: (first: string, last: string) => Promise<void> }
    await level.compactRange?.(first, last)
  }

  async freeBytes(): Promise<number> {
    const { location } = this.#level as { location?: string }
    if (location === undefined) return Number.POSITIVE_INFINITY
    const { bavail, bsize } = await statfs(location)
    return bavail * bsize
  }

  levels(): LevelTables[] {
    return levelsOf(this.tables())
  }

  close(): Promise<void> {
    return this.#level.close()
  }
}

/** Whether opening failed because something else has the store open. */
export function isLockedError(error: unknown): boolean {
  return causeCode(error) === 'LEVEL_LOCKED'
}

/** Whether LevelDB found its files damaged. */
export function isCorruptionError(error: unknown): boolean {
  return causeCode(error instanceof TidemarkError ? error.cause : error) === 'LEVEL_CORRUPTION'
}

/** Throws what LevelDB says in Tidemark's words. */
function rethrow(error: unknown): never {
  const why = (error as Error).message
  if (causeCode(error) === 'LEVEL_CORRUPTION') {
    const message = `the store's files are damaged (${why}): restore a checkpoint`
    throw new TidemarkError('TIDEMARK_CORRUPT', message, { cause: error })
  }
  throw new TidemarkError('TIDEMARK_FAILED', `LevelDB failed (${why}): see to the disk`, { cause: error })
}

function causeCode(error: unknown): unknown {
  const { code, cause } = Object(error) as { code?: string; cause?: unknown }
  return code === 'LEVEL_DATABASE_NOT_OPEN' ? (cause as { code?: string } | undefined)?.code : code
}
