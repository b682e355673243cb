/**
 * `npm run torture`: every family of the proof in full, each part in a process of its own; the figures, and a table.
 *
 *   npm run torture                                  one round, with the full number of tries
 *   npm run torture -- --minutes 60                  rounds as CI has them, each with another seed, until the time is over
 *   npm run torture -- --only kill,power --seed 42   some families; the same again
 *
 * The last line says how many parts passed and failed; a failure is told with what repeats it.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { randomFrom } from '../support/random-generator.ts'
import { families } from './families.ts'
import type { Family, Part } from './family.ts'
import { type Figure, figureOf, lineOf, tableOf } from './figures.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    part: { type: 'string' },
    tries: { type: 'string' },
  },
})

function wholeNumber(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0)
    throw new Error(`--${name} is a whole number, not '${text}'`)
  return number
}

const minutes = wholeNumber(values.minutes, 'minutes')
const firstSeed = wholeNumber(values.seed, 'seed') ?? Math.floor(Math.random() * 2 ** 31)
const tries = wholeNumber(values.tries, 'tries')
const only = values.only?.split(',')
for (const name of only ?? []) {
  if (families.some((family) => family.name === name)) continue
  throw new Error(`there is no family '${name}': there are ${families.map(({ name }) => name).join(', ')}`)
}

/** A part of a family, by its number, in a process of its own; undefined when it failed. */
function runPart(family: Family, index: number, seed: number, count: number): Promise<Figure | undefined> {
  const part = family.parts[index]!
  const script = fileURLToPath(new URL('./run-part.ts', import.meta.url))
  const args = ['--expose-gc', '--import', 'tsx', script, family.name, String(index), String(count)]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, SEED: String(seed) },
  })
  let figure: Figure | undefined
  child.on('message', (outcome) => {
    figure = figureOf(family, part, outcome as never)
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => resolve(code === 0 ? figure : undefined))
  })
}

const figures: Figure[] = []
let failed = 0
const endsAt = minutes === undefined ? undefined : performance.now() + minutes * 60_000
const isOver = () => endsAt !== undefined && performance.now() >= endsAt
const random = randomFrom(firstSeed)
console.log(`SEED=${firstSeed}`)

async function tryPart(family: Family, index: number, part: Part, seed: number): Promise<void> {
  const hindrance = part.hindrance?.()
  if (hindrance !== undefined) {
    console.log(`${family.title}: ${part.behaviour}: not here: ${hindrance}`)
    return
  }
  const count = tries ?? (minutes === undefined ? part.inTorture : part.inCi)
  const figure = await runPart(family, index, seed, count)
  if (figure !== undefined) {
    figures.push(figure)
    console.log(lineOf(figure))
    return
  }
  failed++
  const again = `npm run torture -- --only ${family.name} --part ${index} --seed ${seed} --tries ${count}`
  console.log(`failed: ${family.title}: ${part.behaviour}\n  again: ${again}`)
}

const chosen = families.filter(({ name }) => only === undefined || only.includes(name))
const onlyPart = wholeNumber(values.part, 'part')
for (let round = 0; round === 0 || (minutes !== undefined && !isOver()); round++) {
  const seed = round === 0 ? firstSeed : Math.floor(random() * 2 ** 31)
  for (const family of chosen) {
    for (const [index, part] of family.parts.entries()) {
      if (isOver() || (onlyPart !== undefined && index !== onlyPart)) continue
      await tryPart(family, index, part, seed)
    }
  }
}

console.log(`\n${tableOf(figures)}\n`)
console.log(`${figures.length} passed, ${failed} failed`)
process.exitCode = failed === 0 && figures.length > 0 ? 0 : 1
