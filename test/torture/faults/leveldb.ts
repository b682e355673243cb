/**
 * LevelDB itself fails, on the real stack: in a process under the shim, of which the n-th call of a kind on LevelDB's
 * files fails. What it leaves is examined in this process, without the shim.
 */
import { readdirSync, realpathSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { TimerStore } from '../../../src/index.ts'
import { copyAsCrashed } from '../../support/crash.ts'
import { eventually, inTime } from '../../support/eventually.ts'
import { linesOf } from '../../support/picture.ts'
import { randomFrom } from '../../support/random-generator.ts'
import { inStore, openStore } from '../../support/store.ts'
import { temporaryDirectory } from '../../support/tmp.ts'
import type { Outcome, Part, Run } from '../family.ts'
import { type FailPlan, hindrance, planText, startFailing } from '../shim/shim.ts'
import { MEMORY } from './ground.ts'
import { definition, type Job, PAYLOAD, type Report, SIZES, type Step } from './leveldbjob.ts'
import { Tally } from './loop.ts'
import { Promises } from './promises.ts'

const script = new URL('./leveldbchild.ts', import.meta.url)
const payload = 'x'.repeat(PAYLOAD)

/** A class of calls that fail, and in which jobs. */
interface Class extends Omit<FailPlan, 'nth'> {
  jobs: readonly Job['name'][]
  /** How far n goes on each time in CI; the torture run tries every n. */
  stride: number
}

const calls = ['work', 'reopen', 'restore'] as const
const every = [...calls, 'checkpoint'] as const
const engineFiles = ['.log', '.ldb', 'MANIFEST', 'CURRENT', '.dbtmp']
const listOfTables = ['MANIFEST', 'CURRENT', '.dbtmp']
const checkpoints = ['.tidemark']
const classes: readonly Class[] = [
  { kinds: ['write'], error: 'ENOSPC', names: ['.log'], jobs: ['work', 'reopen'], stride: 2 },
  { kinds: ['write'], error: 'ENOSPC', names: ['.log'], isLasting: true, jobs: calls, stride: 3 },
  { kinds: ['write'], error: 'EIO', names: ['.log'], isShort: true, jobs: ['work'], stride: 2 },
  { kinds: ['write'], error: 'EIO', names: ['.ldb'], jobs: calls, stride: 7 },
  { kinds: ['write'], error: 'ENOSPC', names: ['.ldb'], isLasting: true, jobs: calls, stride: 9 },
  { kinds: ['write'], error: 'EIO', names: listOfTables, jobs: calls, stride: 1 },
  { kinds: ['write'], error: 'ENOSPC', names: listOfTables, isLasting: true, jobs: ['work'], stride: 2 },
  { kinds: ['sync'], error: 'EIO', jobs: every, stride: 4 },
  { kinds: ['sync'], error: 'EIO', isLasting: true, jobs: ['work'], stride: 5 },
  { kinds: ['open'], error: 'EMFILE', names: engineFiles, jobs: calls, stride: 2 },
  {
    kinds: ['open'],
    error: 'ENOSPC',
    names: engineFiles,
    isLasting: true,
    jobs: ['work', 'restore'],
    stride: 3,
  },
  { kinds: ['rename', 'link'], error: 'EIO', jobs: every, stride: 1 },
  { kinds: ['unlink', 'rmdir'], error: 'EIO', isLasting: true, jobs: ['work', 'checkpoint'], stride: 3 },
  { kinds: ['open', 'write'], error: 'ENOSPC', names: checkpoints, jobs: ['checkpoint'], stride: 1 },
  { kinds: ['write'], error: 'ENOSPC', names: checkpoints, isShort: true, jobs: ['checkpoint'], stride: 1 },
]

/** The steps' timers, as a store must hold them. */
function promisesOf(steps: readonly Step[]): Promises {
  const promises = new Promises()
  for (const { kind, timestamp, isKept } of steps) {
    const timer = {
      service: 'orders',
      domain: 'eventTime' as const,
      key: 'k',
      namespace: '',
      timestamp,
      payload,
    }
    promises.known(`${kind} ${timestamp}`, isKept, (timers) =>
      kind === 'register' ? timers.put(timer) : timers.remove(timer),
    )
  }
  return promises
}

const prepared = Array.from({ length: 12 }, (_, timestamp) => timestamp)
const preparedSteps: readonly Step[] = prepared.map((timestamp) => ({
  kind: 'register',
  timestamp,
  isKept: true,
}))

class Prover {
  readonly #directory = realpathSync(temporaryDirectory('tidemark-shimmed', MEMORY))
  readonly #root = join(this.#directory, 'root')
  readonly #tally = new Tally()
  readonly #child = startFailing(script, [this.#root], this.#root, {
    kinds: ['open'],
    nth: 1,
    error: 'EIO',
    isArmed: false,
  })
  readonly #before = join(this.#directory, 'before')
  readonly #checkpoints = join(this.#directory, 'checkpoints')
  readonly #told = new Map<string, number>()
  #beforeLines: readonly string[] = []
  #count = 0

  get tally(): Tally {
    return this.#tally
  }

  /** A store as its process left it when it died, whose log is to be read; and a chain to restore. */
  async prepare(): Promise<void> {
    const store = await openStore(join(this.#directory, 'prepared'), { engine: SIZES })
    const { eventTime } = await store.service('orders', definition)
    const register = (timestamp: number) => eventTime.register({ key: 'k', timestamp, payload })
    for (const timestamp of prepared.slice(0, 9)) await register(timestamp)
    await store.checkpoint(this.#checkpoints, { incremental: true })
    for (const timestamp of prepared.slice(9)) await register(timestamp)
    await store.checkpoint(this.#checkpoints, { incremental: true })
    this.#beforeLines = await linesOf(store)
    await copyAsCrashed(store.location, this.#before)
    await store.close()
    await this.#child.child.message((message) => message === 'ready')
  }

  /** Runs a job for n = first, first + stride, … until a run has no fault. */
  async everyCall(of: Class, name: Job['name'], first: number, stride: number): Promise<void> {
    for (let nth = first; ; nth += stride) {
      const durability = (nth - first) % (2 * stride) === 0 ? 'disk' : 'os'
      const plan: FailPlan = { ...of, nth }
      const failed = await this.#try(name, plan, durability).catch((error) => {
        const message = `${name}, ${durability}, ${planText(plan)}: ${error?.message}`
        throw new Error(message, { cause: error })
      })
      if (failed === 0) return
    }
  }

  async #try(name: Job['name'], plan: FailPlan, durability: Job['durability']): Promise<number> {
    const place = join(this.#root, String(++this.#count))
    const job: Job = {
      name,
      plan: planText(plan),
      isLasting: plan.isLasting === true,
      durability,
      location: join(place, 'store'),
      checkpoints: name === 'restore' ? this.#checkpoints : join(place, 'checkpoints'),
      ...(name === 'work' ? { crashed: join(this.#directory, 'crashed') } : {}),
    }
    try {
      if (name === 'reopen' || name === 'checkpoint')
        await cp(this.#before, job.location, { recursive: true })
      const report = await this.#run(job)
      const { failed } = this.#child.counts()
      this.#tally.runs++
      this.#tally.faults += failed
      this.#checkCodes(report)
      await this.#examine(job, report, failed)
      return failed
    } finally {
      await rm(place, { recursive: true, force: true })
      if (job.crashed !== undefined) await rm(job.crashed, { recursive: true, force: true })
    }
  }

  async #run(job: Job): Promise<Report> {
    const { child } = this.#child
    const seen = child.messages.length
    child.send(job)
    return eventually(() => {
      if (child.isOver) throw new Error(`the process ended:\n${child.output}`)
      return child.messages[seen] as Report | undefined
    }, 'the end of the job') as Promise<Report>
  }

  #checkCodes({ codes, told }: Report): void {
    for (const [call, many] of Object.entries(codes)) {
      this.#told.set(call, (this.#told.get(call) ?? 0) + many)
      assert.match(call, / TIDEMARK_(FAILED|CHECKPOINT_NOT_FOUND)$/, call)
      assert.not.match(call, /^close /, 'close() never rejects')
    }
    for (const code of told) assert.is(code, 'TIDEMARK_FAILED')
  }

  async #examine(job: Job, report: Report, failed: number): Promise<void> {
    if (job.name === 'restore') return this.#examineRestored(job, report)
    if (job.name === 'reopen') {
      await this.#holds(job.location, (held) => assert.equal(held, this.#beforeLines))
      this.#tally.count('open TIDEMARK_FAILED' in report.codes ? 'failed openings' : 'openings')
      return
    }
    const promises = promisesOf([...(job.name === 'checkpoint' ? preparedSteps : []), ...report.steps])
    promises.assertNoneLate()
    this.#tally.count('calls acknowledged', promises.kept)
    await this.#examineCheckpoints(job, report)
    await this.#holds(job.location, (held) => {
      const written = promises.assertHeldBy(held)
      this.#tally.count('rejected and there', written)
      this.#tally.count('rejected and not there', promises.rejected - written)
    })
    if (failed > 0 && report.stepsBeforeCrash !== undefined) {
      const crashed = promisesOf(report.stepsBeforeCrash)
      this.#tally.count('crashes')
      await this.#holds(job.crashed!, (held) => crashed.assertHeldBy(held))
    }
  }

  /** A store opens, holds what it must, verifies, and works on. */
  async #holds(location: string, check: (held: string[]) => void): Promise<void> {
    const options = { engine: SIZES }
    await inStore(location, options, async (store) => {
      check(await linesOf(store))
      const { eventTime } = await store.service('works on')
      assert.is(await eventTime.register({ key: 'k', timestamp: store.stats().version }), true)
    })
  }

  async #examineCheckpoints(job: Job, { checkpoints, steps }: Report): Promise<void> {
    const names = readdirSync(join(job.location, '..'))
    const files = names.includes('checkpoints') ? readdirSync(job.checkpoints) : []
    // Where unlinking fails, what was to be removed stays.
    if (!job.plan.startsWith('unlink')) assert.is(files.length, checkpoints.length, files.join())
    for (const checkpoint of checkpoints.slice(-1)) {
      const target = join(this.#directory, 'restored')
      try {
        await TimerStore.restore(checkpoint.path, target)
        const kept = [...preparedSteps, ...steps.slice(0, checkpoint.steps)].filter(({ isKept }) => isKept)
        await inStore(target, {}, async (store) => promisesOf(kept).assertHeldBy(await linesOf(store)))
      } finally {
        await rm(target, { recursive: true, force: true })
      }
    }
  }

  async #examineRestored({ location }: Job, { restored }: Report): Promise<void> {
    const left = readdirSync(join(location, '..'))
    this.#tally.count(restored ? 'restores' : 'failed restores')
    if (restored) await this.#holds(location, (held) => assert.equal(held, this.#beforeLines))
    else assert.equal(left, [])
  }

  /** Nothing keeps the process alive: no worker, no handle. */
  async end(): Promise<Outcome> {
    const { child } = this.#child
    child.send({ name: 'end' } satisfies Pick<Job, 'name'>)
    const ended = await inTime(child.ended, 'the end of the process')
    assert.equal(ended, { code: 0, signal: null }, child.output)
    await rm(this.#directory, { recursive: true, force: true })
    return { tries: this.#tally.runs, told: `${this.#tally}, 0 acknowledged lost` }
  }

  async stop(): Promise<void> {
    await this.#child.child.kill()
  }
}

async function everyClass({ tries, seed }: Run, inCi: number): Promise<Outcome> {
  const random = randomFrom(seed)
  const prover = new Prover()
  try {
    await prover.prepare()
    for (const of of classes) {
      const stride = tries > inCi ? 1 : of.stride
      const first = 1 + Math.floor(random() * stride)
      for (const name of of.jobs) await prover.everyCall(of, name, first, stride)
    }
    return await prover.end()
  } catch (error) {
    await prover.stop()
    throw error
  }
}

const IN_CI = 200

export const leveldbParts: readonly Part[] = [
  {
    behaviour:
      "any call of LevelDB's own on its files may fail: nothing more is acknowledged, nothing is lost",
    unit: 'runs',
    inCi: IN_CI,
    inTorture: 10 * IN_CI,
    isExhaustive: true,
    hindrance,
    run: (run) => everyClass(run, IN_CI),
  },
]
