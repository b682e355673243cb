// How much is read and walked for calls about keys: about what they remove, however many of them wait.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Entry, ScanRange } from '../../src/engine/engine.ts'
import { MAX_ATOMIC_EVENTS, MAX_COMMIT_EVENTS, MAX_SHARED_RANGE_TIMERS } from '../../src/limits.ts'
import type { Call } from '../../src/log/calls.ts'
import { CommitChanges } from '../../src/log/changes.ts'
import type { Commit } from '../../src/log/events.ts'
import { CommitPipeline } from '../../src/log/pipeline.ts'
import { RecentTimers } from '../../src/log/recent.ts'
import { LogRetention } from '../../src/log/retention.ts'
import { type ServiceState, StoreState } from '../../src/log/state.ts'
import { TextArena } from '../../src/log/textarena.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { makeStored, orderTextOf } from '../../src/timer/stored.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { MemoryDisk } from '../support/memorydisk.ts'
import { MemoryEngine } from '../support/memoryengine.ts'
import { rejects } from '../support/refusals.ts'
import { startService } from '../support/startservice.ts'

const QUEUE = queuePrefix(0, 'eventTime')
const WRITE_BUFFER_BYTES = 1 << 24

/** Counts the entries of ranges that it reads. */
class CountingEngine extends MemoryEngine {
  entries = 0

  override scan(range: ScanRange): { read(): Promise<Entry[]> } {
    const { read } = super.scan(range)
    return { read: () => read().then((entries) => this.#counted(entries)) }
  }

  override async scanPrefixes(...args: Parameters<MemoryEngine['scanPrefixes']>): Promise<Entry[][]> {
    const found = await super.scanPrefixes(...args)
    for (const entries of found) this.#counted(entries)
    return found
  }

  #counted(entries: Entry[]): Entry[] {
    this.entries += entries.length
    return entries
  }
}

/** A pipeline whose one queue has timers of some keys. */
class Bench {
  readonly engine = new CountingEngine(new MemoryDisk())
  readonly commits: Commit[] = []
  readonly pipeline = new CommitPipeline({
    engine: this.engine,
    state: new StoreState('store', 128),
    retention: new LogRetention(WRITE_BUFFER_BYTES, 0),
    recent: new RecentTimers(WRITE_BUFFER_BYTES),
    flushToDisk: true,
    now: () => 0,
    newestSnapshot: () => 0,
    onRetired: () => {},
    onDecided: () => {},
    onApplied: (commit) => this.commits.push(commit),
    onFailed: (error) => {
      throw error
    },
  })
  service!: ServiceState

  /** So many keys with so many timers each in the key spaces. */
  static async of(keys: number, timers: number): Promise<Bench> {
    const bench = new Bench()
    bench.service = await startService(bench.pipeline)
    const timestamps = Array.from({ length: timers }, (_, i) => i)
    for (let key = 0; key < keys; key++) void bench.registerMany(key, timestamps)
    await bench.pipeline.spill()
    bench.commits.length = 0
    return bench
  }

  submit<T>(make: (settle: never) => Call): Promise<T> {
    return new Promise((resolve, reject) => this.pipeline.submit(make({ resolve, reject } as never)))
  }

  registerMany(key: number, timestamps: number[]): Promise<number> {
    const identities = timestamps.map((timestamp) => identityOf(key, timestamp))
    const payloads = timestamps.map(() => '')
    const queue = this.service.eventTime
    const rest = { queue, identities, timestamps, payloads, done: 0, answer: 0 }
    return this.submit((settle) => ({ kind: 'registerMany', ...rest, settle }))
  }

  deleteAll(key: number): Promise<number> {
    return this.submit((settle) => this.deleteAllCall(key, settle))
  }

  deleteAllCall(key: number, settle: undefined): Call & { kind: 'deleteAll' } {
    const rest = { queue: this.service.eventTime, isLarge: false, position: undefined, answer: 0 }
    return { kind: 'deleteAll', ...rest, prefix: prefixOf(key), settle }
  }

  replace(key: number, timestamp: number, namespace = ''): Promise<number[]> {
    const prefix = `${prefixOf(key)}${namespace}\0`
    const identity = prefix + encodeTimestamp(timestamp)
    const rest = { queue: this.service.eventTime, isLarge: false, timestamp, payload: '' }
    return this.submit((settle) => ({ kind: 'replace', ...rest, prefix, identity, settle, answer: [] }))
  }

  /** Removes a timer as a handler's return does that called deleteAll of a key. */
  fire(key: number, timestamp: number, deleted: number): Promise<void> {
    const identity = identityOf(key, timestamp)
    const queue = this.service.eventTime
    const timer = makeStored(identity, 1, orderTextOf(1, 0), 1, '')
    const rest = { queue, identity, timestamp, dueKey: undefined, fired: timer, isStale: () => true }
    const calls = [this.deleteAllCall(deleted, undefined)]
    return this.submit((settle) => ({ kind: 'fire', ...rest, calls, settle, removed: false }))
  }

  count(): number {
    return this.service.eventTime.appliedCount
  }
}

function prefixOf(key: number): string {
  return keyPrefix(QUEUE, key % 128, `key ${key}`)
}

function identityOf(key: number, timestamp: number): string {
  return `${prefixOf(key)}\0${encodeTimestamp(timestamp)}`
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

/** Counts the calls of a method while something runs. */
async function callsOf<K extends string>(
  prototype: Record<K, (...args: never[]) => unknown>,
  name: K,
  run: () => Promise<unknown>,
): Promise<number> {
  const method = prototype[name]
  let calls = 0
  prototype[name] = function (this: unknown, ...args: never[]) {
    calls++
    return method.apply(this, args)
  }
  try {
    await run()
  } finally {
    prototype[name] = method
  }
  return calls
}

test('many keys with more timers than share a commit are read a few times, and not again for each of them', async () => {
  const timers = MAX_SHARED_RANGE_TIMERS + 6
  const bench = await Bench.of(200, timers)
  const answers = await Promise.all(numbers(200).map((key) => bench.deleteAll(key)))
  assert.equal(answers, Array(200).fill(timers))
  assert.is(bench.count(), 0)
  assert.ok(bench.engine.entries < 3 * 200 * timers, `${bench.engine.entries} entries were read`)
})

test('of keys with some timers each a commit reads about as many as it decides, once that is known', async () => {
  for (const timers of [2, 10, MAX_SHARED_RANGE_TIMERS]) {
    const keys = 3000
    const bench = await Bench.of(keys, timers)
    const half = keys / 2
    const answers = await Promise.all(numbers(half).map((key) => bench.deleteAll(key)))
    assert.equal(answers, Array(half).fill(timers))
    const replaced = await Promise.all(numbers(half).map((key) => bench.replace(half + key, -1)))
    for (const timestamps of replaced) assert.is(timestamps.length, timers)
    assert.is(bench.count(), half)
    // The first ones are read before anybody knows; a commit ends some timers before or behind what it can have.
    const most = 1.3 * keys * timers + MAX_COMMIT_EVENTS * timers
    assert.ok(bench.engine.entries < most, `${bench.engine.entries} entries were read of ${keys * timers}`)
  }
})

test('keys with few timers share commits again after others that had many', async () => {
  const bench = await Bench.of(1000, 40)
  await Promise.all(numbers(1000).map((key) => bench.deleteAll(key)))
  await bench.pipeline.spill()
  await Promise.all(numbers(2000).map((key) => bench.registerMany(key, [1])))
  await bench.pipeline.spill()
  bench.commits.length = 0
  await Promise.all(numbers(2000).map((key) => bench.deleteAll(key)))
  assert.ok(bench.commits.length <= 6, `${bench.commits.length} commits`)
})

test('calls about one key with many timers do not each take a commit: the first of them leaves few', async () => {
  const bench = await Bench.of(1, MAX_SHARED_RANGE_TIMERS + 6)
  await Promise.all(numbers(300).map((i) => bench.replace(0, 1000 + i)))
  assert.is(bench.count(), 1)
  assert.ok(bench.commits.length <= 8, `${bench.commits.length} commits`)
})

test('handlers that remove many timers each begin a commit each', async () => {
  const timers = 900
  const bench = await Bench.of(20, timers)
  void bench.registerMany(100, numbers(20))
  await bench.pipeline.spill()
  bench.commits.length = 0
  await Promise.all(numbers(20).map((key) => bench.fire(100, key, key)))
  assert.is(bench.count(), 20)
  const largest = Math.max(...bench.commits.map(({ events }) => events.length))
  assert.ok(largest <= MAX_COMMIT_EVENTS, `${largest} events`)
})

test('a replace that is too large for one step is refused before all of it is read', async () => {
  const bench = await Bench.of(1, 2 * MAX_ATOMIC_EVENTS)
  const message = `more than ${MAX_ATOMIC_EVENTS} timers`
  await rejects(() => bench.replace(0, -1), 'TIDEMARK_INVALID_ARGUMENT', message)
  assert.is(bench.count(), 2 * MAX_ATOMIC_EVENTS)
  // Before it is read by itself it is taken for one of those that share a commit.
  assert.ok(bench.engine.entries <= MAX_ATOMIC_EVENTS + 1 + MAX_SHARED_RANGE_TIMERS + 1)
})

test('many replace of one key in flight look up a few timers each, whatever came and went before', async () => {
  const count = 3000
  const bench = await Bench.of(1, 0)
  const lookups = await callsOf(CommitChanges.prototype, 'get', async () => {
    const replaced = await Promise.all(numbers(count).map((i) => bench.replace(0, i)))
    assert.equal(
      replaced,
      numbers(count).map((i) => (i === 0 ? [] : [i - 1])),
    )
  })
  assert.ok(lookups < 20 * count, `${lookups} lookups for ${count} calls`)
})

test('calls about a key whose timers are under way look through those once for a commit', async () => {
  const count = 1000
  const bench = await Bench.of(1, 0)
  const lookups = await callsOf(CommitChanges.prototype, 'get', async () => {
    void bench.registerMany(0, numbers(count))
    const replaced = await Promise.all(numbers(count).map((i) => bench.replace(0, count + i)))
    assert.is(replaced[0]!.length, count)
    for (const timestamps of replaced.slice(1)) assert.is(timestamps.length, 1)
  })
  assert.ok(lookups < 40 * count, `${lookups} lookups for ${count} calls`)
})

test('calls about a key with many recent timers look through those a few times, and not for each of them', async () => {
  const count = 1000
  const bench = await Bench.of(1, 0)
  await bench.registerMany(0, numbers(count))
  const made = await callsOf(TextArena.prototype, 'text', async () => {
    const replaced = await Promise.all(numbers(count).map((i) => bench.replace(0, count + i)))
    assert.is(replaced[0]!.length, count)
    for (const timestamps of replaced.slice(1)) assert.is(timestamps.length, 1)
  })
  assert.ok(made < 40 * count, `${made} texts were made for ${count} calls`)
})

test('a key with many namespaces is not walked for each of them', async () => {
  const count = 5000
  const bench = await Bench.of(1, 0)
  const replaceAll = (timestamp: number) =>
    Promise.all(numbers(count).map((i) => bench.replace(0, timestamp, `n${i}`)))
  await replaceAll(0)
  const compared = await callsOf(TextArena.prototype, 'startsWith', async () => {
    const made = await callsOf(TextArena.prototype, 'text', async () => {
      for (const timestamps of await replaceAll(1)) assert.equal(timestamps, [0])
    })
    assert.ok(made < 10 * count, `${made} texts were made for ${count} calls`)
  })
  assert.ok(compared < 20 * count, `${compared} texts were looked at for ${count} calls`)
  const standing = await bench.pipeline.standings.behind(bench.service.eventTime, `${prefixOf(0)}n7\0`)
  assert.equal(standing, [`${prefixOf(0)}n7\0${encodeTimestamp(1)}`])
})

test.run()
