/**
 * Log entries: the bytes of the `log` space, shared by writer and reader (FORMAT.md of the engine, "log").
 *
 * - The checksum of an entry covers its key and body, and the body holds the checksum of the entry before: a chain.
 * - An *anchor* is an entry that tells the totals of every queue and the watermark of every service; every entry names
 *   the newest anchor and what is kept before it, so that opening knows where to begin without a search.
 */
import { TidemarkError } from '../errors.ts'
import { CHECKSUM_CHARACTERS, checksumOf, encodeChecksum, verifiedBody } from '../timer/checksum.ts'
import { escapePart, identityEnd, isIdentityAt, type TimeDomain, unescapePart } from '../timer/identity.ts'
import { isOrderAt, payloadText } from '../timer/stored.ts'
import {
  countLength,
  decodeCount,
  decodeDigits,
  decodeTimestamp,
  encodeCount,
  encodePair,
  encodeTimestamp,
  TIMESTAMP_CHARACTERS,
} from '../timer/text.ts'
import type { Commit, CommitEvent } from './events.ts'
import type { KeptLog } from './retention.ts'
import type { QueueTotals } from './state.ts'

export interface EntryHead {
  version: number
  timeMs: number
  /** What is kept of the log before this entry. */
  kept: KeptLog
  /** Newest anchor; the entry's own version when it is one. */
  anchor: number
  /** Checksum of the entry before. */
  previous: number
  /** Timers deleted and not purged, after it. */
  retired: number
}

export interface ParsedEntry extends EntryHead {
  checksum: number
  totals: (QueueTotals & { serviceId: number; domain: TimeDomain })[]
  watermarks: { serviceId: number; watermark: number }[]
  eventCount: number
  /** Where the events begin and end in the value. */
  eventsStart: number
  eventsEnd: number
}

/** An event as the log names it. */
export type LoggedEvent =
  | { kind: 'register'; identity: string; payload: string; createVersion: number; place: number }
  | { kind: 'payload'; identity: string; payload: string; orderText: string }
  | { kind: 'delete' | 'fire'; identity: string; orderText: string }
  | { kind: 'watermark'; serviceId: number; watermark: number }
  | { kind: 'service'; serviceId: number; name: string; schemas: string }
  | { kind: 'purge'; retired: number }

/** The text of a queue's totals. */
function totalsText(serviceId: number, domain: TimeDomain, totals: QueueTotals): string {
  const queue = encodePair(serviceId) + (domain === 'eventTime' ? 'e' : 'p')
  const bounds = encodeTimestamp(totals.low) + encodeTimestamp(totals.high)
  return queue + encodeCount(totals.count) + encodeTimestamp(totals.setHash) + bounds
}

function eventText(event: CommitEvent): string {
  switch (event.kind) {
    case 'register':
      return `r${event.identity.slice(1)}${payloadText(event.timer)}\0`
    case 'payload':
      return `p${event.identity.slice(1)}${event.timer.orderText}${payloadText(event.timer)}\0`
    case 'delete':
      return `d${event.identity.slice(1)}${event.timer.orderText}`
    case 'fire':
      return `f${event.identity.slice(1)}${event.timer.orderText}`
    case 'watermark':
      return `w${encodePair(event.service.id)}${encodeTimestamp(event.timestamp)}`
    case 'service':
      return `s${encodePair(event.service.id)}${escapePart(event.name)}\0${event.schemas}\0`
    case 'purge':
      return `g${encodeCount(event.retired)}`
  }
}

/** Writes an entry; returns its value and the checksum that the next one chains to. */
export function encodeEntry(
  key: string,
  head: EntryHead,
  commit: Commit,
): { value: string; checksum: number } {
  let body =
    encodeTimestamp(head.timeMs) +
    encodeCount(head.kept.oldest) +
    encodeCount(head.kept.tail) +
    encodeCount(head.kept.characters) +
    encodeCount(head.anchor) +
    encodeChecksum(head.previous) +
    encodeCount(head.retired) +
    encodeCount(commit.totals.length)
  for (const { queue, totals } of commit.totals) body += totalsText(queue.service.id, queue.domain, totals)
  body += encodeCount(commit.watermarks.length)
  for (const { service, watermark } of commit.watermarks) {
    body += encodePair(service.id) + encodeTimestamp(watermark)
  }
  body += encodeCount(commit.events.length)
  for (const event of commit.events) body += eventText(event)
  const checksum = checksumOf(key, body)
  return { value: body + encodeChecksum(checksum), checksum }
}

/** Reads counts and timestamps one after the other; `at` is NaN once something was not there, or not a number. */
class Cursor {
  readonly text: string
  at: number

  constructor(text: string, at: number) {
    this.text = text
    this.at = at
  }

  count(): number {
    const value = decodeCount(this.text, this.at)
    return this.#behind(value, countLength(this.text, this.at))
  }

  digits(length: number): number {
    return this.#behind(decodeDigits(this.text, this.at, length), length)
  }

  timestamp(): number {
    return this.#behind(decodeTimestamp(this.text, this.at), TIMESTAMP_CHARACTERS)
  }

  domain(): TimeDomain {
    const domain = this.text[this.at]
    this.at = domain === 'e' || domain === 'p' ? this.at + 1 : Number.NaN
    return domain === 'e' ? 'eventTime' : 'processingTime'
  }

  #behind(value: number, length: number): number {
    this.at = Number.isSafeInteger(value) ? this.at + length : Number.NaN
    return value
  }
}

/** Reads an entry's head and totals; undefined where its checksum or its form is wrong. */
export function parseEntry(key: string, value: string): ParsedEntry | undefined {
  const body = verifiedBody(key, value)
  if (body === undefined) return undefined
  const version = decodeTimestamp(key, 1)
  const checksum = decodeDigits(value, body.length, CHECKSUM_CHARACTERS)
  const cursor = new Cursor(body, 0)
  const timeMs = cursor.timestamp()
  const kept = { oldest: cursor.count(), tail: cursor.count(), characters: cursor.count() }
  const anchor = cursor.count()
  const previous = cursor.digits(CHECKSUM_CHARACTERS)
  const retired = cursor.count()
  const totals: ParsedEntry['totals'] = []
  for (let left = cursor.count(); left > 0 && cursor.at < body.length; left--) {
    const serviceId = cursor.digits(2)
    const domain = cursor.domain()
    totals.push({
      serviceId,
      domain,
      count: cursor.count(),
      setHash: cursor.timestamp(),
      low: cursor.timestamp(),
      high: cursor.timestamp(),
    })
  }
  const watermarks: ParsedEntry['watermarks'] = []
  for (let left = cursor.count(); left > 0 && cursor.at < body.length; left--) {
    watermarks.push({ serviceId: cursor.digits(2), watermark: cursor.timestamp() })
  }
  const eventCount = cursor.count()
  const eventsStart = cursor.at
  if (Number.isNaN(eventsStart) || !Number.isSafeInteger(version) || eventsStart > body.length)
    return undefined
  return {
    version,
    timeMs,
    kept,
    anchor,
    previous,
    retired,
    checksum,
    totals,
    watermarks,
    eventCount,
    eventsStart,
    eventsEnd: body.length,
  }
}

/** The events of an entry, in order. Throws TIDEMARK_CORRUPT where one is not whole. */
export function* parseEvents(value: string, entry: ParsedEntry): Generator<LoggedEvent> {
  let at = entry.eventsStart
  let place = 0
  for (; place < entry.eventCount; place++) {
    const kind = value[at]
    const start = at + 1
    if (kind === 'w') {
      const serviceId = decodeDigits(value, start, 2)
      const watermark = decodeTimestamp(value, start + 2)
      if (Number.isNaN(serviceId) || !Number.isSafeInteger(watermark)) break
      yield { kind: 'watermark', serviceId, watermark }
      at = start + 2 + TIMESTAMP_CHARACTERS
    } else if (kind === 'g') {
      const retired = decodeCount(value, start)
      if (Number.isNaN(retired)) break
      yield { kind: 'purge', retired }
      at = start + countLength(value, start)
    } else if (kind === 's') {
      const serviceId = decodeDigits(value, start, 2)
      const nameEnd = value.indexOf('\0', start + 2)
      const schemasEnd = value.indexOf('\0', nameEnd + 1)
      if (Number.isNaN(serviceId) || nameEnd < 0 || schemasEnd < 0) break
      const name = unescapePart(value.slice(start + 2, nameEnd))
      yield { kind: 'service', serviceId, name, schemas: value.slice(nameEnd + 1, schemasEnd) }
      at = schemasEnd + 1
    } else {
      const end = identityEnd(value, start)
      if (end < 0 || !isIdentityAt(value, start, end)) break
      const identity = `t${value.slice(start, end)}`
      if (kind === 'r') {
        const payloadEnd = value.indexOf('\0', end)
        if (payloadEnd < 0) break
        const payload = value.slice(end, payloadEnd)
        yield { kind: 'register', identity, payload, createVersion: entry.version, place }
        at = payloadEnd + 1
      } else {
        const createLength = countLength(value, end)
        const orderEnd = end + createLength + countLength(value, end + createLength)
        if (!isOrderAt(value, end, orderEnd)) break
        const orderText = value.slice(end, orderEnd)
        if (kind === 'p') {
          const payloadEnd = value.indexOf('\0', orderEnd)
          if (payloadEnd < 0) break
          yield { kind: 'payload', identity, orderText, payload: value.slice(orderEnd, payloadEnd) }
          at = payloadEnd + 1
        } else if (kind === 'd' || kind === 'f') {
          yield { kind: kind === 'd' ? 'delete' : 'fire', identity, orderText }
          at = orderEnd
        } else break
      }
    }
    if (at > entry.eventsEnd) break
  }
  if (at === entry.eventsEnd && place === entry.eventCount) return
  const what = `the events of the log entry of version ${entry.version} are not whole`
  throw new TidemarkError('TIDEMARK_CORRUPT', `${what}: run verify(), and restore a checkpoint`)
}
