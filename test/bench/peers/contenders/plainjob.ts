/**
 * plainjob: a job queue in SQLite, with one worker in this process.
 *
 * - `addMany` gives all its jobs the same delay: distinct deadlines are added one by one in one transaction of the database,
 *   which is what `addMany` does inside.
 * - It has no cancel and no key: who wants to take a job back keeps its number, and marks it as done.
 * - A job that is done stays stored, for a week by default.
 */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { better, defineQueue, defineWorker, JobStatus, type Logger, type Worker } from 'plainjob'
import type { Contender, Instance, PeerTimer, Place } from '../contender.ts'
import { TurnBatch } from './turnbatch.ts'

const TYPE = 'timer'
/** Its default is a second: how late a job may be that a sleeping worker does not see. */
const POLL_MS = 1

const logger: Logger = { error: console.error, warn: console.error, info() {}, debug() {} }

async function open({ directory }: Place): Promise<Instance> {
  const db = new Database(join(directory, 'jobs.db'))
  const queue = defineQueue({ connection: better(db), logger, serializer: (data) => data as string })
  /** By the user's key: the queue's numbers, which the user has to keep. */
  const ids = new Map<string, number>()
  let worker: Worker | undefined
  let worked: Promise<void> | undefined
  const addEach = db.transaction((timers: readonly PeerTimer[]) => {
    for (const { key, dueMs } of timers) ids.set(key, queue.add(TYPE, key, { delay: dueMs - Date.now() }).id)
  })
  const addAll = (timers: readonly PeerTimer[]): void => {
    const dueMs = timers[0]!.dueMs
    if (timers.some((timer) => timer.dueMs !== dueMs)) {
      addEach(timers)
      return
    }
    const keys = timers.map(({ key }) => key)
    const added = queue.addMany(TYPE, keys, { delay: dueMs - Date.now() })
    for (const [i, key] of keys.entries()) ids.set(key, added.ids[i]!)
  }
  const cancel = db.transaction((keys: readonly string[]) => {
    let cancelled = 0
    for (const key of keys) {
      const id = ids.get(key)
      if (id === undefined) continue
      queue.markJobAsDone(id)
      ids.delete(key)
      cancelled++
    }
    return cancelled
  })
  const calls = new TurnBatch((timers: PeerTimer[]) => {
    addEach(timers)
    return timers
  })
  return {
    scheduleAll: async (timers) => addAll(timers),
    async schedule(timer) {
      await calls.add(timer)
    },
    cancelAll: async (keys) => cancel(keys),
    async rest() {
      db.pragma('wal_checkpoint(TRUNCATE)')
    },
    async work(onFired) {
      worker = defineWorker(TYPE, ({ data }) => onFired(data), { queue, logger, pollIntervall: POLL_MS })
      worked = worker.start()
    },
    pending: async () =>
      queue.countJobs({ type: TYPE, status: JobStatus.Pending }) +
      queue.countJobs({ type: TYPE, status: JobStatus.Processing }),
    async close() {
      await worker?.stop()
      await worked
      queue.close()
    },
  }
}

export const plainjob: Contender = {
  id: 'plainjob',
  title: 'plainjob',
  kind: 'job queue',
  durability: 'death of the process: WAL, synchronous=NORMAL, which it sets itself',
  offers: { exactAnswers: false, findByKey: false, dueOrder: true },
  packages: ['plainjob', 'better-sqlite3'],
  settings: { pollMs: POLL_MS },
  open,
}
