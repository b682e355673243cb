// What the process that is killed does, known to the test as well: it follows from a seed.

import fc from 'fast-check'
import { type Action, actions } from './commands.ts'

export interface Round {
  /** Called in a row, all awaited together. */
  actions: Action[]
  /** Then the watermark is advanced. */
  advanceBy: number
}

export function planOf(seed: number): Round[] {
  const round = fc.record({
    actions: fc.array(actions, { minLength: 1, maxLength: 12, size: 'max' }),
    advanceBy: fc.integer({ min: -3, max: 6 }),
  })
  return fc.sample(round, { seed, numRuns: 250 })
}
