/** All families of the proof, in the order in which they run. */
import type { Family } from './family.ts'
import { family as faults } from './faults/family.ts'
import { family as kill } from './kill/family.ts'
import { family as load } from './load/family.ts'
import { family as power } from './power/family.ts'
import { family as races } from './races/family.ts'
import { family as rot } from './rot/family.ts'
import { family as security } from './security/family.ts'
import { family as simulation } from './simulation/family.ts'
import { family as traps } from './traps/family.ts'

export const families: readonly Family[] = [
  kill,
  power,
  faults,
  rot,
  traps,
  races,
  simulation,
  load,
  security,
]
