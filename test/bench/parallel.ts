/** A full checkpoint of 1,000,000 timers by one worker and by two, in turns; the first round warms them. */
import fs from 'node:fs'
import path from 'node:path'
import { TimerStore } from '../../src/index.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { median, tell } from './measure.ts'
import { makeTimers } from './workload.ts'

const TIMERS = Number(process.env.BENCH_LARGE ?? 1_000_000)
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)

const directory = temporaryDirectory('bench-parallel')
const store = await TimerStore.open(path.join(directory, 'store'))
const { eventTime } = await store.service('bench')
await eventTime.registerMany(makeTimers(TIMERS, 'random'))

const durations: Record<number, number[]> = { 1: [], 2: [] }
for (let round = 0; round <= ROUNDS; round++) {
  for (const parallelism of [1, 2]) {
    const checkpoint = await store.checkpoint(path.join(directory, 'checkpoints'), { parallelism })
    if (checkpoint.timers !== TIMERS) throw new Error('not exact')
    fs.rmSync(checkpoint.path)
    if (round > 0) durations[parallelism]!.push(checkpoint.durationMs)
  }
}
await store.close()

const [one, two] = [median(durations[1]!), median(durations[2]!)]
tell({
  name: 'checkpoint of 1,000,000 by two workers over by one',
  value: two / one,
  target: 1,
  atLeast: false,
  detail: `${two.toFixed(0)} ms over ${one.toFixed(0)} ms`,
})
