/**
 * The one error class of Tidemark, and the closed list of its codes.
 *
 * - A code is stable; a message is not. A message says what happened, to what, and what to do next.
 * - `cause` keeps the error underneath, where there is one.
 */

/** Every code that a {@link TidemarkError} can have, grouped by when it can occur. */
export type TidemarkErrorCode =
  // Any call: the caller's mistake, found before anything is written.
  | 'TIDEMARK_INVALID_ARGUMENT'
  | 'TIDEMARK_KEY_GROUP_OUT_OF_RANGE'
  // Opening a store, starting a service.
  | 'TIDEMARK_LOCKED'
  | 'TIDEMARK_UNSUPPORTED_FORMAT'
  | 'TIDEMARK_SERVICE_MISMATCH'
  // Using a store.
  | 'TIDEMARK_CLOSED'
  | 'TIDEMARK_FAILED'
  | 'TIDEMARK_CORRUPT'
  | 'TIDEMARK_HANDLER_FAILED'
  // Checkpoints.
  | 'TIDEMARK_CHECKPOINT_ABORTED'
  | 'TIDEMARK_CHECKPOINT_CORRUPT'
  | 'TIDEMARK_CHECKPOINT_NOT_FOUND'
  | 'TIDEMARK_RESTORE_TARGET_EXISTS'

/**
 * The error that every rejected call of Tidemark rejects with.
 *
 * @example
 * try { await TimerStore.open('data/orders') } catch (error) {
 *   if (error instanceof TidemarkError && error.code === 'TIDEMARK_LOCKED') process.exit(3)
 *   throw error
 * }
 */
export class TidemarkError extends Error {
  readonly code: TidemarkErrorCode

  constructor(code: TidemarkErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TidemarkError'
    this.code = code
  }
}

/** What a read of the store failed with, as an error of Tidemark. */
export function readFailure(cause: unknown): TidemarkError {
  if (cause instanceof TidemarkError) return cause
  const why = reasonOf(cause)
  const message = `the store could not be read (${why}), and nothing was changed: see to it, and ask again`
  return new TidemarkError('TIDEMARK_FAILED', message, { cause })
}

export function invalidArgument(message: string, cause?: unknown): TidemarkError {
  return new TidemarkError('TIDEMARK_INVALID_ARGUMENT', message, cause === undefined ? undefined : { cause })
}

/** Refuses what is not an object where one is asked for. */
export function requireObject(value: unknown, what: string): void {
  if (typeof value === 'object' && value !== null) return
  throw invalidArgument(`${what} must be an object, not ${value === null ? 'null' : typeof value}`)
}

/** What somebody threw, in words: an error's message, or whatever it is as text. Anything can be thrown. */
export function reasonOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? `${thrown.message}` : String(thrown)
  } catch {
    return 'something that has no text'
  }
}

/** Refuses what is not a timestamp: whole milliseconds, from -(2^53-1) to 2^53-1. */
export function requireTimestamp(value: unknown, what: string): void {
  if (Number.isSafeInteger(value)) return
  const told = typeof value === 'number' ? String(value) : typeof value
  throw invalidArgument(
    `${what} must be a whole number of milliseconds from -(2^53-1) to 2^53-1, not ${told}`,
  )
}

/** Asserts an invariant, in production too: where it does not hold, what is stored cannot be trusted. */
export function invariant(holds: boolean, message: string): asserts holds {
  if (!holds) throw new TidemarkError('TIDEMARK_CORRUPT', `invariant broken: ${message}`)
}
