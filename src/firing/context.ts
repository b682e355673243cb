/**
 * A handler's context: what it registers and deletes is recorded, and handed to the commit that removes its timer.
 *
 * - An answer is what stands at the moment of the call: the store, the calls under way, and what this handler called
 *   before; its own timer counts as gone.
 * - When the handler has settled, or the store is closed or has failed, the context takes no more calls.
 */

import type { Engine, Entry, ScanRange } from '../engine/engine.ts'
import { invalidArgument, readFailure, type TidemarkError } from '../errors.ts'
import { MAX_ATOMIC_EVENTS, SCAN_CHUNK_ENTRIES } from '../limits.ts'
import { type ContextCall, deleteAllCall } from '../log/calls.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import { prefixEnd } from '../log/reads.ts'
import type { QueueState, ServiceState } from '../log/state.ts'
import type { TimerCodec } from '../timer/codec.ts'
import { identityTimestamp } from '../timer/identity.ts'
import type { ContextQueue, HandlerContext, KeySelection, TimerId, TimerInput } from './handler.ts'
import { type Effects, Recording } from './recording.ts'

export interface ContextParts {
  engine: Engine
  pipeline: CommitPipeline
  service: ServiceState
  codec: TimerCodec
  signal: AbortSignal
}

export class RunContext implements HandlerContext {
  readonly attempt: number
  readonly lateByMs: number
  readonly #parts: ContextParts
  readonly #fired: string
  #recording: Recording | undefined
  #eventTime: RecordingQueue | undefined
  #processingTime: RecordingQueue | undefined
  #settled = false

  constructor(parts: ContextParts, fired: string, attempt: number, lateByMs: number) {
    this.#parts = parts
    this.#fired = fired
    this.attempt = attempt
    this.lateByMs = lateByMs
  }

  get signal(): AbortSignal {
    return this.#parts.signal
  }

  get eventTime(): ContextQueue {
    this.#eventTime ??= new RecordingQueue(this.#parts, this.#parts.service.eventTime, this.#record())
    return this.#eventTime
  }

  get processingTime(): ContextQueue {
    this.#processingTime ??= new RecordingQueue(
      this.#parts,
      this.#parts.service.processingTime,
      this.#record(),
    )
    return this.#processingTime
  }

  /** Ends the recording; undefined where nothing was called. */
  settle(): Recording | undefined {
    this.#settled = true
    if (this.#recording !== undefined) this.#recording.closed = true
    return this.#recording
  }

  /** Why what was recorded cannot be committed, if so. */
  get refusal(): TidemarkError | undefined {
    return this.#recording?.refusal
  }

  #record(): Recording {
    this.#recording ??= new Recording(this.#fired)
    if (this.#settled) this.#recording.closed = true
    return this.#recording
  }
}

class RecordingQueue implements ContextQueue {
  readonly #parts: ContextParts
  readonly #queue: QueueState
  readonly #recording: Recording

  constructor(parts: ContextParts, queue: QueueState, recording: Recording) {
    this.#parts = parts
    this.#queue = queue
    this.#recording = recording
  }

  async register(timer: TimerInput): Promise<boolean> {
    this.#check(1)
    return this.#register(timer)
  }

  async registerMany(timers: Iterable<TimerInput>): Promise<number> {
    const all = [...timers]
    // Refused as a whole, before any is recorded.
    for (const timer of all) {
      this.#parts.codec.identity(this.#queue.prefix, timer)
      this.#parts.codec.payload(timer.payload)
    }
    this.#check(all.length)
    let fresh = 0
    for (const timer of all) if (this.#register(timer)) fresh++
    return fresh
  }

  async delete(timer: TimerId): Promise<boolean> {
    this.#check(1)
    const identity = this.#parts.codec.identity(this.#queue.prefix, timer)
    const wasThere = this.#isThere(identity)
    this.#recording.calls.push(this.#timerCall('delete', identity, timer.timestamp, ''))
    this.#recording.touch(identity, false)
    return wasThere
  }

  async has(timer: TimerId): Promise<boolean> {
    this.#check(0)
    return this.#isThere(this.#parts.codec.identity(this.#queue.prefix, timer))
  }

  async deleteAll(selection: KeySelection): Promise<number> {
    this.#check(0)
    const prefix = this.#parts.codec.prefix(this.#queue.prefix, selection?.key, selection?.namespace)
    const before = this.#recording.freeze()
    this.#recording.calls.push(deleteAllCall(this.#queue, prefix, undefined))
    this.#recording.clear(prefix)
    const there = await this.#identitiesIn(prefix, before)
    this.#recording.count(there.length)
    return there.length
  }

  async replace(timer: TimerInput): Promise<number[]> {
    this.#check(0)
    const { codec } = this.#parts
    const queue = this.#queue
    const identity = codec.identity(queue.prefix, timer)
    const payload = codec.payload(timer.payload)
    const prefix = codec.prefix(queue.prefix, timer.key, timer.namespace ?? '')
    const before = this.#recording.freeze()
    const { timestamp } = timer
    this.#recording.calls.push({
      kind: 'replace',
      isLarge: false,
      queue,
      prefix,
      identity,
      timestamp,
      payload,
      settle: undefined,
      answer: [],
    })
    this.#recording.clear(prefix)
    this.#recording.touch(identity, true)
    this.#recording.noteEarliest(queue, timestamp)
    const others = (await this.#identitiesIn(prefix, before)).filter((other) => other !== identity)
    this.#recording.count(others.length + 1)
    return others.map((other) => identityTimestamp(other)).sort((a, b) => a - b)
  }

  #register(timer: TimerInput): boolean {
    const identity = this.#parts.codec.identity(this.#queue.prefix, timer)
    const payload = this.#parts.codec.payload(timer.payload)
    const isNew = !this.#isThere(identity)
    this.#recording.calls.push(this.#timerCall('register', identity, timer.timestamp, payload))
    this.#recording.touch(identity, true)
    this.#recording.noteEarliest(this.#queue, timer.timestamp)
    return isNew
  }

  #timerCall(kind: 'register' | 'delete', identity: string, timestamp: number, payload: string): ContextCall {
    return { kind, queue: this.#queue, identity, timestamp, payload, settle: undefined, answer: false }
  }

  #check(events: number): void {
    if (this.#recording.closed) {
      throw invalidArgument(
        'the handler of this context has settled, and its commit is made: await every call of a context',
      )
    }
    const { failure } = this.#parts.pipeline
    if (failure !== undefined) throw failure
    this.#recording.count(events)
  }

  #isThere(identity: string): boolean {
    const own = this.#recording.effectOn(identity)
    if (own !== undefined) return own
    const undecided = this.#parts.pipeline.standings.undecided(identity)
    if (undecided !== undefined) return undecided
    try {
      return this.#parts.pipeline.standings.now(identity) !== undefined
    } catch (error) {
      throw readFailure(error)
    }
  }

  async #read(range: ScanRange): Promise<Entry[]> {
    try {
      return await this.#parts.engine.scan(range).read()
    } catch (error) {
      throw readFailure(error)
    }
  }

  /** The identities behind a prefix that were there after this handler's calls so far. */
  async #identitiesIn(prefix: string, effects: Effects): Promise<string[]> {
    const there = effects.thereBehind(prefix)
    const own = new Set(there)
    for (const identity of (await this.#identitiesNow(prefix)) ?? (await this.#readAll(prefix))) {
      if (!own.has(identity) && effects.of(identity) !== false) there.push(identity)
    }
    return there
  }

  async #identitiesNow(prefix: string): Promise<string[] | undefined> {
    try {
      return await this.#parts.pipeline.standings.behind(this.#queue, prefix)
    } catch (error) {
      throw readFailure(error)
    }
  }

  /** Where there are many, the key spaces alone tell them, once everything is there; a few more than a step may have. */
  async #readAll(prefix: string): Promise<string[]> {
    await this.#parts.pipeline.spill()
    const found: string[] = []
    for (let after = prefix; ; after = found.at(-1)!) {
      const entries = await this.#read({ after, to: prefixEnd(prefix), limit: SCAN_CHUNK_ENTRIES })
      for (const [identity] of entries) found.push(identity)
      if (entries.length < SCAN_CHUNK_ENTRIES || found.length > 2 * MAX_ATOMIC_EVENTS) return found
    }
  }
}
