/** Races: who comes first, chosen by a seed; and workers that die, throw, fall silent or talk nonsense at every message. */
import type { Family } from '../family.ts'
import { interleavings } from './interleavings.ts'
import { workers } from './workers.ts'

export const family: Family = {
  name: 'races',
  title: 'Races',
  parts: [interleavings, ...workers],
}
