// What the process whose writes fail and the test that reads its remains have in common.

import { z } from 'zod'

export const definition = { payload: z.string().optional() }

/** What the process does until a write fails. */
export type Mode = 'register' | 'fire' | 'fire by the clock'

export interface Failure {
  /** Timestamps whose register was called. */
  intended: number[]
  /** Timestamps whose register resolved. */
  acknowledged: number[]
  /** Timestamps whose handler ran. */
  fired: number[]
  /** The code of each call made after the failure. */
  codes: Record<string, string>
  /** Codes of the `error` events. */
  told: string[]
  /** Whether close() resolved. */
  closed: boolean
}
