/**
 * A service: its two queues, its watermark, as their users see them. Calls are validated and encoded here, then wait in
 * the commit pipeline.
 */
import type { Clock } from './clock.ts'
import type { Engine } from './engine/engine.ts'
import {
  invalidArgument,
  readFailure,
  requireObject,
  requireTimestamp,
  type TidemarkError,
} from './errors.ts'
import type { KeySelection, TimerId, TimerInput } from './firing/handler.ts'
import type { ServiceFiring } from './firing/service.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from './limits.ts'
import {
  deleteAllCall,
  replaceCall,
  type Settle,
  SumSettle,
  type TimerCall,
  UserTimerCall,
} from './log/calls.ts'
import type { CommitPipeline } from './log/pipeline.ts'
import type { RecentTimers } from './log/recent.ts'
import type { QueueState, ServiceState } from './log/state.ts'
import { FEW_ENTRIES, listDue, listKey, readEarliest } from './snapshot/listing.ts'
import type { TimerCodec } from './timer/codec.ts'
import { namespacePart } from './timer/identity.ts'

/** A timer, as handlers and listings give it. */
export interface Timer<K = string, N = string, P = undefined> {
  key: K
  namespace: N
  /** Milliseconds since the epoch. */
  timestamp: number
  payload: P
}

/** The timers of many keys, or those of them in one namespace. */
export interface KeysSelection<K = string, N = string> {
  keys: Iterable<K>
  namespace?: N
}

/** What `list` is narrowed to; timestamps with both ends included. */
export interface ListSelection<K = string, N = string> {
  key?: K
  namespace?: N
  from?: number
  to?: number
  limit?: number
}

export interface QueueParts {
  engine: Engine
  pipeline: CommitPipeline
  recent: RecentTimers
  codec: TimerCodec
  /** Why the store takes no calls any more, if so. */
  refusal(): TidemarkError | undefined
}

/**
 * One service's timers of one time domain. Calls take effect in the order in which they were made, awaited or not; each
 * resolves when it is durable, and rejects with TIDEMARK_INVALID_ARGUMENT before anything is written, or with
 * TIDEMARK_CLOSED, TIDEMARK_FAILED.
 */
export class TimerQueue<K = string, N = string, P = undefined> {
  readonly #parts: QueueParts
  readonly #queue: QueueState

  constructor(parts: QueueParts, queue: QueueState) {
    this.#parts = parts
    this.#queue = queue
  }

  /** How many timers are registered, exactly. */
  get count(): number {
    return this.#queue.appliedCount
  }

  /** Registers a timer; true: it is new. One that is there keeps its place, and takes the payload. */
  register(timer: TimerInput<K, N, P>): Promise<boolean> {
    return this.#timerCall('register', timer)
  }

  /** Removes a timer; true: it was there. */
  delete(timer: TimerId<K, N>): Promise<boolean> {
    return this.#timerCall('delete', timer)
  }

  /** Whether a timer is registered. */
  has(timer: TimerId<K, N>): Promise<boolean> {
    return this.#timerCall('has', timer)
  }

  /** Registers many timers, in commits of bounded size with nothing in between; how many were new. */
  registerMany(timers: Iterable<TimerInput<K, N, P>>): Promise<number> {
    return this.#call((settle: Settle<number>) => {
      const { codec } = this.#parts
      const identities: string[] = []
      const timestamps: number[] = []
      const payloads: string[] = []
      if (typeof timers?.[Symbol.iterator] !== 'function')
        throw invalidArgument('registerMany takes many timers: an iterable')
      for (const timer of timers) {
        identities.push(codec.identity(this.#queue.prefix, timer))
        timestamps.push(timer.timestamp)
        payloads.push(codec.payload(timer.payload))
      }
      const queue = this.#queue
      this.#parts.pipeline.submit({
        kind: 'registerMany',
        queue,
        identities,
        timestamps,
        payloads,
        settle,
        done: 0,
        answer: 0,
      })
    })
  }

  /**
   * Removes every timer of a key, or of each of many keys; with a namespace, those in it. Resolves with how many there
   * were. Many keys at once are about twice as fast as a call for each, and nothing comes in between.
   */
  deleteAll(selection: KeySelection<K, N> | KeysSelection<K, N>): Promise<number> {
    return this.#call((settle: Settle<number>) => {
      const { codec, pipeline } = this.#parts
      const queue = this.#queue
      const prefixes = codec.prefixes(queue.prefix, selection)
      if (prefixes.length === 0) pipeline.barrier().then(() => settle.resolve(0), settle.reject)
      const each = prefixes.length === 1 ? settle : new SumSettle(prefixes.length, settle)
      for (const prefix of prefixes) pipeline.submit(deleteAllCall(queue, prefix, each))
    })
  }

  /**
   * Moves a deadline: in one atomic step every other timer of this key and namespace goes, and this one stands.
   * Returns the timestamps that it replaced, rising.
   */
  replace(timer: TimerInput<K, N, P>): Promise<number[]> {
    return this.#call((settle: Settle<number[]>) => {
      const { codec, pipeline } = this.#parts
      const queue = this.#queue
      const identity = codec.identity(queue.prefix, timer)
      const prefix = namespacePart(identity)
      const payload = codec.payload(timer.payload)
      const { timestamp } = timer
      pipeline.submit(replaceCall({ queue, prefix, identity, timestamp, payload }, settle))
    })
  }

  /**
   * The timers in due order; with `key`, that key's by namespace and timestamp. What was called before is seen; what
   * changes while it is read may be.
   */
  list(selection: ListSelection<K, N> = {}): AsyncGenerator<Timer<K, N, P>> {
    requireObject(selection, 'the selection of a list')
    const {
      key,
      namespace,
      from = MIN_TIMESTAMP,
      to = MAX_TIMESTAMP,
      limit = Number.POSITIVE_INFINITY,
    } = selection
    requireTimestamp(from, 'from')
    requireTimestamp(to, 'to')
    if (limit !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(limit) && limit >= 0)) {
      throw invalidArgument(`limit must be a whole number, 0 or more, not ${String(limit)}`)
    }
    const { codec } = this.#parts
    const prefix = key === undefined ? undefined : codec.prefix(this.#queue.prefix, key, namespace)
    const only = key !== undefined || namespace === undefined ? undefined : codec.namespace(namespace)
    return this.#list(prefix, only, { from, to }, limit)
  }

  /** The earliest timer, or undefined: what stands after the calls made before, and none made after. */
  async next(): Promise<Timer<K, N, P> | undefined> {
    const { engine, pipeline, recent, codec } = this.#parts
    let earliest: Timer<K, N, P> | undefined
    const run = async () => {
      const listed = await readEarliest({ engine, recent }, this.#queue).catch((error) =>
        Promise.reject(readFailure(error)),
      )
      if (listed !== undefined) earliest = codec.timer(listed.identity, listed.timer) as Timer<K, N, P>
    }
    await this.#call((settle: Settle<void>) => pipeline.submit({ kind: 'read', run, settle }))
    return earliest
  }

  async *#list(
    prefix: string | undefined,
    namespace: string | undefined,
    range: { from: number; to: number },
    limit: number,
  ): AsyncGenerator<Timer<K, N, P>> {
    const { engine, recent, pipeline, codec } = this.#parts
    this.#refuse()
    await pipeline.barrier()
    if (limit === 0 || range.from > range.to) return
    const chunkEntries = limit < FEW_ENTRIES ? FEW_ENTRIES : undefined
    const listed =
      prefix === undefined
        ? listDue({ engine, recent }, this.#queue, range, chunkEntries)
        : listKey({ engine, recent }, prefix, range)
    let left = limit
    try {
      for await (const { identity, timer } of listed) {
        if (namespace !== undefined && identity.slice(identity.indexOf('\0') + 1, -10) !== namespace) continue
        yield codec.timer(identity, timer) as Timer<K, N, P>
        if (--left === 0) return
      }
    } catch (error) {
      // A store that closes under a reader fails its read: what the reader should hear is that it closed.
      this.#refuse()
      throw readFailure(error)
    }
  }

  #timerCall(kind: TimerCall['kind'], timer: TimerInput<K, N, P>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const parts = this.#parts
      const refused = parts.refusal()
      if (refused !== undefined) throw refused
      const queue = this.#queue
      const identity = parts.codec.identity(queue.prefix, timer)
      const payload = kind === 'register' ? parts.codec.payload(timer.payload) : ''
      const call = new UserTimerCall(kind, queue, identity, timer.timestamp, payload, resolve, reject)
      parts.pipeline.submit(call)
    })
  }

  #call<T>(submit: (settle: Settle<T>) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#refuse()
      submit({ resolve, reject })
    })
  }

  #refuse(): void {
    const refused = this.#parts.refusal()
    if (refused !== undefined) throw refused
  }
}

/** A named set of timers, with its own schemas, handlers and watermark. */
export class TimerService<K = string, N = string, P = undefined> {
  readonly name: string
  readonly eventTime: TimerQueue<K, N, P>
  readonly processingTime: TimerQueue<K, N, P>
  readonly #parts: QueueParts
  readonly #state: ServiceState
  readonly #clock: Clock
  readonly #serviceFiring: ServiceFiring

  constructor(parts: QueueParts, state: ServiceState, clock: Clock, serviceFiring: ServiceFiring) {
    this.name = state.name
    this.#parts = parts
    this.#state = state
    this.#clock = clock
    this.#serviceFiring = serviceFiring
    this.eventTime = new TimerQueue(parts, state.eventTime)
    this.processingTime = new TimerQueue(parts, state.processingTime)
  }

  /** At first -(2^53-1). */
  get currentWatermark(): number {
    return this.#state.appliedWatermark
  }

  currentProcessingTime(): number {
    return this.#clock.now()
  }

  /**
   * Sets the watermark, durably, then fires every event-time timer at or below it, in order; resolves when all removals
   * are durable. A smaller one leaves it, and fires what is due at the standing one. Rejects with
   * TIDEMARK_HANDLER_FAILED when a handler throws: its timer, and those after it, fire at the next call.
   */
  async advanceWatermark(timestamp: number): Promise<{ fired: number }> {
    const refused = this.#parts.refusal()
    if (refused !== undefined) throw refused
    requireTimestamp(timestamp, 'the timestamp of a watermark')
    if (this.#serviceFiring.isCalledByHandler()) {
      throw invalidArgument('a handler cannot advance the watermark: it would wait for itself')
    }
    await new Promise<void>((resolve, reject) => {
      const service = this.#state
      // Minus zero is zero.
      this.#parts.pipeline.submit({
        kind: 'watermark',
        service,
        timestamp: timestamp + 0,
        settle: { resolve, reject },
      })
    })
    return { fired: await this.#serviceFiring.drainEventTime() }
  }
}
