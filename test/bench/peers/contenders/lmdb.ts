/**
 * What people write by hand in LMDB (lmdb-js): timers in due order, and where each key's are. With Tidemark's features: exact
 * answers, one timer per key and deadline, ties in the order of insertion; and without them, one timer per key, nothing asked.
 *
 * - `overlappingSync` is off: with it, lmdb-js resolves a write when others can see it, and before it is on disk. With it, and
 *   with `root.flushed` awaited after each write, it was no faster in any workload (two rounds in turns).
 * - Calls share a transaction per turn of the event loop by lmdb-js's own batching; its thread writes and syncs it.
 *   What has to read as it writes, in bulk, is faster in one synchronous transaction.
 */
import { join } from 'node:path'
import { type Database, open as openLmdb, type RootDatabase } from 'lmdb'
import type { Contender, Instance, PeerTimer, Place } from '../contender.ts'
import { DueLoop, type DueTable } from './dueloop.ts'

const PAGE_TIMERS = 2000
/** More of them fire again after a crash; fewer pages are written per timer. */
const BARE_PAGE_TIMERS = 10_000
/** One store, opened again and again, has as many numbers for its timers each time. */
const NUMBERS_PER_OPEN = 2 ** 32

interface Table<Row extends { key: string }> extends DueTable<Row> {
  insertAll(timers: readonly PeerTimer[]): Promise<void>
  insert(timer: PeerTimer): Promise<boolean>
  /** How many there were, in the transaction that is under way. */
  cancel(key: string): number
  count(): number
}

interface Row {
  key: string
  dueMs: number
  /** Its number, or once more its key: what tells it from others that are due with it. */
  tie: number | string
}

type DueKey = [dueMs: number, tie: number | string]

/** The first entries up to a time, with the user's key as the value or in the entry's. */
function dueRows(due: Database<string, DueKey>, nowMs: number, limit: number): Row[] {
  const rows: Row[] = []
  for (const { key, value } of due.getRange({ end: [nowMs + 1] as unknown as DueKey, limit }))
    rows.push({ key: value === '' ? (key[1] as string) : value, dueMs: key[0], tie: key[1] })
  return rows
}

function nextDueMs(due: Database<string, DueKey>): number | undefined {
  for (const [dueMs] of due.getKeys({ limit: 1 })) return dueMs
  return undefined
}

function countOf(database: Database<string, DueKey>): number {
  return (database.getStats() as { entryCount: number }).entryCount
}

function withFeatures(root: RootDatabase): Table<Row> {
  const due: Database<string, DueKey> = root.openDB('due', { encoding: 'string' })
  const byKey: Database<number, [key: string, dueMs: number]> = root.openDB('byKey', {
    encoding: 'ordered-binary',
  })
  const opens: Database<number, string> = root.openDB('opens', {})
  const opened = opens.get('count') ?? 0
  opens.putSync('count', opened + 1)
  let next = opened * NUMBERS_PER_OPEN
  return {
    async insertAll(timers) {
      root.transactionSync(() => {
        for (const { key, dueMs } of timers) {
          const number = next++
          // Its types leave out the answer.
          const isNew = byKey.putSync([key, dueMs], number, { noOverwrite: true }) as unknown as boolean
          if (isNew) due.putSync([dueMs, number], key)
        }
      })
    },
    insert({ key, dueMs }) {
      const number = next++
      return byKey.ifNoExists([key, dueMs], () => {
        byKey.put([key, dueMs], number)
        due.put([dueMs, number], key)
      })
    },
    cancel(key) {
      // A number is below every string.
      const end = [key, ''] as unknown as [string, number]
      const found = [...byKey.getRange({ start: [key] as unknown as [string, number], end })]
      for (const { key: entry, value } of found) {
        due.remove([entry[1], value])
        byKey.remove(entry)
      }
      return found.length
    },
    page: (nowMs) => dueRows(due, nowMs, PAGE_TIMERS),
    remove(rows) {
      root.transactionSync(() => {
        for (const { key, dueMs, tie } of rows) {
          due.remove([dueMs, tie])
          byKey.remove([key, dueMs])
        }
      })
    },
    nextDueMs: () => nextDueMs(due),
    count: () => countOf(due),
  }
}

function bare(root: RootDatabase): Table<Row> {
  const due: Database<string, DueKey> = root.openDB('due', { encoding: 'string' })
  const byKey: Database<number, string> = root.openDB('byKey', { encoding: 'ordered-binary' })
  const insert = ({ key, dueMs }: PeerTimer): Promise<boolean> => {
    due.put([dueMs, key], '')
    return byKey.put(key, dueMs)
  }
  return {
    async insertAll(timers) {
      for (const timer of timers) insert(timer)
      await root.committed
    },
    insert,
    cancel(key) {
      const dueMs = byKey.get(key)
      if (dueMs === undefined) return 0
      due.remove([dueMs, key])
      byKey.remove(key)
      return 1
    },
    page: (nowMs) => dueRows(due, nowMs, BARE_PAGE_TIMERS),
    remove(rows) {
      root.transactionSync(() => {
        for (const { key, dueMs } of rows) {
          due.remove([dueMs, key])
          byKey.remove(key)
        }
      })
    },
    nextDueMs: () => nextDueMs(due),
    count: () => countOf(due),
  }
}

async function open({ directory }: Place, tableIn: (root: RootDatabase) => Table<Row>): Promise<Instance> {
  const root = openLmdb({ path: join(directory, 'timers'), overlappingSync: false, noMemInit: true })
  const table = tableIn(root)
  let loop: DueLoop<Row> | undefined
  return {
    async scheduleAll(timers) {
      await table.insertAll(timers)
      for (const { dueMs } of timers) loop?.scheduled(dueMs)
    },
    async schedule(timer) {
      await table.insert(timer)
      loop?.scheduled(timer.dueMs)
    },
    async cancelAll(keys) {
      return root.transactionSync(() => {
        let cancelled = 0
        for (const key of keys) cancelled += table.cancel(key)
        return cancelled
      })
    },
    async work(onFired) {
      loop = new DueLoop(table, onFired)
    },
    pending: async () => table.count(),
    async close() {
      await loop?.stop()
      await root.close()
    },
  }
}

const SETTINGS = { pageTimers: PAGE_TIMERS, barePageTimers: BARE_PAGE_TIMERS }
const DURABILITY = 'power loss: an fsync per commit (overlappingSync off)'

export const lmdb: Contender = {
  id: 'lmdb',
  title: 'a table in LMDB',
  kind: 'hand-written',
  durability: DURABILITY,
  offers: { exactAnswers: true, findByKey: true, dueOrder: true },
  packages: ['lmdb'],
  settings: SETTINGS,
  open: (place) => open(place, withFeatures),
}

export const lmdbBare: Contender = {
  id: 'lmdb-bare',
  title: 'a table in LMDB, without exact answers',
  kind: 'hand-written',
  durability: DURABILITY,
  // In the order of their deadlines; ties by key, not as they were scheduled.
  offers: { exactAnswers: false, findByKey: true, dueOrder: true },
  packages: ['lmdb'],
  settings: SETTINGS,
  open: (place) => open(place, bare),
}
