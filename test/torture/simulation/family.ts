/** Simulation: whole lifetimes of stores in simulated time, one thread, one seed. */
import type { Family } from '../family.ts'
import { lifetimes } from './lifetimes.ts'
import { replays } from './replays.ts'

export const family: Family = {
  name: 'simulation',
  title: 'Simulation',
  parts: [lifetimes, replays],
}
