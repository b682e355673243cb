/**
 * Rewriting LevelDB's tables without what was deleted.
 *
 * - `compactRange` merges tables downwards and never rewrites the deepest: what is dead in there stays, unless a table
 *   above overlaps it. So a *mark* is put above each: the deletion of a key that does not exist, right behind the table's
 *   smallest one. It goes down with the merge, takes the table along, and ends there.
 * - A mark harms nothing, whatever it is made of: no stored key ends with a mark's last character.
 * - LevelDB tells of no merge that fails, but takes no write after it: so a mark is written behind the last one, too.
 * - It goes in pieces of neighbouring tables. What one piece rewrites of others, as LevelDB sees fit, is not done again:
 *   tables are numbered as they are written, and only those that stood at the beginning are taken.
 * - What is rewritten is on disk twice until it is done: a piece that there is no room for is not begun.
 */
import { COMPACTION_PIECE_BYTES, REWRITE_ROOM_TIMES } from '../limits.ts'
import { reached } from '../steps.ts'
import { compareStored } from '../timer/text.ts'
import type { Engine, EngineBatch } from './engine.ts'
import { END } from './keyspaces.ts'
import { compareTables, type Table } from './tables.ts'

/** What a mark ends with: behind any key that continues a table's smallest by nothing, and no key's last character. */
const MARK_END = '!'

export interface RewriteParts {
  engine: Engine
  /** Writes a batch when nothing else is being written. */
  write(batch: EngineBatch): Promise<void>
  /** Whether there is room on disk for so many bytes. */
  hasRoom(bytes: number): Promise<boolean>
  /** Called after each piece, with how long it took; false: it is enough. */
  afterPiece(pieceMs: number): Promise<boolean>
}

/**
 * Rewrites every table that stands when it begins; resolves early where `afterPiece` or `hasRoom` says so. Returns how
 * many bytes there would have to be room for; 0: there was.
 */
export async function rewriteTables({ engine, write, hasRoom, afterPiece }: RewriteParts): Promise<number> {
  await engine.flush()
  let newest = 0
  for (const { number } of engine.tables()) newest = Math.max(newest, number)
  const tried = new Set<number>()
  for (;;) {
    const tables = engine.tables()
    const piece = nextPiece(tables, ({ number }) => number <= newest && !tried.has(number))
    if (piece.length === 0) {
      await write(markOf(engine, [END]))
      return 0
    }
    const neededBytes = REWRITE_ROOM_TIMES * rewrittenBytes(tables, piece)
    if (!(await hasRoom(neededBytes))) return neededBytes
    const startMs = performance.now()
    for (const { number } of piece) tried.add(number)
    reached('compaction.beforeMarks')
    const keys = piece.map(({ smallest }) => smallest)
    await write(markOf(engine, keys))
    reached('compaction.afterMarks')
    await engine.compactRange(piece[0]!.smallest, piece.at(-1)!.largest)
    reached('compaction.afterMerge')
    if (!(await afterPiece(performance.now() - startMs))) return 0
  }
}

function markOf(engine: Engine, keys: readonly string[]): EngineBatch {
  const batch = engine.batch()
  for (const key of keys) batch.del(key + MARK_END)
  return batch
}

/** The first neighbours of the deepest level that are wanted, as many as make a piece. */
export function nextPiece(tables: readonly Table[], isWanted: (table: Table) => boolean): Table[] {
  const piece: Table[] = []
  let bytes = 0
  for (const table of [...tables].sort(compareTables)) {
    const first = piece[0]
    if (first === undefined) {
      if (!isWanted(table)) continue
    } else if (table.level !== first.level || !isWanted(table)) break
    bytes += table.bytes
    if (first !== undefined && bytes > COMPACTION_PIECE_BYTES) break
    piece.push(table)
  }
  return piece
}

/** Bytes of the tables that a merge of these takes along, about: those that lie over or under them, from the top down. */
export function rewrittenBytes(tables: readonly Table[], piece: readonly Table[]): number {
  let { smallest, largest } = piece[0]!
  const widen = (table: Table) => {
    if (compareStored(table.smallest, smallest) < 0) smallest = table.smallest
    if (compareStored(table.largest, largest) > 0) largest = table.largest
  }
  for (const table of piece) widen(table)
  let bytes = 0
  // A merge takes whole tables of a level, and all of the next that lie under those.
  for (const table of [...tables].sort((a, b) => a.level - b.level)) {
    if (compareStored(table.largest, smallest) < 0 || compareStored(table.smallest, largest) > 0) continue
    bytes += table.bytes
    widen(table)
  }
  return bytes
}
