/**
 * Keys in the order of their UTF-8 bytes, in leaves of a few hundred: adding, removing and finding one takes a binary
 * search over the leaves and one inside of its leaf.
 *
 * - JavaScript compares UTF-16 units: those of characters beyond U+FFFF (surrogates) sort before U+E000 to U+FFFF, where
 *   UTF-8 sorts them behind. So keys with such units are kept with the two ranges moved past each other.
 */

const MOST_IN_LEAF = 512

export interface KeyRange {
  /** First key, included. */
  from?: string
  /** Last key before, excluded. */
  after?: string
  /** End of the range, excluded. */
  to: string
  reverse: boolean
}

export class SortedKeys {
  /** None is empty, unless it is the only one. */
  readonly #leaves: string[][]

  constructor(leaves: string[][] = [[]]) {
    this.#leaves = leaves
  }

  copy(): SortedKeys {
    return new SortedKeys(this.#leaves.map((leaf) => leaf.slice()))
  }

  /** Adds a key that is not there. */
  add(name: string): void {
    const key = sortable(name)
    const at = this.#leafOf(key)
    const leaf = this.#leaves[at]!
    leaf.splice(firstNotBelow(leaf, key), 0, key)
    if (leaf.length > MOST_IN_LEAF) this.#leaves.splice(at + 1, 0, leaf.splice(leaf.length >> 1))
  }

  /** Removes a key that is there. */
  remove(name: string): void {
    const key = sortable(name)
    const at = this.#leafOf(key)
    const leaf = this.#leaves[at]!
    leaf.splice(firstNotBelow(leaf, key), 1)
    if (leaf.length === 0 && this.#leaves.length > 1) this.#leaves.splice(at, 1)
  }

  /** Calls `visit` with the keys of a range, until it says that it wants no more. */
  walk({ from, after, to, reverse }: KeyRange, visit: (key: string) => boolean): void {
    // A key is followed at once by itself with a NUL behind it.
    const first = after === undefined ? sortable(from ?? '') : `${sortable(after)}\0`
    const end = sortable(to)
    if (first >= end) return
    if (reverse) this.#walkBack(first, end, visit)
    else this.#walkOn(first, end, visit)
  }

  #walkOn(first: string, end: string, visit: (key: string) => boolean): void {
    let at = this.#leafOf(first)
    let i = firstNotBelow(this.#leaves[at]!, first)
    for (; at < this.#leaves.length; at++, i = 0) {
      const leaf = this.#leaves[at]!
      for (; i < leaf.length; i++) {
        const key = leaf[i]!
        if (key >= end || !visit(plain(key))) return
      }
    }
  }

  #walkBack(first: string, end: string, visit: (key: string) => boolean): void {
    let at = this.#leafOf(end)
    let i = firstNotBelow(this.#leaves[at]!, end) - 1
    for (;;) {
      const leaf = this.#leaves[at]!
      for (; i >= 0; i--) {
        const key = leaf[i]!
        if (key < first || !visit(plain(key))) return
      }
      if (at === 0) return
      i = this.#leaves[--at]!.length - 1
    }
  }

  /** The leaf that has a key, or would take it: the last one that begins at or below it. */
  #leafOf(key: string): number {
    let low = 0
    let high = this.#leaves.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#leaves[middle]![0]! <= key) low = middle
      else high = middle - 1
    }
    return low
  }
}

function firstNotBelow(leaf: readonly string[], key: string): number {
  let low = 0
  let high = leaf.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (leaf[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

const UNITS_OUT_OF_ORDER = /[\ud800-\uffff]/

/** Moves U+D800–U+DFFF behind U+E000–U+FFFF. */
function sortable(key: string): string {
  return UNITS_OUT_OF_ORDER.test(key)
    ? mapUnits(key, (unit) => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800))
    : key
}

/** Moves them back. */
function plain(key: string): string {
  return UNITS_OUT_OF_ORDER.test(key)
    ? mapUnits(key, (unit) => (unit < 0xd800 ? unit : unit < 0xf800 ? unit + 0x800 : unit - 0x2000))
    : key
}

function mapUnits(key: string, map: (unit: number) => number): string {
  let mapped = ''
  for (let i = 0; i < key.length; i++) mapped += String.fromCharCode(map(key.charCodeAt(i)))
  return mapped
}
