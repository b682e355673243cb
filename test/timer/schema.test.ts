// Schemas, compiled (design: semantics 5): what a value becomes in the store, and what is refused.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { TimerCodec } from '../../src/timer/codec.ts'
import { queuePrefix } from '../../src/timer/identity.ts'
import { keyGroupOf } from '../../src/timer/keygroup.ts'
import { compilePart, compilePayload, decodePart, encodePart, keyGroupText } from '../../src/timer/schema.ts'
import { addLength, schemasText } from '../../src/timer/schematext.ts'
import '../support/random.ts'
import { rejects, throwsInvalid } from '../support/refusals.ts'

const isoDate = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
})
const text = fc.string({ unit: 'binary', maxLength: 12 })

test('5. a string is stored as it is, unless it begins with U+0001', () => {
  assert.is(encodePart('order-42', 'key'), 'order-42')
  assert.is(encodePart('', 'key'), '')
  assert.is.not(encodePart('\u0001x', 'key'), '\u0001x')
})

test('5. every value comes back from its text', () => {
  const values = fc.oneof(text, fc.jsonValue({ maxDepth: 3 }))
  fc.assert(
    fc.property(values, (value) => {
      const plain = JSON.parse(JSON.stringify(value))
      assert.equal(decodePart(encodePart(plain, 'key')), plain)
    }),
    { numRuns: 3000 },
  )
})

test('5. no two different values share a text', () => {
  const tricky: unknown[] = [
    '',
    'null',
    null,
    '1',
    1,
    '"1"',
    '\u0001',
    '\u00011',
    '\u0001"1"',
    '\u0001null',
    true,
    'true',
    [],
    '[]',
    {},
    '{}',
    [1],
    ['1'],
    [[1]],
    { a: 1 },
    { a: '1' },
    { b: 1 },
    '{"a":1}',
    '\u0001{"a":1}',
    [null],
    { a: null },
  ]
  const texts = tricky.map((value) => encodePart(value, 'key'))
  assert.is(new Set(texts).size, tricky.length)
  const values = fc.oneof(text, fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(...tricky))
  fc.assert(
    fc.property(values, values, (a, b) => {
      const [plainA, plainB] = [a, b].map((value) => JSON.parse(JSON.stringify(value)))
      let equal = true
      try {
        assert.equal(plainA, plainB)
      } catch {
        equal = false
      }
      assert.is(encodePart(plainA, 'key') === encodePart(plainB, 'key'), equal)
    }),
    { numRuns: 3000 },
  )
})

test('5. the order in which an object was written down does not matter', () => {
  const key = compilePart(z.object({ tenant: z.string(), order: z.int() }), 'key', 1024)
  assert.is(key.encode({ tenant: 'a', order: 1 }), key.encode({ order: 1, tenant: 'a' }))
  assert.equal(key.decode(key.encode({ order: 1, tenant: 'a' })), { tenant: 'a', order: 1 })
})

test('5. a key is stored in the encoded form of its schema', () => {
  const key = compilePart(isoDate, 'key', 1024)
  const date = new Date('2024-02-29T12:00:00.000Z')
  assert.is(key.encode(date), '2024-02-29T12:00:00.000Z')
  assert.equal(key.decode('2024-02-29T12:00:00.000Z'), date)
  const nested = compilePart(z.tuple([isoDate, z.int()]), 'key', 1024)
  assert.equal(nested.decode(nested.encode([date, 7])), [date, 7])
})

test('13. the key group of a string is that of the string itself, of anything else that of its JSON', () => {
  for (const value of ['', 'order-42', 'café', '\u0001x', '\0']) {
    assert.is(keyGroupText(encodePart(value, 'key')), value)
  }
  assert.is(keyGroupText(encodePart(42, 'key')), '42')
  assert.is(keyGroupText(encodePart({ b: 1, a: [true, null] }, 'key')), '{"a":[true,null],"b":1}')
})

test('13. a key of another key group is told as it is stored, whatever it is to its caller', async () => {
  const key = z.codec(z.string(), z.bigint(), { decode: BigInt, encode: String })
  const keyGroup = keyGroupOf('42', 128)
  const codec = new TimerCodec({ key }, 128, { start: keyGroup + 1, end: 127 })
  const call = () => codec.prefix(queuePrefix(1, 'eventTime'), 42n)
  await rejects(call, 'TIDEMARK_KEY_GROUP_OUT_OF_RANGE', `key "42" belongs to key group ${keyGroup}`)
})

test('5. a lone surrogate is refused, in a string and inside of anything else', () => {
  for (const value of [
    '\ud800',
    'a\udfff',
    '\udc00\ud800',
    '\u0001\ud800',
    ['\ud800'],
    { a: '\udfff' },
    { '\ud800': 1 },
  ]) {
    throwsInvalid(() => encodePart(value, 'key'), 'key', /surrogate/)
  }
  assert.is(encodePart('😀', 'key'), '😀')
})

test('5. a key takes as many bytes as the limit says, and not one more', () => {
  for (const character of ['a', '\0', '\u0001', 'é', '€', '😀']) {
    const key = compilePart(undefined, 'key', 1024)
    const bytes = Buffer.byteLength(character)
    const fits = 'x'.repeat(1024 % bytes) + character.repeat(Math.floor(1024 / bytes))
    assert.is(Buffer.byteLength(fits), 1024)
    assert.is(key.decode(key.encode(fits)), fits)
    throwsInvalid(() => key.encode(`${fits}x`), 'key', /1024/)
  }
})

test('5. without a schema a key is a string, and nothing else', () => {
  const key = compilePart(undefined, 'key', 1024)
  for (const value of [undefined, null, 1, 1n, true, {}, [], Symbol('s'), () => {}, new String('a')]) {
    throwsInvalid(() => key.encode(value), 'key')
  }
})

test('5. what its schema refuses is refused, with the reason and the place', () => {
  const key = compilePart(z.object({ tenant: z.string(), order: z.int() }), 'key', 1024)
  throwsInvalid(() => key.encode({ tenant: 'a', order: 1.5 }), 'key', /order/)
  throwsInvalid(() => key.encode({ tenant: 'a' }), 'key', /order/)
  throwsInvalid(() => key.encode('a'), 'key')
  throwsInvalid(() => key.encode(undefined), 'key')
  const codec = compilePart(isoDate, 'namespace', 1024)
  throwsInvalid(() => codec.encode(new Date(Number.NaN)), 'namespace')
  throwsInvalid(() => codec.encode('2024-02-29T12:00:00.000Z'), 'namespace')
  const transform = compilePart(
    z.string().transform((value) => value.length) as unknown as z.ZodType,
    'key',
    1024,
  )
  throwsInvalid(() => transform.encode('abc'), 'key')
})

test('5. a schema that throws, or waits, refuses the value', () => {
  const schemas: [z.ZodType, RegExp | string][] = [
    [z.string().refine((text) => new URL(text) !== null), 'Invalid URL'],
    [z.string().refine(async () => true), /[Pp]romise|async/],
    [
      z.string().refine(() => {
        throw null // Whatever a caller throws.
      }),
      'null',
    ],
  ]
  for (const [schema, says] of schemas) {
    for (const codec of [compilePart(schema, 'key', 1024), compilePayload(schema, 1024)])
      throwsInvalid(() => codec.encode('x'), 'does not fit its schema', says)
    const nested = compilePayload(z.object({ field: schema }), 1024)
    throwsInvalid(() => nested.encode({ field: 'x' }), 'payload', says)
    const listed = compilePayload(z.array(schema), 1024)
    throwsInvalid(() => listed.encode(['x']), 'payload', says)
  }
})

test('5. what is not JSON is refused, wherever it stands', () => {
  const any = compilePayload(z.any(), 65_536)
  const circle: unknown[] = []
  circle.push(circle)
  const refused: unknown[] = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1n,
    Symbol('s'),
    () => {},
    new Date(0),
    new Map(),
    new Uint8Array(2),
    [undefined],
    { a: [1, { b: Number.NaN }] },
    { a: () => {} },
    circle,
  ]
  for (const value of refused) throwsInvalid(() => any.encode(value), 'payload')
})

test('5. a hole in an array is refused, or comes back as a hole', () => {
  const texts = z.array(z.string().optional())
  for (const value of [[undefined], ['a', undefined], [undefined, 'a'], new Array(2)]) {
    const name = JSON.stringify(value)
    for (const codec of [compilePart(texts, 'key', 1024), compilePayload(texts, 1024)]) {
      let encoded: string
      try {
        encoded = codec.encode(value)
      } catch (error) {
        assert.is((error as { code?: string }).code, 'TIDEMARK_INVALID_ARGUMENT', name)
        continue
      }
      assert.equal(codec.decode(encoded), value, name)
    }
  }
})

test('a payload that is left out takes no room, and comes back as left out', () => {
  const optional = compilePayload(z.object({ attempt: z.int() }).optional(), 1024)
  assert.is(optional.encode(undefined), '')
  assert.is(optional.decode(''), undefined)
  assert.equal(optional.decode(optional.encode({ attempt: 1 })), { attempt: 1 })
  const none = compilePayload(undefined, 1024)
  assert.is(none.encode(undefined), '')
  throwsInvalid(() => none.encode({}), 'payload')
  throwsInvalid(() => none.encode(null), 'payload')
  throwsInvalid(() => compilePayload(z.object({ attempt: z.int() }), 1024).encode(undefined), 'payload')
})

test('a payload takes as many bytes of JSON as the limit says, and not one more', () => {
  const payload = compilePayload(z.string(), 65_536)
  const fits = 'x'.repeat(65_534)
  assert.is(payload.decode(payload.encode(fits)), fits)
  throwsInvalid(() => payload.encode(`${fits}x`), 'payload', /65536/)
  throwsInvalid(() => payload.encode('€'.repeat(21_845)), 'payload', /65537/)
})

test('a payload comes back as it was, whatever JSON it is', () => {
  const any = compilePayload(z.any(), 65_536)
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const plain = JSON.parse(JSON.stringify(value))
      assert.equal(any.decode(any.encode(plain)), plain)
    }),
    { numRuns: 2000 },
  )
})

test('a schema that refers to itself is a schema like any other', () => {
  const tree = z.object({
    name: z.string(),
    get children() {
      return z.array(tree)
    },
  })
  const payload = compilePayload(tree, 1024)
  const value = { name: 'a', children: [{ name: 'b', children: [] }] }
  assert.equal(payload.decode(payload.encode(value)), value)
  assert.ok(schemasText({ payload: tree }, 'orders').length > 0)
})

test('a schema that does not encode to JSON is refused when the service starts', () => {
  for (const schema of [z.bigint(), z.date(), z.map(z.string(), z.string()), z.symbol(), z.literal(1n)]) {
    throwsInvalid(() => schemasText({ key: schema }, 'orders'), 'key', /orders/)
  }
})

test('how long a tuple may be is told, also where its zod does not', () => {
  const tuples = [
    z.tuple([]),
    z.tuple([z.int(), z.string()]),
    z.tuple([z.int(), z.string().optional()]),
    z.tuple([z.int().optional(), z.string().default('x')]),
    z.tuple([z.int(), z.string()]).rest(z.boolean()),
    z.tuple([z.int(), z.tuple([z.int()])]),
  ]
  for (const tuple of tuples) {
    const { $schema: _, ...told } = z.toJSONSchema(tuple, { io: 'input' }) as Record<string, unknown>
    // As zod before 4.5 writes it.
    const { minItems: __, maxItems: ___, ...shorter } = told
    if (shorter.items === false) delete shorter.items
    addLength(tuple._zod.def as never, shorter)
    assert.equal(shorter, told)
  }
})

test('equal schemas have equal texts, however they were written; different ones differ', () => {
  const of = (schema: z.ZodType) => schemasText({ payload: schema }, 'orders')
  assert.is(of(z.object({ a: z.string(), b: z.int() })), of(z.object({ b: z.int(), a: z.string() })))
  assert.is(
    of(isoDate),
    of(isoDate.describe('when it is due').meta({ id: 'due' })),
    'what describes it does not',
  )
  assert.is(of(z.enum(['a', 'b'])), of(z.enum(['b', 'a'])), 'a set has no order')
  const defaults = (type: string[]) => of(z.array(z.string()).default(type))
  assert.is.not(defaults(['b', 'a']), defaults(['a', 'b']), 'a value has')
  const different = [
    z.string(),
    z.int(),
    z.number(),
    z.string().max(5),
    z.enum(['a', 'b']),
    z.enum(['a', 'c']),
    z.object({ a: z.string() }),
    z.object({ a: z.string().optional() }),
    z.array(z.string()),
    z.string().optional(),
    z.string().trim(),
    z.string().default('x'),
    z.iso.datetime(),
    isoDate,
    isoDate.optional(),
    isoDate.default(new Date(0)),
    z.object({ enum: z.tuple([z.literal('b'), z.literal('a')]) }),
    z.object({ enum: z.tuple([z.literal('a'), z.literal('b')]) }),
  ].map(of)
  assert.is(new Set(different).size, different.length)
})

test.run()
