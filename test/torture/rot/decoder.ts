/** What a decoder is tried with, and what it may do: the property that every one of them keeps. */

import { FormatProblem } from '../../../src/checkpoint/format.ts'
import { TidemarkError } from '../../../src/errors.ts'
import type { Random } from './mutation.ts'

/** `accepted`: it gave back a value, which held what it promises; otherwise it refused the input as it declares. */
export type Verdict = 'accepted' | 'refused'

export interface Decoder {
  name: string
  /** A valid input, changed, its checksums most often made right again; and what comes of it. */
  prepare(random: Random): { input: string | Buffer; decode(): Verdict | Promise<Verdict> }
}

/** A decoder did what it must not: the input is told with it. */
export class Violation extends Error {}

export function hold(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Violation(what)
}

/** Runs something that may refuse as parsers of files do: JSON's own error is one of them (FileSource.naming). */
export function orRefused(run: () => void): Verdict {
  try {
    run()
    return 'accepted'
  } catch (error) {
    if (isRefusal(error)) return 'refused'
    throw error
  }
}

export function isRefusal(error: unknown): boolean {
  const { code } = Object(error) as { code?: string }
  const isZlib = code?.startsWith('Z_') === true || code === 'ERR_BUFFER_TOO_LARGE'
  return isZlib || [FormatProblem, TidemarkError, SyntaxError].some((refusal) => error instanceof refusal)
}
