/** The README's first example, run as it stands, and killed as it says. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually } from '../support/eventually.ts'
import { temporaryDirectory } from '../support/tmp.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const TSX = pathToFileURL(path.join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs')).href

function firstExample(): string {
  const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8')
  return /```ts\n([\s\S]*?)```/.exec(readme)![1]!
}

test('the example has at most fifteen lines', () => {
  assert.ok(firstExample().trim().split('\n').length <= 15)
})

/** Starts a script in a directory of its own, which it may be started in again. */
function start(directory: string, script: string) {
  const source = path.join(root, 'src', 'index.ts')
  // The package's own name leads to its build; here it leads to its source, so that the test needs no build.
  fs.writeFileSync(path.join(directory, 'example.ts'), script.replace("'tidemark'", JSON.stringify(source)))
  fs.writeFileSync(path.join(directory, 'package.json'), '{"type":"module"}')
  return spawn(process.execPath, ['--import', TSX, 'example.ts'], { cwd: directory })
}

async function ended(child: ReturnType<typeof start>) {
  const output = { stdout: '', stderr: '', status: 0 as number | null }
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk
  })
  const [status] = await once(child, 'close')
  return { ...output, status }
}

test('the example runs as it stands: one timer is pending, and fires', async () => {
  assert.equal(await ended(start(temporaryDirectory('readme'), firstExample())), {
    stdout: '1 pending: kill me now, start me again, and it still fires\norder-42 was not paid in time\n',
    stderr: '',
    status: 0,
  })
})

test('killed when it says so, and started again, the example fires what it left, and ends', async () => {
  const directory = temporaryDirectory('readme-killed')
  const script = firstExample().replace('5_000', '500').replace('8_000', '2_000')
  const killed = start(directory, script)
  await once(killed.stdout, 'data')
  const deadline = Date.now() + 500
  killed.kill('SIGKILL')
  await once(killed, 'close')
  // It is overdue when the store is opened again.
  await eventually(() => Date.now() > deadline)
  const { stdout, stderr, status } = await ended(start(directory, script))
  assert.is(stderr, '')
  assert.is(stdout.match(/^order-42 was not paid in time$/gm)?.length, 2)
  assert.is(status, 0)
})

test.run()
