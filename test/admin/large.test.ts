// timeout: 400s
// A checkpoint of a million timers: whatever a verb reads of it, its memory stays bounded.

import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openStore } from '../support/store.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { buildCommand, tidemark } from './command.ts'

const TIMERS = 1_000_000
const MAX_MEMORY_MB = 200
const directory = temporaryDirectory('large')
buildCommand()
const { file, later } = await makeCheckpoints()

/**
 * Has Node tell, when it ends, how much memory it took at most, in KiB. Linux counts in `maxRSS` what its parent had when
 * it was forked, and tells its own peak in /proc.
 */
const TELL = `data:text/javascript,${encodeURIComponent(`
  import fs from 'node:fs'
  process.on('exit', () => {
    let peak = process.resourceUsage().maxRSS
    try { peak = /VmHWM:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1] } catch {}
    process.stderr.write('memory ' + peak)
  })
`)}`

async function makeCheckpoints(): Promise<{ file: string; later: string }> {
  const store = await openStore(path.join(directory, 'store'))
  const orders = await store.service('orders')
  for (let from = 0; from < TIMERS; from += 10_000) {
    const timers = Array.from({ length: 10_000 }, (_, i) => ({
      key: `order-${from + i}`,
      namespace: 'payment',
      timestamp: 1_700_000_000_000 + (((from + i) * 7919) % 100_000_000),
    }))
    await orders.processingTime.registerMany(timers)
  }
  const { path: full } = await store.checkpoint(directory)
  for (let i = 0; i < TIMERS; i += 1000) await orders.processingTime.deleteAll({ key: `order-${i}` })
  const { path: later } = await store.checkpoint(directory)
  await store.close()
  return { file: full, later }
}

async function within(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await tidemark([...args], { node: ['--import', TELL] })
  assert.is(code, args[0] === 'diff' ? 1 : 0, stderr)
  const memory = Number(/memory (\d+)$/.exec(stderr)![1]) / 1024
  console.log(`${args.filter((arg) => arg !== file).join(' ')}: ${Math.round(memory)} MB`)
  assert.ok(memory < MAX_MEMORY_MB, `${Math.round(memory)} MB`)
  return stdout
}

test('inspect, from index and a few blocks', async () => {
  assert.match(await within('inspect', file), /content +1,000,000 timers/)
})

test('inspect --exact, from every timestamp', async () => {
  const { overTime } = JSON.parse(await within('inspect', file, '--exact', '--json'))
  const counted = overTime.bars.reduce((sum: number, { count }: { count: number }) => sum + count, 0)
  assert.is(counted + overTime.earlier + overTime.later, TIMERS)
})

test('inspect --timers, of every timer', async () => {
  const listed = await within('inspect', file, '--timers', '--json')
  assert.is(listed.split('\n').length - 1, TIMERS)
})

test('verify, of every byte and every timer', async () => {
  const { timers, isFine } = JSON.parse(await within('verify', file, '--json'))
  assert.equal([timers, isFine], [TIMERS, true])
})

test('diff, of every timer of two files', async () => {
  const lines = (await within('diff', file, later, '--json')).trimEnd().split('\n')
  assert.is(lines.length, TIMERS / 1000 + 1)
  assert.is(JSON.parse(lines.at(-1)!).summary.removed, TIMERS / 1000)
})

test('export, of every timer in the order in which it is due', async () => {
  const out = path.join(directory, 'export.ndjson')
  const { timers } = JSON.parse(await within('export', file, '-o', out, '--json'))
  assert.is(timers, TIMERS)
})

test.run()
