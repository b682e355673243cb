/**
 * What a store must hold after it was killed, by the ledger alone: the calls took effect in their order, all that was
 * acknowledged is there, and of the rest as much as came before some moment.
 *
 * - Each line is applied as it is read: what was answered must be what the calls before it make of it; what was fired must
 *   have been there, and due.
 * - A change can be undone: after the kill the last ones are taken back, one by one, down to the first that was
 *   acknowledged, until what is left is what the store holds.
 */
import * as assert from 'uvu/assert'
import { type Content, Digest, NO_WATERMARK, nameOf } from './content.ts'
import type { Call, Change, Line, PlannedTimer, TimerName } from './ledger.ts'

interface Standing {
  timer: PlannedTimer
  /** Its place among all that were ever registered: first registered, first fired. */
  order: number
}

interface CallUnderWay {
  call: Call
  /** How many changes there were when it had taken effect. */
  end: number
  /** What it must answer; undefined: anything. */
  expected: unknown
  /** What had to fire before it is answered. */
  due: Standing[]
}

/** What came of the calls and fires that were not acknowledged. */
export interface Settled {
  callsDone: number
  callsLost: number
  firesDone: number
  firesLost: number
}

export class Model {
  nowMs = 0
  readonly #timers = new Map<string, Standing>()
  readonly #watermarks = new Map<string, number>()
  readonly #digest = new Digest()
  #orders = 0
  /** What takes back the changes of this life, each as a whole. */
  #undo: (() => void)[][] = []
  /** How many of them are known to be in the store. */
  #durable = 0
  #calls = new Map<number, CallUnderWay>()
  /** By the number of changes before: what fired. */
  #fires = new Set<number>()
  #firedAt = new Map<number, number>()
  #handling = new Map<string, number>()
  #threw = new Set<number>()
  #started = new Set<string>()
  #isClosing = false

  get size(): number {
    return this.#timers.size
  }

  /** The sum of what stands now. */
  get digest(): number {
    return this.#digest.sum
  }

  watermark(service: string): number {
    return this.#watermarks.get(service) ?? NO_WATERMARK
  }

  /** What is to fire when everything is due, in the order in which it is to. */
  firingOrder(service: string, domain: TimerName['domain']): PlannedTimer[] {
    return [...this.#timers.values()]
      .filter(({ timer }) => timer.service === service && timer.domain === domain)
      .sort((a, b) => a.timer.timestamp - b.timer.timestamp || a.order - b.order)
      .map(({ timer }) => timer)
  }

  beginLife(): void {
    this.#undo = []
    this.#durable = 0
    this.#calls = new Map()
    this.#fires = new Set()
    this.#firedAt = new Map()
    this.#closed()
  }

  read(line: Line): void {
    switch (line.is) {
      case 'called':
        this.#called(line.id, line.call)
        break
      case 'answered':
        this.#answered(line.id, line.answer)
        break
      case 'refused':
        this.#refused(line.id, line.code)
        break
      case 'handling':
        this.#handling.set(nameOf(line.timer), this.#dueNow(line.timer).order)
        break
      case 'handled':
        this.#handled(line.timer, line.changes)
        break
      case 'threw':
        this.#threw.add(this.#dueNow(line.timer).order)
        this.#handling.delete(nameOf(line.timer))
        break
      case 'wrong':
        assert.unreachable(line.message)
    }
  }

  /** Goes back to what the store holds; fails where that is none of the states that the ledger leaves open. */
  settle(found: Content, digest: number): Settled {
    const settled: Settled = { callsDone: 0, callsLost: 0, firesDone: 0, firesLost: 0 }
    const called = this.#undo.length
    while (this.#digest.sum !== digest && this.#undo.length > this.#durable) this.#takeBack()
    if (this.#digest.sum !== digest) this.#explain(found)
    assert.is(this.#timers.size, found.timers.size)
    for (const [name, { timer }] of this.#timers) assert.is(found.timers.get(name), timer.n, name)
    const kept = this.#undo.length
    for (const { call, end } of this.#calls.values()) {
      if (!isChange(call)) continue
      if (end <= kept) settled.callsDone++
      else settled.callsLost++
    }
    for (let change = this.#durable; change < called; change++) {
      if (!this.#fires.has(change)) continue
      if (change < kept) settled.firesDone++
      else settled.firesLost++
    }
    return settled
  }

  #explain(found: Content): never {
    const missing = [...this.#timers].filter(([name, { timer }]) => found.timers.get(name) !== timer.n)
    const extra = [...found.timers].filter(([name, n]) => this.#timers.get(name)?.timer.n !== n)
    const differs = [...this.#watermarks].filter(([service, w]) => found.watermarks.get(service) !== w)
    const tell = {
      missing: missing.map(([name]) => name),
      extra,
      watermarks: differs,
      found: found.watermarks,
    }
    assert.unreachable(
      `the store holds nothing that it went through since the last acknowledged call: ${JSON.stringify(tell)}`,
    )
    throw new Error('unreachable')
  }

  #closed(): void {
    this.#handling.clear()
    this.#threw.clear()
    this.#started.clear()
    this.#isClosing = false
  }

  // what is asked for

  #called(id: number, call: Call): void {
    const underWay: CallUnderWay = { call, end: 0, expected: undefined, due: [] }
    switch (call.kind) {
      case 'advanceWatermark': {
        const { service, watermark } = call
        this.#change(() => this.#setWatermark(service, watermark))
        underWay.due = this.#due(service, 'eventTime', this.watermark(service))
        break
      }
      case 'advanceClock':
        this.nowMs = Math.max(this.nowMs, call.nowMs)
        for (const service of this.#started)
          underWay.due.push(...this.#due(service, 'processingTime', this.nowMs))
        break
      case 'close':
        this.#isClosing = true
        break
      default:
        if (isChange(call)) underWay.expected = this.#apply(call)
    }
    underWay.end = this.#undo.length
    this.#calls.set(id, underWay)
  }

  #answered(id: number, answer: unknown): void {
    const { call, end, expected, due } = this.#calls.get(id)!
    this.#calls.delete(id)
    this.#durable = Math.max(this.#durable, end)
    if (call.kind === 'service') this.#started.add(call.service)
    if (call.kind === 'close') this.#closed()
    if (isChange(call)) assert.equal(answer, expected, JSON.stringify(call))
    if (call.kind !== 'advanceWatermark' && (call.kind !== 'advanceClock' || this.#isClosing)) return
    for (const { timer, order } of due) {
      const fired = this.#firedAt.get(order)
      if (fired !== undefined) this.#durable = Math.max(this.#durable, fired + 1)
      const stands = this.#timers.get(nameOf(timer))?.order === order && !this.#threw.has(order)
      assert.not(stands, `${JSON.stringify(timer)} did not fire: ${JSON.stringify(call)}`)
    }
  }

  /** What fired before a handler failed, and the watermark, stay; of others nothing is known. */
  #refused(id: number, code: string): void {
    const { call, end } = this.#calls.get(id)!
    this.#calls.delete(id)
    if (code === 'TIDEMARK_HANDLER_FAILED') this.#durable = Math.max(this.#durable, end)
    if (call.kind === 'service') this.#started.delete(call.service)
  }

  #apply(change: Change): unknown {
    switch (change.kind) {
      case 'register':
        return this.#change(() => this.#register(change.timer))
      case 'registerMany': {
        // In as many commits as it takes: the kill may come between two of them.
        let fresh = 0
        for (const timer of change.timers) if (this.#change(() => this.#register(timer))) fresh++
        return fresh
      }
      case 'delete':
        return this.#change(() => this.#remove(nameOf(change.timer)))
      case 'deleteAll':
        return this.#change(() => this.#removeAll(change.timer).length)
      case 'replace':
        return this.#change(() => {
          const { timer } = change
          const others = this.#removeAll(timer, nameOf(timer))
          this.#register(timer)
          return others.map(({ timestamp }) => timestamp).sort((a, b) => a - b)
        })
    }
  }

  // what fires

  #due(service: string, domain: TimerName['domain'], bound: number): Standing[] {
    const due: Standing[] = []
    for (const standing of this.#timers.values()) {
      const { timer } = standing
      if (timer.service === service && timer.domain === domain && timer.timestamp <= bound) due.push(standing)
    }
    return due
  }

  /** A timer that its handler is given stands, with this payload, and is due. */
  #dueNow(timer: PlannedTimer): Standing {
    const name = nameOf(timer)
    const standing = this.#timers.get(name)
    assert.ok(standing, `${name} fired, and was not there`)
    assert.is(timer.n, standing!.timer.n, `${name} fired with another payload`)
    const bound = timer.domain === 'eventTime' ? this.watermark(timer.service) : this.nowMs
    assert.ok(timer.timestamp <= bound, `${name} fired early, at ${bound}`)
    return standing!
  }

  #handled(timer: PlannedTimer, changes: readonly Change[]): void {
    const name = nameOf(timer)
    // One that took its time may have been deleted since.
    const order = this.#handling.get(name) ?? this.#dueNow(timer).order
    this.#handling.delete(name)
    this.#threw.delete(order)
    this.#fires.add(this.#undo.length)
    this.#firedAt.set(order, this.#undo.length)
    this.#change(() => {
      if (this.#timers.get(name)?.order === order) this.#remove(name)
      for (const change of changes) this.#applyInside(change)
    })
  }

  /** What a handler called is a part of its fire. */
  #applyInside(change: Change): void {
    const before = this.#undo.length
    this.#apply(change)
    const parts = this.#undo.splice(before)
    this.#unit!.push(...parts.flat())
  }

  // changes

  #unit: (() => void)[] | undefined

  #change<T>(make: () => T): T {
    const outer = this.#unit
    const unit: (() => void)[] = []
    this.#unit = unit
    try {
      return make()
    } finally {
      this.#undo.push(unit)
      this.#unit = outer
    }
  }

  #takeBack(): void {
    for (const undo of this.#undo.pop()!.reverse()) undo()
  }

  #register(timer: PlannedTimer): boolean {
    const name = nameOf(timer)
    const before = this.#timers.get(name)
    if (before?.timer.n !== timer.n) this.#set(name, { timer, order: before?.order ?? ++this.#orders })
    return before === undefined
  }

  #remove(name: string): boolean {
    if (!this.#timers.has(name)) return false
    this.#set(name, undefined)
    return true
  }

  #removeAll(
    { service, domain, key, namespace }: Omit<TimerName, 'namespace' | 'timestamp'> & { namespace?: string },
    except?: string,
  ): PlannedTimer[] {
    const removed: PlannedTimer[] = []
    for (const [name, { timer }] of [...this.#timers]) {
      if (timer.service !== service || timer.domain !== domain || timer.key !== key || name === except)
        continue
      if (namespace !== undefined && timer.namespace !== namespace) continue
      this.#remove(name)
      removed.push(timer)
    }
    return removed
  }

  #set(name: string, after: Standing | undefined): void {
    const before = this.#timers.get(name)
    this.#put(name, before, after)
    this.#unit!.push(() => this.#put(name, after, before))
  }

  #put(name: string, from: Standing | undefined, to: Standing | undefined): void {
    if (from !== undefined) this.#digest.timer(name, from.timer.n, -1)
    if (to === undefined) {
      this.#timers.delete(name)
      return
    }
    this.#digest.timer(name, to.timer.n, 1)
    this.#timers.set(name, to)
  }

  #setWatermark(service: string, watermark: number): void {
    const before = this.watermark(service)
    if (watermark <= before) return
    this.#putWatermark(service, before, watermark)
    this.#unit!.push(() => this.#putWatermark(service, watermark, before))
  }

  #putWatermark(service: string, from: number, to: number): void {
    this.#digest.watermark(service, from, -1)
    this.#digest.watermark(service, to, 1)
    this.#watermarks.set(service, to)
  }
}

function isChange(call: Call): call is Change {
  return ['register', 'registerMany', 'delete', 'deleteAll', 'replace'].includes(call.kind)
}
