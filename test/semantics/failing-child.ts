// A process in which no file can grow beyond a limit: writes until a write fails, then tells what every call says.

import { TidemarkError, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { definition, type Failure, type Mode } from './failing.ts'

const [directory, mode] = process.argv.slice(2) as [string, Mode]
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

const clock = new ManualClock(0)
const store = await TimerStore.open(directory, { durability: 'os', clock })
store.on('error', ({ code }) => failure.told.push(code))
const domain = mode === 'fire by the clock' ? 'processingTime' : 'eventTime'
const handler = async ({ timestamp }: { timestamp: number }, context: { [D in typeof domain]: Queue }) => {
  failure.fired.push(timestamp)
  await context[domain].register({ key: 'made', timestamp: timestamp + 1_000_000, payload: filler })
}
const orders = await store.service('orders', {
  ...definition,
  onEventTime: handler,
  onProcessingTime: handler,
})
const snapshot = await store.snapshot()

async function register(timestamp: number): Promise<void> {
  failure.intended.push(timestamp)
  const payload = mode === 'register' ? filler : 'small'
  await orders[domain].register({ key: 'k', timestamp, payload })
  failure.acknowledged.push(timestamp)
}

if (mode !== 'register') {
  for (let timestamp = 1; timestamp <= 500; timestamp++) await register(timestamp)
  failure.codes.firing = await codeOf(() =>
    mode === 'fire by the clock' ? clock.advanceTo(500) : orders.advanceWatermark(500),
  )
} else {
  // Several at a time, so that the failing commit holds more than one call, and more wait behind it.
  for (let round = 0; round < 50; round++) {
    const calls = Array.from({ length: 5 }, (_, index) => register(round * 5 + index))
    const outcomes = await Promise.allSettled(calls)
    if (outcomes.some(({ status }) => status === 'rejected')) break
  }
}

interface Queue {
  register(timer: { key: string; timestamp: number; payload: string }): Promise<boolean>
}

const timer = { key: 'k', timestamp: -1 }
const calls: Record<string, () => unknown> = {
  register: () => orders.eventTime.register(timer),
  registerMany: () => orders.eventTime.registerMany([timer]),
  delete: () => orders.eventTime.delete(timer),
  deleteAll: () => orders.eventTime.deleteAll({ key: 'k' }),
  deleteAllOfMany: () => orders.eventTime.deleteAll({ keys: ['k', 'l'] }),
  deleteAllOfNone: () => orders.eventTime.deleteAll({ keys: [] }),
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
