// LevelDB's write-ahead log, before LevelDB replays it: what would be left out without a word is refused or told; what a
// process leaves that dies in the middle of a write is not.

import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { crc32c } from '../../src/engine/crc32c.ts'
import { checkWriteAhead } from '../../src/engine/writeahead.ts'
import { TidemarkError } from '../../src/errors.ts'
import { systemFiles } from '../../src/files.ts'
import { TimerStore, type TidemarkError as Told } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import { rejects } from '../support/refusals.ts'
import { withDirectory } from '../support/store.ts'

/** What a process leaves that dies: the commits stand in the log alone. */
async function withKilled(
  commits: number,
  body: (location: string, log: string) => Promise<void>,
  payloadLength = 0,
): Promise<void> {
  await withDirectory(async (parent) => {
    const location = join(parent, 'store')
    const store = await TimerStore.open(location, { durability: 'os' })
    const { z } = await import('zod')
    const { eventTime } = await store.service('orders', { payload: z.string() })
    const payload = 'x'.repeat(payloadLength)
    for (let i = 0; i < commits; i++) await eventTime.register({ key: `k${i}`, timestamp: i, payload })
    const copy = join(parent, 'copy')
    cpSync(location, copy, { recursive: true, filter: (path) => basename(path) !== 'LOCK' })
    await store.close()
    const log = readdirSync(copy).find((name) => name.endsWith('.log'))!
    await body(copy, join(copy, log))
  })
}

async function countAt(location: string): Promise<number> {
  const store = await TimerStore.open(location, { durability: 'os' })
  try {
    return store.stats().services.orders!.eventTime
  } finally {
    await store.close()
  }
}

const check = (realPath: string) => checkWriteAhead(systemFiles, { realPath, hasEngineFiles: true }, realPath)

function flip(path: string, byte: number, mask = 1): void {
  const bytes = readFileSync(path)
  bytes[byte]! ^= mask
  writeFileSync(path, bytes)
}

/** Where the last commit's record begins: the only one of them that is not followed by another. */
function lastRecord(log: string): number {
  const bytes = readFileSync(log)
  let at = 0
  for (;;) {
    const next = at + 7 + bytes.readUInt16LE(at + 4)
    if (next >= bytes.length) return at
    at = next
  }
}

test('CRC-32C is the one of the standard', () => {
  assert.is(crc32c(Buffer.from('123456789'), 0, 9), 0xe3069283)
})

test('a log that is whole, short or of many blocks, is replayed', () =>
  withKilled(20, async (location) => assert.is(await countAt(location), 20), 9000))

test('a damaged commit with others behind it is refused, and nothing is touched', () =>
  withKilled(10, async (location, log) => {
    const before = readdirSync(location).sort()
    flip(log, readFileSync(log).length >> 1)
    await rejects(TimerStore.open(location), 'TIDEMARK_CORRUPT', 'commits stand behind byte', basename(log))
    assert.equal(readdirSync(location).sort(), before)
    flip(log, readFileSync(log).length >> 1)
    assert.is(await countAt(location), 10)
  }))

test('every bit of the last commit is told where it is not refused', () =>
  withKilled(2, async (location, log) => {
    const start = lastRecord(log)
    let refused = 0
    for (let byte = start; byte < readFileSync(log).length; byte++) {
      for (let bit = 0; bit < 8; bit++) {
        flip(log, byte, 1 << bit)
        const outcome = await check(location).catch((error) => error)
        assert.instance(outcome, TidemarkError, `byte ${byte - start} of the record, bit ${bit}`)
        if (/behind byte/.test(outcome.message)) refused++
        flip(log, byte, 1 << bit)
      }
    }
    // Its length says that there was more: but its checksum says that there was not.
    assert.ok(refused > 0 && refused < 16, `${refused}`)
  }))

test('a last commit that cannot be read is told to who opens the store', () =>
  withKilled(3, async (location, log) => {
    flip(log, readFileSync(log).length - 1)
    const store = await TimerStore.open(location, { durability: 'os' })
    const told: Told[] = []
    store.on('error', (error) => told.push(error))
    await eventually(() => told.length > 0)
    assert.is(told[0]!.code, 'TIDEMARK_CORRUPT')
    assert.match(told[0]!.message, 'was left out')
    assert.is(store.stats().services.orders!.eventTime, 2)
    await store.close()
  }))

test('a commit that is cut off is what was being written: nothing is told, and the rest is there', () =>
  withKilled(3, async (location, log) => {
    const start = lastRecord(log)
    const { length } = readFileSync(log)
    for (let end = length - 1; end >= start; end -= 5) {
      truncateSync(log, end)
      assert.is(await check(location), undefined, `${end - start} bytes of the record`)
    }
    assert.is(await countAt(location), 2)
  }))

test('a commit of many blocks that is cut off, or has a hole, is what was being written', () =>
  withKilled(
    3,
    async (location, log) => {
      const bytes = readFileSync(log)
      // The last commit begins in the second but last block at the latest.
      truncateSync(log, bytes.length - 100)
      assert.is(await check(location), undefined)
      // Of a page that was never written there are zeros, and other pages behind it.
      bytes.fill(0, bytes.length - 45_000, bytes.length - 41_000)
      writeFileSync(log, bytes)
      assert.instance(await check(location), TidemarkError)
      assert.is(await countAt(location), 2)
    },
    60_000,
  ))

test('a log that is missing is refused', () =>
  withKilled(3, async (location, log) => {
    rmSync(log)
    await rejects(TimerStore.open(location), 'TIDEMARK_CORRUPT', 'log is missing')
  }))

test.run()
