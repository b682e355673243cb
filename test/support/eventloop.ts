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
  let last = ranForMs()
  let running = true
  const probe = () => {
    const now = ranForMs()
    longestMs = Math.max(longestMs, now - last)
    last = now
    if (running) setImmediate(probe)
  }
  setImmediate(probe)
  return () => {
    running = false
    return longestMs
  }
}
