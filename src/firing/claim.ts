/**
 * A due timer in hand: taken from its window, given to its handler, then the call that removes it.
 *
 * - It is in hand until its removal is durable, or it is given back: no page of the store brings it a second time.
 */
import type { ContextCall, FireCall, Settle } from '../log/calls.ts'
import type { QueueState } from '../log/state.ts'
import type { StoredTimer } from '../timer/stored.ts'
import type { DueTimer } from './window.ts'

const NO_CALLS: readonly ContextCall[] = []

export class Claim implements FireCall, Settle<void> {
  readonly kind = 'fire'
  readonly queue: QueueState
  readonly timer: DueTimer
  /** Something changed this timer since it was read. */
  stale = false
  calls: readonly ContextCall[] = NO_CALLS
  fired!: StoredTimer
  removed = false
  readonly #onRemoved: (claim: Claim) => void

  constructor(queue: QueueState, timer: DueTimer, onRemoved: (claim: Claim) => void) {
    this.queue = queue
    this.timer = timer
    this.#onRemoved = onRemoved
  }

  get settle(): Settle<void> {
    return this
  }

  resolve(): void {
    this.#onRemoved(this)
  }

  reject(): void {
    this.#onRemoved(this)
  }

  get identity(): string {
    return this.timer.identity
  }

  get timestamp(): number {
    return this.timer.timestamp
  }

  isStale(): boolean {
    return this.stale
  }

  /** Makes it the call that removes the timer its handler was given. */
  finish(fired: StoredTimer, calls: readonly ContextCall[] | undefined): this {
    this.fired = fired
    if (calls !== undefined) this.calls = calls
    return this
  }
}
