// Handlers that write down what they were given.

import type { HandlerContext } from '../../src/index.ts'

export interface Fired {
  key: unknown
  namespace: unknown
  timestamp: number
  payload?: unknown
}

export interface Recorder {
  (timer: Fired, context: HandlerContext): Promise<void>
  /** What it has been given so far, in order. */
  readonly fired: Fired[]
  /** The same as `key@timestamp`. */
  names(): string[]
  /** As `names`, and empties the record. */
  take(): string[]
}

/** A handler that records, and then does what `then` does. */
export function recorder(then: (timer: Fired, context: HandlerContext) => unknown = () => {}): Recorder {
  const fired: Fired[] = []
  const handler = async (timer: Fired, context: HandlerContext): Promise<void> => {
    fired.push({ ...timer })
    await then(timer, context)
  }
  return Object.assign(handler, { fired, names: () => names(fired), take: () => names(fired.splice(0)) })
}

/** `key@timestamp` of each, for assertions that read at a glance. */
export function names(timers: readonly { key: unknown; timestamp: number }[]): string[] {
  return timers.map(({ key, timestamp }) => `${key}@${timestamp}`)
}
