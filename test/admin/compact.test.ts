// timeout: 300s
// What compact gives back, what it says it would, and what it leaves alone.

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compact } from '../../src/admin/compact.ts'
import { bytesOf, estimateFreshBytes } from '../../src/admin/sizeestimate.ts'
import { filesOf } from '../../src/admin/storeplace.ts'
import { openStoreDirectory } from '../../src/admin/storesource.ts'
import { startChild } from '../support/child.ts'
import { changeCharacter, keysOf, withLevel } from '../support/damage.ts'
import { linesOf } from '../support/picture.ts'
import { inStore, openStore, withDirectory } from '../support/store.ts'
import { tidemark } from './command.ts'
import { runRecorded } from './recorded.ts'

const NOW = 1_700_000_000_000
const JUNK_ENTRIES = 24_000

async function makeStore(location: string, timers: number): Promise<string[]> {
  const store = await openStore(location)
  const orders = await store.service('orders')
  const sessions = await store.service('sessions')
  for (let from = 0; from < timers; from += 5000) {
    const some = Array.from({ length: Math.min(5000, timers - from) }, (_, i) => ({
      key: `order-${from + i}`,
      timestamp: NOW + (((from + i) * 7919) % 1_000_000),
    }))
    await orders.processingTime.registerMany(some)
    await sessions.eventTime.registerMany(some.slice(0, 500))
  }
  const lines = await linesOf(store)
  await store.close()
  return lines
}

/** Has the store's tables hold megabytes of what was deleted: entries of a space that there is not. */
async function fillWithDead(location: string): Promise<void> {
  await withLevel(location, async (level) => {
    const value = () => randomBytes(512).toString('hex')
    const keys = Array.from({ length: JUNK_ENTRIES }, (_, i) => `x${String(i).padStart(6, '0')}`)
    await level.batch(keys.map((key) => ({ type: 'put' as const, key, value: value() })))
    await level.compactRange('x', 'x~')
    await level.batch(keys.map((key) => ({ type: 'del' as const, key })))
  })
}

test('a dry run estimates what compaction then brings, and the timers stay', async () => {
  await withDirectory(async (directory) => {
    const location = path.join(directory, 'store')
    const lines = await makeStore(location, 20_000)
    await fillWithDead(location)
    const before = (await filesOf(location)).bytes
    assert.ok(before > 12_000_000, `${before}`)
    const dry = (await runRecorded(compact, [location, '--dry-run', '--json'])).documents()[0] as Record<
      string,
      number
    >
    assert.is(dry.dryRun, true)
    assert.ok(dry.tableBytes! > 12_000_000 && dry.freshBytes! < 4_000_000, JSON.stringify(dry))
    assert.ok((await filesOf(location)).bytes > 12_000_000, 'a dry run does nothing')

    const { code, stdout, stderr } = await tidemark(['compact', location, '--json'])
    assert.is(code, 0, stderr)
    const done = JSON.parse(stdout)
    assert.is(done.bytesAfter, (await filesOf(location)).bytes)
    const within = done.bytesAfter / dry.freshBytes!
    assert.ok(within > 0.75 && within < 1.4, `estimated ${dry.freshBytes}, and it is ${done.bytesAfter}`)
    await inStore(location, {}, async (store) => assert.equal(await linesOf(store), lines))
    const again = await tidemark(['compact', location])
    assert.match(again.stdout, /takes [\d.]+ MB; /)
  })
})

test('the estimate of a store that was written in one go is what it takes', async () => {
  await withDirectory(async (directory) => {
    for (const timers of [0, 10, 40_000]) {
      const location = path.join(directory, `${timers}`)
      await makeStore(location, timers)
      await tidemark(['compact', location])
      const store = await openStoreDirectory(location)
      const [tables, estimated] = [bytesOf(store.engine), await estimateFreshBytes(store)]
      await store.close()
      if (timers >= 1000) assert.ok(Math.abs(estimated / tables - 1) < 0.25, `${estimated}, ${tables}`)
      else assert.ok(estimated < 10_000, `${estimated}`)
    }
  })
})

test('nothing fires, and nothing of it stays behind', async () => {
  await withDirectory(async (directory) => {
    const location = path.join(directory, 'store')
    const lines = await makeStore(location, 100)
    const { code, stdout } = await tidemark(['compact', location])
    assert.is(code, 0)
    assert.match(stdout, `${location}: took `)
    assert.equal(fs.readdirSync(directory), ['store'])
    await inStore(location, {}, async (store) => assert.equal(await linesOf(store), lines))
  })
})

test('what is in use, damaged, of another format or no store is told, and not touched', async () => {
  await withDirectory(async (directory) => {
    const ends = async (args: string[], code: number, message: string | RegExp) => {
      const outcome = await tidemark(['compact', ...args])
      assert.is(outcome.code, code, outcome.stderr)
      assert.match(outcome.stderr, message)
    }
    await ends([directory], 2, 'no Tidemark store')
    await ends([], 2, 'STORE is missing')
    const held = path.join(directory, 'held')
    const child = startChild(new URL('./holder.ts', import.meta.url), held)
    await child.message()
    await ends([held], 3, String(child.pid))
    await ends([held, '--dry-run'], 3, String(child.pid))
    await child.kill()
    const damaged = path.join(directory, 'damaged')
    await makeStore(damaged, 10)
    await withLevel(damaged, async (level) => changeCharacter(level, (await keysOf(level, 'l')).at(-1)!, 5))
    await ends([damaged], 4, 'restore a checkpoint')
    const newer = path.join(directory, 'newer')
    await makeStore(newer, 10)
    fs.writeFileSync(path.join(newer, 'TIDEMARK'), 'tidemark store\nformat 99\n')
    await ends([newer], 1, 'format 99')
  })
})

test.run()
