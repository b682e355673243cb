// No name, key, payload, metadata or schema changes what objects are.

import fs from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { TimerStore } from '../../../src/index.ts'
import { all, openStore, withDirectory } from '../../support/store.ts'
import type { Outcome, Part } from '../family.ts'
import { PROTOTYPES } from './hostile.ts'
import { runVerb } from './verbs.ts'

/** Parsed, so that its names are members of its own. */
const POISON = JSON.parse(
  '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":1,"a":{"__proto__":{"polluted":1}}}',
) as Record<string, unknown>

const KNOWN = new Map(
  [Object.prototype, Array.prototype, Function.prototype, String.prototype, Map.prototype].map(
    (prototype) => [prototype as object, Reflect.ownKeys(prototype).map(String).sort().join()],
  ),
)

function areAsTheyWere(where: string): void {
  assert.is(({} as { polluted?: unknown }).polluted, undefined, where)
  for (const [prototype, keys] of KNOWN)
    assert.is(Reflect.ownKeys(prototype).map(String).sort().join(), keys, where)
}

/** Whatever it is: a schema of JSON would leave `__proto__` out by itself, as zod does. */
const definition = { key: z.any(), payload: z.any() }

/** What is stored must come back as it was, names of prototypes included. */
async function roundTrip(root: string): Promise<number> {
  const store = await openStore(join(root, 'store'))
  const keys = [...PROTOTYPES, JSON.parse('{"__proto__":1}'), JSON.parse('["__proto__",{"constructor":2}]')]
  let tries = 0
  for (const name of PROTOTYPES) {
    const { eventTime } = await store.service(name, definition)
    for (const key of keys) {
      const timer = { key, namespace: name, timestamp: 1, payload: POISON }
      assert.is(await eventTime.register(timer), true)
      assert.is(await eventTime.has(timer), true)
      tries++
    }
    const listed = await all(eventTime.list())
    assert.is(listed.length, keys.length)
    for (const { payload } of listed) assert.is(JSON.stringify(payload), JSON.stringify(POISON))
    const texts = listed.map(({ key }) => JSON.stringify(key)).sort()
    assert.equal(texts, keys.map((key) => JSON.stringify(key)).sort())
    areAsTheyWere(`registering in ${name}`)
  }
  const directory = join(root, 'checkpoints')
  const first = await store.checkpoint(directory, { metadata: POISON })
  await (await store.service('toString', definition)).eventTime.delete({
    key: '__proto__',
    namespace: 'toString',
    timestamp: 1,
  })
  const second = await store.checkpoint(directory, { incremental: true })
  assert.equal(Object.keys(store.stats().services).sort(), [...PROTOTYPES].sort())
  assert.equal(await store.verify(), [])
  await store.close()
  const summary = await TimerStore.restore(first.path, join(root, 'restored'))
  assert.is(JSON.stringify(summary.metadata), JSON.stringify(POISON))
  areAsTheyWere('a restore')

  for (const [verb, args] of [
    ['inspect', [first.path]],
    ['inspect', [first.path, '--json']],
    ['inspect', [second.path, '--json']],
    ['verify', [directory, '--json']],
    ['doctor', [join(root, 'store'), '--checkpoints', directory, '--json']],
    ['diff', [first.path, second.path]],
    ['diff', [first.path, second.path, '--json']],
    ['report', [first.path, '-o', join(root, 'report.html')]],
    ['checkpoints', [directory, '--json']],
  ] as const) {
    const { code, stderr } = await runVerb(verb, args)
    assert.ok(code <= 1, `${verb}: ${stderr}`)
    areAsTheyWere(verb)
    tries++
  }
  for (const format of ['ndjson', 'csv']) {
    const [exported, copy] = [join(root, `export.${format}`), join(root, `copy-${format}`)]
    await runVerb('export', [first.path, '--format', format, '-o', exported])
    const { code, stderr } = await runVerb('import', [copy, exported])
    assert.is(code, 0, stderr)
    areAsTheyWere(`import of ${format}`)
    const again = await runVerb('export', [copy, '--format', format])
    const timers = (text: string) =>
      text
        .split(/\r?\n/)
        .filter((line) => /eventTime/.test(line))
        .map(withoutOrder)
        .sort()
    assert.equal(timers(again.stdout), timers(fs.readFileSync(exported, 'utf8')))
    tries++
  }
  return tries
}

/** A line without when its timer was registered, which an import cannot keep. */
function withoutOrder(line: string): string {
  return line.replace(/,"createVersion":\d+,"place":\d+|(?<=,)\d+,\d+,,,$/, '')
}

/** Lines that were made by hand. */
const LINES: Record<string, string> = {
  'a field __proto__':
    '{"__proto__":{"tidemark":"export"},"service":"x","domain":"eventTime","key":"k","timestamp":1}',
  'a field constructor': '{"constructor":1,"service":"x","domain":"eventTime","key":"k","timestamp":1}',
  'schemas of prototypes':
    '{"service":"__proto__","watermark":0,"schemas":{"__proto__":{"polluted":1},"key":{"type":"string"}}}',
  'a domain of prototypes': '{"service":"x","domain":"__proto__","key":"k","timestamp":1}',
  'a column __proto__': 'service,domain,key,timestamp,__proto__\nx,eventTime,k,1,{"polluted":1}',
  'a store of prototypes': '{"tidemark":"export","__proto__":{"polluted":1},"format":1}',
}

export const prototypes: Part = {
  behaviour:
    'no name, key, payload, metadata, schema or import changes what objects are, and all come back as they were',
  unit: 'cases',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  async run(): Promise<Outcome> {
    let tries = await withDirectory(roundTrip)
    for (const [name, text] of Object.entries(LINES)) {
      await withDirectory(async (root) => {
        const file = join(root, 'lines')
        fs.writeFileSync(file, text)
        const { stderr } = await runVerb('import', [join(root, 'store'), file])
        assert.not.match(stderr, /unexpected/, name)
        areAsTheyWere(name)
      })
      tries++
    }
    return { tries, told: '0 prototypes changed, 0 values changed' }
  },
}
