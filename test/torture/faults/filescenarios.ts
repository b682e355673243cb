/** What is done while Tidemark's own files fail, and what must hold afterwards. */
import { basename, join } from 'node:path'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { chainFinder, listFiles } from '../../../src/checkpoint/catalog.ts'
import type { CheckpointSummary } from '../../../src/checkpoint/checkpointer.ts'
import { restoreCheckpoint } from '../../../src/checkpoint/restore.ts'
import { writeCheckpoint } from '../../../src/checkpoint/writer.ts'
import type { TidemarkErrorCode } from '../../../src/errors.ts'
import { systemFiles } from '../../../src/files.ts'
import { manyTimers, readAll, sampleOf } from '../../checkpoint/sample.ts'
import { eventually } from '../../support/eventually.ts'
import type { FaultPlan } from '../../support/faultplan.ts'
import { faultyFiles } from '../../support/faultyfiles.ts'
import { linesOf } from '../../support/picture.ts'
import { type Store, verified } from '../../support/store.ts'
import { type Ground, holdsAndWorks } from './ground.ts'
import { Attempts, fileWays, type Tally, type Way } from './loop.ts'

/** One thing that is done with files: `arm` begins the faults, once what it needs is there. */
export interface FileScenario {
  name: string
  /** How files fail in it, where not in every way. */
  ways?: readonly Way[]
  run(ground: Ground, arm: () => void, tally: Tally): Promise<void>
}

const FAILED: readonly TidemarkErrorCode[] = ['TIDEMARK_FAILED']
const big = 'x'.repeat(60_000)

/** Temporary files that could have been removed: none may be there. */
function assertNoneLeft(
  names: readonly string[],
  { failed }: FaultPlan,
  isLeft: (name: string) => boolean,
): void {
  const left = names.filter((name) => isLeft(name) && !failed.includes(`rm ${name}`))
  assert.equal(left, [], 'what is left')
}

const isMarkerAside = (name: string) => name.startsWith('TIDEMARK.')

async function registerSome(store: Store, from: number, to: number): Promise<void> {
  const { eventTime } = await store.service('orders')
  const timers = Array.from({ length: to - from }, (_, i) => ({ key: `k${i % 7}`, timestamp: from + i }))
  assert.is(await eventTime.registerMany(timers), timers.length)
}

const opening: FileScenario = {
  name: 'opening a new store',
  async run(ground, arm, tally) {
    const attempts = new Attempts()
    arm()
    const store = await attempts.attempt('open', [...FAILED, 'TIDEMARK_INVALID_ARGUMENT'], () =>
      ground.open({ durability: 'disk' }),
    )
    ground.plan.disarm()
    await store?.close()
    tally.count(store === undefined ? 'failed openings' : 'openings')
    assertNoneLeft(ground.names(ground.location), ground.plan, isMarkerAside)
    const again = await ground.open()
    await registerSome(again, 0, 3)
    await again.close()
    assertNoneLeft(ground.names(ground.location), ground.plan, isMarkerAside)
  },
}

const reopening: FileScenario = {
  name: 'opening a store again',
  async run(ground, arm, tally) {
    const store = await ground.open()
    await registerSome(store, 0, 20)
    const lines = await linesOf(store)
    await store.close()
    const attempts = new Attempts()
    arm()
    const again = await attempts.attempt('open', [...FAILED, 'TIDEMARK_INVALID_ARGUMENT'], () =>
      ground.open({ durability: 'disk' }),
    )
    ground.plan.disarm()
    tally.count(again === undefined ? 'failed openings' : 'openings')
    await again?.close()
    await holdsAndWorks(ground.location, lines)
  },
}

/** A checkpoint is taken while timers come and go; whatever becomes of it, the store goes on. */
async function checkpointWhileChanging(
  ground: Ground,
  store: Store,
  arm: () => void,
  incremental: boolean,
): Promise<{ taken: CheckpointSummary | undefined; lines: string[] }> {
  const { eventTime } = await store.service('orders')
  const lines = await linesOf(store)
  const before = ground.names(ground.checkpoints)
  const attempts = new Attempts()
  arm()
  const taking = attempts.attempt('checkpoint', FAILED, () =>
    store.checkpoint(ground.checkpoints, { incremental }),
  )
  // Deleted while it runs: kept for it, and purged behind it, whatever becomes of it.
  for (let timestamp = 0; timestamp < 5; timestamp++) {
    assert.is(await eventTime.delete({ key: `k${timestamp % 7}`, timestamp }), true)
  }
  const taken = await taking
  ground.plan.disarm()
  const isNew = (name: string) => !before.includes(name) && name !== basename(taken?.path ?? '')
  assertNoneLeft(ground.names(ground.checkpoints), ground.plan, isNew)
  assert.is(store.stats().runningSnapshots, 0)
  await eventually(() => store.stats().retired === 0, 'the purge of what a checkpoint held')
  await verified(store)
  return { taken, lines }
}

/** The log is kept for nobody: large commits go out of it soon. */
async function assertLogIsFree(store: Store): Promise<void> {
  const { processingTime } = await store.service('large', { payload: z.string().optional() })
  for (let timestamp = 1; timestamp <= 24; timestamp++) {
    await processingTime.register({ key: 'large', timestamp, payload: big })
  }
  await eventually(
    () => store.stats().log.entries < 20,
    `the log's end (${store.stats().log.entries} entries)`,
  )
}

async function nextSucceeds(ground: Ground, store: Store, incremental: boolean): Promise<void> {
  const lines = await linesOf(store)
  const { path } = await store.checkpoint(ground.checkpoints, { incremental })
  await restoresTo(ground, path, lines)
}

async function restoresTo(ground: Ground, path: string, lines: readonly string[]): Promise<void> {
  const target = join(ground.directory, `restored-${ground.names(ground.directory).length}`)
  await restoreCheckpoint(path, target)
  await holdsAndWorks(target, lines)
}

function checkpointing(name: string, earlier: number, incremental: boolean): FileScenario {
  return {
    name,
    async run(ground, arm, tally) {
      const store = await ground.open()
      await registerSome(store, 0, 100)
      for (let i = 0; i < earlier; i++) {
        await store.checkpoint(ground.checkpoints, { incremental: true })
        await registerSome(store, 100 + i * 10, 110 + i * 10)
      }
      const { taken, lines } = await checkpointWhileChanging(ground, store, arm, incremental)
      tally.count(taken === undefined ? 'failed checkpoints' : 'checkpoints')
      if (taken !== undefined) await restoresTo(ground, taken.path, lines)
      else if (earlier === 0) await assertLogIsFree(store)
      await nextSucceeds(ground, store, incremental)
      const standing = await linesOf(store)
      await store.close()
      await holdsAndWorks(ground.location, standing)
    },
  }
}

let large: ReturnType<typeof sampleOf> | undefined

/** One of many pieces: while one is written the next is gathered. */
const largeCheckpoint: FileScenario = {
  name: 'a large checkpoint',
  ways: fileWays.filter(({ code, how }) => code === 'EIO' && how === 'before'),
  async run(ground, arm, tally) {
    large ??= sampleOf(manyTimers(60_000), { maxParallelism: 4 })
    const { engine, cut, stored } = await large
    const files = faultyFiles(systemFiles, ground.plan)
    const attempts = new Attempts()
    arm()
    const write = () => writeCheckpoint(engine, cut, ground.checkpoints, { files })
    const written = await attempts.attempt('write', FAILED, write)
    ground.plan.disarm()
    tally.count(written === undefined ? 'failed checkpoints' : 'checkpoints')
    const isNew = (name: string) => name !== basename(written?.path ?? '')
    assertNoneLeft(ground.names(ground.checkpoints), ground.plan, isNew)
    if (written !== undefined) assert.equal(await readAll(written.path), [...stored])
  },
}

const periodic: FileScenario = {
  name: 'periodic checkpoints with retention',
  async run(ground, arm, tally) {
    const store = await ground.open()
    // What cannot be looked through or removed is told, and tried again.
    const told: TidemarkErrorCode[] = ['TIDEMARK_FAILED', 'TIDEMARK_CHECKPOINT_NOT_FOUND']
    store.on('error', ({ code }) => assert.ok(told.includes(code), code))
    const attempts = new Attempts()
    const { checkpoints } = store
    const completed = new Map<string, string[]>()
    const take = async (name: string) => {
      const timer = { key: name, timestamp: 1 }
      assert.is(await (await store.service('orders')).eventTime.register(timer), true)
      const lines = await linesOf(store)
      const taken = await attempts.attempt(name, FAILED, () => checkpoints.trigger())
      if (taken !== undefined) completed.set(taken.path, lines)
    }
    const options = {
      directory: ground.checkpoints,
      intervalMs: 1e9,
      retain: 2,
      incremental: true,
      maxLinks: 1,
    }
    arm()
    const start = () => checkpoints.start(options).then(() => true)
    if ((await attempts.attempt('start', [...FAILED, 'TIDEMARK_INVALID_ARGUMENT'], start)) === undefined) {
      tally.count('failed starts')
      ground.plan.disarm()
      await start()
    }
    for (let i = 0; i < 4; i++) await take(`taken ${i}`)
    ground.plan.disarm()
    tally.count('failed checkpoints', attempts.rejected.filter(({ name }) => name !== 'start').length)
    await assertWholeChains(ground, completed)
    await take('the last')
    await assertWholeChains(ground, completed)
    const catalog = await listFiles(ground.checkpoints, systemFiles)
    assert.ok(catalog.checkpoints.length <= 4, 'retention has been made up for')
    const latest = await checkpoints.latest()
    await restoresTo(ground, latest!.path, completed.get(latest!.path)!)
    assert.is(store.stats().runningSnapshots, 0)
    await verified(store)
    await store.close()
  },
}

/** Every file that looks like a checkpoint is one, was told of, and has all that it builds on. */
async function assertWholeChains(ground: Ground, completed: ReadonlyMap<string, unknown>): Promise<void> {
  const { checkpoints, unreadable, temporary } = await listFiles(ground.checkpoints, systemFiles)
  assert.equal(unreadable, [])
  assertNoneLeft(
    temporary.map((path) => basename(path)),
    ground.plan,
    () => true,
  )
  const chainOf = chainFinder(checkpoints)
  for (const checkpoint of checkpoints) {
    const name = basename(checkpoint.path)
    assert.ok(chainOf(checkpoint).isWhole, `${name} lacks what it builds on`)
    const isLeft = ground.plan.failed.includes(`rm ${name}`)
    assert.ok(completed.has(checkpoint.path) || isLeft, `${name} was told to have failed`)
  }
  const newest = [...completed.keys()].at(-1)
  if (newest !== undefined)
    assert.ok(
      checkpoints.some(({ path }) => path === newest),
      'the newest is there',
    )
}

const restoring: FileScenario = {
  name: 'restoring a chain',
  async run(ground, arm, tally) {
    const store = await ground.open()
    await registerSome(store, 0, 100)
    await store.checkpoint(ground.checkpoints, { incremental: true })
    await registerSome(store, 100, 120)
    await store.checkpoint(ground.checkpoints, { incremental: true })
    const lines = await linesOf(store)
    await store.close()
    const before = ground.names(ground.directory)
    const target = join(ground.directory, 'target')
    const attempts = new Attempts()
    arm()
    const codes = [...FAILED, 'TIDEMARK_CHECKPOINT_NOT_FOUND'] as const
    const restored = await attempts.attempt('restore', codes, () =>
      restoreCheckpoint(ground.checkpoints, target, {}, ground.platform()),
    )
    ground.plan.disarm()
    tally.count(restored === undefined ? 'failed restores' : 'restores')
    const names = ground.names(ground.directory)
    assertNoneLeft(names, ground.plan, (name) => !before.includes(name) && !(restored && name === 'target'))
    if (restored === undefined && !ground.plan.failed.includes('rm target')) {
      await restoreCheckpoint(ground.checkpoints, target)
    }
    if (ground.names(target).length > 0) await holdsAndWorks(target, lines)
    assert.is((await listFiles(ground.checkpoints, systemFiles)).checkpoints.length, 2)
  },
}

const listing: FileScenario = {
  name: 'listing checkpoints',
  async run(ground, arm, tally) {
    const store = await ground.open()
    const { checkpoints } = store
    await checkpoints.start({ directory: ground.checkpoints, intervalMs: 1e9, retain: 3 })
    for (let i = 0; i < 3; i++) {
      await registerSome(store, i * 10, i * 10 + 10)
      await checkpoints.trigger()
    }
    const attempts = new Attempts()
    arm()
    const codes = [...FAILED, 'TIDEMARK_CHECKPOINT_NOT_FOUND'] as const
    const listed = await attempts.attempt('list', codes, () => checkpoints.list())
    const latest = await attempts.attempt('latest', codes, () => checkpoints.latest())
    ground.plan.disarm()
    const standing = await checkpoints.list()
    assert.is(standing.length, 3)
    // One that cannot be read hides no other, and is not made up.
    for (const one of listed ?? []) assert.ok(standing.some(({ sha256 }) => sha256 === one.sha256))
    if (latest !== undefined) assert.ok(standing.some(({ id }) => id === latest.id))
    tally.count(listed?.length === 3 && latest?.id === standing[2]!.id ? 'listings' : 'listings with less')
    await store.close()
  },
}

export const fileScenarios: readonly FileScenario[] = [
  opening,
  reopening,
  checkpointing('a full checkpoint', 0, false),
  checkpointing('the first of a chain', 0, true),
  checkpointing('an incremental checkpoint', 2, true),
  largeCheckpoint,
  periodic,
  restoring,
  listing,
]
