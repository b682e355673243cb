/**
 * The timestamp that no timer of a queue lies below: kept with the queue's totals, so that after opening nothing is
 * read where all was fired long ago (LevelDB walks what was deleted there, key by key).
 *
 * - It is raised only to what the window, the timers in hand and the registers under way allow.
 */
import type { QueueState, StoreState } from '../log/state.ts'
import type { DueWindow } from './window.ts'

export class LowBound {
  readonly #state: StoreState
  readonly #queue: QueueState
  /** Commits decided before this queue was listened to may register what nobody saw. */
  readonly #firstSeen: number
  /** Lowest timestamp registered by each commit that is decided and not applied. */
  readonly #registered: { version: number; low: number }[] = []

  constructor(state: StoreState, queue: QueueState) {
    this.#state = state
    this.#queue = queue
    this.#firstSeen = state.decidedVersion
  }

  registered(timestamp: number, version: number): void {
    const last = this.#registered.at(-1)
    if (last?.version !== version) this.#registered.push({ version, low: timestamp })
    else if (timestamp < last.low) last.low = timestamp
  }

  applied(version: number): void {
    while (this.#registered.length > 0 && this.#registered[0]!.version < version) this.#registered.shift()
  }

  raise(window: DueWindow): void {
    if (this.#state.appliedVersion < this.#firstSeen) return
    let low = window.low()
    for (const registered of this.#registered) {
      if (registered.version > this.#state.appliedVersion && registered.low < low) low = registered.low
    }
    if (low > this.#queue.decided.low) this.#queue.decided.low = low
  }
}
