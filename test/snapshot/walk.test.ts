// What a walk sees of version s is what stood at s, whatever is written between any two of its views.

import { MemoryLevel } from 'memory-level'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LevelEngine, openClassicEngine } from '../../src/engine/classic.ts'
import type { Engine, Entry, ScanRange } from '../../src/engine/engine.ts'
import { SCAN_CHUNK_BYTES } from '../../src/limits.ts'
import { walkVisible } from '../../src/snapshot/walk.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import {
  makeStored,
  orderTextOf,
  retiredKey,
  retiredValue,
  type StoredTimer,
} from '../../src/timer/stored.ts'
import { compareStored, encodeTimestamp } from '../../src/timer/text.ts'
import { isNeeded } from '../../src/timer/visibility.ts'
import { randomFrom, seed } from '../support/random.ts'
import { withDirectory } from '../support/store.ts'

/** Whole numbers from 0 to below what is asked. */
function wholeNumbersFrom(start: number): (below: number) => number {
  const random = randomFrom(start)
  return (below) => Math.floor(random() * below)
}

/** An engine in memory that calls `onScan` before each view is opened, and `onRead` before it is read. */
class WatchedEngine extends LevelEngine {
  onScan: (space: string) => void = () => {}
  readonly opened: string[] = []
  readonly #level: MemoryLevel<string, string>

  constructor() {
    const level = new MemoryLevel<string, string>()
    super(level as never)
    this.#level = level
  }

  open(): Promise<void> {
    return this.#level.open()
  }

  override scan(range: ScanRange): { read(): Promise<Entry[]> } {
    const space = (range.from ?? range.after)![0]!
    this.onScan(space)
    this.opened.push(space)
    return super.scan(range)
  }

  /** Writes at once, so that it can happen between two views that are opened one after the other. */
  change(puts: [string, string][], dels: string[]): void {
    // memory-level's own batch is synchronous underneath; the promise only tells.
    const batch = [
      ...puts.map(([key, value]) => ({ type: 'put', key, value })),
      ...dels.map((key) => ({ type: 'del', key })),
    ]
    void this.#level.batch(batch as never)
  }
}

/** A store as the commits make it, and what stood at each version that somebody holds. */
class Model {
  readonly engine = new WatchedEngine()
  readonly live = new Map<string, StoredTimer>()
  readonly retired = new Map<string, { since: number; deleted: number }>()
  readonly running = new Map<number, Map<string, string>>()
  version = 1

  static async open(): Promise<Model> {
    const model = new Model()
    await model.engine.open()
    return model
  }

  /** One commit: registers, changes payloads, deletes; then purges what nobody needs. */
  commit(identities: readonly string[], random: (below: number) => number): void {
    const puts: [string, string][] = []
    const dels: string[] = []
    const running = [...this.running.keys()].sort((a, b) => a - b)
    const newest = running.at(-1) ?? 0
    identities.forEach((identity, place) => {
      const before = this.live.get(identity)
      const register = before === undefined || random(3) === 0
      if (before !== undefined && before.sinceVersion < newest) {
        const key = retiredKey(identity, before.sinceVersion)
        this.retired.set(key, { since: before.sinceVersion, deleted: this.version })
        puts.push([key, retiredValue(key, before, this.version)])
      }
      if (register) {
        const create = before?.createVersion ?? this.version
        const order = before?.orderText ?? orderTextOf(create, place)
        const timer = makeStored(identity, create, order, this.version, `"${random(1000)}"`)
        this.live.set(identity, timer)
        puts.push([identity, timer.value])
      } else {
        this.live.delete(identity)
        dels.push(identity)
      }
    })
    for (const [key, { since, deleted }] of this.retired) {
      if (random(2) === 0 || isNeeded(since, deleted, running)) continue
      if (puts.some(([put]) => put === key)) continue
      this.retired.delete(key)
      dels.push(key)
    }
    this.engine.change(puts, dels)
    this.version++
  }

  /** Takes a snapshot: the version of the next commit. */
  snapshot(): number {
    this.running.set(
      this.version,
      new Map(Array.from(this.live, ([identity, { value }]) => [identity, value])),
    )
    return this.version
  }
}

function identitiesOf(count: number, random: (below: number) => number): string[] {
  const queues = [queuePrefix(0, 'eventTime'), queuePrefix(0, 'processingTime'), queuePrefix(70, 'eventTime')]
  const keys = ['a', 'b', 'ab', '\u{1f600}', '\u{1f601}', '\uff61', '\uffff', 'z'.repeat(40)]
  const identities = new Set<string>()
  while (identities.size < count) {
    const key = keys[random(keys.length)]! + random(50)
    const prefix = keyPrefix(queues[random(queues.length)]!, random(5), key)
    identities.add(`${prefix}${random(2) === 0 ? '' : 'n'}\0${encodeTimestamp(random(4) - 2)}`)
  }
  return [...identities]
}

async function collect(engine: Engine, version: number, options = {}): Promise<Map<string, string>> {
  const seen = new Map<string, string>()
  let last = ''
  for await (const chunk of walkVisible(engine, version, options)) {
    assert.is(chunk.identities.length, chunk.count)
    for (let i = 0; i < chunk.count; i++) {
      const identity = chunk.identities[i]!
      assert.ok(compareStored(last, identity) < 0, `in order: ${JSON.stringify([last, identity])}`)
      last = identity
      seen.set(identity, chunk.values[i]!)
    }
  }
  return seen
}

function same(seen: Map<string, string>, expected: Map<string, string>, message: string): void {
  const sorted = (timers: Map<string, string>) =>
    [...timers].sort(([a], [b]) => compareStored(a, b)).map((timer) => timer.join(' '))
  assert.equal(sorted(seen), sorted(expected), message)
}

test('a walk sees what stood at its version, whatever happens between its views', async () => {
  for (let run = 0; run < 150; run++) {
    const random = wholeNumbersFrom(seed + run)
    const model = await Model.open()
    const identities = identitiesOf(20 + random(150), random)
    const some = (most: number) => {
      const chosen = new Set<string>()
      for (let i = random(most); i >= 0; i--) chosen.add(identities[random(identities.length)]!)
      return [...chosen]
    }
    for (let i = 0; i < 5; i++) model.commit(some(60), random)
    // Other snapshots come and go, so that one timer has several retired intervals.
    const versions = [model.snapshot()]
    for (let i = 0; i < 6; i++) {
      model.commit(some(40), random)
      if (random(2) === 0) versions.push(model.snapshot())
    }
    const version = versions[random(versions.length)]!
    model.engine.onScan = () => {
      if (random(2) === 0) model.commit(some(30), random)
      if (random(6) === 0) model.snapshot()
      const others = [...model.running.keys()].filter((other) => other !== version)
      if (random(6) === 0 && others.length > 0) model.running.delete(others[random(others.length)]!)
    }
    const seen = await collect(model.engine, version, { chunkEntries: 1 + random(12) })
    same(seen, model.running.get(version)!, `SEED=${seed}, run ${run}`)
  }
})

test('in each chunk the timers are viewed before the retired ones', async () => {
  const random = wholeNumbersFrom(5)
  const model = await Model.open()
  model.commit(identitiesOf(100, random), random)
  await collect(model.engine, model.snapshot(), { chunkEntries: 10 })
  assert.is(model.engine.opened.join(''), 'tr'.repeat(11))
})

test('no read takes more than its share of memory, also where long values follow short ones', async () => {
  await withDirectory(async (directory) => {
    const sizes = { cacheBytes: 2 ** 20, writeBufferBytes: 2 ** 22, maxFileBytes: 2 ** 22 }
    const engine = await openClassicEngine(directory, sizes, false)
    const random = wholeNumbersFrom(8)
    const identities = identitiesOf(2500, random).sort(compareStored)
    const expected = new Map<string, string>()
    for (const [i, identity] of identities.entries()) {
      const payload = i < 2000 ? '1' : `"${'x'.repeat(60_000)}"`
      const timer = makeStored(identity, 1, orderTextOf(1, 0), 1, payload)
      const batch = engine.batch()
      // Every other one was deleted after the version that is walked.
      const key = i % 2 === 0 ? identity : retiredKey(identity, 1)
      batch.put(key, i % 2 === 0 ? timer.value : retiredValue(key, timer, 2))
      await engine.write(batch, false)
      expected.set(identity, timer.value)
    }
    let most = 0
    const watched: Engine = Object.create(engine)
    watched.scan = (range) => {
      const scan = engine.scan(range)
      return {
        read: async () => {
          const entries = await scan.read()
          let bytes = 0
          for (const [key, value] of entries) bytes += key.length + value.length
          most = Math.max(most, bytes)
          return entries
        },
      }
    }
    same(await collect(watched, 2), expected, 'all')
    assert.ok(most < 1.2 * SCAN_CHUNK_BYTES, `${most} bytes in one read`)
    await engine.close()
  })
})

test('a range ends where it says, in both spaces', async () => {
  const random = wholeNumbersFrom(11)
  const model = await Model.open()
  const identities = identitiesOf(200, random)
  model.commit(identities, random)
  const version = model.snapshot()
  model.commit(identities.slice(0, 100), random)
  const all = model.running.get(version)!
  for (const [from, to] of [
    ['t', 't\u{10ffff}'],
    ['t--e', 't--p'],
    ['t--p', 't--q'],
    ['t--p--1', 't--p--3'],
    [identities[3]!, identities[40]!],
  ] as const) {
    const within = [...all].filter(([id]) => compareStored(id, from) >= 0 && compareStored(id, to) < 0)
    const seen = await collect(model.engine, version, { from, to, chunkEntries: 7 })
    same(seen, new Map(within), `${from} ${to}`)
  }
})

test('nothing, only live, only retired, and more retired than a chunk', async () => {
  const random = wholeNumbersFrom(3)
  const model = await Model.open()
  assert.is((await collect(model.engine, 1)).size, 0)
  const identities = identitiesOf(300, random)
  model.commit(identities, random)
  const version = model.snapshot()
  assert.is((await collect(model.engine, version, { chunkEntries: 100 })).size, 300)
  for (const identity of identities) {
    while (model.live.has(identity)) model.commit([identity], random)
  }
  assert.is(model.live.size, 0)
  for (const chunkEntries of [1, 7, 299, 300, 301, 4000]) {
    same(
      await collect(model.engine, version, { chunkEntries }),
      model.running.get(version)!,
      `${chunkEntries}`,
    )
  }
  assert.is((await collect(model.engine, model.version)).size, 0)
})

test('the many intervals of one timer straddle chunks', async () => {
  const random = wholeNumbersFrom(9)
  const model = await Model.open()
  const identities = identitiesOf(3, random)
  model.commit(identities, random)
  for (let i = 0; i < 60; i++) {
    model.snapshot()
    model.commit([identities[1]!], random)
  }
  for (const version of model.running.keys()) {
    const seen = await collect(model.engine, version, { chunkEntries: 4 })
    same(seen, model.running.get(version)!, `version ${version}`)
  }
})

test('damage is found, and named', async () => {
  const model = await Model.open()
  const random = wholeNumbersFrom(2)
  const identities = identitiesOf(20, random)
  model.commit(identities, random)
  const version = model.snapshot()
  model.commit(identities.slice(0, 5), random)
  const stored: [string, string][] = []
  for (const space of ['t', 'r']) {
    const entries = await model.engine.scan({ from: space, to: `${space}\u{10ffff}`, limit: 100 }).read()
    for (const entry of entries) stored.push([...entry])
  }
  for (const [key, value] of stored) {
    for (const at of [0, 1, value.length >> 1, value.length - 1]) {
      const other = value[at] === 'x' ? 'y' : 'x'
      model.engine.change([[key, value.slice(0, at) + other + value.slice(at + 1)]], [])
      let code = ''
      try {
        await collect(model.engine, version, { chunkEntries: 5 })
      } catch (error) {
        code = (error as { code: string }).code
        assert.ok((error as Error).message.includes(JSON.stringify(key)), (error as Error).message)
      }
      assert.is(code, 'TIDEMARK_CORRUPT')
    }
    model.engine.change([[key, value]], [])
  }
  same(await collect(model.engine, version), model.running.get(version)!, 'mended')
})

test('a walk can be left in the middle', async () => {
  const model = await Model.open()
  const random = wholeNumbersFrom(4)
  model.commit(identitiesOf(100, random), random)
  for await (const chunk of walkVisible(model.engine, model.snapshot(), { chunkEntries: 10 })) {
    assert.is(chunk.count, 10)
    break
  }
  await model.engine.close()
})

test.run()
