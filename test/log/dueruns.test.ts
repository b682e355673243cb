// Recent timers of a queue, a page at a time: in firing order, each that stands once, none that went.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MIN_TIMESTAMP } from '../../src/limits.ts'
import { type DuePosition, DueRuns, type IsStanding } from '../../src/log/dueruns.ts'
import { ServiceState } from '../../src/log/state.ts'
import { keyPrefix } from '../../src/timer/identity.ts'
import { makeStored, orderTextOf } from '../../src/timer/stored.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { randomFrom, seed } from '../support/random.ts'

const { eventTime: queue } = new ServiceState(0, 'service', '{}')
const START: DuePosition = { timestamp: MIN_TIMESTAMP, orderText: '' }

/** Registers a timer; returns its identity. */
function add(runs: DueRuns, timestamp: number, version: number): string {
  const identity = `${keyPrefix(queue.prefix, 0, `timer ${version}`)}\0${encodeTimestamp(timestamp)}`
  const { value, orderText } = makeStored(identity, version, orderTextOf(version, 0), version, '')
  runs.add(identity, value, { timestamp, orderText })
  return identity
}

function pagesOf(runs: DueRuns, most: number, isStanding: IsStanding): string[] {
  const identities: string[] = []
  for (let after = START; ; ) {
    const page = runs.take(after, most, isStanding)
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
    const runs = new DueRuns()
    /** Timestamps by identity, as they were registered. */
    const standing = new Map<string, number>()
    const isStanding = (identity: string) => standing.has(identity)
    const spread = run % 2 === 0 ? 50 : 1_000_000
    for (let version = 1; version <= 9000; version++) {
      const timestamp = Math.floor(random() * spread)
      standing.set(add(runs, timestamp, version), timestamp)
      if (random() < 0.6) {
        const [oldest] = standing.keys()
        standing.delete(oldest!)
        runs.remove(isStanding)
      }
      if (version % 3000 !== 0) continue
      if (random() < 0.5) await runs.prepare()
      const expected = [...standing].sort(([, a], [, b]) => a - b).map(([identity]) => identity)
      assert.equal(pagesOf(runs, 1 + Math.floor(random() * 500), isStanding), expected, `seed ${seed + run}`)
    }
  }
})

test('what is added between two pages is on the next one, if it lies beyond the last', () => {
  const runs = new DueRuns()
  for (const timestamp of [10, 30, 20]) add(runs, timestamp, timestamp)
  const [first, second] = runs.take(START, 2, () => true)
  assert.equal([first?.timestamp, second?.timestamp], [10, 20])
  for (const timestamp of [15, 25]) add(runs, timestamp, timestamp)
  assert.equal(
    runs.take(second!, 5, () => true).map(({ timestamp }) => timestamp),
    [25, 30],
  )
})

test('what went is left out in the end: it takes no memory', () => {
  const runs = new DueRuns()
  let examined = 0
  for (let version = 1; version <= 20_000; version++) {
    add(runs, version, version)
    runs.remove(() => {
      examined++
      return false
    })
  }
  assert.ok(examined >= 15_000, `${examined} were left out`)
  assert.ok(examined <= 20_000, `each is looked at once: ${examined}`)
})

test.run()
