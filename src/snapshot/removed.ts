/**
 * How much a store has removed since its tables were last rewritten, against how much stands: counted, or a sample where
 * a store was just opened. What is logged of it is not counted: it is trimmed in the order in which it was written, and
 * LevelDB is good at that.
 */
import type { Engine } from '../engine/engine.ts'
import { END } from '../engine/keyspaces.ts'
import { MIN_COMPACTION_CHARACTERS, MIN_COMPACTION_SHARE } from '../limits.ts'
import type { LogRetention } from '../log/retention.ts'
import type { StoreState } from '../log/state.ts'
import { DUE_ENTRY_CHARACTERS } from '../timer/stored.ts'

/** Stored characters of a timer, while none has been seen: two entries of a short key. */
const DEFAULT_TIMER_CHARACTERS = 120
const SAMPLED_ENTRIES = 100
/** Tables of text take less than its characters; where they take more than so many times as much, much in them is dead. */
const BLOATED_TIMES = 1.5

export class RemovedCount {
  readonly #state: StoreState
  readonly #retention: LogRetention
  /** Timers that went, and retired ones that were purged. */
  timers = 0
  #characters = 0
  /** Timers that went, ever, and the characters of their entries. */
  #measuredTimers = 0
  #measuredCharacters = 0
  /** What stands is only summed up again when this much more was removed. */
  #nextCheckAt = MIN_COMPACTION_CHARACTERS

  constructor(state: StoreState, retention: LogRetention) {
    this.#state = state
    this.#retention = retention
  }

  /** Timers that went from the spaces, and the characters of what was removed there. */
  add(timers: number, characters: number): void {
    this.timers += timers
    this.#characters += characters
    this.#measuredTimers += timers
    if (timers > 0) this.#measuredCharacters += characters
  }

  /** Retired timers that were purged. */
  addRetired(timers: number): void {
    this.timers += timers
    this.#characters += timers * this.#perTimer
  }

  get #perTimer(): number {
    return this.#measuredTimers === 0
      ? DEFAULT_TIMER_CHARACTERS
      : this.#measuredCharacters / this.#measuredTimers
  }

  /** Whether it is worth rewriting the tables for. */
  isMuch(): boolean {
    if (this.#characters < this.#nextCheckAt) return false
    this.#nextCheckAt = this.#characters * 1.25
    let standing = this.#state.appliedRetired
    for (const queue of this.#state.queues()) standing += queue.appliedCount
    const live = standing * this.#perTimer + this.#retention.bytes
    return this.#characters >= live * MIN_COMPACTION_SHARE
  }

  reset(): void {
    this.timers = 0
    this.#characters = 0
    this.#nextCheckAt = MIN_COMPACTION_CHARACTERS
  }
}

/** Whether a store's tables are much larger than what stands in them, by a sample of each queue. */
export async function isBloated(
  engine: Engine,
  state: StoreState,
  retention: LogRetention,
): Promise<boolean> {
  let bytes = 0
  for (const table of engine.tables()) bytes += table.bytes
  let live = retention.bytes
  for (const { prefix, appliedCount } of state.queues()) {
    if (bytes < MIN_COMPACTION_CHARACTERS + BLOATED_TIMES * live) return false
    if (appliedCount === 0) continue
    const sample = await engine.scan({ from: prefix, to: prefix + END, limit: SAMPLED_ENTRIES }).read()
    let characters = 0
    for (const [key, value] of sample) characters += 2 * key.length + value.length + DUE_ENTRY_CHARACTERS
    live += (characters / Math.max(1, sample.length)) * appliedCount
  }
  return bytes >= MIN_COMPACTION_CHARACTERS + BLOATED_TIMES * live
}
