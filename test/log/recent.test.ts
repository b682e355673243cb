// What is recent: in memory until it is spilled, seen as if it stood in the key spaces, and not lost with the process.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Engine, EngineBatch } from '../../src/engine/engine.ts'
import { MAX_TABLES_TO_SPILL } from '../../src/limits.ts'
import type { Call } from '../../src/log/calls.ts'
import { CommitPipeline } from '../../src/log/pipeline.ts'
import { RecentTimers } from '../../src/log/recent.ts'
import { LogRetention } from '../../src/log/retention.ts'
import { type ServiceState, StoreState } from '../../src/log/state.ts'
import { loadState } from '../../src/log/tail.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { dueKey, dueValue, parseStored } from '../../src/timer/stored.ts'
import { compareStored, encodeTimestamp } from '../../src/timer/text.ts'
import { MemoryDisk } from '../support/memorydisk.ts'
import { MemoryEngine, turnsOf } from '../support/memoryengine.ts'
import { randomFrom, seed } from '../support/random.ts'
import { rejects } from '../support/refusals.ts'

const QUEUE = queuePrefix(0, 'eventTime')
const RECORD = { formatVersion: 1, storeId: 'store', maxParallelism: 128, keyGroups: { start: 0, end: 127 } }
const LARGE = 1 << 24
/** A table is full with a few timers, and the tail of the log short. */
const SMALL = 1000

type Standing = ReadonlyMap<string, string>

/** A pipeline on a disk in memory, and what stood after each of its versions by its own commits. */
class Bench {
  readonly disk = new MemoryDisk()
  readonly engine: Engine
  readonly recent: RecentTimers
  readonly pipeline: CommitPipeline
  readonly state = new StoreState('store', 128)
  readonly standings = new Map<number, Standing>([[0, new Map()]])
  readonly putKeys: string[] = []
  /** Called when a commit is durable. */
  onApplied = () => {}
  service!: ServiceState

  static async of(writeBufferBytes: number, turns: () => number = () => 0): Promise<Bench> {
    const bench = new Bench(writeBufferBytes, turns)
    bench.service = await bench.submit<ServiceState>((settle) => ({
      kind: 'service',
      name: 'service',
      schemas: '{}',
      settle,
      answer: undefined,
    }))
    return bench
  }

  private constructor(writeBufferBytes: number, turns: () => number) {
    this.engine = this.#listeningTo(new MemoryEngine(this.disk, turnsOf(turns)))
    this.recent = new RecentTimers(writeBufferBytes)
    this.pipeline = new CommitPipeline({
      engine: this.engine,
      state: this.state,
      retention: new LogRetention(writeBufferBytes, 0),
      recent: this.recent,
      flushToDisk: true,
      now: () => 0,
      newestSnapshot: () => 0,
      onRetired: () => {},
      onDecided: ({ version, events }) => {
        const standing = new Map(this.standings.get(this.standings.size - 1))
        for (const event of events) {
          if (event.kind === 'register' || event.kind === 'payload')
            standing.set(event.identity, event.timer.value)
          else if (event.kind === 'delete') standing.delete(event.identity)
        }
        this.standings.set(version, standing)
      },
      onApplied: () => this.onApplied(),
      onFailed: (error) => {
        throw error
      },
    })
  }

  #listeningTo(engine: MemoryEngine): Engine {
    const batch = (): EngineBatch => {
      const made = engine.batch()
      const put = made.put.bind(made)
      made.put = (key, value) => {
        this.putKeys.push(key)
        put(key, value)
      }
      return made
    }
    return new Proxy(engine, {
      get: (_, name: keyof MemoryEngine) => {
        if (name === 'batch') return batch
        const value = engine[name]
        return typeof value === 'function' ? value.bind(engine) : value
      },
    })
  }

  submit<T>(make: (settle: never) => Call): Promise<T> {
    return new Promise((resolve, reject) => this.pipeline.submit(make({ resolve, reject } as never)))
  }

  timer(kind: 'register' | 'delete' | 'has', key: number, timestamp: number, payload = ''): Promise<boolean> {
    const queue = this.service.eventTime
    const identity = identityOf(key, timestamp)
    return this.submit((settle) => ({ kind, queue, identity, timestamp, payload, settle, answer: false }))
  }

  deleteAll(key: number): Promise<number> {
    const queue = this.service.eventTime
    const call = { kind: 'deleteAll' as const, queue, prefix: keyPrefix(QUEUE, 0, `k${key}`), isLarge: false }
    return this.submit((settle) => ({ ...call, settle, position: undefined, answer: 0 }))
  }
}

function identityOf(key: number, timestamp: number): string {
  return `${keyPrefix(QUEUE, 0, `k${key}`)}\0${encodeTimestamp(timestamp)}`
}

function spaceOf(disk: MemoryDisk, space: string): Map<string, string> {
  return new Map(disk.read({ from: space, to: `${space}\u{10ffff}`, limit: 1_000_000 }))
}

function inOrder(entries: Iterable<readonly [string, string]>): (readonly [string, string])[] {
  return [...entries].sort(([a], [b]) => compareStored(a, b))
}

/** The key spaces are what stands: each timer, and its due entry. */
function assertSpaces(disk: MemoryDisk, standing: Standing, name = ''): void {
  const due = Array.from(standing, ([identity, value]) => {
    const key = dueKey(identity, parseStored(identity, value)!.orderText)
    return [key, dueValue(key, identity)] as const
  })
  assert.equal([...spaceOf(disk, 't')], inOrder(standing), name)
  assert.equal([...spaceOf(disk, 'd')], inOrder(due), name)
}

test('a timer that comes and goes while it is recent is never written to the key spaces', async () => {
  const bench = await Bench.of(LARGE)
  for (let key = 0; key < 50; key++) {
    assert.is(await bench.timer('register', key, key), true)
    assert.is(await bench.timer('register', key, key, '1'), false)
    assert.is(await bench.timer('delete', key, key), true)
    assert.is(await bench.timer('has', key, key), false)
  }
  await bench.pipeline.spill()
  assert.equal(
    bench.putKeys.filter((key) => !/^[lm]/.test(key)),
    [],
  )
  assertSpaces(bench.disk, new Map())
})

test('what stands is written once, when it is spilled, however often it changed', async () => {
  const bench = await Bench.of(LARGE)
  for (let i = 0; i < 20; i++) await bench.timer('register', 1, 5, `${i}`)
  assert.is(spaceOf(bench.disk, 't').size, 0)
  await bench.pipeline.spill()
  assert.equal(
    bench.putKeys.filter((key) => key.startsWith('t')),
    [identityOf(1, 5)],
  )
  assertSpaces(bench.disk, bench.standings.get(bench.state.appliedVersion)!)
})

/** A random call; what it answers is held against what stands by the calls before. */
async function call(bench: Bench, expected: Map<string, number>, random: () => number): Promise<void> {
  const pick = (below: number) => Math.floor(random() * below)
  const [key, timestamp, payload] = [pick(8), pick(4), `${pick(3)}`]
  const id = `${key}/${timestamp}`
  const kind = pick(10)
  if (kind < 5) {
    const isNew = !expected.has(id)
    expected.set(id, 0)
    assert.is(await bench.timer('register', key, timestamp, payload), isNew)
  } else if (kind < 8) {
    const wasThere = expected.delete(id)
    assert.is(await bench.timer('delete', key, timestamp), wasThere)
  } else if (kind === 8) {
    const ofKey = [...expected.keys()].filter((other) => other.startsWith(`${key}/`))
    for (const other of ofKey) expected.delete(other)
    assert.is(await bench.deleteAll(key), ofKey.length)
  } else await bench.pipeline.spill()
}

test('whatever is called, spilled along and spilled at once, answers are exact and the spaces what stands', async () => {
  for (let run = 0; run < 40; run++) {
    const random = randomFrom(seed + run)
    const bench = await Bench.of([SMALL, 4 * SMALL, LARGE][run % 3]!, () => Math.floor(random() * 3))
    const expected = new Map<string, number>()
    const calls: Promise<void>[] = []
    for (let i = 0; i < 250; i++) {
      calls.push(call(bench, expected, random))
      if (random() < 0.4) await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(calls)
    await bench.pipeline.spill()
    assertSpaces(bench.disk, bench.standings.get(bench.state.appliedVersion)!, `seed ${seed + run}`)
  }
})

test('wherever the process dies, the log brings the key spaces to what stood at its newest version', async () => {
  for (let run = 0; run < 15; run++) {
    const random = randomFrom(seed + run)
    const bench = await Bench.of([SMALL, 4 * SMALL, LARGE][run % 3]!, () => Math.floor(random() * 3))
    const disks: MemoryDisk[] = []
    bench.onApplied = () => {
      if (random() < 0.3) disks.push(bench.disk.crash(random, { power: random() < 0.5 }))
    }
    const expected = new Map<string, number>()
    const calls: Promise<void>[] = []
    for (let i = 0; i < 150; i++) {
      calls.push(call(bench, expected, random))
      if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve))
      if (random() < 0.1) disks.push(bench.disk.crash(random))
    }
    await Promise.all(calls)
    for (const [n, disk] of disks.entries()) {
      const name = `seed ${seed + run}, crash ${n}`
      const engine = new MemoryEngine(disk)
      const { state, recent } = await loadState(engine, RECORD, SMALL)
      const standing = bench.standings.get(state.appliedVersion)!
      for (const [identity, value] of standing) {
        assert.is((recent.get(identity) ?? { value: disk.get(identity) }).value, value, name)
      }
      // Killed once more in the middle of it.
      const batch = engine.batch()
      recent.close()
      recent.spill(batch, 3)
      await engine.write(batch, false)
      engine.die()
      const again = new MemoryEngine(disk)
      const loaded = await loadState(again, RECORD, SMALL)
      await loaded.recent.spillAll(again, (spilled) => loaded.recent.spilled(spilled))
      assertSpaces(disk, standing, name)
    }
  }
})

test('of a timer that is gone by now nothing older is left, though only its removal is to come', async () => {
  const bench = await Bench.of(LARGE)
  await bench.timer('register', 1, 5, '1')
  await bench.pipeline.spill()
  // Before it are as many as the commit of its removal takes along.
  for (let key = 2; key < 60; key++) await bench.timer('register', key, 5)
  await bench.timer('register', 1, 5, '2')
  bench.recent.close()
  await bench.timer('delete', 1, 5)
  assert.ok(spaceOf(bench.disk, 't').has(identityOf(1, 5)))
  const batch = bench.engine.batch()
  const spilled = bench.recent.spill(batch, 100)!
  await bench.engine.write(batch, false)
  bench.recent.spilled(spilled)
  assertSpaces(bench.disk, bench.standings.get(bench.state.appliedVersion)!)
  assert.is(await bench.timer('has', 1, 5), false)
})

test('commits that bring more than they spill along wait for it: memory stays bounded', async () => {
  const bench = await Bench.of(SMALL)
  const payload = JSON.stringify('x'.repeat(20 * SMALL))
  const commits = 200
  for (let key = 0; key < commits; key++) await bench.timer('register', key, key, payload)
  // Each commit fills a table; one is filled, some wait, and those of two commits are on their way.
  const stored = spaceOf(bench.disk, 't').size
  assert.ok(stored >= commits - MAX_TABLES_TO_SPILL - 4, `${stored} of ${commits} are in the key spaces`)
})

test('a table of many timers is spilled before commits of long payloads have filled a few others', async () => {
  const writeBufferBytes = 1 << 20
  const bench = await Bench.of(writeBufferBytes)
  const many = 12_000
  await Promise.all(Array.from({ length: many }, (_, key) => bench.timer('register', key, key)))
  const payload = JSON.stringify('x'.repeat(writeBufferBytes))
  for (let i = 0; i < MAX_TABLES_TO_SPILL + 3; i++) await bench.timer('register', many + i, i, payload)
  const stored = spaceOf(bench.disk, 't').size
  assert.ok(stored >= many, `${stored} are in the key spaces`)
})

test('a log that lost its end, where a spill behind it is there, is refused', async () => {
  const bench = await Bench.of(LARGE)
  for (let key = 0; key < 5; key++) await bench.timer('register', key, key)
  await bench.pipeline.spill()
  const kept = bench.disk.crash(() => 0)
  await loadState(new MemoryEngine(kept), RECORD, LARGE)
  const disk = bench.disk.crash(() => 0)
  const [newest] = disk.read({ from: 'l', to: 'm', limit: 1, reverse: true })
  disk.tamper(newest![0], undefined)
  await rejects(
    loadState(new MemoryEngine(disk), RECORD, LARGE),
    'TIDEMARK_CORRUPT',
    'the log ends with version',
  )
})

test('a timer that is cancelled and set again for ever leaves one removal below, and no more', async () => {
  const bench = await Bench.of(LARGE)
  await bench.timer('register', 1, 5)
  await bench.pipeline.spill()
  for (let round = 0; round < 100; round++) {
    assert.is(await bench.timer('delete', 1, 5), true)
    assert.is(await bench.timer('register', 1, 5), true)
  }
  bench.recent.close()
  const batch = bench.engine.batch()
  let removals = 0
  const del = batch.del.bind(batch)
  batch.del = (key) => {
    removals++
    del(key)
  }
  const spilled = bench.recent.spill(batch, 10)!
  await bench.engine.write(batch, false)
  bench.recent.spilled(spilled)
  assert.is(removals, 1)
  assertSpaces(bench.disk, bench.standings.get(bench.state.appliedVersion)!)
})

test.run()
