/**
 * Seeded interleavings: many schedules of callers, handlers, reads, writes, files and wake-ups, each another one.
 *
 * - The first schedule has the seed of the run: `--seed N --tries 1` repeats the one that failed.
 * - A failure is made smaller before it is told, as far as that is quick. `PLAN='…'`, as it is told, runs one plan alone.
 */
import { randomFrom } from '../../support/random-generator.ts'
import type { Part } from '../family.ts'
import { type Plan, planOf, type Ran, runSchedule } from './schedule.ts'

/** One schedule in so many is run twice, and must come out the same. */
const REPEATED_IN = 100
const MOST_SHRINKING_RUNS = 150
/** Other seeds tried for each smaller plan. */
const SHRINKING_SEEDS = 3

export const interleavings: Part = {
  behaviour: 'calls, fires, checkpoints, snapshots, purge and close answer as if one came after the other',
  unit: 'schedules',
  inCi: 3000,
  inTorture: 150_000,
  async run({ tries, seed }) {
    const { PLAN } = process.env
    if (PLAN !== undefined) await runSchedule(JSON.parse(PLAN) as Plan)
    const random = randomFrom(seed)
    const distinct = new Set<number>()
    const sums = { steps: 0, fired: 0, calls: 0, checkpoints: 0 }
    for (let i = 0; i < tries; i++) {
      const plan = planOf(i === 0 ? seed : Math.floor(random() * 2 ** 31))
      const ran = await runOrTell(plan)
      if (i % REPEATED_IN === 0) await requireSame(plan, ran)
      distinct.add(ran.hash)
      for (const name of ['steps', 'fired', 'calls', 'checkpoints'] as const) sums[name] += ran[name]
    }
    const { steps, fired, calls, checkpoints } = sums
    const told = [
      `${distinct.size} different`,
      `${steps} steps`,
      `${calls} calls answered exactly`,
      `${fired} fired in order`,
      `${checkpoints} checkpoints`,
    ]
    return { tries, told: told.join(', ') }
  },
}

async function runOrTell(plan: Plan): Promise<Ran> {
  try {
    return await runSchedule(plan)
  } catch (error) {
    const small = await shrink(plan, error as Error)
    const again = `again: npm run torture -- --only races --part 0 --seed ${plan.seed} --tries 1`
    const asPlan = `smaller: PLAN='${JSON.stringify(small.plan)}'`
    throw new Error(`seed ${plan.seed}: ${small.error.message}\n${again}\n${asPlan}`, { cause: small.error })
  }
}

async function requireSame(plan: Plan, { hash, steps }: Ran): Promise<void> {
  const again = await runSchedule(plan)
  if (again.hash === hash && again.steps === steps) return
  throw new Error(`seed ${plan.seed}: a schedule does not come out the same when it is run again`)
}

/** The smallest plan found that fails, too, whatever it fails with. */
async function shrink(plan: Plan, error: Error): Promise<{ plan: Plan; error: Error }> {
  let smallest = { plan, error }
  let runs = 0
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false
    for (const candidate of smallerThan(smallest.plan)) {
      for (let other = 0; other < SHRINKING_SEEDS && !isSmaller; other++) {
        if (++runs > MOST_SHRINKING_RUNS) return smallest
        const tried = { ...candidate, seed: candidate.seed + other }
        const failure = await runSchedule(tried).then(
          () => undefined,
          (thrown: Error) => thrown,
        )
        if (failure === undefined) continue
        smallest = { plan: tried, error: failure }
        isSmaller = true
      }
      if (isSmaller) break
    }
  }
  return smallest
}

/** Plans with a life less, a caller less, or half of a caller's calls. */
function* smallerThan({ seed, lives }: Plan): Generator<Plan> {
  for (let life = 0; life < lives.length && lives.length > 1; life++)
    yield { seed, lives: lives.toSpliced(life, 1) }
  for (const [life, callers] of lives.entries()) {
    for (let i = 0; i < callers.length; i++) yield { seed, lives: lives.with(life, callers.toSpliced(i, 1)) }
    for (const [i, caller] of callers.entries()) {
      if (caller.calls < 2) continue
      yield { seed, lives: lives.with(life, callers.with(i, { ...caller, calls: caller.calls >> 1 })) }
    }
  }
}
