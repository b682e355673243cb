/**
 * The identity of a timer as text: `t` service(2) domain(1) keyGroup(3) key NUL namespace NUL timestamp(9).
 * It is the key of the `timers` space, and what every part of Tidemark knows a timer by.
 *
 * - No two timers share one: NUL ends a part, and inside a part NUL and U+0001 are escaped by U+0001.
 * - Its order is service, domain, key group, key, namespace, timestamp; the escapes keep the order of the parts.
 */
import { decodeDigits, decodeTimestamp, encodePair, encodeTriple, TIMESTAMP_CHARACTERS } from './text.ts'

export type TimeDomain = 'eventTime' | 'processingTime'

/** Where the key group begins, behind `t`, service and domain. */
export const IDENTITY_QUEUE_END = 4
/** Where the key begins. */
export const IDENTITY_KEY_START = 7

const RESERVED_ALL = /[\0\u0001]/g
const ESCAPED_ALL = /\u0001([\u0001\u0002])/g

/** One part of an identity (a key, a namespace, a name), escaped, without its end. */
export function escapePart(text: string): string {
  if (!hasReserved(text)) return text
  return text.replace(RESERVED_ALL, (character) => (character === '\0' ? '\u0001\u0001' : '\u0001\u0002'))
}

/** By hand: a regular expression takes longer for a text as short as these. */
function hasReserved(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) <= 1) return true
  return false
}

export function unescapePart(text: string): string {
  if (!text.includes('\u0001')) return text
  return text.replace(ESCAPED_ALL, (_, digit) => (digit === '\u0001' ? '\0' : '\u0001'))
}

/** The four characters that begin every identity of one queue. */
export function queuePrefix(serviceId: number, domain: TimeDomain): string {
  return `t${encodePair(serviceId)}${domain === 'eventTime' ? 'e' : 'p'}`
}

/** The prefix of every timer of one key in one queue. */
export function keyPrefix(queue: string, keyGroup: number, escapedKey: string): string {
  return `${keyText(queue, keyGroup, escapedKey)}\0`
}

/** Queue, key group and key, without the NUL that ends it. */
export function keyText(queue: string, keyGroup: number, escapedKey: string): string {
  return queue + encodeTriple(keyGroup) + escapedKey
}

/** The prefix of a key's timers in an identity, or in a longer prefix. */
export function keyPart(text: string): string {
  return text.slice(0, text.indexOf('\0') + 1)
}

/** What an identity begins with, up to the NUL behind its namespace. */
export function namespacePart(identity: string): string {
  return identity.slice(0, -TIMESTAMP_CHARACTERS)
}

/** An identity, taken apart; key and namespace still encoded. */
export interface IdentityParts {
  serviceId: number
  domain: TimeDomain
  keyGroup: number
  key: string
  namespace: string
  timestamp: number
}

/** Where the identity that begins at `at` (at its service, without the `t`) ends, or -1 where none is whole. */
export function identityEnd(text: string, at: number): number {
  const keyEnd = text.indexOf('\0', at + IDENTITY_KEY_START - 1)
  if (keyEnd < 0) return -1
  const namespaceEnd = text.indexOf('\0', keyEnd + 1)
  if (namespaceEnd < 0) return -1
  const end = namespaceEnd + 1 + TIMESTAMP_CHARACTERS
  return end <= text.length ? end : -1
}

/** Whether what stands from `at` (its service) to `end`, where {@link identityEnd} says, has the numbers of an identity. */
export function isIdentityAt(text: string, at: number, end: number): boolean {
  const domain = text[at + 2]
  if (domain !== 'e' && domain !== 'p') return false
  const timestamp = decodeTimestamp(text, end - TIMESTAMP_CHARACTERS)
  return (
    !Number.isNaN(decodeDigits(text, at, 2) + decodeDigits(text, at + 3, 3)) &&
    Number.isSafeInteger(timestamp)
  )
}

/** Takes an identity apart; undefined where it is not one. */
export function parseIdentity(identity: string): IdentityParts | undefined {
  const keyEnd = identity.indexOf('\0', IDENTITY_KEY_START)
  const namespaceEnd = keyEnd < 0 ? -1 : identity.indexOf('\0', keyEnd + 1)
  if (namespaceEnd < 0 || namespaceEnd + 1 + TIMESTAMP_CHARACTERS !== identity.length) return undefined
  const domain = identity[3]
  const serviceId = decodeDigits(identity, 1, 2)
  const keyGroup = decodeDigits(identity, 4, 3)
  const timestamp = decodeTimestamp(identity, namespaceEnd + 1)
  if (identity[0] !== 't' || (domain !== 'e' && domain !== 'p')) return undefined
  if (Number.isNaN(serviceId) || Number.isNaN(keyGroup) || !Number.isSafeInteger(timestamp)) return undefined
  return {
    serviceId,
    domain: domain === 'e' ? 'eventTime' : 'processingTime',
    keyGroup,
    key: unescapePart(identity.slice(IDENTITY_KEY_START, keyEnd)),
    namespace: unescapePart(identity.slice(keyEnd + 1, namespaceEnd)),
    timestamp,
  }
}

/** The nine characters of an identity's timestamp. */
export function timestampText(identity: string): string {
  return identity.slice(-TIMESTAMP_CHARACTERS)
}

export function identityTimestamp(identity: string): number {
  return decodeTimestamp(identity, identity.length - TIMESTAMP_CHARACTERS)
}

/** What a `due` entry names of an identity: key group, key and namespace. */
export function dueBody(identity: string): string {
  return identity.slice(IDENTITY_QUEUE_END, -TIMESTAMP_CHARACTERS)
}
