// timeout: 300s
// What is kept of the log: always exactly told, never less than what somebody holds, and not for ever.

import { cp, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { openClassicEngine } from '../../src/engine/classic.ts'
import type { Engine, Entry, ScanRange } from '../../src/engine/engine.ts'
import { logKey } from '../../src/engine/keyspaces.ts'
import { readStoreRecord } from '../../src/engine/migration.ts'
import { LOG_TRIM_SLICE_ENTRIES, MIN_REOPENED_LOG_CHARACTERS } from '../../src/limits.ts'
import { encodeEntry } from '../../src/log/entry.ts'
import { type LogHold, LogRetention } from '../../src/log/retention.ts'
import { ServiceState } from '../../src/log/state.ts'
import { loadState, readKept } from '../../src/log/tail.ts'
import { checkOptions } from '../../src/options.ts'
import { copyAsCrashed } from '../support/crash.ts'
import { eventually } from '../support/eventually.ts'
import { randomFrom, seed } from '../support/random.ts'
import { openStore, type Store, verified, withDirectory } from '../support/store.ts'

const writeBufferBytes = 64 * 1024
/** More than the interval of anchors: some thousand services. */
const LARGE_ANCHOR_CHARACTERS = 300 * 1024
const options = { engine: { writeBufferBytes } }

/** A retention beside the plainest account of what it should keep: the entries themselves. */
class Model {
  retention = new LogRetention(1000, 0)
  readonly entries = new Map<number, number>()
  readonly holds = new Map<LogHold, { version: number; began: number }>()
  version = 0
  written = 0
  reopened: LogHold | undefined

  commit(size: number): void {
    for (const version of this.retention.trim()) this.#gone(version)
    const version = ++this.version
    this.entries.set(version, size)
    this.written += size
    this.retention.add(version, this.retention.wantsAnchor(version), size)
    this.retention.wrote(size * 3)
    if (version % 3 === 0) this.retention.spilled(version)
    for (const [hold, { began }] of this.holds) {
      if (this.written - began > hold.maxCharacters) this.holds.delete(hold)
    }
  }

  hold(version: number, maxCharacters: number): void {
    this.holds.set(this.retention.hold(version, maxCharacters), { version, began: this.written })
  }

  release(hold: LogHold): void {
    this.retention.release(hold)
    this.holds.delete(hold)
  }

  /** As the trimmer does it. */
  trimSlice(): void {
    const { oldest, freeBefore } = this.retention
    const before = Math.min(freeBefore, oldest + LOG_TRIM_SLICE_ENTRIES)
    let characters = 0
    for (let version = oldest; version < before; version++) characters += this.entries.get(version)!
    assert.ok(this.retention.drop(before, characters))
    for (let version = oldest; version < before; version++) this.#gone(version)
  }

  close(): void {
    for (const version of this.retention.trimToAnchor(10_000)) this.#gone(version)
  }

  /** As opening does it: the tail is read, the rest is told. */
  reopen(): void {
    const { oldest, tail, bytes, anchor } = this.retention
    const again = new LogRetention(1000, tail - 1)
    for (let version = tail; version <= this.version; version++) {
      again.add(version, version === anchor, this.entries.get(version)!)
    }
    again.spilled(this.version)
    again.reopened({ oldest, tail, characters: bytes }, Number.POSITIVE_INFINITY)
    this.holds.clear()
    this.retention = again
  }

  #gone(version: number): void {
    assert.ok(this.entries.delete(version), `version ${version} went twice`)
  }

  check(name: string): void {
    const { retention, entries, holds } = this
    const versions = [...entries.keys()].sort((a, b) => a - b)
    assert.is(retention.entries, entries.size, name)
    assert.is(
      retention.bytes,
      [...entries.values()].reduce((sum, size) => sum + size, 0),
      name,
    )
    assert.is(retention.newest, this.version, name)
    if (versions.length > 0) assert.is(retention.oldest, versions[0], name)
    assert.is(versions.length, this.version - retention.oldest + 1, name)
    assert.ok(retention.tail <= Math.max(retention.anchor, 1), name)
    for (const { version } of holds.values())
      assert.ok(retention.oldest <= version, `${name}: hold of ${version}`)
    // What opening verifies is always there.
    assert.ok(retention.oldest <= retention.tail, name)
  }
}

test('an anchor that is longer than their interval does not make the next entry another one', () => {
  const retention = new LogRetention(writeBufferBytes, 0)
  let anchors = 0
  for (let version = 1; version <= 100; version++) {
    const isAnchor = retention.wantsAnchor(version)
    if (isAnchor) anchors++
    retention.add(version, isAnchor, isAnchor ? LARGE_ANCHOR_CHARACTERS : 1000)
  }
  assert.is(anchors, 1)
  // They take a fifth of the log, at most, and come all the same.
  for (let version = 101; version <= 1400; version++) {
    const isAnchor = retention.wantsAnchor(version)
    if (isAnchor) anchors++
    retention.add(version, isAnchor, isAnchor ? LARGE_ANCHOR_CHARACTERS : 10_000)
  }
  assert.ok(
    anchors >= 3 && anchors * LARGE_ANCHOR_CHARACTERS * 5 <= retention.bytes + LARGE_ANCHOR_CHARACTERS * 5,
    `${anchors}`,
  )
})

test('whatever is held, let go, trimmed, closed and opened: counts are exact, and what is held is there', () => {
  for (let run = 0; run < 60; run++) {
    const random = randomFrom(seed + run)
    const below = (limit: number) => Math.floor(random() * limit)
    const model = new Model()
    for (let step = 0; step < 500; step++) {
      const { retention } = model
      const kind = below(100)
      if (kind < 70) model.commit(1 + below(kind < 5 ? 400_000 : 300))
      else if (kind < 76)
        model.hold(model.version + 1, random() < 0.5 ? Number.POSITIVE_INFINITY : below(3000))
      else if (kind < 80) model.hold(retention.oldest, Number.POSITIVE_INFINITY)
      else if (kind < 88) {
        const held = [...model.holds.keys()]
        if (held.length > 0) model.release(held[below(held.length)]!)
      } else if (kind < 95) {
        if (retention.freeBefore > retention.oldest) model.trimSlice()
      } else if (kind < 97) retention.releaseReopened()
      else {
        if (kind === 98) model.close()
        model.reopen()
      }
      model.check(`seed ${seed + run}, step ${step}`)
    }
  }
})

test('an entry that somebody holds is not dropped, though it was to be trimmed', () => {
  const model = new Model()
  model.hold(1, Number.POSITIVE_INFINITY)
  for (let i = 0; i < 1000; i++) model.commit(100)
  const [hold] = model.holds.keys()
  assert.ok(model.retention.tail > 500)
  model.release(hold!)
  const { oldest, freeBefore } = model.retention
  assert.is(oldest, 1)
  assert.is(freeBefore, model.retention.tail)
  model.hold(model.retention.oldest, Number.POSITIVE_INFINITY)
  assert.not(model.retention.drop(100, 9900))
  model.check('refused')
})

test('a hold ends by itself when the log since has outgrown it, and tells', () => {
  const retention = new LogRetention(1000, 0)
  let freed = 0
  retention.onFree = () => freed++
  const hold = retention.hold(1, 500)
  for (let version = 1; version <= 5; version++) retention.add(version, version === 1, 100)
  assert.is(freed, 0)
  retention.add(6, false, 1)
  assert.is(freed, 1)
  // It is over: to release it is harmless.
  retention.release(hold)
  assert.is(freed, 1)
})

// Stores.

const definition = { payload: z.string().optional() }

/** The log as LevelDB has it. */
async function logOf(directory: string): Promise<Entry[]> {
  const engine = await openClassicEngine(await realpath(directory), checkOptions(options).engine, true)
  try {
    return await engine.scan({ from: 'l', to: 'm', limit: 1_000_000 }).read()
  } finally {
    await engine.close()
  }
}

/** stats() tells what LevelDB has, as soon as nothing is on its way. */
async function assertExact(store: Store, directory: string): Promise<ReturnType<Store['stats']>['log']> {
  let told = {}
  let there = {}
  const isExact = async () => {
    const log = await logOf(directory)
    told = store.stats().log
    there = { entries: log.length, bytes: log.reduce((sum, [, value]) => sum + value.length, 0) }
    return JSON.stringify(told) === JSON.stringify(there)
  }
  await eventually(isExact, 'stats().log').catch(() => assert.equal(told, there))
  return store.stats().log
}

/** Entries of the tail at most: two and a half write buffers of commits, and what is there since an anchor. */
const mostTail = 700
let registered = 0

/** Registers a timer in each of so many commits, or changes its payload. */
async function fill(store: Store, commits: number, characters: number): Promise<void> {
  const { eventTime } = await store.service('orders', definition)
  for (let end = registered + commits; registered < end; ) {
    const i = registered++
    await eventTime.register({
      key: `k${i % 100}`,
      timestamp: i % 7,
      payload: `${i} ${'x'.repeat(characters)}`,
    })
  }
}

test('held log is kept through commits, a clean close, opening and a kill, and its length is told exactly', async () => {
  await withDirectory(async (parent) => {
    const [directory, checkpoints] = [join(parent, 'store'), join(parent, 'checkpoints')]
    let store = await openStore(directory, options)
    await fill(store, 1500, 500)
    const before = await assertExact(store, directory)
    assert.ok(before.entries < mostTail, `${before.entries} entries of a tail`)
    const { version } = await store.checkpoint(checkpoints, { incremental: true })
    const reaches = async () => {
      const log = await assertExact(store, directory)
      assert.ok(
        log.entries >= store.stats().version - version + 1,
        JSON.stringify({ ...store.stats(), from: version }),
      )
    }
    await fill(store, 1500, 500)
    await reaches()
    assert.ok(store.stats().log.entries > 2 * mostTail)
    await verified(store)
    const killed = join(parent, 'killed')
    await copyAsCrashed(directory, killed)
    for (let round = 0; round < 3; round++) {
      await store.close()
      store = await openStore(directory, options)
      await reaches()
      await fill(store, 100, 500)
      await reaches()
    }
    await store.close()
    store = await openStore(killed, options)
    const log = await assertExact(store, killed)
    assert.ok(log.entries >= 1500)
    await verified(store)
    const { kind, base } = await store.checkpoint(checkpoints, { incremental: true })
    assert.equal([kind, base?.version], ['incremental', version])
    await assertExact(store, killed)
    await store.close()
  })
})

test('what a checkpoint lets go is trimmed beside the service, and the log is short again', async () => {
  await withDirectory(async (parent) => {
    const [directory, checkpoints] = [join(parent, 'store'), join(parent, 'checkpoints')]
    const store = await openStore(directory, options)
    for (let round = 0; round < 4; round++) {
      await store.checkpoint(checkpoints, { incremental: true })
      await fill(store, 2000, 300)
      const { version } = store.stats()
      assert.ok((await assertExact(store, directory)).entries >= 2000)
      await store.checkpoint(checkpoints, { incremental: true })
      await eventually(() => store.stats().log.entries < mostTail, 'the log to be trimmed')
      await assertExact(store, directory)
      // In slices of 256, a commit each.
      assert.ok(store.stats().version - version <= 12, `${store.stats().version - version} commits`)
      await verified(store)
    }
    await store.close()
  })
})

test('log that outgrows the full checkpoint is no longer held', async () => {
  await withDirectory(async (parent) => {
    const [directory, checkpoints] = [join(parent, 'store'), join(parent, 'checkpoints')]
    const store = await openStore(directory, options)
    await store.checkpoint(checkpoints, { incremental: true })
    await fill(store, 60, 60_000)
    await eventually(() => store.stats().log.bytes < 1_000_000, 'the log to be trimmed')
    await assertExact(store, directory)
    assert.is((await store.checkpoint(checkpoints, { incremental: true })).kind, 'full')
    await store.close()
  })
})

test('log that nobody builds on any more does not grow from one opening to the next', async () => {
  await withDirectory(async (parent) => {
    const [directory, checkpoints] = [join(parent, 'store'), join(parent, 'checkpoints')]
    let store = await openStore(directory, options)
    // A full one of half a megabyte: log of some megabytes is worth keeping for the next.
    await fill(store, 100, 5000)
    await store.checkpoint(checkpoints, { incremental: true })
    let most = 0
    for (let round = 0; round < 12; round++) {
      await fill(store, 45, 60_000)
      most = Math.max(most, store.stats().log.bytes)
      await store.close()
      store = await openStore(directory, options)
    }
    assert.ok(most < MIN_REOPENED_LOG_CHARACTERS * 1.3, `the log had ${most} characters`)
    await eventually(() => store.stats().log.bytes < 4_000_000, 'the log to be trimmed')
    await assertExact(store, directory)
    await store.close()
  })
})

test('a checkpoint that is aborted or fails leaves no hold, and none that is full holds the log', async () => {
  await withDirectory(async (parent) => {
    const [directory, checkpoints] = [join(parent, 'store'), join(parent, 'checkpoints')]
    const store = await openStore(directory, options)
    await store.checkpoint(checkpoints)
    await store.checkpoint(checkpoints, { savepoint: true })
    await fill(store, 10, 10)
    for (let i = 0; i < 3; i++) {
      const aborter = new AbortController()
      const taken = store.checkpoint(checkpoints, { incremental: true, signal: aborter.signal })
      aborter.abort()
      assert.is(await taken.catch((error) => error.code), 'TIDEMARK_CHECKPOINT_ABORTED')
      const failed = store.checkpoint(join(directory, 'TIDEMARK'), { incremental: true })
      assert.is(await failed.catch((error) => error.code), 'TIDEMARK_FAILED')
    }
    assert.is(store.stats().runningSnapshots, 0)
    await fill(store, 1500, 500)
    await eventually(() => store.stats().log.entries < mostTail, 'the log to be trimmed')
    await assertExact(store, directory)
    await store.close()
  })
})

/** An engine that counts what is read of the log. */
function counting(engine: Engine): { engine: Engine; logEntries(): number; most(): number } {
  let logEntries = 0
  let most = 0
  const scan = (range: ScanRange) => {
    const opened = engine.scan(range)
    const read = async () => {
      const entries = await opened.read()
      logEntries += entries.filter(([key]) => key.startsWith('l')).length
      most = Math.max(
        most,
        entries.reduce((sum, [, value]) => sum + value.length, 0),
      )
      return entries
    }
    return { read }
  }
  const get = (_: Engine, name: keyof Engine) => (name === 'scan' ? scan : engine[name]!.bind(engine))
  return {
    engine: new Proxy(engine, { get } as ProxyHandler<Engine>),
    logEntries: () => logEntries,
    most: () => most,
  }
}

test('opening reads the tail of the log, and nothing of what is held before it', async () => {
  await withDirectory(async (parent) => {
    const [directory, checkpoints] = [join(parent, 'store'), join(parent, 'checkpoints')]
    const store = await openStore(directory, options)
    await store.checkpoint(checkpoints, { incremental: true })
    await fill(store, 3000, 400)
    const killed = join(parent, 'killed')
    await copyAsCrashed(directory, killed)
    const { log } = store.stats()
    await store.close()
    await cp(directory, join(parent, 'closed'), { recursive: true })
    for (const [name, most] of [
      ['killed', mostTail],
      ['closed', 513],
    ] as const) {
      const { engine: sizes } = checkOptions(options)
      const { engine, logEntries } = counting(await openClassicEngine(join(parent, name), sizes, true))
      const { state, retention } = await loadState(engine, readStoreRecord(engine)!, writeBufferBytes)
      await engine.close()
      assert.is(state.appliedVersion, 3001)
      assert.is(retention.entries, log.entries)
      assert.ok(log.entries > 3000)
      assert.ok(logEntries() <= most, `${name}: ${logEntries()} entries were read`)
    }
  })
})

test('however long its entries are, the log is read a few megabytes at a time', async () => {
  await withDirectory(async (directory) => {
    const { engine: sizes } = checkOptions({})
    const engine = await openClassicEngine(directory, sizes, false)
    const service = new ServiceState(0, 'service', '{}')
    let previous = 0
    // Long ones where long ones are expected, and where they are not.
    const longest = 1_500_000
    for (let version = 1; version <= 3000; version++) {
      const characters = version <= 20 || version > 2950 ? longest : 10
      const kept = { oldest: 1, tail: 1, characters: 0 }
      const head = { version, timeMs: 0, kept, anchor: 1, previous, retired: 0 }
      const event = { kind: 'service' as const, service, name: 'service', schemas: 'x'.repeat(characters) }
      const commit = { version, timeMs: 0, events: [event], totals: [], watermarks: [], retired: 0 }
      const { value, checksum } = encodeEntry(logKey(version), head, commit)
      previous = checksum
      const batch = engine.batch()
      batch.put(logKey(version), value)
      await engine.write(batch, false)
    }
    const read = counting(engine)
    let expected = 1
    for await (const { entry } of readKept(read.engine, { version: 3000 }, 1)) {
      assert.is(entry.version, expected++)
    }
    assert.is(expected, 3001)
    assert.ok(read.most() < 3 * longest, `${read.most()} characters were read at once`)
    await engine.close()
  })
})

test('verify covers what is held', async () => {
  await withDirectory(async (parent) => {
    const [directory, checkpoints] = [join(parent, 'store'), join(parent, 'checkpoints')]
    let store = await openStore(directory, options)
    await store.checkpoint(checkpoints, { incremental: true })
    await fill(store, 900, 400)
    await store.close()
    const engine = await openClassicEngine(directory, checkOptions(options).engine, true)
    const [key, value] = (await engine.scan({ from: 'l', to: 'm', limit: 100 }).read())[50]!
    const batch = engine.batch()
    batch.put(key, value.replace('k', 'q'))
    await engine.write(batch, true)
    await engine.close()
    // Opening has no need of it; verify() has, and so has the next checkpoint.
    store = await openStore(directory, options)
    const findings = await store.verify()
    assert.equal(
      findings.map(({ space }) => space),
      ['log'],
    )
    assert.ok(findings[0]!.message.includes('51'), findings[0]!.message)
    const failed = await store.checkpoint(checkpoints, { incremental: true }).catch((error) => error)
    assert.is(failed.code, 'TIDEMARK_CORRUPT')
    assert.is((await store.checkpoint(checkpoints)).kind, 'full')
    await store.close()
  })
})

test.run()
