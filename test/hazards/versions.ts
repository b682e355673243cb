// Makes a closed store look as if it had seen very many commits: its log is one anchor of a high version.

import { realpath } from 'node:fs/promises'
import { openClassicEngine } from '../../src/engine/classic.ts'
import { END, LOG, logKey } from '../../src/engine/keyspaces.ts'
import { readStoreRecord } from '../../src/engine/migration.ts'
import { encodeEntry } from '../../src/log/entry.ts'
import { loadState } from '../../src/log/tail.ts'

const sizes = { cacheBytes: 1 << 20, writeBufferBytes: 1 << 20, maxFileBytes: 1 << 20 }

export async function jumpTo(directory: string, version: number): Promise<void> {
  const engine = await openClassicEngine(await realpath(directory), sizes, true)
  try {
    const { state } = await loadState(engine, readStoreRecord(engine)!, sizes.writeBufferBytes)
    const batch = engine.batch()
    const entries = await engine.scan({ from: LOG, to: LOG + END, limit: 10_000 }).read()
    for (const [key] of entries) batch.del(key)
    const commit = {
      version,
      timeMs: 0,
      events: [],
      totals: Array.from(state.queues(), (queue) => ({ queue, totals: { ...queue.decided } })),
      watermarks: state.services.map((service) => ({ service, watermark: service.decidedWatermark })),
      retired: 0,
    }
    const head = {
      version,
      timeMs: 0,
      kept: { oldest: version, tail: version, characters: 0 },
      anchor: version,
      previous: 0,
      retired: 0,
    }
    batch.put(logKey(version), encodeEntry(logKey(version), head, commit).value)
    await engine.write(batch, false)
  } finally {
    await engine.close()
  }
}
