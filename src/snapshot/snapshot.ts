/**
 * Snapshots: a cut of all timers at one version, which reads the same however long it is held and whatever happens.
 */
import type { Engine } from '../engine/engine.ts'
import { END } from '../engine/keyspaces.ts'
import { invalidArgument, readFailure, requireObject, requireTimestamp, TidemarkError } from '../errors.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../limits.ts'
import { parseIdentity, queuePrefix, type TimeDomain } from '../timer/identity.ts'
import { decodePart, encodePart } from '../timer/schema.ts'
import { ownerOf } from '../timer/servicename.ts'
import { parseTrusted, payloadText } from '../timer/stored.ts'
import type { CutService } from './cut.ts'
import type { RunningSnapshot } from './running.ts'
import { type VisibleChunk, type WalkOptions, walkVisible } from './walk.ts'

/** A timer as a snapshot holds it; key, namespace and payload in their schemas' encoded form, which is JSON. */
export interface SnapshotTimer {
  service: string
  domain: TimeDomain
  key: unknown
  namespace: unknown
  timestamp: number
  payload?: unknown
  createVersion: number
}

/** What a snapshot's timers are narrowed to: key and namespace as they are encoded; timestamps with both ends included. */
export interface SnapshotFilter {
  service?: string
  domain?: TimeDomain
  key?: unknown
  namespace?: unknown
  from?: number
  to?: number
}

/** A consistent view of every timer, at any number at once. Holding one keeps what is deleted meanwhile on disk. */
export class Snapshot {
  /** It holds what was made before this version, and is live or was deleted at it or later. */
  readonly version: number
  readonly #engine: Engine
  readonly #running: RunningSnapshot
  readonly #services: ReadonlyMap<number, string>

  /** `services`: those of the cut. */
  constructor(engine: Engine, running: RunningSnapshot, services: readonly CutService[]) {
    this.version = running.version
    this.#engine = engine
    this.#running = running
    const owners = new Map<number, string>()
    for (const { id, name } of services) {
      const owner = ownerOf(name)
      if (owner !== undefined) owners.set(id, owner)
    }
    this.#services = owners
  }

  /**
   * The timers, by service, domain, key group, key, namespace and timestamp.
   * Throws TIDEMARK_CLOSED once the snapshot is released, TIDEMARK_CORRUPT where a stored timer is damaged.
   */
  async *timers(filter: SnapshotFilter = {}): AsyncGenerator<SnapshotTimer> {
    requireObject(filter, 'the filter of a snapshot')
    const { from = MIN_TIMESTAMP, to = MAX_TIMESTAMP, domain } = filter
    requireTimestamp(from, 'from')
    requireTimestamp(to, 'to')
    if (domain !== undefined && domain !== 'eventTime' && domain !== 'processingTime') {
      throw invalidArgument(`domain must be 'eventTime' or 'processingTime', not ${String(domain)}`)
    }
    const key = filter.key === undefined ? undefined : encodePart(filter.key, 'key')
    const namespace = filter.namespace === undefined ? undefined : encodePart(filter.namespace, 'namespace')
    this.#check()
    for await (const chunk of this.#chunks(this.#ranges(filter))) {
      for (let i = 0; i < chunk.identities.length; i++) {
        const timer = decodeTimer(chunk.identities[i]!, chunk.values[i]!, chunk.checksums[i]!, this.#services)
        if (filter.service !== undefined && timer.service !== filter.service) continue
        if (filter.domain !== undefined && timer.domain !== filter.domain) continue
        if (timer.timestamp < from || timer.timestamp > to) continue
        if (key !== undefined && encodePart(timer.key, 'key') !== key) continue
        if (namespace !== undefined && encodePart(timer.namespace, 'namespace') !== namespace) continue
        yield timer
      }
      this.#check()
    }
  }

  /** Where a service's timers, and those of one domain, begin and end. */
  #ranges({ service, domain }: SnapshotFilter): WalkOptions[] {
    if (service === undefined) return [{}]
    const [first, last] = domain === undefined ? (['eventTime', 'processingTime'] as const) : [domain, domain]
    const ranges: WalkOptions[] = []
    for (const [id, name] of this.#services) {
      if (name === service) ranges.push({ from: queuePrefix(id, first), to: queuePrefix(id, last) + END })
    }
    return ranges
  }

  async *#chunks(ranges: readonly WalkOptions[]): AsyncGenerator<VisibleChunk> {
    try {
      for (const range of ranges) yield* walkVisible(this.#engine, this.version, range)
    } catch (error) {
      // A store that closes under a reader fails its read: that is not what the reader should hear.
      this.#check()
      throw readFailure(error)
    }
  }

  /** Ends it; twice is harmless. */
  async release(): Promise<void> {
    this.#running.release()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  #check(): void {
    if (!this.#running.released) return
    throw new TidemarkError(
      'TIDEMARK_CLOSED',
      `the snapshot of version ${this.version} is released: what it held may be purged`,
    )
  }
}

/** A timer as it is told, of what is stored of it; its checksum was verified. Throws TIDEMARK_CORRUPT. */
export function decodeTimer(
  identity: string,
  value: string,
  checksum: number,
  services: ReadonlyMap<number, string>,
): SnapshotTimer {
  const parts = parseIdentity(identity)
  const stored = parseTrusted(value, checksum)
  if (parts === undefined || stored === undefined) {
    throw new TidemarkError(
      'TIDEMARK_CORRUPT',
      `the stored timer ${JSON.stringify(identity)} is damaged: run verify()`,
    )
  }
  const payload = payloadText(stored)
  return {
    service: services.get(parts.serviceId) ?? `service ${parts.serviceId}`,
    domain: parts.domain,
    key: decodePart(parts.key),
    namespace: decodePart(parts.namespace),
    timestamp: parts.timestamp,
    ...(payload === '' ? {} : { payload: JSON.parse(payload) as unknown }),
    createVersion: stored.createVersion,
  }
}
