// The identity of a timer as text (design: semantics 1 and 5): injective, in order, and reversible.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  dueBody,
  escapePart,
  type IdentityParts,
  identityEnd,
  keyPrefix,
  parseIdentity,
  queuePrefix,
  timestampText,
  unescapePart,
} from '../../src/timer/identity.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import '../support/random.ts'

const awkward = fc.string({
  unit: fc.constantFrom('a', 'b', 'bc', '\0', '\u0001', '\u0002', '\u007f', 'é', '\uffff', '😀', '-', 't'),
  maxLength: 6,
})
const part = fc.oneof(awkward, fc.string({ unit: 'binary', maxLength: 8 }))
const parts: fc.Arbitrary<IdentityParts> = fc
  .record({
    serviceId: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 4095 })),
    domain: fc.constantFrom('eventTime' as const, 'processingTime' as const),
    keyGroup: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 32767 })),
    key: part,
    namespace: part,
    timestamp: fc.oneof(fc.integer({ min: -2, max: 2 }), fc.maxSafeInteger()),
  })
  .map((made) => ({ ...made }))

function identityOf({ serviceId, domain, keyGroup, key, namespace, timestamp }: IdentityParts): string {
  const prefix = keyPrefix(queuePrefix(serviceId, domain), keyGroup, escapePart(key))
  return `${prefix}${escapePart(namespace)}\0${encodeTimestamp(timestamp)}`
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'))
}

function compareParts(a: IdentityParts, b: IdentityParts): number {
  return (
    Math.sign(a.serviceId - b.serviceId) ||
    compareBytes(a.domain, b.domain) ||
    Math.sign(a.keyGroup - b.keyGroup) ||
    compareBytes(a.key, b.key) ||
    compareBytes(a.namespace, b.namespace) ||
    Math.sign(a.timestamp - b.timestamp)
  )
}

function example(changes: Partial<IdentityParts>): IdentityParts {
  return { serviceId: 0, domain: 'eventTime', keyGroup: 0, key: '', namespace: '', timestamp: 0, ...changes }
}

test('1. taken apart, an identity gives the parts it was made of', () => {
  fc.assert(
    fc.property(parts, (made) => assert.equal(parseIdentity(identityOf(made)), made)),
    { numRuns: 3000 },
  )
})

test('1. no two timers share an identity, and identities are in the order of their parts', () => {
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      assert.is(compareBytes(identityOf(a), identityOf(b)), compareParts(a, b))
    }),
    { numRuns: 10_000 },
  )
})

test("5. 'a' and 'bc' is not 'ab' and 'c', whatever stands between them", () => {
  const texts = [
    '',
    'a',
    'ab',
    'abc',
    'b',
    'bc',
    'c',
    '\0',
    'a\0',
    '\0a',
    '\u0001',
    '\u0001\u0001',
    '\0\u0002',
    '😀',
  ]
  const seen = new Map<string, string>()
  for (const key of texts) {
    for (const namespace of texts) {
      const identity = identityOf(example({ key, namespace }))
      const name = JSON.stringify([key, namespace])
      assert.is(seen.get(identity), undefined, name)
      seen.set(identity, name)
    }
  }
  assert.is(seen.size, texts.length ** 2)
})

test('5. NUL and U+0001 are escaped, and come back', () => {
  assert.is(escapePart('plain'), 'plain')
  assert.not.match(escapePart('\0'), /\0/)
  fc.assert(
    fc.property(part, (text) => {
      assert.not(escapePart(text).includes('\0'))
      assert.is(unescapePart(escapePart(text)), text)
    }),
    { numRuns: 3000 },
  )
})

test('every identity of a queue or of a key begins with its prefix, and no other does', () => {
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const queue = queuePrefix(a.serviceId, a.domain)
      const prefix = keyPrefix(queue, a.keyGroup, escapePart(a.key))
      const sameQueue = a.serviceId === b.serviceId && a.domain === b.domain
      const sameKey = sameQueue && a.keyGroup === b.keyGroup && a.key === b.key
      assert.ok(identityOf(a).startsWith(prefix))
      assert.is(identityOf(b).startsWith(queue), sameQueue)
      assert.is(identityOf(b).startsWith(prefix), sameKey)
    }),
    { numRuns: 5000 },
  )
})

test('the end of an identity is found in the middle of a text', () => {
  fc.assert(
    fc.property(parts, fc.string(), fc.string({ unit: 'binary' }), (made, before, after) => {
      const identity = identityOf(made).slice(1)
      const text = before + identity + after
      assert.is(identityEnd(text, before.length), before.length + identity.length)
    }),
    { numRuns: 2000 },
  )
})

test('what is not an identity is told apart from one', () => {
  const whole = identityOf(example({ key: 'key', namespace: 'namespace', timestamp: 42 }))
  for (let length = 0; length < whole.length; length++) {
    assert.is(parseIdentity(whole.slice(0, length)), undefined, whole.slice(0, length))
    assert.is(identityEnd(whole.slice(1, length), 0), -1)
  }
  assert.is(parseIdentity(`${whole}-`), undefined)
  assert.is(parseIdentity(`d${whole.slice(1)}`), undefined)
  assert.is(parseIdentity(`${whole.slice(0, 3)}x${whole.slice(4)}`), undefined)
  assert.is(parseIdentity(`${whole.slice(0, -1)}!`), undefined)
})

test('a due entry has all of an identity: its queue, its timestamp, and the rest', () => {
  fc.assert(
    fc.property(parts, (made) => {
      const identity = identityOf(made)
      const again = identity.slice(0, 4) + dueBody(identity) + timestampText(identity)
      assert.is(again, identity)
    }),
  )
})

test.run()
