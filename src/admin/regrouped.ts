/**
 * A source with its timers in the order that another max parallelism gives them: key groups come before keys in it.
 * They are put aside in a temporary LevelDB, which sorts them however many they are, and goes when the source is closed.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { openClassicEngine } from '../engine/classic.ts'
import type { Engine, EngineBatch } from '../engine/engine.ts'
import { END } from '../engine/keyspaces.ts'
import { RESTORE_BATCH_ENTRIES } from '../limits.ts'
import { checkOptions } from '../options.ts'
import { type VisibleChunk, walkVisible } from '../snapshot/walk.ts'
import { CHECKSUM_CHARACTERS, withChecksum } from '../timer/checksum.ts'
import { IDENTITY_KEY_START, IDENTITY_QUEUE_END, queuePrefix, unescapePart } from '../timer/identity.ts'
import { keyGroupOf } from '../timer/keygroup.ts'
import { keyGroupText } from '../timer/schema.ts'
import { encodeTriple } from '../timer/text.ts'
import type { Source, TimerRange } from './source.ts'
import type { Terminal } from './terminal.ts'

/** The source itself, if its order is the one that is asked for; whoever asks closes what is returned, and no more. */
export async function regrouped(source: Source, maxParallelism: number, terminal: Terminal): Promise<Source> {
  if (source.maxParallelism === maxParallelism) return source
  const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'tidemark-diff-'))
  let engine: Engine | undefined
  const close = async () => {
    await engine?.close()
    await fs.promises.rm(directory, { recursive: true, force: true })
    await source.close()
  }
  try {
    engine = await openClassicEngine(path.join(directory, 'sorted'), checkOptions({}).engine, false)
    await fill(engine, source, maxParallelism, terminal)
    const sorted = engine
    // It has blocks no more.
    const { checkpoint: _, ...rest } = source
    return { ...rest, maxParallelism, timers: (range) => walk(sorted, source, range), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function fill(
  engine: Engine,
  source: Source,
  maxParallelism: number,
  terminal: Terminal,
): Promise<void> {
  const progress = terminal.progress(`sorting for max parallelism ${maxParallelism}`, 'timers', source.count)
  let batch: EngineBatch = engine.batch()
  let waiting = 0
  let done = 0
  for await (const { count, identities, values } of source.timers()) {
    terminal.signal.throwIfAborted()
    for (let i = 0; i < count; i++) {
      const identity = regroup(identities[i]!, maxParallelism)
      batch.put(identity, withChecksum(identity, values[i]!.slice(0, -CHECKSUM_CHARACTERS)))
    }
    waiting += count
    done += count
    progress.at(done)
    if (waiting < RESTORE_BATCH_ENTRIES) continue
    await engine.write(batch, false)
    batch = engine.batch()
    waiting = 0
  }
  if (waiting > 0) await engine.write(batch, false)
  progress.end()
}

function regroup(identity: string, maxParallelism: number): string {
  const key = unescapePart(identity.slice(IDENTITY_KEY_START, identity.indexOf('\0', IDENTITY_KEY_START)))
  const keyGroup = encodeTriple(keyGroupOf(keyGroupText(key), maxParallelism))
  return identity.slice(0, IDENTITY_QUEUE_END) + keyGroup + identity.slice(IDENTITY_KEY_START)
}

async function* walk(
  engine: Engine,
  { services, version }: Source,
  { serviceIds, domain, keyGroups }: TimerRange = {},
): AsyncGenerator<VisibleChunk> {
  for (const { id } of services) {
    if (serviceIds?.includes(id) === false) continue
    for (const one of ['eventTime', 'processingTime'] as const) {
      if ((domain ?? one) !== one) continue
      const prefix = queuePrefix(id, one)
      const parts = keyGroups?.map(({ start, end }) => [encodeTriple(start), encodeTriple(end)]) ?? [['', '']]
      for (const [start, end] of parts) {
        yield* walkVisible(engine, version, { from: prefix + start!, to: prefix + end! + END })
      }
    }
  }
}
