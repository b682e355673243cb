// Refusals: a rejected call, with the code that says why and the words that help.

import * as assert from 'uvu/assert'
import { TidemarkError, type TidemarkErrorCode } from '../../src/errors.ts'

function check(
  error: unknown,
  code: TidemarkErrorCode,
  messages: readonly (string | RegExp)[],
): TidemarkError {
  if (!(error instanceof TidemarkError)) throw error
  assert.is(error.code, code, error.message)
  for (const message of messages) {
    const found = typeof message === 'string' ? error.message.includes(message) : message.test(error.message)
    assert.ok(found, `'${error.message}' does not say ${message}`)
  }
  return error
}

/** The call throws TIDEMARK_INVALID_ARGUMENT at once, and its message says all of this. */
export function throwsInvalid(call: () => unknown, ...messages: (string | RegExp)[]): void {
  let answer: unknown
  try {
    answer = call()
  } catch (error) {
    check(error, 'TIDEMARK_INVALID_ARGUMENT', messages)
    return
  }
  assert.unreachable(`not refused: ${JSON.stringify(answer)}`)
}

/** The call rejects with this code, and its message says all of this. A call that throws at once counts as well. */
export async function rejects(
  call: Promise<unknown> | (() => unknown),
  code: TidemarkErrorCode,
  ...messages: (string | RegExp)[]
): Promise<TidemarkError> {
  let answer: unknown
  try {
    answer = await (typeof call === 'function' ? call() : call)
  } catch (error) {
    return check(error, code, messages)
  }
  return assert.unreachable(`not refused with ${code}: ${JSON.stringify(answer)}`) as never
}
