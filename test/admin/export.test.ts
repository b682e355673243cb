// timeout: 240s
// What export writes, in what order and where to; and the parts that it is made of.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { CsvProblem, CsvReader, cellValue, csvLine, stringCell } from '../../src/admin/csv.ts'
import { DueSorter } from '../../src/admin/duesorter.ts'
import { exportVerb } from '../../src/admin/export.ts'
import { misfit } from '../../src/admin/schemafit.ts'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { parseSchemas, schemasText } from '../../src/timer/schematext.ts'
import { makeStored, orderTextOf } from '../../src/timer/stored.ts'
import { compareStored, encodeTimestamp } from '../../src/timer/text.ts'
import { changeCharacter, keysOf, withLevel } from '../support/damage.ts'
import { rejects } from '../support/refusals.ts'
import { all, withDirectory } from '../support/store.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import '../support/random.ts'
import { buildCommand, tidemark } from './command.ts'
import { makePlaces } from './places.ts'
import { runRecorded } from './recorded.ts'

const directory = temporaryDirectory('export')
// Its own: what others leave beside it while they run is none of its leftovers.
process.env.TMPDIR = temporaryDirectory('export-tmp')
const places = await makePlaces(directory)

function leftovers(): string[] {
  return fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('tidemark-export-'))
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({
    unit: fc.constantFrom('"', ',', '\n', '\r', ' ', '4', '{', '}', 'n', 'ull', 'true', '\0'),
    maxLength: 6,
  }),
  fc.json().map((json) => json.slice(0, 60)),
)

test('a string is a cell and a cell is a value, whatever is in it, and no cell has a line break', () => {
  fc.assert(
    fc.property(text, (string) => {
      const cell = stringCell(string)
      assert.is(cellValue(cell), string)
      assert.not.match(cell, /[\n\r\0]/)
    }),
    { numRuns: 5000 },
  )
  assert.equal(['order-1', '', 'a "b"', 'é 😀'].map(stringCell), ['order-1', '', 'a "b"', 'é 😀'])
  assert.equal(['42', 'null', '"', ' a', '\n'].map(stringCell), ['"42"', '"null"', '"', '" a"', '"\\n"'])
})

test('CSV is read as it was written, in whatever pieces it comes', () => {
  const cells = fc.array(fc.array(text, { minLength: 1, maxLength: 4 }), { maxLength: 6 })
  fc.assert(
    fc.property(
      cells,
      fc.constantFrom('\n', '\r\n'),
      fc.integer({ min: 1, max: 9 }),
      (records, end, size) => {
        // A record of one empty cell is an empty line, which is none.
        const written = records.filter((record) => record.length > 1 || record[0] !== '')
        const whole = written.map((record) => csvLine(record) + end).join('')
        const reader = new CsvReader(1000)
        const read: string[][] = []
        for (let at = 0; at < whole.length; at += size) {
          for (const { cells } of reader.take(whole.slice(at, at + size), false)) read.push(cells)
        }
        for (const { cells } of reader.take('', true)) read.push(cells)
        assert.equal(read, written)
      },
    ),
    { numRuns: 2000 },
  )
})

test('a record of CSV knows the line that it began in, and may not go on for ever', () => {
  const lines = (text: string) => Array.from(new CsvReader(100).take(text, true), ({ line }) => line)
  assert.equal(lines('a\n"b\n\nc",d\r\n\ne'), [1, 2, 6])
  assert.throws(
    () => [...new CsvReader(100).take(`a\n"${'x\n'.repeat(60)}`, false)],
    (error: unknown) => error instanceof CsvProblem && error.line === 2,
  )
})

interface Stored {
  identity: string
  value: string
  order: [number, number, number]
}

function storedTimers(count: number): fc.Arbitrary<Stored[]> {
  const timer = fc.record({
    key: fc.string({ unit: fc.constantFrom('a', 'é', '😀', '\n', ' '), maxLength: 3 }),
    timestamp: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.maxSafeInteger()),
    version: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 ** 53 - 1 })),
  })
  return fc.array(timer, { maxLength: count }).map((timers) =>
    timers.map(({ key, timestamp, version }, place) => {
      const identity = `${keyPrefix(queuePrefix(0, 'eventTime'), 0, key)}\0${encodeTimestamp(timestamp)}`
      const { value } = makeStored(identity, version, orderTextOf(version, place), version, '')
      return { identity, value, order: [timestamp, version, place] }
    }),
  )
}

function compareOrder({ order: a }: Stored, { order: b }: Stored): number {
  const at = a.findIndex((number, i) => number !== b[i])
  return at < 0 ? 0 : a[at]! - b[at]!
}

test('timers are sorted by timestamp, create version and place, however few of them fit into memory', async () => {
  await withDirectory(async (scratch) => {
    await fc.assert(
      fc.asyncProperty(storedTimers(60), fc.integer({ min: 1, max: 70 }), async (stored, maxRunTimers) => {
        const line = (identity: string, value: string) => JSON.stringify([identity, value])
        const sorter = new DueSorter({ directory: scratch, line, maxRunTimers })
        const byIdentity = [...stored].sort((a, b) => compareStored(a.identity, b.identity))
        for (let at = 0; at < byIdentity.length; at += 7) {
          const part = byIdentity.slice(at, at + 7)
          const identities = part.map(({ identity }) => identity)
          const values = part.map(({ value }) => value)
          await sorter.add({
            count: part.length,
            identities,
            values,
            checksums: new Float64Array(part.length),
          })
        }
        const sorted = (await all(sorter.lines())).flat()
        const expected = [...stored].sort(compareOrder)
        assert.equal(
          sorted,
          expected.map(({ identity, value }) => line(identity, value)),
        )
      }),
      { numRuns: 200 },
    )
  })
})

test('every timer is told in the order in which it is due, under the service that it belongs to', async () => {
  for (const place of [places.store, places.full, places.incremental]) {
    const { stdout, code } = await runRecorded(exportVerb, [place])
    assert.is(code, 0)
    const documents = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.is(documents[0].tidemark, 'export')
    const timers = documents.filter(({ timestamp }) => timestamp !== undefined)
    const named = new Map<string, unknown>()
    for (const { schemas, service, domain, timestamp, createVersion, place: at } of documents.slice(1)) {
      if (schemas !== undefined) named.set(service, [])
      else {
        const [last, order] = [named.get(`${service} ${domain}`), [timestamp, createVersion, at]]
        assert.ok(named.has(service))
        if (last !== undefined) assert.ok(compareOrder({ order: last } as never, { order } as never) < 0)
        named.set(`${service} ${domain}`, order)
      }
    }
    const identity = ({
      service,
      domain,
      key,
      namespace,
      timestamp,
      payload,
      createVersion,
    }: (typeof timers)[0]) =>
      JSON.stringify([service, domain, key, namespace, timestamp, payload, createVersion])
    assert.equal(timers.map(identity).sort(), places.timers.map(identity).sort())
  }
})

test('a file is there when it is whole, in place of one that was there', async () => {
  const file = path.join(directory, 'out.csv')
  fs.writeFileSync(file, 'what was there')
  const { stdout } = await runRecorded(exportVerb, [places.full, '--format', 'csv', '-o', file])
  assert.match(stdout, /^\d+ timers of 2 services, .*: .*out\.csv\n$/)
  const lines = fs.readFileSync(file, 'utf8').split('\r\n')
  assert.is(lines.length, places.timers.length + 2 + 2 + 1)
  assert.is(fs.statSync(file).mode & 0o777, 0o600)
  const told = await runRecorded(exportVerb, [places.full, '-o', file, '--json'])
  const { timers, services, bytes } = told.documents()[0] as Record<string, number>
  assert.equal([timers, services, bytes], [places.timers.length, 2, fs.statSync(file).size])
})

test('a checkpoint, or a file of a store, is not replaced, and a folder that is missing is told', async () => {
  const copy = path.join(directory, 'mine.tidemark')
  fs.copyFileSync(places.full, copy)
  const store = path.join(directory, 'mine')
  fs.cpSync(places.store, store, { recursive: true })
  const before = fs.readFileSync(copy)
  for (const [out, says] of [
    [copy, 'is there, and a checkpoint'],
    [path.join(store, 'CURRENT'), 'among the files of a store'],
    [path.join(store, 'new.ndjson'), 'among the files of a store'],
    [path.join(directory, 'no', 'such', 'x.ndjson'), 'cannot be written'],
    [directory, 'and no file'],
  ] as const) {
    for (const place of [copy, store]) {
      const { code, stderr } = await tidemark(['export', place, '-o', out])
      assert.is(code, 2, `${out}: ${stderr}`)
      assert.ok(stderr.includes(says), stderr)
    }
  }
  assert.ok(fs.readFileSync(copy).equals(before))
  assert.match(fs.readFileSync(path.join(store, 'CURRENT'), 'utf8'), /^MANIFEST-\d+\n$/)
  const strangers = fs.readdirSync(store).filter((name) => /ndjson|tmp/.test(name))
  assert.equal([strangers, fs.readdirSync(directory).filter((name) => name.endsWith('.tmp'))], [[], []])
  assert.is((await tidemark(['verify', store])).code, 0)
  assert.is((await tidemark(['report', copy, '-o', path.join(store, 'page.html')])).code, 2)
})

test('what is damaged is not exported in part: the file that was there stays, and nothing else is left', async () => {
  const copy = path.join(directory, 'damaged.tidemark')
  const bytes = fs.readFileSync(places.full)
  const reader = await CheckpointReader.open(places.full)
  await reader.close()
  bytes[reader.index.at(-1)!.offset + 30]! ^= 1
  fs.writeFileSync(copy, bytes)
  const out = path.join(directory, 'kept')
  fs.mkdirSync(out)
  const file = path.join(out, 'kept.ndjson')
  fs.writeFileSync(file, 'kept')
  const before = leftovers()
  const outcome = await tidemark(['export', copy, '-o', file])
  assert.is(outcome.code, 4)
  const lost = path.join(directory, 'lost')
  fs.cpSync(places.store, lost, { recursive: true })
  await withLevel(lost, async (level) => level.del((await keysOf(level, 't'))[3]!))
  await rejects(() => runRecorded(exportVerb, [lost, '-o', file]), 'TIDEMARK_CORRUPT', 'its log counts')
  const altered = path.join(directory, 'altered')
  fs.cpSync(places.store, altered, { recursive: true })
  await withLevel(altered, async (level) => changeCharacter(level, (await keysOf(level, 't'))[5]!, 5))
  await rejects(() => runRecorded(exportVerb, [altered, '-o', file]), 'TIDEMARK_CORRUPT')
  assert.equal(fs.readdirSync(out), ['kept.ndjson'])
  assert.is(fs.readFileSync(file, 'utf8'), 'kept')
  assert.equal(leftovers(), before)
})

test('whoever reads it may go away', async () => {
  const large = await makePlaces(path.join(directory, 'large'), 8000)
  const before = leftovers()
  const pipe = spawn('sh', [
    '-c',
    `{ "$0" "$1" export "$2"; echo "code $?" >&2; } | head -2`,
    process.execPath,
    buildCommand(),
    large.full,
  ])
  let [stdout, stderr] = ['', '']
  pipe.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
  pipe.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  await new Promise((resolve) => pipe.once('close', resolve))
  assert.is(stdout.split('\n').length, 3)
  assert.is(stderr, 'code 0\n')
  assert.equal(leftovers(), before)
})

test('wrong arguments are refused', async () => {
  assert.is((await tidemark(['export', places.full, '--format', 'xml'])).code, 2)
  assert.is((await tidemark(['export'])).code, 2)
  assert.is((await tidemark(['export', directory])).code, 2)
})

/** Schemas, and values that they take. */
const SCHEMAS: [z.ZodType, unknown[]][] = [
  [z.string().trim().min(1), ['a']],
  [z.int(), [1, -5]],
  [z.number().positive(), [1.5]],
  [z.enum(['a', 'b']), ['a']],
  [z.literal([1, 'x', null]), [1, 'x', null]],
  [z.union([z.number(), z.string()]), [1, 'x']],
  [
    z.discriminatedUnion('t', [z.object({ t: z.literal('a') }), z.object({ t: z.literal('b'), n: z.int() })]),
    [{ t: 'a' }, { t: 'b', n: 1 }],
  ],
  [
    z.tuple([z.string(), z.int()]).rest(z.boolean()),
    [
      ['a', 1],
      ['a', 1, true, false],
    ],
  ],
  [z.array(z.object({ a: z.string().optional() })), [[], [{}, { a: 'x' }]]],
  [z.record(z.string(), z.int()), [{}, { a: 1 }]],
  [z.looseObject({ a: z.int() }), [{ a: 1, b: 'x' }]],
  [z.strictObject({ a: z.int().nullable() }), [{ a: null }]],
  [z.object({ a: z.int().default(5), b: z.string().nullish() }), [{ a: 1 }, { a: 2, b: null }]],
  [z.intersection(z.object({ a: z.int() }), z.object({ b: z.string() })), [{ a: 1, b: 'x' }]],
  [
    z.codec(z.iso.datetime(), z.date(), { decode: (s) => new Date(s), encode: (d) => d.toISOString() }),
    [new Date(0)],
  ],
  [z.object({ at: z.codec(z.string(), z.bigint(), { decode: BigInt, encode: String }) }), [{ at: 5n }]],
  [z.json(), [{ a: [1, null, { b: 'x' }] }]],
  [z.any(), [1, 'x', null]],
  [z.templateLiteral(['a', z.int()]), ['a1']],
  [z.boolean(), [true]],
  [z.null(), [null]],
]

test('whatever a schema takes fits it, in the form in which it is stored', () => {
  for (const [schema, values] of SCHEMAS) {
    const { key } = parseSchemas(schemasText({ key: schema }, 's'))
    for (const value of values) {
      const encoded: unknown = JSON.parse(JSON.stringify(z.encode(schema, value as never)))
      assert.is(
        misfit(encoded, key, 'key'),
        undefined,
        `${JSON.stringify(key)} of ${JSON.stringify(encoded)}`,
      )
    }
  }
})

test('what a schema cannot take does not fit', () => {
  const why = (schema: z.ZodType, value: unknown) =>
    misfit(value, parseSchemas(schemasText({ key: schema }, 's')).key, 'key')
  assert.is(why(z.int(), 1.5), 'key must be of type integer')
  assert.is(why(z.string(), null), 'key must be of type string')
  assert.is(why(z.enum(['a', 'b']), 'c'), 'key must be one of ["a","b"]')
  assert.is(why(z.literal('a'), 'b'), 'key must be "a"')
  assert.is(why(z.union([z.int(), z.boolean()]), 'x'), 'key fits none of the alternatives of its schema')
  assert.is(why(z.object({ a: z.object({ b: z.int() }) }), { a: {} }), 'key.a.b is missing')
  assert.is(why(z.array(z.int()), [1, 'x']), 'key[1] must be of type integer')
  assert.is(why(z.tuple([z.int(), z.string()]), [1, 2]), 'key[1] must be of type string')
  assert.is(
    why(z.intersection(z.object({ a: z.int() }), z.object({ b: z.int() })), { a: 1 }),
    'key.b is missing',
  )
})

test.run()
