/**
 * The index of a checkpoint: one record for every block, in the order of the blocks. From it alone one knows how many
 * timers each key group of each queue has, which are its earliest and latest timestamps, and where they are stored.
 *
 * - Records are text, many in a frame. Offsets are not stored: each block begins where the one before it ends.
 * - A block belongs to one queue. It holds one or more key groups, or a part of one: its *segments*.
 */
import type { TimeDomain } from '../timer/identity.ts'
import {
  countLength,
  decodeCount,
  decodeDigits,
  decodeTimestamp,
  encodeCount,
  encodePair,
  encodeTimestamp,
  encodeTriple,
} from '../timer/text.ts'
import { check } from './format.ts'

/** The timers of one key group within a block. */
export interface Segment {
  keyGroup: number
  count: number
  /** Earliest and latest timestamp. */
  earliest: number
  latest: number
}

export interface BlockRecord {
  serviceId: number
  domain: TimeDomain
  /** Length of the block's frame. */
  length: number
  /** The checksum in its head. */
  crc: number
  count: number
  /** Sum of its timers' checksums. */
  setHash: number
  /** In rising order of key group. */
  segments: Segment[]
}

/** A record, and where its block begins. */
export interface PlacedBlock extends BlockRecord {
  offset: number
}

export function encodeBlockRecord(block: BlockRecord): string {
  let text =
    encodePair(block.serviceId) +
    (block.domain === 'eventTime' ? 'e' : 'p') +
    encodeCount(block.length) +
    encodeCount(block.crc) +
    encodeTimestamp(block.setHash) +
    encodeCount(block.segments.length)
  for (const { keyGroup, count, earliest, latest } of block.segments) {
    text += encodeTriple(keyGroup) + encodeCount(count) + encodeTimestamp(earliest) + encodeTimestamp(latest)
  }
  return text
}

/** Reads the records of one index frame. */
export function parseBlockRecords(text: string, expected: number): BlockRecord[] {
  const records: BlockRecord[] = []
  let at = 0
  const count = () => {
    const value = decodeCount(text, at)
    at += countLength(text, at)
    check(Number.isSafeInteger(value), 'a number is missing')
    return value
  }
  const digits = (length: number) => {
    const value = decodeDigits(text, at, length)
    at += length
    check(Number.isSafeInteger(value), 'a number is missing')
    return value
  }
  const timestamp = () => {
    const value = decodeTimestamp(text, at)
    at += 9
    check(Number.isSafeInteger(value), 'a timestamp is missing')
    return value
  }
  const segment = (): Segment => ({
    keyGroup: digits(3),
    count: count(),
    earliest: timestamp(),
    latest: timestamp(),
  })
  while (at < text.length) {
    const serviceId = digits(2)
    const letter = text[at++]
    check(letter === 'e' || letter === 'p', 'a record names no time domain')
    const head = { serviceId, domain: domainOf(letter), length: count(), crc: count(), setHash: timestamp() }
    const segments: Segment[] = []
    for (let left = count(); left > 0; left--) segments.push(segment())
    records.push({ ...head, count: checkSegments(segments), segments })
  }
  check(records.length === expected, `a frame of the index has ${records.length} records, not ${expected}`)
  return records
}

function domainOf(letter: 'e' | 'p'): TimeDomain {
  return letter === 'e' ? 'eventTime' : 'processingTime'
}

/** Returns how many timers the segments have. */
function checkSegments(segments: readonly Segment[]): number {
  let sum = 0
  let last = -1
  for (const { keyGroup, count, earliest, latest } of segments) {
    check(keyGroup > last, 'key groups are out of order')
    check(count > 0 && earliest <= latest, 'a key group of a block has no timers')
    last = keyGroup
    sum += count
  }
  check(sum > 0, 'a block has no timers')
  return sum
}
