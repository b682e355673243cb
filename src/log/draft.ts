/**
 * Deciding a commit: what a call does, given what stands before it. Pure: no clock, no engine, no promise.
 *
 * - A draft sees what earlier events of its own commit did before it asks what stood before.
 * - Counts and set hashes of the queues move with every event, by one addition each.
 * - A removed timer is retired only if a running snapshot holds it: the newest one's version is above the version since
 *   which the timer stood. A timer that comes and goes in one commit is therefore never retired.
 */
import { invalidArgument, invariant } from '../errors.ts'
import { MAX_ATOMIC_EVENTS } from '../limits.ts'
import { addToSetHash, removeFromSetHash } from '../timer/checksum.ts'
import { identityTimestamp } from '../timer/identity.ts'
import { makeStored, type StoredTimer } from '../timer/stored.ts'
import { encodeCount } from '../timer/text.ts'
import type { ContextCall, DeleteAllCall, FireCall, ReplaceCall, TimerCall } from './calls.ts'
import { CommitChanges, type Standing } from './changes.ts'
import { DraftRanges, type RangeSources } from './draftranges.ts'
import { DraftServices } from './draftservices.ts'
import type { Commit, CommitEvent } from './events.ts'
import { hashOf } from './identitytable.ts'
import type { Found } from './reads.ts'
import type { QueueState, StoreState } from './state.ts'

export interface DraftSources extends RangeSources {
  state: StoreState
  timeMs: number
  /** Version of the newest running snapshot, or 0. */
  newestSnapshot: number
  /** Hears of every timer that is retired. */
  onRetired(identity: string, sinceVersion: number): void
  /** What stands before this commit. */
  lookup(identity: string, hash: number, queue: QueueState, timestamp: number): Standing
  /** The same of a timer that a range was read for. */
  lookupRead(identity: string, hash: number, read: Found): Standing
  /**
   * Whether a timer that stands is in the key spaces, and known to nothing that is recent or under way. No, while nothing
   * has to be spilled: removing it later is cheaper for who waits now.
   */
  isStoredAlone(identity: string): boolean
}

export class Draft {
  readonly version: number
  readonly #events: CommitEvent[] = []
  readonly changes = new CommitChanges(this.#events)
  readonly services: DraftServices
  /** Prefixes (a key, or a key and namespace) behind which it changed all that stood before. */
  readonly knownPrefixes: string[] = []
  readonly #sources: DraftSources
  readonly #versionText: string
  readonly #touched: QueueState[] = []
  readonly #ranges: DraftRanges

  constructor(sources: DraftSources) {
    this.#sources = sources
    this.#ranges = new DraftRanges(sources, this.changes)
    this.version = sources.state.decidedVersion + 1
    this.#versionText = encodeCount(this.version)
    this.services = new DraftServices(sources.state, this.#events, (queue) => this.#touch(queue))
  }

  #standing(queue: QueueState, identity: string, hash: number, timestamp: number): Standing {
    const changed = this.changes.get(identity, hash)
    if (changed === undefined) return this.#sources.lookup(identity, hash, queue, timestamp)
    return changed ?? undefined
  }

  #standingRead(identity: string, hash: number, read: Found): Standing {
    const changed = this.changes.get(identity, hash)
    if (changed === undefined) return this.#sources.lookupRead(identity, hash, read)
    return changed ?? undefined
  }

  /** Registers a timer; true: it is new. One that stands keeps all but its payload. */
  register(queue: QueueState, identity: string, timestamp: number, payload: string): boolean {
    const hash = hashOf(identity)
    const before = this.#standing(queue, identity, hash, timestamp)
    return this.#register(queue, identity, hash, timestamp, payload, before)
  }

  #register(
    queue: QueueState,
    identity: string,
    hash: number,
    timestamp: number,
    payload: string,
    before: Standing,
  ): boolean {
    if (before === undefined) {
      const orderText = this.#versionText + encodeCount(this.#events.length)
      const timer = makeStored(identity, this.version, orderText, this.version, payload)
      this.#touch(queue)
      const totals = queue.decided
      totals.count++
      totals.setHash = addToSetHash(totals.setHash, timer.checksum)
      if (timestamp < totals.low) totals.low = timestamp
      if (timestamp > totals.high) totals.high = timestamp
      this.#push('register', queue, identity, timestamp, timer, undefined, false)
      this.changes.note('register', identity, timer, hash)
      return true
    }
    if (!hasPayload(before, payload)) this.#changePayload(queue, identity, hash, timestamp, before, payload)
    return false
  }

  #changePayload(
    queue: QueueState,
    identity: string,
    hash: number,
    timestamp: number,
    before: StoredTimer,
    payload: string,
  ): void {
    const timer = makeStored(identity, before.createVersion, before.orderText, this.version, payload)
    this.#touch(queue)
    const totals = queue.decided
    totals.setHash = addToSetHash(removeFromSetHash(totals.setHash, before.checksum), timer.checksum)
    this.#push('payload', queue, identity, timestamp, timer, before, this.#retire(identity, before))
    this.changes.note('payload', identity, timer, hash)
  }

  /** Removes a timer; true: it was there. */
  delete(queue: QueueState, identity: string, timestamp: number): boolean {
    const hash = hashOf(identity)
    return this.#delete(queue, identity, hash, timestamp, this.#standing(queue, identity, hash, timestamp))
  }

  /** The same of a timer that a range was read for. */
  #deleteRead(queue: QueueState, identity: string, timestamp: number, read: Found): boolean {
    const hash = hashOf(identity)
    return this.#delete(queue, identity, hash, timestamp, this.#standingRead(identity, hash, read))
  }

  #delete(queue: QueueState, identity: string, hash: number, timestamp: number, before: Standing): boolean {
    if (before === undefined) return false
    this.#remove('delete', queue, identity, hash, timestamp, before)
    return true
  }

  #remove(
    kind: 'delete' | 'fire',
    queue: QueueState,
    identity: string,
    hash: number | undefined,
    timestamp: number,
    before: StoredTimer,
    dueKey?: string,
  ): void {
    this.#touch(queue)
    const totals = queue.decided
    totals.count--
    totals.setHash = removeFromSetHash(totals.setHash, before.checksum)
    const retire = this.#retire(identity, before)
    // What changed within this commit is not what its handler was given.
    const atOnce = dueKey !== undefined && this.#sources.isStoredAlone(identity)
    this.#events.push({
      kind,
      queue,
      identity,
      timestamp,
      timer: before,
      previous: undefined,
      retire,
      dueKey,
      atOnce,
    })
    this.changes.note(kind, identity, null, hash)
  }

  /** Whether a running snapshot holds what now goes; if so it is counted as retired. */
  #retire(identity: string, before: StoredTimer): boolean {
    if (before.sinceVersion >= this.#sources.newestSnapshot) return false
    this.#sources.state.decidedRetired++
    this.#sources.onRetired(identity, before.sinceVersion)
    return true
  }

  /** Removes a fired timer, unless it was deleted or changed since its handler was given it; then its handler's calls. */
  fire(call: FireCall): void {
    const { queue, identity, timestamp } = call
    const mayDiffer = call.isStale() || (!this.changes.firesOnly && this.changes.get(identity) !== undefined)
    const before = mayDiffer ? this.#standing(queue, identity, hashOf(identity), timestamp) : call.fired
    if (before !== undefined && before.body === call.fired.body) {
      call.removed = true
      this.#remove('fire', queue, identity, undefined, timestamp, before, call.dueKey)
    }
    for (const made of call.calls) this.context(made)
  }

  context(call: ContextCall): void {
    switch (call.kind) {
      case 'registerMany':
        this.registerSome(call, call.identities.length)
        break
      case 'deleteAll':
        this.deleteAll(call)
        break
      case 'replace':
        this.replace(call)
        break
      default:
        this.timer(call)
    }
  }

  timer(call: TimerCall): void {
    if (call.kind === 'register') {
      call.answer = this.register(call.queue, call.identity, call.timestamp, call.payload)
    } else if (call.kind === 'delete') {
      call.answer = this.delete(call.queue, call.identity, call.timestamp)
    } else {
      const { queue, identity, timestamp } = call
      call.answer = this.#standing(queue, identity, hashOf(identity), timestamp) !== undefined
    }
  }

  /** Registers the next timers of a call, up to the index `end`. */
  registerSome(call: ContextCall & { kind: 'registerMany' }, end: number): void {
    for (let i = call.done; i < end; i++) {
      if (this.register(call.queue, call.identities[i]!, call.timestamps[i]!, call.payloads[i]!))
        call.answer++
    }
    call.done = end
  }

  /** Removes what a range holds; the range may be a slice, and then the next one goes on behind it. */
  deleteAll(call: DeleteAllCall): void {
    const before = call.answer
    const { identities, found } = this.#ranges.timersIn(call)
    for (let i = 0; i < identities.length; i++) {
      const identity = identities[i]!
      if (this.#deleteRead(call.queue, identity, identityTimestamp(identity), found[i]!)) call.answer++
    }
    if (call.isLarge) return
    if (call.answer > before) this.knownPrefixes.push(call.prefix)
    this.#ranges.noteEmptied(call.prefix)
  }

  replace(call: ReplaceCall): void {
    const { identities, found } = this.#ranges.timersIn(call)
    // A handler's replace was checked when it was recorded, and now goes with the rest of its commit.
    if (call.settle !== undefined && identities.length > MAX_ATOMIC_EVENTS) {
      throw invalidArgument(
        `replace found more than ${MAX_ATOMIC_EVENTS} timers of its key and namespace, too many for one step: ` +
          'deleteAll them first',
      )
    }
    invariant(
      call.identity.startsWith(call.prefix),
      'what a replace registers lies in its range, all of which was read',
    )
    let own: Found = null
    for (let i = 0; i < identities.length; i++) {
      const identity = identities[i]!
      if (identity === call.identity) {
        own = found[i]!
        continue
      }
      const timestamp = identityTimestamp(identity)
      if (this.#deleteRead(call.queue, identity, timestamp, found[i]!)) call.answer.push(timestamp)
    }
    call.answer.sort((a, b) => a - b)
    const hash = hashOf(call.identity)
    const before = this.#standingRead(call.identity, hash, own)
    this.#register(call.queue, call.identity, hash, call.timestamp, call.payload, before)
    // One that stands as it was told is not changed.
    if (call.isLarge || this.changes.get(call.identity, hash) === undefined) return
    this.knownPrefixes.push(call.prefix)
    this.#ranges.noteEmptied(call.prefix)
  }

  purge(keys: readonly string[], retired: number): void {
    this.#sources.state.decidedRetired -= retired
    this.#events.push({ kind: 'purge', keys, retired })
  }

  /** Ends the draft. `anchor`: the entry is to tell everything, not only what changed. */
  finish(anchor: boolean): Commit {
    const { state, timeMs } = this.#sources
    if (this.#events.length > 0) state.decidedVersion = this.version
    const queues = anchor ? state.queues() : this.#touched
    const totals = Array.from(queues, (queue) => ({ queue, totals: { ...queue.decided } }))
    return {
      version: state.decidedVersion,
      timeMs,
      events: this.#events,
      totals,
      watermarks: this.services.watermarks(anchor),
      retired: state.decidedRetired,
    }
  }

  #touch(queue: QueueState): void {
    if (queue.touchedIn === this.version) return
    queue.touchedIn = this.version
    this.#touched.push(queue)
  }

  #push(
    kind: 'register' | 'payload',
    queue: QueueState,
    identity: string,
    timestamp: number,
    timer: StoredTimer,
    previous: StoredTimer | undefined,
    retire: boolean,
  ): void {
    const rest = { dueKey: undefined, atOnce: false }
    this.#events.push({ kind, queue, identity, timestamp, timer, previous, retire, ...rest })
  }
}

function hasPayload(timer: StoredTimer, payload: string): boolean {
  const { body, payloadStart } = timer
  return body.length === payloadStart + payload.length && body.endsWith(payload)
}
