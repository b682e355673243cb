/** A checkpoint of the schedule or of a call: what it was asked with, and what its end is called. */
import { invalidArgument, reasonOf, TidemarkError } from '../errors.ts'
import type { CheckpointSummary } from './checkpointer.ts'
import type { CheckpointAttempt } from './periodicevents.ts'
import type { TriggerOptions } from './periodicoptions.ts'

/** A checkpoint that is to be taken, or is under way. */
export interface Attempt {
  readonly by: CheckpointAttempt['by']
  readonly options: TriggerOptions
  readonly aborter: AbortController
  /** Given by us, or by the caller. */
  readonly signal: AbortSignal
  resolve(summary: CheckpointSummary): void
  reject(error: TidemarkError): void
  /** Gives it up while it waits for a place: what its signal calls. */
  giveUp(): void
  /** What is told of it; undefined while it waits for a place. */
  told?: CheckpointAttempt
  /** Why we aborted it: it took too long, or a newer one is complete. */
  abortedBy?: 'timeout' | CheckpointSummary
}

export function makeAttempt(
  by: Attempt['by'],
  options: TriggerOptions,
  resolve: Attempt['resolve'] = () => {},
  reject: Attempt['reject'] = () => {},
): Attempt {
  const aborter = new AbortController()
  const signals = options.signal === undefined ? [] : [options.signal]
  const signal = AbortSignal.any([aborter.signal, ...signals])
  return { by, options, aborter, signal, resolve, reject, giveUp: () => {} }
}

/** What is stored in a checkpoint that is cut now: JSON, or a function that returns it. */
export function metadataNow(metadata: unknown): unknown {
  if (typeof metadata !== 'function') return metadata
  let value: unknown
  try {
    value = metadata()
  } catch (cause) {
    throw invalidArgument(`the function metadata threw: ${reasonOf(cause)}`, cause)
  }
  if (typeof (value as PromiseLike<unknown> | undefined)?.then !== 'function') return value
  // Whatever it becomes is of another moment than the cut.
  Promise.resolve(value).catch(() => {})
  throw invalidArgument('the function metadata returned a promise: it must return what holds at the cut')
}

/** What went wrong, as an error of Tidemark. */
export function asTidemarkError(error: unknown): TidemarkError {
  if (error instanceof TidemarkError) return error
  const message = `the checkpoint was not taken: ${reasonOf(error)}`
  return new TidemarkError('TIDEMARK_FAILED', message, { cause: error })
}

export function aborted(message: string, cause: unknown): TidemarkError {
  return new TidemarkError('TIDEMARK_CHECKPOINT_ABORTED', message, { cause })
}
