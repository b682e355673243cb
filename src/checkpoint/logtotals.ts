/**
 * What log entries make of a checkpoint's totals: whoever follows them from one checkpoint to the next comes to what the
 * next one's header says, or one of the files is not what it was.
 */

import { MIN_TIMESTAMP } from '../limits.ts'
import type { LoggedEvent } from '../log/entry.ts'
import type { CutService } from '../snapshot/cut.ts'
import type { TimeDomain } from '../timer/identity.ts'
import { decodeDigits } from '../timer/text.ts'
import { check } from './format.ts'
import { eventsOf, type LogEntry } from './logreader.ts'

export class LogTotals {
  readonly #services: CutService[]

  /** Begins with what a checkpoint's header says. */
  constructor(services: readonly CutService[]) {
    this.#services = services.map((service) => ({ ...service }))
  }

  /** Stored names of the services, as they are now. */
  get names(): string[] {
    return this.#services.map(({ name }) => name)
  }

  /** Follows the next entry. Throws a FormatProblem where its events do not come to the counts that it tells. */
  add(logged: LogEntry): void {
    const { entry } = logged
    const changes = new Map<string, number>()
    for (const event of eventsOf(logged)) {
      if (event.kind === 'service') this.#name(event)
      else if (event.kind !== 'payload' && 'identity' in event)
        countChange(changes, event.identity, event.kind)
    }
    for (const { serviceId, domain, count, setHash } of entry.totals) {
      const service = this.#services[serviceId]
      check(service !== undefined, `it names service ${serviceId}, which there is not`)
      const queue = `${serviceId} ${domain}`
      check(
        service[domain].count + (changes.get(queue) ?? 0) === count,
        'its events do not come to its counts',
      )
      changes.delete(queue)
      service[domain] = { count, setHash }
    }
    check(
      [...changes.values()].every((change) => change === 0),
      'it changes timers that it does not count',
    )
    for (const { serviceId, watermark } of entry.watermarks) {
      const service = this.#services[serviceId]
      check(service !== undefined, `it names service ${serviceId}, which there is not`)
      service.watermark = watermark
    }
  }

  /** Throws a FormatProblem where a header says something else. */
  compare(services: readonly CutService[]): void {
    const isSame = JSON.stringify(this.#services.map(parts)) === JSON.stringify(services.map(parts))
    check(isSame, 'they do not come to the counts, set hashes and watermarks of its header')
  }

  #name({ serviceId, name, schemas }: LoggedEvent & { kind: 'service' }): void {
    const known = this.#services[serviceId]
    check(known !== undefined || serviceId === this.#services.length, `service ${serviceId} is out of order`)
    const none = { count: 0, setHash: 0 }
    const fresh = { id: serviceId, watermark: MIN_TIMESTAMP, eventTime: none, processingTime: none }
    this.#services[serviceId] = { ...fresh, ...known, name, schemas }
  }
}

function countChange(changes: Map<string, number>, identity: string, kind: string): void {
  const domain: TimeDomain = identity[3] === 'e' ? 'eventTime' : 'processingTime'
  const queue = `${decodeDigits(identity, 1, 2)} ${domain}`
  changes.set(queue, (changes.get(queue) ?? 0) + (kind === 'register' ? 1 : -1))
}

function parts({ id, name, schemas, watermark, eventTime, processingTime }: CutService): unknown[] {
  const { count, setHash } = eventTime
  return [id, name, schemas, watermark, count, setHash, processingTime.count, processingTime.setHash]
}
