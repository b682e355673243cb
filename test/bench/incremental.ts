/** Incremental checkpoints against full ones, and how much of a file a part of it takes, with 1,000,000 timers. */
import fs from 'node:fs'
import path from 'node:path'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'
import { TimerStore } from '../../src/index.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { median, tell } from './measure.ts'
import { makeTimers, withInFlight } from './workload.ts'

const TIMERS = Number(process.env.BENCH_LARGE ?? 1_000_000)
const CHANGES = 1000
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)
const KEY_GROUPS = 128

const directory = temporaryDirectory('bench-incremental')
const store = await TimerStore.open(path.join(directory, 'store'))
const { eventTime } = await store.service('bench')
const timers = makeTimers(TIMERS, 'random')
await eventTime.registerMany(timers)
// What LevelDB still has to merge after so much was put in is not what is measured: its writes delay every fsync.
await store.compact()

const chained = path.join(directory, 'chained')
const full = path.join(directory, 'full')
const base = await store.checkpoint(chained, { incremental: true })

const fullMs: number[] = []
const incrementalMs: number[] = []
const bytesOfLog: number[] = []
for (let round = 0; round <= ROUNDS; round++) {
  const ofAll = await store.checkpoint(full)
  await change(round)
  const { kind, durationMs, bytes, path: file } = await store.checkpoint(chained, { incremental: true })
  if (kind !== 'incremental') throw new Error('not incremental')
  fs.rmSync(ofAll.path)
  if (round === 0) continue
  fullMs.push(ofAll.durationMs)
  incrementalMs.push(durationMs)
  bytesOfLog.push(bytes / (await loggedBytes(file)))
}

/** Half of them single calls in flight together, half of them deletes: a thousand changes. */
async function change(round: number): Promise<void> {
  const half = CHANGES / 2
  await withInFlight(makeTimers(half, 'random', TIMERS + round * half), half, (timer) =>
    eventTime.register(timer),
  )
  const deleted = timers.slice(round * half, (round + 1) * half)
  await withInFlight(deleted, half, (timer) => eventTime.delete(timer))
}

/** How long the log entries are, as the store has them. */
async function loggedBytes(file: string): Promise<number> {
  const reader = await CheckpointReader.open(file)
  let sum = 0
  for await (const { value } of reader.entries()) sum += Buffer.byteLength(value)
  await reader.close()
  return sum
}

tell({
  name: 'incremental after 1,000 changes, time over a full one',
  value: median(incrementalMs) / median(fullMs),
  target: 1 / 100,
  atLeast: false,
  detail: `${median(incrementalMs).toFixed(1)} ms over ${median(fullMs).toFixed(0)} ms`,
})
tell({
  name: 'incremental after 1,000 changes, bytes over their log',
  value: median(bytesOfLog),
  target: 3,
  atLeast: false,
  detail: `${CHANGES} changes`,
})

function readCharacters(): number {
  return Number(/rchar: (\d+)/.exec(fs.readFileSync('/proc/self/io', 'utf8'))?.[1])
}

const shares: number[] = []
for (let keyGroup = 0; keyGroup < KEY_GROUPS; keyGroup++) {
  const before = readCharacters()
  const reader = await CheckpointReader.open(base.path)
  for await (const _ of reader.blocks({ start: keyGroup, end: keyGroup }));
  await reader.close()
  shares.push((readCharacters() - before) / base.bytes)
}
tell({
  name: 'bytes read for one key group of 128, of the file',
  value: Math.max(...shares),
  target: 0.03,
  atLeast: false,
  detail: `median ${(median(shares) * 100).toFixed(2)}%`,
})
await store.close()
