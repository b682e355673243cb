/**
 * What a service should hold, kept outside of it: every call is folded in the order in which it was made, and what is not
 * known to be durable can be taken back, newest first, as a crash may.
 *
 * - Calls are made between turns only, so that every handler that has ended before has handed in its removal.
 * - A call that was answered makes durable what was called before it: what a crash leaves is a fold of all of that, and of
 *   some of the rest, from its beginning on.
 */
import type { TimeDomain } from '../../../src/timer/identity.ts'

/** A registered timer. Nothing of it changes but its last four fields: copies of a ledger share it. */
export interface Entry {
  readonly id: string
  readonly key: string
  readonly namespace: string
  readonly timestamp: number
  readonly payload: string
  /** First registered, first fired. */
  readonly order: number
  /** The change that made it. */
  readonly change: number
  /** When that was, in monotonic time. */
  readonly madeAtMs: number
  /** Runs of its handler that failed since the service was started. */
  failures: number
  /** Its handler failed, and it waits to be tried again. */
  isWaiting: boolean
  failedAtMs: number
  isRunning: boolean
}

export interface TimerName {
  key: string
  namespace: string
  timestamp: number
}

export function idOf({ key, namespace, timestamp }: TimerName): string {
  return `${key}\0${namespace}\0${timestamp}`
}

type Effect =
  | { queue: QueueLedger; id: string; before: Entry | undefined; after: Entry | undefined }
  | { watermarkBefore: number }

/** What takes effect wholly or not at all. */
interface Change {
  number: number
  turn: number
  effects: Effect[]
}

/** Everything that a cut holds of a service. */
export interface ServiceCut {
  watermark: number
  eventTime: ReadonlyMap<string, Entry>
  processingTime: ReadonlyMap<string, Entry>
  /** Removals of the turn in which it was cut: it may stand before the newest of them. */
  doubtful: readonly Change[]
}

export class QueueLedger {
  readonly domain: TimeDomain
  readonly timers = new Map<string, Entry>()
  /** Those of one key and namespace. */
  readonly #places = new Map<string, Set<string>>()
  /** By timestamp and order; entries that do not stand any more stay until their turn comes. */
  #heap: Entry[] = []

  constructor(domain: TimeDomain) {
    this.domain = domain
  }

  put(id: string, entry: Entry | undefined): void {
    const before = this.timers.get(id)
    if (entry === undefined) {
      this.timers.delete(id)
      if (before === undefined) return
      const place = placeOf(before)
      const ids = this.#places.get(place)!
      ids.delete(id)
      if (ids.size === 0) this.#places.delete(place)
      return
    }
    this.timers.set(id, entry)
    this.#push(entry)
    if (this.#heap.length > 1000 + 4 * this.timers.size) this.#forgetGone()
    if (before !== undefined) return
    const place = placeOf(entry)
    const ids = this.#places.get(place)
    if (ids === undefined) this.#places.set(place, new Set([id]))
    else ids.add(id)
  }

  /** Those of a key and namespace, by timestamp. */
  of(key: string, namespace: string): Entry[] {
    const ids = this.#places.get(placeOf({ key, namespace })) ?? []
    return Array.from(ids, (id) => this.timers.get(id)!).sort((a, b) => a.timestamp - b.timestamp)
  }

  /** The first in firing order for which `counts`, if it comes before `end`. */
  first(counts: (entry: Entry) => boolean, end?: Entry): Entry | undefined {
    const passed: Entry[] = []
    let found: Entry | undefined
    for (let head = this.#head(); head !== undefined && found === undefined; head = this.#head()) {
      if (end !== undefined && !isBefore(head, end)) break
      if (counts(head)) found = head
      else passed.push(this.#pop()!)
    }
    for (const entry of passed) this.#push(entry)
    return found
  }

  #forgetGone(): void {
    const standing = this.#heap.filter((entry) => this.timers.get(entry.id) === entry)
    this.#heap = []
    for (const entry of standing) this.#push(entry)
  }

  #head(): Entry | undefined {
    while (this.#heap.length > 0 && this.timers.get(this.#heap[0]!.id) !== this.#heap[0]) this.#pop()
    return this.#heap[0]
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  #pop(): Entry | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
}

export class ServiceLedger {
  readonly name: string
  readonly eventTime = new QueueLedger('eventTime')
  readonly processingTime = new QueueLedger('processingTime')
  watermark = -Number.MAX_SAFE_INTEGER
  /** Changes up to this one are durable. */
  durable = 0
  #last = 0
  #orders = 0
  /** Those that are not known to be durable, oldest first. */
  #open: Change[] = []
  #change: Change | undefined
  readonly #failed = new Set<Entry>()
  readonly #world: { turns: number; monoMs: number }

  constructor(name: string, world: { turns: number; monoMs: number }) {
    this.name = name
    this.#world = world
  }

  get timers(): number {
    return this.eventTime.timers.size + this.processingTime.timers.size
  }

  /** Those whose handler failed, and that stand and wait. */
  waiting(): Entry[] {
    for (const entry of this.#failed) {
      const standing = this.processingTime.timers.get(entry.id)
      if (standing !== entry || !entry.isWaiting) this.#failed.delete(entry)
    }
    return [...this.#failed]
  }

  /** A handler failed, and its timer waits to be tried again. */
  waits(entry: Entry): void {
    entry.isWaiting = true
    entry.failedAtMs = this.#world.monoMs
    this.#failed.add(entry)
  }

  /** Whether everything that was called is known to be durable. */
  get isSettled(): boolean {
    return this.#open.length === 0
  }

  /** Does all that `make` does as one change; returns what it returns, and the change's number. */
  together<T>(make: () => T): { answer: T; number: number } {
    const number = ++this.#last
    const change: Change = { number, turn: this.#world.turns, effects: [] }
    this.#change = change
    const answer = make()
    this.#change = undefined
    this.#open.push(change)
    return { answer, number }
  }

  register(queue: QueueLedger, name: TimerName, payload: string): boolean {
    const id = idOf(name)
    const before = queue.timers.get(id)
    if (before?.payload === payload) return false
    const { key, namespace, timestamp } = name
    const order = before?.order ?? ++this.#orders
    const failures = before?.failures ?? 0
    const change = this.#change!.number
    const isWaiting = before?.isWaiting ?? false
    this.#put(queue, id, {
      ...{ id, key, namespace, timestamp, payload, order, change },
      ...{
        madeAtMs: this.#world.monoMs,
        failures,
        isWaiting,
        failedAtMs: this.#world.monoMs,
        isRunning: false,
      },
    })
    return before === undefined
  }

  delete(queue: QueueLedger, id: string): boolean {
    const isThere = queue.timers.has(id)
    if (isThere) this.#put(queue, id, undefined)
    return isThere
  }

  replace(queue: QueueLedger, name: TimerName, payload: string): number[] {
    const others = queue.of(name.key, name.namespace).filter(({ timestamp }) => timestamp !== name.timestamp)
    for (const { id } of others) this.#put(queue, id, undefined)
    this.register(queue, name, payload)
    return others.map(({ timestamp }) => timestamp)
  }

  advance(timestamp: number): void {
    if (timestamp <= this.watermark) return
    this.#change!.effects.push({ watermarkBefore: this.watermark })
    this.watermark = timestamp
  }

  /** A call was answered: it is durable, and what was called before it. */
  answered(number: number): void {
    if (number <= this.durable) return
    this.durable = number
    let first = 0
    while (first < this.#open.length && this.#open[first]!.number <= number) first++
    this.#open.splice(0, first)
  }

  /** Everything that was called so far is durable. */
  settled(): void {
    this.answered(this.#last)
  }

  cut(): ServiceCut {
    const turn = this.#world.turns
    const doubtful = this.#open.filter((change) => change.turn === turn)
    const { watermark, eventTime, processingTime } = this
    return {
      watermark,
      eventTime: new Map(eventTime.timers),
      processingTime: new Map(processingTime.timers),
      doubtful,
    }
  }

  /** Takes back the newest change that is not known to be durable; false: there is none. */
  takeBack(): boolean {
    const change = this.#open.pop()
    if (change === undefined) return false
    for (const effect of change.effects.toReversed()) {
      if ('queue' in effect) effect.queue.put(effect.id, effect.before)
      else this.watermark = effect.watermarkBefore
    }
    return true
  }

  /** Puts what a cut holds in the place of everything. */
  become(cut: ServiceCut): void {
    this.#open = []
    this.watermark = cut.watermark
    for (const queue of [this.eventTime, this.processingTime]) {
      for (const id of [...queue.timers.keys()]) queue.put(id, undefined)
      for (const [id, entry] of cut[queue.domain]) queue.put(id, { ...entry })
    }
    this.#open = [...cut.doubtful]
  }

  /** The process is gone, and with it what it knew of failures. */
  forgetRuns(): void {
    for (const queue of [this.eventTime, this.processingTime]) {
      for (const entry of queue.timers.values()) {
        entry.failures = 0
        entry.isWaiting = false
        entry.isRunning = false
      }
    }
  }

  #put(queue: QueueLedger, id: string, after: Entry | undefined): void {
    const before = queue.timers.get(id)
    this.#change!.effects.push({ queue, id, before, after })
    queue.put(id, after)
  }
}

export function isBefore(a: Entry, b: Entry): boolean {
  return a.timestamp < b.timestamp || (a.timestamp === b.timestamp && a.order < b.order)
}

function placeOf({ key, namespace }: Pick<TimerName, 'key' | 'namespace'>): string {
  return `${key}\0${namespace}`
}
