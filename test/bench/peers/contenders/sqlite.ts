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

interface Table<Row extends { key: string }> extends DueTable<Row> {
  /** Whether it was new, where that is told. */
  insert(timer: PeerTimer): boolean
}

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
  let number = (opens ?? 0) * NUMBERS_PER_OPEN
  const insert = db.prepare('INSERT OR IGNORE INTO timers (due, number, key) VALUES (?, ?, ?)')
  const page = db.prepare<[number], { key: string; due: number; number: number }>(
    `SELECT key, due, number FROM timers WHERE due <= ? ORDER BY due, number LIMIT ${PAGE_TIMERS}`,
  )
  const remove = db.prepare('DELETE FROM timers WHERE due = ? AND number = ?')
  const next = db.prepare<[], number>('SELECT due FROM timers ORDER BY due LIMIT 1').pluck()
  return {
    insert: ({ key, dueMs }) => insert.run(dueMs, number++, key).changes === 1,
    page: (nowMs) => page.all(nowMs),
    remove: db.transaction((rows) => {
      for (const row of rows) remove.run(row.due, row.number)
    }),
    nextDueMs: () => next.get(),
  }
}

function bare(db: Database.Database): Table<{ key: string; id: number }> {
  db.exec(`
    CREATE TABLE IF NOT EXISTS timers (id INTEGER PRIMARY KEY, key TEXT NOT NULL, due INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS timers_by_due ON timers (due);
    CREATE INDEX IF NOT EXISTS timers_by_key ON timers (key)`)
  const insert = db.prepare('INSERT INTO timers (key, due) VALUES (?, ?)')
  const page = db.prepare<[number], { key: string; id: number }>(
    `SELECT key, id FROM timers WHERE due <= ? ORDER BY due LIMIT ${BARE_PAGE_TIMERS}`,
  )
  const remove = db.prepare('DELETE FROM timers WHERE id = ?')
  const next = db.prepare<[], number>('SELECT due FROM timers ORDER BY due LIMIT 1').pluck()
  return {
    insert({ key, dueMs }) {
      insert.run(key, dueMs)
      return true
    },
    page: (nowMs) => page.all(nowMs),
    remove: db.transaction((rows) => {
      for (const { id } of rows) remove.run(id)
    }),
    nextDueMs: () => next.get(),
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
  const cancel = db.prepare('DELETE FROM timers WHERE key = ?')
  let loop: DueLoop<Row> | undefined
  const insertAll = db.transaction((timers: readonly PeerTimer[]) => timers.map(table.insert))
  const schedule = (timers: readonly PeerTimer[]): boolean[] => {
    const answers = insertAll(timers)
    for (const { dueMs } of timers) loop?.scheduled(dueMs)
    return answers
  }
  const cancelAll = db.transaction((keys: readonly string[]) => {
    let cancelled = 0
    for (const key of keys) cancelled += cancel.run(key).changes
    return cancelled
  })
  const calls = new TurnBatch(schedule)
  return {
    async scheduleAll(timers) {
      schedule(timers)
    },
    async schedule(timer) {
      await calls.add(timer)
    },
    cancelAll: async (keys) => cancelAll(keys),
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

const DURABILITY = 'power loss: WAL, synchronous=FULL, an fsync per commit'

export const sqlite: Contender = {
  id: 'sqlite',
  title: 'a table in SQLite',
  kind: 'hand-written',
  durability: DURABILITY,
  offers: { exactAnswers: true, findByKey: true, dueOrder: true },
  packages: ['better-sqlite3'],
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
  open: (place) => open(place, bare),
}
