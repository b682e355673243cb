/**
 * The peer of the rates: the LevelDB entries that Tidemark writes, made beforehand, written by plain chained batches
 * with nothing around them; and a bare scan of the same entries.
 */
import { ClassicLevel } from 'classic-level'
import { encodeChecksum } from '../../src/timer/checksum.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { keyGroupOf } from '../../src/timer/keygroup.ts'
import { dueKey, dueValue, makeStored, orderTextOf } from '../../src/timer/stored.ts'
import { encodeTimestamp, encodeTriple } from '../../src/timer/text.ts'
import type { BenchTimer } from './workload.ts'

export interface PlainEntries {
  identities: string[]
  values: string[]
  dueKeys: string[]
  dueValues: string[]
  /** One text a batch: the events as the log names them. */
  logs: string[]
  batchTimers: number
}

const QUEUE = queuePrefix(0, 'eventTime')

/** A string of its own, not a rope: what is timed is the writing, not the making. */
function flat(text: string): string {
  return Buffer.from(text).toString()
}

export function makePlainEntries(timers: readonly BenchTimer[], batchTimers: number): PlainEntries {
  const entries: PlainEntries = {
    identities: [],
    values: [],
    dueKeys: [],
    dueValues: [],
    logs: [],
    batchTimers,
  }
  let log = ''
  timers.forEach(({ key, timestamp }, i) => {
    const version = Math.floor(i / batchTimers) + 2
    const identity = `${keyPrefix(QUEUE, keyGroupOf(key, 128), key)}\0${encodeTimestamp(timestamp)}`
    const timer = makeStored(identity, version, orderTextOf(version, i % batchTimers), version, '')
    const due = dueKey(identity, timer.orderText)
    entries.identities.push(flat(identity))
    entries.values.push(flat(timer.value))
    entries.dueKeys.push(flat(due))
    entries.dueValues.push(flat(dueValue(due, identity)))
    log += `r${identity.slice(1)}\0`
    if ((i + 1) % batchTimers === 0 || i + 1 === timers.length) {
      entries.logs.push(flat(encodeTriple(batchTimers) + log + encodeChecksum(0)))
      log = ''
    }
  })
  return entries
}

export async function openPlain(directory: string, writeBufferSize = 16 << 20): Promise<ClassicLevel> {
  const level = new ClassicLevel(directory, { writeBufferSize, maxFileSize: 32 << 20 })
  await level.open()
  return level
}

/** Writes the entries, a batch after the other; returns the milliseconds. */
export async function writePlain(level: ClassicLevel, entries: PlainEntries, sync: boolean): Promise<number> {
  const { identities, values, dueKeys, dueValues, logs, batchTimers } = entries
  const startMs = performance.now()
  for (let first = 0, n = 0; first < identities.length; first += batchTimers, n++) {
    const batch = level.batch()
    const end = Math.min(first + batchTimers, identities.length)
    batch.put(`l${encodeTimestamp(n)}`, logs[n]!)
    for (let i = first; i < end; i++) {
      batch.put(identities[i]!, values[i]!)
      batch.put(dueKeys[i]!, dueValues[i]!)
    }
    await batch.write({ sync } as object)
  }
  return performance.now() - startMs
}

/** Reads the `timers` space by one iterator; returns the milliseconds and the entries. */
export async function scanPlain(level: ClassicLevel): Promise<{ ms: number; entries: number }> {
  const startMs = performance.now()
  const iterator = level.iterator({ gte: 't', lt: 'u', highWaterMarkBytes: 1 << 20 } as object)
  let entries = 0
  for (;;) {
    const chunk = await iterator.nextv(4000)
    if (chunk.length === 0) break
    entries += chunk.length
  }
  await iterator.close()
  return { ms: performance.now() - startMs, entries }
}
