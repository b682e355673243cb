// timeout: 240s
// Which steps migrate tells, that it does them once, goes on where it was killed, and leaves newer stores alone.

import fs from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { migrate } from '../../src/admin/migrate.ts'
import { FORMAT_VERSION, readMarker } from '../../src/engine/directory.ts'
import { serviceMetaKey } from '../../src/engine/keyspaces.ts'
import { verifiedBody, withChecksum } from '../../src/timer/checksum.ts'
import { startChild } from '../support/child.ts'
import { changeCharacter, withLevel } from '../support/damage.ts'
import { linesOf } from '../support/picture.ts'
import { rejects } from '../support/refusals.ts'
import { inStore, openStore, withDirectory } from '../support/store.ts'
import { tidemark } from './command.ts'
import { runRecorded } from './recorded.ts'

interface Told {
  dryRun: boolean
  formatVersion: number
  markedVersion: number
  newestVersion: number
  steps: { version: number; name: string }[]
  halfMigrated: string[] | null
}

async function withStore(body: (location: string, lines: string[]) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const location = path.join(directory, 'store')
    const store = await openStore(location)
    for (const name of ['orders', 'other']) {
      const { eventTime } = await store.service(name)
      for (const timestamp of [1, 2, 3]) await eventTime.register({ key: 'k', timestamp })
    }
    const lines = await linesOf(store)
    await store.close()
    await body(location, lines)
  })
}

/** Makes the record of a store, and the marker if given, say another format. */
async function ageTo(location: string, recorded: number, marked = recorded): Promise<void> {
  fs.writeFileSync(path.join(location, 'TIDEMARK'), `tidemark store\nformat ${marked}\n`)
  await change(location, 'm!store', (body) =>
    JSON.stringify({ ...JSON.parse(body), formatVersion: recorded }),
  )
}

function change(location: string, key: string, alter: (body: string) => string): Promise<void> {
  return withLevel(location, async (level) => {
    await level.put(key, withChecksum(key, alter(verifiedBody(key, (await level.get(key))!)!)))
  })
}

async function recordedFormat(location: string): Promise<number> {
  return withLevel(location, async (level) => {
    return JSON.parse(verifiedBody('m!store', (await level.get('m!store'))!)!).formatVersion
  })
}

async function told(...args: string[]): Promise<Told> {
  return (await runRecorded(migrate, [...args, '--json'])).documents()[0] as Told
}

test('a store of the newest format needs nothing', async () => {
  await withStore(async (location) => {
    const { steps, formatVersion, newestVersion, halfMigrated } = await told(location)
    assert.equal(
      [steps, formatVersion, newestVersion, halfMigrated],
      [[], FORMAT_VERSION, FORMAT_VERSION, []],
    )
    const { stdout, code } = await runRecorded(migrate, [location, '--dry-run'])
    assert.is(code, 0)
    assert.match(stdout, 'nothing is to be done')
  })
})

test('a migration that was begun: a dry run tells the steps and does none, then they are done', async () => {
  await withStore(async (location, lines) => {
    // As a kill between marker and step leaves it: before format 1 there was none.
    await ageTo(location, 0, 1)
    const dry = await told(location, '--dry-run')
    assert.equal(dry.steps, [{ version: 1, name: 'initial' }])
    assert.equal([dry.dryRun, dry.formatVersion, dry.halfMigrated], [true, 0, null])
    assert.is(await recordedFormat(location), 0)
    const { stdout, code, stderr } = await tidemark(['migrate', location])
    assert.is(code, 0, stderr)
    assert.match(stdout, 'format 0; a migration to 1 was begun; 1 step to format 1')
    assert.match(stdout, /^ {2}1 {2}initial$/m)
    assert.match(stdout, /^done in /m)
    assert.equal([await recordedFormat(location), await readMarker(location)], [1, 1])
    await inStore(location, {}, async (store) => assert.equal(await linesOf(store), lines))
    assert.match((await tidemark(['migrate', location])).stdout, 'nothing is to be done')
  })
})

test('a service that is half-way to other schemas is told, and left to itself', async () => {
  await withStore(async (location) => {
    await change(location, serviceMetaKey(1), (body) => body.replace('other', 'tidemark:migrating:orders'))
    assert.equal((await told(location)).halfMigrated, ['orders'])
    const { stdout } = await runRecorded(migrate, [location, '--dry-run'])
    assert.match(stdout, 'service orders is half-way to other schemas')
  })
})

test('a newer store, one in use, a damaged one and none at all are told, and not touched', async () => {
  await withStore(async (location) => {
    await ageTo(location, 99)
    await rejects(() => told(location), 'TIDEMARK_UNSUPPORTED_FORMAT', 'format 99', 'newer Tidemark')
    assert.is((await tidemark(['migrate', location])).code, 1)
    assert.equal([await recordedFormat(location), await readMarker(location)], [99, 99])
  })
  await withStore(async (location) => {
    await withLevel(location, (level) => changeCharacter(level, 'm!store', 5))
    assert.is((await tidemark(['migrate', location, '--dry-run'])).code, 4)
    const held = `${location}-held`
    const child = startChild(new URL('./holder.ts', import.meta.url), held)
    await child.message()
    const { code, stderr } = await tidemark(['migrate', held])
    assert.is(code, 3)
    assert.match(stderr, String(child.pid))
    await child.kill()
    assert.is((await tidemark(['migrate', path.dirname(location)])).code, 2)
    const empty = `${location}-empty`
    fs.mkdirSync(empty)
    fs.writeFileSync(path.join(empty, 'TIDEMARK'), 'tidemark store\nformat 0\n')
    await rejects(() => told(empty), 'TIDEMARK_INVALID_ARGUMENT', 'nothing was ever stored')
    assert.is((await tidemark(['migrate'])).code, 2)
  })
})

test.run()
