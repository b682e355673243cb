// timeout: 240s
// What verify finds: all of the damage of a file, a chain, a directory, a store, and nothing where there is none.

import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { compareTimers } from '../../src/admin/deepverification.ts'
import { openSource } from '../../src/admin/source.ts'
import type { Verified, VerifyFinding } from '../../src/admin/verification.ts'
import { verify } from '../../src/admin/verify.ts'
import { encodeBlockRecord } from '../../src/checkpoint/blockindex.ts'
import {
  completeFooter,
  encodeFooter,
  encodeFrameHead,
  FOOTER_BYTES,
  FOOTER_SHA256_OFFSET,
  FRAME_HEAD_BYTES,
  parseFooter,
  parseFrameHead,
} from '../../src/checkpoint/format.ts'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'
import { type SnapshotTimer, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { changeCharacter, keysOf, withLevel } from '../support/damage.ts'
import { rejects } from '../support/refusals.ts'
import { openStore } from '../support/store.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { tidemark } from './command.ts'
import { makePlaces } from './places.ts'
import { recorded, runRecorded } from './recorded.ts'

const directory = temporaryDirectory('verify')
// Its own: what others leave beside it while they run is none of its leftovers.
process.env.TMPDIR = temporaryDirectory('verify-tmp')
const places = await makePlaces(directory)
let copies = 0

/** A copy of the chain's directory, to be damaged. */
function copyOfChain(): { chain: string; base: string; incremental: string } {
  const chain = path.join(directory, `chain-${copies++}`)
  fs.cpSync(places.chain, chain, { recursive: true })
  const inCopy = (place: string) => path.join(chain, path.basename(place))
  return { chain, base: inCopy(places.base), incremental: inCopy(places.incremental) }
}

function copyOfStore(): string {
  const copy = path.join(directory, `store-${copies++}`)
  fs.cpSync(places.store, copy, { recursive: true })
  return copy
}

/** Changes bytes of a file; returns it. */
function damaged(place: string, ...offsets: number[]): string {
  const bytes = fs.readFileSync(place)
  for (const offset of offsets) bytes[offset < 0 ? bytes.length + offset : offset]! ^= 4
  fs.writeFileSync(place, bytes)
  return place
}

interface Found {
  code: number
  /** A document a line. */
  lines: (Verified & { summary?: { files: number; fine: number; temporary: string[] } })[]
  findings: VerifyFinding[]
}

async function found(...args: string[]): Promise<Found> {
  const { code, documents } = await runRecorded(verify, [...args, '--json'])
  const lines = documents() as Found['lines']
  return { code, lines, findings: lines.flatMap(({ findings = [] }) => findings) }
}

/** Everything that is stored. */
function dump(location: string): Promise<[string, string][]> {
  return withLevel(location, async (level) => level.iterator().all())
}

test('files, chains, directories and stores that are as they were written are fine', async () => {
  for (const [place, kind] of [
    [places.full, 'full'],
    [places.incremental, 'incremental'],
    [places.store, 'store'],
  ] as const) {
    const { code, lines } = await found(place)
    assert.is(code, 0, place)
    assert.is(lines.length, 1)
    const { isFine, timers, version } = lines[0]!
    assert.equal([lines[0]!.kind, isFine, timers], [kind, true, places.timers.length])
    assert.is(version, places.version + 1)
  }
  assert.equal((await found(places.incremental)).lines[0]!.buildsOn, [places.base])
  const { code, lines } = await found(places.chain)
  assert.is(code, 0)
  assert.equal(
    lines.slice(0, -1).map(({ kind, buildsOn }) => [kind, buildsOn]),
    [
      ['full', undefined],
      ['incremental', [places.base]],
    ],
  )
  assert.equal([lines.at(-1)!.summary!.files, lines.at(-1)!.summary!.fine], [2, 2])
})

test('people are told in a line what was verified, and how fast', async () => {
  const { stdout } = await runRecorded(verify, [places.full])
  assert.match(stdout, /^fine {2}checkpoint-\d+-\w+\.tidemark: full, version \d+, \d+ timers; .* in .*\/s\n$/)
  const directoryWide = await runRecorded(verify, [places.chain])
  assert.match(directoryWide.stdout, /on 1 file; .*\n2 files, .*: all fine; /)
})

test('a changed byte is found wherever it is, by the bytes alone as well', async () => {
  const copy = path.join(directory, 'flipped.tidemark')
  const { length } = fs.readFileSync(places.full)
  for (let offset = 0; offset < length; offset += 37) {
    fs.copyFileSync(places.full, copy)
    damaged(copy, offset)
    for (const options of [[], ['--bytes-only']]) {
      const { code, findings } = await found(copy, ...options)
      assert.is(code, 4, `byte ${offset} ${options}`)
      assert.ok(findings.every(({ path: of, severity }) => of === copy && severity === 'damage'))
    }
  }
})

test('every damaged block of a file is told, with what it has', async () => {
  const copy = path.join(directory, 'blocks.tidemark')
  fs.copyFileSync(places.full, copy)
  const reader = await CheckpointReader.open(copy)
  await reader.close()
  const blocks = reader.index.filter((_, i) => i % 2 === 0)
  assert.ok(blocks.length > 0)
  damaged(copy, ...blocks.map(({ offset }) => offset + 25))
  const { code, findings } = await found(copy)
  assert.is(code, 4)
  assert.is(findings.length, blocks.length)
  blocks.forEach(({ offset, count, domain }, i) => {
    assert.match(findings[i]!.message, `block at byte ${offset} (${count} timers of service`)
    assert.match(findings[i]!.message, domain)
  })
  const { stdout } = await runRecorded(verify, [copy])
  assert.match(stdout, /^damaged {2}blocks\.tidemark: full, .*\n {2}the checkpoint .* is damaged/)
})

/** A file whose bytes are right throughout, of timers that are not those that were stored. */
async function forge(place: string, alter: (content: Buffer) => void): Promise<void> {
  const reader = await CheckpointReader.open(place)
  await reader.close()
  const bytes = fs.readFileSync(place)
  const footer = parseFooter(bytes.subarray(-FOOTER_BYTES), bytes.length)
  assert.is(footer.indexFrames, 1)
  const records = reader.index.map((block) => {
    const content = bytes.subarray(block.offset + FRAME_HEAD_BYTES, block.offset + block.length)
    alter(content)
    const head = encodeFrameHead('block', block.count, content.length, content)
    head.copy(bytes, block.offset)
    return encodeBlockRecord({ ...block, crc: parseFrameHead(head).crc })
  })
  const content = Buffer.from(records.join(''))
  const index = Buffer.concat([encodeFrameHead('index', records.length, content.length, content), content])
  const body = Buffer.concat([bytes.subarray(0, footer.indexOffset), index])
  const fileLength = body.length + FOOTER_BYTES
  const end = encodeFooter({ ...footer, indexCrc: crc32(index), fileLength })
  const sha256 = createHash('sha256').update(body).update(end.subarray(0, FOOTER_SHA256_OFFSET))
  completeFooter(end, sha256.digest())
  fs.writeFileSync(place, Buffer.concat([body, end]))
}

test('a file whose bytes are right, and whose timers are not, is damaged all the same', async () => {
  const store = await openStore(path.join(directory, 'few'), { clock: new ManualClock(0) })
  const { eventTime } = await store.service('few')
  await eventTime.registerMany([1, 2, 3].map((timestamp) => ({ key: 'k', timestamp })))
  const { path: few } = await store.checkpoint(path.join(directory, 'few-checkpoints'))
  await store.close()
  await forge(few, () => {})
  assert.is((await found(few)).code, 0)
  const forged = path.join(directory, 'forged.tidemark')
  for (const [problem, alter] of [
    ['set hash', (content) => content.write('2', content.lastIndexOf('1'))],
    ['newer than the checkpoint', (content) => content.write('11z', content.length - 5)],
    ['out of order', (content) => content.write('z', content.indexOf('V'))],
  ] as [string, (content: Buffer) => void][]) {
    fs.copyFileSync(few, forged)
    await forge(forged, alter)
    const { code, findings } = await found(forged)
    assert.is(code, 4, problem)
    assert.ok(findings[0]!.message.includes(problem), findings[0]!.message)
    assert.is((await found(forged, '--bytes-only')).code, 0)
  }
})

test('what an incremental checkpoint builds on is verified with it', async () => {
  const { base, incremental } = copyOfChain()
  const reader = await CheckpointReader.open(base)
  await reader.close()
  damaged(base, reader.index[0]!.offset + 30)
  const { code, findings } = await found(incremental)
  assert.is(code, 4)
  assert.equal(
    findings.map(({ path: of }) => of),
    [base],
  )
  assert.is((await found(base)).code, 4)
})

test('a base that is missing, or is another file, is damage', async () => {
  const { base, incremental, chain } = copyOfChain()
  fs.rmSync(base)
  for (const place of [incremental, chain]) {
    const { code, findings } = await found(place)
    assert.is(code, 4, place)
    assert.is(findings.length, 1)
    assert.match(findings[0]!.message, /is missing, which .* builds on/)
  }
  const other = await makePlaces(directory, 100, 'other')
  fs.copyFileSync(other.full, base)
  const { code, findings } = await found(incremental)
  assert.is(code, 4)
  assert.match(findings[0]!.message, /it is not the one that .* builds on/)
})

test('one damaged file of a directory hides no other', async () => {
  const { base, incremental, chain } = copyOfChain()
  fs.copyFileSync(places.full, path.join(chain, path.basename(places.full)))
  const last = fs.statSync(incremental).size
  damaged(incremental, last - 200)
  damaged(base, 200)
  fs.writeFileSync(path.join(chain, 'checkpoint-0000000000ff-0.tidemark'), 'no checkpoint')
  fs.writeFileSync(path.join(chain, 'checkpoint-1.tidemark.0.tmp'), '')
  const { code, lines } = await found(chain)
  assert.is(code, 4)
  const told = Object.fromEntries(
    lines.slice(0, -1).map(({ path: place, isFine }) => [path.basename(place), isFine]),
  )
  assert.equal(told, {
    'checkpoint-0000000000ff-0.tidemark': false,
    [path.basename(base)]: false,
    [path.basename(incremental)]: false,
    [path.basename(places.full)]: true,
  })
  const { files, fine, temporary } = lines.at(-1)!.summary!
  assert.equal([files, fine, temporary.length], [4, 1, 1])
})

test('a store is looked at and left as it is', async () => {
  const copy = copyOfStore()
  const before = await dump(copy)
  assert.is((await found(copy)).code, 0)
  assert.equal(await dump(copy), before)
})

test('a leftover of a store is a problem; whatever was lost or altered is damage', async () => {
  const orphan = copyOfStore()
  await withLevel(orphan, async (level) => {
    const [key] = await keysOf(level, 'd')
    // The same entry of another version: its timer does not stand.
    const { withChecksum, verifiedBody } = await import('../../src/timer/checksum.ts')
    const other = `${key!.slice(0, -2)}1z`
    await level.put(other, withChecksum(other, verifiedBody(key!, (await level.get(key!))!)!))
  })
  const left = await found(orphan)
  assert.is(left.code, 1)
  assert.equal(
    left.findings.map(({ severity, space }) => [severity, space]),
    [['problem', 'due']],
  )

  const lost = copyOfStore()
  await withLevel(lost, async (level) => level.del((await keysOf(level, 't'))[3]!))
  const { code, findings } = await found(lost)
  assert.is(code, 4)
  assert.ok(findings.some(({ message }) => message.includes('the log counts')))
  assert.ok(findings.some(({ space }) => space === 'due'))

  for (const space of ['t', 'd', 'l']) {
    const altered = copyOfStore()
    await withLevel(altered, async (level) => changeCharacter(level, (await keysOf(level, space)).at(-1)!, 4))
    assert.is((await found(altered)).code, 4, space)
  }
})

test('a store whose files LevelDB cannot read is damaged', async () => {
  const copy = copyOfStore()
  const tables = fs.readdirSync(copy).filter((name) => name.endsWith('.ldb'))
  assert.ok(tables.length > 0)
  for (const table of tables) {
    const place = path.join(copy, table)
    const bytes = fs.readFileSync(place)
    bytes.fill(0xa5, 0, bytes.length - 200)
    fs.writeFileSync(place, bytes)
  }
  const { code, findings } = await found(copy)
  assert.is(code, 4, JSON.stringify(findings))
  fs.rmSync(path.join(copy, 'CURRENT'))
  assert.is((await found(copy)).code, 4)
})

test('--deep restores files, chains and stores aside, and leaves nothing behind', async () => {
  const temporary = () => fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('tidemark-verify-'))
  const before = temporary()
  const copy = copyOfStore()
  const stored = await dump(copy)
  for (const place of [places.full, places.incremental, places.chain, copy]) {
    const { code, findings } = await found(place, '--deep')
    assert.equal([code, findings], [0, []], place)
  }
  assert.equal(await dump(copy), stored)
  assert.equal(temporary(), before)
})

test('--deep tells of a chain that is broken further down, and goes on', async () => {
  const broken = async (name: string, damage: (full: string) => Promise<unknown>) => {
    const chain = path.join(directory, name)
    const store = await openStore(path.join(directory, `${name}-store`), { clock: new ManualClock(0) })
    const { eventTime } = await store.service('orders')
    const links: string[] = []
    for (let timestamp = 0; timestamp < 3; timestamp++) {
      await eventTime.register({ key: 'k', timestamp })
      links.push((await store.checkpoint(chain, { incremental: true })).path)
    }
    await store.close()
    fs.copyFileSync(places.full, path.join(chain, path.basename(places.full)))
    await damage(links[0]!)
    return { links, ...(await found(chain, '--deep')) }
  }
  const missing = await broken('without-full', (full) => fs.promises.rm(full))
  assert.is(missing.code, 4)
  assert.equal(
    missing.findings.map((finding) => finding.path),
    missing.links.slice(1),
  )
  assert.match(missing.findings[1]!.message, /^it cannot be restored: .* is missing/)
  assert.equal(missing.lines.at(-1)!.summary!.files, 3)
  const flipped = await broken('damaged-full', async (full) => {
    const reader = await CheckpointReader.open(full)
    await reader.close()
    damaged(full, reader.index[0]!.offset + FRAME_HEAD_BYTES + 5)
  })
  assert.is(flipped.code, 4)
  const [full, , last] = flipped.links
  assert.equal([...new Set(flipped.findings.map((finding) => finding.path))], [full, last])
  assert.equal(flipped.lines.at(-1)!.summary!.files, 4)
})

test('what a restore would lose, add or change is told, timer by timer', async () => {
  const copy = copyOfStore()
  const store = await openStore(copy, { clock: new ManualClock(0) })
  const orders = await store.service('orders', {
    namespace: z.enum(['payment', 'delivery']),
    payload: z.object({ attempt: z.int() }).optional(),
  })
  const [one, other] = places.timers.filter(({ domain }) => domain === 'processingTime')
  const timerOf = ({ key, namespace, timestamp }: SnapshotTimer) =>
    ({ key: String(key), namespace: namespace as 'payment', timestamp }) as const
  await orders.processingTime.delete(timerOf(one!))
  await orders.processingTime.register({ ...timerOf(other!), payload: { attempt: -1 } })
  await orders.processingTime.register({ key: 'new', namespace: 'payment', timestamp: 5 })
  await store.close()
  const { terminal } = recorded()
  const [source, changed] = [await openSource(places.full, terminal), await openSource(copy, terminal)]
  const findings = await compareTimers(source, changed, terminal)
  await source.close()
  await changed.close()
  const told = findings.map(({ severity, message }) => `${severity}: ${message}`).sort()
  assert.equal(told, [
    `damage: a timer differs in processingTime of orders: ${other!.key} ${other!.namespace} at ${new Date(other!.timestamp).toISOString()}`,
    `damage: a timer is missing in processingTime of orders: ${one!.key} ${one!.namespace} at ${new Date(one!.timestamp).toISOString()}`,
    'damage: a timer is too many in processingTime of orders: new payment at 1970-01-01T00:00:00.005Z',
  ])
})

test('a store that is open elsewhere is told as such, and is not touched', async () => {
  const location = path.join(directory, 'held')
  const store = await openStore(location, { clock: new ManualClock(0) })
  try {
    const names = fs.readdirSync(location)
    const { code, stderr } = await tidemark(['verify', location])
    assert.is(code, 3)
    assert.match(stderr, /is open in process \d+/)
    assert.equal(fs.readdirSync(location), names)
  } finally {
    await store.close()
  }
})

test('the command ends with the code of what was found', async () => {
  const { base, incremental } = copyOfChain()
  assert.is((await tidemark(['verify', incremental])).code, 0)
  damaged(base, -20)
  const outcome = await tidemark(['verify', incremental])
  assert.is(outcome.code, 4)
  assert.match(outcome.stdout, /^damaged {2}/)
  assert.is(outcome.stderr, '')
  fs.rmSync(base)
  assert.is((await tidemark(['verify', incremental])).code, 4)
  assert.is((await tidemark(['verify', path.join(directory, 'nothing')])).code, 2)
  assert.is((await tidemark(['verify', '--fast', incremental])).code, 2)
})

test('what is no checkpoint and no store is refused', async () => {
  const empty = path.join(directory, 'empty')
  fs.mkdirSync(empty)
  await rejects(() => found(empty), 'TIDEMARK_INVALID_ARGUMENT', 'no store')
  assert.equal(fs.readdirSync(empty), [])
  await rejects(() => found(places.store, '--bytes-only'), 'TIDEMARK_INVALID_ARGUMENT', '--bytes-only')
  await rejects(() => found(path.join(directory, 'none')), 'TIDEMARK_CHECKPOINT_NOT_FOUND', 'nothing at')
})

test('what was found agrees with what the store itself finds', async () => {
  const copy = copyOfStore()
  await withLevel(copy, async (level) => level.del((await keysOf(level, 'd'))[5]!))
  const { findings } = await found(copy)
  const store = await TimerStore.open(copy, { clock: new ManualClock(0), durability: 'os' })
  const expected = await store.verify()
  await store.close()
  assert.equal(
    findings.map(({ space, key, message }) => ({ space, key, message })),
    expected,
  )
})

test.run()
