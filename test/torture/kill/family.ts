/** The family *kill*: a process under load is killed, at any moment and at every named point, and nothing is lost. */
import * as assert from 'uvu/assert'
import { STEPS, type Step } from '../../../src/steps.ts'
import { randomFrom } from '../../support/random-generator.ts'
import type { Family, Outcome, Run } from '../family.ts'
import { LIVES_PER_STORE, type LifeOutcome, type Plan, runLives } from './lives.ts'
import type { Death, Focus } from './order.ts'
import { Tally } from './tally.ts'

/** Half of the lives do everything, the others one thing most of the time. */
const others: Focus[] = [
  'commits',
  'opening',
  'checkpoints',
  'purges',
  'compaction',
  'restores',
  'migrations',
]

/** A migration, or a restore, of 4000 timers takes about as long. */
const LONG_WORK_MS = 150
const MOST_STEPS = 1000

/** Many die young: while they open. */
function deathAfter(random: () => number, mostSteps: number): Death {
  return { steps: Math.floor(random() ** 2 * mostSteps), thenMs: random() * 4 }
}

async function atAnyMoment({ tries, seed }: Run): Promise<Outcome> {
  const random = randomFrom(seed)
  return run(tries, seed, () => {
    const focus = random() < 0.5 ? 'mixed' : others[Math.floor(random() * others.length)]!
    return { focus, death: deathAfter(random, MOST_STEPS) }
  })
}

/** What to do to reach a step soon and often. */
const focusOf: Record<string, Focus> = {
  open: 'opening',
  marker: 'restores',
  format: 'restores',
  commit: 'mixed',
  spill: 'opening',
  purge: 'purges',
  // Where little is written between checkpoints, the tail still has all that they held.
  trim: 'checkpoints',
  compaction: 'compaction',
  checkpoint: 'checkpoints',
  retention: 'checkpoints',
  restore: 'restores',
  migration: 'migrations',
  close: 'opening',
}

/** What a life does a few times only. */
const RARE = new Set(['restore', 'migration', 'spill', 'trim', 'compaction'])

/** Each for the first, the second, and a later time, and again. */
async function atEveryStep({ tries, seed }: Run): Promise<Outcome> {
  const random = randomFrom(seed)
  const planOf = (life: number): Plan => {
    const round = Math.floor(life / STEPS.length)
    const step = STEPS[life % STEPS.length]!
    const activity = step.split('.')[0]!
    const later = 3 + Math.floor(random() * (RARE.has(activity) ? 2 : 6))
    return { focus: focusOf[activity]!, death: { step, nth: [1, 2, later][round % 3]! } }
  }
  const diedAt = new Map<Step, number>(STEPS.map((step) => [step, 0]))
  const outcome = await run(tries, seed, planOf, ({ plan, wasKilled }) => {
    if (wasKilled && 'step' in plan.death) diedAt.set(plan.death.step, diedAt.get(plan.death.step)! + 1)
  })
  // A few tries are no proof that a point is dead.
  for (const [step, deaths] of tries < STEPS.length ? [] : diedAt)
    assert.ok(deaths > 0, `nothing died at ${step}: it is never reached`)
  const died = [...diedAt.values()].filter((deaths) => deaths > 0).length
  return { ...outcome, told: `${died} of ${STEPS.length} named points; ${outcome.told}` }
}

async function inLongWork({ tries, seed }: Run): Promise<Outcome> {
  const random = randomFrom(seed)
  return run(tries, seed, (life) => {
    const focus = life % 2 === 0 ? 'migrations' : 'restores'
    const step = life % 2 === 0 ? 'migration.beforeTry' : 'restore.beforeDirectory'
    // The first life of a store makes it large, and dies when it has closed it.
    const isFirst = life % LIVES_PER_STORE === 0
    const death: Death = isFirst
      ? { step: 'close.afterEngine', nth: 1 }
      : { step, nth: 1, thenMs: random() * LONG_WORK_MS }
    return { focus, many: 4000, death }
  })
}

async function run(
  kills: number,
  seed: number,
  planOf: (life: number) => Plan,
  hear: (outcome: LifeOutcome) => void = () => {},
): Promise<Outcome> {
  const tally = new Tally()
  const ends = await runLives(kills, seed, planOf, (outcome) => {
    tally.add(outcome)
    hear(outcome)
  })
  return { tries: tally.kills, told: tally.told(ends) }
}

export const family: Family = {
  name: 'kill',
  title: 'Kill',
  parts: [
    {
      behaviour:
        'killed at any moment, a store has all that it acknowledged, and nothing that nobody asked for',
      unit: 'kills',
      inCi: 700,
      inTorture: 7000,
      run: atAnyMoment,
    },
    {
      behaviour: 'killed before and after each step of all that it writes, a store is none the worse',
      unit: 'kills',
      inCi: 300,
      inTorture: 3000,
      run: atEveryStep,
    },
    {
      behaviour:
        'killed in the middle of long migrations and restores, a store goes on with them, or has none of it',
      unit: 'kills',
      inCi: 40,
      inTorture: 400,
      run: inLongWork,
    },
  ],
}
