// What LevelDB's opening may leave when the power is lost, on a file system that puts names on disk in any order.

import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TimerStore } from '../../src/index.ts'
import { rejects } from '../support/refusals.ts'
import { temporaryDirectory } from '../support/tmp.ts'

const manifests = (directory: string) => readdirSync(directory).filter((name) => name.startsWith('MANIFEST-'))

async function opened(directory: string): Promise<number> {
  const store = await TimerStore.open(directory)
  try {
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: `k${eventTime.count}`, timestamp: 1 })
    assert.equal(await store.verify(), [])
    return eventTime.count
  } finally {
    await store.close()
  }
}

test('a store opens though CURRENT names the MANIFEST that was removed for the next one', async () => {
  const directory = temporaryDirectory('manifest')
  const current = join(directory, 'CURRENT')
  assert.is(await opened(directory), 1)
  const before = readFileSync(current, 'utf8')
  assert.is(await opened(directory), 2)
  writeFileSync(current, before)
  assert.is(await opened(directory), 3)
  assert.is(manifests(directory).length, 1)
  assert.is(await opened(directory), 4)
})

test('one that a later opening had begun is not taken for it', async () => {
  const directory = temporaryDirectory('manifest')
  const current = join(directory, 'CURRENT')
  await opened(directory)
  const before = readFileSync(current, 'utf8')
  await opened(directory)
  writeFileSync(current, before)
  writeFileSync(join(directory, 'MANIFEST-900000'), '')
  assert.is(await opened(directory), 3)
})

test('a store whose MANIFEST is lost is damaged, and stays as it is', async () => {
  const directory = temporaryDirectory('manifest')
  await opened(directory)
  const [name] = manifests(directory) as [string]
  const kept = join(temporaryDirectory('manifest'), name)
  copyFileSync(join(directory, name), kept)
  rmSync(join(directory, name))
  writeFileSync(join(directory, 'MANIFEST-000001'), '')
  await rejects(() => TimerStore.open(directory), 'TIDEMARK_CORRUPT')
  copyFileSync(kept, join(directory, name))
  assert.is(await opened(directory), 2)
})

test.run()
