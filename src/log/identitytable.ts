/**
 * The identities of a table of recent timers: each has a number, from 0 on, and is found by its text, or by its key.
 *
 * - Nothing of it is an object of V8's: a hash table with chains, in typed arrays, beside the texts' bytes.
 * - An identity stays; whether it is found by its key is told one by one (`show`, `hide`).
 * - Mostly a key has few, and those of one of its namespaces are looked for among them. Where it has many, all are chained
 *   by key and namespace as well, from then on.
 * - What hashes multiply by is drawn for each process: nobody can choose keys that all meet in one chain.
 */
import { randomFillSync } from 'node:crypto'
import { TIMESTAMP_CHARACTERS } from '../timer/text.ts'
import { PART_BYTES, PartChains } from './partchains.ts'
import type { TextArena } from './textarena.ts'

/** What one takes besides its text: eight numbers or so. */
const IDENTITY_BYTES = 20 + PART_BYTES
const FIRST_SIZE = 64
/** So many other timers of a key are walked past to find those of a namespace, before they are chained by namespace. */
const MAX_WALKED_PAST = 32
/** For no number; numbers are stored one higher. */
const NONE = 0
/** The lowest bits of a sum of products are less sure. */
const UNSURE_BITS = 15

/** A number for each place in a text, and one for its length; more are drawn as texts get longer. */
let keys = drawn(256)

function drawn(count: number): Int32Array {
  return randomFillSync(new Int32Array(count))
}

/**
 * The hash of an identity, of another text, or of what one begins with: a whole number below 2^32, whose lowest 17 bits are
 * strongly universal (multilinear hashing: Lemire and Kaser, "Strongly universal string hashing is fast"). Whatever two
 * texts are chosen, they meet in a chain as seldom as two that were drawn.
 */
export function hashOf(text: string, length = text.length): number {
  if (length >= keys.length) {
    const more = drawn(2 * length)
    more.set(keys)
    keys = more
  }
  const multipliers = keys
  let sum = Math.imul(multipliers[0]!, length)
  for (let i = 0; i < length; i++) sum = (sum + Math.imul(multipliers[i + 1]!, text.charCodeAt(i))) | 0
  return ((sum >>> UNSURE_BITS) | (sum << (32 - UNSURE_BITS))) >>> 0
}

export class IdentityTable {
  readonly #arena: TextArena
  #size = 0
  /** Where each one's text is, its hash, and the next one in its chain. */
  #places = new Uint32Array(FIRST_SIZE)
  #hashes = new Uint32Array(FIRST_SIZE)
  #next = new Uint32Array(FIRST_SIZE)
  /** The first one of each chain; as many as there is room for identities. */
  #chains = new Uint32Array(FIRST_SIZE)
  readonly #ofKey = new PartChains(FIRST_SIZE)
  #ofNamespace: PartChains | undefined

  constructor(arena: TextArena) {
    this.#arena = arena
  }

  get size(): number {
    return this.#size
  }

  /** How many there is room for: whoever keeps something of each has as much. */
  get room(): number {
    return this.#places.length
  }

  /** About what they take in memory, besides their texts. */
  get bytes(): number {
    return this.#size * (this.#ofNamespace === undefined ? IDENTITY_BYTES : IDENTITY_BYTES + PART_BYTES)
  }

  /** The place of an identity's text. */
  place(id: number): number {
    return this.#places[id]!
  }

  /** An identity's number; undefined: it is not there. `hash`: the identity's. */
  find(identity: string, hash: number): number | undefined {
    const hashes = this.#hashes
    for (let at = this.#chains[hash & (this.room - 1)]!; at !== NONE; at = this.#next[at - 1]!)
      if (hashes[at - 1] === hash && this.#arena.startsWith(this.#places[at - 1]!, identity, true))
        return at - 1
    return undefined
  }

  /** Adds one that is not there; it is found by its key. `keyHash`: of its part up to the NUL behind the key. */
  add(identity: string, hash: number, keyHash: number): number {
    if (this.#size === this.room) this.#grow()
    const id = this.#size++
    this.#places[id] = this.#arena.add(identity)
    this.#hashes[id] = hash
    this.#ofKey.setHash(id, keyHash)
    this.#ofNamespace?.setHash(id, namespaceHash(identity))
    this.#link(id)
    this.show(id)
    return id
  }

  /** Lets one be found by its key. */
  show(id: number): void {
    this.#ofKey.show(id)
    this.#ofNamespace?.show(id)
  }

  /** Lets one not be found by its key any more. */
  hide(id: number): void {
    this.#ofKey.hide(id)
    this.#ofNamespace?.hide(id)
  }

  /**
   * Puts the numbers of those behind a prefix (a key, or a key and namespace) that are shown into the beginning of an
   * array, newest first, and returns how many; `keyHash`: of its part up to the NUL behind the key.
   */
  numbersBehind(prefix: string, keyHash: number, numbers: number[]): number {
    if (prefix.indexOf('\0') === prefix.length - 1)
      return this.#numbersIn(this.#ofKey, prefix, keyHash, numbers, Number.POSITIVE_INFINITY)
    if (this.#ofNamespace === undefined) {
      const count = this.#numbersIn(this.#ofKey, prefix, keyHash, numbers, MAX_WALKED_PAST)
      if (count >= 0) return count
      this.#ofNamespace = this.#chainedByNamespace()
    }
    return this.#numbersIn(this.#ofNamespace, prefix, hashOf(prefix), numbers, Number.POSITIVE_INFINITY)
  }

  /** Those of a chain that begin with a prefix; -1: more than `maxPast` do not. */
  #numbersIn(chains: PartChains, prefix: string, hash: number, numbers: number[], maxPast: number): number {
    let count = 0
    let past = 0
    for (let id = chains.first(hash); id >= 0; id = chains.next(id, hash)) {
      if (this.#arena.startsWith(this.#places[id]!, prefix)) numbers[count++] = id
      else if (++past > maxPast) return -1
    }
    return count
  }

  #chainedByNamespace(): PartChains {
    const chains = new PartChains(this.room)
    const texts = this.#arena.reader()
    for (let id = 0; id < this.#size; id++) chains.setHash(id, namespaceHash(texts.next(this.#places[id]!)))
    for (const id of this.#ofKey.shown(this.#size)) chains.show(id)
    return chains
  }

  /** Lets all go; there is as much room as before. The arena goes with it. */
  clear(): void {
    this.#size = 0
    this.#chains.fill(NONE)
    this.#ofKey.clear()
    this.#ofNamespace = undefined
  }

  #link(id: number): void {
    const chain = this.#hashes[id]! & (this.room - 1)
    this.#next[id] = this.#chains[chain]!
    this.#chains[chain] = id + 1
  }

  #grow(): void {
    const room = this.room * 2
    this.#places = grown(this.#places, room)
    this.#hashes = grown(this.#hashes, room)
    this.#next = new Uint32Array(room)
    this.#chains = new Uint32Array(room)
    this.#ofKey.grow(room, this.#size)
    this.#ofNamespace?.grow(room, this.#size)
    for (let id = 0; id < this.#size; id++) this.#link(id)
  }
}

/** The hash of an identity's part up to the NUL behind its namespace. */
function namespaceHash(identity: string): number {
  return hashOf(identity, identity.length - TIMESTAMP_CHARACTERS)
}

/** The same numbers, with room for more. */
export function grown(numbers: Uint32Array, room: number): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(room)
  more.set(numbers)
  return more
}
