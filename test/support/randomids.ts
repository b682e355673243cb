/** Random identifiers taken from a seed: while they are, the product's UUIDs and temporary names come out the same again. */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

/** Takes them from `random`, numbers from 0 to below 1; returns what puts the machine's own back. */
export function takeRandomIds(random: () => number): () => void {
  const { randomUUID, randomBytes } = crypto
  const bytes = (count: number) => Buffer.from(Array.from({ length: count }, () => random() * 256))
  Object.assign(crypto, { randomBytes: bytes, randomUUID: () => uuidOf(bytes(16).toString('hex')) })
  syncBuiltinESMExports()
  return () => {
    Object.assign(crypto, { randomUUID, randomBytes })
    syncBuiltinESMExports()
  }
}

function uuidOf(hex: string): string {
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join('-')
}
