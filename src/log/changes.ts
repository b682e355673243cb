/**
 * What commits change: what stands after one, where it differs from before, as those ask who decide or read while it is
 * under way.
 *
 * - While all that a commit changed is fired timers that went, its events tell as much: a drain alone makes no map.
 * - What it left behind a key is told without what came and went: a key's calls may be many in one commit.
 */
import type { StoredTimer } from '../timer/stored.ts'
import type { CommitEvent, TimerEvent } from './events.ts'
import { IdentityMap } from './identitymap.ts'
import { hashOf } from './identitytable.ts'
import { NamesBehind } from './namesbehind.ts'

/** What stands: a timer, or nothing. */
export type Standing = StoredTimer | undefined

/** What stands after a commit, where it differs from before; null: nothing does. */
export interface Changes {
  /** `hash`: the identity's (identitytable.ts), for who asks more than one. */
  get(identity: string, hash?: number): StoredTimer | null | undefined
  /** The identities behind a prefix (a key, or a key and namespace) that it changed. */
  changedOf(prefix: string): Iterable<string>
}

const NOTHING: readonly string[] = []

/** The changes of one commit. It knows no commit before: whoever keeps one keeps no chain of them. */
export class CommitChanges implements Changes {
  readonly #events: readonly CommitEvent[]
  #standing: IdentityMap<StoredTimer | null> | undefined
  #firesOnly = true
  #removesOnly = true
  readonly #changed = new NamesBehind(() => this.#all().identities)
  readonly #left = new NamesBehind(() => this.#standingNames())

  /** @param events those of the commit, which grow with it. */
  constructor(events: readonly CommitEvent[]) {
    this.#events = events
  }

  /** Whether all that changed so far is fired timers that went: none of them is looked up again to be fired. */
  get firesOnly(): boolean {
    return this.#firesOnly
  }

  get(identity: string, hash = hashOf(identity)): StoredTimer | null | undefined {
    return this.#all().get(identity, hash)
  }

  changedOf(prefix: string): Iterable<string> {
    return this.#changed.of(prefix)
  }

  /** Those of them that it left there. */
  leftOf(prefix: string): Iterable<string> {
    return this.#removesOnly ? NOTHING : this.#left.of(prefix)
  }

  /** Whether it left any there. */
  leavesAny(prefix: string): boolean {
    return !this.#removesOnly && this.#left.has(prefix)
  }

  /** What an event, the last one, makes of a timer. `hash`: the identity's, where it is at hand. */
  note(kind: TimerEvent['kind'], identity: string, standing: StoredTimer | null, hash?: number): void {
    if (kind !== 'fire') this.#firesOnly = false
    if (standing !== null) this.#removesOnly = false
    if (this.#standing !== undefined || !this.#firesOnly)
      this.#all().set(identity, hash ?? hashOf(identity), standing)
    this.#changed.add(identity)
    if (standing === null) this.#left.remove(identity)
    else this.#left.add(identity)
  }

  #all(): IdentityMap<StoredTimer | null> {
    if (this.#standing !== undefined) return this.#standing
    this.#standing = new IdentityMap()
    for (const event of this.#events) {
      if (event.kind === 'fire') this.#standing.set(event.identity, hashOf(event.identity), null)
    }
    return this.#standing
  }

  *#standingNames(): Iterable<string> {
    const { identities, values } = this.#all()
    for (let i = 0; i < identities.length; i++) if (values[i] !== null) yield identities[i]!
  }
}
