// What is known of a store beside LevelDB: one that LevelDB opens as it was some sessions ago, or empty, is refused.

import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TimerStore } from '../../src/index.ts'
import { NEWEST_FILE } from '../../src/log/newest.ts'
import { rejects } from '../support/refusals.ts'
import { withDirectory } from '../support/store.ts'

/** Opens the store of a directory, registers a timer, and closes it. */
async function session(location: string, n: number, durability: 'os' | 'disk' = 'os'): Promise<void> {
  const store = await TimerStore.open(location, { durability })
  const { eventTime } = await store.service('orders')
  await eventTime.register({ key: `k${n}`, timestamp: n })
  await store.close()
}

async function withSessions(body: (location: string, parent: string) => Promise<void>): Promise<void> {
  await withDirectory(async (parent) => {
    const location = join(parent, 'store')
    await session(location, 1)
    cpSync(location, join(parent, 'earlier'), { recursive: true })
    await session(location, 2)
    await body(location, parent)
  })
}

const newest = (location: string) => readFileSync(join(location, NEWEST_FILE), 'utf8')

test('a store that closes says how far it came, for its owner alone', () =>
  withSessions(async (location, parent) => {
    assert.match(newest(join(parent, 'earlier')), /^version 2\nstore [0-9a-f-]{36}\n/)
    assert.match(newest(location), /^version 3\n/)
    assert.is(statSync(join(location, NEWEST_FILE)).mode & 0o077, 0)
    assert.equal(
      readdirSync(location)
        .filter((name) => name.startsWith('TIDEMARK'))
        .sort(),
      ['TIDEMARK', NEWEST_FILE],
    )
    // Nothing was committed: nothing is written.
    const before = statSync(join(location, NEWEST_FILE)).mtimeMs
    await (await TimerStore.open(location)).close()
    assert.is(statSync(join(location, NEWEST_FILE)).mtimeMs, before)
  }))

test('one flipped bit in the length of a record of the manifest: a session is gone, and the store is refused', () =>
  withSessions(async (location) => {
    const name = readdirSync(location).find((file) => file.startsWith('MANIFEST-'))!
    const manifest = readFileSync(join(location, name))
    let last = 0
    for (let at = 0; at < manifest.length; at += 7 + manifest.readUInt16LE(at + 4)) last = at
    manifest[last + 5]! ^= 1
    writeFileSync(join(location, name), manifest)
    await rejects(TimerStore.open(location), 'TIDEMARK_CORRUPT', 'had come to version 3', NEWEST_FILE)
  }))

test('earlier files that are put back are refused, until it is said that it was on purpose', () =>
  withSessions(async (location, parent) => {
    const said = newest(location)
    rmSync(location, { recursive: true })
    cpSync(join(parent, 'earlier'), location, { recursive: true })
    writeFileSync(join(location, NEWEST_FILE), said)
    await rejects(
      TimerStore.open(location),
      'TIDEMARK_CORRUPT',
      'version 2',
      'version 3',
      `remove ${NEWEST_FILE}`,
    )
    rmSync(join(location, NEWEST_FILE))
    await session(location, 3)
  }))

test('a store of which only the files beside LevelDB are left is not a new one', () =>
  withSessions(async (location) => {
    for (const name of readdirSync(location)) {
      if (!name.startsWith('TIDEMARK')) rmSync(join(location, name), { recursive: true })
    }
    await rejects(TimerStore.open(location), 'TIDEMARK_CORRUPT')
    assert.not(existsSync(join(location, 'CURRENT')))
    writeFileSync(join(location, 'TIDEMARK'), 'tidemark store\nformat 0\n')
    await rejects(TimerStore.open(location), 'TIDEMARK_CORRUPT', 'its record is gone')
  }))

test('a damaged file says nothing, and is written anew', () =>
  withSessions(async (location) => {
    const said = newest(location)
    for (const text of ['', 'version 9\n', said.replace('version 3', 'version 9'), said.slice(0, -1)]) {
      writeFileSync(join(location, NEWEST_FILE), text)
      await (await TimerStore.open(location, { durability: 'os' })).close()
      assert.is(newest(location), said)
    }
  }))

test('one that was not closed is said to have come as far as it is found, when it is opened again', () =>
  withDirectory(async (parent) => {
    const location = join(parent, 'store')
    const store = await TimerStore.open(location)
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'k', timestamp: 1 })
    const copy = join(parent, 'copy')
    cpSync(location, copy, { recursive: true, filter: (path) => basename(path) !== 'LOCK' })
    await store.close()
    assert.not(existsSync(join(copy, NEWEST_FILE)))
    const again = await TimerStore.open(copy)
    assert.match(newest(copy), /^version 2\n/)
    await again.close()
  }))

test.run()
