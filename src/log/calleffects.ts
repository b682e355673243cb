/**
 * What the calls that are not decided yet make of timers, by the order in which they were made.
 *
 * - Indexed when it is asked for, and no sooner: mostly nobody asks.
 * - A call has a sequence number; what one call does in several steps has its places up to the next call's.
 */
import { keyPart } from '../timer/identity.ts'
import type { Call } from './calls.ts'

interface Effect {
  sequence: number
  there: boolean
}

/** What undecided calls leave of the timers behind a prefix, as it was at one moment. */
export interface Undecided {
  /** Those that they name. */
  readonly identities: Iterable<string>
  /** There, or not; undefined: no call touches it. */
  of(identity: string): boolean | undefined
}

const MAX_INDEXED_EFFECTS = 100_000

export class CallEffects {
  readonly #effects = new Map<string, Effect>()
  /** The last call that removes everything behind a prefix. */
  readonly #ranges = new Map<string, number>()
  /** The identities and the prefixes of both, by the key that they are about; made when it is first asked for. */
  #namesByKey: Map<string, Set<string>> | undefined
  #indexedTo = 0
  /** Above this many effects those of decided calls are forgotten. */
  #maxEffects = MAX_INDEXED_EFFECTS

  /** Indexes the calls from the sequence number `first` on; the first of `calls` has the number `base`. */
  index(calls: readonly Call[], base: number, first: number): void {
    const isFull = this.#size > this.#maxEffects
    if (isFull) {
      this.forget()
      this.#indexedTo = 0
    }
    const start = Math.max(first, this.#indexedTo) - base
    for (let i = start; i < calls.length; i++) this.#indexCall(calls[i]!, base + i, 1)
    this.#indexedTo = base + calls.length
    // Where that many wait, forgetting what is decided makes room again only after as many more.
    if (isFull) this.#maxEffects = Math.max(MAX_INDEXED_EFFECTS, 2 * this.#size)
  }

  get #size(): number {
    return this.#effects.size + this.#ranges.size
  }

  forget(): void {
    if (this.#size === 0) return
    this.#maxEffects = MAX_INDEXED_EFFECTS
    this.#effects.clear()
    this.#ranges.clear()
    this.#namesByKey = undefined
  }

  /** Whether the calls from `first` on leave a timer there; undefined where none of them touches it. */
  on(identity: string, first: number): boolean | undefined {
    const effect = this.#effects.get(identity)
    const known = effect !== undefined && effect.sequence >= first ? effect : undefined
    if (this.#ranges.size > 0) {
      const key = keyPart(identity)
      const range = Math.max(
        this.#ranges.get(key) ?? -1,
        this.#ranges.get(identity.slice(0, identity.indexOf('\0', key.length) + 1)) ?? -1,
      )
      if (range >= first && range > (known?.sequence ?? -1)) return false
    }
    return known?.there
  }

  /** What the calls from `first` on leave of the timers behind a prefix: a key, or a key and namespace. */
  behind(prefix: string, first: number): Undecided {
    const effects = new Map<string, boolean>()
    const cleared: string[] = []
    for (const name of this.#namesOf(keyPart(prefix))) {
      const range = this.#ranges.get(name)
      if (range !== undefined) {
        if (range >= first) cleared.push(name)
      } else if (name.startsWith(prefix)) {
        const there = this.on(name, first)
        if (there !== undefined) effects.set(name, there)
      }
    }
    const isCleared = (identity: string) => cleared.some((behind) => identity.startsWith(behind))
    return {
      identities: effects.keys(),
      of: (identity) => effects.get(identity) ?? (isCleared(identity) ? false : undefined),
    }
  }

  #indexCall(call: Call, sequence: number, step: number): void {
    switch (call.kind) {
      case 'register':
        this.#set(call.identity, sequence, true)
        break
      case 'delete':
        this.#set(call.identity, sequence, false)
        break
      case 'registerMany':
        for (const identity of call.identities) this.#set(identity, sequence, true)
        break
      case 'deleteAll':
        this.#clear(call.prefix, sequence)
        break
      case 'replace':
        this.#clear(call.prefix, sequence)
        // Half a step later: its own timer stands after the others went.
        this.#set(call.identity, sequence + step / 2, true)
        break
      case 'fire':
        this.#set(call.identity, sequence, false)
        this.#indexCalls(call.calls, sequence, step)
        break
      case 'step':
        this.#indexCalls(call.calls, sequence, step)
        break
    }
  }

  #indexCalls(calls: readonly Call[], sequence: number, step: number): void {
    const each = step / (calls.length + 1)
    for (const [i, call] of calls.entries()) this.#indexCall(call, sequence + (i + 1) * each, each)
  }

  #set(identity: string, sequence: number, there: boolean): void {
    this.#effects.set(identity, { sequence, there })
    if (this.#namesByKey !== undefined) this.#noteName(identity)
  }

  #clear(prefix: string, sequence: number): void {
    this.#ranges.set(prefix, sequence)
    if (this.#namesByKey !== undefined) this.#noteName(prefix)
  }

  #namesOf(key: string): Iterable<string> {
    if (this.#namesByKey === undefined) {
      this.#namesByKey = new Map()
      for (const names of [this.#effects.keys(), this.#ranges.keys()])
        for (const name of names) this.#noteName(name)
    }
    return this.#namesByKey.get(key) ?? []
  }

  #noteName(name: string): void {
    const key = keyPart(name)
    const names = this.#namesByKey!.get(key)
    if (names === undefined) this.#namesByKey!.set(key, new Set([name]))
    else names.add(name)
  }
}
