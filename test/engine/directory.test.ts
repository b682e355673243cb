// A store's directory: who holds it, told without touching LOCK.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openClassicEngine } from '../../src/engine/classic.ts'
import { claimDirectory } from '../../src/engine/directory.ts'
import { temporaryDirectory } from '../support/tmp.ts'

const SIZES = { cacheBytes: 1 << 20, writeBufferBytes: 1 << 20, maxFileBytes: 1 << 20 }

test('a child that inherits the descriptors of a store does not hold it once the parent has closed it', async () => {
  const directory = temporaryDirectory('directory')
  const claimed = await claimDirectory(directory)
  const engine = await openClassicEngine(claimed.realPath, SIZES, false)
  // The child stands for any that a service spawns: it keeps what it inherited for as long as it lives.
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  await once(child, 'spawn')
  try {
    await engine.close()
    claimed.release()
    const again = await claimDirectory(directory).catch((error) => error)
    // LevelDB's files are there without a marker: it was never made a store, so that is what is told, not a lock.
    assert.is(again.code, 'TIDEMARK_UNSUPPORTED_FORMAT')
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

test.run()
