/** All families of the proof, in the order in which they run. */
import type { Family } from './family.ts'
import { family as load } from './load/family.ts'

export const families: readonly Family[] = [load]
