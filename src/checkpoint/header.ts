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
} from '../limits.ts'
import type { CutQueue, CutService } from '../snapshot/cut.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import { utf8Length } from '../timer/text.ts'
import type { CheckpointCut } from './cut.ts'
import { check } from './format.ts'

/** What the header's frame tells. */
export interface CheckpointHead {
  kind: 'full'
  storeId: string
  checkpointId: string
  version: number
  /** The version that an incremental checkpoint builds on; 0: on none. */
  baseVersion: number
  maxParallelism: number
  /** The key groups that the store takes. */
  keyGroups: KeyGroupRange
  createdMs: number
  metadata: unknown
  /** How many services follow. */
  serviceCount: number
}

export interface CheckpointHeader extends CheckpointHead {
  services: CutService[]
}

export function encodeHead(cut: CheckpointCut): Buffer {
  const { storeId, checkpointId, version, maxParallelism, createdMs, metadata } = cut
  const keyGroups = cut.keyGroups ?? { start: 0, end: maxParallelism - 1 }
  const head = {
    kind: 'full',
    storeId,
    checkpointId,
    version,
    baseVersion: 0,
    maxParallelism,
    keyGroups,
    createdMs,
  }
  return Buffer.from(JSON.stringify({ ...head, metadata, serviceCount: cut.services.length }))
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

function parseMetadata(fields: Fields): unknown {
  if (fields.metadata === undefined) return undefined
  return JSON.parse(text(fields, 'metadata', MAX_METADATA_BYTES))
}

export function parseHead(bytes: Buffer): CheckpointHead {
  const fields = parseObject(bytes)
  check(fields.kind === 'full', `its kind is ${JSON.stringify(fields.kind)}`)
  const checkpointId = text(fields, 'checkpointId', 64)
  check(/^[0-9a-f]{8}/.test(checkpointId), 'checkpointId is no id')
  const maxParallelism = whole(fields, 'maxParallelism', 1, MAX_MAX_PARALLELISM)
  const range = object(fields.keyGroups, 'keyGroups')
  const start = whole(range, 'start', 0, maxParallelism - 1)
  return {
    kind: 'full',
    storeId: text(fields, 'storeId', 64),
    checkpointId,
    version: whole(fields, 'version', 1, Number.MAX_SAFE_INTEGER),
    baseVersion: whole(fields, 'baseVersion', 0, 0),
    maxParallelism,
    keyGroups: { start, end: whole(range, 'end', start, maxParallelism - 1) },
    createdMs: whole(fields, 'createdMs', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    metadata: parseMetadata(fields),
    serviceCount: whole(fields, 'serviceCount', 0, MAX_SERVICES),
  }
}

/** Reads the service of an id: services stand in the order of their ids, which have no gaps. */
export function parseService(bytes: Buffer, id: number): CutService {
  const fields = parseObject(bytes)
  return {
    id: whole(fields, 'id', id, id),
    name: text(fields, 'name', MAX_SERVICE_NAME_BYTES),
    schemas: text(fields, 'schemas', MAX_SERVICE_SCHEMA_BYTES),
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
