/**
 * The loop: the n-th call fails, for n = 1, 2, 3, … until a run is through before its turn has come; each run begins
 * anew, and is judged by itself.
 */
import * as assert from 'uvu/assert'
import { TidemarkError, type TidemarkErrorCode } from '../../../src/errors.ts'
import { inTime } from '../../support/eventually.ts'
import { type Fault, type FaultCode, FaultPlan } from '../../support/faultplan.ts'

/** A way of failing: everything of a fault but when. */
export type Way = Omit<Fault, 'nth'>

export function told({ code, isLasting, how }: Way): string {
  return `${how === 'short' ? 'short' : code} ${how === 'after' ? 'after its work, ' : ''}${isLasting ? 'from then on' : 'once'}`
}

/** What came of the calls that a run made, by name; `resolved` counts as a success. */
export class Attempts {
  readonly resolved: string[] = []
  readonly rejected: { name: string; error: TidemarkError }[] = []

  /** Awaits a call; an error that is not one of `codes` fails the test. Undefined: it was rejected. */
  async attempt<T>(
    name: string,
    codes: readonly TidemarkErrorCode[],
    call: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      const result = await inTime(call(), name)
      this.resolved.push(name)
      return result
    } catch (error) {
      if (!(error instanceof TidemarkError))
        throw new Error(`${name} rejected with ${error}`, { cause: error })
      assert.ok(codes.includes(error.code), `${name} rejected with ${error.code}: ${error.message}`)
      this.rejected.push({ name, error })
      return undefined
    }
  }
}

/** Figures of a loop. */
export class Tally {
  runs = 0
  /** Faults that were injected: calls that failed. */
  faults = 0
  readonly outcomes = new Map<string, number>()

  count(outcome: string, many = 1): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + many)
  }

  /** Outcomes that are failures. */
  get failures(): number {
    let failures = 0
    for (const [outcome, many] of this.outcomes) if (/^failed|with less$/.test(outcome)) failures += many
    return failures
  }

  toString(): string {
    const outcomes = [...this.outcomes].map(([outcome, many]) => `${many} ${outcome}`)
    return [`${this.faults} faults`, ...outcomes].join(', ')
  }
}

const MAX_CALLS = 20_000

/**
 * Runs `run` once for each n, with a plan that it arms when it is ready. `stride`: how far n goes on each time, for those
 * runs that cannot be had for every n.
 */
export async function forEveryCall(
  what: string,
  way: Way,
  tally: Tally,
  run: (plan: FaultPlan, fault: Fault) => Promise<void>,
  stride: () => number = () => 1,
): Promise<void> {
  for (let nth = 1; nth < MAX_CALLS; nth += stride()) {
    const fault = { ...way, nth }
    const plan = await runOnce(what, fault, tally, (armed) => run(armed, fault))
    // What is short is no failure.
    if (way.how === 'short') assert.is(tally.failures, 0, `${what}, ${told(fault)}: ${tally}`)
    if (plan.failed.length === 0) return
  }
  throw new Error(`${what}: more than ${MAX_CALLS} calls`)
}

/** One run, judged by itself. */
export async function runOnce(
  what: string,
  fault: Fault,
  tally: Tally,
  run: (plan: FaultPlan) => Promise<void>,
): Promise<FaultPlan> {
  const plan = new FaultPlan()
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', note)
  try {
    await run(plan)
    assert.equal(unhandled.map(String), [], 'rejections that nobody handles')
  } catch (error) {
    const failed = plan.failed.slice(0, 5).join(', ')
    const message = `${what}, ${told(fault)}, call ${fault.nth} (${failed}): ${(error as Error)?.message ?? error}`
    throw new Error(message, { cause: error })
  } finally {
    process.off('unhandledRejection', note)
  }
  tally.runs++
  tally.faults += plan.failed.length
  return plan
}

const needsSpace = (name: string) => /^(create|write|mkdir|rename|link|sync) /.test(name)
/** Those whose work may be done although they say that it failed. */
const changes = (name: string) => /^(write|mkdir|rename|link|rm|sync|close) /.test(name)
const opens = (name: string) => /^(open|create|readdir|readFile) /.test(name)
const namesPath = (name: string) => !/^(read|write|sync|close) /.test(name)

function ways(code: FaultCode, counts?: (name: string) => boolean): Way[] {
  const way = { code, how: 'before' as const, ...(counts === undefined ? {} : { counts }) }
  return [
    { ...way, isLasting: false },
    { ...way, isLasting: true },
  ]
}

/** How files fail. */
export const fileWays: readonly Way[] = [
  ...ways('EIO'),
  { code: 'EIO', isLasting: false, how: 'after', counts: changes },
  ...ways('ENOSPC', needsSpace),
  ...ways('EACCES', namesPath),
  ...ways('EMFILE', opens),
]

/** How files do less than they were asked for, which is no failure. */
export const shortWays: readonly Way[] = [false, true].map((isLasting) => ({
  code: 'EIO',
  isLasting,
  how: 'short',
  counts: (name: string) => /^(read|write) /.test(name),
}))

/** LevelDB's close tells of no failure. */
const notClosing = (name: string) => name !== 'close'

/** How an engine fails. */
export const engineWays: readonly Way[] = [
  ...ways('EIO', notClosing),
  ...ways('EIO', notClosing).map((way) => ({ ...way, how: 'after' as const })),
]
