/**
 * Applies log entries to a store that is being restored, as their commits did.
 *
 * - An event names all that it did, so nothing is decided again: a timer that goes or changes must be the one that it
 *   names.
 * - Where everything of one source is restored, each entry proves itself: count and set hash of every queue that it
 *   touched must be what it says.
 * - What stood before is read for many events at once; memory does not grow with the log, whatever it is made of.
 */
import type { Engine, EngineBatch } from '../engine/engine.ts'
import { RESTORE_BATCH_CHARACTERS, RESTORE_BATCH_ENTRIES } from '../limits.ts'
import { putTimer } from '../log/apply.ts'
import type { LoggedEvent, ParsedEntry } from '../log/entry.ts'
import type { QueueState, StoreState } from '../log/state.ts'
import { reached } from '../steps.ts'
import { addToSetHash, removeFromSetHash } from '../timer/checksum.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import { IDENTITY_QUEUE_END, identityTimestamp } from '../timer/identity.ts'
import { dueKey, makeStored, parseStored, type StoredTimer } from '../timer/stored.ts'
import { decodeDigits } from '../timer/text.ts'
import { check } from './format.ts'
import { eventsOf, type LogEntry } from './logreader.ts'
import type { Translation } from './translation.ts'

type TimerEvent = Extract<LoggedEvent, { identity: string }>

export interface ReplayParts {
  engine: Engine
  state: StoreState
  translation: Translation
  keyGroups: KeyGroupRange
  /** Whether nothing else is restored: then watermarks are those of the entries. */
  isOnly: boolean
  /** Whether it is the only source and restored with all of its key groups, so that totals must be met. */
  isWhole: boolean
  /** Called for a service that an entry makes, renames or gives other schemas. */
  onService(event: LoggedEvent & { kind: 'service' }): void
}

/** A timer event on its way into the store, or the end of its entry. */
type Step = { event: TimerEvent; identity: string; version: number } | { entry: ParsedEntry }

export class LogReplayer {
  readonly #parts: ReplayParts
  #steps: Step[] = []
  /** Length of the entries that the steps are of. */
  #characters = 0

  constructor(parts: ReplayParts) {
    this.#parts = parts
  }

  /** Adds the next entry. Throws a FormatProblem where it does not fit to what is there. */
  async add(logged: LogEntry): Promise<void> {
    const { entry, value } = logged
    for (const event of eventsOf(logged)) {
      if (event.kind === 'service') this.#parts.onService(event)
      if ('identity' in event && this.#isWanted(event.identity)) {
        const serviceId = decodeDigits(event.identity, 1, 2)
        const identity = this.#parts.translation.identity(event.identity, serviceId)
        this.#steps.push({ event, identity, version: entry.version })
      }
    }
    this.#steps.push({ entry })
    this.#characters += value.length
    const isFull = this.#steps.length >= RESTORE_BATCH_ENTRIES || this.#characters >= RESTORE_BATCH_CHARACTERS
    if (isFull) await this.flush()
  }

  /** Writes what was added. */
  async flush(): Promise<void> {
    const steps = this.#steps
    this.#steps = []
    this.#characters = 0
    const standing = await this.#readStanding(steps)
    const batch = this.#parts.engine.batch()
    for (const step of steps) {
      if ('entry' in step) this.#endEntry(step.entry)
      else this.#apply(batch, standing, step.event, step.identity, step.version)
    }
    if (standing.size === 0) return
    reached('restore.beforeReplay')
    await this.#parts.engine.write(batch, false)
    reached('restore.afterReplay')
  }

  #isWanted(identity: string): boolean {
    const { start, end } = this.#parts.keyGroups
    const keyGroup = decodeDigits(identity, IDENTITY_QUEUE_END, 3)
    check(!Number.isNaN(keyGroup), 'a timer has no key group')
    return keyGroup >= start && keyGroup <= end
  }

  /** What stands of every timer that the steps touch; undefined: nothing. */
  async #readStanding(steps: readonly Step[]): Promise<Map<string, StoredTimer | undefined>> {
    const touched = new Set<string>()
    for (const step of steps) if (!('entry' in step)) touched.add(step.identity)
    const identities = [...touched]
    const values = identities.length === 0 ? [] : await this.#parts.engine.getMany(identities)
    const standing = new Map<string, StoredTimer | undefined>()
    identities.forEach((identity, i) => {
      const value = values[i]
      standing.set(identity, value === undefined ? undefined : parseStored(identity, value))
    })
    return standing
  }

  #apply(
    batch: EngineBatch,
    standing: Map<string, StoredTimer | undefined>,
    event: TimerEvent,
    identity: string,
    version: number,
  ): void {
    const { translation } = this.#parts
    const before = standing.get(identity)
    const queue = this.#queueOf(identity)
    if (event.kind === 'register') {
      check(before === undefined, `version ${version} registers a timer that is there`)
      const orderText = translation.order(event.createVersion, event.place)
      const timer = makeStored(identity, version, orderText, version, event.payload)
      putTimer(batch, identity, timer.value)
      this.#count(queue, undefined, timer)
      raiseBounds(queue, identityTimestamp(identity))
      standing.set(identity, timer)
      return
    }
    const orderText = translation.orderText(event.orderText)
    check(before?.orderText === orderText, `version ${version} names a timer that is not there`)
    if (event.kind === 'payload') {
      const timer = makeStored(identity, before.createVersion, orderText, version, event.payload)
      batch.put(identity, timer.value)
      this.#count(queue, before, timer)
      standing.set(identity, timer)
      return
    }
    batch.del(identity)
    batch.del(dueKey(identity, orderText))
    this.#count(queue, before, undefined)
    standing.set(identity, undefined)
  }

  #queueOf(identity: string): QueueState {
    const domain = identity[IDENTITY_QUEUE_END - 1] === 'e' ? 'eventTime' : 'processingTime'
    const queue = this.#parts.state.queueOf(decodeDigits(identity, 1, 2), domain)
    check(queue !== undefined, 'a timer belongs to no service')
    return queue
  }

  #count({ decided }: QueueState, before: StoredTimer | undefined, after: StoredTimer | undefined): void {
    if (before !== undefined) {
      decided.count--
      decided.setHash = removeFromSetHash(decided.setHash, before.checksum)
    }
    if (after !== undefined) {
      decided.count++
      decided.setHash = addToSetHash(decided.setHash, after.checksum)
    }
  }

  #endEntry(entry: ParsedEntry): void {
    const { state, isOnly, isWhole } = this.#parts
    for (const { serviceId, domain, count, setHash } of isWhole ? entry.totals : []) {
      const found = state.queueOf(serviceId, domain)?.decided
      const isSame = found?.count === count && found.setHash === setHash
      check(isSame, `the ${domain} timers of service ${serviceId} are not those of version ${entry.version}`)
    }
    for (const { serviceId, watermark } of isOnly ? entry.watermarks : []) {
      const service = state.services[serviceId]
      check(service !== undefined, 'a watermark belongs to no service')
      service.decidedWatermark = watermark
    }
  }
}

function raiseBounds({ decided }: QueueState, timestamp: number): void {
  if (timestamp < decided.low) decided.low = timestamp
  if (timestamp > decided.high) decided.high = timestamp
}
