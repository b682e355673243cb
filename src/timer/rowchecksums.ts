/**
 * The checksums of many timers that lie behind one another in order of identity, as ASCII bytes: those that a call for
 * each would give (checksum.ts), in half of the time, for what an identity shares with the one before it is not gone over
 * again.
 */
import { CHECKSUM_SEED_A, CHECKSUM_SEED_B, mixed } from './checksum.ts'

/** Parts of bytes, one behind the other: each ends where `ends` says, and begins where the one before it ends. */
export interface ByteRows {
  bytes: Uint8Array
  ends: Uint32Array
}

/** The two lanes behind each byte of the last key. */
let lanesA = new Int32Array(1024)
let lanesB = new Int32Array(1024)

/** `shared` says how many bytes each key begins with that the one before it begins with, too. */
export function checksumsOfRows(keys: ByteRows, shared: Uint32Array, bodies: ByteRows): Float64Array {
  const count = keys.ends.length
  const checksums = new Float64Array(count)
  let start = 0
  let bodyStart = 0
  let lastLength = -1
  for (let i = 0; i < count; i++) {
    const end = keys.ends[i]!
    const length = end - start
    if (length >= lanesA.length) reserve(length)
    // The length goes into the second lane first: keys of different lengths share nothing.
    const same = length === lastLength ? shared[i]! : 0
    lastLength = length
    addKey(keys.bytes, start, end, same)
    checksums[i] = withBody(lanesA[length]!, lanesB[length]!, bodies.bytes, bodyStart, bodies.ends[i]!)
    start = end
    bodyStart = bodies.ends[i]!
  }
  return checksums
}

/** Goes over the bytes of a key, behind those that are the same as last time. */
function addKey(bytes: Uint8Array, start: number, end: number, same: number): void {
  if (same === 0) {
    lanesA[0] = CHECKSUM_SEED_A
    lanesB[0] = CHECKSUM_SEED_B ^ (end - start)
  }
  let a = lanesA[same]!
  let b = lanesB[same]!
  let at = same
  for (let i = start + same; i < end; i++) {
    const unit = bytes[i]!
    a = Math.imul(a ^ unit, 0x9e3779b1)
    b = Math.imul(((b << 5) | (b >>> 27)) ^ unit, 0x5f356495)
    at++
    lanesA[at] = a
    lanesB[at] = b
  }
}

function withBody(laneA: number, laneB: number, bytes: Uint8Array, start: number, end: number): number {
  let a = laneA
  let b = laneB
  for (let i = start; i < end; i++) {
    const unit = bytes[i]!
    a = Math.imul(a ^ unit, 0x9e3779b1)
    b = Math.imul(((b << 5) | (b >>> 27)) ^ unit, 0x5f356495)
  }
  return mixed(a, b)
}

function reserve(length: number): void {
  lanesA = new Int32Array(2 * length)
  lanesB = new Int32Array(2 * length)
}
