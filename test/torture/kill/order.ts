/** What a process that is to be killed is told: where its store is, what it should do most, and when it is to die. */
import type { Durability } from '../../../src/options.ts'
import type { Step } from '../../../src/steps.ts'
import type { Form } from './definitions.ts'

/** What a life does most of its time. */
export type Focus =
  | 'mixed'
  | 'opening'
  | 'commits'
  | 'checkpoints'
  | 'purges'
  | 'compaction'
  | 'restores'
  | 'migrations'

/**
 * Dies some time after so many steps, or after the nth time that it reaches one, whatever it does then; without a time, at
 * that step itself. Steps, because a busy machine makes each of them longer, and not only the time before the first.
 */
export type Death = { steps: number; thenMs: number } | { step: Step; nth: number; thenMs?: number }

export interface Places {
  store: string
  checkpoints: string
  /** Stores that are restored. */
  restored: string
  ledger: string
  /** Log entries that were decided. */
  log: string
  /** Steps that were reached: how often is not told, which was the last is. */
  steps: string
}

export interface Order extends Places {
  /** Its number among those of its store. */
  life: number
  seed: number
  focus: Focus
  death: Death
  /** Where the clock stood when the life before ended. */
  nowMs: number
  durability: Durability
  writeBufferBytes: number
  /** The schemas of the service that changes. */
  form: Form
  /** Timers of that service that make a migration or a restore long; 0: none beside those of the load. */
  many: number
}

/** Where in the file of steps a thread says which it reached last. */
export const LAST_STEP_OF = { store: 0, worker: 1 }
/** And from where on there is a byte for each step that was reached at all. */
export const FIRST_STEP_BYTE = 2
