// What is recent as bytes: texts come back as they were added, identities are found by text and by key, and room is used again.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hashOf, IdentityTable } from '../../src/log/identitytable.ts'
import { FIRST_PLACE, TextArena } from '../../src/log/textarena.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { randomFrom, seed } from '../support/random.ts'

const QUEUE = queuePrefix(0, 'eventTime')
const MIB = 1024 * 1024

/** Texts of all widths and lengths; some fill several chunks. */
function randomTexts(random: () => number, count: number): string[] {
  const below = (most: number) => Math.floor(random() * most)
  const characters = ['a', '\0', '\u007f', '\u00ff', '\u0100', '\ud83d\ude00', '\uffff']
  return Array.from({ length: count }, () => {
    const length = below(20) === 0 ? below(300_000) : below(60)
    const character = characters[below(characters.length)]!
    return `${'x'.repeat(below(9))}${character.repeat(length)}`
  })
}

test('texts of one and of two bytes a character come back as they were, one by one and read in a row', () => {
  const arena = new TextArena()
  for (let run = 0; run < 4; run++) {
    const texts = randomTexts(randomFrom(seed + run), 400)
    const places = texts.map((text) => arena.add(text))
    assert.ok(places.every((place) => place >= FIRST_PLACE))
    const reader = arena.reader()
    for (const [i, text] of texts.entries()) {
      const place = places[i]!
      assert.ok(arena.text(place) === text)
      assert.ok(reader.next(place) === text)
      assert.ok(reader.text(places[(i * 7) % places.length]!) === texts[(i * 7) % texts.length]!)
      assert.ok(arena.startsWith(place, text.slice(0, 3)))
      assert.is(arena.startsWith(place, text.slice(0, 3), true), text.length <= 3)
      assert.not(arena.startsWith(place, `${text}.`))
      assert.not(arena.startsWith(place, `\u0101${text}`.slice(0, text.length || 1)))
      const other = texts[(i + 1) % texts.length]!
      const expected = text < other ? -1 : text > other ? 1 : 0
      assert.is(Math.sign(arena.compare(place, places[(i + 1) % places.length]!)), expected)
    }
    arena.clear()
  }
})

test('a text of two bytes a character comes back also where a chunk has room for half of it', () => {
  for (let gap = 0; gap < 150; gap += 4) {
    const arena = new TextArena()
    // With the header of each, and what is before the first, so much of the first chunk is left.
    const filler = 'x'.repeat(MIB - FIRST_PLACE * 4 - 4 - gap)
    const wide = `${'a'.repeat(30)}\u2603${'b'.repeat(30)}`
    const texts = [filler, wide, 'behind it', wide]
    const places = texts.map((text) => arena.add(text))
    assert.ok(texts.every((text, i) => arena.text(places[i]!) === text))
    assert.ok(arena.startsWith(places[1]!, wide, true))
  }
})

test('an arena takes little more than its texts, and the same again when it was cleared', () => {
  const arena = new TextArena()
  const text = 'x'.repeat(60)
  const fill = () => {
    for (let i = 0; i < 100_000; i++) arena.add(text)
    return arena.bytes
  }
  const bytes = fill()
  assert.ok(bytes > 6_400_000 && bytes < 6_500_000, `${bytes} bytes`)
  const { arrayBuffers } = process.memoryUsage()
  for (let i = 0; i < 20; i++) {
    arena.clear()
    assert.is(fill(), bytes)
  }
  assert.ok(process.memoryUsage().arrayBuffers - arrayBuffers < 2 * MIB)
})

test('identities are found by their text, and those that are shown by their key, however many came and went', () => {
  const arena = new TextArena()
  const table = new IdentityTable(arena)
  for (let run = 0; run < 3; run++) {
    const random = randomFrom(seed + run)
    const below = (most: number) => Math.floor(random() * most)
    const numbers = new Map<string, number>()
    const shown = new Set<string>()
    const prefixes = Array.from({ length: 300 }, (_, i) =>
      keyPrefix(QUEUE, i % 128, i % 7 === 0 ? `kéy ${i} ☃` : `key ${i}`),
    )
    for (let step = 0; step < 6000; step++) {
      // One key has most of them.
      const prefix = prefixes[below(3) === 0 ? 0 : below(prefixes.length)]!
      const identity = `${prefix}\0${encodeTimestamp(below(500))}`
      const known = table.find(identity, hashOf(identity))
      assert.is(known, numbers.get(identity))
      if (known === undefined) numbers.set(identity, table.add(identity, hashOf(identity), hashOf(prefix)))
      else if (shown.has(identity)) table.hide(known)
      else table.show(known)
      if (!shown.delete(identity)) shown.add(identity)
    }
    assert.is(table.size, numbers.size)
    for (const [identity, id] of numbers) assert.is(arena.text(table.place(id)), identity)
    for (const prefix of prefixes) {
      const numbers: number[] = []
      numbers.length = table.numbersBehind(prefix, hashOf(prefix), numbers)
      const found = numbers.map((id) => arena.text(table.place(id)))
      const expected = [...shown].filter((identity) => identity.startsWith(prefix))
      assert.equal(found.sort(), expected.sort(), `seed ${seed + run}`)
    }
    table.clear()
    arena.clear()
  }
})

test('those of a namespace are found among few and among many of their key, whatever came and went', () => {
  const random = randomFrom(seed)
  const below = (most: number) => Math.floor(random() * most)
  const arena = new TextArena()
  const table = new IdentityTable(arena)
  const shown = new Map<string, number>()
  const [few, many] = ['few', 'mäny ☃'].map((key) => keyPrefix(QUEUE, 5, key)) as [string, string]
  const assertFound = (key: string, namespace: string) => {
    const prefix = `${key}${namespace}`
    // What a question before left behind its numbers is not among them.
    const numbers = [-1, -1, -1]
    numbers.length = table.numbersBehind(prefix, hashOf(key), numbers)
    const found = numbers.map((id) => arena.text(table.place(id)))
    const expected = [...shown.keys()].filter((identity) => identity.startsWith(prefix))
    assert.equal(found.sort(), expected.sort(), `seed ${seed}`)
  }
  for (let round = 0; round < 2; round++) {
    for (let step = 0; step < 4000; step++) {
      const key = below(20) === 0 ? few : many
      const namespace = `n${below(key === few ? 3 : 200)}\0`
      const identity = `${key}${namespace}${encodeTimestamp(below(3))}`
      const known = table.find(identity, hashOf(identity))
      if (known === undefined) shown.set(identity, table.add(identity, hashOf(identity), hashOf(key)))
      else if (shown.delete(identity)) table.hide(known)
      else {
        table.show(known)
        shown.set(identity, known)
      }
      if (below(20) === 0) assertFound(key, namespace)
      if (below(200) === 0) assertFound(key, '')
    }
    shown.clear()
    table.clear()
    arena.clear()
  }
})

test('identities that differ little are spread over the chains', () => {
  const count = 65_536
  const draws = 16
  let pairs = 0
  // The same numbers farther back are multiplied by others: a draw of its own. One alone may well have twice the pairs.
  for (let draw = 0; draw < draws; draw++) {
    const prefix = keyPrefix(QUEUE, 5, '.'.repeat(6 * draw))
    const sizes = new Uint16Array(count)
    for (let i = 0; i < count; i++) pairs += sizes[hashOf(`${prefix}${10_000 + i}\0`) % count]!++
  }
  // Half as many pairs share a chain as there are identities, where each falls anywhere.
  const expected = (draws * count) / 2
  assert.ok(pairs < 3 * expected, `${pairs} pairs share a chain, and ${expected} would`)
})

test('keys that are chosen to meet in one chain, whatever is drawn, do not', () => {
  // They did where a hash multiplied and shifted one number: a difference in its highest bit stays that, and can be undone.
  const blocks = ['\u4e00\u4e01\u4e02\u4e04', '\u4e00\uce01\u4e02\uce05']
  const hashes = new Set<number>()
  for (let n = 0; n < 4096; n++)
    hashes.add(
      hashOf(`t--p--hx${Array.from({ length: 12 }, (_, i) => blocks[(n >> i) & 1]).join('')}\0`) % 4096,
    )
  assert.ok(hashes.size > 0.5 * 4096, `${hashes.size} chains for 4096 keys`)
})

test.run()
