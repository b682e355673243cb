/**
 * pg-boss on PostgreSQL: a deferred job per timer. A job is deleted by its id, which is a UUID that the caller may choose: here
 * one made of the timer's key, so that the key finds it. In bulk through `insert`; a worker takes batches, goes on without a
 * pause while they are full, and otherwise polls as often as pg-boss lets it, twice a second.
 */
import { createHash } from 'node:crypto'
import { PgBoss } from 'pg-boss'
import { withInFlight } from '../../workload.ts'
import { chunksOf } from '../chunks.ts'
import type { Contender, Instance, PeerTimer, Place } from '../contender.ts'
import { POSTGRES_DURABILITY, startPostgres } from '../servers/postgres.ts'

const QUEUE = 'bench'
const CHUNK = 1000
const CHUNKS_IN_FLIGHT = 4
const CONNECTIONS = 50
const BATCH = 1000
const WORKERS = 2
const LEAST_POLLING_SECONDS = 0.5
/** Longer than any deadline: what is not fetched for so long is deleted. */
const RETENTION_SECONDS = 30 * 86_400

function idOf(key: string): string {
  const hex = createHash('md5').update(key).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

const optionsOf = ({ key, dueMs }: PeerTimer) => ({ id: idOf(key), startAfter: new Date(dueMs) })

async function open({ connection: connectionString }: Place): Promise<Instance> {
  const boss = new PgBoss({ connectionString, max: CONNECTIONS, schedule: false })
  boss.on('error', (error) => console.error(error))
  await boss.start()
  // A table of its own, as its guide has it for a large queue.
  await boss.createQueue(QUEUE, { partition: true, retentionSeconds: RETENTION_SECONDS })
  return {
    scheduleAll: (timers) =>
      withInFlight(chunksOf(timers, CHUNK), CHUNKS_IN_FLIGHT, (chunk) =>
        boss.insert(
          QUEUE,
          chunk.map((timer) => ({ data: { key: timer.key }, ...optionsOf(timer) })),
        ),
      ),
    async schedule(timer) {
      await boss.send(QUEUE, { key: timer.key }, optionsOf(timer))
    },
    async cancelAll(keys) {
      let cancelled = 0
      await withInFlight(chunksOf(keys, CHUNK), CHUNKS_IN_FLIGHT, async (chunk) => {
        // Its type keeps silent about what it resolves with.
        const { affected } = (await boss.deleteJob(QUEUE, chunk.map(idOf))) as { affected: number }
        cancelled += affected
      })
      return cancelled
    },
    async work(onFired) {
      const options = {
        batchSize: BATCH,
        localConcurrency: WORKERS,
        pollingIntervalSeconds: LEAST_POLLING_SECONDS,
        burstWhenBatchFull: true,
      }
      await boss.work<{ key: string }>(QUEUE, options, async (jobs) => {
        for (const { data } of jobs) onFired(data.key)
        // "Active job deletion", as its guide has it: a completed job would keep its id, and so its key, for seven days.
        await boss.deleteJob(
          QUEUE,
          jobs.map(({ id }) => id),
        )
      })
    },
    async pending() {
      const [{ count }] = (
        await boss.getDb().executeSql(`SELECT count(*)::int AS count FROM pgboss.job WHERE name = '${QUEUE}'`)
      ).rows
      return count
    },
    close: () => boss.stop({ graceful: false }),
  }
}

export const pgBoss: Contender = {
  id: 'pg-boss',
  title: 'pg-boss, PostgreSQL',
  kind: 'job queue',
  durability: POSTGRES_DURABILITY,
  // Jobs are fetched in the order in which they were made.
  offers: { exactAnswers: true, findByKey: true, dueOrder: false },
  packages: ['pg-boss', 'pg'],
  settings: {
    chunk: CHUNK,
    chunksInFlight: CHUNKS_IN_FLIGHT,
    connections: CONNECTIONS,
    batch: BATCH,
    workers: WORKERS,
    pollingSeconds: LEAST_POLLING_SECONDS,
  },
  startServer: startPostgres,
  open,
}
