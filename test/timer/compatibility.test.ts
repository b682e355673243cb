// timeout: 300s
// Which schemas may follow which: what was stored under the first is read under the second, or the second is refused.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { checkSchemas } from '../../src/timer/compatibility.ts'
import type { Difference } from '../../src/timer/difference.ts'
import { takesTheSame } from '../../src/timer/formats.ts'
import { compilePart, compilePayload, type TextCodec } from '../../src/timer/schema.ts'
import { parseSchemas, type ServiceSchemas, schemasText } from '../../src/timer/schematext.ts'
import { randomFrom, seed } from '../support/random.ts'
import { likeSpec, randomSpec, schemaOf, valueFor } from './specs.ts'

const date = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (value) => value.toISOString(),
})

const textOf = (schemas: ServiceSchemas) => schemasText(schemas, 'orders')

function differences(stored: ServiceSchemas, given: ServiceSchemas): Difference[] {
  const verdict = checkSchemas(textOf(stored), textOf(given))
  return verdict.isCompatible ? [] : verdict.differences
}

function payloadPath(stored: z.ZodType, given: z.ZodType): string | undefined {
  return differences({ payload: stored }, { payload: given })[0]?.path
}

function keyPath(stored: z.ZodType, given: z.ZodType): string | undefined {
  return differences({ key: stored }, { key: given })[0]?.path
}

const a = z.object({ a: z.string() })
const tagged = (...tags: string[]) =>
  z.discriminatedUnion('t', tags.map((tag) => z.object({ t: z.literal(tag), [tag]: z.int() })) as never)

const accepted: Record<string, [z.ZodType, z.ZodType]> = {
  'a property that may be missing is new': [a, a.extend({ b: z.int().optional() })],
  'a property with a default is new': [a, a.extend({ b: z.int().default(1) })],
  'a property became optional': [a, z.object({ a: z.string().optional() })],
  'a property is left out now': [a.extend({ b: z.int() }), a],
  'other properties are refused now': [a, a.strict()],
  'other properties are taken now': [a, a.loose()],
  'a record of the same values': [z.object({ a: z.int(), b: z.int() }), z.record(z.string(), z.number())],
  'whole numbers became numbers': [z.int(), z.number()],
  'a range became wider': [z.int().min(1).max(5), z.int().min(0).max(6)],
  'an open end became closed': [z.number().gt(1), z.number().min(1)],
  'multiples of a factor': [z.int().multipleOf(6), z.int().multipleOf(3)],
  'a text became longer': [z.string().min(2).max(5), z.string().min(1).max(9)],
  'a pattern went': [z.string().regex(/^a/).regex(/b$/), z.string().regex(/b$/)],
  'a format went': [z.email(), z.string()],
  'a value became one of many': [z.literal('a'), z.enum(['a', 'b'])],
  'one of many became a text': [z.enum(['a', 'b']), z.string().min(1)],
  'one of many became a union of values': [
    z.enum(['a', 'b']),
    z.union([z.literal('a'), z.literal('b'), z.int()]),
  ],
  'a truth became a union': [z.boolean(), z.union([z.literal(true), z.literal(false)])],
  'null is taken now': [a, a.nullable()],
  'a union became wider': [z.union([z.string(), z.int()]), z.union([z.boolean(), z.number(), z.string()])],
  'a tagged union became wider': [tagged('x', 'y'), tagged('x', 'y', 'z')],
  'a tagged union became a union': [
    tagged('x', 'y'),
    z.union([z.object({ t: z.enum(['x', 'y']), x: z.int().optional() })]),
  ],
  'an array became longer': [z.array(z.int()).min(1).max(2), z.array(z.number())],
  'a tuple became an array': [z.tuple([z.int(), z.string()]), z.array(z.union([z.string(), z.int()]))],
  'a tuple takes more now': [z.tuple([z.int()]), z.tuple([z.number(), z.string().optional()])],
  'anything is taken now': [tagged('x', 'y'), z.any()],
  'a codec became the text that it made': [date, z.iso.datetime()],
  'a description came': [a, a.describe('what it is').meta({ id: 'a' })],
}

for (const [name, [stored, given]] of Object.entries(accepted)) {
  test(`a payload is taken: ${name}`, () => {
    assert.equal(differences({ payload: stored }, { payload: given }), [])
    assert.equal(differences({ payload: z.array(stored) }, { payload: z.array(given) }), [], 'deep inside')
  })
}

const refused: Record<string, [z.ZodType, z.ZodType, string]> = {
  'another type': [z.object({ n: z.int() }), z.object({ n: z.string() }), 'payload.n'],
  'deep inside': [
    z.object({ list: z.array(a.nullable()) }),
    z.object({ list: z.array(z.object({ a: z.string().min(1) }).nullable()) }),
    'payload.list[].a',
  ],
  'an odd name': [z.object({ 'a b': z.int() }), z.object({ 'a b': z.string() }), 'payload["a b"]'],
  'a property that must be there is new': [a, a.extend({ b: z.int() }), 'payload.b'],
  'a property must be there now': [z.object({ a: z.string().optional() }), a, 'payload.a'],
  'a property is refused now': [a.extend({ b: z.int() }), a.strict(), 'payload.b'],
  'other properties may be something else': [a.loose(), a.extend({ b: z.int().optional() }), 'payload.b'],
  'numbers became whole': [z.number(), z.int(), 'payload'],
  'a range became narrower': [z.int().max(6), z.int().max(5), 'payload'],
  'a closed end became open': [z.number().min(1), z.number().gt(1), 'payload'],
  'a text became shorter': [z.string().max(9), z.string().max(5), 'payload'],
  'a pattern came': [z.string(), z.string().regex(/a/), 'payload'],
  'another pattern': [z.string().regex(/a/), z.string().regex(/b/), 'payload'],
  'another start': [z.string().startsWith('a'), z.string().startsWith('b'), 'payload'],
  'a format came': [z.string(), z.email(), 'payload'],
  'a value went': [z.enum(['a', 'b']), z.enum(['a', 'c']), 'payload'],
  'null is not taken any more': [a.nullable(), a, 'payload'],
  'a union became narrower': [z.union([z.string(), z.int()]), z.string(), 'payload'],
  'a tagged union became narrower': [tagged('x', 'y', 'z'), tagged('x', 'y'), 'payload'],
  'exactly one of what overlaps': [z.string(), z.xor([z.string(), z.string().max(5)]), 'payload'],
  'an element of a tuple': [z.tuple([z.int(), z.string()]), z.tuple([z.int(), z.int()]), 'payload[1]'],
  'a tuple became longer': [z.tuple([z.int()]), z.tuple([z.int(), z.int()]), 'payload'],
  'anything may be stored': [z.any(), z.string(), 'payload'],
  'nothing is taken any more': [z.string(), z.never(), 'payload'],
  'a text is to be converted': [z.iso.datetime(), date, 'payload'],
  'a date with an offset': [z.iso.datetime({ offset: true }), z.iso.datetime(), 'payload'],
  'UUIDs of one version': [z.uuid(), z.uuidv4(), 'payload'],
  'a schema that refers to itself': [tree(z.int()), tree(z.number()), 'payload'],
}

function tree(value: z.ZodType): z.ZodType {
  const node = z.object({
    value,
    get children(): z.ZodType {
      return z.array(node)
    },
  })
  return node
}

for (const [name, [stored, given, path]] of Object.entries(refused)) {
  test(`a payload is refused: ${name}`, () => assert.is(payloadPath(stored, given), path))
}

test('a payload may become optional, and not the other way round', () => {
  const optional = { payload: a.optional() }
  const [none, required] = [{}, { payload: a }]
  assert.equal(differences(none, optional), [])
  assert.equal(differences(required, optional), [])
  assert.equal(differences(none, { payload: a.default({ a: '' }) }), [])
  for (const [stored, given] of [
    [none, required],
    [optional, required],
    [required, none],
    [optional, none],
  ] as const) {
    assert.equal(
      differences(stored, given).map(({ path }) => path),
      ['payload'],
    )
  }
})

test('a key may be widened as long as each stored one is encoded as it was', () => {
  const pair = z.object({ a: z.string(), b: z.int() })
  for (const [stored, given] of [
    [z.enum(['a', 'b']), z.enum(['a', 'b', 'c'])],
    [z.int(), z.union([z.string(), z.int()])],
    [z.string().max(5), z.string().max(9)],
    [pair, pair.extend({ b: z.number().optional() })],
    [pair, pair.strict()],
    [date, z.iso.datetime()],
    [date, z.union([date, z.int()])],
    [date.nullable(), z.union([date.nullable(), z.int()])],
    [z.union([date, z.int()]), z.union([date, z.int(), z.boolean()])],
    [z.tuple([z.int(), z.string()]), z.tuple([z.number(), z.string()])],
  ] as const) {
    assert.equal(differences({ key: stored }, { key: given }), [])
    assert.equal(differences({ namespace: stored }, { namespace: given }), [])
  }
})

test('a key is refused under which a stored one would be encoded as something else', () => {
  const one = z.object({ a: z.string() })
  const pair = z.object({ a: z.string(), b: z.int() })
  assert.is(keyPath(one, one.extend({ b: z.int().default(1) })), 'key.b')
  assert.is(keyPath(one, one.extend({ b: z.int().optional() })), 'key.b')
  assert.is(
    keyPath(z.object({ a: z.string().optional() }), z.object({ a: z.string().default('x') })),
    'key.a',
  )
  assert.is(keyPath(pair, one), 'key.b')
  assert.is(keyPath(pair.loose(), pair), 'key.*')
  assert.is(keyPath(pair, z.union([one, pair])), 'key.b', 'the first that fits leaves a property out')
  assert.is(keyPath(z.string(), z.union([date, z.string()])), 'key', 'the first that fits writes dates anew')
  assert.is(keyPath(date, z.union([one, date])), 'key', 'a date is an object, too')
  assert.is(keyPath(z.string(), z.string().trim()), 'key')
  assert.is(keyPath(z.iso.datetime(), date), 'key')
  assert.is(keyPath(z.tuple([z.int()]), z.tuple([z.int(), z.string().optional()])), 'key')
  assert.is(differences({ namespace: z.string() }, { namespace: z.int() })[0]?.path, 'namespace')
})

test('every field that differs is told', () => {
  const paths = differences({ key: z.int(), payload: a }, { namespace: z.int(), payload: z.int() }).map(
    ({ path }) => path,
  )
  assert.equal(paths, ['key', 'namespace', 'payload'])
})

test('a pattern of a known format may be written anew', () => {
  const stored = JSON.parse(textOf({ payload: z.email() }))
  // As zod 4.0 wrote it.
  stored.payload.pattern =
    "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"
  const verdict = checkSchemas(JSON.stringify(stored), textOf({ payload: z.email() }))
  assert.is(verdict.isCompatible, true)
  assert.is(takesTheSame('ipv4', '^1', '^2'), true)
  assert.is(takesTheSame('starts_with', '^1', '^2'), false)
  assert.is(takesTheSame('email', undefined, '^a'), false)
  assert.is(takesTheSame('email', '^a', '('), false)
})

test('what was left out once must not come back as something else', () => {
  const first = textOf({ payload: a.extend({ b: z.string() }) })
  const narrowed = checkSchemas(first, textOf({ payload: a }))
  if (!narrowed.isCompatible) return assert.unreachable('b can be left out')
  const { earlier, ...present } = parseSchemas(narrowed.schemas)
  assert.equal(present, parseSchemas(textOf({ payload: a })))
  assert.is(earlier?.length, 1)
  const refusal = checkSchemas(narrowed.schemas, textOf({ payload: a.extend({ b: z.int().optional() }) }))
  assert.equal(refusal.isCompatible ? [] : refusal.differences.map(({ path }) => path), ['payload.b'])
  const again = checkSchemas(narrowed.schemas, textOf({ payload: a.extend({ b: z.string().optional() }) }))
  assert.is(
    again.isCompatible && parseSchemas(again.schemas).earlier,
    undefined,
    'nothing is left out any more',
  )
  assert.equal(checkSchemas(narrowed.schemas, textOf({ payload: a })), {
    isCompatible: true,
    schemas: narrowed.schemas,
  })
})

/** Fails where a payload that was stored under one of the schemas is not read under the last of them. */
function mustBeRead(schema: z.ZodType, text: string, schemas: readonly string[]): void {
  try {
    const json: unknown = text === '' ? undefined : JSON.parse(text)
    z.decode(schema, json as never)
    compilePayload(schema, 65_536).decode(text)
  } catch (error) {
    assert.unreachable(`${text} is not read: ${error}\n${schemas.join('\n')}`)
  }
}

test('a payload under schemas that may follow each other is always read', () => {
  const random = randomFrom(seed)
  let followed = 0
  let read = 0
  for (let round = 0; round < 1500; round++) {
    // One service through a few versions of itself, with what was stored under each.
    let spec = randomSpec(random)
    const schemas: string[] = []
    const stored: string[] = []
    for (let step = 0; step < 4; step++) {
      const optional = random() < 0.3
      const schema = optional ? schemaOf(spec).optional() : schemaOf(spec)
      const given = textOf({ payload: schema })
      const verdict = checkSchemas(schemas.at(-1) ?? given, given)
      if (verdict.isCompatible) {
        if (schemas.length > 0 && schemas.at(-1) !== given) followed++
        schemas.push(verdict.schemas)
        for (const text of stored) mustBeRead(schema, text, schemas)
        read += stored.length
        stored.push(...encoded(random, spec, compilePayload(schema, 65_536)))
        if (optional) stored.push('')
      }
      spec = likeSpec(random, spec)
    }
  }
  assert.ok(followed > 250 && read > 2500, `${followed} schemas followed others, ${read} payloads were read`)
})

test('a key under schemas that may follow each other is always encoded to the same text', () => {
  const random = randomFrom(seed + 1)
  let read = 0
  for (let round = 0; round < 4000; round++) {
    const spec = randomSpec(random)
    const [stored, given] = [schemaOf(spec), schemaOf(likeSpec(random, spec))]
    const texts = [textOf({ key: stored }), textOf({ key: given })] as const
    if (texts[0] === texts[1] || !checkSchemas(...texts).isCompatible) continue
    const [storedCodec, givenCodec] = [stored, given].map((schema) => compilePart(schema, 'key', 65_536)) as [
      TextCodec,
      TextCodec,
    ]
    for (const text of encoded(random, spec, storedCodec)) {
      // A union that reads what one of its options wrote as another one was no schema for keys in the first place.
      if (encodedAgain(storedCodec, text) !== text) continue
      read++
      assert.is(encodedAgain(givenCodec, text), text, texts.join('\n'))
    }
  }
  assert.ok(read > 250, `${read} keys were read`)
})

function encodedAgain({ encode, decode }: TextCodec, text: string): string | undefined {
  try {
    return encode(decode(text))
  } catch {
    return undefined
  }
}

/** The texts of some values that a schema takes. */
function encoded(
  random: () => number,
  spec: Parameters<typeof valueFor>[1],
  { encode }: TextCodec,
): string[] {
  const texts: string[] = []
  for (let i = 0; i < 6; i++) {
    try {
      texts.push(encode(valueFor(random, spec)))
    } catch {
      // The value did not fit: a union's codec, a range, a length.
    }
  }
  return texts
}

test.run()
