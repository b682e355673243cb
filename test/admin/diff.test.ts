// timeout: 240s
// What diff tells, held against the timers of both sides.

import fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { diff } from '../../src/admin/diff.ts'
import type { SourcesDifference, TimerDifference } from '../../src/admin/difference.ts'
import type { SnapshotTimer, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { rejects } from '../support/refusals.ts'
import { all, openStore, withDirectory } from '../support/store.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import '../support/random.ts'
import { tidemark } from './command.ts'
import { makePlaces } from './places.ts'
import { type History, randomStore, steps } from './randomstore.ts'
import { runRecorded } from './recorded.ts'

const directory = temporaryDirectory('diff')

interface Found {
  code: number
  differences: TimerDifference[]
  summary: SourcesDifference & Record<'before' | 'after', { kind: string; timers: number }>
}

async function found(...args: string[]): Promise<Found> {
  const { code, documents } = await runRecorded(diff, [...args, '--json'])
  const lines = documents() as (TimerDifference & { summary: Found['summary'] })[]
  return { code, differences: lines.slice(0, -1), summary: lines.at(-1)!.summary }
}

async function timersOf(store: TimerStore): Promise<SnapshotTimer[]> {
  const snapshot = await store.snapshot()
  const timers = await all(snapshot.timers())
  await snapshot.release()
  return timers
}

function idOf({
  service,
  domain,
  key,
  namespace,
  timestamp,
}: Pick<SnapshotTimer, 'service' | 'domain' | 'key' | 'namespace' | 'timestamp'>): string {
  return JSON.stringify([service, domain, key, namespace, timestamp])
}

/** What two lists of timers differ in, by the simplest way that there is. */
function expected(
  before: readonly SnapshotTimer[],
  after: readonly SnapshotTimer[],
  ignoreVersions = false,
): string[] {
  const others = new Map(after.map((timer) => [idOf(timer), timer]))
  const told: string[] = []
  for (const timer of before) {
    const other = others.get(idOf(timer))
    others.delete(idOf(timer))
    if (other === undefined) told.push(`removed ${idOf(timer)}`)
    else {
      const changed = [
        ...(JSON.stringify(timer.payload) === JSON.stringify(other.payload) ? [] : ['payload']),
        ...(timer.createVersion === other.createVersion || ignoreVersions ? [] : ['createVersion']),
      ]
      if (changed.length > 0) told.push(`changed ${idOf(timer)} ${changed}`)
    }
  }
  return [...told, ...[...others.keys()].map((id) => `added ${id}`)].sort()
}

function toldBy(differences: readonly TimerDifference[]): string[] {
  return differences
    .map((difference) => {
      const what = difference.change === 'changed' ? ` ${difference.changed}` : ''
      return `${difference.change} ${idOf(difference)}${what}`
    })
    .sort()
}

/** Some of the timers again, with other payloads; some deleted and registered again; then something else. */
function changing(first: History, second: History): History {
  const timers = first.flatMap((step) => ('register' in step ? step.register : []))
  const others = timers.map((timer, i) => (i % 3 === 0 ? { ...timer, payload: `other ${i}` } : timer))
  const deleted = timers.map((_, i) => i).filter((i) => i % 3 === 1)
  const again = { register: deleted.map((i) => timers[i]!) }
  return [{ register: others }, ...deleted.map((i) => ({ delete: i })), again, ...second]
}

test('what differs is told, whatever it is, between checkpoints, chains and stores', async () => {
  await fc.assert(
    fc.asyncProperty(steps, steps, fc.constantFrom(1, 16), async (first, second, maxParallelism) => {
      await withDirectory(async (scratch) => {
        const at = (name: string) => path.join(scratch, name)
        const store = await randomStore(at('store'), first, maxParallelism)
        const before = await timersOf(store)
        const checkpoint = await store.checkpoint(at('full'))
        const base = await store.checkpoint(at('chain'), { incremental: true })
        await store.close()
        const again = await randomStore(at('store'), changing(first, second), maxParallelism)
        const after = await timersOf(again)
        const later = await again.checkpoint(at('full'))
        const chain = await again.checkpoint(at('chain'), { incremental: true })
        await again.close()
        for (const [one, other] of [
          [checkpoint.path, later.path],
          [base.path, at('store')],
          [checkpoint.path, chain.path],
        ] as const) {
          const { code, differences, summary } = await found(one, other)
          assert.equal(toldBy(differences), expected(before, after))
          const counted = differences.map(({ change }) => change)
          for (const change of ['added', 'removed', 'changed'] as const) {
            assert.is(summary[change], counted.filter((of) => of === change).length)
          }
          assert.is(code, summary.isEqual ? 0 : 1)
          const back = await found(other, one, '--ignore-versions')
          assert.equal(toldBy(back.differences), expected(after, before, true))
        }
        const same = await found(later.path, at('store'))
        assert.equal([same.code, same.differences, same.summary.isEqual], [0, [], true])
      })
    }),
    { numRuns: 20 },
  )
})

test('blocks that are stored alike are not decoded, and what differs beside them is found', async () => {
  const store = await openStore(path.join(directory, 'many'), {
    clock: new ManualClock(0),
    maxParallelism: 4,
  })
  const service = await store.service('s')
  const timers = Array.from({ length: 30_000 }, (_, i) => ({ key: `key-${i}`, timestamp: i }))
  await service.eventTime.registerMany(timers)
  const before = await store.checkpoint(path.join(directory, 'many-checkpoints'))
  await service.eventTime.delete(timers[7]!)
  await service.eventTime.register({ key: 'key-8', timestamp: 9 })
  const after = await store.checkpoint(path.join(directory, 'many-checkpoints'))
  await store.close()
  const { differences } = await found(before.path, after.path)
  assert.equal(toldBy(differences), [
    'added ["s","eventTime","key-8","",9]',
    'removed ["s","eventTime","key-7","",7]',
  ])
  // Only what is read is found damaged: in both files the same bytes are, and are taken for what they are.
  assert.is((await found(before.path, before.path)).code, 0)
})

test('services are the same by name, also where they have other numbers', async () => {
  const fill = async (name: string, services: readonly string[]) => {
    const store = await openStore(path.join(directory, name), { clock: new ManualClock(0) })
    for (const service of services) {
      const { eventTime } = await store.service(service)
      await eventTime.registerMany(
        Array.from({ length: 50 }, (_, i) => ({ key: `${service}-${i}`, timestamp: i })),
      )
    }
    const checkpoint = await store.checkpoint(path.join(directory, `${name}-checkpoints`))
    await store.close()
    return [path.join(directory, name), checkpoint.path] as const
  }
  const [one] = await fill('numbers-1', ['a', 'b', 'c'])
  const [store, checkpoint] = await fill('numbers-2', ['d', 'c', 'b'])
  for (const place of [store, checkpoint]) {
    const { code, differences, summary } = await found(one, place, '--ignore-versions')
    assert.is(code, 1)
    assert.equal(
      summary.services.map(({ name, in: where }) => [name, where]),
      [
        ['a', 'before'],
        ['b', 'both'],
        ['c', 'both'],
        ['d', 'after'],
      ],
    )
    assert.equal([summary.added, summary.removed, summary.changed, differences.length], [50, 50, 0, 100])
    const only = await found(one, place, '--ignore-versions', '--service', 'b', '--service', 'c')
    assert.equal([only.code, only.differences], [0, []])
  }
})

test('stores of other max parallelism are compared all the same', async () => {
  await fc.assert(
    fc.asyncProperty(steps, steps, async (first, second) => {
      await withDirectory(async (scratch) => {
        const make = async (name: string, history: typeof first, maxParallelism: number) => {
          const location = path.join(scratch, name)
          const store = await randomStore(location, history, maxParallelism)
          const timers = await timersOf(store)
          const { path: checkpoint } = await store.checkpoint(`${location}-checkpoints`)
          await store.close()
          return { location, checkpoint, timers }
        }
        const one = await make('one', first, 16)
        const other = await make('other', second, 27)
        for (const [a, b] of [
          [one.location, other.checkpoint],
          [one.checkpoint, other.location],
        ] as const) {
          const { differences } = await found(a, b)
          assert.equal(toldBy(differences), expected(one.timers, other.timers))
        }
        const same = await make('same', first, 27)
        const { code, differences } = await found(one.location, same.checkpoint, '--ignore-versions')
        assert.equal([code, differences], [0, []])
      })
    }),
    { numRuns: 8 },
  )
})

test('watermarks and schemas that differ are told', async () => {
  const open = async (name: string, watermark: number, payload: boolean) => {
    const { z } = await import('zod')
    const store = await openStore(path.join(directory, name), { clock: new ManualClock(0) })
    const service = await store.service('s', payload ? { payload: z.int().optional() } : {})
    await service.advanceWatermark(watermark)
    await store.close()
    return path.join(directory, name)
  }
  const before = await open('marks-1', 5, false)
  const after = await open('marks-2', 6, true)
  const { code, summary } = await found(before, after)
  assert.is(code, 1)
  const [service] = summary.services
  assert.equal(service!.watermark, { before: 5, after: 6 })
  assert.match(service!.schemas!.after!, 'integer')
  const { stdout } = await runRecorded(diff, [before, after])
  assert.match(stdout, /watermark of s: 5 → 6\n/)
  assert.match(stdout, /schemas of s:\n {2}before .*\n {2}after .*integer/)
  assert.match(stdout, /No timer differs\.\n$/)
})

test('only timers that are asked for are told', async () => {
  const one = await makePlaces(directory, 300, 'filter-1')
  const other = await makePlaces(directory, 360, 'filter-2')
  const whole = await found(one.full, other.full)
  for (const [args, matches] of [
    [['--service', 'orders'], ({ service }) => service === 'orders'],
    [['--domain', 'event'], ({ domain }) => domain === 'eventTime'],
    [['--key', '301'], ({ key }) => key === 301],
    [['--namespace', 'payment'], ({ namespace }) => namespace === 'payment'],
    [
      ['--from', '2023-11-14T22:18:00Z', '--to', '2023-11-14T22:19:00Z'],
      ({ timestamp }) => timestamp >= 1_700_000_280_000 && timestamp <= 1_700_000_340_000,
    ],
  ] as [string[], (timer: TimerDifference) => boolean][]) {
    const { differences, summary } = await found(one.full, other.full, ...args)
    const wanted = whole.differences.filter(matches)
    assert.ok(wanted.length > 0, args.join(' '))
    assert.equal(toldBy(differences), toldBy(wanted), args.join(' '))
    assert.is(summary.added + summary.removed + summary.changed, wanted.length)
    assert.equal(toldBy((await found(one.store, other.incremental, ...args)).differences), toldBy(wanted))
  }
})

test('people see the first timers that differ, and then the sums', async () => {
  const one = await makePlaces(directory, 300, 'people-1')
  const other = await makePlaces(directory, 500, 'people-2')
  const { summary } = await found(one.full, other.full)
  const all = summary.added + summary.removed + summary.changed
  const rows = (text: string) => text.split('\n').filter((line) => /^[+~-] {2}/.test(line)).length
  const { stdout, code } = await runRecorded(diff, [one.full, other.full])
  assert.is(code, 1)
  assert.is(rows(stdout), 50)
  assert.match(stdout, `… and ${all - 50} more: see --all`)
  assert.match(stdout, /\nbefore {2}checkpoint .*: version \d+, \d+ timers\nafter {3}checkpoint/)
  assert.match(stdout, `${summary.added} added, ${summary.removed} removed, ${summary.changed} changed.\n`)
  assert.is(rows((await runRecorded(diff, [one.full, other.full, '--all'])).stdout), all)
  assert.is(rows((await runRecorded(diff, [one.full, other.full, '--limit', '3'])).stdout), 3)
  assert.is(rows((await runRecorded(diff, [one.full, other.full, '--summary'])).stdout), 0)
  const equal = await runRecorded(diff, [one.full, one.store])
  assert.match(equal.stdout, /They are equal\.\n$/)
})

test('the command ends with 0 for equal, 1 for different, and otherwise with what is wrong', async () => {
  const one = await makePlaces(directory, 100, 'codes')
  assert.is((await tidemark(['diff', one.full, one.store])).code, 0)
  assert.is((await tidemark(['diff', one.base, one.full])).code, 1)
  assert.is((await tidemark(['diff', one.full])).code, 2)
  assert.is((await tidemark(['diff', one.full, path.join(directory, 'nothing')])).code, 2)
  assert.is((await tidemark(['diff', one.full, one.base, '--all', '--limit', '3'])).code, 2)
  assert.is((await tidemark(['diff', one.full, one.base, '--service', 'order'])).code, 2)
  const store = await openStore(one.store, { clock: new ManualClock(0) })
  assert.is((await tidemark(['diff', one.full, one.store])).code, 3)
  await store.close()
  const damaged = path.join(directory, 'damaged.tidemark')
  const bytes = fs.readFileSync(one.full)
  bytes[Math.floor(bytes.length / 2)]! ^= 8
  fs.writeFileSync(damaged, bytes)
  assert.is((await tidemark(['diff', one.base, damaged])).code, 4)
  await rejects(
    () => found(one.full, one.base, '--summary', '--all'),
    'TIDEMARK_INVALID_ARGUMENT',
    '--summary',
  )
})

test.run()
