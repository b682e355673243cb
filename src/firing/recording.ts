/**
 * What one handler run called through its context, in order, and what that makes of each timer.
 *
 * - A call is recorded when it is made, whether it is awaited or not; only its answer may take longer.
 * - The handler's own timer counts as gone from the start.
 */
import { invalidArgument, type TidemarkError } from '../errors.ts'
import { MAX_ATOMIC_EVENTS } from '../limits.ts'
import type { ContextCall } from '../log/calls.ts'
import type { QueueState } from '../log/state.ts'

interface Effect {
  at: number
  isThere: boolean
}

interface RangeEffect {
  at: number
  /** Everything behind it is gone. */
  prefix: string
}

/** What the calls made so far leave of a timer: there, or not; undefined: they do not touch it. */
export interface Effects {
  of(identity: string): boolean | undefined
  /** The identities behind a prefix that these calls leave there. */
  thereBehind(prefix: string): string[]
}

export class Recording {
  readonly calls: ContextCall[] = []
  /** Earliest timestamp registered, by domain: a drain that runs must wait for it. */
  earliestEventTime = Number.POSITIVE_INFINITY
  earliestProcessingTime = Number.POSITIVE_INFINITY
  closed = false
  /** Why the handler's commit cannot be made, where it grew too large while nobody awaited. */
  refusal: TidemarkError | undefined
  #effects = new Map<string, Effect>()
  #ranges: RangeEffect[] = []
  #at = 0
  #events = 0

  constructor(fired: string) {
    this.#effects.set(fired, { at: 0, isThere: false })
  }

  /** Counts events towards the limit of one step, and throws above it. */
  count(events: number): void {
    this.#events += events
    if (this.#events <= MAX_ATOMIC_EVENTS) return
    this.refusal ??= invalidArgument(
      `one handler may register and delete ${MAX_ATOMIC_EVENTS} timers at most in one step`,
    )
    throw this.refusal
  }

  noteEarliest(queue: QueueState, timestamp: number): void {
    if (queue.domain === 'eventTime') this.earliestEventTime = Math.min(this.earliestEventTime, timestamp)
    else this.earliestProcessingTime = Math.min(this.earliestProcessingTime, timestamp)
  }

  touch(identity: string, isThere: boolean): void {
    this.#effects.set(identity, { at: ++this.#at, isThere })
  }

  clear(prefix: string): void {
    this.#ranges.push({ at: ++this.#at, prefix })
  }

  effectOn(identity: string): boolean | undefined {
    return effectOf(this.#effects.get(identity), this.#ranges, identity)
  }

  /** The effects as they are now, for an answer that takes longer than the next call. */
  freeze(): Effects {
    const effects = new Map(this.#effects)
    const ranges = [...this.#ranges]
    return {
      of: (identity) => effectOf(effects.get(identity), ranges, identity),
      thereBehind: (prefix) =>
        [...effects.keys()].filter(
          (identity) =>
            identity.startsWith(prefix) && effectOf(effects.get(identity), ranges, identity) === true,
        ),
    }
  }
}

function effectOf(
  effect: Effect | undefined,
  ranges: readonly RangeEffect[],
  identity: string,
): boolean | undefined {
  for (let i = ranges.length - 1; i >= 0; i--) {
    const range = ranges[i]!
    if (effect !== undefined && effect.at > range.at) break
    if (identity.startsWith(range.prefix)) return false
  }
  return effect?.isThere
}
