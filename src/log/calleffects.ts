/**
 * What the calls that are not decided yet make of timers, by the order in which they were made.
 *
 * - Indexed when it is asked for, and no sooner: mostly nobody asks.
 * - A call has a sequence number; what one call does in several steps has its places up to the next call's.
 */
import { keyPart, namespacePart } from '../timer/identity.ts'
import type { Call } from './calls.ts'
import { NamesBehind } from './namesbehind.ts'

interface Effect {
  sequence: number
  there: boolean
  /** The last call that removes it, by its name or before a replace keeps it; -1: none does. */
  removedAt: number
  /** The replace that keeps it, and removes what else is behind its prefix; -1: none does. */
  keptAt: number
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
  readonly #names = new NamesBehind(() => this.#effects.keys())
  /** The prefixes of `#ranges` by their key; made when a key is first asked for. */
  #rangesByKey: Map<string, Set<string>> | undefined
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
    this.#names.clear()
    this.#rangesByKey = undefined
  }

  /** Whether the calls from `first` on leave a timer there; undefined where none of them touches it. */
  on(identity: string, first: number): boolean | undefined {
    const effect = this.#effects.get(identity)
    const known = effect !== undefined && effect.sequence >= first ? effect : undefined
    const range = this.#lastRange(identity)
    if (range >= first && range > (known?.sequence ?? -1)) return false
    return known?.there
  }

  /** Whether one of the calls from `first` on removes the timer that stands, though another may register it anew. */
  removes(identity: string, first: number): boolean {
    const { removedAt = -1, keptAt = -1 } = this.#effects.get(identity) ?? {}
    const range = this.#lastRange(identity)
    return removedAt >= first || (range >= first && range !== keptAt)
  }

  /** The last call that removes everything behind a prefix of an identity; -1: none does. */
  #lastRange(identity: string): number {
    if (this.#ranges.size === 0) return -1
    const ofKey = this.#ranges.get(keyPart(identity)) ?? -1
    return Math.max(ofKey, this.#ranges.get(namespacePart(identity)) ?? -1)
  }

  /** What the calls from `first` on leave of the timers behind a prefix: a key, or a key and namespace. */
  behind(prefix: string, first: number): Undecided {
    const effects = new Map<string, boolean>()
    for (const identity of this.#names.of(prefix)) {
      const there = this.on(identity, first)
      if (there !== undefined) effects.set(identity, there)
    }
    // As of now: more calls may be made before it is asked what they leave.
    const cleared = new Set<string>()
    for (const range of this.#rangesOf(prefix)) if (this.#ranges.get(range)! >= first) cleared.add(range)
    const isCleared = (identity: string) =>
      cleared.size > 0 && (cleared.has(keyPart(identity)) || cleared.has(namespacePart(identity)))
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
        this.#keep(call.identity, call.prefix, sequence, step)
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
    const { removedAt = -1, keptAt = -1 } = this.#effects.get(identity) ?? {}
    this.#effects.set(identity, { sequence, there, removedAt: there ? removedAt : sequence, keptAt })
    this.#names.add(identity)
  }

  /** Removes all behind a prefix but one, which stands half a step after the others went. */
  #keep(identity: string, prefix: string, sequence: number, step: number): void {
    const { removedAt = -1, keptAt = -1 } = this.#effects.get(identity) ?? {}
    const range = this.#lastRange(identity)
    const before = Math.max(removedAt, range === keptAt ? -1 : range)
    this.#clear(prefix, sequence)
    this.#effects.set(identity, {
      sequence: sequence + step / 2,
      there: true,
      removedAt: before,
      keptAt: sequence,
    })
    this.#names.add(identity)
  }

  #clear(prefix: string, sequence: number): void {
    this.#ranges.set(prefix, sequence)
    if (this.#rangesByKey !== undefined) addRange(this.#rangesByKey, prefix)
  }

  /** The prefixes behind which calls removed everything, and that may concern what is behind one. */
  #rangesOf(prefix: string): Iterable<string> {
    const key = keyPart(prefix)
    if (key.length < prefix.length) return [key, prefix].filter((range) => this.#ranges.has(range))
    if (this.#rangesByKey === undefined) {
      this.#rangesByKey = new Map()
      for (const range of this.#ranges.keys()) addRange(this.#rangesByKey, range)
    }
    return this.#rangesByKey.get(key) ?? []
  }
}

function addRange(byKey: Map<string, Set<string>>, prefix: string): void {
  const key = keyPart(prefix)
  const ranges = byKey.get(key)
  if (ranges === undefined) byKey.set(key, new Set([prefix]))
  else ranges.add(prefix)
}
