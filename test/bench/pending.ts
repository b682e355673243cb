/** What pending timers cost: resident memory, and opening again after a clean close. One size a process. */
import { TimerStore } from '../../src/index.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { median, residentMib } from './measure.ts'
import { makeTimers } from './workload.ts'

const count = Number(process.argv[2])
const SLICE = 10_000
const directory = temporaryDirectory('bench-pending')
const store = await TimerStore.open(directory)
const service = await store.service('bench', { onProcessingTime: () => {} })
for (let first = 0; first < count; first += SLICE) {
  await service.processingTime.registerMany(makeTimers(Math.min(SLICE, count - first), 'random', first))
}
for (let i = 0; i < 3; i++) globalThis.gc?.()
const memory = residentMib()
await store.close()

const opens: number[] = []
for (let round = 0; round < 7; round++) {
  const startMs = performance.now()
  const again = await TimerStore.open(directory)
  opens.push(performance.now() - startMs)
  if (Object.values(again.stats().services)[0]?.processingTime !== count) throw new Error('not exact')
  await again.close()
}
process.stdout.write(`${JSON.stringify({ count, memory, openMs: median(opens) })}\n`)
