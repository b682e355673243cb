// What a snapshot holds (design: semantics 14), as a table over every order in which a timer can be made, be deleted,
// and snapshots can be taken. The expectation comes from playing the events, not from comparing versions.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isNeeded, isVisible } from '../../src/timer/visibility.ts'
import '../support/random.ts'

const never = Number.POSITIVE_INFINITY

type Happening = 'create' | 'delete' | 'snapshot'

/** Plays one order of happenings, each a commit of its own: what does the snapshot hold, and what do the versions say? */
function play(order: readonly Happening[]): {
  seen: boolean
  since: number
  deleted: number
  snapshot: number
} {
  let version = 0
  let exists = false
  const played = { seen: false, since: never, deleted: never, snapshot: 0 }
  for (const happening of order) {
    if (happening === 'snapshot') {
      played.snapshot = version + 1
      played.seen = exists
    } else {
      version++
      exists = happening === 'create'
      if (exists) played.since = version
      else played.deleted = version
    }
  }
  return played
}

const table: [Happening[], boolean][] = [
  [['create', 'snapshot', 'delete'], true],
  [['create', 'delete', 'snapshot'], false],
  [['snapshot', 'create', 'delete'], false],
  [['create', 'snapshot'], true],
  [['snapshot', 'create'], false],
]

test('14. every order of create, delete and snapshot', () => {
  for (const [order, seen] of table) {
    const played = play(order)
    assert.is(played.seen, seen, order.join(', '))
    assert.is(isVisible(played.since, played.deleted, played.snapshot), seen, order.join(', '))
  }
})

test('14. every create version, delete version and snapshot version up to 6', () => {
  for (let since = 1; since <= 6; since++) {
    for (const deleted of [since, since + 1, since + 2, 6, 7, never].filter((version) => version >= since)) {
      for (let snapshot = 1; snapshot <= 7; snapshot++) {
        // A snapshot of version s holds what stood after the commit s-1.
        let stands = false
        for (let version = 1; version < snapshot; version++) {
          if (version === since) stands = true
          if (version === deleted) stands = false
        }
        assert.is(isVisible(since, deleted, snapshot), stands, `${since} ${deleted} ${snapshot}`)
      }
    }
  }
})

test('14. a timer made and deleted while the snapshot runs does not come back', () => {
  assert.not(isVisible(5, 7, 5))
  assert.not(isVisible(6, 7, 5))
})

test('14. made and deleted in one commit, a timer is seen by no snapshot (H2)', () => {
  for (let snapshot = 1; snapshot < 10; snapshot++) assert.not(isVisible(5, 5, snapshot))
})

test('14. deleted in the very commit that follows the cut, a timer is still in the snapshot', () => {
  assert.ok(isVisible(4, 5, 5))
  assert.not(isVisible(4, 4, 5))
})

test('15. of one identity made again and again, a snapshot sees one at most', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 40 }), (lengths, snapshot) => {
      // Intervals that follow each other, some without a gap: deleted and made again in one commit (H3).
      let version = 1
      let seen = 0
      lengths.forEach((length, index) => {
        const deleted = version + length
        if (isVisible(version, deleted, snapshot)) seen++
        version = deleted + (index % 2)
      })
      assert.ok(seen <= 1)
    }),
    { numRuns: 3000 },
  )
})

test('14. a deleted timer is needed exactly while some running snapshot holds it (H11)', () => {
  assert.not(isNeeded(4, 6, []))
  assert.not(isNeeded(4, 6, [3, 9]), 'neither 3 nor 9 holds it')
  assert.ok(isNeeded(4, 6, [3, 6, 9]), 'deleted at 6 is still in the snapshot 6')
  assert.ok(isNeeded(4, 6, [5]))
  assert.not(isNeeded(4, 6, [4]))
  assert.not(isNeeded(4, 6, [7]))
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.nat({ max: 6 }),
      fc.uniqueArray(fc.integer({ min: 1, max: 20 })),
      (since, length, snapshots) => {
        const running = snapshots.sort((a, b) => a - b)
        const expected = running.some((snapshot) => isVisible(since, since + length, snapshot))
        assert.is(isNeeded(since, since + length, running), expected)
      },
    ),
    { numRuns: 3000 },
  )
})

test.run()
