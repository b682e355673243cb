/**
 * What may stand behind a prefix when a commit is decided: what was read, and what the commits under way and this one
 * changed. Pure, as the rest of the draft (draft.ts).
 *
 * - Behind a prefix that the draft emptied its own changes tell of all that stands: what is under way is asked once,
 *   however many calls there are about a key.
 */
import { keyPart } from '../timer/identity.ts'
import type { RangeCall } from './calls.ts'
import type { CommitChanges } from './changes.ts'
import type { RangeRead } from './reads.ts'

export interface RangeSources {
  /** The timers behind a call's prefix, in the store and recent: those that are under way may be among them, or not. */
  range(call: RangeCall): RangeRead
  /** What the commits under way change. */
  underWay: readonly CommitChanges[]
}

export class DraftRanges {
  readonly #sources: RangeSources
  /** The draft's own. */
  readonly #changes: CommitChanges
  readonly #emptied = new Set<string>()

  constructor(sources: RangeSources, changes: CommitChanges) {
    this.#sources = sources
    this.#changes = changes
  }

  /** The timers behind a call's prefix that may stand. */
  timersIn(call: RangeCall): RangeRead {
    const { prefix } = call
    const changed: string[] = []
    if (!this.#isEmptied(prefix))
      for (const changes of this.#sources.underWay) this.#addChanged(changes, prefix, changed)
    this.#addChanged(this.#changes, prefix, changed)
    const read = this.#sources.range(call)
    if (changed.length === 0) return read
    const known = new Set(read.identities)
    const more = [...new Set(changed)].filter((identity) => !known.has(identity))
    // Who changed them tells what stands.
    return { identities: [...read.identities, ...more], found: [...read.found, ...more.map(() => null)] }
  }

  /** Notes that all that stood behind a prefix went, or is among the draft's changes. */
  noteEmptied(prefix: string): void {
    for (const changes of this.#sources.underWay) {
      if (!changes.leavesAny(prefix)) continue
      this.#emptied.add(prefix)
      return
    }
  }

  #isEmptied(prefix: string): boolean {
    const emptied = this.#emptied
    return emptied.size > 0 && (emptied.has(prefix) || emptied.has(keyPart(prefix)))
  }

  /** Adds what some changes left behind a prefix, and the draft did not remove. */
  #addChanged(changes: CommitChanges, prefix: string, changed: string[]): void {
    for (const identity of changes.leftOf(prefix))
      if (this.#changes.get(identity) !== null) changed.push(identity)
  }
}
