/** What the benchmarks register: keys of about 20 bytes, deadlines ascending or random, no payload. */

export interface BenchTimer {
  key: string
  timestamp: number
}

export const FIRST_TIMESTAMP = 1_900_000_000_000

/** A seeded generator of numbers below 2^32 (mulberry32): each run has the same deadlines. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

export function makeTimers(count: number, order: 'ascending' | 'random', first = 0): BenchTimer[] {
  const random = seeded(4711 + first)
  return Array.from({ length: count }, (_, i) => ({
    key: `order-${String(first + i).padStart(14, '0')}`,
    timestamp: FIRST_TIMESTAMP + (order === 'ascending' ? first + i : random()),
  }))
}

/** Calls `call` for each item, `most` of them under way at once. */
export function withInFlight<T>(
  items: readonly T[],
  most: number,
  call: (item: T) => Promise<unknown>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0
    let settled = 0
    const goOn = () => {
      settled++
      if (next < items.length) call(items[next++]!).then(goOn, reject)
      else if (settled === items.length) resolve()
    }
    if (items.length === 0) resolve()
    while (next < Math.min(most, items.length)) call(items[next++]!).then(goOn, reject)
  })
}
