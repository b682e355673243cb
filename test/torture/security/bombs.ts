// Files that are small and would like to be large, or that nobody could ever be done with.

import fs from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { encodeBlockRecord } from '../../../src/checkpoint/blockindex.ts'
import { chainFinder, listCheckpoints } from '../../../src/checkpoint/catalog.ts'
import { CheckpointReader } from '../../../src/checkpoint/reader.ts'
import { TidemarkError, TimerStore } from '../../../src/index.ts'
import { MAX_CHAIN_LINKS, MAX_STORED_JSON_DEPTH } from '../../../src/limits.ts'
import { checkSchemas } from '../../../src/timer/compatibility.ts'
import { withDirectory } from '../../support/store.ts'
import type { Outcome, Part } from '../family.ts'
import { type FileOf, type FrameOf, fileOf, headOf, serviceOf } from './forged.ts'

const MIB = 1024 * 1024
/** What refusing may take; most of it is starting up. */
const LIMIT_MS = 20_000
const LIMIT_MIB = 300

function levels(count: number): string {
  return '['.repeat(count) + ']'.repeat(count)
}

function headed(fields: Record<string, unknown>): FileOf {
  return { head: { content: headOf(fields) } }
}

function withService(fields: Record<string, unknown>): FileOf {
  return { ...headed({ serviceCount: 1 }), services: [{ content: serviceOf(0, 'orders', fields) }] }
}

const RECORDS = 20_000

/** Records of the shortest blocks, as an index has them: all alike, they take next to nothing once compressed. */
function indexOf(frames: number): FrameOf[] {
  const segments = [{ keyGroup: 1, count: 1, earliest: 0, latest: 0 }]
  const block = {
    serviceId: 0,
    domain: 'eventTime',
    length: 21,
    crc: 0,
    count: 1,
    setHash: 0,
    segments,
  } as const
  const content = encodeBlockRecord(block).repeat(RECORDS)
  return new Array<FrameOf>(frames).fill({ content, entries: RECORDS })
}

/** What nobody asks for is passed over, as fields of a later version would be. */
const NESTED_UNKNOWN = 'a field that nobody knows, nested half a million times'

/** By name; each must be refused as damaged. */
const BOMBS: Record<string, () => FileOf> = {
  'a million services': () => headed({ serviceCount: 1_000_000 }),
  'services that are not there': () => headed({ serviceCount: 4096 }),
  [NESTED_UNKNOWN]: () => ({ head: { content: headOf().replace('{', `{"x":${levels(500_000)},`) } }),
  'a header that is nothing but brackets': () => ({ head: { content: levels(500_000) } }),
  'metadata nested thirty thousand times': () => headed({ metadata: levels(30_000) }),
  'metadata one level too deep': () => headed({ metadata: levels(MAX_STORED_JSON_DEPTH + 1) }),
  'schemas nested a hundred thousand times': () => withService({ schemas: levels(100_000) }),
  'a header that inflates to a hundred times what it says': () => ({
    head: { content: headOf({ metadata: JSON.stringify('x'.repeat(60_000)) }), rawLength: 700 },
  }),
  'a header of twenty MiB': () => ({ head: { content: Buffer.alloc(20 * MIB, 32) } }),
  'a header that says it has four GiB': () => ({ head: { content: headOf(), rawLength: 2 ** 32 - 1 } }),
  'more blocks than any file has': () => ({ ...headed({}), footer: { blocks: 2 ** 32 - 1 } }),
  'more timers than any store has': () => ({ ...headed({}), timers: 2 ** 48 - 1 }),
  'an index that is behind its end': () => ({ ...headed({}), footer: { indexOffset: 2 ** 48 - 1 } }),
  'an index of eight million blocks in a few bytes': () => ({ ...headed({}), index: indexOf(400) }),
  'an index of as many blocks as the footer says': () => {
    const index = indexOf(400)
    return { ...headed({}), index, timers: 400 * RECORDS, footer: { blocks: 400 * RECORDS } }
  },
  'four billion index frames': () => ({ ...headed({}), footer: { indexFrames: 2 ** 32 - 1 } }),
  'a log entry of two GiB': () => ({
    ...headed({
      kind: 'incremental',
      base: { checkpointId: 'c0ffee01', version: 1, chain: 0, sha256: '0'.repeat(64) },
    }),
    log: [{ content: Buffer.from([0xff, 0xff, 0xff, 0x7f, 1, 2, 3]) }],
  }),
}

async function codeOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call()
    return 'nothing'
  } catch (error) {
    if (error instanceof TidemarkError) return error.code
    throw error
  }
}

/** Opens, lists, proves and restores a file; what it takes must stay small. */
async function refused(name: string, bytes: Buffer): Promise<{ ms: number; mib: number }> {
  return withDirectory(async (directory) => {
    const path = join(directory, 'checkpoint-000000000002-c0ffee00.tidemark')
    fs.writeFileSync(path, bytes)
    globalThis.gc?.()
    const before = process.memoryUsage().rss
    const startMs = performance.now()
    const proving = async () => {
      const reader = await CheckpointReader.open(path)
      try {
        const [first] = await reader.prove()
        if (first !== undefined) throw first
      } finally {
        await reader.close()
      }
    }
    const codes = [
      await codeOf(proving),
      await codeOf(() => TimerStore.restore(path, join(directory, 'restored'))),
    ]
    const { checkpoints, unreadable } = await listCheckpoints(directory)
    assert.is(checkpoints.length + unreadable.length, 1, name)
    const ms = performance.now() - startMs
    const mib = (process.memoryUsage().rss - before) / MIB
    const expected = name === NESTED_UNKNOWN ? /nothing/ : /CORRUPT|NOT_FOUND/
    for (const code of codes) assert.match(code, expected, name)
    assert.ok(ms < LIMIT_MS, `${name} took ${ms.toFixed(0)} ms`)
    assert.ok(mib < LIMIT_MIB, `${name} took ${mib.toFixed(0)} MiB`)
    return { ms, mib }
  })
}

export const bombs: Part = {
  behaviour: 'a small file makes no reader take much memory or time, whatever it says',
  unit: 'bombs',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  async run(): Promise<Outcome> {
    let [mostMs, mostMib, mostBytes] = [0, 0, 0]
    for (const [name, make] of Object.entries(BOMBS)) {
      const bytes = fileOf(make())
      const { ms, mib } = await refused(name, bytes)
      mostMs = Math.max(mostMs, ms)
      mostMib = Math.max(mostMib, mib)
      mostBytes = Math.max(mostBytes, bytes.length)
    }
    const told = `all refused, in ${mostMs.toFixed(0)} ms and ${mostMib.toFixed(0)} MiB at most, of files up to ${mostBytes} bytes`
    return { tries: Object.keys(BOMBS).length, told }
  },
}

const LINKS = 3000

/** Incremental checkpoints of which each claims to build on the one before, or, at its end, on one of its own. */
function chainFiles(directory: string, count: number, isCycle: boolean): string {
  const id = (i: number) => `${i.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`
  let last = ''
  for (let i = 0; i < count; i++) {
    // No file can name the SHA-256 of one that names its own: a cycle must lie.
    const from = i === 0 && isCycle ? count - 1 : i - 1
    const base = { checkpointId: id(from), version: 1 + Math.max(from, 0), chain: 0, sha256: '0'.repeat(64) }
    const kind =
      i === 0 && !isCycle ? {} : { kind: 'incremental', base: { ...base, version: 1 + Math.min(from, i) } }
    const version = 1 + i
    last = join(directory, `checkpoint-${String(version).padStart(12, '0')}-${id(i).slice(0, 8)}.tidemark`)
    fs.writeFileSync(last, fileOf(headed({ ...kind, checkpointId: id(i), version })))
  }
  return last
}

/** What the catalog would say of a chain of any length, had somebody made its files. */
function chainsOf(count: number) {
  const link = (i: number) => ({
    path: `checkpoint-${String(i + 1).padStart(12, '0')}-${i.toString(16).padStart(8, '0')}.tidemark`,
    id: i.toString(16).padStart(8, '0'),
    version: i + 1,
    sha256: String(i),
    ...(i === 0
      ? {}
      : {
          base: {
            checkpointId: (i - 1).toString(16).padStart(8, '0'),
            version: i,
            chain: 0,
            sha256: String(i - 1),
          },
        }),
  })
  return Array.from({ length: count }, (_, i) => link(i)) as never as Parameters<typeof chainFinder>[0]
}

/** A service's schemas, of which the payload takes long to compare. */
function schemas(payload: unknown, more: object = {}): string {
  const string = { type: 'string' }
  return JSON.stringify({ key: string, namespace: string, payload, ...more })
}

const EMAIL = { type: 'string', format: 'email' }

const SLOW: Record<string, () => Promise<unknown>> = {
  'a chain of links that are not what they name': () =>
    withDirectory(async (directory) => {
      for (const isCycle of [true, false]) {
        const last = chainFiles(directory, 50, isCycle)
        const code = await codeOf(() => TimerStore.restore(last, join(directory, 'restored')))
        assert.is(code, 'TIDEMARK_CHECKPOINT_CORRUPT')
        assert.is((await listCheckpoints(directory)).checkpoints.length, 50)
      }
    }),
  [`a chain of ${LINKS} links`]: async () => {
    const checkpoints = chainsOf(LINKS)
    const chainOf = chainFinder(checkpoints)
    const whole = checkpoints.filter((one) => chainOf(one).isWhole).length
    assert.is(whole, MAX_CHAIN_LINKS + 1, 'what a restore would follow')
  },
  'a stored pattern that never ends': async () => {
    const evil = schemas({ ...EMAIL, pattern: '^(([a-z0-9_-])+)+!$' })
    const verdict = checkSchemas(evil, schemas({ ...EMAIL, pattern: '^.+@.+$' }))
    assert.is(verdict.isCompatible, false)
  },
  'a stored pattern that is none, or huge': async () => {
    for (const pattern of ['(', '(?:a{1000}){1000}{1000}', `${'('.repeat(50_000)}${')'.repeat(50_000)}`]) {
      const verdict = checkSchemas(schemas({ ...EMAIL, pattern }), schemas({ ...EMAIL, pattern: '^.+@.+$' }))
      assert.is(verdict.isCompatible, false)
    }
  },
  'four thousand earlier payloads': async () => {
    const object = (name: string) => ({ type: 'object', properties: { [name]: {} } })
    const earlier = Array.from({ length: 4000 }, (_, i) => ({ payload: object(`p${i}`) }))
    const verdict = checkSchemas(schemas(object('a'), { earlier }), schemas(object('b')))
    assert.ok(verdict.isCompatible)
  },
  'stored schemas that are nested without end': async () => {
    const deep = schemas({}).replace('{}', `${'{"not":'.repeat(100_000)}{}${'}'.repeat(100_000)}`)
    assert.is(await codeOf(async () => checkSchemas(deep, schemas({}))), 'TIDEMARK_CORRUPT')
  },
}

export const slow: Part = {
  behaviour:
    'chains and schemas of others are judged in bounded time, and their patterns are never tried on data',
  unit: 'cases',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  async run(): Promise<Outcome> {
    const told: string[] = []
    for (const [name, run] of Object.entries(SLOW)) {
      const startMs = performance.now()
      await run()
      const ms = performance.now() - startMs
      assert.ok(ms < LIMIT_MS, `${name} took ${ms.toFixed(0)} ms`)
      told.push(ms.toFixed(0))
    }
    return { tries: told.length, told: `judged in ${told.join(', ')} ms` }
  },
}
