// Findings 2, 3, 6 and 7: what LevelDB says of a write, and what is true.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hindrance, startFailing } from '../shim/shim.ts'
import { type Canary, stillSo, withLevel } from './canary.ts'

const script = new URL('./failing-write.ts', import.meta.url)

/** What failing-write.ts saw. */
export interface FailedWrite {
  /** What the write that failed was told; `ok`: it did not fail. */
  told: string
  /** Whether it was to be read right after. */
  isVisible: boolean
  /** Whether it is there once the database was opened again. */
  isDurable: boolean
  /** Writes after it: how many were acknowledged, and how many of these are gone after opening again. */
  acknowledged: number
  lost: number
  /** The same of writes before it. */
  lostBefore: number
}

async function failed(directory: string, kind: 'write' | 'sync', sync: boolean): Promise<FailedWrite> {
  const plan = {
    kinds: [kind],
    nth: 1,
    error: 'ENOSPC',
    isShort: true,
    names: ['.log'],
    isArmed: false,
  } as const
  const { child } = startFailing(script, [directory, String(sync)], directory, plan)
  const seen = await child.message<FailedWrite>()
  await child.ended
  return seen
}

export const lostWrites: Canary = {
  finding: 2,
  behaviour: 'after a write that failed LevelDB acknowledges others, and loses them',
  restsOn: 'the first failed write ends the store, until it is opened again (src/log/pipeline.ts).',
  reconsider: 'nothing: to stop is right in any case.',
  hindrance,
  async look(directory) {
    const { told, acknowledged, lost, lostBefore } = await failed(directory, 'write', true)
    stillSo(told !== 'ok', 'the write did not fail')
    stillSo(lostBefore === 0, `${lostBefore} writes before the failed one are lost`)
    stillSo(acknowledged > 0, 'no write was acknowledged after the failed one')
    stillSo(lost > 0, `none of ${acknowledged} writes after the failed one was lost`)
    return `${lost} of ${acknowledged} acknowledged writes lost, with sync too`
  },
}

export const durableRejection: Canary = {
  finding: 3,
  behaviour: 'a rejected batch is not to be read, and may be there after opening again',
  restsOn:
    'the outcome of a failed commit counts as unknown: opening again decides (src/log/pipeline.ts, semantics of close).',
  reconsider: 'nothing: only opening again decides, whatever LevelDB promises.',
  hindrance,
  async look(directory) {
    const { told, isVisible, isDurable } = await failed(directory, 'sync', true)
    stillSo(told !== 'ok', 'the write did not fail')
    stillSo(!isVisible, 'the rejected batch was to be read at once')
    stillSo(isDurable, 'the rejected batch was gone after opening again')
    return 'rejected, not to be read, and there after opening again'
  },
}

const MAX_PAIRS = 300_000
const PAIRS_AT_ONCE = 20

export const unordered: Canary = {
  finding: 6,
  behaviour: 'two writes that are not awaited may be applied in either order',
  restsOn:
    'one write is under way at a time: calls that come meanwhile share the next (src/log/pipeline.ts).',
  reconsider: 'whether several commits may be under way; the chain of the log needs their order.',
  look(directory) {
    return withLevel(directory, {}, async (level) => {
      for (let pairs = 0; pairs < MAX_PAIRS; pairs += PAIRS_AT_ONCE) {
        const writes: Promise<void>[] = []
        for (let i = 0; i < PAIRS_AT_ONCE; i++)
          writes.push(level.put(`k${i}`, 'first'), level.put(`k${i}`, 'second'))
        await Promise.all(writes)
        const keys = Array.from({ length: PAIRS_AT_ONCE }, (_, i) => `k${i}`)
        if ((await level.getMany(keys)).includes('first'))
          return `a pair was reversed among the first ${pairs + PAIRS_AT_ONCE}`
      }
      stillSo(false, `none of ${MAX_PAIRS} pairs was applied in reverse`)
      return ''
    })
  },
}

const LOG_BLOCK_BYTES = 32 * 1024
const RECORD_HEAD_BYTES = 7
const FULL = 1
/** Node's: nobody sets UV_THREADPOOL_SIZE here. */
const POOL_THREADS = Number(process.env.UV_THREADPOOL_SIZE ?? 4)

/** Operations of each batch in a log of LevelDB whose records lie in one piece. */
function batchesOf(log: Buffer): number[] {
  const counts: number[] = []
  for (let at = 0; at + RECORD_HEAD_BYTES <= log.length; ) {
    const left = LOG_BLOCK_BYTES - (at % LOG_BLOCK_BYTES)
    const length = log.readUInt16LE(at + 4)
    if (left < RECORD_HEAD_BYTES || log[at + 6] === 0) {
      at += left
      continue
    }
    // A batch: its sequence number (8), then how many operations it has (4).
    if (log[at + 6] === FULL) counts.push(log.readUInt32LE(at + RECORD_HEAD_BYTES + 8))
    at += RECORD_HEAD_BYTES + length
  }
  return counts
}

export const smallGroups: Canary = {
  finding: 7,
  behaviour: 'writes that wait share a record of the log only as far as the thread pool reaches',
  restsOn:
    'calls share a commit before they come to LevelDB: group commit is in the pipeline (src/log/pipeline.ts).',
  reconsider: 'nothing: one batch is cheaper than many calls anyway.',
  async look(directory) {
    const writes = 2000
    await withLevel(directory, {}, async (level) => {
      const put = (_: unknown, i: number) => level.put(`k${i}`, 'v', { sync: true })
      await Promise.all(Array.from({ length: writes }, put))
    })
    const log = readdirSync(directory).find((name) => name.endsWith('.log'))!
    const counts = batchesOf(readFileSync(join(directory, log)))
    const largest = Math.max(...counts)
    stillSo(
      largest <= POOL_THREADS,
      `${largest} writes shared a record, and the pool has ${POOL_THREADS} threads`,
    )
    stillSo(
      counts.length >= (writes / POOL_THREADS) * 0.9,
      `${writes} writes took only ${counts.length} records`,
    )
    return `${writes} writes at once took ${counts.length} records, none of more than ${largest}`
  },
}
