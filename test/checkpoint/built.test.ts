// The package as it is published: built JavaScript, whose worker is loaded without a loader.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { temporaryDirectory } from '../support/tmp.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Inside node_modules, so that what is built finds its dependencies, and nothing else finds it. */
const built = path.join(root, 'node_modules', `.tidemark-built-${process.pid}`)

const SCRIPT = `
  import { TimerStore } from ${JSON.stringify(path.join(built, 'src', 'index.js'))}
  const [directory] = process.argv.slice(1)
  const store = await TimerStore.open(directory + '/store')
  const service = await store.service('service')
  await service.eventTime.registerMany(Array.from({ length: 132_000 }, (_, i) => ({ key: 'k' + i, timestamp: i })))
  let workers = 0
  process.on('worker', () => workers++)
  const alone = await store.checkpoint(directory + '/checkpoints')
  const together = await store.checkpoint(directory + '/checkpoints', { parallelism: 2 })
  await store.close()
  const restored = await TimerStore.restore(together.path, directory + '/restored')
  console.log(alone.timers, together.timers, restored.timers, 'by', workers)
`

test('the built package takes checkpoints by one worker and by two, and restores one', () => {
  try {
    const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', built], { cwd: root })
    const directory = temporaryDirectory('built')
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', SCRIPT, directory], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    assert.is(output, '132000 132000 132000 by 2\n')
  } finally {
    fs.rmSync(built, { recursive: true, force: true })
  }
})

test.run()
