// Random tests print the seed they ran with, and `SEED=…` repeats it.

import fc from 'fast-check'

export { randomFrom } from './random-generator.ts'

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
