/** What the process whose LevelDB fails and the one that examines what it leaves have in common. */
import { z } from 'zod'
import { SIZES } from './ground.ts'

export { SIZES }

export const definition = { payload: z.string().optional() }

/** Characters of a payload: a few commits fill a memtable. */
export const PAYLOAD = 12_000

export interface Job {
  name: 'work' | 'checkpoint' | 'reopen' | 'restore' | 'end'
  /** As the shim's mark `arm` takes it. */
  plan: string
  isLasting: boolean
  durability: 'disk' | 'os'
  location: string
  checkpoints: string
  /** Where the store is copied to, as it is when the first call is rejected. */
  crashed?: string
}

/** A call, in its order. */
export interface Step {
  kind: 'register' | 'delete'
  timestamp: number
  isKept: boolean
}

export interface Report {
  steps: Step[]
  /** What had become of them when the store was copied to `crashed`. */
  stepsBeforeCrash?: Step[]
  /** How often a call was rejected, by its name and the error's code. */
  codes: Record<string, number>
  /** Codes of `error` events. */
  told: string[]
  restored: boolean
  /** Taken, and behind how many steps. */
  checkpoints: { path: string; steps: number }[]
}
