/**
 * Puts the records of an import into a store, slice by slice: a slice is in it as a whole, by one commit, or not at all.
 *
 * - Timers are registered in the order of the lines, which is what keeps the order among those of one timestamp.
 * - Watermarks are raised when all timers are there: a store that got a part of an import has time before it.
 * - The store is opened, and made where there is none, when the first record for it is understood.
 */
import { TidemarkError } from '../errors.ts'
import { DEFAULT_MAX_PARALLELISM } from '../limits.ts'
import type { ServiceState } from '../log/state.ts'
import { escapePart, keyText } from '../timer/identity.ts'
import { keyGroupOf } from '../timer/keygroup.ts'
import { keyGroupText } from '../timer/schema.ts'
import { parseSchemas, type StoredSchemas, storedPayloads } from '../timer/schematext.ts'
import { encodeTimestamp } from '../timer/text.ts'
import { ImportProblem } from './importproblem.ts'
import type { ImportedTimer, ImportRecord } from './importrecords.ts'
import { misfit } from './schemafit.ts'
import { type EncodedTimer, StoreWriter } from './storewriter.ts'

/** Timers, and characters of payloads, of one slice. */
const SLICE_TIMERS = 1000
const SLICE_CHARACTERS = 1024 * 1024
/** Slices that are being written while the next one is read. */
const MAX_SLICES_UNDER_WAY = 2

export interface Imported {
  /** Timers that were not there before, and those that were: these have the payload of the import now. */
  new: number
  there: number
  services: { new: number; there: number }
  /** Lines up to this one are in the store. */
  lines: number
  /** Timers that stand before one of their timestamp which was registered earlier: they are in the order of the lines. */
  outOfOrder: number
}

interface Known {
  service: ServiceState
  schemas: StoredSchemas
  watermark: number
}

export class Importer {
  readonly imported: Imported = {
    new: 0,
    there: 0,
    services: { new: 0, there: 0 },
    lines: 0,
    outOfOrder: 0,
  }
  /** What opening the store had to leave out, and a service would be told of. */
  endDamaged: TidemarkError | undefined
  readonly #location: string
  readonly #known = new Map<string, Known>()
  #fresh = {
    maxParallelism: DEFAULT_MAX_PARALLELISM,
    keyGroups: { start: 0, end: DEFAULT_MAX_PARALLELISM - 1 },
  }
  #writer: StoreWriter | undefined
  #slice: EncodedTimer[] = []
  #characters = 0
  #line = 0
  /** In the order in which they were begun. */
  #underWay: Promise<void>[] = []
  #last: ImportedTimer | undefined

  constructor(location: string) {
    this.#location = location
  }

  /** Takes the record of a line. Throws an ImportProblem, or a TidemarkError of the store. */
  async add(line: number, record: ImportRecord): Promise<void> {
    if (record.kind === 'store') {
      if (this.#writer === undefined) this.#fresh = record
      return
    }
    const writer = await this.#open()
    if (record.kind === 'service') {
      await this.#settle()
      await this.#addService(writer, line, record)
    } else {
      this.#slice.push(this.#encode(writer, line, record))
      this.#characters += record.payload.length
    }
    this.#line = line
    if (this.#slice.length >= SLICE_TIMERS || this.#characters >= SLICE_CHARACTERS) await this.#send()
  }

  /** Imports what is left, and raises the watermarks. */
  async end(): Promise<void> {
    const writer = await this.#open()
    await this.#settle()
    for (const { service, watermark } of this.#known.values()) {
      if (watermark > service.decidedWatermark) await writer.raiseWatermark(service, watermark)
    }
  }

  /** Waits for what is under way, and closes the store; what was added and not sent is given up. */
  async close(): Promise<void> {
    // Whoever sent it hears of a failure.
    await Promise.allSettled(this.#underWay)
    await this.#writer?.close()
    this.#writer = undefined
  }

  async #open(): Promise<StoreWriter> {
    if (this.#writer !== undefined) return this.#writer
    this.#writer = await StoreWriter.open(this.#location, this.#fresh)
    this.endDamaged = this.#writer.endDamaged
    return this.#writer
  }

  async #settle(): Promise<void> {
    await this.#send()
    await Promise.all(this.#underWay)
    this.imported.lines = this.#line
  }

  async #send(): Promise<void> {
    const timers = this.#slice
    const line = this.#line
    this.#slice = []
    this.#characters = 0
    if (timers.length === 0) return
    const before = this.#underWay.at(-1) ?? Promise.resolve()
    const written = this.#writer!.register(timers).then(async (fresh) => {
      await before
      this.imported.new += fresh
      this.imported.there += timers.length - fresh
      this.imported.lines = line
    })
    // It is awaited later; until then its failure is nobody's.
    written.catch(() => {})
    this.#underWay.push(written)
    if (this.#underWay.length > MAX_SLICES_UNDER_WAY) await this.#underWay.shift()
  }

  async #addService(
    writer: StoreWriter,
    line: number,
    { name, schemas, watermark }: ImportRecord & { kind: 'service' },
  ): Promise<void> {
    const standing = writer.state.serviceByName.get(name)
    if (standing !== undefined && standing.schemas !== schemas) throw otherSchemas(line, standing, schemas)
    const service = standing ?? (await writer.service(name, schemas))
    this.#known.set(name, { service, schemas: parseSchemas(schemas), watermark })
    this.imported.services[standing === undefined ? 'new' : 'there']++
    this.imported.lines = line
  }

  #encode(writer: StoreWriter, line: number, timer: ImportedTimer): EncodedTimer {
    const { service, schemas } = this.#serviceOf(writer, line, timer.service)
    const why = misfitOf(timer, schemas)
    if (why !== undefined) throw new ImportProblem(line, `it does not fit service '${timer.service}': ${why}`)
    const { maxParallelism, keyGroups } = writer.record
    const keyGroup = keyGroupOf(keyGroupText(timer.key), maxParallelism)
    if (keyGroup < keyGroups.start || keyGroup > keyGroups.end) {
      const range = `${keyGroups.start} to ${keyGroups.end}`
      throw new ImportProblem(line, `its key belongs to key group ${keyGroup}, and this store holds ${range}`)
    }
    this.#noteOrder(timer)
    const queue = service[timer.domain]
    const { timestamp, payload } = timer
    const identity =
      `${keyText(queue.prefix, keyGroup, escapePart(timer.key))}\0${escapePart(timer.namespace)}\0` +
      encodeTimestamp(timestamp)
    return { queue, identity, timestamp, payload }
  }

  #serviceOf(writer: StoreWriter, line: number, name: string): Known {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const service = writer.state.serviceByName.get(name)
    if (service === undefined) {
      throw new ImportProblem(line, `there is no service '${name}': its line must stand before its timers`)
    }
    const found = { service, schemas: parseSchemas(service.schemas), watermark: service.decidedWatermark }
    this.#known.set(name, found)
    return found
  }

  #noteOrder(timer: ImportedTimer): void {
    const last = this.#last
    this.#last = timer
    if (last?.order === undefined || timer.order === undefined) return
    const isTie =
      last.timestamp === timer.timestamp && last.service === timer.service && last.domain === timer.domain
    if (!isTie) return
    const { createVersion, place } = timer.order
    const later = last.order.createVersion - createVersion || last.order.place - place
    if (later > 0) this.imported.outOfOrder++
  }
}

function misfitOf(timer: ImportedTimer, schemas: StoredSchemas): string | undefined {
  return (
    misfit(timer.keyValue, schemas.key, 'key') ??
    misfit(timer.namespaceValue, schemas.namespace, 'namespace') ??
    misfitOfPayload(timer, schemas)
  )
}

/** It may fit any of the schemas that the service has had. */
function misfitOfPayload({ payloadValue }: ImportedTimer, schemas: StoredSchemas): string | undefined {
  let first: string | undefined
  for (const { payload, optional } of storedPayloads(schemas)) {
    const why = whyNot(payloadValue, payload, optional)
    if (why === undefined) return undefined
    first ??= why
  }
  return first
}

function whyNot(
  value: unknown,
  schema: StoredSchemas['payload'],
  optional: true | undefined,
): string | undefined {
  if (value === undefined) {
    return schema === undefined || optional === true ? undefined : 'its payload is missing'
  }
  return schema === undefined ? 'it has no payloads' : misfit(value, schema, 'payload')
}

function otherSchemas(line: number, { name, schemas }: ServiceState, given: string): ImportProblem {
  const cause = new TidemarkError('TIDEMARK_SERVICE_MISMATCH', `service '${name}' has other schemas`)
  return new ImportProblem(
    line,
    `service '${name}' is there with other schemas.\n  stored: ${schemas}\n  given:  ${given}\n` +
      'Import into another store, or start the service there with these schemas first.',
    cause,
  )
}
