/**
 * What a commit did, event by event; the log names each in full, so that applying one twice is harmless.
 *
 * - The place of a registered timer is the index of its event in the commit.
 * - `retire` tells that a running snapshot still holds the timer that goes.
 */
import type { StoredTimer } from '../timer/stored.ts'
import type { QueueState, QueueTotals, ServiceState } from './state.ts'

/** A timer that came, changed its payload, or went. */
export interface TimerEvent {
  readonly kind: 'register' | 'payload' | 'delete' | 'fire'
  readonly queue: QueueState
  readonly identity: string
  readonly timestamp: number
  /** What stands after the event; for `delete` and `fire`, what stood before it. */
  readonly timer: StoredTimer
  /** For `payload`: what stood before it. */
  readonly previous: StoredTimer | undefined
  readonly retire: boolean
  /** The key of the `due` entry that goes, where it is at hand. */
  readonly dueKey: string | undefined
  /** For `fire`: its entries go with the commit, for nothing recent knows the timer, and much is spilled now. */
  readonly atOnce: boolean
}

export interface WatermarkEvent {
  readonly kind: 'watermark'
  readonly service: ServiceState
  readonly timestamp: number
}

/** A number that becomes a service or, by the name '', free; a service that gets other schemas or another name. */
export interface ServiceEvent {
  readonly kind: 'service'
  readonly service: ServiceState
  readonly name: string
  readonly schemas: string
}

/** Retired entries that nobody needs any more, removed. */
export interface PurgeEvent {
  readonly kind: 'purge'
  readonly keys: readonly string[]
  /** How many of them were retired timers; the rest are orphans of the `due` space. */
  readonly retired: number
}

export type CommitEvent = TimerEvent | WatermarkEvent | ServiceEvent | PurgeEvent

/** One decided commit: what is appended to the log, applied to the spaces, and told to the callers. */
export interface Commit {
  /** The version; that of the commit before when there is no event, and then nothing is written. */
  readonly version: number
  readonly timeMs: number
  readonly events: readonly CommitEvent[]
  /** Totals, after it, of the queues it touched. */
  readonly totals: readonly { queue: QueueState; totals: QueueTotals }[]
  readonly watermarks: readonly { service: ServiceState; watermark: number }[]
  readonly retired: number
}
