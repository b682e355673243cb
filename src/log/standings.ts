/**
 * What stands at the moment of a call, for who does not wait for a commit of its own: handlers, and firing. It is what the
 * key spaces have, under what is recent, under what the commits under way change, under the calls that wait.
 *
 * - All but the spaces is looked at when the question is asked, and the view of those is of that moment, too.
 */
import type { Engine } from '../engine/engine.ts'
import { TidemarkError } from '../errors.ts'
import { MAX_SHARED_RANGE_TIMERS } from '../limits.ts'
import { parseStored, type StoredTimer } from '../timer/stored.ts'
import type { CallQueue } from './callqueue.ts'
import type { Changes, Standing } from './changes.ts'
import { hashOf } from './identitytable.ts'
import { prefixEnd } from './reads.ts'
import type { RecentTimers } from './recent.ts'
import { NOTHING_STORED, type QueueState } from './state.ts'

export interface StandingsParts {
  engine: Engine
  calls: CallQueue
  recent: RecentTimers
  /** Changes of the commits that are decided and not in the key spaces yet, newest first. */
  decidedChanges(exceptFires?: boolean): readonly Changes[]
  /** Ends the store. */
  fail(error: TidemarkError): void
}

export class Standings {
  readonly #parts: StandingsParts

  constructor(parts: StandingsParts) {
    this.#parts = parts
  }

  /** What the calls that are not decided yet will make of a timer: there, or not; undefined where none touches it. */
  undecided(identity: string): boolean | undefined {
    return this.#parts.calls.effectOn(identity)
  }

  /** Whether a call that is not decided yet touches a timer that is not fired yet. */
  isTouched(identity: string): boolean {
    return this.#parts.calls.touches(identity)
  }

  /** Whether a call that is not decided yet removes the timer that stands, though another may register it anew. */
  isRemoved(identity: string): boolean {
    return this.#parts.calls.removes(identity)
  }

  /** A timer, decided calls included, read at once. */
  now(identity: string): Standing {
    const { decidedChanges, engine } = this.#parts
    const standing = standingIn(decidedChanges(), identity)
    if (standing !== undefined) return standing ?? undefined
    return this.parse(identity, engine.get(identity))
  }

  /**
   * The timers behind a prefix (a key, or a key and namespace), calls that are not decided yet included; undefined: there
   * are too many to tell them without waiting for what is under way.
   */
  async behind({ storedHigh }: QueueState, prefix: string): Promise<string[] | undefined> {
    const { calls, engine, recent } = this.#parts
    const undecided = calls.effectsBehind(prefix)
    const decided = this.#decidedBehind(prefix)
    const limit = MAX_SHARED_RANGE_TIMERS + 1
    const range = { from: prefix, to: prefixEnd(prefix), limit }
    const isRecent = storedHigh === NOTHING_STORED || recent.knowsAll(prefix)
    const entries = isRecent ? [] : await engine.scan(range).read()
    if (entries.length === limit || decided.size >= limit) return undefined
    const stored = new Set(entries.map(([identity]) => identity))
    const named = new Set([...stored, ...undecided.identities, ...decided.keys()])
    return [...named].filter(
      (identity) => undecided.of(identity) ?? decided.get(identity) ?? stored.has(identity),
    )
  }

  /** Whether the timers behind a prefix stand that commits under way and recent ones touched. */
  #decidedBehind(prefix: string): Map<string, boolean> {
    const decided = new Map<string, boolean>()
    for (const changes of this.#parts.decidedChanges()) {
      for (const identity of changes.changedOf(prefix))
        if (!decided.has(identity)) decided.set(identity, changes.get(identity) !== null)
    }
    return decided
  }

  /** Several timers that are to fire, decided calls included. */
  async ofDue(identities: readonly string[]): Promise<Standing[]> {
    const changes = this.#parts.decidedChanges(true)
    const standings: Standing[] = []
    const stored: string[] = []
    const places: number[] = []
    for (let i = 0; i < identities.length; i++) {
      const identity = identities[i]!
      const standing = standingIn(changes, identity)
      standings.push(standing ?? undefined)
      if (standing !== undefined) continue
      stored.push(identity)
      places.push(i)
    }
    if (stored.length === 0) return standings
    const values = await this.#parts.engine.getMany(stored)
    for (let i = 0; i < stored.length; i++) standings[places[i]!] = this.parse(stored[i]!, values[i])
    return standings
  }

  /** A value of the `timers` space. A damaged one ends the store. */
  parse(identity: string, value: string | undefined): Standing {
    if (value === undefined) return undefined
    const timer = parseStored(identity, value)
    if (timer !== undefined) return timer
    const error = new TidemarkError(
      'TIDEMARK_CORRUPT',
      `the stored timer ${JSON.stringify(identity)} is damaged: run verify(), and restore a checkpoint`,
    )
    this.#parts.fail(error)
    throw error
  }
}

/** What stands after the newest of the changes that touches a timer; null: nothing; undefined: none does. */
function standingIn(newestFirst: readonly Changes[], identity: string): StoredTimer | null | undefined {
  const hash = hashOf(identity)
  for (const changes of newestFirst) {
    const standing = changes.get(identity, hash)
    if (standing !== undefined) return standing
  }
  return undefined
}
