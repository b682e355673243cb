/**
 * The five key spaces (FORMAT.md says the bytes): this file and timer/identity.ts and timer/stored.ts, which write what
 * stands behind a space's letter, are the only authors of keys.
 */
import { encodePair, encodeTimestamp } from '../timer/text.ts'

export const DUE = 'd'
export const LOG = 'l'
export const RETIRED = 'r'
export const TIMERS = 't'

/** Where a space, or the part of one behind a prefix, ends: no stored key continues with this character. */
export const END = '\u{10ffff}'

export const META_STORE = 'm!store'
/** What was spilled by batches without a log entry. */
export const META_SPILLED = 'm!spilled'
/** What a clean close left of the log. */
export const META_TRIMMED = 'm!trimmed'

export function serviceMetaKey(serviceId: number): string {
  return `m-${encodePair(serviceId)}`
}

export const SERVICE_META_PREFIX = 'm-'

/** Versions are written as timestamps are: nine characters, in order. */
export function logKey(version: number): string {
  return LOG + encodeTimestamp(version)
}
