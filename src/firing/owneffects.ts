/**
 * What one handler's calls make of timers, by the number of the call: each change of a timer, each clearing of a range.
 *
 * - A view is a number. The store's timer is overlaid from the first call on that touched it or cleared its range, and for
 *   good: an answer that takes longer than the next calls needs the first numbers alone, and nothing is copied for it.
 * - What stands behind a prefix is found by the prefix. Clearing it forgets what was touched there, so that a timer is
 *   looked at once for its key and once for its namespace, however many calls about a range there are.
 */
import type { ContextCall } from '../log/calls.ts'
import { keyPart, namespacePart } from '../timer/identity.ts'

/** The numbers of the first and the last call that touched a timer, and what the last one left. */
interface Touch {
  first: number
  last: number
  isThere: boolean
}

/** The numbers of the first and the last call that cleared a range. */
interface Clearing {
  first: number
  last: number
}

/** What a handler's calls had made of a range when it was cleared. */
export interface OwnBehind {
  /** The timers that they left there. */
  there: string[]
  /** Whether the store's own timers behind the prefix had all gone by one of them. */
  isCleared: boolean
  /** Whether one of them had touched a timer of the store, or cleared its range. */
  has(identity: string): boolean
}

export class OwnEffects {
  readonly #touches = new Map<string, Touch>()
  readonly #clearings = new Map<string, Clearing>()
  readonly #calls: readonly ContextCall[]
  /** What was registered behind a key, and behind a key and namespace, since that was cleared. */
  readonly #registeredBehind = new Map<string, Set<string>>()
  #indexedCalls = 0
  #number = 0

  /** The timer that fired counts as gone from the start. */
  constructor(fired: string, calls: readonly ContextCall[]) {
    this.#touches.set(fired, { first: 0, last: 0, isThere: false })
    this.#calls = calls
  }

  touch(identity: string, isThere: boolean): void {
    const last = ++this.#number
    const known = this.#touches.get(identity)
    if (known === undefined) this.#touches.set(identity, { first: last, last, isThere })
    else {
      known.last = last
      known.isThere = isThere
    }
  }

  /** Removes everything behind a prefix (a key, or a key and namespace); what there was. */
  clear(prefix: string): OwnBehind {
    const there = this.#takeBehind(prefix).filter((identity) => this.on(identity) === true)
    const isCleared = this.#clearings.has(prefix) || this.#clearings.has(keyPart(prefix))
    const number = ++this.#number
    const known = this.#clearings.get(prefix)
    if (known === undefined) this.#clearings.set(prefix, { first: number, last: number })
    else known.last = number
    return { there, isCleared, has: (identity) => this.#had(identity, number) }
  }

  /** What the calls so far leave of a timer: there, or not; undefined: they do not touch it. */
  on(identity: string): boolean | undefined {
    const touch = this.#touches.get(identity)
    if (this.#clearings.size > 0) {
      const key = this.#clearings.get(keyPart(identity))?.last ?? 0
      const namespace = this.#clearings.get(namespacePart(identity))?.last ?? 0
      const cleared = Math.max(key, namespace)
      if (cleared > 0 && cleared > (touch?.last ?? 0)) return false
    }
    return touch?.isThere
  }

  /** Whether a call before `number` touched a timer, or cleared its range. */
  #had(identity: string, number: number): boolean {
    const isBefore = (known: { first: number } | undefined) => known !== undefined && known.first < number
    return (
      isBefore(this.#touches.get(identity)) ||
      isBefore(this.#clearings.get(keyPart(identity))) ||
      isBefore(this.#clearings.get(namespacePart(identity)))
    )
  }

  /** What was registered behind a prefix, and is known there no more. */
  #takeBehind(prefix: string): string[] {
    // Indexed when it is asked for, and no sooner: most handlers ask once or never.
    for (; this.#indexedCalls < this.#calls.length; this.#indexedCalls++) {
      const call = this.#calls[this.#indexedCalls]!
      if (call.kind === 'register' || call.kind === 'replace') this.#index(call.identity)
    }
    const identities = this.#registeredBehind.get(prefix)
    if (identities === undefined) return []
    this.#registeredBehind.delete(prefix)
    return [...identities]
  }

  #index(identity: string): void {
    for (const prefix of [keyPart(identity), namespacePart(identity)]) {
      const identities = this.#registeredBehind.get(prefix)
      if (identities === undefined) this.#registeredBehind.set(prefix, new Set([identity]))
      else identities.add(identity)
    }
  }
}
