/** The README's first example, run as it stands. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { temporaryDirectory } from '../support/tmp.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

function firstExample(): string {
  const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8')
  return /```ts\n([\s\S]*?)```/.exec(readme)![1]!
}

test('the example has at most fifteen lines', () => {
  assert.ok(firstExample().trim().split('\n').length <= 15)
})

test('the example runs as it stands: one timer is pending, and fires', () => {
  const directory = temporaryDirectory('readme')
  const source = path.join(root, 'src', 'index.ts')
  // The package's own name leads to its build; here it leads to its source, so that the test needs no build.
  const script = firstExample().replace("'tidemark'", JSON.stringify(source))
  fs.writeFileSync(path.join(directory, 'package.json'), '{"type":"module"}')
  fs.writeFileSync(path.join(directory, 'example.ts'), script)
  const tsx = path.join(root, 'node_modules', 'tsx', 'dist', 'cli.mjs')
  const run = spawnSync(process.execPath, [tsx, 'example.ts'], {
    cwd: directory,
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.is(run.stderr, '')
  assert.is(
    run.stdout,
    '1 pending: kill me now, start me again, and it still fires\norder-42 was not paid in time\n',
  )
  assert.is(run.status, 0)
})

test.run()
