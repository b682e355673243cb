/** What fires in processing time: how late each is. One that is early, or fires twice, ends the benchmark. */
import type { TimerService } from '../../../src/index.ts'
import { require } from './setup.ts'

const PER_SECOND = 2000
const SECONDS = 3
/** Until the first is due: what is to run beside them has begun by then. */
const LEAD_MS = 500

interface Fire {
  key: string
  timestamp: number
}

/** Every fire so far: a second one of the same timer is seen however late it comes. */
const seen = new Set<string>()
let latenessMs: number[] = []
let onFired = () => {}

export const handlers = {
  onEventTime: () => {},
  onProcessingTime: (fire: Fire) => {
    try {
      latenessMs.push(latenessOf(fire))
    } catch (error) {
      // Tidemark would call a handler that throws once more: this has to end the process.
      setImmediate(() => {
        throw error
      })
    }
    onFired()
  },
}

function latenessOf({ key, timestamp }: Fire): number {
  const wallMs = Date.now()
  const lateMs = performance.timeOrigin + performance.now() - timestamp
  require(wallMs >= timestamp, `${key} fired ${timestamp - wallMs} ms early`)
  // The wall clock has whole milliseconds, and Node's finer one may be a little beside it, but no more.
  require(lateMs > -1, `Node's clock is ${-lateMs} ms behind the wall clock`)
  const timer = `${key} of ${timestamp}`
  require(!seen.has(timer), `${timer} fired twice`)
  seen.add(timer)
  return Math.max(0, lateMs)
}

/** Resolves when the next one fires. */
export function nextFire(): Promise<void> {
  return new Promise((resolve) => {
    onFired = resolve
  })
}

/** Timers that become due at a steady rate: how late they fire, sorted. */
export async function lateness(queue: TimerService['processingTime']): Promise<number[]> {
  latenessMs = []
  const count = PER_SECOND * SECONDS
  const firstMs = Date.now() + LEAD_MS
  const fired = new Promise<void>((resolve) => {
    onFired = () => {
      if (latenessMs.length === count) resolve()
    }
  })
  await queue.registerMany(
    Array.from({ length: count }, (_, i) => ({
      key: `due-${i}`,
      timestamp: firstMs + Math.floor((i * 1000) / PER_SECOND),
    })),
  )
  await fired
  return latenessMs.sort((a, b) => a - b)
}
