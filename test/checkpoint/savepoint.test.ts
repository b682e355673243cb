// timeout: 200s
// Savepoints: full whatever came before, complete in themselves, and nothing builds on one.

import { copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { listCheckpoints, TimerStore } from '../../src/index.ts'
import { rejects } from '../support/refusals.ts'
import { withLife } from './world.ts'

test('a savepoint is full and alone, also in the middle of a chain', async () => {
  await withLife(0, async ({ parent, checkpoints, life, take, compare }) => {
    const elsewhere = join(parent, 'elsewhere')
    await mkdir(elsewhere)
    for (let i = 0; i < 4; i++) {
      await life.steps(4)
      await take()
      await life.steps(4)
      const { kind, path, base, version, id } = await take({ savepoint: true, metadata: { i } })
      assert.equal([kind, base], ['savepoint', undefined])
      assert.is(basename(path), `savepoint-${String(version).padStart(12, '0')}-${id.slice(0, 8)}.tidemark`)
      const copy = join(elsewhere, 'under any name')
      await copyFile(path, copy)
      await compare(copy, {}, version)
      await compare(copy, { version, keyGroups: { start: 20, end: 99 } })
      await compare(checkpoints, {}, version)
    }
  })
})

test('nothing builds on one, and the chain beside it goes on', async () => {
  const engine = { writeBufferBytes: 64 * 1024 }
  await withLife(
    1,
    async ({ checkpoints, life, history, store, take, compare, reopen }) => {
      const { path } = await take({ savepoint: true })
      await life.steps(4)
      let last = await take()
      assert.equal([last.kind, last.base], ['full', undefined])
      await rm(path)
      for (let i = 0; i < 4; i++) {
        await life.steps(3)
        const savepoint = store().checkpoint(checkpoints, { savepoint: true })
        const next = await store().checkpoint(checkpoints, { incremental: true })
        const { path, version } = await savepoint
        await history.note()
        assert.is(next.base?.id, last.id)
        await compare(next.path, {}, next.version)
        await compare(path, {}, version)
        // More log than its tail has: it is the chain's newest that holds it.
        await life.burstOf(2000)
        await life.burstOf(2000)
        await take({ savepoint: true })
        if (i % 2 === 1) await reopen()
        last = next
      }
      const { checkpoints: all } = await listCheckpoints(checkpoints)
      const ids = new Set(all.filter(({ kind }) => kind === 'savepoint').map(({ id }) => id))
      assert.is(ids.size, 8)
      assert.not(all.some(({ base }) => base !== undefined && ids.has(base.checkpointId)))
    },
    { engine },
  )
})

test('a full checkpoint that is named as a savepoint is none to build on', async () => {
  await withLife(2, async ({ parent, life, take }) => {
    await life.steps(3)
    const full = await take()
    await life.steps(3)
    const { path } = await take()
    await rename(full.path, full.path.replace('checkpoint-', 'savepoint-'))
    const restoring = TimerStore.restore(path, join(parent, 'target'))
    await rejects(restoring, 'TIDEMARK_CHECKPOINT_NOT_FOUND', full.path, path)
    assert.not((await readdir(parent)).includes('target'))
    await rename(full.path.replace('checkpoint-', 'savepoint-'), full.path)
    await TimerStore.restore(path, join(parent, 'target'))
  })
})

test('several of one version are several files', async () => {
  await withLife(3, async ({ checkpoints, life, take, compare }) => {
    await life.steps(5)
    await life.rest()
    const [a, b] = [await take({ savepoint: true }), await take({ savepoint: true })]
    assert.is(a.version, b.version)
    assert.is((await readdir(checkpoints)).length, 2)
    for (const { path, version } of [a, b]) await compare(path, {}, version)
  })
})

test('what contradicts itself is refused, and nothing is written', async () => {
  await withLife(4, async ({ checkpoints, take, store }) => {
    const wrong = [
      { savepoint: true, incremental: true },
      { savepoint: 'yes' },
      { savepoint: null },
      { savepoint: 1 },
      { incremental: 'yes' },
      { incremental: 0 },
    ]
    for (const options of wrong)
      await rejects(take(options), 'TIDEMARK_INVALID_ARGUMENT', /savepoint|incremental/)
    assert.is(store().stats().runningSnapshots, 0)
    assert.not(await readdir(checkpoints).catch(() => undefined))
    await take({ savepoint: true, incremental: false })
    await take({ savepoint: false, incremental: true })
    const { checkpoints: all } = await listCheckpoints(checkpoints)
    assert.equal(all.map(({ kind }) => kind).sort(), ['full', 'savepoint'])
  })
})

test.run()
