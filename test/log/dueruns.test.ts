// Recent timers of a queue, a page at a time: in firing order, each that stands once, none that went.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MIN_TIMESTAMP } from '../../src/limits.ts'
import { type DuePosition, DueRuns } from '../../src/log/dueruns.ts'
import type { TimerEvent } from '../../src/log/events.ts'
import { ServiceState } from '../../src/log/state.ts'
import { makeStored, orderTextOf } from '../../src/timer/stored.ts'
import { randomFrom, seed } from '../support/random.ts'

const { eventTime: queue } = new ServiceState(0, 'service', '{}')
const START: DuePosition = { timestamp: MIN_TIMESTAMP, orderText: '' }

function registered(timestamp: number, version: number): TimerEvent {
  const identity = `timer ${version}`
  const timer = makeStored(identity, version, orderTextOf(version, 0), version, '')
  return {
    kind: 'register',
    queue,
    identity,
    timestamp,
    timer,
    previous: undefined,
    retire: false,
    dueKey: undefined,
  }
}

function pagesOf(runs: DueRuns, most: number, isStanding: (event: TimerEvent) => boolean): string[] {
  const identities: string[] = []
  for (let after = START; ; ) {
    const page = runs.take(after, most, isStanding)
    assert.ok(page.length <= most)
    for (const { identity } of page) identities.push(identity)
    const last = page.at(-1)
    if (last === undefined || page.length < most) return identities
    after = { timestamp: last.timestamp, orderText: last.timer.orderText }
  }
}

test('whatever is added and removed, pages are what stands, by timestamp and then as it was registered', async () => {
  for (let run = 0; run < 6; run++) {
    const random = randomFrom(seed + run)
    const runs = new DueRuns()
    const standing = new Set<TimerEvent>()
    const isStanding = (event: TimerEvent) => standing.has(event)
    const spread = run % 2 === 0 ? 50 : 1_000_000
    for (let version = 1; version <= 9000; version++) {
      const event = registered(Math.floor(random() * spread), version)
      runs.add(event)
      standing.add(event)
      if (random() < 0.6) {
        const [oldest] = standing
        standing.delete(oldest!)
        runs.remove(isStanding)
      }
      if (version % 3000 !== 0) continue
      if (random() < 0.5) await runs.prepare()
      const expected = [...standing]
        .sort((a, b) => a.timestamp - b.timestamp || a.timer.createVersion - b.timer.createVersion)
        .map(({ identity }) => identity)
      assert.equal(pagesOf(runs, 1 + Math.floor(random() * 500), isStanding), expected, `seed ${seed + run}`)
    }
  }
})

test('what is added between two pages is on the next one, if it lies beyond the last', () => {
  const runs = new DueRuns()
  for (const timestamp of [10, 30, 20]) runs.add(registered(timestamp, timestamp))
  const [first, second] = runs.take(START, 2, () => true)
  assert.equal([first?.timestamp, second?.timestamp], [10, 20])
  for (const timestamp of [15, 25]) runs.add(registered(timestamp, timestamp))
  const after = { timestamp: 20, orderText: second!.timer.orderText }
  assert.equal(
    runs.take(after, 5, () => true).map(({ timestamp }) => timestamp),
    [25, 30],
  )
})

test('what went is left out in the end: it takes no memory', () => {
  const runs = new DueRuns()
  let examined = 0
  for (let version = 1; version <= 20_000; version++) {
    runs.add(registered(version, version))
    runs.remove(() => {
      examined++
      return false
    })
  }
  assert.ok(examined >= 15_000, `${examined} were left out`)
  assert.ok(examined <= 20_000, `each is looked at once: ${examined}`)
})

test.run()
