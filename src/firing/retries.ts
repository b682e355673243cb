/**
 * Timers whose handler failed in processing time: each waits a growing time before it is tried again, the others go on.
 */
import { MAX_RETRY_DELAY_MS, MIN_RETRY_DELAY_MS } from '../limits.ts'
import type { DueTimer } from './due.ts'

interface Waiting {
  timer: DueTimer
  retryAtMs: number
}

export class Retries {
  readonly #waiting = new Map<string, Waiting>()
  readonly #attempts = new Map<string, number>()

  get size(): number {
    return this.#waiting.size
  }

  /** Which attempt the next run of this timer's handler is. */
  attempt(identity: string): number {
    return this.#attempts.size === 0 ? 1 : (this.#attempts.get(identity) ?? 0) + 1
  }

  /** Counts a failure. */
  failed(identity: string): void {
    this.#attempts.set(identity, this.attempt(identity))
  }

  /** Lets a failed timer wait; it doubles with each attempt. */
  wait(timer: DueTimer, nowMs: number): void {
    const failures = this.#attempts.get(timer.identity) ?? 1
    const delayMs = Math.min(MIN_RETRY_DELAY_MS * 2 ** (failures - 1), MAX_RETRY_DELAY_MS)
    this.#waiting.set(timer.identity, { timer, retryAtMs: nowMs + delayMs })
  }

  /** Forgets a timer that is done, or gone; returns it where it was waiting. */
  forget(identity: string): DueTimer | undefined {
    if (this.#attempts.size > 0) this.#attempts.delete(identity)
    if (this.#waiting.size === 0) return undefined
    const timer = this.#waiting.get(identity)?.timer
    if (timer !== undefined) this.#waiting.delete(identity)
    return timer
  }

  /** Takes out the timers whose wait is over. A clock that went back does not make them wait longer than their delay. */
  takeReady(nowMs: number): DueTimer[] {
    if (this.#waiting.size === 0) return []
    const ready: DueTimer[] = []
    for (const [identity, { timer, retryAtMs }] of this.#waiting) {
      if (!isReady(retryAtMs, nowMs)) continue
      ready.push(timer)
      this.#waiting.delete(identity)
    }
    return ready
  }

  /** When the next wait is over; Infinity: none is. */
  nextRetryAtMs(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const { retryAtMs } of this.#waiting.values()) {
      const atMs = isReady(retryAtMs, nowMs) ? nowMs : retryAtMs
      if (atMs < next) next = atMs
    }
    return next
  }
}

/** Whether a wait is over: its time has come, or is further away than any wait is long, for the clock went back. */
function isReady(retryAtMs: number, nowMs: number): boolean {
  return retryAtMs <= nowMs || retryAtMs - nowMs > MAX_RETRY_DELAY_MS
}
