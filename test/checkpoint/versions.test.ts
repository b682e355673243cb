// timeout: 400s
// Restore to any version that a chain covers: what comes out is what stood there, byte by byte.

import { cp, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { type CheckpointSummary, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { randomFrom, seed } from '../support/random.ts'
import { rejects } from '../support/refusals.ts'
import { all, inStore, openStore, withDirectory } from '../support/store.ts'
import { assertRestored, History } from './history.ts'
import { lifeDefinition } from './life.ts'
import { withLife } from './world.ts'

test('every version from the full checkpoint on, by any file of its chain or by the directory', async () => {
  await withLife(0, async ({ life, history, checkpoints, take, compare }) => {
    const random = randomFrom(seed + 1)
    await life.steps(10)
    const taken: CheckpointSummary[] = []
    for (let i = 0; i < 5; i++) {
      taken.push(await take())
      if (i < 4) await life.steps(6)
      await history.note()
    }
    assert.equal(
      taken.map(({ kind }) => kind),
      ['full', 'incremental', 'incremental', 'incremental', 'incremental'],
    )
    const [oldest, newest] = [taken[0]!.version, taken.at(-1)!.version]
    assert.ok(newest - oldest > 15, `${newest - oldest} versions`)
    const places = [checkpoints, ...taken.map(({ path }) => path)]
    for (let version = oldest; version <= newest; version++) {
      await compare(places[Math.floor(random() * places.length)]!, { version })
    }
    for (const place of places) await compare(place, { version: oldest + Math.floor((newest - oldest) / 2) })
    const { start, end } = { start: 30, end: 90 }
    for (const version of [oldest, oldest + 7, newest]) {
      await compare(checkpoints, { version, keyGroups: { start, end } })
    }
  })
})

test('every version while a service is converted, and while its number is given to another', async () => {
  await withLife(
    10,
    async ({ life, history, checkpoints, store, take, compare, reopen }) => {
      for (let i = 0; i < 3; i++) {
        await life.steps(3)
        await (await life.service('orders')).eventTime.registerMany(
          Array.from({ length: 1500 }, (_, n) => ({ key: `key ${n}`, timestamp: 1e9 + i, payload: { n } })),
        )
        await take()
      }
      await life.rest()
      const { version: before } = await history.note()
      await reopen(undefined, false)
      const orders = await store().service('orders', {
        payload: z.object({ tries: z.string() }).optional(),
        migrate: ({ key, namespace, payload }) => ({
          key: z.string().parse(key),
          namespace: String(namespace),
          payload: payload === undefined ? undefined : { tries: String((payload as { n: number }).n) },
        }),
      })
      await orders.eventTime.register({ key: 'key 1', timestamp: 2e9, payload: { tries: 'x' } })
      // It is given the number that is free.
      const later = await store().service('later')
      await later.eventTime.register({ key: 'key 2', timestamp: 3e9 })
      const { version: after } = await take()
      assert.ok(history.at(after).services.some(({ name }) => name === 'later'))
      assert.ok(after - before > 6, `${after - before} versions`)
      for (let version = before - 1; version <= after; version++) {
        await compare(checkpoints, { version })
        if (version % 2 === 0) await compare(checkpoints, { version, keyGroups: { start: 3, end: 70 } })
      }
    },
    { life: { names: ['orders'] } },
  )
})

test('without a version, a file stands for its own and a directory for its newest', async () => {
  await withLife(1, async ({ life, checkpoints, take, compare }) => {
    for (let i = 0; i < 3; i++) {
      await life.steps(4)
      const { path, version } = await take()
      await compare(path, {}, version)
      await compare(checkpoints, {}, version)
    }
  })
})

test('from before the first commit on', async () => {
  await withDirectory(async (parent) => {
    const [directory, checkpoints] = [join(parent, 'store'), join(parent, 'checkpoints')]
    const store = await openStore(directory)
    const history = await History.of(store, directory)
    assert.is((await store.checkpoint(checkpoints, { incremental: true })).version, 1)
    const { eventTime } = await store.service('first')
    for (let i = 0; i < 4; i++) await eventTime.register({ key: `${i}`, timestamp: i })
    const { kind, base } = await store.checkpoint(checkpoints, { incremental: true })
    await history.note()
    await history.detach()
    await store.close()
    assert.is(kind, 'incremental')
    assert.is(base?.version, 1)
    for (let version = 1; version <= 6; version++) {
      const location = join(parent, `restored-${version}`)
      assert.is((await TimerStore.restore(checkpoints, location, { version })).version, version)
      await assertRestored(location, history.at(version))
    }
  })
})

test('a directory gives what any of its chains covers, whatever else is in it', async () => {
  await withLife(2, async ({ life, history, checkpoints, take, compare }) => {
    const step = async () => {
      await life.steps(3)
      await history.note()
    }
    await step()
    const first = await take()
    await step()
    const savepoint = await take({ savepoint: true })
    await step()
    const second = await take()
    await step()
    await take({ savepoint: true })
    await step()
    const third = await take({})
    await step()
    const fourth = await take()
    assert.equal([second.base?.id, third.kind, fourth.base?.id], [first.id, 'full', third.id])
    const middle = (from: number, to: number) => Math.ceil((from + to) / 2)
    for (const version of [
      first.version,
      middle(first.version, savepoint.version),
      savepoint.version,
      middle(savepoint.version, second.version),
      second.version,
      third.version,
      middle(third.version, fourth.version),
      fourth.version,
    ]) {
      await compare(checkpoints, { version })
    }
    await compare(savepoint.path, { version: savepoint.version })
  })
})

test('a version that nothing covers is refused, and what is there is told', async () => {
  await withLife(3, async ({ parent, life, checkpoints, take }) => {
    await life.steps(5)
    const first = await take()
    await life.steps(5)
    const second = await take()
    await life.steps(20)
    const third = await take({})
    const target = join(parent, 'target')
    const before = await readdir(parent)
    const refuse = async (place: string, version: number, ...says: string[]) => {
      const restoring = TimerStore.restore(place, target, { version })
      const error = await restoring.then(
        () => assert.unreachable(`restored ${version}`),
        (e) => e,
      )
      assert.ok(
        ['TIDEMARK_INVALID_ARGUMENT', 'TIDEMARK_CHECKPOINT_NOT_FOUND'].includes(error.code),
        error.stack,
      )
      for (const text of [String(version), ...says]) assert.ok(error.message.includes(text), error.message)
    }
    // Too old.
    for (const { path } of [first, second]) {
      await refuse(path, first.version - 1, first.path, `version ${first.version}`)
    }
    await refuse(third.path, third.version - 1, third.path, `version ${third.version}`)
    await refuse(checkpoints, first.version - 1, `${first.version}`)
    // In a gap between two chains.
    await refuse(checkpoints, second.version + 1, `${second.version}`, `${third.version}`)
    // Too new.
    await refuse(second.path, second.version + 1, second.path, `version ${second.version}`)
    await refuse(first.path, second.version + 1, first.path)
    await refuse(third.path, third.version + 1, third.path, `version ${third.version}`)
    await refuse(checkpoints, third.version + 1, `${third.version}`)
    for (const version of [0, -1, 1.5, Number.NaN, '3', null, 2 ** 53]) {
      const restoring = TimerStore.restore(checkpoints, target, { version: version as number })
      await rejects(restoring, 'TIDEMARK_INVALID_ARGUMENT', 'version')
    }
    const several = TimerStore.restore([first.path, third.path], target, { version: third.version })
    await rejects(several, 'TIDEMARK_INVALID_ARGUMENT', 'version')
    assert.equal(await readdir(parent), before)
  })
})

test('checkpoints of one version are told apart, while the clock stands still', async () => {
  await withLife(4, async ({ life, history, checkpoints, take, compare }) => {
    await life.steps(3)
    for (let round = 0; round < 4; round++) {
      await life.rest()
      await history.note()
      const full = await take({})
      const chain = [await take(), await take(), await take()]
      assert.equal(
        chain.map(({ base, version }) => [base?.id, version]),
        [full, ...chain].slice(0, 3).map(({ id }) => [id, full.version]),
      )
      await life.steps(2)
      await history.note()
      const last = await take()
      assert.is(last.base?.id, chain[2]!.id)
      for (const { path } of [full, ...chain]) {
        await compare(path, {}, full.version)
        await compare(path, { version: last.version })
      }
      await compare(checkpoints, { version: full.version })
    }
  })
})

test('the summary tells what was restored: the newest checkpoint that is not newer, and its metadata', async () => {
  await withLife(5, async ({ parent, life, history, checkpoints, take }) => {
    await life.steps(4)
    const full = await take({ incremental: true, metadata: { at: 1 } })
    await life.steps(8)
    const middle = await take({ incremental: true, metadata: { at: 2 } })
    await life.steps(8)
    const newest = await take({ incremental: true })
    const sizes = await Promise.all([full, middle, newest].map(async ({ path }) => (await stat(path)).size))
    const bytes = (files: number) => sizes.slice(0, files).reduce((a, b) => a + b)
    let restored = 0
    const tell = async (place: string, version?: number) => {
      const location = join(parent, `restored-${restored++}`)
      const { durationMs, ...summary } = await TimerStore.restore(
        place,
        location,
        version === undefined ? {} : { version },
      )
      assert.ok(durationMs > 0)
      return summary
    }
    const expected = (of: CheckpointSummary, version: number, files: number, metadata?: unknown) => {
      const { id, path } = of
      const storeId = summaryStoreId
      const told = { id, path, version: of.version, storeId, metadata }
      const { timers, services } = history.at(version)
      const keyGroups = { start: 0, end: 127 }
      const names = services.map(({ name }) => name)
      const rest = {
        timers: timers.size,
        bytes: bytes(files),
        keyGroups,
        services: names,
        checkpoints: [told],
      }
      return { ...told, version, ...rest }
    }
    const { storeId: summaryStoreId } = await tell(full.path)
    const [a, b, c] = [full.version, middle.version, newest.version]
    assert.equal(await tell(full.path), expected(full, a, 1, { at: 1 }))
    assert.equal(await tell(full.path, a + 1), expected(full, a + 1, 2, { at: 1 }))
    assert.equal(await tell(middle.path), expected(middle, b, 2, { at: 2 }))
    assert.equal(await tell(checkpoints, b + 1), expected(middle, b + 1, 3, { at: 2 }))
    assert.equal(await tell(checkpoints), expected(newest, c, 3))
    assert.equal(await tell(newest.path, a), expected(full, a, 1, { at: 1 }))
  })
})

test('a directory whose newest checkpoint cannot be read is refused, and names it', async () => {
  await withLife(6, async ({ parent, life, checkpoints, take, compare }) => {
    const taken: CheckpointSummary[] = []
    for (let i = 0; i < 3; i++) {
      await life.steps(4)
      taken.push(await take())
    }
    const newest = taken.at(-1)!
    const file = await open(newest.path, 'r+')
    await file.truncate(newest.bytes - 1)
    await file.close()
    const target = join(parent, 'target')
    await rejects(TimerStore.restore(checkpoints, target), 'TIDEMARK_CHECKPOINT_CORRUPT', newest.path)
    const restoring = TimerStore.restore(checkpoints, target, { version: newest.version })
    await rejects(restoring, 'TIDEMARK_CHECKPOINT_CORRUPT', newest.path)
    assert.not((await readdir(parent)).includes('target'))
    // What does not need it is there, as long as one asks for it.
    await compare(checkpoints, { version: taken[1]!.version })
    await compare(taken[1]!.path, {}, taken[1]!.version)
  })
})

/** Opens a store for some commits more and a checkpoint, a minute after the last one. */
async function goOn(location: string, checkpoints: string, atMs: number): Promise<CheckpointSummary> {
  const store = await openStore(location, { clock: new ManualClock(atMs) })
  const { eventTime } = await store.service('orders', lifeDefinition)
  for (let i = 0; i < 2; i++) await eventTime.register({ key: 'later', timestamp: atMs + i })
  const summary = await store.checkpoint(checkpoints)
  await store.close()
  return summary
}

test('a store restored to an earlier version goes on in the directory: what it had before is not its newest', async () => {
  await withLife(7, async ({ parent, life, checkpoints, take }) => {
    await life.steps(5)
    const first = await take()
    await life.steps(20)
    const abandoned = await take()
    const place = join(parent, 'back')
    await TimerStore.restore(checkpoints, place, { version: first.version + 1 })
    const next = await goOn(place, checkpoints, 60_000_000)
    assert.ok(next.version < abandoned.version)
    const restored = await TimerStore.restore(checkpoints, join(parent, 'restored'))
    assert.is(restored.path, next.path)
    assert.is(restored.version, next.version)
    // Of the versions that both went through, the newer store's are meant.
    const between = await TimerStore.restore(checkpoints, join(parent, 'between'), { version: next.version })
    assert.is(between.path, next.path)
  })
})

test('where a store’s directory was put back, its newest checkpoint is not guessed', async () => {
  await withDirectory(async (parent) => {
    const [location, copy, checkpoints] = ['store', 'copy', 'checkpoints'].map((name) => join(parent, name))
    await goOn(location!, checkpoints!, 0)
    await cp(location!, copy!, { recursive: true })
    await goOn(location!, checkpoints!, 60_000)
    const abandoned = await goOn(location!, checkpoints!, 120_000)
    const next = await goOn(copy!, checkpoints!, 180_000)
    assert.ok(next.version < abandoned.version)
    const target = join(parent, 'target')
    const restoring = TimerStore.restore(checkpoints!, target)
    await rejects(restoring, 'TIDEMARK_INVALID_ARGUMENT', next.path, abandoned.path, 'name the one')
    assert.not((await readdir(parent)).includes('target'))
    assert.is((await TimerStore.restore(next.path, target)).version, next.version)
  })
})

test('a version that two pasts went through is of the newest chain, or is not guessed', async () => {
  await withDirectory(async (parent) => {
    const [location, copy, checkpoints] = ['store', 'copy', 'checkpoints'].map((name) => join(parent, name))
    let targets = 0
    /** Which of the stores' timers were there: each has its own key. */
    const restoredAt = async (place: string, version: number) => {
      const target = join(parent, `target-${targets++}`)
      await TimerStore.restore(place, target, { version })
      return inStore(target, {}, async (store) => {
        const { eventTime } = await store.service('orders')
        return [...new Set((await all(eventTime.list({}))).map(({ key }) => key))].sort().join()
      })
    }
    const links = async (place: string, startMs: number, count: number) => {
      const store = await openStore(place, { clock: new ManualClock(startMs) })
      const { eventTime } = await store.service('orders')
      const taken: CheckpointSummary[] = []
      for (let i = 0; i < count; i++) {
        for (let n = 0; n < 4; n++) await eventTime.register({ key: `${startMs}`, timestamp: i * 10 + n })
        taken.push(await store.checkpoint(checkpoints!, { incremental: true }))
      }
      await store.close()
      return taken
    }
    const [root] = await links(location!, 0, 1)
    await cp(location!, copy!, { recursive: true })
    const [abandoned] = await links(location!, 60_000, 1)
    const [first, second] = await links(copy!, 120_000, 2)
    assert.equal(
      [abandoned!.base?.id, first!.base?.id, first!.version],
      [root!.id, root!.id, abandoned!.version],
    )
    // The newest chain is of the store as it is now, whatever lies nearer.
    for (const place of [checkpoints!, root!.path]) {
      for (const version of [root!.version + 1, first!.version, second!.version])
        assert.is(await restoredAt(place, version), '0,120000', `${version}`)
    }
    assert.is(await restoredAt(abandoned!.path, root!.version + 1), '0,60000')
    const [more] = await links(location!, 90_000, 1)
    await links(location!, 91_000, 1)
    assert.is(more!.base?.id, abandoned!.id)
    for (const place of [checkpoints!, root!.path]) {
      const asked = () => restoredAt(place, root!.version + 1)
      await rejects(asked, 'TIDEMARK_INVALID_ARGUMENT', 'is not clear', first!.path, abandoned!.path)
    }
    assert.is(await restoredAt(second!.path, root!.version + 1), '0,120000')
  })
})

test.run()
