/** All families of the proof, in the order in which they run. */
import type { Family } from './family.ts'

export const families: readonly Family[] = []
