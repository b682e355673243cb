/**
 * What LevelDB tells of its tables, from the text of its property `leveldb.sstables`:
 *
 *   --- level 2 ---
 *    5:657593['first key' @ 1 : 1 .. 'last key' @ 10000 : 1]
 *
 * Keys have what is not printable escaped, so a line is a table, or a level's title.
 */
import type { LevelTables } from './engine.ts'

const TITLE = /^--- level (\d+) ---$/
const TABLE = /^ \d+:(\d+)\[/

export function parseLevels(text: string): LevelTables[] {
  const levels: LevelTables[] = []
  for (const line of text.split('\n')) {
    const title = TITLE.exec(line)
    if (title !== null) levels.push({ level: Number(title[1]), tables: 0, bytes: 0 })
    const table = TABLE.exec(line)
    const level = levels.at(-1)
    if (table === null || level === undefined) continue
    level.tables++
    level.bytes += Number(table[1])
  }
  return levels.filter(({ tables }) => tables > 0)
}
