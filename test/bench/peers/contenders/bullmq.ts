/**
 * BullMQ on Redis: a delayed job per timer, whose custom id is the timer's key. In bulk through `addBulk`, as its guide says;
 * there is no call that removes many jobs by id, so they are removed one by one, many in flight.
 */
import { Queue, Worker } from 'bullmq'
import { withInFlight } from '../../workload.ts'
import { chunksOf } from '../chunks.ts'
import type { Contender, Instance, PeerTimer, Place } from '../contender.ts'
import { startRedis } from '../servers/redis.ts'

const QUEUE = 'bench'
const JOB = 'timer'
const IN_FLIGHT = 1000
/** Jobs in one `addBulk`, which is one pipeline; while Redis works on one, the next is put together. */
const CHUNK = 1000
const CHUNKS_IN_FLIGHT = 2
/** "Something between 100 and 300 is a quite standard setting", its guide on concurrency says. */
const CONCURRENCY = 100
const REWRITE_POLL_MS = 20

/** What is used of its client beside its own calls. */
interface Redis {
  bgrewriteaof(): Promise<unknown>
  info(section: string): Promise<string>
}

function optionsOf({ key, dueMs }: PeerTimer) {
  const timestamp = Date.now()
  return { jobId: key, timestamp, delay: Math.max(0, dueMs - timestamp) }
}

/** Resolves when Redis does not write its log anew, and will not by itself. */
async function rewritten(redis: Redis): Promise<void> {
  while (!/aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0/.test(await redis.info('persistence')))
    await new Promise((resolve) => setTimeout(resolve, REWRITE_POLL_MS))
}

async function open({ connection: path }: Place): Promise<Instance> {
  const queue = new Queue(QUEUE, { connection: { path } })
  let worker: Worker | undefined
  await queue.waitUntilReady()
  return {
    scheduleAll: (timers) =>
      withInFlight(chunksOf(timers, CHUNK), CHUNKS_IN_FLIGHT, (chunk) =>
        queue.addBulk(chunk.map((timer) => ({ name: JOB, data: {}, opts: optionsOf(timer) }))),
      ),
    async schedule(timer) {
      await queue.add(JOB, {}, optionsOf(timer))
    },
    async cancelAll(keys) {
      let cancelled = 0
      await withInFlight(keys, IN_FLIGHT, async (key) => {
        const removed = await queue.remove(key)
        cancelled += removed
      })
      return cancelled
    },
    async rest() {
      // Its log grows to twice its size before Redis by itself writes it anew: here it is measured when it just did.
      const redis = (await queue.getBackend().client) as unknown as Redis
      await rewritten(redis)
      await redis.bgrewriteaof()
      await rewritten(redis)
    },
    async work(onFired) {
      worker = new Worker(QUEUE, async ({ id }) => onFired(id!), {
        connection: { path },
        concurrency: CONCURRENCY,
        removeOnComplete: { count: 0 },
      })
      worker.on('error', (error) => console.error(error))
      await worker.waitUntilReady()
    },
    async pending() {
      const counts = await queue.getJobCounts()
      return Object.values(counts).reduce((sum, count) => sum + count, 0)
    },
    async close() {
      await worker?.close()
      await queue.close()
    },
  }
}

function contender(appendFsync: 'everysec' | 'always'): Contender {
  const often = appendFsync === 'everysec' ? 'every second' : 'always'
  return {
    id: `bullmq-${appendFsync}`,
    title: `BullMQ, Redis with fsync ${often}`,
    kind: 'job queue',
    durability:
      appendFsync === 'everysec'
        ? 'death of the process; power loss but for the last second (AOF, appendfsync everysec)'
        : 'power loss: an fsync per event loop of Redis (AOF, appendfsync always)',
    // Adding a job that is there, or removing one that is not, answers as if it had been otherwise. Delayed jobs are promoted
    // in the order of their deadlines; those that are due when they are added run in the order of adding.
    offers: { exactAnswers: false, findByKey: true, dueOrder: false },
    packages: ['bullmq'],
    settings: {
      chunk: CHUNK,
      chunksInFlight: CHUNKS_IN_FLIGHT,
      inFlight: IN_FLIGHT,
      concurrency: CONCURRENCY,
    },
    startServer: (directory) => startRedis(directory, appendFsync),
    open,
  }
}

export const bullmqEverySecond = contender('everysec')
export const bullmqAlways = contender('always')
