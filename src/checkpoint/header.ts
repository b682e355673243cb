/**
 * What a checkpoint says of itself: one frame of JSON for the store, and one for each service, so that no frame is
 * longer than its limit however many services there are.
 */
import {
  MAX_MAX_PARALLELISM,
  MAX_METADATA_BYTES,
  MAX_SERVICE_NAME_BYTES,
  MAX_SERVICE_SCHEMA_BYTES,
  MAX_SERVICES,
  MAX_STORED_JSON_DEPTH,
} from '../limits.ts'
import type { CutQueue, CutService } from '../snapshot/cut.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import { jsonDepth } from '../timer/jsondepth.ts'
import { RESERVED_NAME_BYTES } from '../timer/servicename.ts'
import { utf8Length } from '../timer/text.ts'
import type { CheckpointBase, CheckpointCut, CheckpointKind } from './cut.ts'
import { check } from './format.ts'

/** What the header's frame tells. */
export interface CheckpointHead {
  kind: CheckpointKind
  /** What it builds on: there exactly if it is incremental. */
  base: CheckpointBase | undefined
  storeId: string
  checkpointId: string
  version: number
  /** Checksum of the newest log entry before the version: the log goes on from there. */
  chain: number
  maxParallelism: number
  /** The key groups that the store takes. */
  keyGroups: KeyGroupRange
  createdMs: number
  pauseMs: number
  metadata: unknown
  /** How many services follow. */
  serviceCount: number
}

export interface CheckpointHeader extends CheckpointHead {
  services: CutService[]
}

export function encodeHead(cut: CheckpointCut): Buffer {
  const { kind, base, storeId, checkpointId, version, chain, maxParallelism, createdMs, pauseMs } = cut
  const keyGroups = cut.keyGroups ?? { start: 0, end: maxParallelism - 1 }
  const head = {
    kind,
    base,
    storeId,
    checkpointId,
    version,
    chain,
    maxParallelism,
    keyGroups,
    createdMs,
    pauseMs,
  }
  return Buffer.from(JSON.stringify({ ...head, metadata: cut.metadata, serviceCount: cut.services.length }))
}

export function encodeService(service: CutService): Buffer {
  const { id, name, schemas, watermark, eventTime, processingTime } = service
  return Buffer.from(
    JSON.stringify({
      id,
      name,
      schemas,
      watermark,
      eventTime: { count: eventTime.count, setHash: eventTime.setHash },
      processingTime: { count: processingTime.count, setHash: processingTime.setHash },
    }),
  )
}

const KINDS: readonly CheckpointKind[] = ['full', 'incremental', 'savepoint']

type Fields = Record<string, unknown>

function parseObject(bytes: Buffer): Fields {
  return object(JSON.parse(bytes.toString('utf8')), 'it')
}

function object(value: unknown, name: string): Fields {
  check(typeof value === 'object' && value !== null && !Array.isArray(value), `${name} is no object`)
  return value as Fields
}

function text(fields: Fields, name: string, maxBytes: number): string {
  const value = fields[name]
  check(
    typeof value === 'string' && utf8Length(value) <= maxBytes,
    `${name} is no text of ${maxBytes} bytes at most`,
  )
  return value
}

function whole(fields: Fields, name: string, min: number, max: number): number {
  const value = fields[name]
  check(
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
    `${name} is ${value}`,
  )
  return value as number
}

/** A JSON text that whoever reads it can go through to its end. */
function shallow(text: string, name: string): string {
  check(jsonDepth(text) <= MAX_STORED_JSON_DEPTH, `${name} has more than ${MAX_STORED_JSON_DEPTH} levels`)
  return text
}

function parseMetadata(fields: Fields): unknown {
  if (fields.metadata === undefined) return undefined
  return JSON.parse(shallow(text(fields, 'metadata', MAX_METADATA_BYTES), 'metadata'))
}

function parseId(fields: Fields): string {
  const checkpointId = text(fields, 'checkpointId', 64)
  check(/^[0-9a-f]{8}/.test(checkpointId), 'checkpointId is no id')
  return checkpointId
}

function parseMs(fields: Fields, name: string): number {
  const value = fields[name]
  check(typeof value === 'number' && Number.isFinite(value) && value >= 0, `${name} is ${value}`)
  return value
}

function parseBase(fields: Fields, version: number): CheckpointBase {
  const sha256 = text(fields, 'sha256', 64)
  check(/^[0-9a-f]{64}$/.test(sha256), 'sha256 is none')
  return {
    checkpointId: parseId(fields),
    version: whole(fields, 'version', 1, version),
    chain: whole(fields, 'chain', 0, 2 ** 48 - 1),
    sha256,
  }
}

export function parseHead(bytes: Buffer): CheckpointHead {
  const fields = parseObject(bytes)
  const kind = KINDS.find((known) => known === fields.kind)
  check(kind !== undefined, `its kind is ${JSON.stringify(fields.kind)}`)
  check((kind === 'incremental') === (fields.base !== undefined), 'only an incremental checkpoint has a base')
  const version = whole(fields, 'version', 1, Number.MAX_SAFE_INTEGER)
  const maxParallelism = whole(fields, 'maxParallelism', 1, MAX_MAX_PARALLELISM)
  const range = object(fields.keyGroups, 'keyGroups')
  const start = whole(range, 'start', 0, maxParallelism - 1)
  return {
    kind,
    base: fields.base === undefined ? undefined : parseBase(object(fields.base, 'base'), version),
    storeId: text(fields, 'storeId', 64),
    checkpointId: parseId(fields),
    version,
    chain: whole(fields, 'chain', 0, 2 ** 48 - 1),
    maxParallelism,
    keyGroups: { start, end: whole(range, 'end', start, maxParallelism - 1) },
    createdMs: whole(fields, 'createdMs', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    pauseMs: parseMs(fields, 'pauseMs'),
    metadata: parseMetadata(fields),
    serviceCount: whole(fields, 'serviceCount', 0, MAX_SERVICES),
  }
}

/** Reads the service of an id: services stand in the order of their ids, which have no gaps. */
export function parseService(bytes: Buffer, id: number): CutService {
  const fields = parseObject(bytes)
  return {
    id: whole(fields, 'id', id, id),
    name: text(fields, 'name', MAX_SERVICE_NAME_BYTES + RESERVED_NAME_BYTES),
    schemas: shallow(text(fields, 'schemas', MAX_SERVICE_SCHEMA_BYTES), 'schemas'),
    watermark: whole(fields, 'watermark', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    eventTime: parseQueue(fields, 'eventTime'),
    processingTime: parseQueue(fields, 'processingTime'),
  }
}

function parseQueue(fields: Fields, domain: 'eventTime' | 'processingTime'): CutQueue {
  const queue = object(fields[domain], domain)
  return {
    count: whole(queue, 'count', 0, Number.MAX_SAFE_INTEGER),
    setHash: whole(queue, 'setHash', 0, 2 ** 52 - 1),
  }
}
