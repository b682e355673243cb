/**
 * graphile-worker on PostgreSQL: a job per timer, whose job key is the timer's key. In bulk through `addJobs`; its own
 * `remove_job` takes one key, and is called for many in one statement. The worker has the settings of its documentation's page
 * on performance, and polls often, since nothing else makes it see that a job has become due.
 */
import { Logger, makeWorkerUtils, type Runner, run } from 'graphile-worker'
import { Pool } from 'pg'
import { withInFlight } from '../../workload.ts'
import { chunksOf } from '../chunks.ts'
import type { Contender, Instance, PeerTimer, Place } from '../contender.ts'
import { POSTGRES_DURABILITY, startPostgres } from '../servers/postgres.ts'

const TASK = 'timer'
const CHUNK = 5000
const CHUNKS_IN_FLIGHT = 2
const POLL_MS = 10
const CONCURRENT_JOBS = 24

const REMOVE_ALL = `
  SELECT count(removed.id)::int AS count
  FROM unnest($1::text[]) AS cancelled(key)
  CROSS JOIN LATERAL graphile_worker.remove_job(cancelled.key) AS removed`

const logger = new Logger(() => (level, message) => {
  if (level === 'error') console.error(message)
})

function jobOf({ key, dueMs }: PeerTimer) {
  return { identifier: TASK, payload: {}, jobKey: key, runAt: new Date(dueMs) }
}

async function open({ connection: connectionString }: Place): Promise<Instance> {
  const pgPool = new Pool({ connectionString, max: CONCURRENT_JOBS + 1 })
  // A pool has ended some time before its connections have: those may see the server end first.
  let isClosing = false
  const onError = (error: Error) => {
    if (!isClosing) console.error(error)
  }
  pgPool.on('error', onError)
  pgPool.on('connect', (client) => client.on('error', onError))
  const preset: GraphileConfig.Preset = {
    worker: {
      logger,
      concurrentJobs: CONCURRENT_JOBS,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      pollInterval: POLL_MS,
    },
  }
  const utils = await makeWorkerUtils({ preset, pgPool })
  await utils.migrate()
  let runner: Runner | undefined
  const select = async (text: string, values: unknown[] = []) =>
    utils.withPgClient(async (client) => (await client.query<{ count: number }>(text, values)).rows[0]!.count)
  return {
    scheduleAll: (timers) =>
      withInFlight(chunksOf(timers, CHUNK), CHUNKS_IN_FLIGHT, (chunk) => utils.addJobs(chunk.map(jobOf))),
    async schedule({ key, dueMs }) {
      await utils.addJob(TASK, {}, { jobKey: key, runAt: new Date(dueMs) })
    },
    async cancelAll(keys) {
      let cancelled = 0
      await withInFlight(chunksOf(keys, CHUNK), CHUNKS_IN_FLIGHT, async (chunk) => {
        const removed = await select(REMOVE_ALL, [chunk])
        cancelled += removed
      })
      return cancelled
    },
    async work(onFired) {
      runner = await run({
        preset,
        pgPool,
        noHandleSignals: true,
        taskList: { [TASK]: (_payload, { job }) => onFired(job.key!) },
      })
    },
    pending: () => select('SELECT count(*)::int AS count FROM graphile_worker._private_jobs'),
    async close() {
      isClosing = true
      await runner?.stop()
      await utils.release()
      await pgPool.end()
    },
  }
}

export const graphileWorker: Contender = {
  id: 'graphile-worker',
  title: 'graphile-worker, PostgreSQL',
  kind: 'job queue',
  durability: POSTGRES_DURABILITY,
  // A job that `addJob` answers says by its revision whether it was there. Due order: what a worker takes at once into its
  // local queue, it does not run in the order of deadlines.
  offers: { exactAnswers: true, findByKey: true, dueOrder: false },
  packages: ['graphile-worker', 'pg'],
  settings: {
    chunk: CHUNK,
    chunksInFlight: CHUNKS_IN_FLIGHT,
    pollMs: POLL_MS,
    concurrentJobs: CONCURRENT_JOBS,
  },
  startServer: startPostgres,
  open,
}
