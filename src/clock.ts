/**
 * Time, as Tidemark asks for it: the only file that reads the system's clock or sets its timers.
 */

/** A clock that a store can be given; {@link ManualClock} in `tidemark/testing` is one that tests move by hand. */
export interface Clock {
  /** Milliseconds since the epoch, a whole number. */
  now(): number
  /** Calls `wake` once, about `delayMs` from now; returns what cancels it. Default: `setTimeout`. */
  schedule?(delayMs: number, wake: () => void): () => void
  /**
   * For clocks that are moved by hand: registers what brings a store up to the clock's time. The clock calls it after it
   * moved, and waits for it. Returns what takes it away again.
   */
  onMove?(catchUp: () => Promise<void>): () => void
}

function scheduleWithTimeout(delayMs: number, wake: () => void): () => void {
  const timeout = setTimeout(wake, delayMs)
  return () => clearTimeout(timeout)
}

export const systemClock: Clock = { now: () => Date.now(), schedule: scheduleWithTimeout }

/** Calls `wake` by this clock's own means, or by the system's. */
export function scheduleOn(clock: Clock, delayMs: number, wake: () => void): () => void {
  return clock.schedule === undefined ? scheduleWithTimeout(delayMs, wake) : clock.schedule(delayMs, wake)
}

/** Resolves after the event loop has had a turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Resolves after `delayMs`, or once `signal` aborts; it keeps no process alive. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const end = () => {
      clearTimeout(timeout)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timeout = setTimeout(end, delayMs)
    timeout.unref()
    signal.addEventListener('abort', end)
  })
}

/** Calls `callback` in the event loop's next turn. */
export function inNextTurn(callback: () => void): void {
  setImmediate(callback)
}
