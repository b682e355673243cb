/**
 * What commits change: what stands after one, where it differs from before, as those ask who decide or read while it is
 * under way.
 *
 * - While all that a commit changed is fired timers that went, its events tell as much: a drain alone makes no map.
 */
import { keyPart } from '../timer/identity.ts'
import type { StoredTimer } from '../timer/stored.ts'
import type { CommitEvent, TimerEvent } from './events.ts'
import { IdentityMap } from './identitymap.ts'
import { hashOf } from './identitytable.ts'

/** What stands: a timer, or nothing. */
export type Standing = StoredTimer | undefined

/** What stands after a commit, where it differs from before; null: nothing does. */
export interface Changes {
  /** `hash`: the identity's (identitytable.ts), for who asks more than one. */
  get(identity: string, hash?: number): StoredTimer | null | undefined
  /** The identities of a key that it changed; `part`: their part up to the NUL behind the key. */
  changedOf(part: string): readonly string[]
}

const NOTHING: readonly string[] = []

/** The changes of one commit. It knows no commit before: whoever keeps one keeps no chain of them. */
export class CommitChanges implements Changes {
  readonly #events: readonly CommitEvent[]
  #standing: IdentityMap<StoredTimer | null> | undefined
  #firesOnly = true
  #removesOnly = true
  /** Changed identities by the prefix of their key; made when a range is first asked for. */
  #byKey: Map<string, string[]> | undefined

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

  changedOf(part: string): readonly string[] {
    this.#byKey ??= groupByKey(this.#all().identities)
    return this.#byKey.get(part) ?? NOTHING
  }

  /** Those of them that it may leave there. */
  leftOf(part: string): readonly string[] {
    return this.#removesOnly ? NOTHING : this.changedOf(part)
  }

  /** What an event, the last one, makes of a timer. `hash`: the identity's, where it is at hand. */
  note(kind: TimerEvent['kind'], identity: string, standing: StoredTimer | null, hash?: number): void {
    if (kind !== 'fire') this.#firesOnly = false
    if (standing !== null) this.#removesOnly = false
    if (this.#standing !== undefined || !this.#firesOnly)
      this.#all().set(identity, hash ?? hashOf(identity), standing)
    if (this.#byKey !== undefined) addByKey(this.#byKey, identity)
  }

  #all(): IdentityMap<StoredTimer | null> {
    if (this.#standing !== undefined) return this.#standing
    this.#standing = new IdentityMap()
    for (const event of this.#events) {
      if (event.kind === 'fire') this.#standing.set(event.identity, hashOf(event.identity), null)
    }
    return this.#standing
  }
}

function groupByKey(identities: Iterable<string>): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const identity of identities) addByKey(groups, identity)
  return groups
}

function addByKey(groups: Map<string, string[]>, identity: string): void {
  const part = keyPart(identity)
  const group = groups.get(part)
  if (group === undefined) groups.set(part, [identity])
  else group.push(identity)
}
