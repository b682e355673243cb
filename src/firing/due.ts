/**
 * A due timer: in its window, then in hand (given to its handler), then the call that removes it. One object all the way.
 *
 * - It is in hand until its removal is durable, or it is given back: no page of the store brings it a second time.
 */
import type { ContextCall, FireCall, Settle } from '../log/calls.ts'
import type { QueueState } from '../log/state.ts'
import type { StoredTimer } from '../timer/stored.ts'

const NO_CALLS: readonly ContextCall[] = []

export class DueTimer implements FireCall, Settle<void> {
  readonly kind = 'fire'
  readonly queue: QueueState
  readonly identity: string
  readonly timestamp: number
  /** Create version and place: the order at one timestamp. */
  readonly orderText: string
  /** The key of its `due` entry, where a page brought it. */
  readonly dueKey: string | undefined
  /** Removed while it was in the window: passed over when its turn comes. */
  gone = false
  inHand = false
  /** Whether the window knows it by its identity. */
  isLive = false
  /** Something changed this timer since it was taken in hand. */
  stale = false
  calls: readonly ContextCall[] = NO_CALLS
  /** Of the payloads that its calls register. */
  characters = 0
  fired!: StoredTimer
  removed = false
  readonly #onRemoved: (timer: DueTimer) => void

  constructor(
    queue: QueueState,
    identity: string,
    timestamp: number,
    orderText: string,
    onRemoved: (timer: DueTimer) => void,
    dueKey?: string,
  ) {
    this.queue = queue
    this.identity = identity
    this.timestamp = timestamp
    this.orderText = orderText
    this.#onRemoved = onRemoved
    this.dueKey = dueKey
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

  isStale(): boolean {
    return this.stale
  }

  /** Makes it the call that removes the timer its handler was given. */
  finish(fired: StoredTimer, called: Pick<DueTimer, 'calls' | 'characters'> | undefined): this {
    this.fired = fired
    if (called === undefined) return this
    this.calls = called.calls
    this.characters = called.characters
    return this
  }

  /** Makes it a timer of the window again, as if it had never been taken. */
  reset(): void {
    this.gone = false
    this.inHand = false
    this.stale = false
    this.removed = false
    this.calls = NO_CALLS
    this.characters = 0
  }
}
