/**
 * The stores whose files rot: small, with tables on several levels and a log that is not empty.
 *
 * - `closed` is what a clean close leaves; `killed` what a process leaves that dies while nothing is under way: its last
 *   commits stand in LevelDB's log alone.
 * - The files are kept in memory, so that each try begins with a copy of its own.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import type { TimerStore } from '../../../src/index.ts'
import type { ManualClock } from '../../../src/testing.ts'
import { openStore, type Store, withDirectory } from '../../support/store.ts'

/** Before the first processing-time timer. */
export const START_MS = 1_700_000_000_000
/** Behind every timer. */
export const END_MS = START_MS + 1_000_000

export type StoreFiles = ReadonlyMap<string, Buffer>

/** Small, so that LevelDB's caches are no part of what is measured. */
export const ENGINE = { writeBufferBytes: 256 * 1024, cacheBytes: 64 * 1024, maxFileBytes: 1024 * 1024 }

export const payload = z.object({ attempt: z.int(), note: z.string() }).optional()

export interface SampleTimer {
  service: 'orders' | 'calls'
  domain: 'eventTime' | 'processingTime'
  key: string
  namespace: string
  timestamp: number
  payload: { attempt: number; note: string } | undefined
}

/** The n-th timer of a session; every session has some of the keys of the one before. */
function timerOf(session: number, n: number): SampleTimer {
  const domain = n % 2 === 0 ? 'eventTime' : 'processingTime'
  const key = `key-${(session * 17 + n * 7) % 90}`
  const timestamp = START_MS + ((session * 1009 + n * 7919) % 900_000)
  const note = 'n'.repeat((n * 13) % 40)
  return {
    service: n % 3 === 0 ? 'calls' : 'orders',
    domain,
    key,
    namespace: n % 5 === 0 ? 'retry' : '',
    timestamp,
    payload: n % 4 === 0 ? { attempt: n, note } : undefined,
  }
}

/** Registers a session's timers, and deletes some of the session before; each call is a commit of its own, or almost. */
async function perform(store: Store, session: number, count: number): Promise<void> {
  const orders = await store.service('orders', { payload })
  const calls = await store.service('calls', { payload })
  const queueOf = ({ service, domain }: SampleTimer) => (service === 'orders' ? orders : calls)[domain]
  for (let n = 0; n < count; n += 4) {
    const timers = Array.from({ length: 4 }, (_, i) => timerOf(session, n + i))
    await Promise.all(timers.map((timer) => queueOf(timer).register(timer)))
  }
  if (session === 0) return
  for (let n = 0; n < count; n += 3) {
    const timer = timerOf(session - 1, n)
    await queueOf(timer).delete(timer)
  }
  // Nothing is due yet: it is only a watermark.
  await orders.advanceWatermark(START_MS - 1000 + session)
}

export const SESSIONS = 4
const SESSION_TIMERS = 36

/** Every timer that ever was. */
export function everyTimer(): SampleTimer[] {
  const timers: SampleTimer[] = []
  for (let session = 0; session <= SESSIONS; session++) {
    for (let n = 0; n < SESSION_TIMERS; n++) timers.push(timerOf(session, n))
  }
  return timers
}

export async function makeSamples(clock: ManualClock): Promise<{ closed: StoreFiles; killed: StoreFiles }> {
  return withDirectory(async (parent) => {
    const directory = join(parent, 'store')
    const options = { clock, engine: ENGINE, maxParallelism: 8 }
    for (let session = 0; session < SESSIONS; session++) {
      const store = await openStore(directory, options)
      await perform(store, session, SESSION_TIMERS)
      await store.close()
    }
    const closed = filesOf(directory)
    const store = await openStore(directory, options)
    try {
      await perform(store, SESSIONS, SESSION_TIMERS)
      const copy = join(parent, 'killed')
      // LOCK must not be opened here: the lock would be lost.
      cpSync(directory, copy, { recursive: true, filter: (path) => basename(path) !== 'LOCK' })
      return { closed, killed: filesOf(copy) }
    } finally {
      await store.close()
    }
  })
}

/** What stands in a directory, but for what says nothing. */
function filesOf(directory: string): StoreFiles {
  const names = readdirSync(directory).filter((name) => name !== 'LOCK' && !name.startsWith('LOG'))
  return new Map(names.sort().map((name) => [name, readFileSync(join(directory, name))]))
}

export function writeFiles(directory: string, files: StoreFiles): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  for (const [name, bytes] of files) writeFileSync(join(directory, name), bytes)
}

export type { TimerStore }
