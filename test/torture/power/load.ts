// The process whose power is lost: a store under load, all that it promises told by marks as it promises it.
// Arguments: the root of the recording (a real path), the seed, 'disk' or 'os', how many rounds in each store.
//
// - Registers, deletes, replaces, fires, in groups that share commits; reopens; takes checkpoints into two directories,
//   one of them with retention; then restores the newest into a new store, and goes on there.
// - LevelDB's buffer is as small as can be, so that its logs change often.

import { join, relative } from 'node:path'
import { z } from 'zod'
import { type CheckpointSummary, TimerStore } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing.ts'
import { randomFrom } from '../../support/random-generator.ts'
import { openMarks } from '../shim/marks.ts'
import { type Call, type LoadTimer, type Mark, type QueueName, SERVICE } from './marks.ts'
import { followOf } from './model.ts'

const [root, seedText, durability, roundsText] = process.argv.slice(2) as [
  string,
  string,
  'disk' | 'os',
  string,
]
const rounds = Number(roundsText)
const random = randomFrom(Number(seedText))
const upTo = (limit: number) => Math.floor(random() * limit)
const write = openMarks(root)
const mark = (told: Mark) => write(JSON.stringify(told))

const STORES = 2
const engine = { writeBufferBytes: 64 * 1024, maxFileBytes: 1024 * 1024 }
const clock = new ManualClock(0)
const definition = {
  namespace: z.string(),
  payload: z.object({ again: z.int().optional(), pad: z.string() }),
}
let numbers = 0
let store = undefined as unknown as TimerStore
let service: Awaited<ReturnType<typeof startService>>
let watermark = 0
let newest = { number: -1, path: '' }

async function startService() {
  return store.service(SERVICE, {
    ...definition,
    onEventTime: async (timer, context) => {
      const follow = followOf(timer as LoadTimer)
      if (follow !== undefined) await context.eventTime.register(follow)
    },
    onProcessingTime: async (timer, context) => {
      const follow = followOf(timer as LoadTimer)
      if (follow !== undefined) await context.eventTime.register(follow)
    },
  })
}

async function open(place: string): Promise<void> {
  mark({ mark: 'open', store: place })
  store = await TimerStore.open(join(root, place), { durability, clock, engine })
  service = await startService()
  // A schedule that never begins one by itself.
  await store.checkpoints.start({
    directory: join(root, 'checkpoints/kept'),
    intervalMs: Number.MAX_SAFE_INTEGER,
    retain: 2,
    incremental: true,
    maxLinks: 3,
  })
  mark({ mark: 'opened' })
}

/** Never overdue in processing time: opening alone fires nothing. */
function someTimer(queue: QueueName): LoadTimer {
  const pad = String.fromCharCode(97 + upTo(26)).repeat(20 + upTo(300))
  return {
    key: `k${upTo(40)}`,
    namespace: `n${upTo(2)}`,
    timestamp: (queue === 'eventTime' ? watermark - 20 : clock.now() + 1) + upTo(400),
    payload: random() < 0.3 ? { again: upTo(300), pad } : { pad },
  }
}

function someCall(): Call {
  const queue: QueueName = random() < 0.5 ? 'eventTime' : 'processingTime'
  const chance = random()
  if (chance < 0.62) return { do: 'register', queue, timer: someTimer(queue) }
  if (chance < 0.75) return { do: 'delete', queue, timer: someTimer(queue) }
  if (chance < 0.85) return { do: 'replace', queue, timer: someTimer(queue) }
  if (chance < 0.9) return { do: 'deleteAll', queue, key: `k${upTo(40)}` }
  return { do: 'registerMany', queue, timers: Array.from({ length: 1 + upTo(12) }, () => someTimer(queue)) }
}

function make(call: Call): Promise<boolean | number | number[] | undefined> {
  switch (call.do) {
    case 'register':
    case 'delete':
    case 'replace':
      return service[call.queue][call.do](call.timer)
    case 'registerMany':
      return service[call.queue].registerMany(call.timers)
    case 'deleteAll':
      return service[call.queue].deleteAll({ key: call.key })
    case 'watermark':
      watermark = call.to
      return service.advanceWatermark(call.to).then(() => undefined)
    case 'clock':
      return clock.advanceTo(call.to).then(() => undefined)
  }
}

async function acknowledged(call: Call): Promise<void> {
  const number = numbers++
  mark({ mark: 'call', number, call })
  const answer = await make(call)
  mark({ mark: 'ack', number, answer })
}

async function group(): Promise<void> {
  await Promise.all(Array.from({ length: 1 + upTo(12) }, () => acknowledged(someCall())))
}

async function checkpoint(directory: string, take: () => Promise<CheckpointSummary>): Promise<void> {
  const number = numbers++
  mark({ mark: 'checkpoint', number, directory })
  const { id, path, kind } = await take()
  mark({ mark: 'checkpointed', number, id, file: relative(root, path), kind })
  newest = { number, path }
}

function someCheckpoint(): Promise<void> {
  const chance = random()
  if (chance < 0.15) {
    return checkpoint('checkpoints/kept', () => store.checkpoints.trigger({ savepoint: true }))
  }
  if (chance < 0.3) {
    const incremental = random() < 0.5
    return checkpoint('more/of/them', () => store.checkpoint(join(root, 'more/of/them'), { incremental }))
  }
  return checkpoint('checkpoints/kept', () => store.checkpoints.trigger())
}

async function round(place: string): Promise<void> {
  const chance = random()
  if (chance < 0.7) await group()
  else if (chance < 0.77) await acknowledged({ do: 'watermark', to: watermark + upTo(120) })
  else if (chance < 0.84) await acknowledged({ do: 'clock', to: clock.now() + upTo(120) })
  else if (chance < 0.88) {
    const drain = acknowledged({ do: 'watermark', to: watermark + upTo(200) })
    await Promise.all([drain, someCheckpoint()])
  } else if (chance < 0.95) {
    const taken = someCheckpoint()
    await Promise.all([group(), taken])
  } else {
    await store.close()
    await open(place)
  }
}

await open('stores/deep/0')
for (let i = 0; i < STORES; i++) {
  const place = `stores/deep/${i}`
  for (let j = 0; j < rounds; j++) await round(place)
  if (i === STORES - 1) break
  await someCheckpoint()
  await store.close()
  const next = `stores/deep/${i + 1}`
  mark({ mark: 'restore', checkpoint: newest.number, store: next })
  await TimerStore.restore(newest.path, join(root, next))
  mark({ mark: 'restored' })
  await open(next)
}
await store.close()
process.exit(0)
