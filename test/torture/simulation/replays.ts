/** The same seed gives the same steps: every turn, answer, fire and crash at the same moment. */
import type { Part } from '../family.ts'
import { liveOnce } from './lifetime.ts'
import { SMALL } from './users.ts'

const DAYS = 10

export const replays: Part = {
  behaviour: 'one seed, one trace: nothing depends on the machine',
  unit: 'lifetimes lived twice',
  inCi: 2,
  inTorture: 100,
  async run({ tries, seed }) {
    const hashes = new Set<string>()
    let lines = 0
    for (let i = 0; i < tries; i++) {
      const first = await liveOnce(seed + i, DAYS, SMALL)
      const second = await liveOnce(seed + i, DAYS, SMALL)
      if (first.hash !== second.hash) {
        throw new Error(
          `SEED=${seed + i}: ${first.lines} lines of trace, then ${second.lines}, and not the same`,
        )
      }
      hashes.add(first.hash)
      lines += first.lines
    }
    if (hashes.size < tries) throw new Error('two seeds gave the same trace')
    return { tries, told: `${lines} lines of trace, equal both times, hashes and all` }
  },
}
