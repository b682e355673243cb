/**
 * The identities of a table of recent timers: each has a number, from 0 on, and is found by its text, or by its key.
 *
 * - Nothing of it is an object of V8's: a hash table with chains, in typed arrays, beside the texts' bytes.
 * - An identity stays; whether it is found by its key is told one by one (`show`, `hide`).
 * - What hashes multiply by is drawn for each process: nobody can choose keys that all meet in one chain.
 */
import { randomFillSync } from 'node:crypto'
import type { TextArena } from './textarena.ts'

/** What one takes besides its text: eight numbers or so. */
export const IDENTITY_BYTES = 36
const FIRST_SIZE = 64
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
  /** Those of a key: doubly linked, for one that went is taken out. */
  #keyHashes = new Uint32Array(FIRST_SIZE)
  #nextOfKey = new Uint32Array(FIRST_SIZE)
  #beforeOfKey = new Uint32Array(FIRST_SIZE)
  #keyChains = new Uint32Array(FIRST_SIZE)

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
    this.#keyHashes[id] = keyHash
    this.#link(id)
    this.show(id)
    return id
  }

  /** Lets one be found by its key. */
  show(id: number): void {
    const chain = this.#keyHashes[id]! & (this.room - 1)
    const first = this.#keyChains[chain]!
    this.#nextOfKey[id] = first
    this.#beforeOfKey[id] = NONE
    if (first !== NONE) this.#beforeOfKey[first - 1] = id + 1
    this.#keyChains[chain] = id + 1
  }

  /** Lets one not be found by its key any more. */
  hide(id: number): void {
    const before = this.#beforeOfKey[id]!
    const next = this.#nextOfKey[id]!
    if (before === NONE) this.#keyChains[this.#keyHashes[id]! & (this.room - 1)] = next
    else this.#nextOfKey[before - 1] = next
    if (next !== NONE) this.#beforeOfKey[next - 1] = before
  }

  /** The first one of a key that is shown, or -1; `part`: up to the NUL behind the key; `hash`: that part's. */
  firstOf(part: string, hash: number): number {
    return this.#ofKey(part, hash, this.#keyChains[hash & (this.room - 1)]!)
  }

  /** The one behind `id` of the same key, or -1. */
  nextOf(part: string, hash: number, id: number): number {
    return this.#ofKey(part, hash, this.#nextOfKey[id]!)
  }

  #ofKey(part: string, hash: number, first: number): number {
    for (let at = first; at !== NONE; at = this.#nextOfKey[at - 1]!)
      if (this.#keyHashes[at - 1] === hash && this.#arena.startsWith(this.#places[at - 1]!, part))
        return at - 1
    return -1
  }

  /** Lets all go; there is as much room as before. The arena goes with it. */
  clear(): void {
    this.#size = 0
    this.#chains.fill(NONE)
    this.#keyChains.fill(NONE)
  }

  #link(id: number): void {
    const chain = this.#hashes[id]! & (this.room - 1)
    this.#next[id] = this.#chains[chain]!
    this.#chains[chain] = id + 1
  }

  #grow(): void {
    const room = this.room * 2
    const shown = this.#shown()
    this.#places = grown(this.#places, room)
    this.#hashes = grown(this.#hashes, room)
    this.#next = new Uint32Array(room)
    this.#chains = new Uint32Array(room)
    this.#keyHashes = grown(this.#keyHashes, room)
    this.#nextOfKey = new Uint32Array(room)
    this.#beforeOfKey = new Uint32Array(room)
    this.#keyChains = new Uint32Array(room)
    for (let id = 0; id < this.#size; id++) this.#link(id)
    for (let i = shown.length - 1; i >= 0; i--) this.show(shown[i]!)
  }

  #shown(): Uint32Array {
    const shown = new Uint32Array(this.#size)
    let count = 0
    for (let first of this.#keyChains)
      for (; first !== NONE; first = this.#nextOfKey[first - 1]!) shown[count++] = first - 1
    return shown.subarray(0, count)
  }
}

/** The same numbers, with room for more. */
export function grown(numbers: Uint32Array, room: number): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(room)
  more.set(numbers)
  return more
}
