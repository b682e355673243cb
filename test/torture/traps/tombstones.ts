// Finding 10: what is deleted is walked by whoever reads across it.

import { type Canary, flush, type Level, stillSo, withLevel } from './canary.ts'

const DELETED = 200_000
const LEFT = 1000

function key(number: number): string {
  return `k${String(number).padStart(8, '0')}`
}

/** The fastest of several reads, in milliseconds. */
async function fastest(level: Level, options: { gte?: string; lt?: string; limit: number }): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 7; i++) {
    const startMs = performance.now()
    await level.keys(options).all()
    best = Math.min(best, performance.now() - startMs)
  }
  return best
}

export const walkedTombstones: Canary = {
  finding: 10,
  behaviour:
    'reading across what was deleted takes as long as reading it, also where bounds leave nothing else',
  restsOn:
    'LevelDB is never asked what is due from the start of a space: a low timestamp is kept, and a window in memory ' +
    '(src/firing/window.ts, low in src/engine/FORMAT.md).',
  reconsider: 'nothing: memory is faster in any case.',
  look(directory) {
    return withLevel(directory, { writeBufferSize: 256 * 1024 * 1024 }, async (level) => {
      for (let from = 0; from < DELETED + LEFT; from += 10_000) {
        const batch = level.batch()
        for (let i = from; i < Math.min(from + 10_000, DELETED + LEFT); i++) batch.put(key(i), 'v')
        await batch.write()
      }
      for (let from = 0; from < DELETED; from += 10_000) {
        const batch = level.batch()
        for (let i = from; i < from + 10_000; i++) batch.del(key(i))
        await batch.write()
      }
      await flush(level)
      const fromStart = await fastest(level, { limit: 1 })
      const nothing = await fastest(level, { lt: key(DELETED), limit: 1 })
      const fromLow = await fastest(level, { gte: key(DELETED), limit: 1 })
      const times = (ms: number) => Math.round(ms / fromLow)
      const told = `${times(fromStart)} times as long from the start, ${times(nothing)} times within what is deleted`
      stillSo(times(fromStart) >= 10 && times(nothing) >= 10, told)
      return told
    })
  },
}
