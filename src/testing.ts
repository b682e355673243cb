/**
 * `tidemark/testing`: a clock that tests move by hand, so that no test needs to sleep.
 */
import type { Clock } from './clock.ts'
import { invalidArgument } from './errors.ts'

/**
 * A clock that stands still until it is moved.
 *
 * @example
 * const clock = new ManualClock(0)
 * const store = await TimerStore.open(directory, { clock })
 * await clock.advanceBy(60_000) // every timer that became due has been fired, its removal durable
 */
export class ManualClock implements Clock {
  #nowMs: number
  readonly #catchUps = new Set<() => Promise<void>>()

  constructor(startMs = 0) {
    this.#nowMs = checkMs(startMs)
  }

  now(): number {
    return this.#nowMs
  }

  /**
   * Sets the time, also backwards; resolves when every timer that became due has been fired and its removal is durable,
   * and when the periodic checkpoint that became due has been taken.
   */
  async advanceTo(ms: number): Promise<void> {
    this.#nowMs = checkMs(ms)
    await Promise.all(Array.from(this.#catchUps, (catchUp) => catchUp()))
  }

  /** Moves the time by `ms`; resolves as {@link advanceTo} does. */
  async advanceBy(ms: number): Promise<void> {
    await this.advanceTo(this.#nowMs + ms)
  }

  /** Nothing wakes up by itself: only moving the clock does. */
  schedule(): () => void {
    return () => {}
  }

  onMove(catchUp: () => Promise<void>): () => void {
    this.#catchUps.add(catchUp)
    return () => this.#catchUps.delete(catchUp)
  }
}

function checkMs(ms: number): number {
  if (!Number.isSafeInteger(ms))
    throw invalidArgument(`a ManualClock's time must be a whole number, not ${ms}`)
  return ms
}
