// A directory of checkpoints tells what it has, whatever else lies in it and whatever is wrong with some.

import fs from 'node:fs'
import { copyFile, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { chainFinder, readCheckpointInfo } from '../../src/checkpoint/catalog.ts'
import { encodePreamble, PREAMBLE_BYTES } from '../../src/checkpoint/format.ts'
import { writeCheckpoint } from '../../src/checkpoint/writer.ts'
import { listCheckpoints } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { rejects } from '../support/refusals.ts'
import { type Store, withDirectory, withStore } from '../support/store.ts'
import { manyTimers, sampleOf } from './sample.ts'

/** A store, and what adds a timer and takes a checkpoint of it. */
async function withCheckpoints(
  body: (parts: {
    store: Store
    directory: string
    take: (options?: object) => Promise<string>
  }) => Promise<void>,
): Promise<void> {
  const clock = new ManualClock(5000)
  await withStore({ clock }, async (store, location) => {
    const directory = join(location, '..', 'checkpoints')
    const { eventTime } = await store.service('orders')
    let count = 0
    const take = async (options: object = {}) => {
      await eventTime.register({ key: `k${count++}`, timestamp: count })
      await clock.advanceBy(1000)
      return (await store.checkpoint(directory, options)).path
    }
    await body({ store, directory, take })
  })
}

function names(files: readonly { path: string }[]): string[] {
  return files.map(({ path }) => basename(path))
}

test('each checkpoint tells what it is, oldest first', async () => {
  await withCheckpoints(async ({ store, directory, take }) => {
    await take({ incremental: true, metadata: { offset: 7 } })
    const savepoint = await take({ savepoint: true })
    const incremental = await take({ incremental: true })
    const { checkpoints, unreadable, temporary } = await listCheckpoints(directory)
    assert.equal(
      checkpoints.map(({ kind, version, timers, createdMs }) => ({ kind, version, timers, createdMs })),
      [
        { kind: 'full', version: 3, timers: 1, createdMs: 6000 },
        { kind: 'savepoint', version: 4, timers: 2, createdMs: 7000 },
        { kind: 'incremental', version: 5, timers: 3, createdMs: 8000 },
      ],
    )
    assert.equal([unreadable, temporary], [[], []])
    const [first, second, third] = checkpoints
    assert.equal([second!.path, third!.path], [savepoint, incremental])
    assert.equal(first!.metadata, { offset: 7 })
    assert.is('metadata' in third!, false)
    assert.is(first!.base, undefined)
    assert.is(third!.base!.checkpointId, first!.id)
    assert.is(third!.base!.sha256, first!.sha256)
    assert.is(new Set(checkpoints.map(({ storeId }) => storeId)).size, 1)
    for (const { path, bytes, keyGroups, maxParallelism, durationMs, pauseMs } of checkpoints) {
      assert.is(bytes, (await readFile(path)).length)
      assert.equal([keyGroups, maxParallelism], [{ start: 0, end: 127 }, 128])
      assert.ok(durationMs >= 0 && pauseMs >= 0)
    }
    assert.is(store.stats().version, 4)
  })
})

test('checkpoints of several stores, and what is none, lie beside one another', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(10))
    await writeCheckpoint(engine, cut, directory)
    const empty = await sampleOf([])
    const other = { ...empty.cut, storeId: 'another', checkpointId: 'abcdef01', version: 1 }
    await writeCheckpoint(empty.engine, other, directory)
    await mkdir(join(directory, 'folder.tidemark'))
    for (const name of ['notes.txt', 'x.tmp', 'tidemark', 'checkpoint-1.tidemark.old']) {
      await writeFile(join(directory, name), 'hello')
    }
    await writeFile(join(directory, 'checkpoint-000000000009-00000000.tidemark.12345678.tmp'), '')
    const { checkpoints, unreadable, temporary } = await listCheckpoints(directory)
    assert.equal(names(checkpoints), [
      'checkpoint-000000000001-abcdef01.tidemark',
      'checkpoint-000000000002-c0ffee00.tidemark',
    ])
    assert.equal(
      checkpoints.map(({ storeId }) => storeId),
      ['another', cut.storeId],
    )
    assert.equal(names(unreadable), ['folder.tidemark'])
    assert.equal(
      temporary.map((path) => basename(path)),
      ['checkpoint-000000000009-00000000.tidemark.12345678.tmp'],
    )
  })
})

test('a file that cannot be read hides no other, and tells why', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(10))
    const paths: string[] = []
    for (let i = 0; i < 6; i++) {
      const { path } = await writeCheckpoint(engine, { ...cut, checkpointId: `0000000${i}` }, directory)
      paths.push(path)
    }
    const damaged = await readFile(paths[0]!)
    damaged[PREAMBLE_BYTES + 30]! ^= 1
    await writeFile(paths[0]!, damaged)
    await truncate(paths[1]!, 300)
    await writeFile(paths[2]!, '')
    const newer = await readFile(paths[3]!)
    encodePreamble(99).copy(newer)
    await writeFile(paths[3]!, newer)
    const { checkpoints, unreadable } = await listCheckpoints(directory)
    assert.equal(names(checkpoints), names(paths.slice(4).map((path) => ({ path }))))
    assert.equal(
      unreadable.map(({ path, error }) => [path, error.code]),
      [
        [paths[0], 'TIDEMARK_CHECKPOINT_CORRUPT'],
        [paths[1], 'TIDEMARK_CHECKPOINT_CORRUPT'],
        [paths[2], 'TIDEMARK_CHECKPOINT_CORRUPT'],
        [paths[3], 'TIDEMARK_UNSUPPORTED_FORMAT'],
      ],
    )
  })
})

test('an error of the disk is told of its file, and one that is gone is not told', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(10))
    const ids = ['aaaaaaaa', 'bbbbbbbb', 'cccccccc']
    for (const checkpointId of ids) await writeCheckpoint(engine, { ...cut, checkpointId }, directory)
    const { open } = fs.promises
    fs.promises.open = async (path, ...rest) => {
      if (String(path).includes('aaaaaaaa')) await rm(String(path))
      const file = await open(path, ...rest)
      if (String(path).includes('bbbbbbbb')) {
        file.read = () => Promise.reject(Object.assign(new Error('EIO: no disk'), { code: 'EIO' }))
      }
      return file
    }
    try {
      const { checkpoints, unreadable } = await listCheckpoints(directory)
      assert.equal(names(checkpoints), ['checkpoint-000000000002-cccccccc.tidemark'])
      assert.is(unreadable.length, 1)
      assert.match(unreadable[0]!.error.message, /bbbbbbbb.*EIO: no disk/)
    } finally {
      fs.promises.open = open
    }
  })
})

test('where there is no directory there is nothing to tell', async () => {
  await withDirectory(async (directory) => {
    await rejects(listCheckpoints(join(directory, 'none')), 'TIDEMARK_CHECKPOINT_NOT_FOUND', 'none', 'ENOENT')
    await writeFile(join(directory, 'file'), '')
    await rejects(listCheckpoints(join(directory, 'file')), 'TIDEMARK_CHECKPOINT_NOT_FOUND', 'ENOTDIR')
    assert.equal(await listCheckpoints(directory), { checkpoints: [], unreadable: [], temporary: [] })
  })
})

test('however large a checkpoint is, a few hundred bytes of it are read', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(60_000))
    const { bytes } = await writeCheckpoint(engine, cut, directory)
    const { open } = fs.promises
    let read = 0
    fs.promises.open = async (...parameters) => {
      const file = await open(...parameters)
      const original = file.read.bind(file) as (...parameters: unknown[]) => Promise<{ bytesRead: number }>
      file.read = (async (...parameters: unknown[]) => {
        const result = await original(...parameters)
        read += result.bytesRead
        return result
      }) as never
      return file
    }
    try {
      await listCheckpoints(directory)
    } finally {
      fs.promises.open = open
    }
    assert.ok(bytes > 500_000 && read < 2000, `${read} of ${bytes}`)
  })
})

test('a chain is whole while every file that it names is there, by its name and by its hash', async () => {
  await withCheckpoints(async ({ directory, take }) => {
    const paths: string[] = []
    for (let i = 0; i < 3; i++) paths.push(await take({ incremental: true }))
    const wholeness = async () => {
      const { checkpoints } = await listCheckpoints(directory)
      const chainOf = chainFinder(checkpoints)
      return checkpoints.map((checkpoint) => {
        const { links, isWhole } = chainOf(checkpoint)
        return `${links.length}${isWhole ? '' : '+'}`
      })
    }
    assert.equal(await wholeness(), ['1', '2', '3'])
    const moved = join(directory, 'moved.tidemark')
    await rename(paths[0]!, moved)
    assert.equal(await wholeness(), ['1', '1+', '2+'])
    await rename(moved, paths[0]!)
    assert.equal(await wholeness(), ['1', '2', '3'])
    // Another checkpoint under the name of the second link.
    await copyFile(paths[0]!, paths[1]!)
    assert.is((await readCheckpointInfo(paths[1]!)).version, 3)
    assert.equal(await wholeness(), ['1', '1', '1+'])
  })
})

test.run()
