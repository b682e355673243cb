/**
 * LevelDB's tables, as its property `leveldb.sstables` lists them:
 *
 *     --- level 2 ---
 *      17:123['a' @ 5 : 1 .. 'd' @ 9 : 1]
 *
 * - The list is meant for people: keys stand in quotes that are not escaped, and only what cannot be printed is. A key
 *   may so be read wrongly; whoever uses one must do no harm with any text (rewrite.ts).
 */
import { compareStored } from '../timer/text.ts'
import type { LevelTables } from './engine.ts'

/** One table file; its keys as text. */
export interface Table {
  /** 0: as memory was flushed, one above the other; from 1 on the tables of a level do not overlap. */
  readonly level: number
  /** Rises with every table that is written. */
  readonly number: number
  readonly bytes: number
  readonly smallest: string
  readonly largest: string
}

const LEVEL = /^--- level (\d+) ---$/
const TABLE = /^ (\d+):(\d+)\['(.*?)' @ \d+ : \d+ \.\. '(.*)' @ \d+ : \d+\]$/
const ESCAPED = /\\x([0-9a-f]{2})/g

export function parseTables(list: string): Table[] {
  const tables: Table[] = []
  let level = 0
  for (const line of list.split('\n')) {
    const table = TABLE.exec(line)
    if (table === null) {
      level = Number(LEVEL.exec(line)?.[1] ?? level)
      continue
    }
    const [, number, bytes, smallest, largest] = table as unknown as [string, string, string, string, string]
    tables.push({
      level,
      number: Number(number),
      bytes: Number(bytes),
      smallest: unescapeBytes(smallest),
      largest: unescapeBytes(largest),
    })
  }
  return tables
}

function unescapeBytes(text: string): string {
  const bytes = text.replace(ESCAPED, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}

/** By level, deepest first, then by key. */
export function compareTables(a: Table, b: Table): number {
  return b.level - a.level || compareStored(a.smallest, b.smallest)
}

/** How many tables each level has, and how large they are. */
export function levelsOf(tables: readonly Table[]): LevelTables[] {
  const levels: LevelTables[] = []
  for (const { level, bytes } of tables) {
    if (levels.at(-1)?.level !== level) levels.push({ level, tables: 0, bytes: 0 })
    const last = levels.at(-1)!
    last.tables++
    last.bytes += bytes
  }
  return levels
}
