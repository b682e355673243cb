/**
 * Turns that due timers let pass, because calls that touch them were not decided yet: where callers go on and on, a timer
 * may do so a few times in a row only, for it holds up all behind it. One that is registered anew goes on counting.
 */

/** How often in a row. */
const MAX_HELD_TURNS = 3

/** Timers that are counted; where there are more, all begin again. */
const MAX_COUNTED_TIMERS = 1000

export class HeldTurns {
  readonly #turns = new Map<string, number>()

  /** Whether a timer may let this turn pass. */
  mayPass(identity: string): boolean {
    const turns = (this.#turns.get(identity) ?? 0) + 1
    if (turns > MAX_HELD_TURNS) return false
    if (this.#turns.size >= MAX_COUNTED_TIMERS) this.#turns.clear()
    this.#turns.set(identity, turns)
    return true
  }

  /** A timer has its turn. */
  forget(identity: string): void {
    if (this.#turns.size > 0) this.#turns.delete(identity)
  }

  clear(): void {
    this.#turns.clear()
  }
}
