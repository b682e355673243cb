// The name of a new log of LevelDB is on disk before a write in it is acknowledged; looking for one costs little.

import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openClassicEngine } from '../../src/engine/classic.ts'
import { LogNames } from '../../src/engine/lognames.ts'
import { type Files, systemFiles } from '../../src/files.ts'
import { temporaryDirectory } from '../support/tmp.ts'

/** Files that count how often a directory was synced. */
function countingFiles(): { files: Files; syncs(): number } {
  let count = 0
  const open: Files['open'] = async (path, flags, mode) => {
    const handle = await systemFiles.open(path, flags, mode)
    const sync = () => {
      count++
      return handle.sync()
    }
    return {
      read: (...args) => handle.read(...args),
      write: (...args) => handle.write(...args),
      sync,
      close: () => handle.close(),
    }
  }
  return { files: { ...systemFiles, open }, syncs: () => count }
}

test('a new log has its directory synced once, and nothing else has', async () => {
  const directory = temporaryDirectory('lognames')
  const { files, syncs } = countingFiles()
  const names = new LogNames(directory, files)
  for (const [name, expected] of [
    ['000003.log', 1],
    ['000004.ldb', 1],
    ['000005.log', 2],
    ['MANIFEST-000006', 2],
  ] as const) {
    writeFileSync(join(directory, name), '')
    await names.sync()
    await names.sync()
    assert.is(syncs(), expected, name)
  }
})

test('a log whose name came with the modification time of another change is found', async () => {
  // A clock that ticks every 10 ms, and one without fractions of a second.
  for (const [time, tickMs] of [
    [1_700_000_000.5, 10],
    [1_700_000_000, 2000],
  ] as const) {
    const directory = temporaryDirectory('lognames')
    const { files, syncs } = countingFiles()
    let nowMs = 0
    const names = new LogNames(directory, files, () => nowMs)
    for (const [name, expected] of [
      ['000003.log', 1],
      ['000004.ldb', 1],
      ['000005.log', 2],
    ] as const) {
      writeFileSync(join(directory, name), '')
      utimesSync(directory, time, time)
      await names.sync()
      assert.is(syncs(), expected, name)
      nowMs += tickMs / 2
    }
  }
})

test('once a change is old its directory is not read again', async () => {
  const directory = temporaryDirectory('lognames')
  const { files, syncs } = countingFiles()
  let nowMs = 0
  const names = new LogNames(directory, files, () => nowMs)
  const makeLog = (name: string, time: number) => {
    writeFileSync(join(directory, name), '')
    utimesSync(directory, time, time)
  }
  makeLog('000003.log', 1_700_000_000.5)
  await names.sync()
  nowMs += 50
  await names.sync()
  // What no file system does: a name that came long after, with the same time. It shows that nobody looks.
  makeLog('000004.log', 1_700_000_000.5)
  await names.sync()
  assert.is(syncs(), 1)
  makeLog('000005.log', 1_700_000_001.5)
  await names.sync()
  assert.is(syncs(), 2)
})

test('a commit of an engine waits for the name of its log, whenever LevelDB goes on in another', async () => {
  const directory = temporaryDirectory('lognames')
  const sizes = { cacheBytes: 1 << 20, writeBufferBytes: 64 * 1024, maxFileBytes: 1 << 20 }
  const engine = await openClassicEngine(directory, sizes, false)
  const opened: string[] = []
  const { open } = systemFiles
  systemFiles.open = (path, flags, mode) => {
    opened.push(path)
    return open(path, flags, mode)
  }
  try {
    for (let i = 0; i < 60; i++) {
      const batch = engine.batch()
      batch.put(`k${i}`, 'v'.repeat(9000))
      await engine.write(batch, true)
    }
    const synced = opened.filter((path) => path === directory).length
    assert.ok(synced >= 5, `${synced} syncs for 60 commits of 9 KB in logs of 64 KiB`)
    assert.ok(synced <= 20, `${synced} syncs`)
  } finally {
    systemFiles.open = open
    await engine.close()
  }
})

test.run()
