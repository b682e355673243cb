// Files that fail, one call each: what the caller hears, and what is left. All calls in turn: test/torture/faults.

import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { restoreCheckpoint } from '../../src/checkpoint/restore.ts'
import { type Fault, FaultPlan } from '../support/faultplan.ts'
import { rejects } from '../support/refusals.ts'
import { inStore, verified } from '../support/store.ts'
import { type Ground, onGround } from '../torture/faults/ground.ts'

/** The first call of a name fails. */
function at(name: RegExp, how: Fault['how'] = 'before', code: Fault['code'] = 'EIO'): Fault {
  return { nth: 1, code, how, isLasting: false, counts: (call) => name.test(call) }
}

function withGround(run: (ground: Ground) => Promise<void>): Promise<void> {
  return onGround(new FaultPlan(), run)
}

test('opening says of files that fail that the store cannot be opened, and why', async () => {
  for (const name of [/^realpath/, /^stat/, /^readdir/, /^create/, /^write/, /^sync CURRENT/, /^rename/]) {
    await withGround(async (ground) => {
      ground.plan.arm(at(name))
      const opening = () => ground.open({ durability: 'disk' })
      await rejects(opening, 'TIDEMARK_FAILED', ground.location, 'EIO', 'open it again')
      ground.plan.disarm()
      const left = readdirSync(ground.location)
      assert.equal(
        left.filter((file) => file.startsWith('TIDEMARK.')),
        [],
        String(name),
      )
      await (await ground.open()).close()
    })
  }
})

test('a full disk is no mistake of whoever named the directory', async () => {
  await withGround(async (ground) => {
    ground.plan.arm(at(/^mkdir/, 'before', 'ENOSPC'))
    await rejects(() => ground.open(), 'TIDEMARK_FAILED', 'ENOSPC')
    ground.plan.arm(at(/^mkdir/, 'before', 'EACCES'))
    await rejects(() => ground.open(), 'TIDEMARK_INVALID_ARGUMENT', 'EACCES')
    ground.plan.disarm()
    const store = await ground.open()
    const options = { directory: ground.checkpoints, intervalMs: 1e9 }
    for (const name of [/^mkdir/, /^readdir/]) {
      ground.plan.arm(at(name, 'before', 'ENOSPC'))
      await rejects(() => store.checkpoints.start(options), 'TIDEMARK_FAILED', 'ENOSPC')
    }
    await store.close()
  })
})

test('a rename that was done and says that it failed leaves no checkpoint, and no restored store', async () => {
  await withGround(async (ground) => {
    const store = await ground.open()
    ground.plan.arm(at(/^rename/, 'after'))
    await rejects(() => store.checkpoint(ground.checkpoints), 'TIDEMARK_FAILED')
    assert.equal(readdirSync(ground.checkpoints), [])
    const { path } = await store.checkpoint(ground.checkpoints)
    await store.close()
    const target = join(ground.directory, 'target')
    ground.plan.arm(at(/^rename target/, 'after'))
    const restoring = () => restoreCheckpoint(path, target, {}, ground.platform())
    await rejects(restoring, 'TIDEMARK_FAILED')
    assert.equal(readdirSync(ground.directory).sort(), ['checkpoints', 'store'])
    await restoring()
    await inStore(target, {}, verified)
  })
})

test('a directory of checkpoints that cannot be looked at is not said to be a damaged file', async () => {
  await withGround(async (ground) => {
    const store = await ground.open()
    await store.checkpoint(ground.checkpoints)
    await store.close()
    const target = join(ground.directory, 'target')
    ground.plan.arm(at(/^stat checkpoints/))
    const restoring = restoreCheckpoint(ground.checkpoints, target, {}, ground.platform())
    await rejects(restoring, 'TIDEMARK_CHECKPOINT_NOT_FOUND', 'EIO')
  })
})

test('retention removes nothing that a checkpoint may build on which cannot be read just now', async () => {
  await withGround(async (ground) => {
    const store = await ground.open()
    const told: string[] = []
    store.on('error', ({ message }) => told.push(message))
    const options = { directory: ground.checkpoints, intervalMs: 1e9, incremental: true, maxLinks: 1 }
    await store.checkpoints.start(options)
    const { path: base } = await store.checkpoints.trigger()
    const { eventTime } = await store.service('orders')
    const link = await store.checkpoints.trigger()
    await eventTime.register({ key: 'k', timestamp: 1 })
    // The next is full, and the only one to be retained.
    ground.plan.arm({ ...at(new RegExp(`^stat ${basename(link.path)}`)), nth: 2 })
    const next = await store.checkpoints.trigger()
    assert.equal([link.kind, next.kind], ['incremental', 'full'])
    const files = () => readdirSync(ground.checkpoints).sort()
    const names = [base, link.path, next.path].map((path) => basename(path))
    assert.equal(files(), names.sort())
    assert.is(told.length, 1)
    ground.plan.disarm()
    await eventTime.register({ key: 'k', timestamp: 2 })
    await store.checkpoints.trigger({ incremental: false })
    assert.is(files().length, 1)
    await store.close()
  })
})

test('every file of a chain is closed, and a restore that is done stays done, whatever closing says', async () => {
  await withGround(async (ground) => {
    const store = await ground.open()
    await store.checkpoint(ground.checkpoints, { incremental: true })
    await store.checkpoint(ground.checkpoints, { incremental: true })
    await store.close()
    const target = join(ground.directory, 'target')
    // Two for the directory's listing, then those of the chain.
    ground.plan.arm({ ...at(/^close checkpoint-/), nth: 3, isLasting: true })
    await restoreCheckpoint(ground.checkpoints, target, {}, ground.platform())
    assert.is(ground.plan.failed.length, 2)
    await inStore(target, {}, verified)
  })
})

test.run()
