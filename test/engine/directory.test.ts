// A store's directory: who holds it, told without touching LOCK.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TimerStore } from '../../src/index.ts'
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

test.run()
