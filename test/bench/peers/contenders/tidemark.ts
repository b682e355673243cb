/** Tidemark itself, from its source: wall-clock timers, durable (fsync) and as fast as the page cache. */
import { join } from 'node:path'
import { type TimerService, TimerStore } from '../../../../src/index.ts'
import type { Contender, Instance, Place } from '../contender.ts'

async function open({ directory }: Place, durability: 'disk' | 'os'): Promise<Instance> {
  const store = await TimerStore.open(join(directory, 'store'), { durability })
  /** Undefined as long as nothing was asked of it. */
  let queue: TimerService['processingTime'] | undefined
  const idle = async () => {
    queue ??= (await store.service('bench')).processingTime
    return queue
  }
  return {
    async scheduleAll(timers) {
      await (await idle()).registerMany(timers.map(({ key, dueMs }) => ({ key, timestamp: dueMs })))
    },
    async schedule({ key, dueMs }) {
      await (queue ?? (await idle())).register({ key, timestamp: dueMs })
    },
    cancelAll: async (keys) => (await idle()).deleteAll({ keys }),
    async rest() {
      // A snapshot is read from the key spaces: nothing is in memory alone then.
      await (await store.snapshot()).release()
    },
    async work(onFired) {
      const service = await store.service('bench', { onProcessingTime: ({ key }) => onFired(key) })
      queue = service.processingTime
    },
    pending: async () => (await idle()).count,
    async check() {
      const findings = await store.verify()
      if (findings.length > 0) throw new Error(`verify() found ${JSON.stringify(findings.slice(0, 3))}`)
    },
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
