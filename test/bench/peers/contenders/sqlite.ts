/**
 * What people write by hand: a due-time table in SQLite (better-sqlite3), WAL, an fsync per commit. With Tidemark's features:
 * exact answers, one timer per key and deadline, ties in the order of insertion; and without them, with less work per row.
 *
 * - The first has its table in due order, the key index beside it: two trees, and firing removes from the end of one.
 * - The second appends to its table and keeps deadlines in an index of integers: the least to write per timer.
 */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Contender, Instance, PeerTimer, Place } from '../contender.ts'
import { DueLoop, type DueTable } from './dueloop.ts'
import { TurnBatch } from './turnbatch.ts'

const CACHE_KIB = 256 * 1024
/** Four times the default: a page that many commits change is copied from the log less often. */
const CHECKPOINT_PAGES = 4000
const PAGE_TIMERS = 2000
/** More of them fire again after a crash; fewer pages are written per timer. */
const BARE_PAGE_TIMERS = 10_000
/** One store, opened again and again, has as many numbers for its timers each time. */
const NUMBERS_PER_OPEN = 2 ** 32

/** How many rows one statement is for, where there are many: fewer calls into SQLite. */
const STATEMENT_ROWS = 100

interface Table<Row extends { key: string }> extends DueTable<Row> {
  insertAll(timers: readonly PeerTimer[]): void
  /** Whether each was new, where that is told. */
  insertEach(timers: readonly PeerTimer[]): boolean[]
}

/** A statement by the number of rows that it is for, once for many rows, and once for each that is left. */
function forAll<Item>(
  db: Database.Database,
  sqlFor: (rows: number) => string,
  valuesOf: (item: Item) => (string | number)[],
): (items: readonly Item[]) => number {
  const many = db.prepare(sqlFor(STATEMENT_ROWS))
  const one = db.prepare(sqlFor(1))
  return (items) => {
    let changes = 0
    let i = 0
    for (; i + STATEMENT_ROWS <= items.length; i += STATEMENT_ROWS)
      changes += many.run(items.slice(i, i + STATEMENT_ROWS).flatMap(valuesOf)).changes
    for (; i < items.length; i++) changes += one.run(valuesOf(items[i]!)).changes
    return changes
  }
}

const repeated = (text: string, times: number) => Array(times).fill(text).join()

function withFeatures(db: Database.Database): Table<{ key: string; due: number; number: number }> {
  db.exec(`
    CREATE TABLE IF NOT EXISTS timers (
      due INTEGER NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (due, number)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS timers_by_key ON timers (key, due);
    CREATE TABLE IF NOT EXISTS opens (count INTEGER NOT NULL)`)
  const opens = db.prepare<[], number>('SELECT count FROM opens').pluck().get()
  db.prepare(
    opens === undefined ? 'INSERT INTO opens VALUES (1)' : 'UPDATE opens SET count = count + 1',
  ).run()
  let next = (opens ?? 0) * NUMBERS_PER_OPEN
  const insertSql = (rows: number) =>
    `INSERT OR IGNORE INTO timers (due, number, key) VALUES ${repeated('(?, ?, ?)', rows)}`
  const insertOne = db.prepare(insertSql(1))
  const insertAll = forAll(db, insertSql, ({ key, dueMs }: PeerTimer) => [dueMs, next++, key])
  const page = db.prepare<[number], { key: string; due: number; number: number }>(
    `SELECT key, due, number FROM timers WHERE due <= ? ORDER BY due, number LIMIT ${PAGE_TIMERS}`,
  )
  /** What was inserted since a page was read is not among what was fired. */
  let pageEnd = next
  const remove = db.prepare('DELETE FROM timers WHERE (due, number) <= (?, ?) AND number < ?')
  const nextDue = db.prepare<[], number>('SELECT due FROM timers ORDER BY due LIMIT 1').pluck()
  return {
    insertAll,
    insertEach: (timers) => timers.map(({ key, dueMs }) => insertOne.run(dueMs, next++, key).changes === 1),
    page(nowMs) {
      pageEnd = next
      return page.all(nowMs)
    },
    remove(rows) {
      const last = rows.at(-1)!
      remove.run(last.due, last.number, pageEnd)
    },
    nextDueMs: () => nextDue.get(),
  }
}

function bare(db: Database.Database): Table<{ key: string; id: number }> {
  db.exec(`
    CREATE TABLE IF NOT EXISTS timers (id INTEGER PRIMARY KEY, key TEXT NOT NULL, due INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS timers_by_due ON timers (due);
    CREATE INDEX IF NOT EXISTS timers_by_key ON timers (key)`)
  // OR FAIL: a statement that need not undo itself alone keeps no copies of pages for that.
  const insertAll = forAll(
    db,
    (rows) => `INSERT OR FAIL INTO timers (key, due) VALUES ${repeated('(?, ?)', rows)}`,
    ({ key, dueMs }: PeerTimer) => [key, dueMs],
  )
  const page = db.prepare<[number], { key: string; id: number }>(
    `SELECT key, id FROM timers WHERE due <= ? ORDER BY due, id LIMIT ${BARE_PAGE_TIMERS}`,
  )
  const removeAll = forAll(
    db,
    (rows) => `DELETE FROM timers WHERE id IN (${repeated('?', rows)})`,
    ({ id }: { id: number }) => [id],
  )
  const nextDue = db.prepare<[], number>('SELECT due FROM timers ORDER BY due LIMIT 1').pluck()
  return {
    insertAll,
    insertEach(timers) {
      insertAll(timers)
      return timers.map(() => true)
    },
    page: (nowMs) => page.all(nowMs),
    remove: db.transaction((rows) => removeAll(rows)),
    nextDueMs: () => nextDue.get(),
  }
}

async function open<Row extends { key: string }>(
  { directory }: Place,
  tableIn: (db: Database.Database) => Table<Row>,
): Promise<Instance> {
  const db = new Database(join(directory, 'timers.db'))
  // Before WAL is entered: with one process there is no need of shared memory, nor of a lock for each transaction.
  db.pragma('locking_mode = EXCLUSIVE')
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.pragma(`cache_size = -${CACHE_KIB}`)
  db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
  const table = tableIn(db)
  const count = db.prepare<[], number>('SELECT count(*) FROM timers').pluck()
  let loop: DueLoop<Row> | undefined
  const insertAll = db.transaction(table.insertAll)
  const insertEach = db.transaction(table.insertEach)
  const scheduled = (timers: readonly PeerTimer[]) => {
    for (const { dueMs } of timers) loop?.scheduled(dueMs)
  }
  const calls = new TurnBatch((timers: PeerTimer[]) => {
    const answers = insertEach(timers)
    scheduled(timers)
    return answers
  })
  const cancelAll = db.transaction(
    forAll(
      db,
      (keys) => `DELETE FROM timers WHERE key IN (${repeated('?', keys)})`,
      (key: string) => [key],
    ),
  )
  return {
    async scheduleAll(timers) {
      insertAll(timers)
      scheduled(timers)
    },
    async schedule(timer) {
      await calls.add(timer)
    },
    cancelAll: async (keys) => cancelAll(keys),
    async rest() {
      db.pragma('wal_checkpoint(TRUNCATE)')
    },
    async work(onFired) {
      loop = new DueLoop(table, onFired)
    },
    pending: async () => count.get()!,
    async close() {
      await loop?.stop()
      db.close()
    },
  }
}

const SETTINGS = { cacheKib: CACHE_KIB, checkpointPages: CHECKPOINT_PAGES, statementRows: STATEMENT_ROWS }
const DURABILITY = 'power loss: WAL, synchronous=FULL, an fsync per commit'

export const sqlite: Contender = {
  id: 'sqlite',
  title: 'a table in SQLite',
  kind: 'hand-written',
  durability: DURABILITY,
  offers: { exactAnswers: true, findByKey: true, dueOrder: true },
  packages: ['better-sqlite3'],
  settings: SETTINGS,
  open: (place) => open(place, withFeatures),
}

export const sqliteBare: Contender = {
  id: 'sqlite-bare',
  title: 'a table in SQLite, without exact answers',
  kind: 'hand-written',
  durability: DURABILITY,
  // Ties: by its number, which is its place in the table.
  offers: { exactAnswers: false, findByKey: true, dueOrder: true },
  packages: ['better-sqlite3'],
  settings: SETTINGS,
  open: (place) => open(place, bare),
}
