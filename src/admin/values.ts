/** Values of options, from text: each says what it takes when it is given something else. */
import { invalidArgument } from '../errors.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import type { TimeDomain } from '../timer/identity.ts'
import { printable } from './printable.ts'

/** How a timestamp is given, for the help. */
export const TIMESTAMP_HELP =
  'ISO 8601 (UTC unless it says otherwise), milliseconds since 1970, now, -2h or +30min'

const ISO = /^\d{4}-\d\d(?:-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?$/
const RELATIVE = /^([+-]\d+(?:\.\d+)?)(ms|s|min|m|h|d)$/
const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

function refused(option: string, text: string, takes: string): Error {
  return invalidArgument(`--${option} takes ${takes}, not '${printable(text)}'`)
}

/** A timestamp in milliseconds; undefined where the option is not given. */
export function timestampValue(option: string, text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined
  const timestamp = parseTimestamp(text, nowMs)
  if (Number.isSafeInteger(timestamp)) return timestamp
  throw refused(option, text, TIMESTAMP_HELP)
}

function parseTimestamp(text: string, nowMs: number): number {
  if (/^-?\d+$/.test(text)) return Number(text)
  if (text === 'now') return nowMs
  const relative = RELATIVE.exec(text)
  if (relative !== null) return Math.round(nowMs + Number(relative[1]) * UNIT_MS[relative[2]!]!)
  const match = ISO.exec(text)
  if (match === null) return Number.NaN
  const hasTime = text.length > 10
  return Date.parse(hasTime && match[1] === undefined ? `${text.replace(' ', 'T')}Z` : text.replace(' ', 'T'))
}

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|min|m|h|d)$/

/** A length of time in milliseconds, `90s`, `2h`; undefined where the option is not given. */
export function durationValue(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const match = DURATION.exec(text)
  if (match === null) throw refused(option, text, 'a length of time, such as 90s, 30min, 2h or 7d')
  return Math.round(Number(match[1]) * UNIT_MS[match[2]!]!)
}

/** A whole number from `min` on. */
export function countValue(option: string, text: string | undefined, min = 0): number | undefined {
  if (text === undefined) return undefined
  const n = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(n) && n >= min) return n
  throw refused(option, text, `a whole number from ${min} on`)
}

/** A key group, `5`, or a range with both ends included, `0-31`. */
export function keyGroupsValue(option: string, text: string | undefined): KeyGroupRange | undefined {
  if (text === undefined) return undefined
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text)
  const start = Number(match?.[1])
  const end = Number(match?.[2] ?? match?.[1])
  if (match !== null && start <= end) return { start, end }
  throw refused(option, text, 'a key group, such as 5, or a range of them, such as 0-31')
}

const DOMAINS: Record<string, TimeDomain> = {
  event: 'eventTime',
  'event-time': 'eventTime',
  eventTime: 'eventTime',
  processing: 'processingTime',
  'processing-time': 'processingTime',
  processingTime: 'processingTime',
}

export function domainValue(option: string, text: string | undefined): TimeDomain | undefined {
  if (text === undefined) return undefined
  if (Object.hasOwn(DOMAINS, text)) return DOMAINS[text]
  throw refused(option, text, 'event or processing')
}

/** A domain as people read it. */
export function domainName(domain: TimeDomain): string {
  return domain === 'eventTime' ? 'event time' : 'processing time'
}
