// timeout: 240s
// Restoring by the command: what it makes, what a rehearsal tells of it, and what it refuses.

import fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { diff } from '../../src/admin/diff.ts'
import { restore } from '../../src/admin/restore.ts'
import type { RestoreSummary } from '../../src/index.ts'
import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { keyGroupOf, keyGroupRange } from '../../src/timer/keygroup.ts'
import { rejects } from '../support/refusals.ts'
import { inStore, openStore, withDirectory } from '../support/store.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import '../support/random.ts'
import { tidemark } from './command.ts'
import { makePlaces } from './places.ts'
import { randomStore, steps } from './randomstore.ts'
import { runRecorded } from './recorded.ts'

const directory = temporaryDirectory('restore')
const places = await makePlaces(directory)
let targets = 0

function newTarget(): string {
  return path.join(directory, `target-${targets++}`)
}

type Told = RestoreSummary & { target: string; isDryRun: boolean }

async function told(...args: string[]): Promise<Told> {
  const { code, documents } = await runRecorded(restore, [...args, '--json'])
  assert.is(code, 0)
  return documents()[0] as Told
}

/** What is the same in a rehearsal and in a restore. */
function comparable({ durationMs: _, isDryRun: __, ...summary }: Told): unknown {
  return { ...summary, services: [...summary.services].sort() }
}

test('a file, a chain and the newest of a directory are restored, timer by timer', async () => {
  for (const place of [places.full, places.incremental, places.chain]) {
    const target = newTarget()
    const { timers, services } = await told(place, target)
    assert.equal([timers, services], [places.timers.length, ['orders', 'sessions']])
    assert.is((await runRecorded(diff, [places.store, target])).code, 0)
    await inStore(target, { clock: new ManualClock(0) }, async () => {})
  }
})

test('a rehearsal writes nothing, and tells what the restore tells', async () => {
  const version = String(places.version)
  for (const args of [
    [places.full],
    [places.chain],
    [places.chain, '--version', version],
    [places.full, '--key-groups', '3'],
    [places.chain, '--key-groups', '4-11'],
    [places.chain, '--key-groups', '5-', '--version', version],
    [places.full, '--key-groups', '2/3'],
  ]) {
    const [place, ...options] = args as [string, ...string[]]
    const target = newTarget()
    const before = fs.readdirSync(directory)
    const rehearsed = await told(place, target, ...options, '--dry-run')
    assert.equal(fs.readdirSync(directory), before)
    assert.is(rehearsed.isDryRun, true)
    const restored = await told(place, target, ...options)
    assert.equal(comparable(rehearsed), comparable(restored), args.join(' '))
  }
})

test('a rehearsal counts what a restore of any version and any key groups makes', async () => {
  await fc.assert(
    fc.asyncProperty(steps, steps, fc.nat(), fc.nat(16), async (first, second, at, end) => {
      await withDirectory(async (scratch) => {
        const chain = path.join(scratch, 'chain')
        const store = await randomStore(path.join(scratch, 'store'), first, 16)
        const base = await store.checkpoint(chain, { incremental: true })
        const orders = await store.service('later', { payload: z.json().optional() })
        for (const [i, step] of second.entries()) {
          const timer = { key: `k${i % 3}`, timestamp: i % 2 }
          if ('delete' in step) await orders.eventTime.delete(timer)
          else await orders.eventTime.register({ ...timer, payload: i })
        }
        const last = await store.checkpoint(chain, { incremental: true })
        await store.close()
        const version = base.version + (at % (last.version - base.version + 1))
        const options = ['--version', String(version), '--key-groups', end === 16 ? '0-15' : `0-${end}`]
        const rehearsed = await told(chain, path.join(scratch, 'a'), ...options, '--dry-run')
        const restored = await told(chain, path.join(scratch, 'a'), ...options)
        assert.equal(comparable(rehearsed), comparable(restored))
      })
    }),
    { numRuns: 15 },
  )
})

test('key groups are given as one, as a range, and as the share of an instance', async () => {
  const count = (start: number, end: number) =>
    places.timers.filter(({ key }) => {
      const keyGroup = keyGroupOf(typeof key === 'string' ? key : JSON.stringify(key), 16)
      return keyGroup >= start && keyGroup <= end
    }).length
  for (const [text, start, end] of [
    ['3', 3, 3],
    ['0-7', 0, 7],
    ['12-', 12, 15],
    ['0/1', 0, 15],
    ...[0, 1, 2].map((i) => {
      const { start, end } = keyGroupRange(16, 3, i)
      return [`${i}/3`, start, end] as const
    }),
  ] as const) {
    const { keyGroups, timers } = await told(places.full, newTarget(), '--key-groups', text, '--dry-run')
    assert.equal(keyGroups, { start, end }, text)
    assert.is(timers, count(start, end), text)
  }
  for (const text of ['', '-3', '7-3', 'a-b', '3/3', '0/17', '0/0', '1.5']) {
    const call = () => told(places.full, newTarget(), `--key-groups=${text}`)
    await rejects(call, 'TIDEMARK_INVALID_ARGUMENT', '--key-groups')
  }
  const beyond = () => told(places.full, newTarget(), '--key-groups', '16-')
  await rejects(beyond, 'TIDEMARK_KEY_GROUP_OUT_OF_RANGE')
})

test('the checkpoints of several stores are put together', async () => {
  const parts: string[] = []
  for (const share of ['0/2', '1/2']) {
    const part = newTarget()
    await told(places.full, part, '--key-groups', share)
    const store = await TimerStore.open(part, { clock: new ManualClock(0), durability: 'os' })
    parts.push((await store.checkpoint(`${part}-checkpoints`)).path)
    await store.close()
  }
  const target = newTarget()
  const rehearsed = await told(...parts, target, '--dry-run')
  const restored = await told(...parts, target)
  assert.equal(comparable(rehearsed), comparable(restored))
  assert.is(restored.timers, places.timers.length)
  assert.is((await runRecorded(diff, [places.store, target])).code, 0)
  for (const [text, start] of [
    ['4-', 4],
    ['8-', 8],
    ['0-', 0],
  ] as const) {
    const { keyGroups } = await told(...parts, newTarget(), '--key-groups', text, '--dry-run')
    assert.equal(keyGroups, { start, end: 15 }, text)
  }
  const twice = () => told(parts[0]!, parts[0]!, newTarget(), '--dry-run')
  await rejects(twice, 'TIDEMARK_INVALID_ARGUMENT', 'that another of the checkpoints has')
})

test('people are told what was restored, and from what', async () => {
  const target = newTarget()
  const { stdout } = await runRecorded(restore, [places.chain, target])
  assert.match(stdout, new RegExp(`^restored \\d+ timers in .*: ${target}\n`))
  assert.match(stdout, /services +orders, sessions\n/)
  assert.match(stdout, `from`)
  const rehearsed = await runRecorded(restore, [places.chain, newTarget(), '--dry-run'])
  assert.match(rehearsed.stdout, /^would restore \d+ timers: /)
  assert.match(rehearsed.stdout, /Nothing was written\.\n$/)
})

test('what cannot be restored is found by a rehearsal as well, and leaves nothing', async () => {
  const copy = path.join(directory, 'broken')
  fs.cpSync(places.chain, copy, { recursive: true })
  const inCopy = (place: string) => path.join(copy, path.basename(place))
  const bytes = fs.readFileSync(places.incremental)
  bytes[bytes.length - 300]! ^= 1
  fs.writeFileSync(inCopy(places.incremental), bytes)
  const standing = path.join(directory, 'standing')
  fs.mkdirSync(standing)
  for (const [args, code, message] of [
    [[copy], 4, 'is damaged'],
    [[places.full, '--key-groups', '15-16'], 2, 'were asked for'],
    [[places.full, '--version', '1'], 2, 'version 1 is before'],
    [[path.join(directory, 'nothing')], 2, 'no checkpoint'],
    [[places.store], 2, 'is a store'],
    [[places.full, '--version', '0'], 2, '--version takes'],
    [[places.full, places.full, '--version', '5'], 2, 'for one checkpoint'],
  ] as const) {
    for (const options of [[], ['--dry-run']]) {
      const [rest, target] = [args.filter((arg) => !arg.startsWith('--')), newTarget()]
      const [sources, given] = [
        rest.filter((arg) => arg.startsWith('/')),
        args.slice(args.findIndex((arg) => arg.startsWith('--')) >>> 0),
      ]
      const outcome = await tidemark(['restore', ...sources, target, ...given, ...options])
      assert.is(outcome.code, code, `${args} ${options}: ${outcome.stderr}`)
      assert.ok(outcome.stderr.includes(message), outcome.stderr)
      assert.not(fs.existsSync(target))
    }
  }
  fs.rmSync(inCopy(places.base))
  const missing = await tidemark(['restore', copy, newTarget(), '--dry-run'])
  assert.is(missing.code, 4)
  assert.match(missing.stderr, 'is missing')
  for (const options of [[], ['--dry-run']]) {
    const taken = await tidemark(['restore', places.full, standing, ...options])
    assert.is(taken.code, 2)
    assert.match(taken.stderr, 'exists already')
    const inFile = await tidemark(['restore', places.full, path.join(places.full, 'store'), ...options])
    assert.is(inFile.code, 1, inFile.stderr)
  }
  assert.equal(
    fs.readdirSync(directory).filter((name) => name.includes('restoring')),
    [],
  )
})

test('a damaged block of key groups that are not wanted hinders nobody', async () => {
  const store = await openStore(path.join(directory, 'many'), { maxParallelism: 4 })
  const service = await store.service('s')
  await service.eventTime.registerMany(
    Array.from({ length: 20_000 }, (_, i) => ({ key: `key-${i}`, timestamp: i })),
  )
  const { path: file } = await store.checkpoint(path.join(directory, 'many-checkpoints'))
  await store.close()
  const { CheckpointReader } = await import('../../src/checkpoint/reader.ts')
  const reader = await CheckpointReader.open(file)
  await reader.close()
  const last = reader.index.at(-1)!
  assert.is(last.segments[0]!.keyGroup, 3)
  const bytes = fs.readFileSync(file)
  bytes[last.offset + 40]! ^= 1
  fs.writeFileSync(file, bytes)
  const part = await told(file, newTarget(), '--key-groups', '0-1')
  assert.ok(part.timers > 0)
  for (const options of [['--key-groups', '2-3'], []]) {
    for (const dry of [[], ['--dry-run']]) {
      await rejects(() => told(file, newTarget(), ...options, ...dry), 'TIDEMARK_CHECKPOINT_CORRUPT')
    }
  }
})

test.run()
