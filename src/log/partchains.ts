/**
 * The numbers of identities by a part that they begin with (a key, or a key and namespace): chains by that part's hash, in
 * typed arrays.
 *
 * - Doubly linked: one that went is taken out, and is walked past no more.
 * - The newest comes first.
 */

/** What one takes: its part's hash, two links, and the first of a chain. */
export const PART_BYTES = 16
/** For no number; numbers are stored one higher. */
const NONE = 0

export class PartChains {
  #hashes: Uint32Array
  #next: Uint32Array
  #before: Uint32Array
  /** The first one of each chain; as many as there is room for numbers. */
  #chains: Uint32Array

  constructor(room: number) {
    this.#hashes = new Uint32Array(room)
    this.#next = new Uint32Array(room)
    this.#before = new Uint32Array(room)
    this.#chains = new Uint32Array(room)
  }

  /** Sets a number's hash, before it is first shown. */
  setHash(id: number, hash: number): void {
    this.#hashes[id] = hash
  }

  show(id: number): void {
    const chain = this.#hashes[id]! & (this.#chains.length - 1)
    const first = this.#chains[chain]!
    this.#next[id] = first
    this.#before[id] = NONE
    if (first !== NONE) this.#before[first - 1] = id + 1
    this.#chains[chain] = id + 1
  }

  hide(id: number): void {
    const before = this.#before[id]!
    const next = this.#next[id]!
    if (before === NONE) this.#chains[this.#hashes[id]! & (this.#chains.length - 1)] = next
    else this.#next[before - 1] = next
    if (next !== NONE) this.#before[next - 1] = before
  }

  /** The first number whose part has a hash, or -1. */
  first(hash: number): number {
    return this.#from(this.#chains[hash & (this.#chains.length - 1)]!, hash)
  }

  /** The one behind `id`, or -1. */
  next(id: number, hash: number): number {
    return this.#from(this.#next[id]!, hash)
  }

  #from(first: number, hash: number): number {
    for (let at = first; at !== NONE; at = this.#next[at - 1]!)
      if (this.#hashes[at - 1] === hash) return at - 1
    return -1
  }

  /** Those that are shown, from the last of each chain on: shown again in this order, they are in the order they had. */
  shown(size: number): Uint32Array {
    const shown = new Uint32Array(size)
    let at = size
    for (let first of this.#chains)
      for (; first !== NONE; first = this.#next[first - 1]!) shown[--at] = first - 1
    return shown.subarray(at)
  }

  /** The same with more room; `size`: how many numbers there are. */
  grow(room: number, size: number): void {
    const shown = this.shown(size)
    const hashes = new Uint32Array(room)
    hashes.set(this.#hashes)
    this.#hashes = hashes
    this.#next = new Uint32Array(room)
    this.#before = new Uint32Array(room)
    this.#chains = new Uint32Array(room)
    for (const id of shown) this.show(id)
  }

  /** Lets all go; there is as much room as before. */
  clear(): void {
    this.#chains.fill(NONE)
  }
}
