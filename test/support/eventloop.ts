// For how long the event loop of this thread is held by what runs on it.

import { readFileSync } from 'node:fs'

/**
 * Milliseconds for which this thread has run so far. Where the system tells, the time for which a processor was busy
 * with it: on a busy machine a thread waits for one, and for the threads that collect garbage, and holds nobody up.
 */
function ranForMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6
  } catch {
    return performance.now()
  }
}

/** Measures, until it is stopped, for how many milliseconds the event loop was held at most. */
export function watchEventLoop(): () => number {
  let longestMs = 0
  const stop = watchTurns((ms) => {
    longestMs = Math.max(longestMs, ms)
  })
  return () => {
    stop()
    return longestMs
  }
}

/** Tells each turn of the event loop, by how long it took, until it is stopped. */
export function watchTurns(onTurn: (ms: number) => void): () => void {
  let last = ranForMs()
  let lastMs = performance.now()
  let running = true
  const probe = () => {
    const now = ranForMs()
    const nowMs = performance.now()
    // The system counts what a thread ran in ticks of some milliseconds: a turn was never longer than it was by the clock.
    onTurn(Math.min(now - last, nowMs - lastMs))
    last = now
    lastMs = nowMs
    if (running) setImmediate(probe)
  }
  setImmediate(probe)
  return () => {
    running = false
  }
}
