/**
 * One of everything that is stored, as the product writes it: what is damaged, or changed by somebody who knows how.
 */
import { readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { openClassicEngine } from '../../../src/engine/classic.ts'
import type { Entry } from '../../../src/engine/engine.ts'
import { checkOptions } from '../../../src/options.ts'
import { ManualClock } from '../../../src/testing.ts'
import { openStore, type Store, withDirectory } from '../../support/store.ts'

export interface Corpus {
  /** Entries of each space, by its letter. */
  spaces: ReadonlyMap<string, readonly Entry[]>
  /** By name, all in one directory: an incremental one finds its base by its name. */
  files: ReadonlyMap<CorpusKind, CorpusFile>
}

export type CorpusKind = 'full' | 'incremental' | 'savepoint'

export interface CorpusFile {
  name: string
  bytes: Buffer
}

const KEYS = ['a', 'order-42', 'é\u{1f600}', 'nul\0inside', '\u0001mark', '']
const payload = z.object({ attempt: z.int(), note: z.string().optional() }).optional()

async function fill(store: Store): Promise<void> {
  const orders = await store.service('orders', { payload, onEventTime: () => {} })
  const later = await store.service('later', {
    key: z.object({ id: z.int() }),
    namespace: z.enum(['x', 'y']),
  })
  for (const [i, key] of KEYS.entries()) {
    await orders.eventTime.register({ key, namespace: i % 2 ? 'n\0s' : '', timestamp: i * 1000 - 1 })
    await orders.processingTime.register({ key, timestamp: 2 ** 40 + i, payload: { attempt: i, note: key } })
  }
  await later.eventTime.registerMany(
    Array.from({ length: 30 }, (_, i) => ({
      key: { id: i },
      namespace: i % 2 ? 'x' : 'y',
      timestamp: 5_000 + i,
    })) as never,
  )
}

async function change(store: Store): Promise<void> {
  const orders = await store.service('orders', { payload, onEventTime: () => {} })
  await orders.eventTime.register({ key: 'a', timestamp: -1, payload: { attempt: 9 } })
  await orders.processingTime.delete({ key: 'order-42', timestamp: 2 ** 40 + 1 })
  await orders.eventTime.replace({ key: 'order-42', namespace: 'n\0s', timestamp: 77_000 })
  await orders.advanceWatermark(0)
  const third = await store.service('third')
  await third.processingTime.registerMany(
    Array.from({ length: 5 }, (_, i) => ({ key: `t${i}`, timestamp: 2 ** 41 + i })),
  )
}

export function makeCorpus(): Promise<Corpus> {
  return corpusOf(fill, change, { offset: 4711, source: 'corpus' })
}

/** Files as short as they can be, so that everything can be tried on them. */
export function makeSmallCorpus(): Promise<Corpus> {
  const register = (key: string) => async (store: Store) => {
    const { eventTime } = await store.service('s')
    await eventTime.registerMany([1, 2].map((timestamp) => ({ key, timestamp })))
  }
  return corpusOf(register('a'), register('b'))
}

async function corpusOf(
  fill: (store: Store) => Promise<void>,
  change: (store: Store) => Promise<void>,
  metadata?: unknown,
): Promise<Corpus> {
  return withDirectory(async (parent) => {
    const directory = join(parent, 'store')
    const store = await openStore(directory, { clock: new ManualClock(1_700_000_000_000), maxParallelism: 4 })
    const checkpoints = join(parent, 'checkpoints')
    try {
      await fill(store)
      const full = await store.checkpoint(checkpoints, { incremental: true, metadata })
      // What is deleted now is retired.
      const snapshot = await store.snapshot()
      await change(store)
      const incremental = await store.checkpoint(checkpoints, { incremental: true })
      const savepoint = await store.checkpoint(checkpoints, { savepoint: true })
      const spaces = await readSpaces(directory)
      await snapshot.release()
      const files = Object.entries({ full, incremental, savepoint }).map(([kind, { path }]) => {
        const file = { name: path.slice(checkpoints.length + 1), bytes: readFileSync(path) }
        return [kind as CorpusKind, file] as const
      })
      return { spaces, files: new Map(files) }
    } finally {
      await store.close()
    }
  })
}

async function readSpaces(directory: string): Promise<ReadonlyMap<string, readonly Entry[]>> {
  const engine = await openClassicEngine(realpathSync(directory), checkOptions({}).engine, true)
  try {
    const spaces = new Map<string, Entry[]>()
    for (const [key, value] of await engine.scan({ from: '', to: '\u{10ffff}', limit: 100_000 }).read()) {
      const entries = spaces.get(key[0]!) ?? []
      spaces.set(key[0]!, entries)
      entries.push([key, value])
    }
    return spaces
  } finally {
    await engine.close()
  }
}
