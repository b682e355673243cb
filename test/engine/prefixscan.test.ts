// Looking behind many prefixes at once answers as looking behind each of them would, in fewer trips where they lie together.

import { MemoryLevel } from 'memory-level'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Entry } from '../../src/engine/engine.ts'
import { scanPrefixes } from '../../src/engine/prefixscan.ts'
import { LONG_SEEK_MS } from '../../src/limits.ts'
import { compareStored } from '../../src/timer/text.ts'
import { randomFrom, seed } from '../support/random.ts'

/** A level that counts the trips of its iterators, with so many entries behind each key. */
async function levelOf(counts: ReadonlyMap<string, number>) {
  const level = new MemoryLevel<string, string>()
  const entries: Entry[] = []
  for (const [key, count] of counts)
    for (let i = 0; i < count; i++) entries.push([`${key}\0${String(i).padStart(3, '0')}`, `value ${i}`])
  await level.batch(entries.map(([key, value]) => ({ type: 'put' as const, key, value })))
  const trips = { count: 0 }
  const iterator = level.iterator.bind(level) as typeof level.iterator
  level.iterator = ((options: object) => {
    const made = iterator(options)
    const nextv = made.nextv.bind(made)
    made.nextv = ((size: number) => {
      trips.count++
      return nextv(size)
    }) as typeof made.nextv
    return made
  }) as typeof level.iterator
  entries.sort(([a], [b]) => compareStored(a, b))
  const behind = (prefix: string, limit: number) =>
    entries.filter(([key]) => key.startsWith(prefix)).slice(0, limit)
  return { level: level as never, trips, behind }
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `key ${String(i).padStart(6, '0')}`)
}

const everything = { limit: 65, maxBytes: Number.POSITIVE_INFINITY }

test('each prefix gets its entries, whatever order they are in, how often, and whichever is within another', async () => {
  for (let run = 0; run < 300; run++) {
    const random = randomFrom(seed + run)
    const below = (most: number) => Math.floor(random() * most)
    const names = ['a', 'b', 'ab', '\u{1f600}', '\uff61', '\uffff', 'z'.repeat(30)]
    const counts = new Map<string, number>()
    for (let i = below(200); i > 0; i--)
      counts.set(
        `${names[below(names.length)]}${below(40)}${below(2) === 0 ? '' : '\0n'}`,
        below(below(4) === 0 ? 80 : 3),
      )
    const { level, behind } = await levelOf(counts)
    const known = [...counts.keys(), ...names]
    const prefixes = Array.from({ length: below(300) }, () => {
      const name = known[below(known.length)] ?? 'a'
      return below(3) === 0 ? name : `${name}\0`
    })
    const limit = 1 + below(70)
    const hint = { entries: below(600) }
    const found = await scanPrefixes(level, prefixes, { ...everything, limit }, hint)
    const expected = prefixes.map((prefix) => behind(prefix, limit))
    assert.equal(found, expected, `SEED=${seed}, run ${run}`)
  }
})

test('where together they are too much, the first ones are there, whatever order they lie in', async () => {
  const keys = numbered(1000)
  const { level, behind } = await levelOf(new Map(keys.map((key) => [key, 1])))
  const random = randomFrom(seed)
  const prefixes = keys.map((key) => ({ key, place: random() })).sort((a, b) => a.place - b.place)
  const asked = prefixes.map(({ key }) => `${key}\0`)
  const [entry] = behind(asked[0]!, 1)
  const characters = entry![0].length + entry![1].length
  const found = await scanPrefixes(level, asked, { limit: 65, maxBytes: 100 * characters })
  let whole = 0
  for (; found[whole] !== undefined; whole++)
    assert.equal(found[whole], behind(asked[whole]!, 65), `SEED=${seed}`)
  assert.ok(whole >= 100, `${whole} from the first on`)
  const read = found.filter((entries) => entries !== undefined).length
  assert.ok(read < 250, `${read} were read`)
})

test('a failed read fails all, and leaves no iterator open', async () => {
  const { level } = await levelOf(new Map(numbered(100).map((key) => [key, 1])))
  const memory = level as MemoryLevel<string, string>
  const iterator = memory.iterator
  let made = 0
  memory.iterator = ((options: object) => {
    const one = iterator(options as never)
    if (++made === 2) one.nextv = () => Promise.reject(new Error('injected'))
    return one
  }) as never
  let message = ''
  await scanPrefixes(level, numbered(100), everything).catch((error: Error) => {
    message = error.message
  })
  assert.is(message, 'injected')
  await memory.close()
})

test('a read that fails after a seek took long fails all, and leaves no iterator open', async () => {
  const { level } = await levelOf(new Map(numbered(100).map((key) => [key, 1])))
  const memory = level as MemoryLevel<string, string>
  const iterator = memory.iterator
  let nowMs = 0
  let open = 0
  memory.iterator = ((options: { gte?: string }) => {
    const one = iterator(options as never)
    const close = one.close.bind(one)
    open++
    one.close = () => {
      open--
      return close()
    }
    if (options.gte?.includes('50')) one.nextv = () => Promise.reject(new Error('injected'))
    return one
  }) as never
  const scanned = scanPrefixes(level, numbered(100), everything, undefined, () => {
    nowMs += 2 * LONG_SEEK_MS
    return nowMs
  })
  let message = ''
  await scanned.catch((error: Error) => {
    message = error.message
  })
  assert.is(message, 'injected')
  assert.is(open, 0)
  await memory.close()
})

test('keys that lie together share trips; those that do not take one each', async () => {
  const keys = numbered(20_000)
  const { level, trips } = await levelOf(new Map(keys.map((key) => [key, 1])))
  const tripsFor = async (asked: readonly string[], hint = { entries: 0 }) => {
    trips.count = 0
    const found = await scanPrefixes(
      level,
      asked.map((key) => `${key}\0`),
      everything,
      hint,
      () => 0,
    )
    assert.is(found.flat().length, asked.length)
    return trips.count
  }
  const together = await tripsFor(keys.slice(5000, 6000))
  assert.ok(together < 30, `${together} trips for 1,000 keys in a row`)
  const hint = { entries: 0 }
  await tripsFor(keys.slice(5000, 6000), hint)
  const goingOn = await tripsFor(keys.slice(6000, 7000), hint)
  assert.ok(goingOn <= 8, `${goingOn} trips for the next 1,000`)
  const apartAfterwards = await tripsFor(
    keys.filter((_, i) => i % 20 === 0),
    hint,
  )
  assert.ok(
    apartAfterwards <= 1000 && hint.entries === 2,
    `${apartAfterwards} trips, ${hint.entries} entries`,
  )
  const inGroups = await tripsFor(keys.filter((_, i) => i % 160 < 8))
  assert.ok(inGroups < 300, `${inGroups} trips for 125 groups of 8 keys`)
  const apart = await tripsFor(keys.filter((_, i) => i % 20 === 0))
  assert.is(apart, 1000)
})

test('a seek that takes long, past what was deleted, is the last one on this thread', async () => {
  const keys = numbered(200)
  const { level, behind } = await levelOf(new Map(keys.map((key, i) => [key, i % 3])))
  const memory = level as MemoryLevel<string, string>
  const iterator = memory.iterator
  let seeks = 0
  let nowMs = 0
  memory.iterator = ((options: object) => {
    const one = iterator(options as never)
    const seek = one.seek.bind(one)
    one.seek = (target: string) => {
      seeks++
      nowMs += 2 * LONG_SEEK_MS
      seek(target)
    }
    return one
  }) as never
  const prefixes = keys.map((key) => `${key}\0`)
  const found = await scanPrefixes(level, prefixes, everything, undefined, () => nowMs)
  assert.equal(
    found,
    prefixes.map((prefix) => behind(prefix, everything.limit)),
  )
  assert.is(seeks, 1)
})

test.run()
