// The order in which files are called: what has its final name is on disk, and was read again.
// What happens when one of these calls fails: test/torture/faults.

import { basename, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { restoreCheckpoint } from '../../src/checkpoint/restore.ts'
import { writeCheckpoint } from '../../src/checkpoint/writer.ts'
import { systemEngine } from '../../src/engine/open.ts'
import { type Files, systemFiles } from '../../src/files.ts'
import { FaultPlan } from '../support/faultplan.ts'
import { faultyFiles } from '../support/faultyfiles.ts'
import { withDirectory } from '../support/store.ts'
import { manyTimers, sampleOf } from './sample.ts'

/** Every call that something makes, with the last part of its path. */
async function callsOf(run: (files: Files) => Promise<unknown>): Promise<string[]> {
  const plan = new FaultPlan()
  plan.arm({ nth: Number.POSITIVE_INFINITY, code: 'EIO', isLasting: false, how: 'before' })
  await run(faultyFiles(systemFiles, plan))
  return plan.seen.filter((call) => !call.startsWith('close '))
}

test('a checkpoint gets its name when its bytes are on disk and were read again', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(100))
    const calls = await callsOf((files) => writeCheckpoint(engine, cut, join(directory, 'c'), { files }))
    const name = 'checkpoint-000000000003-c0ffee00.tidemark.35348ff4'
    assert.equal(
      calls.filter((call) => !call.startsWith('read ')),
      [
        'mkdir c',
        `open ${basename(directory)}`,
        `sync ${basename(directory)}`,
        `create ${name}.tmp`,
        `write ${name}.tmp`,
        `write ${name}.tmp`,
        `sync ${name}.tmp`,
        `stat ${name}.tmp`,
        `open ${name}.tmp`,
        `rename ${name}.tmp`,
        'open c',
        'sync c',
      ],
    )
    const firstRead = calls.findIndex((call) => call.startsWith('read '))
    assert.ok(
      firstRead > calls.indexOf(`open ${name}.tmp`) && firstRead < calls.indexOf(`rename ${name}.tmp`),
    )
  })
})

test('a restored store gets its name when it is whole and on disk', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(3000))
    const { path } = await writeCheckpoint(engine, cut, join(directory, 'checkpoints'))
    const target = join(directory, 'target')
    const calls = await callsOf((files) => restoreCheckpoint(path, target, {}, { ...systemEngine, files }))
    const rename = calls.findIndex((call) => call.startsWith('rename target.restoring'))
    const syncs = calls.slice(0, rename).filter((call) => call.startsWith('sync'))
    for (const file of ['CURRENT', 'MANIFEST', 'target.restoring', 'TIDEMARK.']) {
      assert.ok(
        syncs.some((call) => call.startsWith(`sync ${file}`)),
        `${file}: ${syncs.join(', ')}`,
      )
    }
    const parent = basename(directory)
    assert.equal(calls.slice(rename + 1), [`open ${parent}`, `sync ${parent}`])
  })
})

test.run()
