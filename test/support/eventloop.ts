// For how long the event loop of this thread is held by what runs on it.

import { readFileSync } from 'node:fs'

/** Milliseconds for which this thread was ready to run and had no processor; 0 where the system does not tell. */
function waitedForProcessorMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/**
 * Measures, until it is stopped, for how many milliseconds the event loop was held at most. The time for which other
 * processes kept this thread from a processor is not counted.
 */
export function watchEventLoop(): () => number {
  let longestMs = 0
  let last = performance.now()
  let lastWaited = waitedForProcessorMs()
  let running = true
  const probe = () => {
    const now = performance.now()
    const waited = waitedForProcessorMs()
    longestMs = Math.max(longestMs, now - last - (waited - lastWaited))
    // The probe itself is not measured.
    last = performance.now()
    lastWaited = waited
    if (running) setImmediate(probe)
  }
  setImmediate(probe)
  return () => {
    running = false
    return longestMs
  }
}
