// timeout: 240s
// What inspect tells of files, chains and stores, held against the timers themselves.

import fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { inspect } from '../../src/admin/inspect.ts'
import type { InspectedQueue, InspectedService, InspectedTimes } from '../../src/admin/inspection.ts'
import { openSource } from '../../src/admin/source.ts'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'
import type { SnapshotFilter, SnapshotTimer } from '../../src/index.ts'
import { keyGroupOf, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { changeCharacter, keysOf, withLevel } from '../support/damage.ts'
import { rejects } from '../support/refusals.ts'
import { all, openStore, withDirectory } from '../support/store.ts'
import '../support/random.ts'
import { NOW, startServices } from './places.ts'
import { type Ran, recorded, runRecorded } from './recorded.ts'

const METADATA = { topic: 'orders', offsets: [1, 2] }

interface Made {
  directory: string
  /** A closed store, a full checkpoint, a savepoint, and an incremental one: of the same timers. */
  places: { store: string; full: string; savepoint: string; incremental: string }
  timers: SnapshotTimer[]
}

async function withMade(body: (made: Made) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const location = path.join(directory, 'store')
    const store = await openStore(location, { clock: new ManualClock(NOW), maxParallelism: 16 })
    const { sessions, register } = await startServices(store)
    register(0, 200, String)
    const base = await store.checkpoint(path.join(directory, 'chain'), { incremental: true })
    register(200, 400, String)
    await sessions.advanceWatermark(NOW - 1000 * 60_000)
    const incremental = await store.checkpoint(path.join(directory, 'chain'), { incremental: true })
    assert.is(base.kind, 'full')
    assert.is(incremental.kind, 'incremental')
    const full = await store.checkpoint(path.join(directory, 'full'), { metadata: METADATA })
    const savepoint = await store.checkpoint(path.join(directory, 'full'), { savepoint: true })
    const snapshot = await store.snapshot()
    const timers = await all(snapshot.timers())
    await snapshot.release()
    await store.close()
    const places = {
      store: location,
      full: full.path,
      savepoint: savepoint.path,
      incremental: incremental.path,
    }
    await body({ directory, places, timers })
  })
}

const look = (...args: string[]): Promise<Ran> => runRecorded(inspect, args)

interface Document {
  kind: string
  timers: number
  version: number
  services: InspectedService[]
  overTime: InspectedTimes | null
  [field: string]: unknown
}

async function documentOf(...args: string[]): Promise<Document> {
  const { code, documents } = await look(...args, '--json')
  assert.is(code, 0)
  const [document, ...others] = documents()
  assert.equal(others, [])
  return document as Document
}

/** What inspect should tell of a queue. */
function expectedQueue(timers: readonly SnapshotTimer[], service: string, domain: string): InspectedQueue {
  const ofQueue = timers.filter((timer) => timer.service === service && timer.domain === domain)
  const groups = new Map<number, number[]>()
  for (const { key, timestamp } of ofQueue) {
    const group = keyGroupOf(typeof key === 'string' ? key : JSON.stringify(key), 16)
    groups.set(group, [...(groups.get(group) ?? []), timestamp])
  }
  const bounds = (times: number[]) => ({ earliest: Math.min(...times), latest: Math.max(...times) })
  return {
    count: ofQueue.length,
    ...(ofQueue.length === 0 ? {} : bounds(ofQueue.map(({ timestamp }) => timestamp))),
    keyGroups: [...groups]
      .sort(([a], [b]) => a - b)
      .map(([keyGroup, times]) => ({ keyGroup, count: times.length, ...bounds(times) })),
  }
}

test('a file, a restored chain and a store tell the same of services, key groups and time', () =>
  withMade(async ({ places, timers }) => {
    const documents = []
    for (const place of Object.values(places)) documents.push(await documentOf(place, '--exact'))
    assert.equal(
      documents.map(({ kind }) => kind),
      ['store', 'full', 'savepoint', 'incremental'],
    )
    for (const { services, overTime, timers: count } of documents) {
      assert.is(count, timers.length)
      assert.equal(
        services.map(({ name }) => name),
        ['orders', 'sessions'],
      )
      for (const service of services) {
        for (const domain of ['eventTime', 'processingTime'] as const) {
          assert.equal(service[domain], expectedQueue(timers, service.name, domain))
        }
      }
      assert.is(overTime!.isExact, true)
      for (const { from, count } of overTime!.bars) {
        const inside = timers.filter(({ timestamp: at }) => at >= from && at < from + overTime!.widthMs)
        assert.is(count, inside.length)
      }
    }
    const [orders, sessions] = documents[0]!.services
    assert.is(sessions!.watermark, NOW - 1000 * 60_000)
    assert.equal(orders!.schemas.namespace, { enum: ['delivery', 'payment'], type: 'string' })
    assert.equal(sessions!.schemas.payload, null)
    assert.equal(documents[1]!.metadata, METADATA)
  }))

test('an incremental checkpoint tells what it alone holds, and reads nothing that it builds on', () =>
  withMade(async ({ places, timers }) => {
    const document = await documentOf(places.incremental)
    const base = document.base as { version: number; checkpointId: string }
    assert.ok(base.version < document.version)
    assert.is(document.timers, timers.length)
    assert.is(document.overTime, null)
    assert.equal(document.services[0]!.processingTime, { count: 400 })
    for (const name of fs.readdirSync(path.dirname(places.incremental))) {
      if (name.includes(base.checkpointId.slice(0, 8)))
        fs.rmSync(path.join(path.dirname(places.incremental), name))
    }
    const { stdout } = await look(places.incremental)
    assert.match(stdout, new RegExp(`builds on +version ${base.version}, ${base.checkpointId}`))
    assert.match(stdout, '--exact restores all')
    await rejects(
      look(places.incremental, '--exact'),
      'TIDEMARK_CHECKPOINT_CORRUPT',
      'is missing',
      base.checkpointId.slice(0, 8),
    )
  }))

test('a restored chain leaves nothing behind', () =>
  withMade(async ({ directory, places }) => {
    const temporary = path.join(directory, 'tmp')
    fs.mkdirSync(temporary)
    const before = process.env.TMPDIR
    process.env.TMPDIR = temporary
    try {
      const { terminal } = recorded()
      const source = await openSource(places.incremental, terminal)
      assert.equal(fs.readdirSync(temporary), [])
      for await (const _ of source.timers()) assert.is(fs.readdirSync(temporary).length, 1)
      await source.close()
      assert.equal(fs.readdirSync(temporary), [])
    } finally {
      if (before === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = before
    }
  }))

test('listed timers are those that a snapshot gives, in its order, as it tells them', () =>
  withMade(async ({ places, timers }) => {
    for (const place of Object.values(places)) {
      const { documents } = await look(place, '--timers', '--json')
      assert.equal(documents(), timers)
    }
  }))

const selections = fc.record(
  {
    service: fc.constantFrom('orders', 'sessions'),
    domain: fc.constantFrom('eventTime' as const, 'processingTime' as const),
    key: fc.constantFrom('order-12', 'order-300', 'nothing', '"50"', '51'),
    namespace: fc.constantFrom('payment', 'delivery', ''),
    from: fc.integer({ min: NOW - 400 * 60_000, max: NOW + 400_000 }),
    to: fc.integer({ min: NOW - 400 * 60_000, max: NOW + 400_000 }),
    limit: fc.integer({ min: 0, max: 500 }),
  },
  { requiredKeys: [] },
)
const KEYS: Record<string, unknown> = { '"50"': '50', '51': 51 }

test('what is listed is what every filter lets through', () =>
  withMade(async ({ places, timers }) => {
    await fc.assert(
      fc.asyncProperty(selections, fc.constantFrom(places.store, places.full), async (selection, place) => {
        const { service, domain, key, namespace, from, to, limit } = selection
        if (from !== undefined && to !== undefined && from > to) return
        const args = Object.entries(selection).map(([name, value]) => `--${name}=${value}`)
        const { documents } = await look(place, '--timers', '--json', ...args)
        const expected = timers
          .filter((timer) => service === undefined || timer.service === service)
          .filter((timer) => domain === undefined || timer.domain === domain)
          .filter((timer) => key === undefined || timer.key === (KEYS[key] ?? key))
          .filter((timer) => namespace === undefined || timer.namespace === namespace)
          .filter(({ timestamp }) => timestamp >= (from ?? -Infinity) && timestamp <= (to ?? Infinity))
          .slice(0, limit)
        assert.equal(documents(), expected)
      }),
      { numRuns: 60 },
    )
  }))

test('a key that is written as JSON is its value, and the string as well', () =>
  withMade(async ({ places }) => {
    const keys = async (key: string) => {
      const { documents } = await look(places.full, '--timers', '--json', '--key', key)
      return (documents() as SnapshotTimer[]).map((timer) => timer.key)
    }
    assert.equal(await keys('51'), [51])
    assert.equal(await keys('50'), ['50'])
    assert.equal(await keys('"50"'), ['50'])
    assert.equal(await keys('{"a":1}'), [])
  }))

/** A file of several blocks in each of a few key groups; of each timer only its timestamp differs much. */
async function withLarge(body: (file: string, count: number) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const store = await openStore(path.join(directory, 'store'), { maxParallelism: 8 })
    const service = await store.service('orders', { payload: z.string() })
    const count = 20_000
    const payload = 'p'.repeat(400)
    await service.eventTime.registerMany(
      Array.from({ length: count }, (_, i) => ({ key: `k${i}`, timestamp: NOW + i * 1000, payload })),
    )
    const { path: file } = await store.checkpoint(path.join(directory, 'checkpoints'))
    await store.close()
    await body(file, count)
  })
}

test('a large file is estimated from a few of its blocks, says so, and --exact reads them all', () =>
  withLarge(async (file, count) => {
    const { overTime } = await documentOf(file)
    assert.is(overTime!.isExact, false)
    assert.is(overTime!.blocksRead, 64)
    assert.ok(overTime!.blocks! > 100)
    const exact = (await documentOf(file, '--exact')).overTime!
    assert.equal([exact.isExact, exact.blocksRead], [true, exact.blocks])
    assert.is(
      exact.bars.reduce((sum, bar) => sum + bar.count, exact.earlier + exact.later),
      count,
    )
    for (const { from, count: n } of exact.bars) {
      const [first, last] = [Math.max(from, NOW), Math.min(from + exact.widthMs, NOW + count * 1000)]
      assert.is(n, (last - first) / 1000)
      const estimated = overTime!.bars.find((bar) => bar.from === from)!.count
      assert.ok(Math.abs(estimated - n) < 0.05 * count, `${estimated} for ${n}`)
    }
    const { stdout } = await look(file)
    assert.match(stdout, /estimated from 64 of \d+ blocks, --exact reads them all/)
  }))

/** Changes a byte in every block that is not wanted. */
async function damageOthers(file: string, isWanted: (block: CheckpointReader['index'][number]) => boolean) {
  const reader = await CheckpointReader.open(file)
  const bytes = fs.readFileSync(file)
  let damaged = 0
  for (const block of reader.index) {
    if (isWanted(block)) continue
    bytes[block.offset + 30]! ^= 1
    damaged++
  }
  await reader.close()
  fs.writeFileSync(file, bytes)
  return damaged
}

test('a key is looked for in the blocks of its key group alone', () =>
  withLarge(async (file) => {
    const keyGroup = keyGroupOf('k77', 8)
    const holds = ({ segments }: CheckpointReader['index'][number]) =>
      segments.some((segment) => segment.keyGroup === keyGroup)
    assert.ok((await damageOthers(file, holds)) > 100)
    const { documents } = await look(file, '--timers', '--key', 'k77', '--json')
    assert.equal(
      (documents() as SnapshotTimer[]).map(({ timestamp }) => timestamp),
      [NOW + 77_000],
    )
    await rejects(look(file, '--timers'), 'TIDEMARK_CHECKPOINT_CORRUPT', file, 'block at byte')
  }))

test('a time range is looked for in blocks that reach into it alone', () =>
  withLarge(async (file) => {
    const at = NOW
    const reaches = ({ segments }: CheckpointReader['index'][number]) =>
      segments.some(({ earliest, latest }) => earliest <= at && latest >= at)
    // Keys lie by hash, so most blocks reach far; but the earliest timer of all is in one.
    assert.ok((await damageOthers(file, reaches)) > 100)
    const { documents } = await look(file, '--timers', '--from', String(at), '--to', String(at), '--json')
    assert.equal(
      (documents() as SnapshotTimer[]).map(({ key }) => key),
      ['k0'],
    )
    assert.equal((await look(file, '--timers', '--to', String(NOW - 1), '--json')).documents(), [])
  }))

test('what is damaged is told after all that could be read', () =>
  withLarge(async (file) => {
    await damageOthers(file, () => false)
    await rejects(look(file, '--json'), 'TIDEMARK_CHECKPOINT_CORRUPT', 'block at byte')
    const { terminal, stdout } = recorded()
    const args = { operands: [file], options: { service: [], exact: false, timers: false } }
    await rejects(inspect.run(args as never, terminal), 'TIDEMARK_CHECKPOINT_CORRUPT')
    await terminal.end()
    assert.match(stdout.text, 'Timers over key groups')
  }))

test('keys, names and metadata cannot drive the terminal', () =>
  withDirectory(async (directory) => {
    const store = await openStore(path.join(directory, 'store'))
    const evil = '\u001b]0;title\u0007\u001b[2J\u009bA'
    const service = await store.service(`name${evil}`)
    await service.eventTime.register({ key: `key${evil}`, namespace: evil, timestamp: 0 })
    const { path: file } = await store.checkpoint(directory, { metadata: { evil } })
    await store.close()
    for (const args of [[file], [file, '--timers'], [path.join(directory, 'store'), '--timers']]) {
      const { stdout } = await look(...args)
      assert.match(stdout, '\\u001b')
      assert.not.match(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
    }
  }))

test('an empty store and an empty checkpoint have nothing to draw', () =>
  withDirectory(async (directory) => {
    const store = await openStore(path.join(directory, 'store'))
    const { path: file } = await store.checkpoint(directory)
    await store.close()
    for (const place of [file, path.join(directory, 'store')]) {
      const { stdout } = await look(place)
      assert.match(stdout, /Services\n {2}none/)
      assert.match(stdout, 'Timers over time (none)')
      assert.is((await look(place, '--timers', '--json')).stdout, '')
    }
  }))

test('a directory that is no store does not become one', () =>
  withDirectory(async (directory) => {
    await rejects(look(directory), 'TIDEMARK_INVALID_ARGUMENT', 'no Tidemark store')
    await rejects(
      look(path.join(directory, 'nothing')),
      'TIDEMARK_CHECKPOINT_NOT_FOUND',
      'there is nothing at',
    )
    assert.equal(fs.readdirSync(directory), [])
  }))

test('a directory of checkpoints is told from a store, with what to do', () =>
  withMade(async ({ directory }) => {
    const place = path.join(directory, 'full')
    await rejects(look(place), 'TIDEMARK_INVALID_ARGUMENT', 'directory of checkpoints', 'savepoint-')
  }))

test('a store is locked while it is looked into, and free afterwards', () =>
  withMade(async ({ places }) => {
    const { terminal } = recorded()
    const source = await openSource(places.store, terminal)
    await rejects(openSource(places.store, terminal), 'TIDEMARK_LOCKED')
    await rejects(TimerStore.open(places.store), 'TIDEMARK_LOCKED')
    await source.close()
    await (await TimerStore.open(places.store)).close()
  }))

test('looking into a store changes nothing of what it holds', () =>
  withMade(async ({ places, timers }) => {
    const before = await contentOf(places.store)
    await look(places.store)
    await look(places.store, '--timers')
    assert.equal(await contentOf(places.store), before)
    const store = await openStore(places.store)
    assert.equal(await store.verify(), [])
    const snapshot = await store.snapshot()
    assert.equal(await all(snapshot.timers({} satisfies SnapshotFilter)), timers)
    await store.close()
  }))

async function contentOf(location: string): Promise<[string, string][]> {
  return withLevel(location, (level) => level.iterator().all())
}

test('a store that has lost a timer, or whose timer was altered, is corrupt', () =>
  withMade(async ({ places }) => {
    await withLevel(places.store, async (level) => {
      await level.del((await keysOf(level, 't'))[0]!)
    })
    await rejects(look(places.store), 'TIDEMARK_CORRUPT', '399 timers', 'counts 400')
    await withLevel(places.store, async (level) => {
      await changeCharacter(level, (await keysOf(level, 't'))[5]!, 1)
    })
    await rejects(look(places.store), 'TIDEMARK_CORRUPT', 'damaged')
  }))

test('a store of a newer format, and one of which only the marker is left, say so', () =>
  withMade(async ({ places }) => {
    const marker = path.join(places.store, 'TIDEMARK')
    for (const name of fs.readdirSync(places.store)) {
      if (name !== 'TIDEMARK') fs.rmSync(path.join(places.store, name))
    }
    await rejects(look(places.store), 'TIDEMARK_CORRUPT', 'restore a checkpoint')
    assert.equal(fs.readdirSync(places.store), ['TIDEMARK'])
    fs.writeFileSync(marker, 'tidemark store\nformat 999\n')
    await rejects(look(places.store), 'TIDEMARK_UNSUPPORTED_FORMAT', 'newer Tidemark')
  }))

test('wrong arguments are told before anything is opened', async () => {
  await rejects(look('nowhere', '--key', 'k'), 'TIDEMARK_INVALID_ARGUMENT', 'give --timers')
  await rejects(look('nowhere', '--timers', '--from', 'x'), 'TIDEMARK_INVALID_ARGUMENT', '--from takes')
  await rejects(look('nowhere', '--domain', 'x'), 'TIDEMARK_INVALID_ARGUMENT', '--domain takes')
})

test('a service that there is not is told with those that there are', () =>
  withMade(async ({ places }) => {
    await rejects(
      look(places.full, '--service', 'order'),
      'TIDEMARK_INVALID_ARGUMENT',
      "did you mean 'orders'?",
    )
    await rejects(look(places.full, '--service', 'x'), 'TIDEMARK_INVALID_ARGUMENT', 'orders, sessions')
    const narrowed = await documentOf(places.full, '--service', 'orders', '--domain', 'processing')
    assert.equal(
      narrowed.services.map(({ name }) => name),
      ['orders'],
    )
    assert.is(narrowed.services[0]!.eventTime, undefined)
    assert.is(
      narrowed.overTime!.bars.reduce((sum, { count }) => sum + count, 0),
      400,
    )
  }))

test.run()
