/**
 * The calls that are not decided yet, in order: those that wait, and before them those that a commit has taken.
 *
 * - A commit takes calls from the front until it is full, or has half of those that wait; it stops before a snapshot's cut
 *   or a read. How many timers a deleteAll or replace finds shows only when they are read: then what is too much for one
 *   commit is given back. So that this is little, each counts as many as the last ones found.
 * - One that finds many is read when nothing is under way; it begins a commit, and a deleteAll ends it, too.
 * - A call that one commit cannot hold (registerMany, deleteAll) stays at the front until its last slice.
 * - What the undecided calls will make of a timer is indexed only when somebody asks, each call once.
 */
import { MAX_COMMIT_CHARACTERS, MAX_COMMIT_EVENTS } from '../limits.ts'
import { CallEffects, type Undecided } from './calleffects.ts'
import { type Call, type CutCall, isRangeCall, needsLongRange, type ReadCall } from './calls.ts'

/** What a commit takes. */
export interface Taken {
  calls: Call[]
  /** The last call, when it may go on in the next commit. */
  last: (Call & { kind: 'registerMany' | 'deleteAll' }) | undefined
  /** Whether it does: known at once for a registerMany, and for a deleteAll after reading. */
  goesOn: boolean
  /** Index behind the last timer of a registerMany to decide. */
  registerManyEnd: number | undefined
  /** Timers that a deleteAll or replace found when they were read, on the average. */
  timersPerRange?: number
}

const COMPACT_ABOVE = 4096
/** In the place of a call that is decided: what it holds, which may be much, is free before the queue is compacted. */
const DECIDED: Call = { kind: 'barrier', settle: { resolve: () => {}, reject: () => {} } }

export class CallQueue {
  #items: Call[] = []
  /** Sequence number of the first item. */
  #base = 0
  /** Index of the first call that is not taken, and of the first that is not decided. */
  #next = 0
  #undecided = 0
  readonly #effects = new CallEffects()
  /** Undecided calls other than plain removals of fired timers. */
  #others = 0
  /** Timers that the last calls about a key found, on the average; at least 1. */
  #timersPerRange = 1

  /** Calls that no commit has taken. */
  get waiting(): number {
    return this.#items.length - this.#next
  }

  push(call: Call): void {
    if (!isPlainRemoval(call)) this.#others++
    this.#items.push(call)
  }

  /** A snapshot's cut, if one is at the front. */
  takeCut(): CutCall | undefined {
    const call = this.#items[this.#next]
    return call?.kind === 'cut' ? this.#takeFront(call) : undefined
  }

  /** A read that wants to be alone, if one is at the front. */
  takeRead(): ReadCall | undefined {
    const call = this.#items[this.#next]
    return call?.kind === 'read' ? this.#takeFront(call) : undefined
  }

  #takeFront<T extends Call>(call: T): T {
    this.#next++
    this.#undecided = this.#next
    this.#others--
    this.#compact()
    return call
  }

  /**
   * The calls of the next commit. `alone`: nothing is under way, so ranges of the store can be read. `parted`: half of
   * those that wait.
   */
  take(alone: boolean, parted = false): Taken {
    const taken: Taken = {
      calls: [],
      last: undefined,
      goesOn: false,
      registerManyEnd: undefined,
    }
    let events = 0
    let characters = 0
    const end = parted ? this.#next + Math.ceil(this.waiting / 2) : this.#items.length
    while (this.#next < end && events < MAX_COMMIT_EVENTS && characters < MAX_COMMIT_CHARACTERS) {
      const call = this.#items[this.#next]!
      if (call.kind === 'cut' || call.kind === 'read') break
      const isLarge = needsLongRange(call)
      if (isLarge && (!alone || taken.calls.length > 0)) break
      taken.calls.push(call)
      if (call.kind === 'registerMany') {
        let done = call.done
        while (
          done < call.identities.length &&
          events < MAX_COMMIT_EVENTS &&
          characters < MAX_COMMIT_CHARACTERS
        ) {
          characters += call.payloads[done]!.length
          events++
          done++
        }
        taken.registerManyEnd = done
        taken.last = call
        taken.goesOn = done < call.identities.length
        break
      }
      if (isLarge && call.kind === 'deleteAll') {
        taken.last = call
        break
      }
      this.#next++
      events += this.#eventsOf(call)
      if (call.kind === 'register' || call.kind === 'replace') characters += call.payload.length
    }
    return taken
  }

  /** About how many events a call comes to. */
  #eventsOf(call: Call): number {
    if (isRangeCall(call)) return this.#timersPerRange
    if (call.kind === 'step') return 1 + call.calls.length
    if (call.kind !== 'fire') return 1
    let events = 1
    for (const made of call.calls) events += isRangeCall(made) ? this.#timersPerRange : 1
    return events
  }

  /** Gives back what was taken from the index `end` on, now that all was read: the next commit takes it again. */
  giveBack(taken: Taken, end: number): void {
    if (taken.timersPerRange !== undefined) this.#timersPerRange = Math.max(taken.timersPerRange, 1)
    const given = taken.calls.length - end
    if (given === 0) return
    // A call that may go on was never passed.
    this.#next -= taken.last === undefined ? given : given - 1
    taken.calls.length = end
    taken.last = undefined
    taken.goesOn = false
    taken.registerManyEnd = undefined
  }

  /** Notes that what was taken is decided. */
  decided(taken: Taken): void {
    if (taken.last !== undefined && !taken.goesOn) this.#next++
    for (const call of taken.calls) if (!isPlainRemoval(call)) this.#others--
    if (taken.goesOn) this.#others++
    this.#items.fill(DECIDED, this.#undecided, this.#next)
    this.#undecided = this.#next
    this.#compact()
  }

  /** Empties the queue. */
  takeAll(): Call[] {
    const calls = this.#items.slice(this.#undecided)
    this.#items = []
    this.#next = 0
    this.#undecided = 0
    this.#others = 0
    return calls
  }

  /** Whether an undecided call touches a timer that is not fired yet. */
  touches(identity: string): boolean {
    // Removals of fired timers touch no other: in a plain drain nothing needs an index.
    return this.#others > 0 && this.effectOn(identity) !== undefined
  }

  /** Whether the undecided calls leave a timer there; undefined where none of them touches it. */
  effectOn(identity: string): boolean | undefined {
    if (this.#undecided === this.#items.length) return undefined
    return this.#effects.on(identity, this.#indexed())
  }

  /** Whether an undecided call removes the timer that stands, though another may register it anew. */
  removes(identity: string): boolean {
    return this.#effects.removes(identity, this.#indexed())
  }

  /** What the undecided calls leave of the timers behind a prefix (a key, or a key and namespace), as of now. */
  effectsBehind(prefix: string): Undecided {
    return this.#effects.behind(prefix, this.#indexed())
  }

  /** The sequence number of the first undecided call, once all of them are indexed. */
  #indexed(): number {
    const first = this.#base + this.#undecided
    this.#effects.index(this.#items, this.#base, first)
    return first
  }

  #compact(): void {
    const left = this.#items.length - this.#undecided
    // A long queue is copied a few times, however long it is.
    if (left > 0 && (this.#undecided < COMPACT_ABOVE || this.#undecided < left)) return
    this.#base += this.#undecided
    this.#items = this.#undecided === this.#items.length ? [] : this.#items.slice(this.#undecided)
    this.#next -= this.#undecided
    this.#undecided = 0
    if (this.#items.length === 0) this.#effects.forget()
  }
}

function isPlainRemoval(call: Call): boolean {
  return call.kind === 'fire' && call.calls.length === 0
}
