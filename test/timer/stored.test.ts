// Stored timers, due entries and retired ones: what was written is read, and nothing else is taken for it.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { escapePart, keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import {
  dueKey,
  dueValue,
  makeStored,
  orderTextOf,
  parseDue,
  parseRetired,
  parseStored,
  payloadText,
  placeOf,
  retiredKey,
  retiredValue,
  type StoredTimer,
} from '../../src/timer/stored.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import '../support/random.ts'

const part = fc.string({ unit: fc.constantFrom('a', '\0', '\u0001', '😀', '1', '2', '-'), maxLength: 5 })
const identities = fc
  .record({ key: part, namespace: part, timestamp: fc.maxSafeInteger(), keyGroup: fc.nat({ max: 127 }) })
  .map(({ key, namespace, timestamp, keyGroup }) => {
    const prefix = keyPrefix(queuePrefix(7, 'eventTime'), keyGroup, escapePart(key))
    return `${prefix}${escapePart(namespace)}\0${encodeTimestamp(timestamp)}`
  })
const version = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 2 ** 53 - 1 }))
const payload = fc.oneof(
  fc.constant(''),
  fc.jsonValue().map((value) => JSON.stringify(value)),
)
const stored = fc.record({ identity: identities, create: version, since: version, place: fc.nat(), payload })

type Made = typeof stored extends fc.Arbitrary<infer T> ? T : never

function make({ identity, create, since, place, payload }: Made): StoredTimer {
  return makeStored(identity, create, orderTextOf(create, place), since, payload)
}

test('a stored timer is read as it was written', () => {
  fc.assert(
    fc.property(stored, (made) => {
      const timer = make(made)
      const read = parseStored(made.identity, timer.value)
      assert.equal(read, timer)
      assert.is(read?.createVersion, made.create)
      assert.is(read?.sinceVersion, made.since)
      assert.is(placeOf(timer), made.place)
      assert.is(payloadText(timer), made.payload)
    }),
    { numRuns: 2000 },
  )
})

test('a stored timer under another identity, or with a character changed, is not one', () => {
  fc.assert(
    fc.property(
      stored,
      identities,
      fc.nat(),
      fc.integer({ min: 1, max: 127 }),
      (made, other, place, change) => {
        const { value } = make(made)
        const at = place % value.length
        const damaged =
          value.slice(0, at) + String.fromCharCode(value.charCodeAt(at) ^ change) + value.slice(at + 1)
        assert.is(parseStored(made.identity, damaged), undefined)
        assert.is(parseStored(made.identity, value.slice(0, at)), undefined)
        if (other !== made.identity) assert.is(parseStored(other, value), undefined)
      },
    ),
    { numRuns: 2000 },
  )
})

test('8. due entries are in the order of timestamp, create version and place', () => {
  const due = fc.record({
    timestamp: fc.integer({ min: -2, max: 2 }),
    create: version,
    place: fc.nat({ max: 5000 }),
  })
  fc.assert(
    fc.property(due, due, identities, identities, (a, b, someIdentity, otherIdentity) => {
      const keys = [[a, someIdentity] as const, [b, otherIdentity] as const].map(
        ([{ timestamp, create, place }, identity]) =>
          dueKey(identity.slice(0, -9) + encodeTimestamp(timestamp), orderTextOf(create, place)),
      )
      const expected =
        Math.sign(a.timestamp - b.timestamp) || Math.sign(a.create - b.create) || Math.sign(a.place - b.place)
      assert.is(Buffer.compare(Buffer.from(keys[0]!), Buffer.from(keys[1]!)), expected)
    }),
    { numRuns: 3000 },
  )
})

test('a due entry names its timer and its order', () => {
  fc.assert(
    fc.property(stored, (made) => {
      const { orderText } = make(made)
      const key = dueKey(made.identity, orderText)
      const value = dueValue(key, made.identity)
      assert.equal(parseDue(key, value), { identity: made.identity, orderText })
      assert.is(parseDue(`${key}-`, value), undefined)
      assert.is(parseDue(key, value.slice(1)), undefined)
    }),
    { numRuns: 2000 },
  )
})

test('15. a retired timer is read as it was, and its key tells apart what was made again', () => {
  fc.assert(
    fc.property(stored, version, version, (made, deleteVersion, otherSince) => {
      const timer = make(made)
      const key = retiredKey(made.identity, timer.sinceVersion)
      const value = retiredValue(key, timer, deleteVersion)
      assert.equal(parseRetired(key, value), { identity: made.identity, deleteVersion, timer })
      if (otherSince !== timer.sinceVersion) {
        const otherKey = retiredKey(made.identity, otherSince)
        assert.is.not(otherKey, key)
        assert.is(parseRetired(otherKey, value), undefined)
      }
    }),
    { numRuns: 2000 },
  )
})

test('retired timers are in the order of timers', () => {
  fc.assert(
    fc.property(stored, stored, (a, b) => {
      fc.pre(a.identity !== b.identity)
      const order = Buffer.compare(Buffer.from(a.identity), Buffer.from(b.identity))
      const keys = [a, b].map((made) => Buffer.from(retiredKey(made.identity, made.since)))
      assert.is(Buffer.compare(keys[0]!, keys[1]!), order)
    }),
    { numRuns: 2000 },
  )
})

test.run()
