/**
 * What an export is made of, in both of its formats: the store, then service by service the service and its timers, in the
 * order in which they are due. Nothing is lost, and whoever registers the timers of a service in the order of the lines
 * keeps the order among those of one timestamp.
 */
import type { KeyGroupRange } from '../timer/codec.ts'
import { parseIdentity, type TimeDomain } from '../timer/identity.ts'
import { canonicalJson, decodePart } from '../timer/schema.ts'
import { parseTrusted, payloadText, placeOf } from '../timer/stored.ts'
import { csvLine, stringCell } from './csv.ts'

export const EXPORT_FORMAT = 1

export interface ExportedStore {
  format: number
  storeId: string
  version: number
  maxParallelism: number
  keyGroups: KeyGroupRange
}

export interface ExportedService {
  name: string
  watermark: number
  /** As they are stored. */
  schemas: string
}

/** A timer of a queue, as text; its payload is JSON, or '' where it has none. */
export interface ExportedTimer {
  key: string
  namespace: string
  timestamp: number
  payload: string
  createVersion: number
  place: number
}

/** Turns what is exported into lines, without their ends. */
export interface ExportFormat {
  /** What ends a line. */
  readonly lineEnd: string
  head(store: ExportedStore): string[]
  service(service: ExportedService): string
  /** Returns what makes the lines of a queue's timers. */
  timers(service: string, domain: TimeDomain): (timer: ExportedTimer) => string
}

export function exportedTimer(identity: string, value: string): ExportedTimer {
  const parts = parseIdentity(identity)
  const stored = parseTrusted(value, 0)
  // Both were verified when they were read.
  if (parts === undefined || stored === undefined) throw new Error(`no timer: ${JSON.stringify(identity)}`)
  const { key, namespace, timestamp } = parts
  const { createVersion } = stored
  return { key, namespace, timestamp, payload: payloadText(stored), createVersion, place: placeOf(stored) }
}

/** A key or a namespace as JSON. */
function partJson(text: string): string {
  const value = decodePart(text)
  return typeof value === 'string' ? JSON.stringify(value) : text.slice(1)
}

/** As a cell: a string as it is, if it can be. */
function partCell(text: string): string {
  const value = decodePart(text)
  return typeof value === 'string' ? stringCell(value) : text.slice(1)
}

/** Schemas as JSON; as a text of JSON where they would come back as another text. */
function schemasJson(text: string): string {
  try {
    if (canonicalJson(JSON.parse(text)) === text) return text
  } catch {
    // Whatever it is, it is kept.
  }
  return JSON.stringify(text)
}

export const NDJSON: ExportFormat = {
  lineEnd: '\n',
  head: (store) => [JSON.stringify({ tidemark: 'export', ...store })],
  service: ({ name, watermark, schemas }) =>
    `{"service":${JSON.stringify(name)},"watermark":${watermark},"schemas":${schemasJson(schemas)}}`,
  timers: (service, domain) => {
    const head = `{"service":${JSON.stringify(service)},"domain":"${domain}","key":`
    return ({ key, namespace, timestamp, payload, createVersion, place }) => {
      const timer = `${partJson(key)},"namespace":${partJson(namespace)},"timestamp":${timestamp}`
      const content = payload === '' ? '' : `,"payload":${payload}`
      return `${head}${timer}${content},"createVersion":${createVersion},"place":${place}}`
    }
  },
}

export const CSV_COLUMNS = [
  'record',
  'service',
  'domain',
  'key',
  'namespace',
  'timestamp',
  'payload',
  'createVersion',
  'place',
  'watermark',
  'schemas',
  'store',
] as const

export const CSV: ExportFormat = {
  lineEnd: '\r\n',
  head: (store) => [csvLine(CSV_COLUMNS), csvRow('store', { store: JSON.stringify(store) })],
  service: ({ name, watermark, schemas }) =>
    csvRow('service', {
      service: stringCell(name),
      watermark: String(watermark),
      schemas: schemasJson(schemas),
    }),
  timers: (service, domain) => {
    const head = ['timer', stringCell(service), domain]
    return ({ key, namespace, timestamp, payload, createVersion, place }) => {
      const parts = [partCell(key), partCell(namespace), String(timestamp), payload]
      return csvLine([...head, ...parts, String(createVersion), String(place), '', '', ''])
    }
  },
}

function csvRow(record: string, cells: Partial<Record<(typeof CSV_COLUMNS)[number], string>>): string {
  const row = { ...cells, record }
  return csvLine(CSV_COLUMNS.map((column) => row[column] ?? ''))
}
