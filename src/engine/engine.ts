/**
 * What Tidemark asks of a key-value store: ordered text keys, atomic batches, short scans. `classic.ts` gives it on
 * LevelDB; tests give it in memory.
 *
 * - One write is under way at a time; a caller waits for the one before (two writes of LevelDB are not ordered).
 * - A cursor is a view of one moment, and is closed after one chunk: LevelDB 1.20 brings deleted keys back when a view
 *   is held long (google/leveldb#320).
 */

import type { Table } from './tables.ts'

export interface EngineBatch {
  put(key: string, value: string): void
  del(key: string): void
}

export interface ScanRange {
  /** First key, included. */
  from?: string
  /** Last key before, excluded. */
  after?: string
  /** End of the range, excluded. */
  to: string
  /** Most entries to read. */
  limit: number
  /** Reads no more once there are so many bytes, about: then fewer than `limit` may be a part (`isPart`). */
  maxBytes?: number
  reverse?: boolean
}

export type Entry = readonly [key: string, value: string]

/** In UTF-8, of one UTF-16 unit. */
const MAX_BYTES_PER_CHARACTER = 3

/** Whether there may be more in a range than was read of it: one of the limits was reached. */
export function isPart(entries: readonly Entry[], { limit, maxBytes }: Omit<ScanRange, 'to'>): boolean {
  if (entries.length === limit) return true
  if (maxBytes === undefined) return false
  let characters = 0
  for (const [key, value] of entries) characters += key.length + value.length
  return characters * MAX_BYTES_PER_CHARACTER >= maxBytes
}

/** The tables of one level: 0 has the newest entries, and each other has what was moved on from the one before. */
export interface LevelTables {
  level: number
  tables: number
  bytes: number
}

/** Fails with errors of Tidemark: TIDEMARK_CORRUPT where what is stored is damaged, TIDEMARK_FAILED. */
export interface Engine {
  /** The values of keys, in their order; undefined where there is none. */
  getMany(keys: string[]): Promise<(string | undefined)[]>
  /** One value, at once: it may read the disk on this thread. */
  get(key: string): string | undefined
  batch(): EngineBatch
  /** Writes a batch; when `flushToDisk`, it survives a power loss once this resolves. */
  write(batch: EngineBatch, flushToDisk: boolean): Promise<void>
  /**
   * Opens a view of this moment on a range; `read` returns its entries, at most `limit`, and closes it.
   * Two scans opened one after the other see their moments in that order.
   */
  scan(range: ScanRange): { read(): Promise<Entry[]> }
  /**
   * The first entries behind each of several prefixes, at most `limit` of each. Where together they have more than about
   * `maxBytes`, the answer has holes; the first prefixes then have theirs, up to about `maxBytes`.
   */
  scanPrefixes(prefixes: readonly string[], limits: { limit: number; maxBytes: number }): Promise<Entry[][]>
  /** Writes what is in memory into tables, so that opening again has nothing to replay. */
  flush(): Promise<void>
  /** The tables on disk; none where all is in memory. */
  tables(): Table[]
  /** The levels that have tables; none where the engine has no levels. */
  levels(): LevelTables[]
  /** Bytes of disk that are free for tables; an engine without this has no limit. */
  freeBytes?(): Promise<number>
  /** Merges the tables of a range, both ends included, down to where the deepest lie (rewrite.ts). */
  compactRange(first: string, last: string): Promise<void>
  close(): Promise<void>
}
