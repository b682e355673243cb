// Due entries come in the order of their keys, whatever their timestamps are.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DueRun } from '../../src/checkpoint/duerun.ts'
import { escapePart, keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { dueKey, dueValue, makeStored, orderTextOf } from '../../src/timer/stored.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import '../support/random.ts'

const queue = queuePrefix(0, 'eventTime')
const timestamps = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.integer({ min: 1_760_000_000_000, max: 1_760_000_100_000 }),
  fc.maxSafeInteger(),
)
const timers = fc.array(
  fc.record({
    key: fc.string({ unit: fc.constantFrom('a', 'ü', '\0', '😀'), maxLength: 4 }),
    timestamp: timestamps,
    version: fc.oneof(fc.integer({ min: 1, max: 80 }), fc.maxSafeInteger().map(Math.abs)),
  }),
  { maxLength: 200 },
)

test('a run has every entry once, in the order of the keys', () => {
  fc.assert(
    fc.property(timers, fc.integer({ min: 1, max: 50 }), (made, together) => {
      const run = new DueRun(queue)
      const expected: string[] = []
      for (let start = 0; start < made.length; start += together) {
        const identities: string[] = []
        const values: string[] = []
        made.slice(start, start + together).forEach(({ key, timestamp, version }, i) => {
          const identity = `${keyPrefix(queue, 5, escapePart(key))}\0${encodeTimestamp(timestamp)}`
          const timer = makeStored(identity, version, orderTextOf(version, start + i), version, '"payload"')
          identities.push(identity)
          values.push(timer.value)
          const due = dueKey(identity, timer.orderText)
          expected.push(`${due} ${dueValue(due, identity)}`)
        })
        run.add(identities, values)
      }
      const sorted = run.sorted()
      run.touch(sorted)
      assert.equal(
        Array.from(sorted, (index) => `${run.key(index)} ${run.value(index)}`),
        expected.sort(),
      )
    }),
    { numRuns: 2000 },
  )
})

test('tens of thousands at one timestamp, and one far away', () => {
  const run = new DueRun(queue)
  const count = 40_000
  const identities: string[] = []
  const values: string[] = []
  for (let i = 0; i < count; i++) {
    const timestamp = i === 17 ? Number.MIN_SAFE_INTEGER : 1_760_000_000_000
    const identity = `${keyPrefix(queue, 5, String(i))}\0${encodeTimestamp(timestamp)}`
    const version = 1 + ((i * 7919) % 1000)
    identities.push(identity)
    values.push(makeStored(identity, version, orderTextOf(version, i), version, '').value)
  }
  run.add(identities, values)
  const keys = Array.from(run.sorted(), (index) => run.key(index))
  assert.is(keys.length, count)
  assert.is(new Set(keys).size, count)
  for (let i = 1; i < count; i++) assert.ok(keys[i - 1]! < keys[i]!)
})

test.run()
