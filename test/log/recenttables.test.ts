// Whatever tables there are, of a timer and of a key the newest that knows it is believed.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { TimerEvent } from '../../src/log/events.ts'
import { RecentTable } from '../../src/log/recenttable.ts'
import { RecentTables } from '../../src/log/recenttables.ts'
import { ServiceState } from '../../src/log/state.ts'
import { keyPrefix } from '../../src/timer/identity.ts'
import { makeStored, orderTextOf, type StoredTimer } from '../../src/timer/stored.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { randomFrom, seed } from '../support/random.ts'

const queue = new ServiceState(0, 's', '').eventTime
const KEYS = 30

function prefixOf(key: number): string {
  return keyPrefix(queue.prefix, key % 7, `key ${key}`)
}

test('however many tables there are, what they tell is what the last events left, until the table ends', () => {
  for (let run = 0; run < 20; run++) {
    const random = randomFrom(seed + run)
    const below = (most: number) => Math.floor(random() * most)
    const tables = new RecentTables()
    const standing = new Map<string, StoredTimer>()
    /** In which table a timer was changed last; that many tables have begun, and ended. */
    const changedIn = new Map<string, number>()
    let begun = 0
    let ended = 0
    for (let version = 1; version < 2000; version++) {
      const timestamp = below(3)
      const identity = `${prefixOf(below(KEYS))}\0${encodeTimestamp(timestamp)}`
      const before = standing.get(identity)
      // What no table tells of is in the spaces, or nowhere; here it is not asked for again.
      if ((changedIn.get(identity) ?? ended) >= ended) {
        const timer = before ?? makeStored(identity, version, orderTextOf(version, 0), version, '')
        const kind = before === undefined ? 'register' : 'delete'
        const rest = { previous: undefined, retire: false, dueKey: undefined, atOnce: false }
        const event: TimerEvent = { kind, queue, identity, timestamp, timer, ...rest }
        tables.apply(event)
        changedIn.set(identity, begun)
        if (before === undefined) standing.set(identity, timer)
        else standing.delete(identity)
      }
      // Up to forty tables: more than there are bits for.
      if (below(10) === 0) {
        tables.closeOpen(new RecentTable())
        begun++
      }
      if (begun - ended > 40) {
        tables.endOldest()
        ended++
      }
    }
    for (let key = 0; key < KEYS; key++) {
      const { identities, standings } = tables.behind(prefixOf(key))
      assert.is(new Set(identities).size, identities.length)
      for (let timestamp = 0; timestamp < 3; timestamp++) {
        const identity = `${prefixOf(key)}\0${encodeTimestamp(timestamp)}`
        const place = identities.indexOf(identity)
        const told = place < 0 ? undefined : standings[place]
        assert.equal(tables.get(identity), told, `SEED=${seed + run}`)
        assert.is(tables.knows(identity), told !== undefined)
        const expected = standing.get(identity)
        if (expected !== undefined && changedIn.get(identity)! >= ended) assert.equal(told, expected)
        // A timer that came and went in one table leaves nothing; else it is known to have gone.
        else assert.ok(told === undefined || told === null, `SEED=${seed + run}`)
      }
    }
  }
})

test.run()
