/**
 * A timer as it is stored: the value of the `timers` space, and those of `due` and `retired`, which are made from it.
 * FORMAT.md of the engine says the bytes.
 *
 * - `createVersion` and `place` are the order among timers of one timestamp; they stay when only the payload changes.
 * - `sinceVersion` is the version from which this content stands: the create version, until a payload changes.
 *   The visible interval of a stored timer is [sinceVersion, deleteVersion); those of one identity never overlap.
 */

import { invariant } from '../errors.ts'
import {
  CHECKSUM_CHARACTERS,
  checksumAtEnd,
  checksumOf,
  encodeChecksum,
  verifiedBody,
  withChecksum,
} from './checksum.ts'
import { dueBody, IDENTITY_QUEUE_END, timestampText } from './identity.ts'
import { countLength, decodeCount, decodeTimestamp, encodeCount, TIMESTAMP_CHARACTERS } from './text.ts'

export class StoredTimer {
  /** The value but for its checksum: order, since version, payload. */
  readonly body: string
  readonly createVersion: number
  readonly sinceVersion: number
  /** Create version and place as they are written, first in the value and last in the `due` key. */
  readonly orderText: string
  readonly payloadStart: number
  readonly checksum: number

  constructor(
    body: string,
    createVersion: number,
    sinceVersion: number,
    orderText: string,
    payloadStart: number,
    checksum: number,
  ) {
    this.body = body
    this.createVersion = createVersion
    this.sinceVersion = sinceVersion
    this.orderText = orderText
    this.payloadStart = payloadStart
    this.checksum = checksum
  }

  /** The whole value, its checksum included: made when it is asked for, which most timers' is not. */
  get value(): string {
    return this.body + encodeChecksum(this.checksum)
  }
}

const SAME_AS_CREATE = '-'

/** A timer that is new in `version`, or whose payload is. */
export function makeStored(
  identity: string,
  createVersion: number,
  orderText: string,
  sinceVersion: number,
  payload: string,
): StoredTimer {
  const head = orderText + (sinceVersion === createVersion ? SAME_AS_CREATE : encodeCount(sinceVersion))
  const body = head + payload
  const checksum = checksumOf(identity, body)
  return new StoredTimer(body, createVersion, sinceVersion, orderText, head.length, checksum)
}

export function orderTextOf(createVersion: number, place: number): string {
  return encodeCount(createVersion) + encodeCount(place)
}

/** Reads a value of the `timers` space; undefined where its checksum or its form is wrong. */
export function parseStored(identity: string, value: string): StoredTimer | undefined {
  const checksum = checksumAtEnd(value)
  if (checksumOf(identity, value, value.length - CHECKSUM_CHARACTERS) !== checksum) return undefined
  return parseTrusted(value, checksum)
}

/** A value that this process made, or verified. */
export function storedIn(value: string): StoredTimer {
  const timer = parseTrusted(value, checksumAtEnd(value))
  invariant(timer !== undefined, `a timer is none any more: '${value}'`)
  return timer
}

/** Reads a value whose checksum was verified; undefined where its form is wrong all the same. */
export function parseTrusted(value: string, checksum: number): StoredTimer | undefined {
  const createLength = countLength(value, 0)
  const createVersion = decodeCount(value, 0)
  const orderLength = createLength + countLength(value, createLength)
  // A place that is none makes no order.
  if (Number.isNaN(createVersion + orderLength + decodeCount(value, createLength))) return undefined
  const same = value[orderLength] === SAME_AS_CREATE
  const sinceVersion = same ? createVersion : decodeCount(value, orderLength)
  const payloadStart = orderLength + (same ? 1 : countLength(value, orderLength))
  if (Number.isNaN(sinceVersion) || payloadStart > value.length - CHECKSUM_CHARACTERS) return undefined
  const body = value.slice(0, -CHECKSUM_CHARACTERS)
  const orderText = value.slice(0, orderLength)
  return new StoredTimer(body, createVersion, sinceVersion, orderText, payloadStart, checksum)
}

/** The since version of a value whose checksum was verified, and nothing else of it; NaN where its form is wrong. */
export function sinceVersionOf(value: string): number {
  const createLength = countLength(value, 0)
  const orderLength = createLength + countLength(value, createLength)
  if (Number.isNaN(orderLength)) return Number.NaN
  return decodeCount(value, value[orderLength] === SAME_AS_CREATE ? 0 : orderLength)
}

/** Create version and place as they are written in a value whose checksum was verified. */
export function orderTextIn(value: string): string {
  const createLength = countLength(value, 0)
  return value.slice(0, createLength + countLength(value, createLength))
}

/** Whether create version and place stand from `at` to `end`, and nothing else. */
export function isOrderAt(text: string, at: number, end: number): boolean {
  const place = at + countLength(text, at)
  const isNumber = !Number.isNaN(decodeCount(text, at) + decodeCount(text, place))
  return isNumber && place + countLength(text, place) === end
}

export function placeOf(timer: StoredTimer): number {
  return decodeCount(timer.orderText, countLength(timer.orderText, 0))
}

/** The payload's JSON text, or '' for none. */
export function payloadText(timer: StoredTimer): string {
  return timer.body.slice(timer.payloadStart)
}

// due

/** What a `due` entry has besides an identity, about: create version and place, checksum. */
export const DUE_ENTRY_CHARACTERS = 16

/** Characters that a timer's two entries take, about. */
export function storedCharacters(identity: string, { body }: StoredTimer): number {
  return 2 * identity.length + body.length + CHECKSUM_CHARACTERS + DUE_ENTRY_CHARACTERS
}

export function dueKey(identity: string, orderText: string): string {
  return `d${identity.slice(1, IDENTITY_QUEUE_END)}${timestampText(identity)}${orderText}`
}

export function dueValue(key: string, identity: string): string {
  return withChecksum(key, dueBody(identity))
}

/** The identity that a `due` entry stands for, with its order; undefined where its checksum or form is wrong. */
export function parseDue(key: string, value: string): { identity: string; orderText: string } | undefined {
  const body = verifiedBody(key, value)
  if (body === undefined) return undefined
  const timestampEnd = IDENTITY_QUEUE_END + TIMESTAMP_CHARACTERS
  if (!Number.isSafeInteger(decodeTimestamp(key, IDENTITY_QUEUE_END))) return undefined
  if (!isOrderAt(key, timestampEnd, key.length)) return undefined
  return {
    identity: `t${key.slice(1, IDENTITY_QUEUE_END)}${body}${key.slice(IDENTITY_QUEUE_END, timestampEnd)}`,
    orderText: key.slice(timestampEnd),
  }
}

// retired

export function retiredKey(identity: string, sinceVersion: number): string {
  return `r${identity.slice(1)}${encodeCount(sinceVersion)}`
}

export function retiredValue(key: string, timer: StoredTimer, deleteVersion: number): string {
  return withChecksum(key, encodeCount(deleteVersion) + timer.value)
}

export interface RetiredTimer {
  identity: string
  deleteVersion: number
  timer: StoredTimer
}

/** Reads an entry of the `retired` space; undefined where a checksum or its form is wrong. */
export function parseRetired(key: string, value: string): RetiredTimer | undefined {
  const body = verifiedBody(key, value)
  if (body === undefined) return undefined
  const deleteVersion = decodeCount(body, 0)
  const length = countLength(body, 0)
  // The since version behind the identity has 2 to 10 characters, its first says how many: look for where it fits.
  const namespaceEnd = key.indexOf('\0', key.indexOf('\0', IDENTITY_QUEUE_END) + 1)
  const identity = `t${key.slice(1, namespaceEnd + 10)}`
  if (Number.isNaN(deleteVersion + length) || namespaceEnd < 0) return undefined
  const timer = parseStored(identity, body.slice(length))
  if (timer === undefined || retiredKey(identity, timer.sinceVersion) !== key) return undefined
  return { identity, deleteVersion, timer }
}
