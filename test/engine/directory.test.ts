// A store's directory: who holds it, told without touching LOCK.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { claimDirectory, EMPTY_FORMAT, writeMarker } from '../../src/engine/directory.ts'
import { openEngine } from '../../src/engine/open.ts'
import { systemFiles } from '../../src/files.ts'
import { TimerStore } from '../../src/index.ts'
import { checkOptions } from '../../src/options.ts'
import { rejects } from '../support/refusals.ts'
import { temporaryDirectory } from '../support/tmp.ts'

const INDEX = fileURLToPath(new URL('../../src/index.ts', import.meta.url))

/** Tries to open the store each time a line arrives, and says what came of it. */
const OPENER = `
  import { createInterface } from 'node:readline'
  import { TimerStore } from ${JSON.stringify(INDEX)}
  console.log('ready')
  for await (const directory of createInterface({ input: process.stdin })) {
    const store = await TimerStore.open(directory).catch((error) => console.log(error.code))
    if (store) { console.log('opened'); await store.close() }
  }
`

test('a child inherits the descriptors of an open store, not its lock: it opens when the parent has closed', async () => {
  const directory = temporaryDirectory('directory')
  const store = await TimerStore.open(directory)
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', OPENER], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdout.setEncoding('utf8')
  const said = async () => String((await once(child.stdout, 'data'))[0]).trim()
  try {
    assert.is(await said(), 'ready')
    child.stdin.write(`${directory}\n`)
    assert.is(await said(), 'TIDEMARK_LOCKED')
    await store.close()
    child.stdin.write(`${directory}\n`)
    assert.is(await said(), 'opened')
  } finally {
    child.stdin.end()
    await once(child, 'exit')
    await store.close()
  }
})

test('a store whose first opening was killed at any moment opens as a new one', async () => {
  // What LevelDB makes, in order; then the record would follow.
  const stages = [[], ['LOCK', 'LOG'], ['LOCK', 'LOG', 'MANIFEST-000001'], undefined]
  for (const kept of stages) {
    const directory = temporaryDirectory('directory')
    const claimed = await claimDirectory(directory)
    const engine = await openEngine(directory, claimed, checkOptions({}).engine)
    await engine.close()
    claimed.release()
    for (const name of await readdir(directory)) {
      if (kept !== undefined && name !== 'TIDEMARK' && !kept.includes(name)) await rm(join(directory, name))
    }
    const store = await TimerStore.open(directory)
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'a', timestamp: 1 })
    await store.close()
    const again = await TimerStore.open(directory)
    assert.is(again.stats().version, 2)
    await again.close()
  }
})

test('a store that lost power while LevelDB made its first files opens as a new one', async () => {
  // What is not synced may be empty, or missing.
  for (const lose of [(manifest: string) => truncate(manifest), (manifest: string) => rm(manifest)]) {
    const directory = temporaryDirectory('directory')
    const claimed = await claimDirectory(directory)
    const engine = await openEngine(directory, claimed, checkOptions({}).engine)
    await engine.close()
    claimed.release()
    const manifest = (await readdir(directory)).find((name) => name.startsWith('MANIFEST-'))!
    await lose(join(directory, manifest))
    const store = await TimerStore.open(directory)
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'a', timestamp: 1 })
    await store.close()
    // From then on it is no new one, whatever it lost: the name of its marker too.
    const current = (await readFile(join(directory, 'CURRENT'), 'utf8')).trim()
    await lose(join(directory, current))
    await rejects(() => TimerStore.open(directory), 'TIDEMARK_CORRUPT')
    await writeMarker(systemFiles, directory, EMPTY_FORMAT)
    await rejects(() => TimerStore.open(directory), 'TIDEMARK_CORRUPT')
    assert.ok((await readdir(directory)).some((name) => name.endsWith('.ldb')))
  }
})

test.run()
