// A process that is killed: it works on a store and tells where it is.

import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'

const [location, domain, moment] = process.argv.slice(2) as [string, string, string]
const clock = new ManualClock(0)
const store = await TimerStore.open(location, { durability: 'os', clock })
const stay = setInterval(() => {}, 60_000)

function tell(fired?: number): void {
  process.send!({ at: moment, fired })
}

if (moment === 'a long drain') {
  let fired = 0
  const orders = await store.service('orders', {
    onEventTime: async ({ timestamp }, { eventTime }) => {
      await eventTime.register({ key: 'made', timestamp: 1_000_000 + timestamp })
      if (++fired % 25 === 0) {
        tell(fired)
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
  })
  await orders.eventTime.registerMany(
    Array.from({ length: 4000 }, (_, timestamp) => ({ key: 'k', timestamp })),
  )
  await orders.advanceWatermark(4000)
  tell(4000)
} else if (moment === 'with a snapshot') {
  const { eventTime } = await store.service('orders')
  await eventTime.registerMany(Array.from({ length: 3000 }, (_, timestamp) => ({ key: 'k', timestamp })))
  await store.snapshot()
  await eventTime.deleteAll({ key: 'k' })
  tell(store.stats().version)
} else {
  const handler = async ({ key }: { key: string }, context: { eventTime: Queue; processingTime: Queue }) => {
    const queue = domain === 'event time' ? context.eventTime : context.processingTime
    await queue.register({ key: `made by ${key}`, timestamp: 5000 })
    if (moment !== 'in the handler') return
    tell()
    await new Promise(() => {})
  }
  const orders = await store.service('orders', { onEventTime: handler, onProcessingTime: handler })
  const queue = domain === 'event time' ? orders.eventTime : orders.processingTime
  await queue.register({ key: 'first', namespace: 'n', timestamp: 1 })
  await queue.register({ key: 'second', namespace: 'n', timestamp: 2 })
  await (domain === 'event time' ? orders.advanceWatermark(10) : clock.advanceTo(10))
  tell()
}

interface Queue {
  register(timer: { key: string; timestamp: number }): Promise<boolean>
}

process.on('disconnect', () => clearInterval(stay))
