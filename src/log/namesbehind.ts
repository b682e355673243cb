/**
 * Identities by what they begin with: their key, or their key and namespace.
 *
 * - Each of the two is indexed when somebody first asks for it, and kept up from then on: mostly nobody asks.
 * - A name is told once, however often it was added; one that was taken out is not walked past any more.
 */
import { keyPart, namespacePart } from '../timer/identity.ts'

/** The names of a part; one alone, as most are, is kept without a set. */
type Names = string | Set<string>

const NOTHING: readonly string[] = []

export class NamesBehind {
  readonly #all: () => Iterable<string>
  #byKey: Map<string, Names> | undefined
  #byNamespace: Map<string, Names> | undefined

  /** @param all tells all names as they are, for an index to begin with. */
  constructor(all: () => Iterable<string>) {
    this.#all = all
  }

  /** Notes a name that there is. */
  add(identity: string): void {
    if (this.#byKey !== undefined) addName(this.#byKey, keyPart(identity), identity)
    if (this.#byNamespace !== undefined) addName(this.#byNamespace, namespacePart(identity), identity)
  }

  /** Takes a name out. */
  remove(identity: string): void {
    if (this.#byKey !== undefined) removeName(this.#byKey, keyPart(identity), identity)
    if (this.#byNamespace !== undefined) removeName(this.#byNamespace, namespacePart(identity), identity)
  }

  /** The names behind a prefix: a key, or a key and namespace. */
  of(prefix: string): Iterable<string> {
    const names = this.#namesOf(prefix)
    return typeof names === 'string' ? [names] : (names ?? NOTHING)
  }

  /** Whether there are any. */
  has(prefix: string): boolean {
    return this.#namesOf(prefix) !== undefined
  }

  #namesOf(prefix: string): Names | undefined {
    if (prefix.indexOf('\0') < prefix.length - 1) {
      this.#byNamespace ??= indexed(this.#all(), namespacePart)
      return this.#byNamespace.get(prefix)
    }
    this.#byKey ??= indexed(this.#all(), keyPart)
    return this.#byKey.get(prefix)
  }

  /** Forgets all. */
  clear(): void {
    this.#byKey = undefined
    this.#byNamespace = undefined
  }
}

function indexed(identities: Iterable<string>, partOf: (identity: string) => string): Map<string, Names> {
  const index = new Map<string, Names>()
  for (const identity of identities) addName(index, partOf(identity), identity)
  return index
}

function addName(index: Map<string, Names>, part: string, identity: string): void {
  const names = index.get(part)
  if (names === undefined) index.set(part, identity)
  else if (typeof names !== 'string') names.add(identity)
  else if (names !== identity) index.set(part, new Set([names, identity]))
}

function removeName(index: Map<string, Names>, part: string, identity: string): void {
  const names = index.get(part)
  if (typeof names !== 'object') {
    if (names === identity) index.delete(part)
    return
  }
  names.delete(identity)
  if (names.size === 0) index.delete(part)
}
