/**
 * Time and turns of the event loop, taken away from Node for one schedule: what asks for a turn, or to be called later,
 * becomes a step that the scheduler releases; the clock of durations goes on a little each time it is read.
 *
 * - So nothing of a schedule depends on how fast the machine is: the same seed gives the same steps.
 * - Nothing else may run in this process meanwhile.
 */

export interface Turns {
  /** A callback asks for the event loop's next turn. */
  onImmediate(callback: () => void): void
  /** A callback asks to be called later; returns what takes that back. */
  onTimeout(delayMs: number, callback: () => void): () => void
}

const real = { setImmediate, setTimeout, clearTimeout, now: performance.now.bind(performance) }

/** How far the clock of durations goes each time it is read: work takes time. */
const READING_MS = 0.3

/** What a patched `setTimeout` returns. */
class HeldTimeout {
  cancel: () => void = () => {}

  unref(): this {
    return this
  }

  ref(): this {
    return this
  }
}

/** Takes time away; returns what gives it back. */
export function takeTime({ onImmediate, onTimeout }: Turns): () => void {
  let nowMs = 0
  const hold = (callback: () => void, delayMs = 0) => {
    const timeout = new HeldTimeout()
    timeout.cancel = onTimeout(delayMs, callback)
    return timeout
  }
  const clear = (timeout: unknown) => {
    if (timeout instanceof HeldTimeout) timeout.cancel()
    else real.clearTimeout(timeout as NodeJS.Timeout)
  }
  globalThis.setImmediate = onImmediate as never
  globalThis.setTimeout = hold as never
  globalThis.clearTimeout = clear as never
  performance.now = () => {
    nowMs += READING_MS
    return nowMs
  }
  return () => {
    Object.assign(globalThis, {
      setImmediate: real.setImmediate,
      setTimeout: real.setTimeout,
      clearTimeout: real.clearTimeout,
    })
    performance.now = real.now
  }
}

/** Calls callbacks in turns of the event loop, one after the other, each with all that follows from it at once. */
export function realTurns(callbacks: readonly (() => void)[]): Promise<void> {
  for (const callback of callbacks) real.setImmediate(callback)
  return realTurn()
}

/** Resolves when all that is ready has run. */
export function realTurn(): Promise<void> {
  return new Promise((resolve) => real.setImmediate(resolve))
}
