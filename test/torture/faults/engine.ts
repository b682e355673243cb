/** The engine fails, one call after the other: its reads, its writes, its flushes and merges. */

import type { FaultPlan } from '../../support/faultplan.ts'
import { randomFrom } from '../../support/random-generator.ts'
import type { Outcome, Part, Run } from '../family.ts'
import { EngineGround } from './engineground.ts'
import { type EngineScenario, storeScenarios } from './enginescenarios.ts'
import { compacting, converting, restoring } from './enginework.ts'
import { engineWays, forEveryCall, runOnce, Tally } from './loop.ts'

const engineScenarios = [...storeScenarios, compacting, restoring, converting]

async function tryScenario(
  scenario: EngineScenario,
  plan: FaultPlan,
  arm: () => void,
  tally: Tally,
): Promise<void> {
  const ground = new EngineGround(plan, scenario.isClassic === true)
  try {
    await scenario.run(ground, arm, tally)
    ground.assertLeftAlone()
  } finally {
    plan.disarm()
    await ground.remove()
  }
}

async function everyCallOf(scenarios: readonly EngineScenario[]): Promise<Outcome> {
  const tally = new Tally()
  for (const scenario of scenarios) {
    for (const way of engineWays) {
      await forEveryCall(scenario.name, way, tally, (plan, fault) =>
        tryScenario(scenario, plan, () => plan.arm(fault), tally),
      )
    }
  }
  return { tries: tally.runs, told: `${tally}, 0 acknowledged lost` }
}

/** A chosen call fails, and then another one, in a way of its own. */
async function someTwice({ tries, seed }: Run): Promise<Outcome> {
  const random = randomFrom(seed)
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!
  const tally = new Tally()
  for (let i = 0; i < tries; i++) {
    const scenario = pick(engineScenarios)
    const first = { ...pick(engineWays), isLasting: false, nth: 1 + Math.floor(random() * 60) }
    const second = { ...pick(engineWays), nth: 1 + Math.floor(random() * 20) }
    await runOnce(`${scenario.name} (${i})`, first, tally, (plan) =>
      tryScenario(scenario, plan, () => plan.arm(first, second), tally),
    )
  }
  return { tries, told: `${tally}, 0 acknowledged lost` }
}

function part(behaviour: string, names: readonly string[]): Part {
  const scenarios = engineScenarios.filter(({ name }) => names.includes(name))
  const run = () => everyCallOf(scenarios)
  return { behaviour, unit: 'runs', inCi: 1, inTorture: 1, isExhaustive: true, run }
}

export const engineParts: readonly Part[] = [
  part('nothing is acknowledged or written after a write failed, and nothing acknowledged is lost', [
    'calls of every kind',
  ]),
  part('a timer whose drain failed fires again, or is gone with what its handler registered', ['firing']),
  part('what fails beside the commits holds nothing, and is made up for', [
    'purging',
    'checkpoints and what they hold',
    'compaction',
    'restoring',
    'conversion of a service',
  ]),
  {
    behaviour: 'two failures of the engine in one run',
    unit: 'runs',
    inCi: 100,
    inTorture: 5000,
    run: someTwice,
  },
]
