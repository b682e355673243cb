// Places for the command to look at: a closed store, and checkpoints of every kind, all of the same timers.

import path from 'node:path'
import { z } from 'zod'
import type { SnapshotTimer, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { all, openStore } from '../support/store.ts'

export const NOW = 1_700_000_000_000

export interface Places {
  store: string
  full: string
  /** On `base`, in a directory of their own. */
  incremental: string
  base: string
  chain: string
  timers: SnapshotTimer[]
  version: number
}

/** Two services, and what registers the timers of a range of numbers in both: keys of two types, odd texts among them. */
export async function startServices(store: TimerStore) {
  const orders = await store.service('orders', {
    namespace: z.enum(['payment', 'delivery']),
    payload: z.object({ attempt: z.int() }).optional(),
  })
  const sessions = await store.service('sessions', { key: z.union([z.number(), z.string()]) })
  const register = (from: number, to: number, textKey = (i: number) => `${i}é`) => {
    for (let i = from; i < to; i++) {
      const namespace = i % 3 === 0 ? 'payment' : 'delivery'
      const payload = i % 2 === 0 ? { attempt: i } : undefined
      orders.processingTime.register({ key: `order-${i}`, namespace, timestamp: NOW + i * 1000, payload })
      sessions.eventTime.register({ key: i % 50 === 0 ? textKey(i) : i, timestamp: NOW - i * 60_000 })
    }
  }
  return { orders, sessions, register }
}

/** Stores some hundreds of timers of two services, and takes checkpoints while they change. */
export async function makePlaces(directory: string, count = 400, name = 'store'): Promise<Places> {
  const location = path.join(directory, name)
  const chain = path.join(directory, `${name}-chain`)
  const store = await openStore(location, { clock: new ManualClock(NOW), maxParallelism: 16 })
  const { orders, sessions, register } = await startServices(store)
  register(0, count / 2)
  const base = await store.checkpoint(chain, { incremental: true })
  register(count / 2, count)
  for (let i = 0; i < count / 4; i++) {
    const namespace = i % 3 === 0 ? 'payment' : 'delivery'
    orders.processingTime.delete({ key: `order-${i}`, namespace, timestamp: NOW + i * 1000 })
  }
  await sessions.advanceWatermark(NOW - count * 30_000)
  const incremental = await store.checkpoint(chain, { incremental: true })
  const full = await store.checkpoint(path.join(directory, `${name}-full`))
  const snapshot = await store.snapshot()
  const timers = await all(snapshot.timers())
  await snapshot.release()
  const { version } = store.stats()
  await store.close()
  const [basePath, incrementalPath] = [base.path, incremental.path]
  return {
    store: location,
    full: full.path,
    incremental: incrementalPath,
    base: basePath,
    chain,
    timers,
    version,
  }
}
