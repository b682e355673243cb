// Timers in an engine in memory, and the cut that the store would give for them.

import { createHash } from 'node:crypto'
import { MemoryLevel } from 'memory-level'
import type { CheckpointCut } from '../../src/checkpoint/cut.ts'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'
import { LevelEngine } from '../../src/engine/classic.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { CutService } from '../../src/snapshot/cut.ts'
import { addToSetHash } from '../../src/timer/checksum.ts'
import { escapePart, keyPrefix, queuePrefix, type TimeDomain } from '../../src/timer/identity.ts'
import { keyGroupOf } from '../../src/timer/keygroup.ts'
import { makeStored, orderTextOf } from '../../src/timer/stored.ts'
import { compareStored, encodeTimestamp } from '../../src/timer/text.ts'

export interface SampleTimer {
  service: number
  domain: TimeDomain
  key: string
  namespace?: string
  timestamp: number
  payload?: string
}

export interface Sample {
  engine: Engine
  cut: CheckpointCut
  /** Value by identity, in order of identity. */
  stored: Map<string, string>
}

export interface SampleOptions {
  maxParallelism?: number
  services?: string[]
  metadata?: string
  /** Timers of one commit. */
  commitTimers?: number
}

const commitTimersDefault = 100

/** Stores timers as commits would have, and describes the cut behind the last one. */
export async function sampleOf(timers: readonly SampleTimer[], options: SampleOptions = {}): Promise<Sample> {
  const { maxParallelism = 128, services = ['orders', 'other'], metadata } = options
  const commitTimers = options.commitTimers ?? commitTimersDefault
  const cutServices: CutService[] = services.map((name, id) => ({
    id,
    name,
    schemas: '{"key":{"type":"string"}}',
    watermark: id * 1000 - 5,
    eventTime: { count: 0, setHash: 0 },
    processingTime: { count: 0, setHash: 0 },
  }))
  const unsorted = new Map<string, string>()
  timers.forEach(({ service, domain, key, namespace = '', timestamp, payload = '' }, i) => {
    const prefix = keyPrefix(queuePrefix(service, domain), keyGroupOf(key, maxParallelism), escapePart(key))
    const identity = `${prefix}${escapePart(namespace)}\0${encodeTimestamp(timestamp)}`
    if (unsorted.has(identity)) return
    const version = 1 + Math.floor(i / commitTimers)
    const timer = makeStored(identity, version, orderTextOf(version, i % commitTimers), version, payload)
    unsorted.set(identity, timer.value)
    const queue = cutServices[service]![domain]
    queue.count++
    queue.setHash = addToSetHash(queue.setHash, timer.checksum)
  })
  const stored = new Map([...unsorted].sort(([a], [b]) => compareStored(a, b)))
  const level = new MemoryLevel<string, string>()
  await level.batch(Array.from(stored, ([key, value]) => ({ type: 'put' as const, key, value })))
  const cut: CheckpointCut = {
    kind: 'full',
    pauseMs: 0,
    chain: 0,
    storeId: '5f0e9a6c-0000-4000-8000-000000000000',
    checkpointId: 'c0ffee00-0000-4000-8000-000000000000',
    version: 2 + Math.floor(timers.length / commitTimers),
    createdMs: 1_700_000_000_000,
    maxParallelism,
    metadata,
    services: cutServices,
  }
  return { engine: new LevelEngine(level as never), cut, stored }
}

/** Timers of one queue with keys that look random and are always the same. */
export function manyTimers(count: number, payload?: (i: number) => string): SampleTimer[] {
  return Array.from({ length: count }, (_, i) => {
    const key = `order-${createHash('md5').update(String(i)).digest('hex').slice(0, 14)}`
    const timestamp = 1_760_000_000_000 + ((i * 7919) % 100_000_000)
    return { service: 0, domain: 'processingTime' as const, key, timestamp, payload: payload?.(i) }
  })
}

/** Every timer that a reader finds, in the order in which it finds them. */
export async function readAll(
  path: string,
  keyGroups?: { start: number; end: number },
): Promise<[string, string][]> {
  const reader = await CheckpointReader.open(path)
  try {
    const timers: [string, string][] = []
    for await (const { count, identities, values } of reader.blocks(keyGroups)) {
      for (let i = 0; i < count; i++) timers.push([identities[i]!, values[i]!])
    }
    return timers
  } finally {
    await reader.close()
  }
}
