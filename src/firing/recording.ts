/**
 * What one handler run called through its context, in order, and what that makes of each timer.
 *
 * - A call is recorded when it is made, whether it is awaited or not; only its answer may take longer.
 * - Nothing is handed over before all answers are told: how many timers a range has, and so whether all of it is too much
 *   for one step, shows only then.
 */
import { invalidArgument, type TidemarkError } from '../errors.ts'
import { MAX_ATOMIC_CHARACTERS, MAX_ATOMIC_EVENTS } from '../limits.ts'
import type { ContextCall, RangeCall, TimerCall } from '../log/calls.ts'
import type { QueueState } from '../log/state.ts'
import { type OwnBehind, OwnEffects } from './owneffects.ts'

export class Recording {
  readonly calls: ContextCall[] = []
  /** Earliest timestamp registered, by domain: a drain that runs must wait for it. */
  earliestEventTime = Number.POSITIVE_INFINITY
  earliestProcessingTime = Number.POSITIVE_INFINITY
  closed = false
  /** Why the handler's commit cannot be made, whoever awaited the call that showed it. */
  refusal: TidemarkError | undefined
  /** Of the payloads that it registers. */
  characters = 0
  readonly #effects: OwnEffects
  #events = 0
  /** Answers about ranges that are not told yet, each until it settles; never one that rejects. */
  readonly #open = new Set<Promise<void>>()

  constructor(fired: string) {
    this.#effects = new OwnEffects(fired, this.calls)
  }

  /** Counts events, and characters of their payloads, towards the limits of one step; throws above them. */
  count(events: number, characters = 0): void {
    this.#events += events
    this.characters += characters
    if (this.#events > MAX_ATOMIC_EVENTS) {
      this.refusal ??= invalidArgument(
        `one handler may register and delete ${MAX_ATOMIC_EVENTS} timers at most in one step, not ${this.#events}: ` +
          'leave some of it to the handler of another timer',
      )
    } else if (this.characters > MAX_ATOMIC_CHARACTERS) {
      this.refusal ??= invalidArgument(
        `one handler may register ${MAX_ATOMIC_CHARACTERS} characters of payloads at most in one step, not ` +
          `${this.characters}: register fewer, or smaller ones, and leave some to the handler of another timer`,
      )
    } else return
    throw this.refusal
  }

  /** Records a call about one timer. */
  timer(call: TimerCall): void {
    this.calls.push(call)
    const isThere = call.kind === 'register'
    this.#effects.touch(call.identity, isThere)
    if (isThere) this.#noteEarliest(call.queue, call.timestamp)
  }

  /** Records a call about a range; what the calls before it left there. */
  range(call: RangeCall): OwnBehind {
    const before = this.#effects.clear(call.prefix)
    this.calls.push(call)
    if (call.kind === 'replace') {
      this.#effects.touch(call.identity, true)
      this.#noteEarliest(call.queue, call.timestamp)
    }
    return before
  }

  /** What the calls so far leave of a timer: there, or not; undefined: they do not touch it. */
  effectOn(identity: string): boolean | undefined {
    return this.#effects.on(identity)
  }

  /**
   * Keeps the answer of a range until it is told. Where there is none, nothing is to be committed either: how much it is
   * stays unknown. That it rejects is the handler's failure, and no rejection that nobody handled.
   */
  answering<T>(answer: Promise<T>): Promise<T> {
    const settled = answer.then(
      () => void this.#open.delete(settled),
      (error) => {
        this.#open.delete(settled)
        this.refusal ??= error
      },
    )
    this.#open.add(settled)
    return answer
  }

  /** Resolves when every answer is told; undefined: they are. */
  answered(): Promise<unknown> | undefined {
    return this.#open.size === 0 ? undefined : Promise.all(this.#open)
  }

  #noteEarliest(queue: QueueState, timestamp: number): void {
    if (queue.domain === 'eventTime') this.earliestEventTime = Math.min(this.earliestEventTime, timestamp)
    else this.earliestProcessingTime = Math.min(this.earliestProcessingTime, timestamp)
  }
}
