// timeout: 600s
// Rescale: the parts of what m stores hold are restored as n stores, and together they hold what those held, nothing twice.

import { readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { Translation } from '../../src/checkpoint/translation.ts'
import { openClassicEngine } from '../../src/engine/classic.ts'
import {
  type KeyGroupRange,
  keyGroupOf,
  keyGroupRange,
  type TidemarkError,
  TimerStore,
} from '../../src/index.ts'
import { checkOptions } from '../../src/options.ts'
import { ManualClock } from '../../src/testing.ts'
import { unescapePart } from '../../src/timer/identity.ts'
import { orderTextOf, parseStored, payloadText, placeOf } from '../../src/timer/stored.ts'
import { decodeDigits, decodeTimestamp } from '../../src/timer/text.ts'
import { randomFrom, seed } from '../support/random.ts'
import { rejects } from '../support/refusals.ts'
import { inStore, openStore, type Store, withDirectory } from '../support/store.ts'
import { keyGroupIn } from './history.ts'
import { Life, lifeDefinition, lifeKeys, lifeNames } from './life.ts'

const maxParallelism = 16
const firstWatermark = -(2 ** 53 - 1)

interface Timer {
  /** Service, domain, and identity behind them. */
  name: string
  queue: string
  keyGroup: number
  timestamp: number
  payload: string
  createVersion: number
  sinceVersion: number
  place: number
}

/** What a closed store holds. */
interface Content {
  timers: Timer[]
  watermarks: Record<string, number>
  /** Version of the next commit. */
  version: number
}

interface Source {
  directory: string
  keyGroups: KeyGroupRange
  /** A file, or the directory of a chain. */
  checkpoint: string
  content: Content
}

async function contentOf(directory: string): Promise<Content> {
  const { services, version } = await inStore(directory, {}, async (store) => store.stats())
  const engine = await openClassicEngine(directory, checkOptions({}).engine, true)
  const entries = await engine.scan({ from: 't', to: 'u', limit: 1_000_000 }).read()
  const records = await engine.scan({ from: 'm-', to: 'm.', limit: 5000 }).read()
  await engine.close()
  const names = records.map(([, value]) => unescapePart(value.slice(0, value.indexOf('\0'))))
  const timers = entries.map(([identity, value]): Timer => {
    const stored = parseStored(identity, value)!
    const queue = `${names[decodeDigits(identity, 1, 2)]} ${identity[3]}`
    return {
      name: `${queue} ${identity.slice(4)}`,
      queue,
      keyGroup: keyGroupIn(identity),
      timestamp: decodeTimestamp(identity, identity.length - 9),
      payload: payloadText(stored),
      createVersion: stored.createVersion,
      sinceVersion: stored.sinceVersion,
      place: placeOf(stored),
    }
  })
  const watermarks = Object.fromEntries(
    Object.entries(services).map(([name, { watermark }]) => [name, watermark]),
  )
  return { timers, watermarks, version: version + 1 }
}

/** What is the same of a timer wherever it is. */
function lines(timers: readonly Timer[]): string[] {
  return timers
    .map(({ name, payload, createVersion, sinceVersion }) =>
      JSON.stringify([name, payload, createVersion, sinceVersion]),
    )
    .sort()
}

function inside({ start, end }: KeyGroupRange) {
  return ({ keyGroup }: Timer) => keyGroup >= start && keyGroup <= end
}

/** The names of a store's timers in the order in which they fire, queue by queue. */
function dueOrder(timers: readonly Timer[]): string[] {
  return [...timers]
    .sort(
      (a, b) =>
        a.queue.localeCompare(b.queue) ||
        a.timestamp - b.timestamp ||
        a.createVersion - b.createVersion ||
        a.place - b.place,
    )
    .map(({ name }) => name)
}

function keysIn({ start, end }: KeyGroupRange): string[] {
  const keys = [...lifeKeys, ...Array.from({ length: 100 }, (_, i) => `more ${i}`)]
  return keys.filter(
    (key) => keyGroupOf(key, maxParallelism) >= start && keyGroupOf(key, maxParallelism) <= end,
  )
}

let lives = 0

/** Opens a store, lets it live by itself, takes a checkpoint of one kind or another, and closes it. */
async function live(directory: string, keyGroups: KeyGroupRange, steps: number): Promise<Source> {
  const number = lives++
  const random = randomFrom(seed + number)
  const clock = new ManualClock(1000 * number)
  const store = await openStore(directory, { clock, maxParallelism })
  // New services come in another order in each.
  const names = [lifeNames[0]!, ...lifeNames.slice(1).sort(() => random() - 0.5), `only ${number % 3}`]
  const life = await Life.of(store, clock, random, { keys: keysIn(keyGroups), names })
  const checkpoints = `${directory}-checkpoints`
  await life.steps(steps)
  // A chain of several files for some, a full checkpoint for others.
  for (let links = number % 3; links > 0; links--) {
    await store.checkpoint(checkpoints, { incremental: true })
    await life.steps(2)
  }
  await life.rest()
  const incremental = number % 3 > 0
  const { path, kind } = await store.checkpoint(checkpoints, { incremental, savepoint: number % 6 === 3 })
  assert.is(kind === 'incremental', incremental)
  await store.close()
  const checkpoint = number % 2 === 0 ? path : checkpoints
  return { directory, keyGroups, checkpoint, content: await contentOf(directory) }
}

async function remove(...sources: Source[]): Promise<void> {
  for (const { directory } of sources) {
    await rm(directory, { recursive: true, force: true })
    await rm(`${directory}-checkpoints`, { recursive: true, force: true })
  }
}

/** Restores the part of one of n instances, and holds it against the sources. */
async function restorePart(
  sources: readonly Source[],
  directory: string,
  keyGroups: KeyGroupRange,
): Promise<Content> {
  const places = sources.map(({ checkpoint }) => checkpoint)
  // In any order.
  if (lives % 2 === 0) places.reverse()
  const summary = await TimerStore.restore(places, directory, { keyGroups })
  const content = await contentOf(directory)
  const overlapping = sources.filter(
    (source) => source.keyGroups.start <= keyGroups.end && source.keyGroups.end >= keyGroups.start,
  )
  const expected = overlapping.flatMap((source) => source.content.timers).filter(inside(keyGroups))
  assert.equal(lines(content.timers), lines(expected))
  const version = Math.max(...overlapping.map((source) => source.content.version))
  assert.is(content.version, version)
  const watermarks: Record<string, number> = {}
  for (const source of overlapping) {
    for (const [name, watermark] of Object.entries(source.content.watermarks)) {
      const known = Object.hasOwn(watermarks, name) ? watermarks[name]! : watermark
      Object.defineProperty(watermarks, name, {
        value: Math.min(known, watermark),
        enumerable: true,
        configurable: true,
      })
    }
  }
  assert.equal(Object.entries(content.watermarks).sort(), Object.entries(watermarks).sort())
  for (const source of overlapping) {
    const own = new Set(source.content.timers.filter(inside(keyGroups)).map(({ name }) => name))
    const order = (timers: readonly Timer[]) => dueOrder(timers).filter((name) => own.has(name))
    assert.equal(order(content.timers), order(source.content.timers))
  }
  const { timers, services } = summary
  assert.equal(
    { timers, version: summary.version, keyGroups: summary.keyGroups, services: [...services].sort() },
    { timers: content.timers.length, version, keyGroups, services: Object.keys(content.watermarks).sort() },
  )
  assert.is(summary.checkpoints.length, sources.length)
  return content
}

/** A store takes the keys of its own key groups, and no other. */
async function refusesForeign(directory: string, { start, end }: KeyGroupRange): Promise<void> {
  const store = await openStore(directory)
  const { eventTime, processingTime } = await store.service('orders', lifeDefinition)
  for (let i = 0; i < 60; i++) {
    const key = `another ${i}`
    const keyGroup = keyGroupOf(key, maxParallelism)
    const timer = { key, timestamp: 1e12 }
    const calls = [
      () => eventTime.register(timer),
      () => processingTime.registerMany([timer]),
      () => eventTime.delete(timer),
      () => eventTime.has(timer),
      () => eventTime.deleteAll({ key }),
      () => eventTime.replace(timer),
    ]
    const call = calls[i % calls.length]!
    if (keyGroup >= start && keyGroup <= end) await call()
    else await rejects(call, 'TIDEMARK_KEY_GROUP_OUT_OF_RANGE', key, String(keyGroup), `${start} to ${end}`)
  }
  await store.close()
}

/** One store with a past, as a savepoint. */
async function beginning(parent: string): Promise<Source> {
  const all = { start: 0, end: maxParallelism - 1 }
  return live(join(parent, 'beginning'), all, 30)
}

/** m stores, each restored for its part of one, and then living by itself. */
async function sourcesOf(parent: string, of: Source, m: number): Promise<Source[]> {
  const sources: Source[] = []
  for (let i = 0; i < m; i++) {
    const keyGroups = keyGroupRange(maxParallelism, m, i)
    const directory = join(parent, `source-${i}-of-${m}`)
    await TimerStore.restore(of.checkpoint, directory, { keyGroups })
    sources.push(await live(directory, keyGroups, 8))
  }
  return sources
}

for (let m = 1; m <= 8; m++) {
  test(`${m} stores become 1 to 8: together they hold the same, none twice, and none takes a foreign key`, async () => {
    await withDirectory(async (parent) => {
      const sources = await sourcesOf(parent, await beginning(parent), m)
      const union = lines(sources.flatMap(({ content }) => content.timers))
      assert.is(
        new Set(sources.flatMap(({ content }) => content.timers.map(({ name }) => name))).size,
        union.length,
      )
      for (let n = 1; n <= 8; n++) {
        const parts: Timer[] = []
        for (let j = 0; j < n; j++) {
          const keyGroups = keyGroupRange(maxParallelism, n, j)
          const directory = join(parent, `part-${j}-of-${n}`)
          parts.push(...(await restorePart(sources, directory, keyGroups)).timers)
          await refusesForeign(directory, keyGroups)
          await rm(directory, { recursive: true })
        }
        assert.equal(lines(parts), union, `${m} to ${n}`)
      }
    })
  })
}

test('parts live on, are checkpointed and rescaled again and again', async () => {
  await withDirectory(async (parent) => {
    let sources = [await beginning(parent)]
    for (const [round, n] of [2, 3, 1, 4, 8, 5, 1, 7].entries()) {
      const next: Source[] = []
      const union = lines(sources.flatMap(({ content }) => content.timers))
      const parts: Timer[] = []
      for (let j = 0; j < n; j++) {
        const keyGroups = keyGroupRange(maxParallelism, n, j)
        const directory = join(parent, `round-${round}-${j}`)
        parts.push(...(await restorePart(sources, directory, keyGroups)).timers)
        next.push(await live(directory, keyGroups, 6))
      }
      assert.equal(lines(parts), union)
      await remove(...sources)
      sources = next
    }
  })
})

test('timers of one timestamp fire in each source’s order, and their services below the lowest watermark', async () => {
  await withDirectory(async (parent) => {
    const [a, b] = [join(parent, 'a'), join(parent, 'b')]
    const all = await openStore(join(parent, 'all'), { maxParallelism })
    await (await all.service('orders')).eventTime.register({ key: 'first', timestamp: 5 })
    const { path } = await all.checkpoint(join(parent, 'checkpoints'))
    await all.close()
    const halves = [keyGroupRange(maxParallelism, 2, 0), keyGroupRange(maxParallelism, 2, 1)]
    const expected: string[][] = []
    for (const [i, directory] of [a, b].entries()) {
      await TimerStore.restore(path, directory, { keyGroups: halves[i]! })
      const store = await openStore(directory)
      const { eventTime, advanceWatermark: _, ...rest } = await store.service('orders')
      void rest
      const keys = keysIn(halves[i]!).slice(0, 12)
      // Two commits, the later keys first.
      await eventTime.registerMany(keys.slice(6).map((key) => ({ key, timestamp: 10 })))
      await eventTime.registerMany(keys.slice(0, 6).map((key) => ({ key, timestamp: 10 })))
      expected.push([...keys.slice(6), ...keys.slice(0, 6)])
      await (await store.service('orders')).advanceWatermark(i === 0 ? 9 : 7)
      await store.checkpoint(`${directory}-checkpoints`)
      await store.close()
    }
    const merged = join(parent, 'merged')
    await TimerStore.restore([`${b}-checkpoints`, `${a}-checkpoints`], merged)
    await inStore(merged, {}, async (store) => {
      const fired: string[] = []
      const orders = await store.service('orders', { onEventTime: ({ key }) => void fired.push(key) })
      assert.is(orders.currentWatermark, 7)
      await orders.advanceWatermark(10)
      assert.is(fired.length, 25)
      assert.is(fired[0], 'first')
      for (const keys of expected)
        assert.equal(
          fired.filter((key) => keys.includes(key)),
          keys,
        )
    })
  })
})

test('a service that only some know has their lowest watermark', async () => {
  await withDirectory(async (parent) => {
    const checkpoints: string[] = []
    for (let i = 0; i < 3; i++) {
      const directory = join(parent, `${i}`)
      await emptyPart(parent, directory, keyGroupRange(maxParallelism, 3, i))
      const store = await openStore(directory)
      if (i > 0) await (await store.service('some')).advanceWatermark(100 * i)
      await store.service(`own ${i}`)
      checkpoints.push((await store.checkpoint(join(parent, 'checkpoints'))).path)
      await store.close()
    }
    await TimerStore.restore(checkpoints, join(parent, 'merged'))
    const { services } = await inStore(join(parent, 'merged'), {}, async (store) => store.stats())
    const watermarks = Object.entries(services).map(([name, { watermark }]) => [name, watermark])
    assert.equal(Object.fromEntries(watermarks), {
      'own 0': firstWatermark,
      some: 100,
      'own 1': firstWatermark,
      'own 2': firstWatermark,
    })
  })
})

/** An empty store for a range of key groups. */
async function emptyPart(
  parent: string,
  directory: string,
  keyGroups: KeyGroupRange,
  parallelism = maxParallelism,
): Promise<void> {
  const name = join(parent, `empty-${parallelism}`)
  if (!(await readdir(parent)).includes(`empty-${parallelism}`)) {
    const store = await openStore(`${name}-store`, { maxParallelism: parallelism })
    await store.checkpoint(name)
    await store.close()
  }
  await TimerStore.restore(name, directory, { keyGroups })
}

async function checkpointOf(
  parent: string,
  keyGroups: KeyGroupRange,
  use: (store: Store) => Promise<unknown> = async () => {},
  parallelism = maxParallelism,
): Promise<string> {
  const directory = join(parent, `of-${lives++}`)
  await emptyPart(parent, directory, keyGroups, parallelism)
  const store = await openStore(directory)
  await use(store)
  const { path } = await store.checkpoint(`${directory}-checkpoints`)
  await store.close()
  return path
}

test('numbers of services that are free do not become more from one rescale to the next', async () => {
  await withDirectory(async (parent) => {
    const definition = (payload: z.ZodType) => ({
      payload,
      migrate: ({ key }: { key: unknown }) => ({ key }) as never,
    })
    const numbersIn = async (directory: string) => {
      const engine = await openClassicEngine(directory, checkOptions({}).engine, true)
      const records = await engine.scan({ from: 'm-', to: 'm.', limit: 5000 }).read()
      await engine.close()
      return records.length
    }
    await emptyPart(parent, join(parent, 'whole'), { start: 0, end: 15 })
    let sources = [join(parent, 'empty-16')]
    for (const [round, n] of [3, 2, 4, 1, 5].entries()) {
      const next: string[] = []
      for (let j = 0; j < n; j++) {
        const directory = join(parent, `${round}-${j}`)
        const keyGroups = keyGroupRange(maxParallelism, n, j)
        await TimerStore.restore(sources, directory, { keyGroups })
        for (const [schema, payload] of [
          [z.string().optional(), 'text'],
          [z.int().optional(), 1],
        ] as const) {
          const store = await openStore(directory)
          for (const name of ['a', 'b']) {
            const { eventTime } = await store.service(name, definition(schema))
            await eventTime.register({ key: keysIn(keyGroups)[0]!, timestamp: round, payload } as never)
          }
          await store.checkpoint(`${directory}-checkpoints`, { incremental: true })
          await store.close()
        }
        assert.ok((await numbersIn(directory)) <= 4, `${await numbersIn(directory)} numbers`)
        next.push(`${directory}-checkpoints`)
      }
      sources = next
    }
  })
})

test('a number that one service left to another in the middle of a chain tells them apart', async () => {
  await withDirectory(async (parent) => {
    const sources: Source[] = []
    for (let i = 0; i < 3; i++) {
      const keyGroups = keyGroupRange(maxParallelism, 3, i)
      const directory = join(parent, `${i}`)
      await emptyPart(parent, directory, keyGroups)
      const checkpoint = `${directory}-checkpoints`
      const timers = (timestamp: number) => keysIn(keyGroups).map((key) => ({ key, timestamp }))
      let store = await openStore(directory)
      await (await store.service('a')).eventTime.registerMany(timers(1))
      await (await store.service('b')).eventTime.registerMany(timers(1))
      await store.checkpoint(checkpoint, { incremental: true })
      await store.close()
      if (i < 2) {
        store = await openStore(directory)
        // The same timers of another service, under the number that the first had.
        const a = await store.service('a', {
          payload: z.int(),
          migrate: ({ key }) => ({ key, payload: i }) as never,
        })
        const later = await store.service('later')
        await later.eventTime.registerMany(timers(1))
        await a.eventTime.deleteAll({ key: keysIn(keyGroups)[0]! })
        await store.checkpoint(checkpoint, { incremental: true })
        await store.close()
      }
      sources.push({ directory, keyGroups, checkpoint, content: await contentOf(directory) })
    }
    // The third has its timers without a payload.
    for (const n of [1, 2]) {
      for (let j = 0; j < n; j++) {
        const directory = join(parent, `part-${j}-of-${n}`)
        const range = { start: 0, end: sources[1]!.keyGroups.end }
        const keyGroups = n === 1 ? range : { start: j * 4, end: j * 4 + 3 }
        await restorePart(sources, directory, keyGroups)
      }
    }
    const restoring = TimerStore.restore(
      sources.map(({ checkpoint }) => checkpoint),
      join(parent, 'all'),
    )
    await rejects(restoring, 'TIDEMARK_SERVICE_MISMATCH', "'a'")
  })
})

test('what cannot be one store is refused, and nothing stays', async () => {
  await withDirectory(async (parent) => {
    const range = (start: number, end: number) => ({ start, end })
    const low = await checkpointOf(parent, range(0, 4))
    const middle = await checkpointOf(parent, range(5, 9))
    const over = await checkpointOf(parent, range(9, 15))
    const high = await checkpointOf(parent, range(10, 15))
    const other = await checkpointOf(parent, range(16, 31), undefined, 32)
    const target = join(parent, 'target')
    const before = (await readdir(parent)).sort()
    const refuse = async (
      paths: string[],
      keyGroups: KeyGroupRange | undefined,
      code: never,
      ...says: string[]
    ) => {
      for (const places of [paths, [...paths].reverse()]) {
        const restoring = TimerStore.restore(places, target, keyGroups === undefined ? {} : { keyGroups })
        await rejects(restoring, code, ...says)
      }
      assert.equal((await readdir(parent)).sort(), before)
    }
    const [invalid, outOfRange] = ['TIDEMARK_INVALID_ARGUMENT', 'TIDEMARK_KEY_GROUP_OUT_OF_RANGE'] as never[]
    // Overlaps, also beside what is wanted.
    await refuse([low, middle, over], undefined, invalid!, over)
    await refuse([low, middle, over], range(0, 3), invalid!, over)
    await refuse([low, low], undefined, invalid!, low)
    await refuse([low, dirname(low)], undefined, invalid!, low)
    // Gaps, and what lies beside all of them.
    await refuse([low, high], undefined, outOfRange!, '5 to 9')
    await refuse([low, high], range(3, 5), outOfRange!, '5 to 9')
    await refuse([low, high], range(9, 15), outOfRange!, '5 to 9')
    await refuse([low, middle], range(0, 10), outOfRange!, '0 to 9')
    await refuse([middle, high], range(4, 12), outOfRange!, '5 to 15')
    await refuse([middle, high], range(-1, 7), outOfRange!)
    await refuse([middle, high], range(7, 6), outOfRange!)
    await refuse([low, middle], range(0.5, 7), invalid!)
    await refuse([low, high], null as never, invalid!)
    await refuse([low, high], { start: '0' } as never, invalid!)
    // Another max parallelism.
    await refuse([low, middle, high, other], undefined, invalid!, '16', '32')
    // Not even one.
    await refuse([], undefined, invalid!, 'checkpointPath')
    await refuse([low, ''], undefined, invalid!, 'checkpointPath')
    await refuse([low, join(parent, 'none')], undefined, 'TIDEMARK_CHECKPOINT_NOT_FOUND' as never, 'none')
    // A gap that nobody asks for is no harm.
    for (const wanted of [range(0, 4), range(1, 2), range(10, 15), range(12, 12)]) {
      await TimerStore.restore([high, low], target, { keyGroups: wanted })
      await rm(target, { recursive: true })
    }
  })
})

test('a service that has other schemas in another source is refused, and both are shown', async () => {
  await withDirectory(async (parent) => {
    const low = await checkpointOf(parent, { start: 0, end: 7 }, (store) => store.service('orders'))
    const high = await checkpointOf(parent, { start: 8, end: 15 }, async (store) => {
      await store.service('mine')
      await store.service('orders', { payload: z.object({ n: z.int() }).optional() })
    })
    const target = join(parent, 'target')
    const restoring = TimerStore.restore([low, high], target)
    await rejects(restoring, 'TIDEMARK_SERVICE_MISMATCH', "'orders'", '"integer"')
    assert.not((await readdir(parent)).includes('target'))
    // Where only one of them is needed, nothing differs.
    await TimerStore.restore([low, high], target, { keyGroups: { start: 8, end: 12 } })
    await inStore(target, {}, async (store) => {
      assert.equal(Object.keys(store.stats().services), ['mine', 'orders'])
    })
  })
})

test('a place that cannot grow any more is refused, and never shared', () => {
  const last = 2 ** 53 - 1
  const translation = new Translation(1, 8, [0])
  assert.is(translation.order(5, 3), orderTextOf(5, 25))
  assert.is(translation.order(5, (last - 7) / 8), orderTextOf(5, last - 6))
  assert.throws(
    () => translation.order(5, (last + 1) / 8),
    (error: TidemarkError) => error.code === 'TIDEMARK_FAILED' && error.message.includes('one by one'),
  )
  // One source alone keeps what it has.
  assert.is(new Translation(0, 1, [0]).order(5, last), orderTextOf(5, last))
})

test.run()
