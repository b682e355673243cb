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

test('of a key with many namespaces those of each are told, by whichever tables know them', () => {
  const tables = new RecentTables()
  const standing = new Map<string, StoredTimer>()
  const identityOf = (namespace: number, timestamp: number) =>
    `${prefixOf(1)}n${namespace}\0${encodeTimestamp(timestamp)}`
  const apply = (kind: 'register' | 'delete', version: number, identity: string, timestamp: number) => {
    const known = standing.get(identity)
    const timer = known ?? makeStored(identity, version, orderTextOf(version, 0), version, '')
    const rest = { previous: undefined, retire: false, dueKey: undefined, atOnce: false }
    tables.apply({ kind, queue, identity, timestamp, timer, ...rest })
    if (kind === 'register') standing.set(identity, timer)
    else standing.delete(identity)
  }
  const NAMESPACES = 150
  for (let table = 0; table < 3; table++) {
    for (let namespace = 0; namespace < NAMESPACES; namespace++)
      apply('register', 2 * table + 1, identityOf(namespace, table), table)
    // Asked in between: from then on the open table is asked by namespace.
    assert.is(tables.behind(`${prefixOf(1)}n7\0`).identities.length, table + 1)
    if (table > 0)
      for (let namespace = 0; namespace < NAMESPACES; namespace += 3)
        apply('delete', 2 * table + 2, identityOf(namespace, table), table)
    if (table < 2) tables.closeOpen(new RecentTable())
  }
  for (let namespace = 0; namespace < NAMESPACES; namespace++) {
    const prefix = `${prefixOf(1)}n${namespace}\0`
    const { identities, standings } = tables.behind(prefix)
    const told = identities.filter((_, i) => standings[i] !== null).sort()
    assert.equal(told, [...standing.keys()].filter((identity) => identity.startsWith(prefix)).sort())
    assert.equal([...new Set(tables.identitiesBehind(prefix))].sort(), [...identities].sort())
  }
  assert.is(tables.identitiesBehind(prefixOf(1)).length, standing.size)
})

test.run()
