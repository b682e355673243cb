// LevelDB 1.20 passes over a log that it cannot open, and removes it: what stood there is put back. Done here by taking the
// log away before LevelDB opens; with real failures: test/torture/faults.

import { appendFileSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openClassicEngine } from '../../src/engine/classic.ts'
import { TimerStore } from '../../src/index.ts'
import { type Platform, systemPlatform } from '../../src/platform.ts'
import { copyAsCrashed } from '../support/crash.ts'
import { rejects } from '../support/refusals.ts'
import { openStore, verified, withDirectory } from '../support/store.ts'

/** A platform whose LevelDB passes over the logs at `from` and behind it, and says so of that one as it does. */
function passingOver(from: number): Platform {
  return {
    ...systemPlatform,
    openEngine: async (directory, ...sizes) => {
      const logs = readdirSync(directory).filter((name) => name.endsWith('.log'))
      const passed = logs.sort().slice(from)
      for (const log of passed) renameSync(join(directory, log), join(directory, `${log}.gone`))
      const engine = await openClassicEngine(directory, ...sizes)
      for (const log of passed) {
        const line = `Ignoring error IO error: ${directory}/${log}: Too many open files\n`
        appendFileSync(join(directory, 'LOG'), line)
      }
      return engine
    },
  }
}

test('a log that LevelDB could not open fails the opening, and its commits are there at the next', async () => {
  await withDirectory(async (parent) => {
    const location = join(parent, 'store')
    const store = await openStore(join(parent, 'before'))
    const { eventTime } = await store.service('orders')
    for (let timestamp = 0; timestamp < 20; timestamp++) await eventTime.register({ key: 'k', timestamp })
    await eventTime.delete({ key: 'k', timestamp: 3 })
    await copyAsCrashed(store.location, location)
    await store.close()
    for (let attempt = 0; attempt < 3; attempt++) {
      const opening = () => TimerStore.openOn(passingOver(0), location)
      await rejects(opening, 'TIDEMARK_FAILED', 'Too many open files', 'open it again')
    }
    const again = await openStore(location)
    assert.is((await again.service('orders')).eventTime.count, 19)
    await verified(again)
    await again.close()
    assert.equal(
      readdirSync(location).filter((name) => name.startsWith('TIDEMARK.')),
      [],
    )
  })
})

test('a store that is open elsewhere, and one that cannot be opened, keep their logs as they are', async () => {
  await withDirectory(async (parent) => {
    const location = join(parent, 'store')
    await (await openStore(location)).close()
    const before = readdirSync(location).filter((name) => name.endsWith('.log'))
    const openEngine = async () => {
      throw new Error('no memory')
    }
    const opening = TimerStore.openOn({ ...systemPlatform, openEngine }, location)
    await rejects(opening, 'TIDEMARK_FAILED', 'no memory')
    const names = readdirSync(location)
    assert.equal(
      names.filter((name) => name.endsWith('.log')),
      before,
    )
    assert.equal(
      names.filter((name) => name.startsWith('TIDEMARK.')),
      [],
    )
  })
})

test.run()
