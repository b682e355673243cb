/** What the lines of an import mean, each checked for its form: nothing of a line that is not understood is imported. */
import {
  MAX_KEY_BYTES,
  MAX_MAX_PARALLELISM,
  MAX_NAMESPACE_BYTES,
  MAX_PAYLOAD_BYTES,
  MAX_SERVICE_NAME_BYTES,
  MAX_SERVICE_SCHEMA_BYTES,
  MIN_TIMESTAMP,
} from '../limits.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import type { TimeDomain } from '../timer/identity.ts'
import { canonicalJson, encodePart } from '../timer/schema.ts'
import { isSchemasText } from '../timer/schematext.ts'
import { ownerOf, RESERVED_NAME_BYTES, RESERVED_NAME_PREFIX } from '../timer/servicename.ts'
import { utf8Length } from '../timer/text.ts'
import { EXPORT_FORMAT } from './exportformat.ts'
import type { ImportLine } from './importlines.ts'
import { ImportProblem } from './importproblem.ts'

export type ImportRecord =
  | { kind: 'store'; maxParallelism: number; keyGroups: KeyGroupRange }
  | { kind: 'service'; name: string; watermark: number; schemas: string }
  | ImportedTimer

export interface ImportedTimer {
  kind: 'timer'
  service: string
  domain: TimeDomain
  /** As they are encoded; and what they are. */
  key: string
  keyValue: unknown
  namespace: string
  namespaceValue: unknown
  timestamp: number
  /** JSON, or '' where there is none; and what it is. */
  payload: string
  payloadValue: unknown
  /** When it was registered, where that is told. */
  order?: { createVersion: number; place: number }
}

/** Throws an ImportProblem. */
export function recordOf({ line, fields }: ImportLine): ImportRecord {
  const refuse = (problem: string): never => {
    throw new ImportProblem(line, problem)
  }
  try {
    if ('tidemark' in fields) return storeRecord(fields, refuse)
    return 'schemas' in fields ? serviceRecord(fields, refuse) : timerRecord(fields, refuse)
  } catch (error) {
    throw error instanceof ImportProblem ? error : new ImportProblem(line, (error as Error).message, error)
  }
}

type Fields = ImportLine['fields']
type Refuse = (problem: string) => never

const STORE_FIELDS = new Set(['tidemark', 'format', 'storeId', 'version', 'maxParallelism', 'keyGroups'])
const SERVICE_FIELDS = new Set(['service', 'watermark', 'schemas'])
const TIMER_FIELDS = new Set([
  'service',
  'domain',
  'key',
  'namespace',
  'timestamp',
  'payload',
  'createVersion',
  'place',
])

function storeRecord(fields: Fields, refuse: Refuse): ImportRecord {
  if (fields.tidemark !== 'export') refuse('it is not an export of Tidemark')
  const { format, maxParallelism, keyGroups } = fields
  if (format !== EXPORT_FORMAT) {
    refuse(
      `it has format ${JSON.stringify(format)}, and this Tidemark reads ${EXPORT_FORMAT}: use a newer Tidemark`,
    )
  }
  refuseUnknown(fields, STORE_FIELDS, refuse)
  const most = whole(maxParallelism, 'maxParallelism', 1, MAX_MAX_PARALLELISM, refuse)
  const { start, end } = Object(keyGroups) as Record<string, unknown>
  const first = whole(start, 'keyGroups.start', 0, most - 1, refuse)
  const last = whole(end, 'keyGroups.end', first, most - 1, refuse)
  return { kind: 'store', maxParallelism: most, keyGroups: { start: first, end: last } }
}

function serviceRecord(fields: Fields, refuse: Refuse): ImportRecord {
  refuseUnknown(fields, SERVICE_FIELDS, refuse)
  const { service, watermark = MIN_TIMESTAMP, schemas } = fields
  // As a text of JSON, or as what is in it.
  const text = typeof schemas === 'string' ? schemas : canonicalJson(schemas)
  if (utf8Length(text) > MAX_SERVICE_SCHEMA_BYTES)
    refuse(`schemas may take ${MAX_SERVICE_SCHEMA_BYTES} bytes at most`)
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    refuse('schemas must be an object')
  const name = serviceName(service, refuse)
  if (!isSchemasText(text))
    refuse('schemas must be { key, namespace, payload? } as an export has them, each of them a JSON Schema')
  return { kind: 'service', name, watermark: timestampOf(watermark, 'watermark', refuse), schemas: text }
}

function timerRecord(fields: Fields, refuse: Refuse): ImportRecord {
  refuseUnknown(fields, TIMER_FIELDS, refuse)
  const { key, namespace = '', payload, createVersion, place } = fields
  const timer: ImportedTimer = {
    kind: 'timer',
    service: serviceName(fields.service, refuse),
    domain: domainOf(fields.domain, refuse),
    key: encodePart(key, 'key', MAX_KEY_BYTES),
    keyValue: key,
    namespace: encodePart(namespace, 'namespace', MAX_NAMESPACE_BYTES),
    namespaceValue: namespace,
    timestamp: timestampOf(fields.timestamp, 'timestamp', refuse),
    payload: payload === undefined ? '' : JSON.stringify(payload),
    payloadValue: payload,
  }
  const bytes = timer.payload.length * 3 > MAX_PAYLOAD_BYTES ? utf8Length(timer.payload) : 0
  if (bytes > MAX_PAYLOAD_BYTES)
    refuse(`payload takes ${bytes} bytes, and may take ${MAX_PAYLOAD_BYTES} at most`)
  if (createVersion === undefined || place === undefined) return timer
  const most = Number.MAX_SAFE_INTEGER
  const order = {
    createVersion: whole(createVersion, 'createVersion', 1, most, refuse),
    place: whole(place, 'place', 0, most, refuse),
  }
  return { ...timer, order }
}

function serviceName(value: unknown, refuse: Refuse): string {
  if (typeof value !== 'string' || value === '') return refuse('service must be the name of one')
  if (!value.isWellFormed()) refuse('the name of a service may have no half of a surrogate pair')
  // What is being converted goes on to be.
  const isReserved = value.startsWith(RESERVED_NAME_PREFIX) && ownerOf(value) === value
  if (isReserved) refuse(`the name of a service may not begin with '${RESERVED_NAME_PREFIX}'`)
  const most = MAX_SERVICE_NAME_BYTES + RESERVED_NAME_BYTES
  if (utf8Length(value) > most)
    refuse(`the name of a service may take ${MAX_SERVICE_NAME_BYTES} bytes at most`)
  return value
}

function domainOf(value: unknown, refuse: Refuse): TimeDomain {
  if (value === 'eventTime' || value === 'processingTime') return value
  return refuse(`domain must be eventTime or processingTime, not ${JSON.stringify(value)}`)
}

function timestampOf(value: unknown, name: string, refuse: Refuse): number {
  if (Number.isSafeInteger(value)) return (value as number) + 0
  return refuse(`${name} must be a whole number of milliseconds, not ${JSON.stringify(value)}`)
}

function whole(value: unknown, name: string, least: number, most: number, refuse: Refuse): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number
  return refuse(`${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(value)}`)
}

function refuseUnknown(fields: Fields, known: ReadonlySet<string>, refuse: Refuse): void {
  for (const name of Object.keys(fields)) {
    if (!known.has(name))
      refuse(`there is no field ${JSON.stringify(name)}: known are ${[...known].join(', ')}`)
  }
}
