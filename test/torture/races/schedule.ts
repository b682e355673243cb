/**
 * One schedule: a store is opened and used by several callers, closed at some moment, opened again, and used on; at the
 * end all that is due has fired, and what is stored and what the checkpoints hold is what the model says.
 */
import { dirname } from 'node:path'
import { restoreCheckpoint } from '../../../src/checkpoint/restore.ts'
import { TimerStore } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing.ts'
import { MemoryPlatform } from '../../support/memoryplatform.ts'
import { randomFrom } from '../../support/random-generator.ts'
import { takeRandomIds } from '../../support/randomids.ts'
import { advanceTo, CALLERS, type CallerKind, runCaller } from './callers.ts'
import { MemoryFiles } from './memoryfiles.ts'
import { nameOf, queueName } from './model.ts'
import { Scheduler } from './scheduler.ts'
import { strategyOf } from './strategies.ts'
import { CHECKPOINTS, DOMAINS, linesIn, PERIODIC, payloadOf, SERVICES, World } from './world.ts'

export interface Caller {
  who: string
  kind: CallerKind
  calls: number
}

/** All that a schedule follows from. */
export interface Plan {
  seed: number
  /** The callers of each time that the store is open. */
  lives: Caller[][]
}

export interface Ran {
  hash: number
  steps: number
  fired: number
  calls: number
  checkpoints: number
  strategy: string
}

const KINDS = Object.keys(CALLERS) as CallerKind[]
/** Schedules of which every checkpoint is restored: one in so many. */
const RESTORED_IN = 4

/** How many callers of a kind there are at most, where it is not two; writers are never none. */
const MOST: Partial<Record<CallerKind, number>> = { writer: 3, bulk: 1, periodic: 1 }
/** Plans that have bulky payloads: one in so many. */
const BULKY_IN = 5

export function planOf(seed: number): Plan {
  const random = randomFrom(seed)
  const isLeftOut = (kind: CallerKind) =>
    (kind === 'bulk' && seed % BULKY_IN !== 0) || (kind === 'periodic' && seed % RESTORED_IN !== 0)
  const kinds = KINDS.filter((kind) => !isLeftOut(kind))
  const lives = Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
    const callers: Caller[] = []
    for (const kind of kinds) {
      const least = kind === 'writer' || kind === 'bulk' ? 1 : 0
      const count = least + Math.floor(random() * ((MOST[kind] ?? 2) + 1 - least))
      for (let i = 0; i < count; i++) callers.push({ who: `${kind}${i}`, kind, calls: CALLERS[kind].calls })
    }
    return callers
  })
  return { seed, lives }
}

/** Runs a schedule; rejects with what went wrong, and how it came to that. */
export async function runSchedule(plan: Plan): Promise<Ran> {
  // Retention and the choice of a base go by names, too, where version and time are the same.
  const giveBackIds = takeRandomIds(randomFrom(plan.seed + 2))
  try {
    return await runPlan(plan)
  } finally {
    giveBackIds()
  }
}

async function runPlan({ seed, lives }: Plan): Promise<Ran> {
  const strategy = strategyOf(seed ^ 0x5eed)
  const scheduler = new Scheduler(strategy, seed, seed % 8 === 0)
  const files = new MemoryFiles()
  const world = new World(scheduler, randomFrom(seed + 1), files)
  await scheduler.run(async () => {
    for (const [life, callers] of lives.entries()) await live(world, callers, life === lives.length - 1)
  })
  if (seed % RESTORED_IN === 0) await checkCheckpoints(world)
  const { hash, steps } = scheduler
  const { model, past, checkpoints } = world
  const fired = past.reduce((sum, handlers) => sum + handlers.fired, 0)
  return {
    hash,
    steps,
    fired,
    calls: model.made,
    checkpoints: checkpoints.length,
    strategy: strategy.name,
  }
}

async function live(world: World, callers: readonly Caller[], isLast: boolean): Promise<void> {
  world.mayFail = true
  await world.open()
  await Promise.all(SERVICES.map((name) => world.start(name)))
  const running = callers.map(({ who, kind, calls }) => runCaller(world, who, kind, calls))
  const mayClose = world.chance(0.6)
  if (mayClose && !isLast) {
    for (let steps = world.pick(80); steps > 0; steps--) await world.scheduler.step('call', 'closer waits')
    await world.close()
  }
  await Promise.all(running)
  await world.settled()
  if (!world.isClosing) await comeToRest(world)
  if (!world.isClosing) await world.close()
  const isConverted = SERVICES.every((name) => world.services.has(name))
  if (isConverted && world.chance(0.3)) world.generation++
}

/** Fires all that is due, lets the purge end, and compares everything. */
async function comeToRest(world: World): Promise<void> {
  const { model, clock, store, scheduler } = world
  world.mayFail = false
  clock.nowMs += 1_000_000
  await scheduler.awaits(store.checkpoints.stop(), 'stop')
  for (const name of SERVICES) await advanceTo(world, 'end', name, 8)
  for (let rests = 0; !isAtRest(world); rests++) {
    if (rests > 400) throw new Error(`it does not come to rest: ${told(world)}`)
    // Whoever waits to be tried again waits in the store's time.
    clock.nowMs += 10_000
    await scheduler.step('wake', 'rest')
  }
  await world.settled()
  const findings = await scheduler.awaits(store.verify(), 'verify at the end')
  world.require(findings.length === 0, `verify found ${JSON.stringify(findings)}`)
  await compareAll(world)
  const { runningSnapshots } = store.stats()
  world.require(runningSnapshots === 0, `${runningSnapshots} snapshots run at the end`)
  for (const name of SERVICES) {
    for (const domain of DOMAINS) {
      const { count } = world.services.get(name)![domain]
      const { size } = model.queue(queueName(name, domain))
      world.require(count === size, `count of ${name} ${domain} is ${count}, not ${size}`)
    }
  }
}

function isAtRest({ model, store, handlers }: World): boolean {
  const { retired, runningSnapshots } = store.stats()
  const isDone = SERVICES.every((name) => model.queue(queueName(name, 'processingTime')).size === 0)
  return isDone && retired === 0 && runningSnapshots === 0 && !handlers.isAnyRunning
}

function told({ model, store }: World): string {
  const overdue = SERVICES.flatMap((name) => model.due(queueName(name, 'processingTime')).map(nameOf))
  return `${JSON.stringify(store.stats())}, overdue ${overdue.join(' ')}`
}

/** What is stored, in whole and by queue. */
async function compareAll(world: World): Promise<void> {
  const { model, store, scheduler } = world
  world.requireSame(await scheduler.awaits(linesIn(store), 'reading all'), model.lines(), 'at the end')
  for (const name of SERVICES) {
    const watermark = store.stats().services[name]!.watermark
    world.require(watermark === model.watermark(name), `the watermark of ${name} is ${watermark}`)
    for (const domain of DOMAINS) {
      const listed: string[] = []
      for await (const timer of world.services.get(name)![domain].list()) {
        listed.push(`${nameOf(timer)} ${payloadOf(timer.payload)}`)
      }
      const due = model.due(queueName(name, domain)).map((timer) => `${nameOf(timer)} ${timer.payload}`)
      const isSame = JSON.stringify(listed) === JSON.stringify(due)
      world.require(
        isSame,
        `${name} ${domain} is listed as ${listed.join(', ')}, and should be ${due.join(', ')}`,
      )
    }
  }
}

/** The files are those of the checkpoints that were told of, and each restores to what the model had. */
async function checkCheckpoints({ files, checkpoints, periodic }: World): Promise<void> {
  const found = CHECKPOINTS.flatMap((directory) => files.filesIn(directory)).sort()
  const expected = checkpoints.map(({ path }) => path).sort()
  if (found.join() !== expected.join()) {
    throw new Error(`there are ${found.join(', ')}, and should be ${expected.join(', ')}`)
  }
  for (const { path, lines } of checkpoints) await checkRestored(files, path, () => lines)
  // What stays of these is not told; but all that stays is whole.
  for (const path of files.filesIn(PERIODIC)) {
    if (path.endsWith('.tmp')) throw new Error(`${path} was left`)
    await checkRestored(files, path, (position) => periodic[position as number]!)
  }
}

async function checkRestored(
  files: MemoryFiles,
  path: string,
  expected: (metadata: unknown) => string[],
): Promise<void> {
  const platform = new MemoryPlatform(files)
  const place = `/restored${path}`
  await files.mkdir(dirname(place))
  const { metadata } = await restoreCheckpoint(path, place, {}, platform)
  const store = await TimerStore.openOn(platform, place, { durability: 'os', clock: new ManualClock(0) })
  const restored = (await linesIn(store)).join(', ')
  await store.close()
  const lines = expected(metadata).join(', ')
  if (restored !== lines) throw new Error(`${path} restores to ${restored}, and should to ${lines}`)
}
