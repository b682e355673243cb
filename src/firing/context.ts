/**
 * A handler's context: what it registers and deletes is recorded, and handed to the commit that removes its timer.
 *
 * - An answer is what stands at the moment of the call: the store, the calls under way, and what this handler called
 *   before; its own timer counts as gone.
 * - When the handler has settled, or the store is closed or has failed, the context takes no more calls.
 */

import type { Engine, Entry, ScanRange } from '../engine/engine.ts'
import { invalidArgument, readFailure } from '../errors.ts'
import { MAX_ATOMIC_EVENTS, SCAN_CHUNK_ENTRIES } from '../limits.ts'
import { deleteAllCall, replaceCall, type TimerCall } from '../log/calls.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import { prefixEnd } from '../log/reads.ts'
import type { QueueState, ServiceState } from '../log/state.ts'
import type { TimerCodec } from '../timer/codec.ts'
import { identityTimestamp, namespacePart } from '../timer/identity.ts'
import type { ContextQueue, HandlerContext, KeySelection, TimerId, TimerInput } from './handler.ts'
import type { OwnBehind } from './owneffects.ts'
import { Recording } from './recording.ts'

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

  register(timer: TimerInput): Promise<boolean> {
    return this.#answer(() => {
      this.#check()
      const identity = this.#parts.codec.identity(this.#queue.prefix, timer)
      const payload = this.#parts.codec.payload(timer.payload)
      this.#recording.count(1, payload.length)
      return this.#register(identity, timer.timestamp, payload)
    })
  }

  registerMany(timers: Iterable<TimerInput>): Promise<number> {
    return this.#answer(() => {
      this.#check()
      const all: [identity: string, timestamp: number, payload: string][] = []
      let characters = 0
      // Refused as a whole, before any is recorded.
      for (const timer of timers) {
        const identity = this.#parts.codec.identity(this.#queue.prefix, timer)
        const payload = this.#parts.codec.payload(timer.payload)
        all.push([identity, timer.timestamp, payload])
        characters += payload.length
      }
      this.#recording.count(all.length, characters)
      let fresh = 0
      for (const each of all) if (this.#register(...each)) fresh++
      return fresh
    })
  }

  delete(timer: TimerId): Promise<boolean> {
    return this.#answer(() => {
      this.#check()
      const identity = this.#parts.codec.identity(this.#queue.prefix, timer)
      this.#recording.count(1)
      const wasThere = this.#isThere(identity)
      this.#recording.timer(this.#timerCall('delete', identity, timer.timestamp, ''))
      return wasThere
    })
  }

  has(timer: TimerId): Promise<boolean> {
    return this.#answer(() => {
      this.#check()
      return this.#isThere(this.#parts.codec.identity(this.#queue.prefix, timer))
    })
  }

  deleteAll(selection: KeySelection): Promise<number> {
    return this.#answer(() => {
      this.#check()
      const prefix = this.#parts.codec.prefix(this.#queue.prefix, selection?.key, selection?.namespace)
      const before = this.#recording.range(deleteAllCall(this.#queue, prefix, undefined))
      return this.#recording.answering(this.#deleted(prefix, before))
    })
  }

  replace(timer: TimerInput): Promise<number[]> {
    return this.#answer(() => {
      this.#check()
      const { codec } = this.#parts
      const queue = this.#queue
      const identity = codec.identity(queue.prefix, timer)
      const payload = codec.payload(timer.payload)
      const prefix = namespacePart(identity)
      const { timestamp } = timer
      this.#recording.count(0, payload.length)
      const replacement = { queue, prefix, identity, timestamp, payload }
      const before = this.#recording.range(replaceCall(replacement, undefined))
      return this.#recording.answering(this.#replaced(prefix, identity, before))
    })
  }

  /** Makes a call. One that is too much for a step fails its handler: that nobody awaits it ends no process. */
  #answer<T>(call: () => T | Promise<T>): Promise<T> {
    try {
      return Promise.resolve(call())
    } catch (error) {
      const refused = Promise.reject(error)
      if (error === this.#recording.refusal) refused.catch(() => {})
      return refused
    }
  }

  async #deleted(prefix: string, before: OwnBehind): Promise<number> {
    const there = await this.#identitiesIn(prefix, before)
    this.#recording.count(there.length)
    return there.length
  }

  async #replaced(prefix: string, identity: string, before: OwnBehind): Promise<number[]> {
    const others = (await this.#identitiesIn(prefix, before)).filter((other) => other !== identity)
    this.#recording.count(others.length + 1)
    return others.map((other) => identityTimestamp(other)).sort((a, b) => a - b)
  }

  #register(identity: string, timestamp: number, payload: string): boolean {
    const isNew = !this.#isThere(identity)
    this.#recording.timer(this.#timerCall('register', identity, timestamp, payload))
    return isNew
  }

  #timerCall(kind: 'register' | 'delete', identity: string, timestamp: number, payload: string): TimerCall {
    return { kind, queue: this.#queue, identity, timestamp, payload, settle: undefined, answer: false }
  }

  #check(): void {
    if (this.#recording.closed) {
      throw invalidArgument(
        'the handler of this context has settled, and its commit is made: await every call of a context',
      )
    }
    const { failure } = this.#parts.pipeline
    if (failure !== undefined) throw failure
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

  /** The identities behind a prefix that were there after this handler's calls before. */
  async #identitiesIn(prefix: string, { there, isCleared, has }: OwnBehind): Promise<string[]> {
    // What others registered since counts as called before this handler's calls: it went with the rest.
    if (isCleared) return there
    for (const identity of (await this.#identitiesNow(prefix)) ?? (await this.#readAll(prefix)))
      if (!has(identity)) there.push(identity)
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
