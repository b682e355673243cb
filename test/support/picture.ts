// Everything that a store holds, as one value to compare.

import { all, type Store } from './store.ts'

export type StoredTimer = Awaited<ReturnType<typeof timersOf>>[number]

/** Every timer of a store, by a snapshot of this moment. */
export async function timersOf(store: Store) {
  const snapshot = await store.snapshot()
  try {
    return await all(snapshot.timers())
  } finally {
    await snapshot.release()
  }
}

/** The timers of a store without their versions, as sorted lines: what two stores with the same timers share. */
export async function linesOf(store: Store): Promise<string[]> {
  return lines(await timersOf(store))
}

export function lines(timers: readonly Omit<StoredTimer, 'createVersion'>[]): string[] {
  return timers
    .map(({ service, domain, key, namespace, timestamp, payload }) =>
      JSON.stringify([service, domain, key, namespace, timestamp, payload ?? null]),
    )
    .sort()
}

/** Timers, versions, counts and watermarks: what must not change when a call is refused. */
export async function picture(store: Store) {
  const { log: _, ...stats } = store.stats()
  return { timers: await timersOf(store), stats }
}
