/** Everybody who takes part, in the order of the tables. Each is loaded only where it is measured. */
import type { Contender } from './contender.ts'

const loaders: Record<string, () => Promise<Contender>> = {
  tidemark: async () => (await import('./contenders/tidemark.ts')).tidemark,
  'tidemark-os': async () => (await import('./contenders/tidemark.ts')).tidemarkOs,
  'bullmq-everysec': async () => (await import('./contenders/bullmq.ts')).bullmqEverySecond,
  'bullmq-always': async () => (await import('./contenders/bullmq.ts')).bullmqAlways,
  'pg-boss': async () => (await import('./contenders/pgboss.ts')).pgBoss,
  'graphile-worker': async () => (await import('./contenders/graphile.ts')).graphileWorker,
  plainjob: async () => (await import('./contenders/plainjob.ts')).plainjob,
  sqlite: async () => (await import('./contenders/sqlite.ts')).sqlite,
  'sqlite-bare': async () => (await import('./contenders/sqlite.ts')).sqliteBare,
  lmdb: async () => (await import('./contenders/lmdb.ts')).lmdb,
  'lmdb-bare': async () => (await import('./contenders/lmdb.ts')).lmdbBare,
}

export const contenderIds: readonly string[] = Object.keys(loaders)

export function loadContender(id: string): Promise<Contender> {
  const load = loaders[id]
  if (load === undefined)
    throw new Error(`there is no contender '${id}': there are ${contenderIds.join(', ')}`)
  return load()
}
