/**
 * `verify --deep`: whether a restore gives back what is there. Everything is restored into a temporary directory, compared
 * timer by timer, and verified as a store; the directory goes in any case.
 */
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { CheckpointCut } from '../checkpoint/cut.ts'
import { restoreCheckpoint } from '../checkpoint/restore.ts'
import { writeCheckpoint } from '../checkpoint/writer.ts'
import { cutService } from '../snapshot/cut.ts'
import { parseIdentity } from '../timer/identity.ts'
import { decodePart } from '../timer/schema.ts'
import { shown } from './printable.ts'
import { identityOf, mergeRows } from './rowmerge.ts'
import { openRows } from './rowstream.ts'
import { openSource, type Source } from './source.ts'
import { type OpenedStore, openStoreDirectory, sourceOf } from './storesource.ts'
import { findingsOf } from './storeverification.ts'
import type { Terminal } from './terminal.ts'
import { iso } from './units.ts'
import type { VerifyFinding } from './verification.ts'

/** Differences told at most. */
const MAX_DIFFERENCES = 100

/** Restores a checkpoint that was verified, and compares. */
export function verifyRestored(place: string, terminal: Terminal): Promise<VerifyFinding[]> {
  return inTemporaryDirectory(async (directory) => {
    const source = await openSource(place, terminal)
    try {
      return await restoreAndCompare(source, place, directory, terminal)
    } finally {
      await source.close()
    }
  })
}

/** Writes a checkpoint of a store, restores that, and compares. */
export function verifyRestoredStore(location: string, terminal: Terminal): Promise<VerifyFinding[]> {
  return inTemporaryDirectory(async (directory) => {
    const store = await openStoreDirectory(location)
    try {
      const written = await writeCheckpointOf(store, path.join(directory, 'checkpoint'), terminal)
      return await restoreAndCompare(sourceOf(store), written, directory, terminal)
    } finally {
      await store.close()
    }
  })
}

async function inTemporaryDirectory<T>(run: (directory: string) => Promise<T>): Promise<T> {
  const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'tidemark-verify-'))
  try {
    return await run(directory)
  } finally {
    await fs.promises.rm(directory, { recursive: true, force: true })
  }
}

async function writeCheckpointOf(
  { engine, state, record }: OpenedStore,
  directory: string,
  terminal: Terminal,
): Promise<string> {
  const cut: CheckpointCut = {
    kind: 'full',
    storeId: record.storeId,
    checkpointId: randomUUID(),
    version: state.appliedVersion + 1,
    createdMs: terminal.nowMs,
    pauseMs: 0,
    chain: state.chain,
    maxParallelism: record.maxParallelism,
    keyGroups: record.keyGroups,
    services: state.services.map(cutService),
  }
  const progress = terminal.progress('writing a checkpoint', 'timers')
  const { signal } = terminal
  const written = await writeCheckpoint(engine, cut, directory, {
    signal,
    onProgress: ({ timers }) => progress.at(timers),
  })
  progress.end()
  return written.path
}

/** `place` is the checkpoint to restore, which must come to what the source has. */
async function restoreAndCompare(
  source: Source,
  place: string,
  directory: string,
  terminal: Terminal,
): Promise<VerifyFinding[]> {
  const target = path.join(directory, 'store')
  const restoring = terminal.progress('restoring', 'timers', source.count)
  const { signal } = terminal
  await restoreCheckpoint(place, target, { signal, onProgress: ({ timers }) => restoring.at(timers) })
  restoring.end()
  const store = await openStoreDirectory(target)
  try {
    const findings = await findingsOf(store, terminal)
    // What was restored of a chain is all that there is of its timers: its totals were proved on the way.
    const isChain = source.checkpoint?.header.kind === 'incremental'
    if (!isChain) findings.push(...(await compareTimers(source, sourceOf(store), terminal)))
    return findings.map((finding) => ({
      ...finding,
      path: source.path,
      message: `restored: ${finding.message}`,
    }))
  } finally {
    await store.close()
  }
}

/** Every timer must be there, as it was stored. */
export async function compareTimers(
  source: Source,
  restored: Source,
  terminal: Terminal,
): Promise<VerifyFinding[]> {
  const findings: VerifyFinding[] = []
  const progress = terminal.progress('comparing', 'timers', 2 * source.count)
  let done = 0
  for (const { id, name } of source.services) {
    for (const domain of ['eventTime', 'processingTime'] as const) {
      const range = { serviceIds: [id], domain }
      await mergeRows(openRows(source, range), openRows(restored, range), {
        onDifference: (difference) => {
          if (findings.length >= MAX_DIFFERENCES) return
          const row = difference.kind === 'removed' ? difference.before : difference.after
          const what = `${WHAT[difference.kind]} in ${domain} of ${shown(name)}: ${timerText(identityOf(row))}`
          findings.push({ severity: 'damage', path: source.path, message: what, key: identityOf(row) })
        },
        onProgress: (timers) => {
          terminal.signal.throwIfAborted()
          done += timers
          progress.at(done)
        },
      })
    }
  }
  progress.end()
  return findings
}

const WHAT = { removed: 'a timer is missing', added: 'a timer is too many', changed: 'a timer differs' }

function timerText(identity: string): string {
  const { key, namespace, timestamp } = parseIdentity(identity)!
  return `${shown(decodePart(key))} ${shown(decodePart(namespace))} at ${iso(timestamp)}`
}
