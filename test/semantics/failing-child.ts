// A process in which no file can grow beyond a limit: writes until a write fails, then tells what every call says.

import { TidemarkError, TimerStore } from '../../src/index.ts'
import { definition, type Failure } from './failing.ts'

const [directory, mode] = process.argv.slice(2) as [string, 'register' | 'fire']
const filler = 'x'.repeat(20_000)
const failure: Failure = { intended: [], acknowledged: [], fired: [], codes: {}, told: [], closed: false }

async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call()
    return 'nothing'
  } catch (error) {
    return error instanceof TidemarkError ? error.code : String(error)
  }
}

const store = await TimerStore.open(directory, { durability: 'os' })
store.on('error', ({ code }) => failure.told.push(code))
const orders = await store.service('orders', {
  ...definition,
  onEventTime: async ({ timestamp }, { eventTime }) => {
    failure.fired.push(timestamp)
    await eventTime.register({ key: 'made', timestamp: timestamp + 1_000_000, payload: filler })
  },
})
const snapshot = await store.snapshot()

async function register(timestamp: number): Promise<void> {
  failure.intended.push(timestamp)
  const payload = mode === 'register' ? filler : 'small'
  await orders.eventTime.register({ key: 'k', timestamp, payload })
  failure.acknowledged.push(timestamp)
}

if (mode === 'fire') {
  for (let timestamp = 0; timestamp < 500; timestamp++) await register(timestamp)
  failure.codes.advanceWatermark = await codeOf(() => orders.advanceWatermark(500))
} else {
  // Several at a time, so that the failing commit holds more than one call, and more wait behind it.
  for (let round = 0; round < 50; round++) {
    const calls = Array.from({ length: 5 }, (_, index) => register(round * 5 + index))
    const outcomes = await Promise.allSettled(calls)
    if (outcomes.some(({ status }) => status === 'rejected')) break
  }
}

const timer = { key: 'k', timestamp: -1 }
const calls: Record<string, () => unknown> = {
  register: () => orders.eventTime.register(timer),
  registerMany: () => orders.eventTime.registerMany([timer]),
  delete: () => orders.eventTime.delete(timer),
  deleteAll: () => orders.eventTime.deleteAll({ key: 'k' }),
  replace: () => orders.processingTime.replace(timer),
  has: () => orders.eventTime.has(timer),
  next: () => orders.eventTime.next(),
  advanceWatermark: () => orders.advanceWatermark(10),
  snapshot: () => store.snapshot(),
  service: () => store.service('another'),
  open: () => TimerStore.open(directory),
}
for (const [name, call] of Object.entries(calls)) failure.codes[name] = await codeOf(call)
await snapshot.release()
await store.close()
failure.closed = true
process.send!(failure)
setInterval(() => {}, 60_000)
