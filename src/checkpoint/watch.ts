/** How a long run is watched from outside: it tells how far it is, and ends when it is aborted. */
import { TidemarkError } from '../errors.ts'
import { PROGRESS_INTERVAL_MS } from '../limits.ts'

/** Returns what passes progress on, but not more often than anybody wants to know. */
export function throttled<T>(listener: ((progress: T) => void) | undefined): (progress: T) => void {
  let lastMs = Number.NEGATIVE_INFINITY
  return (progress) => {
    const nowMs = performance.now()
    if (listener === undefined || nowMs - lastMs < PROGRESS_INTERVAL_MS) return
    lastMs = nowMs
    listener(progress)
  }
}

/** Throws TIDEMARK_CHECKPOINT_ABORTED once the signal was given. */
export function throwIfAborted(signal: AbortSignal | undefined, what: 'checkpoint' | 'restore'): void {
  if (signal?.aborted === true) throw abortedError(signal, what)
}

export function abortedError(signal: AbortSignal | undefined, what: 'checkpoint' | 'restore'): TidemarkError {
  return new TidemarkError('TIDEMARK_CHECKPOINT_ABORTED', `the ${what} was aborted; nothing is left of it`, {
    cause: signal?.reason,
  })
}

/** Returns what tells how many milliseconds have passed since this call. */
export function elapsedFromNow(): () => number {
  const startMs = performance.now()
  return () => performance.now() - startMs
}
