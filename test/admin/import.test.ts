// timeout: 300s
// An export, imported: the same timers, payloads, services, watermarks and order, in both formats; and every line that
// cannot be imported is told.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { diff } from '../../src/admin/diff.ts'
import { exportVerb } from '../../src/admin/export.ts'
import { importVerb } from '../../src/admin/import.ts'
import { TimerStore } from '../../src/index.ts'
import { NEWEST_FILE } from '../../src/log/newest.ts'
import { ManualClock } from '../../src/testing.ts'
import { keyGroupOf } from '../../src/timer/keygroup.ts'
import { withLevel } from '../support/damage.ts'
import { eventually } from '../support/eventually.ts'
import { rejects } from '../support/refusals.ts'
import { all, inStore, openStore, withDirectory } from '../support/store.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import '../support/random.ts'
import { buildCommand, tidemark } from './command.ts'
import { makePlaces } from './places.ts'
import { randomStore, steps } from './randomstore.ts'
import { type Ran, runRecorded } from './recorded.ts'

const directory = temporaryDirectory('import')
let files = 0

function placeFor(name: string): string {
  return path.join(directory, `${files++}-${name}`)
}

async function exported(place: string, ...options: string[]): Promise<string> {
  return (await runRecorded(exportVerb, [place, ...options])).stdout
}

/** Imports text from a file. */
async function importText(
  text: string | Buffer,
  location = placeFor('store'),
): Promise<Ran & { location: string }> {
  const file = placeFor('lines')
  fs.writeFileSync(file, text)
  return { ...(await runRecorded(importVerb, [location, file, '--json'])), location }
}

interface Told {
  isComplete: boolean
  new: number
  there: number
  lines: number
  outOfOrder: number
  services: { new: number; there: number }
  error?: { line?: number; message: string }
}

function told(ran: Ran): Told {
  return ran.documents()[0] as Told
}

const ownFields = new Set(['storeId', 'version', 'createVersion', 'place'])

/** The documents of an export, without what is another store's own. */
function documentsOf(ndjson: string): unknown[] {
  return ndjson
    .trimEnd()
    .split('\n')
    .map((line) => Object.entries(JSON.parse(line)).filter(([name]) => !ownFields.has(name)))
}

test('what is exported and imported is the same, whatever it is, in either format, of a store and of a checkpoint', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.constantFrom(1, 16, 128), async (history, maxParallelism) => {
      await withDirectory(async (scratch) => {
        const at = (name: string) => path.join(scratch, name)
        const store = await randomStore(at('store'), history, maxParallelism)
        const checkpoint = await store.checkpoint(at('checkpoints'))
        const { services } = store.stats()
        await store.close()
        const ndjson = await exported(at('store'))
        const csv = await exported(at('store'), '--format', 'csv')
        assert.is(await exported(checkpoint.path), ndjson)
        assert.is(await exported(checkpoint.path, '--format', 'csv'), csv)
        for (const [format, text] of Object.entries({ ndjson, csv })) {
          fs.writeFileSync(at(format), text)
          const { code } = await runRecorded(importVerb, [at(`from-${format}`), at(format)])
          assert.is(code, 0)
          const again = await exported(at(`from-${format}`))
          assert.equal(documentsOf(again), documentsOf(ndjson), format)
          const compared = await runRecorded(diff, [at('store'), at(`from-${format}`), '--ignore-versions'])
          assert.is(compared.code, 0, compared.stdout)
          await inStore(at(`from-${format}`), {}, async (imported) =>
            assert.equal(imported.stats().services, services),
          )
        }
      })
    }),
    { numRuns: 25 },
  )
})

test('timers of one timestamp fire from an import in the order in which they were registered', async () => {
  await withDirectory(async (scratch) => {
    const keys = Array.from({ length: 300 }, (_, i) => `key-${(i * 7919) % 300}`)
    await inStore(path.join(scratch, 'store'), {}, async (store) => {
      const service = await store.service('orders')
      for (const key of keys) service.processingTime.register({ key, timestamp: 5 })
    })
    const { location } = await importText(await exported(path.join(scratch, 'store')))
    const clock = new ManualClock(0)
    await inStore(location, { clock }, async (store) => {
      const fired: string[] = []
      await store.service('orders', { onProcessingTime: async ({ key }) => void fired.push(key) })
      await clock.advanceTo(10)
      assert.equal(fired, keys)
    })
  })
})

test('what is there already is counted, keeps its place, and takes the payload', async () => {
  const service =
    '{"service":"orders","schemas":{"key":{"type":"string"},"namespace":{"type":"string"},"payload":{},"optional":true}}\n'
  const timer = (key: string, rest = '') =>
    `{"service":"orders","domain":"eventTime","key":"${key}","timestamp":7${rest}}\n`
  const first = await importText(service + timer('b') + timer('a'))
  assert.equal([told(first).new, told(first).there, told(first).services], [2, 0, { new: 1, there: 0 }])
  const second = await importText(
    service + timer('a', ',"payload":[1]') + timer('c') + timer('a'),
    first.location,
  )
  assert.equal([told(second).new, told(second).there, told(second).services], [1, 2, { new: 0, there: 1 }])
  const third = await importText(timer('b', ',"payload":null'), first.location)
  assert.equal([third.code, told(third).there], [0, 1])
  const lines = documentsOf(await exported(first.location)).slice(2)
  assert.equal(
    lines.map((line) => (line as [string, unknown][]).slice(2)),
    [
      [
        ['key', 'b'],
        ['namespace', ''],
        ['timestamp', 7],
        ['payload', null],
      ],
      [
        ['key', 'a'],
        ['namespace', ''],
        ['timestamp', 7],
      ],
      [
        ['key', 'c'],
        ['namespace', ''],
        ['timestamp', 7],
      ],
    ],
  )
})

test('a watermark is raised, and never lowered', async () => {
  const line = (watermark: number) =>
    `{"service":"s","watermark":${watermark},"schemas":{"key":{"type":"string"},"namespace":{"type":"string"}}}\n`
  const { location } = await importText(line(50))
  await importText(line(40), location)
  await inStore(location, {}, async (store) => assert.is(store.stats().services.s!.watermark, 50))
  await importText(line(60), location)
  await inStore(location, {}, async (store) => assert.is(store.stats().services.s!.watermark, 60))
})

const SERVICE =
  '{"service":"s","schemas":{"key":{"type":"string"},"namespace":{"enum":["","a"],"type":"string"},' +
  '"payload":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}}}'
const GOOD = '{"service":"s","domain":"eventTime","key":"k","timestamp":1,"payload":{"n":1}}'

function changed(fields: Record<string, unknown>): string {
  return JSON.stringify({ ...JSON.parse(GOOD), ...fields })
}

test('a line that is wrong is told by its number, and nothing from its slice on is imported', async () => {
  for (const [wrong, problem] of [
    ['{"service":"s"', 'it is not JSON'],
    ['[1]', 'no object'],
    [changed({ service: 'other' }), "there is no service 'other'"],
    [changed({ service: 5 }), 'service must be the name of one'],
    [changed({ service: 'tidemark:own' }), 'may not begin with'],
    ['{"service":"\\udfff","schemas":{}}', 'half of a surrogate pair'],
    [changed({ domain: 'event' }), 'domain must be eventTime or processingTime'],
    [changed({ key: undefined }), 'key is missing'],
    [changed({ key: 5 }), 'key must be of type string'],
    [changed({ key: 'x'.repeat(1025) }), 'key takes 1025 bytes'],
    [
      '{"service":"s","domain":"eventTime","key":"\\ud800","timestamp":1,"payload":{"n":1}}',
      'key cannot be encoded',
    ],
    [changed({ namespace: 'b' }), 'namespace must be one of ["","a"]'],
    [changed({ timestamp: 1.5 }), 'timestamp must be a whole number'],
    [changed({ timestamp: '1' }), 'timestamp must be a whole number'],
    [changed({ timestamp: 2 ** 53 }), 'timestamp must be a whole number'],
    [changed({ payload: undefined }), 'payload is missing'],
    [changed({ payload: { n: 'x' } }), 'payload.n must be of type integer'],
    [changed({ payload: {} }), 'payload.n is missing'],
    [changed({ payload: { n: 1, text: 'x'.repeat(70_000) } }), 'payload takes'],
    [changed({ namspace: 'a' }), 'there is no field "namspace"'],
    [changed({ createVersion: 0, place: 0 }), 'createVersion must be'],
    ['{"tidemark":"export","format":2}', 'use a newer Tidemark'],
    ['{"tidemark":"else"}', 'not an export of Tidemark'],
    ['{"service":"t","schemas":[]}', 'schemas must be an object'],
    ['{"service":"t","schemas":{}}', 'schemas must be { key, namespace, payload? }'],
    ['{"service":"t","schemas":{"key":{"type":"string"}}}', 'schemas must be { key, namespace, payload? }'],
    ['{"service":"t","schemas":{"key":"x","namespace":"y"}}', 'each of them a JSON Schema'],
    [SERVICE.replace('"n"', '"m"').replace('["n"]', '["m"]'), 'is there with other schemas'],
  ] as const) {
    const ran = await importText(`${SERVICE}\n\n${GOOD}\n${wrong}\n${GOOD}\n`)
    assert.is(ran.code, 1, problem)
    const { error, isComplete, lines } = told(ran)
    assert.equal([isComplete, error?.line], [false, 4], `${wrong}: ${error?.message}`)
    assert.ok(error!.message.startsWith('line 4: '))
    assert.ok(error!.message.includes(problem), `${error!.message} does not say: ${problem}`)
    // A service that is refused ends a slice.
    assert.is(lines, problem.includes('other schemas') ? 3 : 1, problem)
    assert.ok(JSON.parse(ran.stderr).error.message.startsWith(`${error!.message} (lines 1 to `))
  }
})

test('a service whose schemas are none leaves its name free', async () => {
  const ran = await importText(`${SERVICE}\n{"service":"t","schemas":{"key":{"type":"string"}}}\n`)
  assert.is(ran.code, 1)
  await inStore(ran.location, {}, async (store) => {
    assert.equal(Object.keys(store.stats().services), ['s'])
    await store.service('t')
  })
})

test('the slices before a wrong line are there, and importing again goes on', async () => {
  const timers = Array.from({ length: 3500 }, (_, i) => changed({ key: `k${i}` }))
  const wrong = [...timers.slice(0, 2700), '{', ...timers.slice(2700)]
  const ran = await importText([SERVICE, ...wrong].join('\n'))
  const { error, lines } = told(ran)
  assert.equal([error!.line, lines, told(ran).new], [2702, 2001, 2000])
  await inStore(ran.location, {}, async (store) => assert.is(store.stats().services.s!.eventTime, 2000))
  const again = await importText([SERVICE, ...timers].join('\r\n'), ran.location)
  assert.equal([again.code, told(again).new, told(again).there], [0, 1500, 2000])
})

test('where the first line is wrong there is no store', async () => {
  for (const text of [
    '',
    '\n\n',
    'nothing',
    '{"service":"s"}',
    'record,key\n',
    Buffer.from([0x7b, 0xff, 0xff]),
  ]) {
    const ran = await importText(text)
    assert.is(ran.code, 1, String(text))
    assert.is(told(ran).lines, 0)
    assert.not(fs.existsSync(ran.location), String(text))
  }
})

test('CSV that people write is understood: any columns, line ends, quotes, and a byte order mark', async () => {
  const schemas = '"{""key"":{},""namespace"":{""type"":""string""}}"'
  const text =
    '\ufefftimestamp,key,domain,service,record,schemas\r\n' +
    `,,,s,service,${schemas}\n` +
    '1,plain,eventTime,s,timer,\r\n' +
    '2,"with ""quotes"", and\na line break",eventTime,s,timer,\n' +
    '3,42,eventTime,s,timer,\n4,"""42""",eventTime,s,timer,\n\n5,,eventTime,s,timer,'
  const { code, location } = await importText(text)
  assert.is(code, 0)
  await inStore(location, {}, async (store) => {
    const snapshot = await store.snapshot()
    const timers = await all(snapshot.timers())
    await snapshot.release()
    const keys = timers.sort((a, b) => a.timestamp - b.timestamp).map(({ key }) => key)
    assert.equal(keys, ['plain', 'with "quotes", and\na line break', 42, '42', ''])
  })
})

test('CSV that is none is told by its line', async () => {
  const head = 'record,service,domain,key,timestamp,schemas\n'
  const service = 'service,s,,,,"{""key"":{""type"":""string""},""namespace"":{""type"":""string""}}"\n'
  for (const [text, line, problem] of [
    ['service,domain,key\n', 1, 'the column timestamp is missing'],
    ['service,service,domain,key,timestamp\n', 1, 'a column is there twice'],
    ['service,when\n', 1, 'neither NDJSON nor names columns'],
    [`${head}${service}timer,s,eventTime\n`, 3, 'it has 3 cells, and the first line has 6'],
    [`${head}${service}timer,s,eventTime,"a"b,1,\n`, 3, 'text behind a quote'],
    [`${head}${service}timer,s,eventTime,a"b"c,1,\n`, 3, 'a quote within a cell'],
    [`${head}${service}timer,s,eventTime,"a,1,\n`, 3, 'a quote is not closed'],
    [`${head}${service}timer,s,eventTime,a,later,\n`, 3, 'timestamp must be a whole number'],
    [`${head}${service}else,s,eventTime,a,1,\n`, 3, 'store, service or timer'],
    [`${head}service,s,,,,{\n`, 2, 'schemas is not JSON'],
    [`${head}${service}timer,"s",eventTime,"a\nb",1,\ntimer,s,event,k,1,\n`, 5, 'domain must be'],
  ] as const) {
    const ran = await importText(text)
    assert.is(ran.code, 1, problem)
    assert.is(told(ran).error?.line, line, told(ran).error?.message)
    assert.ok(told(ran).error!.message.includes(problem), `${told(ran).error!.message}: ${problem}`)
  }
})

test('timers that came out of their order are told', async () => {
  const timer = (key: string, createVersion: number) => changed({ key, createVersion, place: 0 })
  const ran = await importText([SERVICE, timer('a', 2), timer('b', 1), timer('c', 3)].join('\n'))
  assert.equal([ran.code, told(ran).outOfOrder], [0, 1])
  assert.match(ran.stderr, /1 timer comes behind one of the same timestamp that was registered later/)
})

test('keys of other key groups are refused, as the store itself refuses them', async () => {
  const places = await makePlaces(placeFor('range'), 40)
  const text = await exported(places.full)
  const part = placeFor('part')
  await TimerStore.restore(places.full, part, { keyGroups: { start: 0, end: 7 } })
  const ran = await importText(text, part)
  assert.is(ran.code, 1)
  assert.match(told(ran).error!.message, /its key belongs to key group \d+, and this store holds 0 to 7/)
  const { location } = await importText(await exported(part))
  const store = await openStore(location)
  const orders = await store.service('sessions', { key: z.union([z.number(), z.string()]) })
  const foreign = Array.from({ length: 100 }, (_, i) => `k${i}`).find((key) => keyGroupOf(key, 16) > 7)!
  await rejects(
    () => orders.eventTime.register({ key: foreign, timestamp: 1 }),
    'TIDEMARK_KEY_GROUP_OUT_OF_RANGE',
  )
  await store.close()
})

test('a store that is open elsewhere, or a directory that is none, is left alone', async () => {
  const file = placeFor('lines')
  fs.writeFileSync(file, `${SERVICE}\n${GOOD}\n`)
  const location = placeFor('held')
  const store = await openStore(location, { clock: new ManualClock(0) })
  const held = await tidemark(['import', location, file])
  await store.close()
  assert.equal([held.code, held.stdout], [3, ''])
  assert.match(held.stderr, /is open in process/)
  const other = placeFor('other')
  fs.mkdirSync(other)
  fs.writeFileSync(path.join(other, 'notes.txt'), 'mine')
  assert.is((await tidemark(['import', other, file])).code, 1)
  assert.equal(fs.readdirSync(other), ['notes.txt'])
  assert.is((await tidemark(['import', placeFor('none'), placeFor('missing')])).code, 2)
  assert.is((await tidemark(['import'])).code, 2)
})

test('a store that is not what it was is refused, as its service refuses it', async () => {
  const location = placeFor('newer')
  const register = (n: number) =>
    inStore(location, {}, async (store) => {
      const orders = await store.service('orders')
      await orders.eventTime.register({ key: `k${n}`, timestamp: n })
    })
  await register(1)
  const older = placeFor('older')
  fs.cpSync(location, older, { recursive: true })
  await register(2)
  fs.copyFileSync(path.join(location, NEWEST_FILE), path.join(older, NEWEST_FILE))
  await rejects(() => importText(`${SERVICE}\n${GOOD}\n`, older), 'TIDEMARK_CORRUPT', 'is not what it was')
  await withLevel(location, (level) => level.del('m!store'))
  await rejects(() => importText(`${SERVICE}\n${GOOD}\n`, location), 'TIDEMARK_CORRUPT', 'record is missing')
})

test('an import notes how far the store came', async () => {
  const { location } = await importText(`${SERVICE}\n${GOOD}\n`)
  const noted = fs.readFileSync(path.join(location, NEWEST_FILE), 'utf8')
  const version = await inStore(location, {}, async (store) => store.stats().version)
  assert.match(noted, `version ${version}\n`)
})

test('a payload with half of a surrogate pair comes back, whatever its schema', async () => {
  const payloads = ['\ud800', 'none', { text: '\ud800' }, 'a']
  const location = placeFor('surrogates')
  const payload = z.union([z.literal('none'), z.enum(['a']), z.string(), z.object({ text: z.string() })])
  await inStore(location, {}, async (store) => {
    const { eventTime } = await store.service('s', { payload })
    for (const [timestamp, payload] of payloads.entries())
      await eventTime.register({ key: 'k', timestamp, payload })
  })
  const ran = await importText(await exported(location))
  assert.is(ran.code, 0)
  await inStore(ran.location, {}, async (store) => {
    const { eventTime } = await store.service('s', { payload })
    const timers = await all(eventTime.list({ key: 'k' }))
    assert.equal(
      timers.map((timer) => timer.payload),
      payloads,
    )
  })
})

test('people are told how far it came, and so are those who interrupt it', async () => {
  const timers = Array.from({ length: 2500 }, (_, i) => changed({ key: `k${i}` }))
  const file = placeFor('lines')
  fs.writeFileSync(file, [SERVICE, ...timers, '{'].join('\n'))
  const location = placeFor('store')
  const wrong = await tidemark(['import', location, file])
  assert.is(wrong.code, 1)
  assert.is(wrong.stdout, `${location}: 2,000 timers new, 0 there already; 1 service new, 0 there already\n`)
  assert.match(
    wrong.stderr,
    /^error: line 2502: it is not JSON: .* \(lines 1 to 2001 were imported, and nothing behind/,
  )
  const none = await tidemark(['import', placeFor('store'), '-'], { input: '{}' })
  assert.match(none.stderr, /^error: line 1: .* \(nothing was imported\)\n$/)

  const other = placeFor('store')
  const child = spawn(process.execPath, [buildCommand(), 'import', other])
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  child.stdin.write(`${[SERVICE, ...timers].join('\n')}\n`)
  await eventually(() => fs.existsSync(path.join(other, 'TIDEMARK')) || undefined, 'a store')
  child.kill('SIGINT')
  const code = await new Promise((resolve) => child.once('close', resolve))
  assert.is(code, 130, stderr)
  assert.match(stderr, /^error: interrupted \((lines 1 to \d+ were imported|nothing was imported)/)
  await inStore(other, {}, async (store) => assert.ok((store.stats().services.s?.eventTime ?? 0) <= 2500))
})

test('export and import work in a pipe', async () => {
  const places = await makePlaces(placeFor('pipe'), 3000)
  const copy = placeFor('copy')
  const bin = buildCommand()
  const pipe = `"$0" "$1" export "$2" --format csv | "$0" "$1" import "$3"`
  const child = spawn('sh', ['-c', pipe, process.execPath, bin, places.incremental, copy])
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (output += text))
  const code = await new Promise((resolve) => child.once('close', resolve))
  assert.is(code, 0, output)
  assert.is(
    output,
    `${copy}: ${places.timers.length.toLocaleString('en')} timers new, 0 there already; 2 services new, 0 there already\n`,
  )
  const compared = await tidemark(['diff', places.store, copy, '--ignore-versions', '--json'])
  assert.is(compared.code, 0, compared.stdout)
  assert.is((await tidemark(['diff', places.store, copy, '--summary'])).code, 1)
})

test.run()
