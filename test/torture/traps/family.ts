/**
 * LevelDB's own traps: each as a canary, which says what rests on it where it changes; and the load of the worst of them, on
 * the store itself, in which nothing may come back, and in which keys do come back where a LevelDB snapshot is held.
 */
import { TidemarkError } from '../../../src/errors.ts'
import type { Family, Part } from '../family.ts'
import { canaryPart } from './canary.ts'
import { Divergence, runLoad } from './load.ts'
import { closedFirst, lostLock } from './locks.ts'
import { holes, uncheckedBlocks } from './rot.ts'
import { inflation, resurrection } from './snapshots.ts'
import { walkedTombstones } from './tombstones.ts'
import { durableRejection, lostWrites, smallGroups, unordered } from './writes.ts'

const CANARIES = [
  resurrection,
  lostWrites,
  durableRejection,
  uncheckedBlocks,
  holes,
  unordered,
  smallGroups,
  closedFirst,
  lostLock,
  walkedTombstones,
  inflation,
]

const load: Part = {
  behaviour: 'no timer comes back under load, with checkpoints one after the other and snapshots held',
  unit: 'operations',
  inCi: 600_000,
  inTorture: 5_000_000,
  async run({ tries, seed }) {
    const report = await runLoad({ seed, operations: tries })
    const { operations, fired, checkpoints, incremental, snapshots, comparisons, live } = report
    const told =
      `0 came back, 0 missing: ${fired} fired, ${checkpoints} checkpoints (${incremental} incremental), ` +
      `${snapshots} snapshots and ${comparisons} times all timers compared, ${live} live at the end`
    return { tries: operations, told }
  },
}

/** Far beyond what it has ever taken. */
const MAX_CONTROL_OPERATIONS = 10_000_000

/** Shows that the load can fail: the store is as it is, but somebody else holds a LevelDB snapshot. */
export const control: Part = {
  behaviour: 'the same load brings keys back where a LevelDB snapshot is held, and it is noticed',
  unit: 'controls',
  inCi: 1,
  inTorture: 4,
  async run({ tries, seed }) {
    const seen: string[] = []
    for (let i = 0; i < tries; i++) seen.push(await noticed(seed + i))
    return { tries, told: seen.join('; ') }
  },
}

async function noticed(seed: number): Promise<string> {
  const progress = { operations: 0 }
  const options = { seed, operations: MAX_CONTROL_OPERATIONS, holdsLevelSnapshot: true, progress }
  try {
    await runLoad(options)
  } catch (error) {
    const isNoticed =
      error instanceof Divergence || (error instanceof TidemarkError && error.code === 'TIDEMARK_CORRUPT')
    if (!isNoticed) throw error
    const by = error instanceof Divergence ? error.found : "a checkpoint's self-proof"
    return `found by ${by} after ${progress.operations} operations`
  }
  throw new Error(`no key came back in ${MAX_CONTROL_OPERATIONS} operations, although a snapshot was held`)
}

export const family: Family = {
  name: 'traps',
  title: "LevelDB's traps",
  parts: [...CANARIES.map(canaryPart), load, control],
}
