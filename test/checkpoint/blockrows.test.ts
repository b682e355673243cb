// A block as bytes: the very timers that were put in, whatever they are made of, and a refusal where one is not.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BlockEncoder } from '../../src/checkpoint/blockencoder.ts'
import type { BlockRecord } from '../../src/checkpoint/blockindex.ts'
import { decodeRows, textOfRow } from '../../src/checkpoint/blockrows.ts'
import { FormatProblem } from '../../src/checkpoint/format.ts'
import { bytesOf } from '../../src/checkpoint/textbytes.ts'
import { addToSetHash, CHECKSUM_CHARACTERS } from '../../src/timer/checksum.ts'
import { escapePart, keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { makeStored, orderTextOf } from '../../src/timer/stored.ts'
import { compareStored, encodeTimestamp } from '../../src/timer/text.ts'
import '../support/random.ts'

interface Sample {
  keyGroup: number
  key: string
  namespace: string
  timestamp: number
  payload: string
  version: number
}

const part = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\u0001'), maxLength: 5 }),
  fc.string({ unit: 'binary', maxLength: 5 }),
  fc.constantFrom('', 'é', '😀', '\uffff'),
)
const sample: fc.Arbitrary<Sample> = fc.record({
  keyGroup: fc.constantFrom(0, 1, 127),
  key: part,
  namespace: part,
  timestamp: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, 1, -1)),
  payload: fc.constantFrom('', 'null', '{"a":1}', '"é"', `"${'x'.repeat(300)}"`),
  version: fc.integer({ min: 1, max: 99 }),
})

/** A block of timers, and what its record is. */
function blockOf(samples: readonly Sample[]) {
  const stored = new Map<string, { value: string; checksum: number; sample: Sample }>()
  for (const sample of samples) {
    const { keyGroup, key, namespace, timestamp, payload, version } = sample
    const prefix = keyPrefix(queuePrefix(3, 'eventTime'), keyGroup, escapePart(key))
    const identity = `${prefix}${escapePart(namespace)}\0${encodeTimestamp(timestamp)}`
    const { value, checksum } = makeStored(identity, version, orderTextOf(version, 7), version, payload)
    stored.set(identity, { value, checksum, sample })
  }
  const timers = [...stored].sort(([a], [b]) => compareStored(a, b))
  const identities = timers.map(([identity]) => identity)
  const values = timers.map(([, { value }]) => value)
  const encoder = new BlockEncoder()
  const [identityBytes, valueBytes] = [bytesOf(identities), bytesOf(values)]
  timers.forEach((_, i) => {
    encoder.add(identityBytes, valueBytes, i, encoder.sharedWith(identityBytes, i))
  })
  const record: BlockRecord = {
    serviceId: 3,
    domain: 'eventTime',
    length: 0,
    crc: 0,
    count: timers.length,
    setHash: timers.reduce((sum, [, { checksum }]) => addToSetHash(sum, checksum), 0),
    segments: [...new Set(timers.map(([, { sample }]) => sample.keyGroup))].map((keyGroup) => {
      const within = timers.filter(([, { sample }]) => sample.keyGroup === keyGroup)
      const timestamps = within.map(([, { sample }]) => sample.timestamp)
      return {
        keyGroup,
        count: within.length,
        earliest: Math.min(...timestamps),
        latest: Math.max(...timestamps),
      }
    }),
  }
  return { identities, values, record, content: encoder.finish() }
}

test('rows are the timers that the block was made of', () => {
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 30 }), (samples) => {
      const { identities, values, record, content } = blockOf(samples)
      const rows = decodeRows(record, content, 100)
      assert.is(rows.count, identities.length)
      const found = identities.map((_, i) => [textOfRow(rows.identities, i), textOfRow(rows.bodies, i)])
      const expected = identities.map((identity, i) => [identity, values[i]!.slice(0, -CHECKSUM_CHARACTERS)])
      assert.equal(found, expected)
    }),
    { numRuns: 500 },
  )
})

const timers: Sample[] = Array.from({ length: 20 }, (_, i) => ({
  keyGroup: i < 10 ? 4 : 5,
  key: `order-${i % 7}`,
  namespace: i % 2 === 0 ? '' : 'payment',
  timestamp: i * 1000,
  payload: '',
  version: 1 + i,
}))

function refuses(change: (block: ReturnType<typeof blockOf>) => BlockRecord | undefined, problem: RegExp) {
  const block = blockOf(timers)
  const record = change(block) ?? block.record
  assert.throws(
    () => decodeRows(record, block.content, 21),
    (error: unknown) => error instanceof FormatProblem && problem.test(error.message),
    String(problem),
  )
}

test('a timer that is not as new as it may be, or not where the index has it, is refused', () => {
  const block = blockOf(timers)
  decodeRows(block.record, block.content, 21)
  assert.throws(() => decodeRows(block.record, block.content, 20), /newer than the checkpoint/)
  refuses(({ record }) => ({ ...record, domain: 'processingTime' }), /another queue or key group/)
  refuses(({ record }) => ({ ...record, serviceId: 4 }), /another queue or key group/)
  refuses(({ record }) => ({ ...record, count: 19 }), /another number of timers/)
  refuses(({ record }) => ({ ...record, setHash: record.setHash + 1 }), /set hash/)
  const [first, second] = block.record.segments as [(typeof block.record.segments)[0], never]
  const moved = { ...first, keyGroup: 6 }
  refuses(({ record }) => ({ ...record, segments: [moved, second] }), /another queue or key group/)
  const earlier = { ...first, earliest: first.earliest - 1 }
  refuses(({ record }) => ({ ...record, segments: [earlier, second] }), /timestamps are not those/)
})

test('bytes that are no UTF-8 are refused, and become no other text', () => {
  const { record, content } = blockOf(timers.map((timer) => ({ ...timer, key: `${timer.key}é` })))
  decodeRows(record, content, 21)
  content[content.indexOf('é')] = 0xff
  assert.throws(() => decodeRows(record, content, 21), /not UTF-8/)
})

test('every flipped bit of a block is found, by one proof or another', () => {
  const { record, content } = blockOf(timers)
  for (let bit = 0; bit < content.length * 8; bit++) {
    content[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(
      () => decodeRows(record, content, 100),
      (error: unknown) => error instanceof FormatProblem,
      `bit ${bit}`,
    )
    content[bit >> 3]! ^= 1 << (bit & 7)
  }
})

test.run()
