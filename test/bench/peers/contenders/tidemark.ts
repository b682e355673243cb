/** Tidemark itself, from its source: wall-clock timers, durable (fsync) and as fast as the page cache. */
import { join } from 'node:path'
import { TimerStore } from '../../../../src/index.ts'
import { withInFlight } from '../../workload.ts'
import type { Contender, Instance, Place } from '../contender.ts'

const IN_FLIGHT = 1000

async function open({ directory }: Place, durability: 'disk' | 'os'): Promise<Instance> {
  const location = join(directory, 'store')
  let store = await TimerStore.open(location, { durability })
  let { processingTime } = await store.service('bench')
  return {
    async scheduleAll(timers) {
      await processingTime.registerMany(timers.map(({ key, dueMs }) => ({ key, timestamp: dueMs })))
    },
    async schedule({ key, dueMs }) {
      await processingTime.register({ key, timestamp: dueMs })
    },
    async cancelAll(keys) {
      let cancelled = 0
      await withInFlight(keys, IN_FLIGHT, async (key) => {
        const deleted = await processingTime.deleteAll({ key })
        cancelled += deleted
      })
      return cancelled
    },
    async work(onFired) {
      // A service's first handlers stay, and so far there were none: nothing was to fire while it was scheduled.
      await store.close()
      store = await TimerStore.open(location, { durability })
      const service = await store.service('bench', { onProcessingTime: ({ key }) => onFired(key) })
      processingTime = service.processingTime
    },
    pending: async () => processingTime.count,
    close: () => store.close(),
  }
}

function contender(durability: 'disk' | 'os'): Contender {
  return {
    id: durability === 'disk' ? 'tidemark' : 'tidemark-os',
    title: durability === 'disk' ? 'Tidemark' : "Tidemark, durability 'os'",
    kind: 'Tidemark',
    durability: durability === 'disk' ? 'power loss: an fsync per commit' : 'death of the process',
    offers: { exactAnswers: true, findByKey: true, dueOrder: true },
    packages: ['classic-level'],
    open: (place) => open(place, durability),
  }
}

export const tidemark = contender('disk')
export const tidemarkOs = contender('os')
