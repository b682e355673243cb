/**
 * Deciding a commit: what a call does, given what stands before it. Pure: no clock, no engine, no promise.
 *
 * - A draft sees what earlier events of its own commit did before it asks `lookup`.
 * - Counts and set hashes of the queues move with every event, by one addition each.
 * - A removed timer is retired only if a running snapshot holds it: the newest one's version is above the version since
 *   which the timer stood. A timer that comes and goes in one commit is therefore never retired.
 */
import { invalidArgument, invariant } from '../errors.ts'
import { MAX_ATOMIC_EVENTS, MAX_SERVICES, MAX_TIMESTAMP, MIN_TIMESTAMP } from '../limits.ts'
import { addToSetHash, removeFromSetHash } from '../timer/checksum.ts'
import { identityTimestamp, keyPart } from '../timer/identity.ts'
import { FREE_NAME } from '../timer/servicename.ts'
import { makeStored, type StoredTimer } from '../timer/stored.ts'
import { encodeCount } from '../timer/text.ts'
import type { ContextCall, FireCall, ReplaceCall, TimerCall } from './calls.ts'
import type { Commit, CommitEvent } from './events.ts'
import { type QueueState, ServiceState, type StoreState } from './state.ts'

/** What stands: a timer, or nothing. */
export type Standing = StoredTimer | undefined

/** What stands after a commit, where it differs from before; null: nothing does. */
export interface Changes {
  get(identity: string): StoredTimer | null | undefined
  /** The identities of a key that it changed; `part`: their part up to the NUL behind the key. */
  changedOf(part: string): readonly string[]
}

export interface DraftSources {
  state: StoreState
  timeMs: number
  /** Version of the newest running snapshot, or 0. */
  newestSnapshot: number
  /** Hears of every timer that is retired. */
  onRetired(identity: string, sinceVersion: number): void
  /** What stands before this commit. */
  lookup(identity: string, queue: QueueState, timestamp: number): Standing
  /**
   * Whether a timer that stands is in the key spaces, and known to nothing that is recent or under way. No, while nothing
   * has to be spilled: removing it later is cheaper for who waits now.
   */
  isStoredAlone(identity: string): boolean
  /** The identities behind a call's prefix, in the store and recent: those that are under way may be among them, or not. */
  range(call: ContextCall): readonly string[]
  /** What the commits under way change. */
  underWay: readonly Changes[]
}

export class Draft implements Changes {
  readonly version: number
  readonly events: CommitEvent[] = []
  /** Prefixes (a key, or a key and namespace) behind which it changed all that stood before. */
  readonly knownPrefixes: string[] = []
  /** What stands after this commit, where it differs from before. */
  #changed: Map<string, StoredTimer | null> | undefined
  /** Whether all that changed so far is fired timers that went: none of them is looked up again to be fired. */
  firesOnly = true
  #sources: DraftSources
  readonly #versionText: string
  readonly #touched: QueueState[] = []
  readonly #watermarks = new Map<ServiceState, number>()
  /** Changed identities by the prefix of their key; made when a range is first asked for. */
  #changedByKey: Map<string, string[]> | undefined

  constructor(sources: DraftSources) {
    this.#sources = sources
    this.version = sources.state.decidedVersion + 1
    this.#versionText = encodeCount(this.version)
  }

  get(identity: string): StoredTimer | null | undefined {
    return this.#changes().get(identity)
  }

  /** Made when it is first asked for: a drain alone asks for nothing among its own removals. */
  #changes(): Map<string, StoredTimer | null> {
    if (this.#changed !== undefined) return this.#changed
    this.#changed = new Map()
    for (const event of this.events) if (event.kind === 'fire') this.#changed.set(event.identity, null)
    return this.#changed
  }

  standing(queue: QueueState, identity: string, timestamp: number): Standing {
    const changed = this.get(identity)
    if (changed === undefined) return this.#sources.lookup(identity, queue, timestamp)
    return changed ?? undefined
  }

  /** Registers a timer; true: it is new. One that stands keeps all but its payload. */
  register(queue: QueueState, identity: string, timestamp: number, payload: string): boolean {
    const before = this.standing(queue, identity, timestamp)
    if (before === undefined) {
      this.firesOnly = false
      const orderText = this.#versionText + encodeCount(this.events.length)
      const timer = makeStored(identity, this.version, orderText, this.version, payload)
      this.#touch(queue)
      const totals = queue.decided
      totals.count++
      totals.setHash = addToSetHash(totals.setHash, timer.checksum)
      if (timestamp < totals.low) totals.low = timestamp
      if (timestamp > totals.high) totals.high = timestamp
      this.#push('register', queue, identity, timestamp, timer, undefined, false)
      this.#change(identity, timer)
      return true
    }
    if (!hasPayload(before, payload)) this.#changePayload(queue, identity, timestamp, before, payload)
    return false
  }

  #changePayload(
    queue: QueueState,
    identity: string,
    timestamp: number,
    before: StoredTimer,
    payload: string,
  ): void {
    this.firesOnly = false
    const timer = makeStored(identity, before.createVersion, before.orderText, this.version, payload)
    this.#touch(queue)
    const totals = queue.decided
    totals.setHash = addToSetHash(removeFromSetHash(totals.setHash, before.checksum), timer.checksum)
    this.#push('payload', queue, identity, timestamp, timer, before, this.#retire(identity, before))
    this.#change(identity, timer)
  }

  /** Removes a timer; true: it was there. */
  delete(queue: QueueState, identity: string, timestamp: number): boolean {
    const before = this.standing(queue, identity, timestamp)
    if (before === undefined) return false
    this.#remove('delete', queue, identity, timestamp, before)
    return true
  }

  #remove(
    kind: 'delete' | 'fire',
    queue: QueueState,
    identity: string,
    timestamp: number,
    before: StoredTimer,
    dueKey?: string,
  ): void {
    this.#touch(queue)
    const totals = queue.decided
    totals.count--
    totals.setHash = removeFromSetHash(totals.setHash, before.checksum)
    if (kind === 'delete') this.firesOnly = false
    const retire = this.#retire(identity, before)
    // What changed within this commit is not what its handler was given.
    const atOnce = dueKey !== undefined && this.#sources.isStoredAlone(identity)
    this.events.push({
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
    this.#change(identity, null)
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
    const mayDiffer = call.isStale() || (!this.firesOnly && this.get(identity) !== undefined)
    const before = mayDiffer ? this.standing(queue, identity, timestamp) : call.fired
    if (before !== undefined && before.value === call.fired.value) {
      call.removed = true
      this.#remove('fire', queue, identity, timestamp, before, call.dueKey)
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
      call.answer = this.standing(call.queue, call.identity, call.timestamp) !== undefined
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
  deleteAll(call: ContextCall & { kind: 'deleteAll' }): void {
    const before = call.answer
    for (const identity of this.#identitiesIn(call, call.prefix)) {
      if (this.delete(call.queue, identity, identityTimestamp(identity))) call.answer++
    }
    if (!call.isLarge && call.answer > before) this.knownPrefixes.push(call.prefix)
  }

  replace(call: ReplaceCall): void {
    const identities = this.#identitiesIn(call, call.prefix)
    // A handler's replace was checked when it was recorded, and now goes with the rest of its commit.
    if (call.settle !== undefined && identities.length > MAX_ATOMIC_EVENTS) {
      throw invalidArgument(
        `replace would remove ${identities.length} timers in one step, ${MAX_ATOMIC_EVENTS} at most: deleteAll them first`,
      )
    }
    for (const identity of identities) {
      if (identity === call.identity) continue
      const timestamp = identityTimestamp(identity)
      if (this.delete(call.queue, identity, timestamp)) call.answer.push(timestamp)
    }
    call.answer.sort((a, b) => a - b)
    this.register(call.queue, call.identity, call.timestamp, call.payload)
    // One that stands as it was told is not changed.
    if (!call.isLarge && this.get(call.identity) !== undefined) this.knownPrefixes.push(call.prefix)
  }

  /** The identities behind a prefix that may stand: those read, and what the commits under way and this one changed. */
  #identitiesIn(call: ContextCall, prefix: string): string[] {
    const part = keyPart(prefix)
    const identities = new Set(this.#sources.range(call))
    for (const changes of [...this.#sources.underWay, this]) {
      for (const identity of changes.changedOf(part)) {
        if (identity.startsWith(prefix) && this.get(identity) !== null) identities.add(identity)
      }
    }
    return [...identities]
  }

  changedOf(part: string): readonly string[] {
    this.#changedByKey ??= groupByKey(this.#changes().keys())
    return this.#changedByKey.get(part) ?? []
  }

  watermark(service: ServiceState, timestamp: number): void {
    if (timestamp > service.decidedWatermark) this.#setWatermark(service, timestamp)
  }

  #setWatermark(service: ServiceState, timestamp: number): void {
    service.decidedWatermark = timestamp
    this.#watermarks.set(service, timestamp)
    this.events.push({ kind: 'watermark', service, timestamp })
  }

  /** The service of a name, with these schemas: as it stands, with others instead of its own, or new. */
  startService(name: string, schemas: string): ServiceState {
    const { state } = this.#sources
    const known = state.serviceByName.get(name)
    if (known?.schemas === schemas) return known
    if (known === undefined && state.freeServiceId >= MAX_SERVICES) {
      throw invalidArgument(`a store may have ${MAX_SERVICES} services: '${name}' would be one more`)
    }
    const service = known ?? new ServiceState(state.freeServiceId, name, schemas)
    this.#nameService(service, name, schemas)
    return service
  }

  #nameService(service: ServiceState, name: string, schemas: string): void {
    this.#sources.state.nameService(service, name, schemas)
    this.events.push({ kind: 'service', service, name, schemas })
  }

  /** Gives the name and the watermark of a service that has no timers to another one; its number is free then. */
  handOver(from: ServiceState, to: ServiceState | undefined): void {
    const { name, decidedWatermark } = from
    const isEmpty = from.eventTime.decided.count === 0 && from.processingTime.decided.count === 0
    invariant(isEmpty, `service '${name}' has timers, and its number was to be free`)
    this.#nameService(from, FREE_NAME, '')
    this.#beginAnew(from)
    if (to === undefined) return
    this.#nameService(to, name, to.schemas)
    if (to.decidedWatermark !== decidedWatermark) this.#setWatermark(to, decidedWatermark)
  }

  /** What the next service of this number begins with. */
  #beginAnew(service: ServiceState): void {
    service.decidedWatermark = MIN_TIMESTAMP
    this.#watermarks.set(service, MIN_TIMESTAMP)
    for (const queue of [service.eventTime, service.processingTime]) {
      this.#touch(queue)
      queue.decided.low = MAX_TIMESTAMP
      queue.decided.high = MIN_TIMESTAMP
    }
  }

  purge(keys: readonly string[], retired: number): void {
    this.#sources.state.decidedRetired -= retired
    this.events.push({ kind: 'purge', keys, retired })
  }

  /** Ends the draft. `anchor`: the entry is to tell everything, not only what changed. */
  finish(anchor: boolean): Commit {
    const { state, timeMs } = this.#sources
    if (this.events.length > 0) state.decidedVersion = this.version
    const queues = anchor ? state.queues() : this.#touched
    const totals = Array.from(queues, (queue) => ({ queue, totals: { ...queue.decided } }))
    const watermarks = anchor
      ? state.services.map((service) => ({ service, watermark: service.decidedWatermark }))
      : Array.from(this.#watermarks, ([service, watermark]) => ({ service, watermark }))
    // What looks things up looks through the drafts before: whoever keeps this one for its changes must not keep all.
    const lookups = { lookup: lookNoMore, isStoredAlone: lookNoMore, range: lookNoMore }
    this.#sources = { ...this.#sources, ...lookups, underWay: [] }
    return {
      version: state.decidedVersion,
      timeMs,
      events: this.events,
      totals,
      watermarks,
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
    this.events.push({ kind, queue, identity, timestamp, timer, previous, retire, ...rest })
  }

  #change(identity: string, standing: StoredTimer | null): void {
    // While all are fired timers, the events tell as much.
    if (this.#changed !== undefined || !this.firesOnly) this.#changes().set(identity, standing)
    if (this.#changedByKey === undefined) return
    const part = keyPart(identity)
    const identities = this.#changedByKey.get(part)
    if (identities === undefined) this.#changedByKey.set(part, [identity])
    else identities.push(identity)
  }
}

function lookNoMore(): never {
  throw new Error('a commit that is decided looks nothing up')
}

function hasPayload(timer: StoredTimer, payload: string): boolean {
  const { value, payloadStart } = timer
  return value.length === payloadStart + payload.length + 8 && value.startsWith(payload, payloadStart)
}

function groupByKey(identities: Iterable<string>): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const identity of identities) {
    const part = keyPart(identity)
    const group = groups.get(part)
    if (group === undefined) groups.set(part, [identity])
    else group.push(identity)
  }
  return groups
}
