// A process under the shim, whose LevelDB fails as it is told: job after job, each in a directory of its own.
// Argument: the root that the shim looks at.

import { TidemarkError, TimerStore } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing.ts'
import { copyAsCrashed } from '../../support/crash.ts'
import { openMarks } from '../shim/marks.ts'
import { definition, type Job, PAYLOAD, type Report, SIZES, type Step } from './leveldbjob.ts'

const [root] = process.argv.slice(2) as [string]
const mark = openMarks(root)

class Work {
  readonly report: Report = {
    steps: [],
    codes: {},
    told: [],
    restored: false,
    checkpoints: [],
  }
  readonly #job: Job
  #hasCrashed = false

  constructor(job: Job) {
    this.#job = job
  }

  async open(): Promise<TimerStore | undefined> {
    const { location, durability } = this.#job
    const options = { durability, clock: new ManualClock(0), engine: SIZES }
    const store = await this.attempt('open', () => TimerStore.open(location, options))
    store?.on('error', ({ code }) => this.report.told.push(code))
    return store
  }

  /** Undefined: it was rejected, with a code that is told. */
  async attempt<T>(name: string, call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call()
    } catch (error) {
      const code = error instanceof TidemarkError ? error.code : `${error}`
      this.report.codes[`${name} ${code}`] = (this.report.codes[`${name} ${code}`] ?? 0) + 1
      await this.#crash()
      return undefined
    }
  }

  /** A call that changes something: in its order, with what came of it. */
  async step(step: Omit<Step, 'isKept'>, call: () => Promise<unknown>): Promise<void> {
    const made: Step = { ...step, isKept: false }
    this.report.steps.push(made)
    if ((await this.attempt(step.kind, call)) !== undefined) made.isKept = true
  }

  /** What is there when the first call is rejected: as the process would leave it if it died now. */
  async #crash(): Promise<void> {
    const { location, crashed, isLasting } = this.#job
    if (this.#hasCrashed || crashed === undefined) return
    this.#hasCrashed = true
    this.report.stepsBeforeCrash = this.report.steps.map((step) => ({ ...step }))
    mark('disarm')
    await copyAsCrashed(location, crashed).catch(() => {})
    if (isLasting) mark('arm')
  }
}

const payload = 'x'.repeat(PAYLOAD)

/** Calls, flushes, merges. */
async function work(_: Job, made: Work): Promise<void> {
  const store = await made.open()
  if (store === undefined) return
  const orders = await made.attempt('service', () => store.service('orders', definition))
  if (orders !== undefined) {
    const { eventTime } = orders
    const register = (timestamp: number) =>
      made.step({ kind: 'register', timestamp }, () => eventTime.register({ key: 'k', timestamp, payload }))
    for (let timestamp = 0; timestamp < 9; timestamp++) await register(timestamp)
    await Promise.all([9, 10, 11].map(register))
    for (let timestamp = 0; timestamp < 4; timestamp++) {
      await made.step({ kind: 'delete', timestamp }, () => eventTime.delete({ key: 'k', timestamp }))
    }
    await made.attempt('compact', () => store.compact())
    await register(200)
  }
  await made.attempt('close', () => store.close())
}

/** A full checkpoint and one that builds on it, by a worker. */
async function checkpoint(job: Job, made: Work): Promise<void> {
  const store = await made.open()
  if (store === undefined) return
  const orders = await made.attempt('service', () => store.service('orders', definition))
  for (const timestamp of orders === undefined ? [] : [100, 101]) {
    const options = { incremental: true }
    const summary = await made.attempt('checkpoint', () => store.checkpoint(job.checkpoints, options))
    if (summary !== undefined)
      made.report.checkpoints.push({ path: summary.path, steps: made.report.steps.length })
    await made.step({ kind: 'register', timestamp }, () =>
      orders!.eventTime.register({ key: 'k', timestamp, payload }),
    )
  }
  if (store.stats().runningSnapshots !== 0) made.report.codes['a snapshot runs'] = 1
  await made.attempt('close', () => store.close())
}

async function reopen(_: Job, made: Work): Promise<void> {
  const store = await made.open()
  if (store !== undefined) await made.attempt('close', () => store.close())
}

async function restore({ checkpoints, location }: Job, made: Work): Promise<void> {
  const summary = await made.attempt('restore', () => TimerStore.restore(checkpoints, location))
  made.report.restored = summary !== undefined
}

const jobs = { work, checkpoint, reopen, restore }

process.on('message', async (job: Job) => {
  // What else keeps the process alive would be a worker, or a handle, that nobody ended.
  if (job.name === 'end') {
    process.disconnect()
    return
  }
  const made = new Work(job)
  mark(`arm ${job.plan}`)
  await jobs[job.name](job, made)
  mark('disarm')
  process.send!(made.report)
})
process.send!('ready')
