// Stored schemas that somebody made to do harm are judged like others, in bounded time.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { MAX_STORED_JSON_DEPTH } from '../../src/limits.ts'
import { checkSchemas } from '../../src/timer/compatibility.ts'
import { takesTheSame } from '../../src/timer/formats.ts'
import { jsonDepth } from '../../src/timer/jsondepth.ts'
import { parseSchemas, schemasText } from '../../src/timer/schematext.ts'
import { rejects, throwsInvalid } from '../support/refusals.ts'

const string = { type: 'string' }

test('a stored pattern that would never end counts as another one, soon', () => {
  const startMs = performance.now()
  assert.is(takesTheSame('email', '^(([a-z0-9_-])+)+!$', '^.+@.+$'), false)
  assert.ok(performance.now() - startMs < 3000)
})

test('payloads of the past are remembered once each, however many there are', () => {
  const object = (name: string) => ({ type: 'object', properties: { [name]: {} } })
  const earlier = Array.from({ length: 4000 }, (_, i) => ({ payload: object(`p${i % 2000}`) }))
  const text = (payload: object, more = {}) =>
    JSON.stringify({ key: string, namespace: string, payload, ...more })
  const startMs = performance.now()
  const verdict = checkSchemas(text(object('a'), { earlier }), text(object('b')))
  assert.ok(verdict.isCompatible)
  assert.is(parseSchemas(verdict.schemas).earlier!.length, 2001)
  assert.ok(performance.now() - startMs < 10_000)
})

test('depth is told from the text, whatever is in its strings', () => {
  for (const [text, depth] of [
    ['1', 0],
    ['"[[["', 0],
    ['{"a\\"[":[{}]}', 3],
    ['["\\\\",[]]', 2],
    [`${'['.repeat(100_000)}`, 100_000],
  ] as const)
    assert.is(jsonDepth(text), depth, text.slice(0, 20))
})

test('schemas that no recursion could go through are refused, given or stored', async () => {
  const deep = `{"payload":${'{"not":'.repeat(50_000)}{}${'}'.repeat(50_000)}}`
  await rejects(() => parseSchemas(deep), 'TIDEMARK_CORRUPT', String(MAX_STORED_JSON_DEPTH))
  let payload: z.ZodType = z.string()
  for (let i = 0; i < MAX_STORED_JSON_DEPTH; i++) payload = z.object({ a: payload })
  throwsInvalid(() => schemasText({ payload }, 'orders'))
})

test('a stored schema of which a keyword has another form than JSON Schema gives it is refused', async () => {
  const malformed: object[] = [
    { enum: 'string' },
    { type: 7 },
    { type: ['string', null] },
    { required: 'id' },
    { required: [{}] },
    { properties: [] },
    { properties: { id: null } },
    { anyOf: {} },
    { anyOf: ['string'] },
    { prefixItems: 3 },
    { items: [string] },
    { not: null },
    { pattern: 1 },
    { multipleOf: '2' },
    { maxItems: {} },
  ]
  for (const schema of malformed) {
    for (const nested of [schema, { type: 'array', items: schema }, { anyOf: [string, { not: schema }] }]) {
      const text = JSON.stringify({ key: string, namespace: string, payload: nested })
      await rejects(() => parseSchemas(text), 'TIDEMARK_CORRUPT', 'cannot be read')
    }
  }
})

test('a property may have the name of a keyword', () => {
  const properties = { enum: string, required: string, constructor: string }
  const schemas = { key: string, namespace: string, payload: { type: 'object', properties } }
  assert.is(JSON.stringify(parseSchemas(JSON.stringify(schemas))), JSON.stringify(schemas))
})

test.run()
