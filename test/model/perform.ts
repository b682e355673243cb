// One call, made in the same way to a store's queue, to a handler's context, and to the oracle.

import type { Action, Domain, Payload } from './commands.ts'

interface Id {
  key: string
  namespace: string
  timestamp: number
}

type Answer<T> = T | Promise<T>

export interface Queue {
  register(timer: Id & { payload?: Payload }): Answer<boolean>
  registerMany(timers: (Id & { payload?: Payload })[]): Answer<number>
  delete(timer: Id): Answer<boolean>
  has(timer: Id): Answer<boolean>
  replace(timer: Id & { payload?: Payload }): Answer<number[]>
  deleteAll(
    selection: { key: string; namespace?: string } | { keys: Iterable<string>; namespace?: string },
  ): Answer<number>
}

export interface Queues {
  eventTime: Queue
  processingTime: Queue
  watermark: number
  nowMs: number
}

const most = Number.MAX_SAFE_INTEGER

/**
 * The timestamp that an action means. A handler's actions on its own domain are relative to its timer; in event time
 * others are relative to the watermark. Processing time is relative to the clock, and for those who are not a
 * processing-time handler in the future: what is due at once would race with what they do next.
 */
function timestampOf(queues: Queues, by: Domain | undefined, firedAt: number, action: Action): number {
  const own = by === action.domain
  if (action.domain === 'eventTime') {
    const base = own ? firedAt : Math.max(queues.watermark, 0)
    return Math.max(-most, Math.min(most, base + action.at))
  }
  return own ? firedAt + action.at : queues.nowMs + 1 + Math.abs(action.at)
}

/** Makes the call; `by` and `firedAt` tell of which handler's timer. */
export function perform(
  queues: Queues,
  by: Domain | undefined,
  firedAt: number,
  action: Action,
): Answer<unknown> {
  const queue = queues[action.domain]
  const { key, namespace } = action
  const timestamp = timestampOf(queues, by, firedAt, action)
  const payload = action.payload === undefined ? {} : { payload: action.payload }
  switch (action.call) {
    case 'register':
      return queue.register({ key, namespace, timestamp, ...payload })
    case 'replace':
      return queue.replace({ key, namespace, timestamp, ...payload })
    case 'delete':
      return queue.delete({ key, namespace, timestamp })
    case 'has':
      return queue.has({ key, namespace, timestamp })
    case 'deleteAll':
      return queue.deleteAll({ key, namespace })
    case 'deleteKey':
      return queue.deleteAll({ key })
    case 'deleteKeys':
      // A handler names one key at a time.
      if (by !== undefined) return queue.deleteAll({ key })
      // With some that may be there, and one that never is; sometimes in a namespace.
      return queue.deleteAll({
        keys: [key, 'a', key, 'none', '😀'],
        ...(action.at % 2 === 0 ? { namespace } : {}),
      })
    case 'registerMany':
      return queue.registerMany(
        [0, 1, 1, 3].map((step) => ({
          key,
          namespace,
          timestamp: Math.min(most, timestamp + step),
          ...payload,
        })),
      )
  }
}

/**
 * A call that a handler makes on its service instead of its context: it takes effect before its timer is removed,
 * also when the handler fails. It changes the timer that fires, deletes what is due next, or registers what is not due.
 */
export function performOutside(
  queues: Queues,
  by: Domain,
  { key, namespace, timestamp }: Id,
  action: Action,
): Answer<unknown> {
  const payload = action.payload === undefined ? {} : { payload: action.payload }
  if (action.call === 'has') return queues[by].register({ key, namespace, timestamp, ...payload })
  if (action.call !== 'register') return perform(queues, by, timestamp, action)
  const base = action.domain === 'eventTime' ? Math.max(queues.watermark, 0) : queues.nowMs
  const queue = queues[action.domain]
  const later = base + 1 + Math.abs(action.at)
  // At the end of time there is nothing later, and this would race with the timers that are due.
  if (later > most) return queue.has({ ...action, timestamp: most })
  return queue.register({ key: action.key, namespace: action.namespace, timestamp: later, ...payload })
}

/** One line for what a handler was given and what its context answered. */
export function told(
  { key, namespace, timestamp, payload }: Id & { payload?: Payload },
  lateByMs: number,
  answers: unknown[],
  fails: boolean,
): string {
  // While calls from outside are under way, what a context answers is true only for the moment.
  const compared = payload?.outside === undefined ? answers : []
  return JSON.stringify([key, namespace, timestamp, payload?.id ?? null, lateByMs, compared, fails])
}
