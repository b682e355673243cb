// Migrations: in order, each once, resumed after a failure at any write; the marker says the version before it is written.

import fs from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { migrations } from '../../migrations/index.ts'
import { FORMAT_VERSION, MARKER_FILE } from '../../src/engine/directory.ts'
import { type Migration, migrate, readStoreRecord } from '../../src/engine/migration.ts'
import { systemFiles } from '../../src/files.ts'
import { SlowEngine } from '../support/engine.ts'
import { temporaryDirectory } from '../support/tmp.ts'

const fresh = { formatVersion: 0, storeId: 'store', maxParallelism: 128, keyGroups: { start: 0, end: 127 } }

/** A step that writes `parts` entries of its own, one write each, before its last batch. */
function step(version: number, parts: number, ran: number[]): Migration {
  return {
    version,
    name: `step ${version}`,
    up: async (engine, record) => {
      ran.push(version)
      for (let part = 0; part < parts; part++) {
        const batch = engine.batch()
        batch.put(`x${version}-${part}`, 'migrated')
        await engine.write(batch, true)
      }
      const batch = engine.batch()
      batch.put(`x${version}-last`, 'migrated')
      return { batch, record }
    },
  }
}

function markedFormat(directory: string): number {
  return Number(/format (\d+)/.exec(fs.readFileSync(path.join(directory, MARKER_FILE), 'utf8'))![1])
}

test('the list of migrations leads to the format version, one after the other', () => {
  assert.equal(
    migrations.map(({ version }) => version),
    Array.from({ length: FORMAT_VERSION }, (_, i) => i + 1),
  )
})

test('what is missing is applied in order, and nothing twice', async () => {
  const engine = await SlowEngine.open()
  const directory = temporaryDirectory('migration')
  const ran: number[] = []
  const steps = [step(1, 1, ran), step(2, 0, ran), step(3, 2, ran)]
  assert.is((await migrate(systemFiles, engine, directory, steps.slice(0, 1), fresh)).formatVersion, 1)
  assert.is((await migrate(systemFiles, engine, directory, steps, fresh)).formatVersion, 3)
  assert.is(
    (await migrate(systemFiles, engine, directory, steps, { ...fresh, storeId: 'other' })).storeId,
    'store',
  )
  assert.equal(ran, [1, 2, 3])
  assert.is(markedFormat(directory), 3)
})

test('a migration that failed at any write is resumed by the next open', async () => {
  for (let failWrite = 1; ; failWrite++) {
    const engine = await SlowEngine.open()
    const directory = temporaryDirectory('migration')
    const steps = [step(1, 2, []), step(2, 2, [])]
    engine.failWrite = failWrite
    const failed = await migrate(systemFiles, engine, directory, steps, fresh).then(
      () => false,
      () => true,
    )
    if (!failed) break
    const reached = readStoreRecord(engine)?.formatVersion ?? 0
    // Whoever is too old for the step that began must see it, whatever was written.
    assert.is(markedFormat(directory), reached + 1)
    engine.failWrite = 0
    const record = await migrate(systemFiles, engine, directory, steps, fresh)
    assert.equal(record, { ...fresh, formatVersion: 2 })
    const written = await engine.scan({ from: 'x', to: 'y', limit: 100 }).read()
    assert.is(written.length, 6)
  }
})

test.run()
