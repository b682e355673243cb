/**
 * What must hold for the timers of a block beside their checksums, found out from their bytes.
 *
 * - It is asked of every timer that is verified, compared or restored: what a timer shares with the one before it is not
 *   looked at twice, and nothing is made for one.
 */
import { IDENTITY_KEY_START, queuePrefix } from '../timer/identity.ts'
import type { ByteRows } from '../timer/rowchecksums.ts'
import { digitOf, encodeTriple, TIMESTAMP_CHARACTERS } from '../timer/text.ts'
import type { BlockRecord, Segment } from './blockindex.ts'
import { check } from './format.ts'

/** Each identity is one, belongs to the queue and the key group that the index tells of, and has its time within. */
export function checkIdentities(record: BlockRecord, identities: ByteRows, shared: Uint32Array): void {
  const queue = queuePrefix(record.serviceId, record.domain)
  let first = 0
  for (const segment of record.segments) {
    const head = Buffer.from(queue + encodeTriple(segment.keyGroup), 'latin1')
    checkHeads(identities, shared, first, segment.count, head)
    checkTimestamps(identities, first, segment)
    first += segment.count
  }
  checkParts(identities, shared)
}

/** Queue and key group; those that share theirs with the one before are not looked at. */
function checkHeads(
  { bytes, ends }: ByteRows,
  shared: Uint32Array,
  first: number,
  count: number,
  head: Uint8Array,
): void {
  for (let i = first; i < first + count; i++) {
    if (i > first && shared[i]! >= head.length) continue
    const start = i === 0 ? 0 : ends[i - 1]!
    let isSame = ends[i]! - start > head.length
    for (let at = 0; at < head.length; at++) isSame &&= bytes[start + at] === head[at]
    check(isSame, 'a timer belongs to another queue or key group')
  }
}

function checkTimestamps({ bytes, ends }: ByteRows, first: number, segment: Segment): void {
  let earliest = Number.POSITIVE_INFINITY
  let latest = Number.NEGATIVE_INFINITY
  for (let i = first; i < first + segment.count; i++) {
    const timestamp = timestampAt(bytes, ends[i]! - TIMESTAMP_CHARACTERS)
    check(Number.isSafeInteger(timestamp), 'a timestamp is none')
    if (timestamp < earliest) earliest = timestamp
    if (timestamp > latest) latest = timestamp
  }
  check(earliest === segment.earliest && latest === segment.latest, 'timestamps are not those of the index')
}

/** Key and namespace end with NUL, and the timestamp stands behind them. */
function checkParts({ bytes, ends }: ByteRows, shared: Uint32Array): void {
  let start = 0
  // Where the two ends are in an identity: what is shared is where it was.
  let keyEnd = Number.POSITIVE_INFINITY
  let namespaceEnd = Number.POSITIVE_INFINITY
  for (let i = 0; i < ends.length; i++) {
    const same = Math.max(shared[i]!, IDENTITY_KEY_START)
    const length = ends[i]! - TIMESTAMP_CHARACTERS - start
    if (keyEnd >= same) keyEnd = indexOfNul(bytes, start + same, start + length) - start
    if (namespaceEnd >= same) {
      namespaceEnd = indexOfNul(bytes, start + Math.max(keyEnd + 1, same), start + length) - start
    }
    check(namespaceEnd === length - 1, 'an identity is not whole')
    start = ends[i]!
  }
}

function indexOfNul(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end && bytes[at] !== 0) at++
  return at
}

/** Each body is that of a timer which stood before the version. */
export function checkVersions({ bytes, ends }: ByteRows, version: number): void {
  let start = 0
  for (let i = 0; i < ends.length; i++) {
    check(sinceVersion(bytes, start, ends[i]!) < version, 'a timer is newer than the checkpoint')
    start = ends[i]!
  }
}

const SAME_AS_CREATE = '-'.charCodeAt(0)

/** The since version of a body (sinceVersionOf in timer/stored.ts is its other half); NaN where its form is wrong. */
function sinceVersion(bytes: Uint8Array, start: number, end: number): number {
  const place = start + countLength(bytes, start, end)
  const since = place + countLength(bytes, place, end)
  if (!(since < end)) return Number.NaN
  const createVersion = countAt(bytes, start, end)
  // A place that is none makes no order.
  if (Number.isNaN(createVersion + countAt(bytes, place, end))) return Number.NaN
  return bytes[since] === SAME_AS_CREATE ? createVersion : countAt(bytes, since, end)
}

function countLength(bytes: Uint8Array, at: number, end: number): number {
  const digits = bytes[at]! - 48
  return digits >= 1 && digits <= 9 && at + digits < end ? digits + 1 : Number.NaN
}

function countAt(bytes: Uint8Array, at: number, end: number): number {
  const length = countLength(bytes, at, end)
  if (Number.isNaN(length)) return Number.NaN
  const count = digitsAt(bytes, at + 1, length - 1)
  return count <= Number.MAX_SAFE_INTEGER ? count : Number.NaN
}

/** The timestamp in the nine bytes from `at` on, or NaN. */
export function timestampAt(bytes: Uint8Array, at: number): number {
  const high = digitsAt(bytes, at, 3) - 131072
  return high * 2 ** 36 + digitsAt(bytes, at + 3, 3) * 2 ** 18 + digitsAt(bytes, at + 6, 3)
}

/** The number that digits spell, or NaN where one is none. */
function digitsAt(bytes: Uint8Array, at: number, length: number): number {
  let n = 0
  let bad = 0
  for (let i = at; i < at + length; i++) {
    const digit = digitOf[bytes[i]!]!
    bad |= digit
    n = n * 64 + digit
  }
  return bad < 128 ? n : Number.NaN
}
