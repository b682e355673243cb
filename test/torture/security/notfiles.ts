// What stands where a file is expected, and is none: refused at once, and nothing hangs.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { listCheckpoints } from '../../../src/checkpoint/catalog.ts'
import { CheckpointReader } from '../../../src/checkpoint/reader.ts'
import { TidemarkError, TimerStore } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing.ts'
import { openStore, withDirectory } from '../../support/store.ts'
import type { Outcome, Part } from '../family.ts'
import { runVerb } from './verbs.ts'

/** Far more than any refusal takes. */
const LIMIT_MS = 10_000

/** What it may be; each is made at a path. */
const THINGS: Record<string, (path: string) => unknown> = {
  'a directory': (path) => fs.mkdirSync(path),
  'a pipe': (path) => execFileSync('mkfifo', [path]),
  'a socket': (path) =>
    new Promise((resolve) =>
      net
        .createServer()
        .unref()
        .listen(path, resolve as () => void),
    ),
  'a link to itself': (path) => fs.symlinkSync(path, path),
  'a link to nothing': (path) => fs.symlinkSync(`${path}-none`, path),
  'a link to a device without end': (path) => fs.symlinkSync('/dev/zero', path),
  'a link to a terminal': (path) => fs.symlinkSync('/dev/tty', path),
  'a link to a directory': (path) => fs.symlinkSync('/', path),
  'an empty file': (path) => fs.writeFileSync(path, ''),
  'a file of a terabyte without content': (path) => {
    fs.writeFileSync(path, '')
    fs.truncateSync(path, 2 ** 40)
  },
}

/** Fails where it takes too long; what was refused is told by its code. */
async function soon<T>(what: string, call: () => Promise<T>): Promise<T | string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${LIMIT_MS} ms`)), LIMIT_MS)
  })
  try {
    return await Promise.race([call(), late])
  } catch (error) {
    if (error instanceof TidemarkError) return error.code
    throw error
  } finally {
    clearTimeout(timer)
  }
}

const NAME = 'checkpoint-000000000002-c0ffee00.tidemark'
const REFUSALS = ['TIDEMARK_CHECKPOINT_CORRUPT', 'TIDEMARK_CHECKPOINT_NOT_FOUND']

async function tryAsCheckpoint(root: string, name: string, make: (path: string) => unknown): Promise<number> {
  const directory = join(root, 'checkpoints')
  const path = join(directory, NAME)
  fs.mkdirSync(directory)
  await make(path)
  const target = join(root, 'restored')
  let looks = 0
  const expect = (code: unknown, codes: readonly string[], what: string) => {
    looks++
    assert.ok(codes.includes(code as string), `${what} of ${name}: ${JSON.stringify(code)}`)
  }
  const catalog = await soon('the catalog', () => listCheckpoints(directory))
  assert.ok(typeof catalog === 'object' && catalog.checkpoints.length === 0)
  for (const { error } of catalog.unreadable) expect(error.code, REFUSALS, 'the catalog')
  expect(await soon('opening', () => CheckpointReader.open(path)), REFUSALS, 'opening')
  const restoring = [...REFUSALS, 'TIDEMARK_INVALID_ARGUMENT']
  expect(await soon('restoring', () => TimerStore.restore(path, target)), restoring, 'restoring it')
  const fromDirectory = await soon('restoring', () => TimerStore.restore(directory, target))
  expect(fromDirectory, restoring, 'restoring its directory')
  assert.is(fs.existsSync(target), false)

  const store = await openStore(join(root, 'store'), { clock: new ManualClock(0) })
  store.on('error', () => {})
  try {
    for (const incremental of [true, false]) {
      const taken = await soon('a checkpoint', () => store.checkpoint(directory, { incremental }))
      assert.ok(typeof taken === 'object', `a checkpoint beside ${name}: ${JSON.stringify(taken)}`)
      looks++
    }
    await soon('periodic checkpoints', () => store.checkpoints.start({ directory, intervalMs: 1000 }))
    await soon('a periodic one', () => store.checkpoints.trigger())
    looks++
  } finally {
    await store.close()
  }
  for (const [verb, args] of [
    ['checkpoints', [directory]],
    ['verify', [directory]],
    ['verify', [path]],
    ['inspect', [path]],
    ['doctor', [join(root, 'store'), '--checkpoints', directory]],
  ] as const) {
    const written = await soon(`tidemark ${verb}`, () => runVerb(verb, args))
    assert.ok(typeof written === 'object')
    const { stdout, stderr } = written
    assert.not.match(stdout + stderr, /unexpected| {4}at /, `${verb} of ${name}`)
    looks++
  }
  return looks
}

async function tryAsMarker(root: string, name: string, make: (path: string) => unknown): Promise<number> {
  const directory = join(root, 'marked')
  fs.mkdirSync(directory)
  await make(join(directory, 'TIDEMARK'))
  const code = await soon(`opening a store marked by ${name}`, () => openStore(directory))
  assert.is(code, 'TIDEMARK_UNSUPPORTED_FORMAT', name)
  const written = await soon('tidemark doctor', () => runVerb('doctor', [directory]))
  assert.ok(typeof written === 'object' && written.code !== 0)
  assert.equal(fs.readdirSync(directory), ['TIDEMARK'])
  return 2
}

export const notFiles: Part = {
  behaviour: 'what is named like a checkpoint or a marker and is no file is refused at once',
  unit: 'looks',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  hindrance: () => (process.platform === 'win32' ? 'there are no such files' : undefined),
  async run(): Promise<Outcome> {
    let tries = 0
    for (const [name, make] of Object.entries(THINGS)) {
      tries += await withDirectory((root) => tryAsCheckpoint(root, name, make))
      tries += await withDirectory((root) => tryAsMarker(root, name, make))
    }
    return {
      tries,
      told: `${Object.keys(THINGS).length} kinds of things, all refused within ${LIMIT_MS / 1000} s`,
    }
  },
}
