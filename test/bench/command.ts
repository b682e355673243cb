/** The `tidemark` command on a checkpoint of 1,000,000 timers: what it takes beyond Node's own start. */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { TimerStore } from '../../src/index.ts'
import { buildCommand, run } from '../admin/command.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { median, tell } from './measure.ts'
import { makeTimers } from './workload.ts'

const TIMERS = Number(process.env.BENCH_LARGE ?? 1_000_000)
const CHANGES = 1000
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)
const READ_BYTES = 1024 * 1024

const directory = temporaryDirectory('bench-command')
const store = await TimerStore.open(path.join(directory, 'store'), { durability: 'os' })
const { eventTime } = await store.service('bench')
await eventTime.registerMany(makeTimers(TIMERS, 'random'))
const before = await store.checkpoint(path.join(directory, 'checkpoints'))
await eventTime.registerMany(makeTimers(CHANGES, 'random', TIMERS))
const after = await store.checkpoint(path.join(directory, 'checkpoints'))
await store.close()

/** Reads a file and hashes its bytes, whatever they mean. */
function readAndHash(file: string): number {
  const startMs = performance.now()
  const sha256 = createHash('sha256')
  const piece = Buffer.allocUnsafeSlow(READ_BYTES)
  const fd = fs.openSync(file, 'r')
  for (let read = fs.readSync(fd, piece); read > 0; read = fs.readSync(fd, piece)) {
    sha256.update(piece.subarray(0, read))
  }
  fs.closeSync(fd)
  if (sha256.digest().length === 0) throw new Error('not read')
  return performance.now() - startMs
}

/** A process that reads all blocks of a file with every checksum in them, and does nothing else. */
function readerOf(command: string): string {
  const reader = path.join(fs.realpathSync(command), '..', '..', 'checkpoint', 'reader.js')
  return `
    const { CheckpointReader } = await import(${JSON.stringify(pathToFileURL(reader).href)})
    const reader = await CheckpointReader.open(process.argv[1])
    for await (const block of reader.blocks());
    await reader.close()`
}

async function timed(args: string[], codes = [0]): Promise<number> {
  const startMs = performance.now()
  const { code, stderr } = await run(process.execPath, args)
  if (!codes.includes(code ?? -1)) throw new Error(`${args.join(' ')}: exit code ${code}: ${stderr}`)
  return performance.now() - startMs
}

const bin = buildCommand()
const ms: Record<'start' | 'inspect' | 'verify' | 'diff' | 'read' | 'hash', number[]> = {
  start: [],
  inspect: [],
  verify: [],
  diff: [],
  read: [],
  hash: [],
}
for (let round = 0; round <= ROUNDS; round++) {
  const measured = {
    start: await timed(['-e', '0']),
    inspect: await timed([bin, 'inspect', before.path]),
    verify: await timed([bin, 'verify', before.path]),
    diff: await timed([bin, 'diff', before.path, after.path], [1]),
    read: await timed(['--input-type=module', '-e', readerOf(bin), before.path]),
    hash: readAndHash(before.path),
  }
  if (round === 0) continue
  for (const name of Object.keys(ms) as (keyof typeof ms)[]) ms[name].push(measured[name])
}
const beyondStart = (name: keyof typeof ms) => median(ms[name]) - median(ms.start)
const readMs = beyondStart('read')
const hashMs = median(ms.hash).toFixed(0)

tell({
  name: "inspect of 1,000,000, ms beyond Node's start",
  value: beyondStart('inspect'),
  target: 300,
  atLeast: false,
  detail: `Node starts in ${median(ms.start).toFixed(0)} ms`,
})
tell({
  name: 'verify of 1,000,000, of reading and checksumming',
  value: readMs / beyondStart('verify'),
  target: 0.5,
  atLeast: true,
  detail: `${beyondStart('verify').toFixed(0)} ms, ${readMs.toFixed(0)} ms; its bytes alone: ${hashMs} ms`,
})
tell({
  name: 'diff of 1,000,000, of reading and checksumming both',
  value: (2 * readMs) / beyondStart('diff'),
  target: 0.5,
  atLeast: true,
  detail: `${beyondStart('diff').toFixed(0)} ms, ${(2 * readMs).toFixed(0)} ms`,
})
