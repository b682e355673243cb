/**
 * Identities by the key that they are about. Mostly a key has one, and then it stands for itself.
 *
 * - Made when somebody first asks, from what is there then; whoever can wait lets it be made a little at a time.
 */
import { nextTurn } from '../clock.ts'
import { DRAIN_SLICE_MS } from '../limits.ts'
import { keyPart } from '../timer/identity.ts'

/** The clock is read after so many identities. */
const IDENTITIES_BETWEEN_CLOCK_READS = 256

export class KeyIndex {
  readonly #byKey = new Map<string, string | Set<string>>()
  /** Identities that are there since before the index was begun; undefined once all are in it. */
  #left: Iterator<string> | undefined

  /** `identities` goes on to tell of those that come: a map's own keys. */
  constructor(identities: Iterable<string>) {
    this.#left = identities[Symbol.iterator]()
  }

  add(identity: string): void {
    const part = keyPart(identity)
    const known = this.#byKey.get(part)
    if (known === undefined) this.#byKey.set(part, identity)
    else if (typeof known !== 'string') known.add(identity)
    else if (known !== identity) this.#byKey.set(part, new Set([known, identity]))
  }

  remove(identity: string): void {
    const part = keyPart(identity)
    const known = this.#byKey.get(part)
    if (known === identity) this.#byKey.delete(part)
    else if (typeof known === 'object' && known.delete(identity) && known.size === 0) this.#byKey.delete(part)
  }

  /** Adds the identities of a key to a list; `part`: their part up to the NUL behind the key. */
  collect(part: string, identities: string[]): void {
    while (this.#left !== undefined) this.#goOn()
    const known = this.#byKey.get(part)
    if (typeof known === 'string') identities.push(known)
    else if (known !== undefined) for (const identity of known) identities.push(identity)
  }

  /** Makes it whole, a few milliseconds at a time. */
  async prepare(): Promise<void> {
    let startMs = performance.now()
    while (this.#left !== undefined) {
      this.#goOn()
      if (performance.now() - startMs < DRAIN_SLICE_MS) continue
      await nextTurn()
      startMs = performance.now()
    }
  }

  #goOn(): void {
    for (let i = 0; i < IDENTITIES_BETWEEN_CLOCK_READS; i++) {
      const next = this.#left!.next()
      if (next.done === true) {
        this.#left = undefined
        return
      }
      this.add(next.value)
    }
  }
}
