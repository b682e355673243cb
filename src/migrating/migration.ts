/**
 * Converts the timers of a stored service to other schemas, before it is started with them.
 *
 * - First every timer is converted in memory, a slice at a time: where one cannot be, nothing was changed.
 * - Then slice by slice, in due order: one commit removes some timers and registers what became of them under the
 *   reserved name of the service (timer/servicename.ts). So at every moment each timer is there once, in order, and a
 *   process that is killed, or a checkpoint that is taken, leaves what the next start goes on with.
 * - When none is left one commit gives the name and the watermark to what was converted.
 * - Meanwhile the service is not started: nobody else touches its timers.
 */
import { nextTurn } from '../clock.ts'
import type { ServiceMigration } from '../definition.ts'
import type { Engine } from '../engine/engine.ts'
import { END } from '../engine/keyspaces.ts'
import { TidemarkError } from '../errors.ts'
import {
  DRAIN_SLICE_MS,
  MAX_COMMIT_CHARACTERS,
  MAX_COMMIT_EVENTS,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
} from '../limits.ts'
import type { Call, Settle, TimerCall } from '../log/calls.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import type { RecentTimers } from '../log/recent.ts'
import type { QueueState, ServiceState } from '../log/state.ts'
import { type Listed, listDue } from '../snapshot/listing.ts'
import { reached } from '../steps.ts'
import type { TimerCodec } from '../timer/codec.ts'
import { migratingName } from '../timer/servicename.ts'
import { parseStored } from '../timer/stored.ts'
import { Conversion, type ConvertedTimer } from './conversion.ts'
import { countOf } from './plan.ts'

export interface MigrationParts {
  engine: Engine
  pipeline: CommitPipeline
  recent: RecentTimers
  /** Throws when the store takes no calls any more. */
  refuse(): void
}

/** Timers that are read at once: each may have a payload of 64 KiB. */
const CHUNK_ENTRIES = 256
const ALL_TIMES = { from: MIN_TIMESTAMP, to: MAX_TIMESTAMP }
const DOMAINS = ['eventTime', 'processingTime'] as const

export class Migration {
  readonly #parts: MigrationParts
  readonly #from: ServiceState
  readonly #schemas: string
  readonly #conversion: Conversion
  #sliceStartMs = performance.now()

  /** `schemas`: those under which the timers will be stored; `codec`: its codec. */
  constructor(
    parts: MigrationParts,
    from: ServiceState,
    schemas: string,
    codec: TimerCodec,
    migrate: ServiceMigration | undefined,
  ) {
    this.#parts = parts
    this.#from = from
    this.#schemas = schemas
    this.#conversion = new Conversion(from.name, migrate, codec, from.schemas)
  }

  /** Returns the service that has the name then. Rejects where a timer cannot be converted, as `Conversion` says. */
  async run(): Promise<ServiceState> {
    const from = this.#from
    await this.#parts.pipeline.spill()
    reached('migration.beforeTry')
    for (const domain of DOMAINS) await this.#try(from[domain])
    reached('migration.afterTry')
    const name = migratingName(from.name)
    const schemas = this.#schemas
    const to = await this.#call<ServiceState>((settle) => ({
      kind: 'service',
      name,
      schemas,
      settle,
      answer: undefined,
    }))
    await this.#call<void>((settle) => ({
      kind: 'watermark',
      service: to,
      timestamp: from.decidedWatermark,
      settle,
    }))
    reached('migration.afterBegin')
    for (const domain of DOMAINS) await this.#convert(from[domain], to[domain])
    if (countOf(from) > 0) throw incomplete(from)
    reached('migration.beforeHandOver')
    await this.#call<void>((settle) => ({ kind: 'handOver', from, to, settle }))
    reached('migration.afterHandOver')
    return to
  }

  /** Converts every timer of a queue, and keeps nothing. */
  async #try(from: QueueState): Promise<void> {
    let after = from.prefix
    for (;;) {
      const entries = await this.#parts.engine
        .scan({ after, to: from.prefix + END, limit: CHUNK_ENTRIES })
        .read()
      for (const [identity, value] of entries) {
        const timer = parseStored(identity, value) ?? damaged(identity)
        this.#conversion.convert({ identity, timer }, from)
        if (this.#isSliceOver()) await this.#giveTurn()
      }
      if (entries.length < CHUNK_ENTRIES) return
      after = entries.at(-1)![0]
    }
  }

  /** Converts what is left of a queue, for good. */
  async #convert(from: QueueState, to: QueueState): Promise<void> {
    let slice = new Slice()
    let underWay: Promise<void> = Promise.resolve()
    try {
      for await (const listed of listDue(this.#parts, from, ALL_TIMES, CHUNK_ENTRIES)) {
        slice.add(listed, from, this.#conversion.convert(listed, to), to)
        if (this.#isSliceOver()) await this.#giveTurn()
        if (!slice.isFull) continue
        // The next slice is read and converted while this one is written.
        await underWay
        underWay = this.#commit(slice, from)
        underWay.catch(() => {})
        slice = new Slice()
      }
    } finally {
      // Whoever is told of a failure finds nothing under way behind it.
      await underWay
    }
    await this.#commit(slice, from)
  }

  async #commit({ calls }: Slice, from: QueueState): Promise<void> {
    const last = calls.at(-1)
    if (last === undefined) return
    reached('migration.beforeSlice')
    await this.#call<void>((settle) => ({ kind: 'step', calls, settle }))
    reached('migration.afterSlice')
    // Nobody reads again over what was deleted, also not after a kill.
    if (last.timestamp > from.decided.low) from.decided.low = last.timestamp
  }

  #call<T>(make: (settle: Settle<T>) => Call): Promise<T> {
    this.#parts.refuse()
    return new Promise((resolve, reject) => this.#parts.pipeline.submit(make({ resolve, reject })))
  }

  #isSliceOver(): boolean {
    return performance.now() - this.#sliceStartMs > DRAIN_SLICE_MS
  }

  async #giveTurn(): Promise<void> {
    await nextTurn()
    this.#parts.refuse()
    this.#sliceStartMs = performance.now()
  }
}

/** What one commit converts. */
class Slice {
  readonly calls: TimerCall[] = []
  #characters = 0

  add({ identity }: Listed, from: QueueState, converted: ConvertedTimer, to: QueueState): void {
    const { timestamp, payload } = converted
    this.calls.push(timerCall('delete', from, identity, timestamp, ''))
    this.calls.push(timerCall('register', to, converted.identity, timestamp, payload))
    this.#characters += identity.length + converted.identity.length + payload.length
  }

  get isFull(): boolean {
    return this.calls.length >= MAX_COMMIT_EVENTS || this.#characters >= MAX_COMMIT_CHARACTERS
  }
}

function timerCall(
  kind: 'delete' | 'register',
  queue: QueueState,
  identity: string,
  timestamp: number,
  payload: string,
): TimerCall {
  return { kind, queue, identity, timestamp, payload, settle: undefined, answer: false }
}

function damaged(identity: string): never {
  throw new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the stored timer ${JSON.stringify(identity)} is damaged: run verify(), and restore a checkpoint`,
  )
}

function incomplete(from: ServiceState): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `${countOf(from)} timers of service '${from.name}' have no due entry, and could not be converted: run verify(), ` +
      'and restore a checkpoint',
  )
}
