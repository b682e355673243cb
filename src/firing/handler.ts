/**
 * What a service fires with: its handlers, and the context that a handler is given.
 */
import type { AnyTimer } from '../timer/codec.ts'

/** A queue as a handler's context offers it; calls are recorded, and commit with the removal of the fired timer. */
export interface ContextQueue<K = unknown, N = unknown, P = unknown> {
  register(timer: TimerInput<K, N, P>): Promise<boolean>
  registerMany(timers: Iterable<TimerInput<K, N, P>>): Promise<number>
  delete(timer: TimerId<K, N>): Promise<boolean>
  deleteAll(selection: KeySelection<K, N>): Promise<number>
  replace(timer: TimerInput<K, N, P>): Promise<number[]>
  has(timer: TimerId<K, N>): Promise<boolean>
}

/** What names a timer; without a namespace, ''. */
export interface TimerId<K = unknown, N = unknown> {
  key: K
  namespace?: N
  timestamp: number
}

/** A timer to register. */
export interface TimerInput<K = unknown, N = unknown, P = unknown> extends TimerId<K, N> {
  payload?: P
}

/** A key's timers, or those of a key in one namespace. */
export interface KeySelection<K = unknown, N = unknown> {
  key: K
  namespace?: N
}

export interface HandlerContext<K = unknown, N = unknown, P = unknown> {
  readonly eventTime: ContextQueue<K, N, P>
  readonly processingTime: ContextQueue<K, N, P>
  /** Aborted when the store closes: a handler that waits for something should stop. */
  readonly signal: AbortSignal
  /** 1 at first, one more for each time this timer's handler failed. */
  readonly attempt: number
  /** How far the clock, or the watermark, is past the timestamp. */
  readonly lateByMs: number
}

/** Called with one timer at a time; its return, or the promise it returns, settles the timer. */
export type AnyHandler = (timer: AnyTimer, context: HandlerContext) => unknown
