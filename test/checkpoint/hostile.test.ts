// Checkpoints and directories that somebody made to do harm.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { lstat, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeBlockRecord } from '../../src/checkpoint/blockindex.ts'
import { type CheckpointInfo, chainFinder } from '../../src/checkpoint/catalog.ts'
import { temporaryFileName } from '../../src/checkpoint/cut.ts'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'
import { writeCheckpoint } from '../../src/checkpoint/writer.ts'
import { MAX_CHAIN_LINKS, MAX_STORED_JSON_DEPTH } from '../../src/limits.ts'
import { inTime } from '../support/eventually.ts'
import { rejects } from '../support/refusals.ts'
import { withDirectory, withStore } from '../support/store.ts'
import { fileOf, headOf } from '../torture/security/forged.ts'
import { manyTimers, sampleOf } from './sample.ts'

function levels(count: number): string {
  return '['.repeat(count) + ']'.repeat(count)
}

test('an index of a few bytes that tells of millions of blocks is refused before it is read', async () => {
  const segments = [{ keyGroup: 1, count: 1, earliest: 0, latest: 0 }]
  const block = {
    serviceId: 0,
    domain: 'eventTime',
    length: 21,
    crc: 0,
    count: 1,
    setHash: 0,
    segments,
  } as const
  const content = encodeBlockRecord(block).repeat(20_000)
  const index = Array.from({ length: 400 }, () => ({ content, entries: 20_000 }))
  await withDirectory(async (directory) => {
    const path = join(directory, 'bomb.tidemark')
    await writeFile(path, fileOf({ head: { content: headOf() }, index }))
    const before = process.memoryUsage().rss
    await rejects(() => CheckpointReader.open(path), 'TIDEMARK_CHECKPOINT_CORRUPT', 'room')
    const mib = (process.memoryUsage().rss - before) / 1024 / 1024
    assert.ok(mib < 200, `${mib.toFixed(0)} MiB`)
  })
})

test('a pipe that takes the place of a file while it is opened is not waited for', async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, 'swapped.tidemark')
    execFileSync('mkfifo', [path])
    const { stat } = fs.promises
    // What it was a moment ago.
    fs.promises.stat = (async () =>
      Object.assign(await stat(directory), { size: 1000, isFile: () => true })) as never
    try {
      const code = await inTime(CheckpointReader.open(path), 'opening').then(String, (error) => error.code)
      assert.is(code, 'ESPIPE')
    } finally {
      fs.promises.stat = stat
    }
  })
})

test('metadata may be nested as deeply as whoever reads it can bear', async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, 'deep.tidemark')
    for (const [depth, isFine] of [
      [MAX_STORED_JSON_DEPTH, true],
      [MAX_STORED_JSON_DEPTH + 1, false],
      [30_000, false],
    ] as const) {
      await writeFile(path, fileOf({ head: { content: headOf({ metadata: levels(depth) }) } }))
      if (isFine) await (await CheckpointReader.open(path)).close()
      else await rejects(() => CheckpointReader.open(path), 'TIDEMARK_CHECKPOINT_CORRUPT', 'metadata')
    }
  })
  await withStore({}, async (store, directory) => {
    const metadata = JSON.parse(levels(MAX_STORED_JSON_DEPTH + 1))
    const taking = store.checkpoint(`${directory}-c`, { metadata })
    await rejects(taking, 'TIDEMARK_INVALID_ARGUMENT', 'metadata')
  })
})

test('a directory of thousands of links is looked through soon, each chain as far as a restore goes', () => {
  const idOf = (i: number) => i.toString(16).padStart(8, '0')
  const checkpoints = Array.from({ length: 4000 }, (_, i) => ({
    path: `checkpoint-${String(i + 1).padStart(12, '0')}-${idOf(i)}.tidemark`,
    id: idOf(i),
    version: i + 1,
    sha256: String(i),
    ...(i === 0 ? {} : { base: { checkpointId: idOf(i - 1), version: i, chain: 0, sha256: String(i - 1) } }),
  })) as unknown as CheckpointInfo[]
  const startMs = performance.now()
  const chainOf = chainFinder(checkpoints)
  const whole = checkpoints.filter((one) => chainOf(one).isWhole)
  assert.is(whole.length, MAX_CHAIN_LINKS + 1)
  assert.ok(performance.now() - startMs < 10_000)
})

test('a file that stands where a checkpoint is written first is neither followed nor emptied', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(manyTimers(5), { services: ['orders'] })
    const victim = join(directory, 'victim')
    await writeFile(victim, 'precious')
    await symlink(victim, join(directory, temporaryFileName(cut)))
    await rejects(() => writeCheckpoint(engine, cut, directory), 'TIDEMARK_FAILED', 'EEXIST')
    assert.is(await readFile(victim, 'utf8'), 'precious')
    assert.ok((await lstat(victim)).isFile())
  })
})

test.run()
