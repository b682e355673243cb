/**
 * Lives of stores, one after the other: each is killed, what it left is put aside and examined, and meanwhile the next one
 * goes on with it. The process after that starts ahead of its time.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { listCheckpoints } from '../../../src/index.ts'
import { STEPS, type Step } from '../../../src/steps.ts'
import { randomFrom } from '../../support/random-generator.ts'
import { temporaryDirectory } from '../../support/tmp.ts'
import { builtChild } from './build.ts'
import { Chronicle } from './chronicle.ts'
import { CHANGING, STEADY } from './definitions.ts'
import { type Examined, examine, type Findings } from './examination.ts'
import { fireAll } from './firing.ts'
import { readLedger } from './ledger.ts'
import { Model } from './model.ts'
import { type Death, FIRST_STEP_BYTE, type Focus, LAST_STEP_OF, type Order, type Places } from './order.ts'
import { putAside, remove } from './remains.ts'

/** What a life is to do, and how it is to die. */
export interface Plan {
  focus: Focus
  death: Death
  many?: number
}

export interface LifeOutcome {
  plan: Plan
  wasKilled: boolean
  /** Steps that were reached, and the last one of the store's thread. */
  reached: Step[]
  last: Step | undefined
  findings: Findings
}

export const LIVES_PER_STORE = 50
/** Every so many lives all checkpoints are restored, or the recovery is killed itself. */
const LIVES_PER_FULL_RESTORE = 25
const LIVES_PER_SECOND_RECOVERY = 5

/** How many lives there may be for each that is killed: some come to their end before what they were to die at. */
const MOST_LIVES_PER_KILL = 1.5

/** Lives until so many were killed, in stores of so many lives each. `tell` hears what came of each. */
export async function runLives(
  kills: number,
  seed: number,
  planOf: (life: number) => Plan,
  tell: (outcome: LifeOutcome) => void,
): Promise<{ stores: number; firedAtTheEnd: number }> {
  const random = randomFrom(seed)
  const nursery = new Nursery()
  const ends = { stores: 0, firedAtTheEnd: 0 }
  let lives = 0
  let killed = 0
  const next = () => {
    assert.ok(lives <= 10 + kills * MOST_LIVES_PER_KILL, `${killed} of ${lives} lives were killed`)
    return killed < kills ? planOf(lives++) : undefined
  }
  try {
    while (killed < kills) {
      const line = new StoreLine(nursery, random, () => killed++)
      ends.firedAtTheEnd += await line.run(next, tell)
      ends.stores++
    }
  } finally {
    nursery.close()
  }
  return ends
}

/** Processes that wait for their order. */
class Nursery {
  #next: ChildProcess = this.#start()

  take(): ChildProcess {
    const taken = this.#next
    this.#next = this.#start()
    return taken
  }

  close(): void {
    this.#next.kill('SIGKILL')
  }

  #start(): ChildProcess {
    return spawn(process.execPath, [builtChild()], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  }
}

/** One store through its lives. */
class StoreLine {
  readonly #nursery: Nursery
  readonly #random: () => number
  readonly #onKilled: () => void
  readonly #directory = temporaryDirectory('tidemark-kill')
  readonly #places: Places
  readonly #model = new Model()
  readonly #chronicle = new Chronicle()
  readonly #digests = new Map<number, number[]>()
  readonly #known = new Set<string>()
  #temporary: ReadonlySet<string> = new Set()

  constructor(nursery: Nursery, random: () => number, onKilled: () => void) {
    this.#nursery = nursery
    this.#onKilled = onKilled
    this.#random = random
    const names = ['store', 'checkpoints', 'restored', 'ledger', 'log', 'steps'] as const
    this.#places = Object.fromEntries(
      names.map((name) => [name, join(this.#directory, name)]),
    ) as unknown as Places
  }

  /** Returns how many timers fired at the end, when nothing was killed any more. */
  async run(next: () => Plan | undefined, tell: (outcome: LifeOutcome) => void): Promise<number> {
    let examination: Promise<void> = Promise.resolve()
    let nowMs = 0
    const writeBufferBytes = 64 * 1024 * 2 ** Math.floor(this.#random() * 3)
    for (let life = 0; life < LIVES_PER_STORE; life++) {
      const plan = next()
      if (plan === undefined) break
      const order: Order = {
        ...this.#places,
        life,
        seed: Math.floor(this.#random() * 2 ** 31),
        focus: plan.focus,
        death: plan.death,
        nowMs,
        durability: this.#random() < 0.2 ? 'disk' : 'os',
        writeBufferBytes,
        form: this.#random() < 0.5 ? 0 : 1,
        many: plan.many ?? 0,
      }
      // The one before is examined while this one lives.
      const [wasKilled] = await Promise.all([this.#live(order), examination])
      const remains = join(this.#directory, `remains-${life}`)
      const places = await putAside(this.#places, remains)
      nowMs = await clockAfter(places, nowMs)
      examination = this.#examine(order, places, plan, wasKilled, tell).finally(() => remove(remains))
      // Whoever awaits it hears of a failure.
      examination.catch(() => {})
    }
    await examination
    const fired = await fireAll(this.#places.store, this.#model, [STEADY, CHANGING])
    await remove(this.#directory)
    return fired
  }

  /** Returns whether the process was killed; false: it lived to its end. */
  async #live(order: Order): Promise<boolean> {
    const child = this.#nursery.take()
    const ended = once(child, 'exit') as Promise<[number | null, string | null]>
    child.send(order)
    const [code, signal] = await ended
    assert.ok(signal === 'SIGKILL' || code === 0, `the process ended with ${signal ?? code}`)
    if (signal === 'SIGKILL') this.#onKilled()
    return signal === 'SIGKILL'
  }

  async #examine(
    order: Order,
    places: Places,
    plan: Plan,
    wasKilled: boolean,
    tell: (outcome: LifeOutcome) => void,
  ): Promise<void> {
    const { life } = order
    const examined: Examined = {
      places,
      life,
      model: this.#model,
      chronicle: this.#chronicle,
      digests: this.#digests,
      temporary: this.#temporary,
      known: this.#known,
      restoreAll: life % LIVES_PER_FULL_RESTORE === LIVES_PER_FULL_RESTORE - 1,
      again: life % LIVES_PER_SECOND_RECOVERY === 0,
      random: this.#random,
    }
    try {
      const findings = await examine(examined)
      const { temporary } = await listCheckpoints(places.checkpoints)
      this.#temporary = new Set(temporary.map((path) => path.slice(path.lastIndexOf('/') + 1)))
      tell({ plan, wasKilled, ...(await stepsIn(places.steps)), findings })
    } catch (error) {
      const what = `life ${life} (${JSON.stringify(order)}): ${(error as Error).message}`
      throw new Error(what, { cause: error })
    }
  }
}

async function clockAfter({ ledger }: Places, before: number): Promise<number> {
  let nowMs = before
  for (const line of await readLedger(ledger)) {
    if (line.is === 'called' && line.call.kind === 'advanceClock') nowMs = Math.max(nowMs, line.call.nowMs)
  }
  return nowMs
}

async function stepsIn(path: string): Promise<{ reached: Step[]; last: Step | undefined }> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0))
  const reached = STEPS.filter((_, index) => (bytes[FIRST_STEP_BYTE + index] ?? 0) !== 0)
  return { reached, last: STEPS[(bytes[LAST_STEP_OF.store] ?? 0) - 1] }
}
