// The file system fails at every call in turn, and tells the order in which it was called: what has its final name is
// on disk, and what failed has left nothing.

import fs from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { restoreCheckpoint } from '../../src/checkpoint/restore.ts'
import { writeCheckpoint } from '../../src/checkpoint/writer.ts'
import { rejects } from '../support/refusals.ts'
import { inStore, verified, withDirectory } from '../support/store.ts'
import { manyTimers, readAll, sampleOf } from './sample.ts'

const called = ['open', 'mkdir', 'rename', 'realpath', 'readdir'] as const
const onHandles = ['write', 'writeFile', 'sync', 'read'] as const

interface Watched<T> {
  outcome: Promise<T>
  /** What was called, with the last part of the path. */
  calls: string[]
}

/** Runs something; the file system call `failing` (from 0 on) fails, and all are written down. */
async function watched<T>(run: () => Promise<T>, failing = -1): Promise<Watched<T>> {
  const calls: string[] = []
  const promises = fs.promises as unknown as Record<string, (...parameters: unknown[]) => Promise<unknown>>
  const originals = called.map((name) => promises[name]!)
  const note = (name: string, path: unknown) => {
    calls.push(`${name} ${String(path).split('/').at(-1)}`)
    if (calls.length - 1 === failing) throw Object.assign(new Error(`no ${name}`), { code: 'EIO' })
  }
  called.forEach((name, i) => {
    promises[name] = async (...parameters) => {
      note(name, parameters[0])
      const result = await originals[i]!.apply(promises, parameters)
      if (name === 'open') watchHandle(result as fs.promises.FileHandle, parameters[0], note)
      return result
    }
  })
  try {
    const outcome = run()
    await outcome.catch(() => {})
    return { outcome, calls }
  } finally {
    called.forEach((name, i) => {
      promises[name] = originals[i]!
    })
  }
}

function watchHandle(
  handle: fs.promises.FileHandle,
  path: unknown,
  note: (name: string, path: unknown) => void,
) {
  const methods = handle as unknown as Record<string, (...parameters: unknown[]) => Promise<unknown>>
  for (const name of onHandles) {
    const original = methods[name]!.bind(handle)
    methods[name] = async (...parameters) => {
      note(name, path)
      return original(...parameters)
    }
  }
}

test('a checkpoint gets its name when its bytes are on disk and were read again', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(100))
    const { calls, outcome } = await watched(() => writeCheckpoint(engine, cut, join(directory, 'c')))
    await outcome
    const name = 'checkpoint-000000000003-c0ffee00.tidemark.35348ff4'
    assert.equal(
      calls.filter((call) => !call.startsWith('read ')),
      [
        'mkdir c',
        `open ${basename(directory)}`,
        `sync ${basename(directory)}`,
        `open ${name}.tmp`,
        `write ${name}.tmp`,
        `write ${name}.tmp`,
        `sync ${name}.tmp`,
        `open ${name}.tmp`,
        `rename ${name}.tmp`,
        'open c',
        'sync c',
      ],
    )
    const firstRead = calls.findIndex((call) => call.startsWith('read '))
    assert.ok(
      firstRead > calls.indexOf(`sync ${name}.tmp`) && firstRead < calls.indexOf(`rename ${name}.tmp`),
    )
  })
})

test('whatever call fails, no part of a checkpoint is left', async () => {
  await withDirectory(async (parent) => {
    const { engine, cut, stored } = await sampleOf(manyTimers(60_000), { maxParallelism: 4 })
    const directory = join(parent, 'c')
    const { calls } = await watched(() => writeCheckpoint(engine, cut, directory))
    fs.rmSync(directory, { recursive: true })
    assert.ok(calls.length > 12, calls.join(', '))
    for (let failing = 0; failing < calls.length; failing++) {
      const { outcome } = await watched(() => writeCheckpoint(engine, cut, directory), failing)
      await rejects(outcome, 'TIDEMARK_FAILED', 'no ')
      const left = fs.existsSync(directory) ? fs.readdirSync(directory) : []
      assert.equal(left, [], calls[failing])
      fs.rmSync(directory, { recursive: true, force: true })
    }
    const { path } = await writeCheckpoint(engine, cut, directory)
    assert.equal(await readAll(path), [...stored])
  })
})

test('a restored store gets its name when it is whole and on disk, or there is nothing', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(3000))
    const { path } = await writeCheckpoint(engine, cut, join(directory, 'checkpoints'))
    const before = fs.readdirSync(directory)
    const target = join(directory, 'target')
    const { calls, outcome } = await watched(() => restoreCheckpoint(path, target))
    await outcome
    const rename = calls.findIndex((call) => /^rename target\.restoring/.test(call))
    const syncs = calls.slice(0, rename).filter((call) => call.startsWith('sync'))
    for (const file of ['CURRENT', 'MANIFEST', 'target.restoring', 'TIDEMARK.']) {
      assert.ok(
        syncs.some((call) => call.startsWith(`sync ${file}`)),
        `${file}: ${syncs.join(', ')}`,
      )
    }
    assert.equal(calls.slice(rename + 1), [
      `open ${directory.split('/').at(-1)}`,
      `sync ${directory.split('/').at(-1)}`,
    ])
    fs.rmSync(target, { recursive: true })

    for (let failing = 0; failing < calls.length; failing++) {
      const failed = await watched(() => restoreCheckpoint(path, target), failing)
      const code = calls[failing]!.startsWith('open checkpoint-')
        ? 'TIDEMARK_CHECKPOINT_NOT_FOUND'
        : 'TIDEMARK_FAILED'
      await rejects(failed.outcome, code, 'no ')
      assert.equal(fs.readdirSync(directory), before, calls[failing])
    }
    await restoreCheckpoint(path, target)
    await inStore(target, {}, verified)
  })
})

test.run()
