/** Tidemark's own files fail, one call after the other, in every way that files do. */
import { randomFrom } from '../../support/random-generator.ts'
import type { Outcome, Part, Run } from '../family.ts'
import { type FileScenario, fileScenarios } from './filescenarios.ts'
import { onGround } from './ground.ts'
import { fileWays, forEveryCall, runOnce, shortWays, Tally, type Way } from './loop.ts'

async function everyCallOf(scenarios: readonly FileScenario[], ways: readonly Way[]): Promise<Outcome> {
  const tally = new Tally()
  for (const scenario of scenarios) {
    for (const way of scenario.ways ?? ways) {
      await forEveryCall(scenario.name, way, tally, (plan, fault) =>
        onGround(plan, (ground) => scenario.run(ground, () => plan.arm(fault), tally)),
      )
    }
  }
  return { tries: tally.runs, told: String(tally) }
}

/** A chosen call fails, and then another one, in a way of its own. */
async function someTwice({ tries, seed }: Run): Promise<Outcome> {
  const random = randomFrom(seed)
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!
  const tally = new Tally()
  for (let i = 0; i < tries; i++) {
    const scenario = pick(fileScenarios)
    const first = { ...pick(fileWays), isLasting: false, nth: 1 + Math.floor(random() * 40) }
    const second = { ...pick(fileWays), isLasting: random() < 0.5, nth: 1 + Math.floor(random() * 20) }
    await runOnce(`${scenario.name} (${i})`, first, tally, (plan) =>
      onGround(plan, (ground) => scenario.run(ground, () => plan.arm(first, second), tally)),
    )
  }
  return { tries, told: String(tally) }
}

function part(behaviour: string, scenarios: readonly FileScenario[], ways: readonly Way[]): Part {
  const run = () => everyCallOf(scenarios, ways)
  return { behaviour, unit: 'runs', inCi: 1, inTorture: 1, isExhaustive: true, run }
}

const [opening, reopening, full, first, incremental, large, periodic, restoring, listing] = fileScenarios as [
  ...FileScenario[],
]

export const fileParts: readonly Part[] = [
  part(
    'a store whose own files fail at any call does not open, or opens, and loses nothing',
    [opening!, reopening!],
    fileWays,
  ),
  part(
    'a checkpoint whose file fails at any call leaves none, holds nothing, and the next one succeeds',
    [full!, first!, incremental!, large!],
    fileWays,
  ),
  part(
    'retention that fails at any call keeps chains whole, and is made up for',
    [periodic!, listing!],
    fileWays,
  ),
  part('a restore whose files fail at any call leaves no target', [restoring!], fileWays),
  part(
    'what is read or written only in part is read and written on',
    fileScenarios.filter((one) => one !== large),
    shortWays,
  ),
  {
    behaviour: 'two failures of files in one run',
    unit: 'runs',
    inCi: 60,
    inTorture: 3000,
    run: someTwice,
  },
]
