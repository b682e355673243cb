// Recent timers of a queue, a page at a time: in firing order, each that stands once, none that went.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MIN_TIMESTAMP } from '../../src/limits.ts'
import { type DuePosition, DueRuns, type TimerTexts } from '../../src/log/dueruns.ts'
import { ServiceState } from '../../src/log/state.ts'
import { keyPrefix } from '../../src/timer/identity.ts'
import { makeStored, orderTextOf } from '../../src/timer/stored.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { randomFrom, seed } from '../support/random.ts'

const { eventTime: queue } = new ServiceState(0, 'service', '{}')
const START: DuePosition = { timestamp: MIN_TIMESTAMP, orderText: '' }

/** Timers as their table has them: each put once, so that a value has its timer's number. */
class Texts implements TimerTexts {
  readonly runs = new DueRuns(this, [])
  readonly standing = new Set<number>()
  readonly #identities: string[] = []
  readonly #values: string[] = []
  /** How often somebody asked whether one stands. */
  asked = 0

  /** Registers a timer; returns its number. */
  add(timestamp: number, version: number): number {
    const id = this.#identities.length
    const identity = `${keyPrefix(queue.prefix, 0, `timer ${version}`)}\0${encodeTimestamp(timestamp)}`
    this.#identities.push(identity)
    this.#values.push(makeStored(identity, version, orderTextOf(version, 0), version, '').value)
    this.standing.add(id)
    this.runs.add(id, id, timestamp)
    return id
  }

  remove(id: number): void {
    this.standing.delete(id)
    this.runs.remove()
  }

  identity(id: number): string {
    return this.#identities[id]!
  }

  value(place: number): string {
    return this.#values[place]!
  }

  compareValues(a: number, b: number): number {
    return this.#values[a]! < this.#values[b]! ? -1 : 1
  }

  isStanding(id: number): boolean {
    this.asked++
    return this.standing.has(id)
  }
}

function pagesOf(runs: DueRuns, most: number): string[] {
  const identities: string[] = []
  for (let after = START; ; ) {
    const page = runs.take(after, most)
    assert.ok(page.length <= most)
    for (const { identity } of page) identities.push(identity)
    const last = page.at(-1)
    if (last === undefined || page.length < most) return identities
    after = last
  }
}

test('whatever is added and removed, pages are what stands, by timestamp and then as it was registered', async () => {
  for (let run = 0; run < 6; run++) {
    const random = randomFrom(seed + run)
    const texts = new Texts()
    /** Timestamps by number, as they were registered. */
    const standing = new Map<number, number>()
    const spread = run % 2 === 0 ? 50 : 1_000_000
    for (let version = 1; version <= 9000; version++) {
      const timestamp = Math.floor(random() * spread)
      standing.set(texts.add(timestamp, version), timestamp)
      if (random() < 0.6) {
        const [oldest] = standing.keys()
        standing.delete(oldest!)
        texts.remove(oldest!)
      }
      if (version % 3000 !== 0) continue
      if (random() < 0.5) await texts.runs.prepare()
      const expected = [...standing].sort(([, a], [, b]) => a - b).map(([id]) => texts.identity(id))
      assert.equal(pagesOf(texts.runs, 1 + Math.floor(random() * 500)), expected, `seed ${seed + run}`)
    }
  }
})

test('what is added between two pages is on the next one, if it lies beyond the last', () => {
  const texts = new Texts()
  for (const timestamp of [10, 30, 20]) texts.add(timestamp, timestamp)
  const [first, second] = texts.runs.take(START, 2)
  assert.equal([first?.timestamp, second?.timestamp], [10, 20])
  for (const timestamp of [15, 25]) texts.add(timestamp, timestamp)
  assert.equal(
    texts.runs.take(second!, 5).map(({ timestamp }) => timestamp),
    [25, 30],
  )
})

test('what went is left out in the end: it takes no memory', () => {
  const texts = new Texts()
  for (let version = 1; version <= 20_000; version++) texts.remove(texts.add(version, version))
  assert.ok(texts.asked >= 15_000, `${texts.asked} were left out`)
  assert.ok(texts.asked <= 20_000, `each is looked at once: ${texts.asked}`)
})

test.run()
