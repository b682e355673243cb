/**
 * A map by identities, for as long as a commit is under way.
 *
 * - It goes by the hash that the tables of recent timers go by, which whoever asks several of them computes once: V8's own
 *   hash of a text as long as an identity takes longer than all that is asked with it.
 * - Nothing is taken out of it.
 */
import { grown } from './identitytable.ts'

const FIRST_SLOTS = 16
/** In a slot: no entry; numbers are stored one higher. */
const NONE = 0

export class IdentityMap<Value> {
  /** The number of each entry, where its hash says, or behind that; at most half of them are taken. */
  #slots = new Uint32Array(FIRST_SLOTS)
  #hashes = new Uint32Array(FIRST_SLOTS / 2)
  readonly #identities: string[] = []
  readonly #values: Value[] = []

  /** All of them, as they were added. */
  get identities(): readonly string[] {
    return this.#identities
  }

  /** What each of them has. */
  get values(): readonly Value[] {
    return this.#values
  }

  /** `hash`: the identity's (identitytable.ts). */
  get(identity: string, hash: number): Value | undefined {
    const number = this.#slots[this.#slotOf(identity, hash)]!
    return number === NONE ? undefined : this.#values[number - 1]
  }

  set(identity: string, hash: number, value: Value): void {
    const slot = this.#slotOf(identity, hash)
    const number = this.#slots[slot]!
    if (number !== NONE) {
      this.#values[number - 1] = value
      return
    }
    const { length } = this.#identities
    this.#identities.push(identity)
    this.#values.push(value)
    this.#hashes[length] = hash
    this.#slots[slot] = length + 1
    if (length + 1 === this.#hashes.length) this.#grow()
  }

  /** Where an identity is, or would be. */
  #slotOf(identity: string, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hash & mask
    for (; slots[slot] !== NONE; slot = (slot + 1) & mask) {
      const at = slots[slot]! - 1
      if (this.#hashes[at] === hash && this.#identities[at] === identity) break
    }
    return slot
  }

  #grow(): void {
    const count = this.#identities.length
    const slots = new Uint32Array(this.#slots.length * 2)
    const mask = slots.length - 1
    for (let at = 0; at < count; at++) {
      let slot = this.#hashes[at]! & mask
      while (slots[slot] !== NONE) slot = (slot + 1) & mask
      slots[slot] = at + 1
    }
    this.#slots = slots
    this.#hashes = grown(this.#hashes, count * 2)
  }
}
