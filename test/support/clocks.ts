// Clocks that tests hold in their hands, below the level of ManualClock: what a store asks of its clock is seen, and
// a wake-up comes when the test says so, early, late, or after the time has jumped.

import type { Clock } from '../../src/index.ts'

interface WakeUp {
  delayMs: number
  wake: () => void
}

/** A clock whose time and whose wake-ups are moved apart. */
export class HeldClock implements Clock {
  nowMs: number
  /** What was asked for and neither called nor cancelled. */
  readonly pending = new Set<WakeUp>()
  /** Every delay that was asked for. */
  readonly delaysMs: number[] = []

  constructor(startMs: number) {
    this.nowMs = startMs
  }

  now(): number {
    return this.nowMs
  }

  schedule(delayMs: number, wake: () => void): () => void {
    const wakeUp = { delayMs, wake }
    this.delaysMs.push(delayMs)
    this.pending.add(wakeUp)
    return () => this.pending.delete(wakeUp)
  }

  /** Calls every pending wake-up, whether its time has come or not. */
  wakeAll(): void {
    for (const wakeUp of [...this.pending]) {
      this.pending.delete(wakeUp)
      wakeUp.wake()
    }
  }
}
