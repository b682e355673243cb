/**
 * Calls as they wait in the commit pipeline, in the order in which they were made.
 *
 * - Everything in a call is validated and encoded: from here on nothing is refused for its form.
 * - `answer` is set when the call is decided, and told when its commit is durable.
 */
import type { StoredTimer } from '../timer/stored.ts'
import type { QueueState, ServiceState, StoreState } from './state.ts'

/** Tells a call's outcome to whoever made it. */
export interface Settle<T> {
  resolve(answer: T): void
  reject(error: unknown): void
}

/** register, delete and has: one timer, a yes or no. */
export interface TimerCall {
  readonly kind: 'register' | 'delete' | 'has'
  readonly queue: QueueState
  readonly identity: string
  readonly timestamp: number
  readonly payload: string
  readonly settle: Settle<boolean> | undefined
  answer: boolean
}

/** A timer's call as users make it: it settles their promise itself, one object less for each call. */
export class UserTimerCall implements TimerCall, Settle<boolean> {
  readonly kind: TimerCall['kind']
  readonly queue: QueueState
  readonly identity: string
  readonly timestamp: number
  readonly payload: string
  readonly resolve: (answer: boolean) => void
  readonly reject: (error: unknown) => void
  answer = false

  constructor(
    kind: TimerCall['kind'],
    queue: QueueState,
    identity: string,
    timestamp: number,
    payload: string,
    resolve: (answer: boolean) => void,
    reject: (error: unknown) => void,
  ) {
    this.kind = kind
    this.queue = queue
    this.identity = identity
    this.timestamp = timestamp
    this.payload = payload
    this.resolve = resolve
    this.reject = reject
  }

  get settle(): Settle<boolean> {
    return this
  }
}

/** registerMany: as many commits as it takes, nothing in between. */
export interface RegisterManyCall {
  readonly kind: 'registerMany'
  readonly queue: QueueState
  readonly identities: readonly string[]
  readonly timestamps: readonly number[]
  readonly payloads: readonly string[]
  readonly settle: Settle<number> | undefined
  /** Timers decided so far. */
  done: number
  answer: number
}

/** deleteAll: every timer behind a prefix, in as many commits as it takes. */
export interface DeleteAllCall {
  readonly kind: 'deleteAll'
  readonly queue: QueueState
  /** Key, or key and namespace. */
  readonly prefix: string
  readonly settle: Settle<number> | undefined
  /** Whether reading told that it has more timers than may share a commit with other calls. */
  isLarge: boolean
  /** The identity up to which it is done. */
  position: string | undefined
  answer: number
}

export function deleteAllCall(
  queue: QueueState,
  prefix: string,
  settle: Settle<number> | undefined,
): DeleteAllCall {
  return { kind: 'deleteAll', queue, prefix, settle, isLarge: false, position: undefined, answer: 0 }
}

/** Settles once for some calls, with the sum of their answers. */
export class SumSettle implements Settle<number> {
  readonly #settle: Settle<number>
  #left: number
  #sum = 0

  constructor(calls: number, settle: Settle<number>) {
    this.#left = calls
    this.#settle = settle
  }

  resolve(answer: number): void {
    this.#sum += answer
    if (--this.#left === 0) this.#settle.resolve(this.#sum)
  }

  reject(error: unknown): void {
    this.#settle.reject(error)
  }
}

/** replace: the other timers of a key and namespace go, this one stands, in one commit. */
export interface ReplaceCall {
  readonly kind: 'replace'
  readonly queue: QueueState
  readonly prefix: string
  readonly identity: string
  readonly timestamp: number
  readonly payload: string
  readonly settle: Settle<number[]> | undefined
  /** Whether reading told that it has more timers than may share a commit with other calls. */
  isLarge: boolean
  answer: number[]
}

/** What a replace does, but for who made it. */
type Replacement = Pick<ReplaceCall, 'queue' | 'prefix' | 'identity' | 'timestamp' | 'payload'>

export function replaceCall(
  { queue, prefix, identity, timestamp, payload }: Replacement,
  settle: ReplaceCall['settle'],
): ReplaceCall {
  return { kind: 'replace', queue, prefix, identity, timestamp, payload, settle, isLarge: false, answer: [] }
}

export interface WatermarkCall {
  readonly kind: 'watermark'
  readonly service: ServiceState
  readonly timestamp: number
  readonly settle: Settle<void>
}

/** A service that is not stored yet, or whose schemas are to be others. */
export interface ServiceCall {
  readonly kind: 'service'
  readonly name: string
  readonly schemas: string
  readonly settle: Settle<ServiceState>
  answer: ServiceState | undefined
}

/** The name and the watermark of a service without timers go to another one, or to none; its number is free then. */
export interface HandOverCall {
  readonly kind: 'handOver'
  readonly from: ServiceState
  readonly to: ServiceState | undefined
  readonly settle: Settle<void>
}

/** Calls that take effect in one commit. */
export interface StepCall {
  readonly kind: 'step'
  readonly calls: readonly TimerCall[]
  readonly settle: Settle<void>
}

/** What a handler may call through its context. */
export type ContextCall = TimerCall | RegisterManyCall | DeleteAllCall | ReplaceCall

/** The removal of a fired timer, and what its handler called. */
export interface FireCall {
  readonly kind: 'fire'
  readonly queue: QueueState
  readonly identity: string
  readonly timestamp: number
  /** The key of its `due` entry, where it was read. */
  readonly dueKey: string | undefined
  /** The timer that the handler was given. */
  readonly fired: StoredTimer
  /** Whether something changed this timer since it was read. */
  isStale(): boolean
  readonly calls: readonly ContextCall[]
  readonly settle: Settle<void>
  /** Set when it is decided: whether the timer was still the one that fired, and went. */
  removed: boolean
}

/** A snapshot's place in the order of calls. */
export interface CutCall {
  readonly kind: 'cut'
  /** Called between two commits, synchronously; the cut stands once the commit before it is durable. */
  readonly take: (state: StoreState) => void
  readonly settle: Settle<void>
}

/** Entries that nobody needs: retired ones, or orphans of the `due` space. */
export interface PurgeCall {
  readonly kind: 'purge'
  readonly keys: readonly string[]
  /** How many of them are retired timers. */
  readonly retired: number
  readonly settle: Settle<void>
}

/** Log entries that nobody holds any more. */
export interface TrimCall {
  readonly kind: 'trim'
  readonly keys: readonly string[]
  /** The version behind them. */
  readonly before: number
  /** How long they are together. */
  readonly characters: number
  readonly settle: Settle<boolean>
  /** Set when it is decided: whether they went, and none of them had been held meanwhile. */
  done: boolean
}

/** A read that has its place among the calls: nothing is under way while it runs. */
export interface ReadCall {
  readonly kind: 'read'
  run(): Promise<void>
  readonly settle: Settle<void>
}

/** Asks the commit that it is in to spill a slice of what is recent. */
export interface SpillCall {
  readonly kind: 'spill'
  readonly settle: Settle<void>
}

/** Resolves when every call before it is durable. */
export interface BarrierCall {
  readonly kind: 'barrier'
  readonly settle: Settle<void>
}

export type Call =
  | ContextCall
  | WatermarkCall
  | ServiceCall
  | HandOverCall
  | StepCall
  | FireCall
  | CutCall
  | ReadCall
  | PurgeCall
  | TrimCall
  | SpillCall
  | BarrierCall

/** A call about all timers of a key. */
export type RangeCall = DeleteAllCall | ReplaceCall

export function isRangeCall(call: Call): call is RangeCall {
  return call.kind === 'deleteAll' || call.kind === 'replace'
}

/** Whether deciding a call needs a long range of the `timers` space, which is read when nothing is under way. */
export function needsLongRange(call: Call): boolean {
  if (isRangeCall(call)) return call.isLarge
  return call.kind === 'fire' && call.calls.length > 0 && call.calls.some(needsLongRange)
}

/** Tells a call's answer. */
export function answerCall(call: Call): void {
  switch (call.kind) {
    case 'register':
    case 'delete':
    case 'has':
      call.settle?.resolve(call.answer)
      break
    case 'registerMany':
    case 'deleteAll':
      call.settle?.resolve(call.answer)
      break
    case 'replace':
      call.settle?.resolve(call.answer)
      break
    case 'service':
      call.settle.resolve(call.answer!)
      break
    case 'trim':
      call.settle.resolve(call.done)
      break
    default:
      call.settle.resolve()
  }
}
