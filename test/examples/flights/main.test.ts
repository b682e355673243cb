/** The example as a person runs it: a process of its own, with a child that is killed in the middle. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

function start(argv: string[]) {
  // A process group of its own, so that whoever is left behind can be found.
  const main = spawn(process.execPath, ['--import', 'tsx', MAIN, ...argv], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const told = { stdout: '', stderr: '' }
  main.stdout.setEncoding('utf8').on('data', (text: string) => {
    told.stdout += text
  })
  main.stderr.setEncoding('utf8').on('data', (text: string) => {
    told.stderr += text
  })
  const ended = new Promise<number | null>((resolve) => main.once('close', resolve))
  return { main, told, ended }
}

function isAnyoneLeft(group: number): boolean {
  try {
    process.kill(-group, 0)
    return true
  } catch {
    return false
  }
}

test('a small run is killed, restored, resumed and verified', async () => {
  const { told, ended } = start(['--flights', '20000', '--durability', 'os'])
  assert.is(await ended, 0, told.stderr)
  assert.match(told.stdout, /^killed at 2001-01-0\d .* checkpoints taken/m)
  assert.match(told.stdout, /^restored in /m)
  assert.match(told.stdout, / incremental: /)
  assert.is(told.stdout.trimEnd().split('\n').at(-1), 'verified: 5862 late departures')
})

test('a run of one flight is a run', async () => {
  const { told, ended } = start(['--flights', '1'])
  assert.is(await ended, 0, told.stderr)
  assert.match(told.stdout, /^verified: 1 late departures$/m)
})

test('a run that is stopped leaves no process behind', async () => {
  const { main, told, ended } = start(['--flights', '3000000'])
  await new Promise((resolve) => main.stdout.once('data', resolve))
  main.kill('SIGTERM')
  assert.is(await ended, 143)
  assert.match(told.stderr, /stopped by SIGTERM/)
  assert.not(isAnyoneLeft(main.pid!))
})

test('wrong arguments are answered with the usage', async () => {
  const { told, ended } = start(['--flights', 'many'])
  assert.is(await ended, 2)
  assert.is(told.stdout, '')
  assert.match(told.stderr, /^--flights must be an integer/)
  assert.match(told.stderr, /^Usage: npm start/m)
})

test.run()
