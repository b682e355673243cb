// timeout: 240s
// The command as a user has it: the built bin in a process of its own, in a pipe, on a terminal, on whatever is wrong.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { startChild } from '../support/child.ts'
import { root } from '../support/repository.ts'
import { openStore } from '../support/store.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { buildCommand, type Outcome, run, tidemark } from './command.ts'
import { screenOf } from './recorded.ts'

const NOW = 1_700_000_000_000
const directory = temporaryDirectory('command')
const location = path.join(directory, 'store')
const checkpoints = path.join(directory, 'checkpoints')
buildCommand()
const file = await makeCheckpoint()

async function makeCheckpoint(): Promise<string> {
  const store = await openStore(location, { clock: new ManualClock(NOW), maxParallelism: 4 })
  const orders = await store.service('orders')
  await orders.processingTime.registerMany(
    Array.from({ length: 3000 }, (_, i) => ({ key: `order-${i}`, timestamp: NOW + i * 1000 })),
  )
  const { path: full } = await store.checkpoint(checkpoints, { incremental: true })
  await orders.processingTime.register({ key: 'one more', timestamp: NOW })
  await store.checkpoint(checkpoints, { incremental: true })
  await store.close()
  return full
}

/** A copy of the checkpoint, altered. */
function altered(name: string, alter: (bytes: Buffer) => Buffer): string {
  const place = path.join(directory, name)
  fs.writeFileSync(place, alter(fs.readFileSync(file)))
  return place
}

async function ends(args: readonly string[], code: number, message: string | RegExp): Promise<Outcome> {
  const outcome = await tidemark(args)
  assert.is(outcome.code, code, `tidemark ${args.join(' ')}: ${outcome.stderr}`)
  assert.match(outcome.stderr, message)
  assert.not.match(outcome.stderr, /^\s+at /m, 'a stack is for nobody')
  assert.is(outcome.stderr.trimEnd().split('\n').length, 1, 'one message, one line')
  return outcome
}

async function verbs(): Promise<string[]> {
  const { stdout } = await tidemark(['--help'])
  const listed = /\nVerbs\n([\s\S]*?)\n\n/.exec(stdout)![1]!
  return listed.split('\n').map((line) => /^ {2}(\w+) /.exec(line)![1]!)
}

test('the command tells its version, and its verbs with examples', async () => {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
  assert.equal(await tidemark(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
  const { code, stdout } = await tidemark(['--help'])
  assert.is(code, 0)
  for (const verb of ['inspect', 'checkpoints']) assert.match(stdout, `tidemark ${verb} `)
  assert.equal((await tidemark(['help'])).stdout, stdout)
})

test('every verb has a help with usage, options, examples and exit codes', async () => {
  const names = await verbs()
  assert.ok(names.includes('inspect') && names.includes('checkpoints'))
  for (const name of names) {
    const { code, stdout, stderr } = await tidemark([name, '--help'])
    assert.is(code, 0)
    assert.is(stderr, '')
    for (const part of [`tidemark ${name}`, 'Usage', 'Options', '--json', 'Examples', 'Exit codes']) {
      assert.match(stdout, part)
    }
    assert.equal((await tidemark(['help', name])).stdout, stdout)
    assert.ok(
      stdout.split('\n').every((line) => line.length <= 120),
      `a line of ${name} --help is too long`,
    )
  }
})

test('every verb runs alone from a checkout', async () => {
  for (const name of await verbs()) {
    const script = path.join(root, 'src', 'admin', `${name}.ts`)
    const { code, stdout } = await run(process.execPath, ['--import', 'tsx', script, '--help'], { cwd: root })
    assert.is(code, 0)
    assert.match(stdout, `tidemark ${name}: `)
  }
})

test('exit code 0: inspect and checkpoints tell what there is', async () => {
  const inspected = await tidemark(['inspect', file])
  assert.is(inspected.code, 0)
  assert.is(inspected.stderr, '')
  assert.match(inspected.stdout, /content +3,000 timers/)
  const listed = await tidemark(['checkpoints', checkpoints])
  assert.is(listed.code, 0)
  assert.match(listed.stdout, /incremental +\d+ /)
})

test('exit code 1: a chain is broken, a format is newer', async () => {
  const broken = path.join(directory, 'broken')
  fs.cpSync(checkpoints, broken, { recursive: true })
  fs.rmSync(path.join(broken, path.basename(file)))
  const { code, stdout } = await tidemark(['checkpoints', broken])
  assert.is(code, 1)
  assert.match(stdout, /\d+, broken/)
  const store = path.join(directory, 'newer')
  fs.mkdirSync(store)
  fs.writeFileSync(path.join(store, 'TIDEMARK'), 'tidemark store\nformat 999\n')
  await ends(['inspect', store], 1, 'use a newer Tidemark')
})

test('exit code 2: wrong usage, with what was meant', async () => {
  await ends([], 2, 'which verb? see tidemark --help')
  await ends(['insepct', file], 2, "no verb 'insepct'; did you mean 'inspect'?")
  await ends(['help', 'checkpoint'], 2, "did you mean 'checkpoints'?")
  await ends(['inspect'], 2, 'usage: tidemark inspect FILE|STORE')
  await ends(['inspect', file, '--timer'], 2, "did you mean '--timers'?")
  await ends(['inspect', file, file], 2, 'one argument too many')
  await ends(['inspect', path.join(directory, 'nothing')], 2, 'there is nothing at')
  await ends(['inspect', checkpoints], 2, 'directory of checkpoints')
  await ends(['checkpoints', location], 2, 'is a store')
  await ends(['\u001b[2J'], 2, /'\\u001b\[2J'/)
})

test('exit code 3: a store that a service has open is left alone', async () => {
  const held = path.join(directory, 'held')
  const child = startChild(new URL('./holder.ts', import.meta.url), held)
  try {
    await child.message()
    const files = () => fs.readdirSync(held).map((name) => [name, fs.statSync(path.join(held, name)).mtimeMs])
    const before = files()
    const { stderr } = await ends(['inspect', held], 3, 'is open')
    if (process.platform === 'linux') assert.match(stderr, `process ${child.pid}`)
    const { stderr: json } = await tidemark(['inspect', held, '--json'])
    assert.is(JSON.parse(json).error.code, 'TIDEMARK_LOCKED')
    assert.equal(files(), before)
    // Its lock is still its own.
    const code = await TimerStore.open(held).catch((error) => error.code)
    assert.is(code, 'TIDEMARK_LOCKED')
  } finally {
    await child.kill()
  }
  assert.is((await tidemark(['inspect', held])).code, 0)
})

test('exit code 4: files that are cut off, altered, or none at all', async () => {
  await ends(['inspect', altered('cut', (bytes) => bytes.subarray(0, -1))], 4, 'footer')
  await ends(['inspect', altered('empty', (bytes) => bytes.subarray(0, 0))], 4, 'first bytes')
  await ends(['inspect', path.join(root, 'README.md')], 4, 'does not begin as a checkpoint')
  const header = altered('header', (bytes) => {
    bytes[40]! ^= 1
    return bytes
  })
  await ends(['inspect', header], 4, 'header')
  const block = altered('block', (bytes) => {
    bytes[Math.floor(bytes.length / 2)]! ^= 1
    return bytes
  })
  const { stdout } = await ends(['inspect', block], 4, 'block at byte')
  assert.match(stdout, /content +3,000 timers/)
  const damaged = path.join(directory, 'damaged')
  fs.mkdirSync(damaged)
  fs.copyFileSync(block, path.join(damaged, path.basename(file)))
  fs.truncateSync(path.join(damaged, path.basename(file)), 1000)
  assert.is((await tidemark(['checkpoints', damaged])).code, 4)
})

test('with --json results and errors are JSON', async () => {
  const { stdout } = await tidemark(['inspect', file, '--json'])
  assert.is(JSON.parse(stdout).timers, 3000)
  const listed = await tidemark(['checkpoints', checkpoints, '--json'])
  const kinds = listed.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).kind)
  assert.equal(kinds, ['full', 'incremental'])
  const timers = await tidemark(['inspect', file, '--timers', '--json', '--key', 'order-7'])
  assert.equal(JSON.parse(timers.stdout), {
    service: 'orders',
    domain: 'processingTime',
    key: 'order-7',
    namespace: '',
    timestamp: NOW + 7000,
    createVersion: 2,
  })
  const { stderr } = await tidemark(['inspect', '--json'])
  assert.equal(Object.keys(JSON.parse(stderr).error), ['code', 'message'])
  assert.is(JSON.parse(stderr).error.code, 'TIDEMARK_INVALID_ARGUMENT')
})

test('in a pipe there is neither colour nor progress, unless FORCE_COLOR asks for it', async () => {
  const plain = await tidemark(['inspect', file])
  assert.not.match(plain.stdout, '\u001b')
  assert.is(plain.stderr, '')
  const forced = await tidemark(['inspect', file], { env: { FORCE_COLOR: '1' } })
  assert.match(forced.stdout, '\u001b[1m')
  assert.is(forced.stdout.replace(/\u001b\[\d+m/g, ''), plain.stdout)
  const neither = await tidemark(['inspect', file, '--no-color'], { env: { FORCE_COLOR: '1' } })
  assert.is(neither.stdout, plain.stdout)
})

test('a reader that has enough ends it, silently', async () => {
  const timers = `'${process.execPath}' '${buildCommand()}' inspect '${file}' --timers`
  // The status of the command itself, not of the pipe.
  const { stdout, stderr } = await run('bash', ['-c', `${timers} | head -1; echo \${PIPESTATUS[0]}`])
  assert.match(stdout, /^ +timestamp .*\n0\n$/)
  assert.is(stderr, '')
  const gone = await run('bash', ['-c', `${timers} --json | true; echo \${PIPESTATUS[0]}`])
  assert.equal(gone, { code: 0, stdout: '0\n', stderr: '' })
})

test('an interrupted restore of a chain leaves nothing behind', async () => {
  const temporary = path.join(directory, 'tmp')
  fs.mkdirSync(temporary)
  const chain = fs.readdirSync(checkpoints).find((name) => name !== path.basename(file))!
  const watcher = fs.watch(temporary)
  const args = ['inspect', path.join(checkpoints, chain), '--timers', '--json']
  const child = spawn(process.execPath, [buildCommand(), ...args], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = new Promise((resolve) => child.once('close', resolve))
  // Nobody reads: it is in the middle of its work from here on.
  await Promise.race([closed, new Promise((resolve) => watcher.once('change', resolve))])
  watcher.close()
  child.kill('SIGINT')
  child.stdout.resume()
  const code = await closed
  assert.is(code, 130)
  assert.equal(fs.readdirSync(temporary), [])
})

const HIDDEN: [RegExp, string][] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '(uuid)'],
  [/, [\d,.]+ [a-z]+( [\d,.]+ [a-z]+)? ago\)/g, ', (age))'],
  [/^( +size +).*$/gm, '$1(bytes)'],
  [/^( +took +).*$/gm, '$1(durations)'],
]

test('on a terminal it fits the screen, in colour, and is what it should be', async () => {
  const script = await run('sh', ['-c', 'command -v script']).catch(() => ({ code: 1 }))
  assert.is(script.code, 0, 'this test needs `script`, of util-linux or the BSDs: install it')
  const command = `stty cols 80 rows 40; '${process.execPath}' '${buildCommand()}' inspect ./checkpoint`
  fs.copyFileSync(file, path.join(directory, 'checkpoint'))
  const { code, stdout } = await run('script', ['-qec', command, '/dev/null'], {
    cwd: directory,
    env: { TERM: 'xterm', SHELL: '/bin/sh' },
  })
  assert.is(code, 0)
  assert.match(stdout, '\u001b[36m')
  let screen = screenOf(stdout).join('\n')
  assert.ok(screen.split('\n').every((line) => line.length <= 80))
  for (const [hidden, word] of HIDDEN) screen = screen.replace(hidden, word)
  assert.is(screen, EXPECTED_SCREEN)
})

const EXPECTED_SCREEN = `./checkpoint
  kind        full checkpoint
  id          (uuid)
  store       (uuid)
  version     5: it holds what was made before
  key groups  all of 4
  created     2023-11-14T22:13:20.000Z (1700000000000, (age))
  content     3,000 timers in 2 blocks
  size        (bytes)
  took        (durations)

Services
  service  domain      timers  earliest              latest
  orders   event            0
           processing   3,000  2023-11-14T22:13:20Z  2023-11-14T23:03:19Z

Watermarks and schemas
  orders
    watermark  none yet
    key        {"type":"string"}
    namespace  {"type":"string"}
    payload    none

Timers over key groups (from 726, up to 805 in one; exact)
  0  737  ████████████████████████████████████████████████████████████████▏
  1  805  ██████████████████████████████████████████████████████████████████████
  2  732  ███████████████████████████████████████████████████████████████▋
  3  726  ███████████████████████████████████████████████████████████████▏

Timers over time (UTC, 2 min a bar; exact)
  2023-11-14 22:12   40  ██████████████████▍
  2023-11-14 22:14  120  ███████████████████████████████████████████████████████
  2023-11-14 22:16  120  ███████████████████████████████████████████████████████
  2023-11-14 22:18  120  ███████████████████████████████████████████████████████
  2023-11-14 22:20  120  ███████████████████████████████████████████████████████
  2023-11-14 22:22  120  ███████████████████████████████████████████████████████
  2023-11-14 22:24  120  ███████████████████████████████████████████████████████
  2023-11-14 22:26  120  ███████████████████████████████████████████████████████
  2023-11-14 22:28  120  ███████████████████████████████████████████████████████
  2023-11-14 22:30  120  ███████████████████████████████████████████████████████
  2023-11-14 22:32  120  ███████████████████████████████████████████████████████
  2023-11-14 22:34  120  ███████████████████████████████████████████████████████
  2023-11-14 22:36  120  ███████████████████████████████████████████████████████
  2023-11-14 22:38  120  ███████████████████████████████████████████████████████
  2023-11-14 22:40  120  ███████████████████████████████████████████████████████
  2023-11-14 22:42  120  ███████████████████████████████████████████████████████
  2023-11-14 22:44  120  ███████████████████████████████████████████████████████
  2023-11-14 22:46  120  ███████████████████████████████████████████████████████
  2023-11-14 22:48  120  ███████████████████████████████████████████████████████
  2023-11-14 22:50  120  ███████████████████████████████████████████████████████
  2023-11-14 22:52  120  ███████████████████████████████████████████████████████
  2023-11-14 22:54  120  ███████████████████████████████████████████████████████
  2023-11-14 22:56  120  ███████████████████████████████████████████████████████
  2023-11-14 22:58  120  ███████████████████████████████████████████████████████
  2023-11-14 23:00  120  ███████████████████████████████████████████████████████
  2023-11-14 23:02   80  ████████████████████████████████████▋
`

test.run()
