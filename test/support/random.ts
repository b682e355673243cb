// Random tests print the seed they ran with, and `SEED=…` repeats it.

import fc from 'fast-check'

/** The seed of this process: SEED, or one made up and printed. */
export const seed = readSeed()

function readSeed(): number {
  const given = process.env.SEED
  const chosen = given ? Number(given) : Math.floor(Math.random() * 2 ** 31)
  if (!Number.isInteger(chosen)) throw new Error(`SEED is a whole number, not '${given}'`)
  console.log(`SEED=${chosen}`)
  return chosen
}

fc.configureGlobal({ seed, includeErrorInReport: true })

/** A generator of pseudo-random numbers from 0 to below 1 (mulberry32), for what fast-check does not drive. */
export function randomFrom(start: number): () => number {
  let state = start | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
