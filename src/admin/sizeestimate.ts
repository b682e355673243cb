/**
 * How large a store's tables would be if they were written anew: what compaction would leave. A sample of what stands is
 * written into a scratch store, and measured there: LevelDB itself tells what it makes of such entries.
 *
 * - Whatever the store's size, the sample is a few megabytes: runs of neighbours, from places that are spread over a queue.
 * - Timers are counted; how long they are, and what the log compresses to, is estimated.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { openClassicEngine } from '../engine/classic.ts'
import type { Engine, Entry } from '../engine/engine.ts'
import { DUE, END, LOG } from '../engine/keyspaces.ts'
import type { QueueState } from '../log/state.ts'
import { checkOptions } from '../options.ts'
import { dueKey, dueValue, orderTextIn } from '../timer/stored.ts'
import { encodeTimestamp, encodeTriple } from '../timer/text.ts'
import type { OpenedStore } from './storesource.ts'

const PLACES = 24
const RUN_ENTRIES = 200
const MAX_QUEUES = 24
const MAX_RUN_CHARACTERS = 256 * 1024
const LOG_RUN_ENTRIES = 100

/** Entries of a kind, and how many characters such entries have in all. */
interface Sample {
  entries: Entry[]
  totalCharacters: number
}

/** Bytes of all tables, freshly written. */
export async function estimateFreshBytes(store: OpenedStore): Promise<number> {
  const samples = [...(await queueSamples(store)), await logSample(store)]
  return withScratch(async (scratch) => {
    let bytes = 0
    for (const { entries, totalCharacters } of samples) {
      const characters = charactersOf(entries)
      if (characters > 0) bytes += ((await tableBytes(scratch, entries)) / characters) * totalCharacters
    }
    return Math.round(bytes)
  })
}

async function queueSamples({ engine, state, record }: OpenedStore): Promise<Sample[]> {
  const samples: Sample[] = []
  const queues = [...state.queues()].filter(({ appliedCount }) => appliedCount > 0)
  queues.sort((a, b) => b.appliedCount - a.appliedCount)
  // The small ones are taken to be like the largest of them.
  const told = queues.slice(0, MAX_QUEUES)
  const others = queues.slice(MAX_QUEUES).reduce((sum, { appliedCount }) => sum + appliedCount, 0)
  for (const [i, queue] of told.entries()) {
    const count = queue.appliedCount + (i === told.length - 1 ? others : 0)
    const timers = await timersOf(engine, queue, record.keyGroups)
    const due = await dueOf(engine, queue, timers)
    for (const entries of [timers, due]) {
      samples.push({
        entries,
        totalCharacters: (charactersOf(entries) / Math.max(1, entries.length)) * count,
      })
    }
  }
  return samples
}

async function timersOf(
  engine: Engine,
  { prefix }: QueueState,
  keyGroups: { start: number; end: number },
): Promise<Entry[]> {
  const found = new Map<string, string>()
  const step = (keyGroups.end + 1 - keyGroups.start) / PLACES
  for (let i = 0; i < PLACES; i++) {
    const from = prefix + encodeTriple(keyGroups.start + Math.floor(i * step))
    for (const [key, value] of await run(engine, from, prefix + END)) found.set(key, value)
  }
  return [...found]
}

/** Runs of due entries, from the times of some of the timers on. */
async function dueOf(
  engine: Engine,
  { prefix, decided: { low } }: QueueState,
  timers: readonly Entry[],
): Promise<Entry[]> {
  const space = DUE + prefix.slice(1)
  const found = new Map<string, string>()
  const froms = [space + encodeTimestamp(low)]
  for (let i = 0; i < PLACES; i++) {
    const timer = timers[Math.floor((i * timers.length) / PLACES)]
    if (timer !== undefined) froms.push(dueKey(timer[0], orderTextIn(timer[1])))
  }
  for (const from of froms) {
    for (const [key, value] of await run(engine, from, space + END)) found.set(key, value)
  }
  // Where nothing is to be found, that is damage, which others tell.
  return found.size > 0 ? [...found] : timers.map(([identity, value]) => dueEntry(identity, value))
}

function dueEntry(identity: string, value: string): Entry {
  const key = dueKey(identity, orderTextIn(value))
  return [key, dueValue(key, identity)]
}

async function logSample({ engine, retention }: OpenedStore): Promise<Sample> {
  const newest = engine.scan({ from: LOG, to: LOG + END, limit: LOG_RUN_ENTRIES, reverse: true })
  return { entries: bounded(await newest.read()), totalCharacters: retention.bytes }
}

async function run(engine: Engine, from: string, to: string): Promise<Entry[]> {
  return bounded(await engine.scan({ from, to, limit: RUN_ENTRIES }).read())
}

/** At least one, and no more than so many characters. */
function bounded(entries: Entry[]): Entry[] {
  let characters = 0
  const end = entries.findIndex(([key, value]) => {
    characters += key.length + value.length
    return characters > MAX_RUN_CHARACTERS
  })
  return end < 0 ? entries : entries.slice(0, Math.max(1, end))
}

function charactersOf(entries: readonly Entry[]): number {
  let sum = 0
  for (const [key, value] of entries) sum += key.length + value.length
  return sum
}

async function tableBytes(scratch: Engine, entries: readonly Entry[]): Promise<number> {
  const before = bytesOf(scratch)
  const batch = scratch.batch()
  for (const [key, value] of entries) batch.put(key, value)
  await scratch.write(batch, false)
  await scratch.flush()
  return bytesOf(scratch) - before
}

/** Bytes of an engine's tables. */
export function bytesOf(engine: Engine): number {
  return engine.levels().reduce((sum, { bytes }) => sum + bytes, 0)
}

async function withScratch<T>(use: (scratch: Engine) => Promise<T>): Promise<T> {
  const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'tidemark-'))
  try {
    const scratch = await openClassicEngine(
      await fs.promises.realpath(directory),
      checkOptions({}).engine,
      false,
    )
    try {
      return await use(scratch)
    } finally {
      await scratch.close()
    }
  } finally {
    await fs.promises.rm(directory, { recursive: true, force: true })
  }
}
