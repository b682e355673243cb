// What is recent: in memory until it is spilled, seen as if it stood in the key spaces, and not lost with the process.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { nextTurn } from '../../src/clock.ts'
import type { Engine, EngineBatch } from '../../src/engine/engine.ts'
import { MAX_TABLES_TO_SPILL, MIN_TIMESTAMP } from '../../src/limits.ts'
import type { Call } from '../../src/log/calls.ts'
import { CommitPipeline } from '../../src/log/pipeline.ts'
import { RecentTimers } from '../../src/log/recent.ts'
import { LogRetention } from '../../src/log/retention.ts'
import { type ServiceState, StoreState } from '../../src/log/state.ts'
import { loadState } from '../../src/log/tail.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { dueKey, dueValue, parseStored } from '../../src/timer/stored.ts'
import {
  compareStored,
  decodeTimestamp,
  encodeTimestamp,
  TIMESTAMP_CHARACTERS,
} from '../../src/timer/text.ts'
import { MemoryDisk } from '../support/memorydisk.ts'
import { MemoryEngine, turnsOf } from '../support/memoryengine.ts'
import { randomFrom, seed } from '../support/random.ts'
import { rejects } from '../support/refusals.ts'
import { startService } from '../support/startservice.ts'

const QUEUE = queuePrefix(0, 'eventTime')
const RECORD = { formatVersion: 1, storeId: 'store', maxParallelism: 128, keyGroups: { start: 0, end: 127 } }
const LARGE = 1 << 24
/** A table is full with a few timers, and the tail of the log short. */
const SMALL = 1000

type Standing = ReadonlyMap<string, string>

/** A pipeline on a disk in memory, and what stood after each of its versions by its own commits. */
class Bench {
  readonly disk: MemoryDisk
  readonly engine: Engine
  readonly recent: RecentTimers
  readonly pipeline: CommitPipeline
  readonly state = new StoreState('store', 128)
  readonly standings = new Map<number, Standing>([[0, new Map()]])
  readonly putKeys: string[] = []
  /** Prefixes that the key spaces were asked for. */
  readonly scanned: string[] = []
  /** Of each write, whether it is to be on disk before the next begins. */
  readonly synced: boolean[] = []
  /** Values that were read one by one, on the main thread. */
  gets = 0
  /** Called when a commit is durable. */
  onApplied = () => {}
  service!: ServiceState

  static async of(writeBufferBytes: number, turns: () => number = () => 0): Promise<Bench> {
    const bench = new Bench(writeBufferBytes, turns)
    bench.service = await startService(bench.pipeline)
    return bench
  }

  constructor(writeBufferBytes: number, turns: () => number, disk = new MemoryDisk()) {
    this.disk = disk
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
          else if ('queue' in event) standing.delete(event.identity)
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
    const scanPrefixes: Engine['scanPrefixes'] = (prefixes, limits) => {
      this.scanned.push(...prefixes)
      return engine.scanPrefixes(prefixes, limits)
    }
    const write: Engine['write'] = (batch, flushToDisk) => {
      this.synced.push(flushToDisk)
      return engine.write(batch, flushToDisk)
    }
    const get: Engine['get'] = (key) => {
      this.gets++
      return engine.get(key)
    }
    return new Proxy(engine, {
      get: (_, name: keyof MemoryEngine) => {
        if (name === 'batch') return batch
        if (name === 'scanPrefixes') return scanPrefixes
        if (name === 'write') return write
        if (name === 'get') return get
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

  /** What stands by what is decided. */
  get standing(): Standing {
    return this.standings.get(this.standings.size - 1)!
  }

  /** Removes a timer that stands as a handler's return does, with its due entry where the space has it by now. */
  fire(key: number, timestamp: number): Promise<void> {
    const queue = this.service.eventTime
    const identity = identityOf(key, timestamp)
    const value = this.standing.get(identity)!
    const fired = parseStored(identity, value)!
    const entry = dueKey(identity, fired.orderText)
    const isRead = spaceOf(this.disk, 'd').has(entry)
    return this.submit((settle) => ({
      kind: 'fire' as const,
      queue,
      identity,
      timestamp,
      dueKey: isRead ? entry : undefined,
      fired,
      isStale: () => this.standing.get(identity) !== value,
      calls: [],
      settle,
      removed: false,
    }))
  }

  deleteAll(key: number): Promise<number> {
    const queue = this.service.eventTime
    const call = { kind: 'deleteAll' as const, queue, prefix: prefixOf(key), isLarge: false }
    return this.submit((settle) => ({ ...call, settle, position: undefined, answer: 0 }))
  }

  replace(key: number, timestamp: number, payload = ''): Promise<number[]> {
    const queue = this.service.eventTime
    const call = { kind: 'replace' as const, queue, prefix: `${prefixOf(key)}\0`, isLarge: false }
    const identity = identityOf(key, timestamp)
    return this.submit((settle) => ({ ...call, identity, timestamp, payload, settle, answer: [] }))
  }

  /** The timers of a key that stand now, calls that are not decided included. */
  async behind(key: number): Promise<string[]> {
    const identities = await this.pipeline.standings.behind(this.service.eventTime, prefixOf(key))
    return identities!.sort()
  }
}

function prefixOf(key: number): string {
  return keyPrefix(QUEUE, 0, `k${key}`)
}

function identityOf(key: number, timestamp: number): string {
  return `${prefixOf(key)}\0${encodeTimestamp(timestamp)}`
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
async function call(
  bench: Bench,
  expected: Map<string, number>,
  random: () => number,
  keys = 8,
): Promise<void> {
  const pick = (below: number) => Math.floor(random() * below)
  const [key, timestamp, payload] = [pick(keys), pick(4), `${pick(3)}`]
  const id = `${key}/${timestamp}`
  const ofKey = [...expected.keys()].filter((other) => other.startsWith(`${key}/`))
  const kind = pick(12)
  if (kind < 4) {
    const isNew = !expected.has(id)
    expected.set(id, 0)
    assert.is(await bench.timer('register', key, timestamp, payload), isNew)
  } else if (kind < 6) {
    const others = ofKey.filter((other) => other !== id).map((other) => Number(other.split('/')[1]))
    for (const other of ofKey) expected.delete(other)
    expected.set(id, 0)
    assert.equal(
      await bench.replace(key, timestamp, payload),
      others.sort((a, b) => a - b),
    )
  } else if (kind === 6) {
    const identities = ofKey.map((other) => identityOf(key, Number(other.split('/')[1])))
    assert.equal(await bench.behind(key), identities.sort())
  } else if (kind < 9) {
    const wasThere = expected.delete(id)
    assert.is(await bench.timer('delete', key, timestamp), wasThere)
  } else if (kind < 11) {
    for (const other of ofKey) expected.delete(other)
    assert.is(await bench.deleteAll(key), ofKey.length)
  } else await bench.pipeline.spill()
}

test('while much is spilled a timer that fires goes from the spaces at once, if nothing recent knows it', async () => {
  const bench = await Bench.of(LARGE, () => 4)
  for (let key = 0; key < 5; key++) await bench.timer('register', key, 5)
  await bench.pipeline.spill()
  await bench.timer('register', 1, 5, '"changed"')
  await bench.fire(0, 5)
  assert.is(spaceOf(bench.disk, 't').size, 5)
  // More than two commits spill along.
  const others = Array.from({ length: 80 }, (_, i) => 100 + i)
  for (const key of others) await bench.timer('register', key, 5)
  bench.recent.close()
  const { size } = bench.standings
  const changing = bench.timer('register', 2, 5, '"changed"')
  while (bench.standings.size === size) await nextTurn()
  assert.ok(bench.state.appliedVersion < bench.state.decidedVersion, 'the change is under way')
  await Promise.all([1, 2, 3, 4].map((key) => bench.fire(key, 5)))
  await changing
  const stored = [...spaceOf(bench.disk, 't').keys()]
  assert.equal(
    [1, 2, 3, 4].filter((key) => stored.includes(identityOf(key, 5))),
    [1, 2],
  )
  for (const key of others) await bench.timer('delete', key, 5)
  await bench.pipeline.spill()
  assertSpaces(bench.disk, new Map())
  // One that comes again is new, and what goes then goes from where it is.
  const again = bench.timer('register', 0, 5)
  assert.is(await again, true)
  await bench.fire(0, 5)
  await bench.pipeline.spill()
  assertSpaces(bench.disk, new Map())
  assert.equal(bench.putKeys.filter((key) => key === identityOf(0, 5)).length, 1)
})

test('whatever is called, spilled along and spilled at once, answers are exact and the spaces what stands', async () => {
  for (let run = 0; run < 40; run++) {
    const random = randomFrom(seed + run)
    const bench = await Bench.of([SMALL, 4 * SMALL, LARGE][run % 3]!, () => Math.floor(random() * 3))
    const expected = new Map<string, number>()
    const calls: Promise<void>[] = []
    for (let i = 0; i < 250; i++) {
      if (random() < 0.05) {
        await Promise.all(calls)
        for (const id of [...expected.keys()].filter(() => random() < 0.5)) {
          const [key, timestamp] = id.split('/').map(Number)
          expected.delete(id)
          calls.push(bench.fire(key!, timestamp!))
        }
      }
      calls.push(call(bench, expected, random, [8, 2, 1][run % 4]))
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
      for (const identity of standing.keys()) {
        const { storedHigh } = loaded.state.services[0]!.eventTime
        assert.ok(decodeTimestamp(identity, identity.length - TIMESTAMP_CHARACTERS) <= storedHigh, name)
      }
    }
  }
})

test('what a log that is read again tells of may be in the spaces by now: removed, it goes from there', async () => {
  const bench = await Bench.of(LARGE)
  await bench.timer('register', 1, 5)
  await bench.timer('delete', 1, 5)
  await bench.timer('register', 1, 5)
  await bench.pipeline.spill()
  const disk = bench.disk.crash(() => 0)
  const { engine } = new Bench(LARGE, () => 0, disk)
  const { recent, state } = await loadState(engine, RECORD, LARGE)
  const identity = identityOf(1, 5)
  const timer = parseStored(identity, spaceOf(disk, 't').get(identity)!)!
  const rest = { previous: undefined, retire: false, dueKey: undefined, atOnce: false }
  const queue = state.services[0]!.eventTime
  const event = { kind: 'delete' as const, queue, identity, timestamp: 5, timer, ...rest }
  const nothing = { timeMs: 0, totals: [], watermarks: [], retired: 0 }
  recent.applied({ version: state.decidedVersion + 1, events: [event], ...nothing }, 10, [])
  await recent.spillAll(engine, (spilled) => recent.spilled(spilled))
  assertSpaces(disk, new Map())
})

test('a key whose timers were all moved or cancelled lately is not looked for in the key spaces', async () => {
  const bench = await Bench.of(LARGE)
  for (let key = 0; key < 3; key++) await bench.timer('register', key, 5)
  await bench.pipeline.spill()
  assert.equal(await bench.replace(1, 6), [5])
  assert.is(await bench.deleteAll(2), 1)
  const once = [`${prefixOf(1)}\0`, prefixOf(2)]
  assert.equal(bench.scanned, once)
  for (let timestamp = 7; timestamp < 20; timestamp++) {
    assert.equal(await bench.replace(1, timestamp), [timestamp - 1])
    await bench.timer('register', 2, timestamp)
    assert.is(await bench.deleteAll(2), 1)
  }
  assert.equal(bench.scanned, once)
  // Of the whole key less is known than of its namespace; and what is spilled is only there.
  assert.is(await bench.deleteAll(1), 1)
  assert.equal(bench.scanned, [...once, prefixOf(1)])
  await bench.timer('register', 1, 5)
  await bench.pipeline.spill()
  assert.is(await bench.deleteAll(1), 1)
  assert.equal(bench.scanned, [...once, prefixOf(1), prefixOf(1)])
})

test('what a commit moves is read together, and never one by one', async () => {
  const bench = await Bench.of(LARGE)
  const others = Array.from({ length: 100 }, (_, i) => 10 + i)
  for (const key of others) await bench.timer('register', key, 9)
  await bench.pipeline.spill()
  await bench.timer('register', 1, 5)
  await Promise.all([
    bench.replace(1, 6),
    ...others.map((key) => bench.timer('has', key, 9)),
    bench.timer('has', 1, 5),
  ])
  // A key that is moved again and again, below what stands.
  for (const timestamp of [7, 8, 7, 6]) await bench.replace(1, timestamp)
  assert.is(bench.gets, 0)
})

test('a payload that comes back within one commit leaves its timer due once', async () => {
  const bench = await Bench.of(LARGE)
  const payloads = ['a', 'b', 'a']
  await Promise.all(payloads.map((payload) => bench.timer('register', 1, 5, JSON.stringify(payload))))
  await bench.timer('register', 2, 6)
  const start = { timestamp: MIN_TIMESTAMP, orderText: '' }
  const due = bench.recent.due(bench.service.eventTime, start, 10)
  assert.equal(
    due.map(({ identity }) => identity),
    [identityOf(1, 5), identityOf(2, 6)],
  )
})

test('one that is replaced by itself is still found when it was spilled long ago', async () => {
  const bench = await Bench.of(LARGE)
  await bench.timer('register', 1, 5)
  await bench.pipeline.spill()
  assert.equal(await bench.replace(1, 5), [])
  assert.equal(await bench.replace(1, 6), [5])
  assert.equal(await bench.behind(1), [identityOf(1, 6)])
})

test('a queue that has nothing in the key spaces any more is not looked through', async () => {
  const bench = await Bench.of(LARGE)
  const keys = Array.from({ length: 10 }, (_, key) => key)
  for (const key of keys) await bench.timer('register', key, key)
  await bench.pipeline.spill()
  for (const key of keys) assert.is(await bench.deleteAll(key), 1)
  assert.is(bench.scanned.length, keys.length)
  await bench.pipeline.spill()
  for (const key of keys) await bench.timer('register', key, key)
  for (const key of keys) assert.is(await bench.deleteAll(key), 1)
  assert.is(bench.scanned.length, keys.length)
  await bench.timer('register', 1, 3)
  await bench.pipeline.spill()
  assert.is(await bench.deleteAll(1), 1)
  assert.is(bench.scanned.length, keys.length + 1)
})

test('a timer at the lowest timestamp of all is found in the key spaces, though nothing lies above it', async () => {
  const bench = await Bench.of(LARGE)
  for (let round = 0; round < 2; round++) {
    await bench.timer('register', 1, MIN_TIMESTAMP)
    await bench.pipeline.spill()
    assert.equal(await bench.behind(1), [identityOf(1, MIN_TIMESTAMP)])
    assert.is(await bench.deleteAll(1), 1)
    await bench.pipeline.spill()
  }
})

test('a queue that was empty a while ago is not looked through for what was registered since', async () => {
  const bench = await Bench.of(LARGE)
  for (let key = 0; key < 10; key++) await bench.timer('register', key, 100 + key)
  await bench.pipeline.spill()
  for (let key = 0; key < 10; key++) assert.is(await bench.deleteAll(key), 1)
  assert.is(bench.scanned.length, 10)
  for (let key = 10; key < 20; key++) await bench.timer('register', key, key)
  for (let key = 10; key < 15; key++) assert.is(await bench.deleteAll(key), 1)
  assert.is(bench.scanned.length, 10)
  const { eventTime } = bench.service
  assert.is(eventTime.storedHigh, 109)
  await bench.pipeline.spill()
  assert.is(eventTime.storedHigh, 19)
  assert.is(await bench.deleteAll(15), 1)
  assert.is(bench.scanned.length, 11)
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

test('every write is on disk before the next begins: of two a loss of power could keep the later one alone', async () => {
  const bench = await Bench.of(SMALL)
  for (let key = 0; key < 200; key++)
    await bench.timer('register', key, key, JSON.stringify('x'.repeat(SMALL)))
  await bench.pipeline.spill()
  await bench.timer('register', 1, 1000)
  await bench.pipeline.spillAlone()
  await bench.timer('delete', 1, 1000)
  const disk = bench.disk.crash(() => 0)
  assert.ok(bench.synced.length > 200)
  assert.equal(new Set(bench.synced), new Set([true]))
  // A process that died leaves its log to the next one, which spills as it reads.
  const again = new Bench(LARGE, () => 0, disk)
  await loadState(again.engine, RECORD, 1)
  assert.ok(again.synced.length > 0)
  assert.equal(new Set(again.synced), new Set([true]))
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

test('a queue that was empty for a moment is looked through once something newer of it is on its way', async () => {
  const bench = await Bench.of(LARGE)
  await bench.timer('register', 1, 5)
  await bench.pipeline.spill()
  await bench.timer('delete', 1, 5)
  bench.recent.close()
  const first = bench.engine.batch()
  const spilledFirst = bench.recent.spill(first, 10)!
  await bench.timer('register', 2, 5)
  bench.recent.close()
  const second = bench.engine.batch()
  const spilledSecond = bench.recent.spill(second, 10)!
  await bench.engine.write(first, false)
  bench.recent.spilled(spilledFirst)
  await bench.engine.write(second, false)
  bench.recent.spilled(spilledSecond)
  assert.is(await bench.timer('has', 2, 5), true)
  assert.is(await bench.deleteAll(2), 1)
})

test.run()
