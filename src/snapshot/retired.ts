/**
 * Which retired timers the running snapshots hold, counted: what a snapshot's end makes free is known at once, and the
 * purge looks for that much and no more. Pure, and O(1) a retired timer but for finding the version.
 *
 * - A timer that is retired is held by the running versions from the lowest above its since version up to the newest:
 *   a later snapshot never holds it. So timers are counted by (lowest, highest), and when a version ends, what begins or
 *   ends with it moves to the next one that still runs. What had only that one is free.
 * - Of a small group the keys are kept, too, within a bound: it is purged without looking for it among what a long
 *   snapshot holds. Of a large one only the count is, and a sweep of the space finds it.
 * - A sweep finds exactly what was free when it began: it takes what any snapshot that has run since then holds as held.
 */
import { MAX_LISTED_GROUP_CHARACTERS, MAX_LISTED_RETIRED_CHARACTERS } from '../limits.ts'
import { retiredKey } from '../timer/stored.ts'
import { isNeeded, lowestAbove } from '../timer/visibility.ts'

/** Retired timers that the same running versions hold. */
interface Group {
  count: number
  /** Their keys; undefined once they are too many to be kept. */
  keys: string[] | undefined
  characters: number
}

/** A walk of the `retired` space for what is free. */
export interface Sweep {
  /** How many entries it will find. */
  readonly expected: number
  /** Whether no snapshot has run since it began: everything that it meets is free, whatever it says. */
  readonly isUnhindered: boolean
  /** Whether it is to remove what stood from `since` to `deleted`. */
  isFree(since: number, deleted: number): boolean
  /** `left`: how many it did not come to; the next one is to find them. */
  end(left: number): void
}

export class RetiredTimers {
  readonly #maxGroupCharacters: number
  readonly #maxCharacters: number
  /** Versions of the running snapshots, rising. */
  #running: number[] = []
  /** By the highest version that holds them, then by the lowest. */
  readonly #held = new Map<number, Map<number, Group>>()
  #freeKeys: string[] = []
  /** Free ones whose keys are not known. */
  #freeUnlisted: number
  /** Characters of all keys that are kept. */
  #characters = 0
  /** Every version that has run since the sweep under way began, rising. */
  #sweptAround: number[] | undefined

  /**
   * `free`: retired timers that nobody holds, which is all of them when a store opens. The limits are in characters of
   * keys: of one group's, and of all.
   */
  constructor(
    free: number,
    maxGroupCharacters = MAX_LISTED_GROUP_CHARACTERS,
    maxCharacters = MAX_LISTED_RETIRED_CHARACTERS,
  ) {
    this.#freeUnlisted = free
    this.#maxGroupCharacters = maxGroupCharacters
    this.#maxCharacters = maxCharacters
  }

  /** How many are free. */
  get free(): number {
    return this.#freeKeys.length + this.#freeUnlisted
  }

  /** Those of the free ones that only a sweep finds. */
  get freeUnlisted(): number {
    return this.#freeUnlisted
  }

  /** Version of the newest running snapshot, or 0. */
  get newest(): number {
    return this.#running.at(-1) ?? 0
  }

  /** A version, above all that run, whose first snapshot begins. */
  begin(version: number): void {
    this.#running.push(version)
    this.#sweptAround?.push(version)
  }

  /** Notes a timer that stood since `since` and goes now; the newest running version is above that. */
  retire(identity: string, since: number): void {
    const lowest = lowestAbove(since, this.#running)!
    const group = this.#group(this.newest, lowest)
    group.count++
    if (group.keys === undefined) return
    const key = retiredKey(identity, since)
    group.keys.push(key)
    group.characters += key.length
    this.#characters += key.length
    this.#limit(group)
  }

  /** A version whose last snapshot ends. */
  end(version: number): void {
    const at = this.#running.indexOf(version)
    const before = this.#running[at - 1]
    const after = this.#running[at + 1]
    this.#running = this.#running.filter((other) => other !== version)
    for (const [lowest, group] of this.#held.get(version) ?? []) {
      if (lowest === version) this.#free(group)
      else this.#merge(this.#group(before!, lowest), group)
    }
    this.#held.delete(version)
    for (const [highest, groups] of this.#held) {
      const group = groups.get(version)
      if (group === undefined) continue
      groups.delete(version)
      this.#merge(this.#group(highest, after!), group)
    }
  }

  /** Up to `most` keys of free timers, for good: whoever takes them purges them. */
  takeListed(most: number): string[] {
    const keys = this.#freeKeys.splice(-most)
    for (const key of keys) this.#characters -= key.length
    return keys
  }

  /** Begins a sweep for what is free and not listed; one at a time, and when nothing that is listed is left. */
  beginSweep(): Sweep {
    const expected = this.#freeUnlisted
    this.#freeUnlisted = 0
    const around = [...this.#running]
    this.#sweptAround = around
    return {
      expected,
      get isUnhindered(): boolean {
        return around.length === 0
      },
      isFree: (since, deleted) => !isNeeded(since, deleted, around),
      end: (left) => {
        this.#sweptAround = undefined
        this.#freeUnlisted += left
      },
    }
  }

  #group(highest: number, lowest: number): Group {
    let groups = this.#held.get(highest)
    if (groups === undefined) {
      groups = new Map()
      this.#held.set(highest, groups)
    }
    let group = groups.get(lowest)
    if (group === undefined) {
      group = { count: 0, keys: [], characters: 0 }
      groups.set(lowest, group)
    }
    return group
  }

  #free(group: Group): void {
    if (group.keys === undefined) this.#freeUnlisted += group.count
    else for (const key of group.keys) this.#freeKeys.push(key)
  }

  #merge(into: Group, group: Group): void {
    into.count += group.count
    if (group.keys === undefined) this.#forgetKeys(into)
    else if (into.keys === undefined) this.#forgetKeys(group)
    else {
      for (const key of group.keys) into.keys.push(key)
      into.characters += group.characters
      this.#limit(into)
    }
  }

  #limit(group: Group): void {
    const isLarge = group.characters > this.#maxGroupCharacters
    if (isLarge || this.#characters > this.#maxCharacters) this.#forgetKeys(group)
  }

  #forgetKeys(group: Group): void {
    this.#characters -= group.characters
    group.characters = 0
    group.keys = undefined
  }
}
