/**
 * What `verify` finds out about a store: all that TimerStore.verify() does, on a store that nothing else is started on.
 * Nothing is purged, trimmed or migrated.
 */
import fs from 'node:fs'
import path from 'node:path'
import { cutService } from '../snapshot/cut.ts'
import { type Finding, verifyStore } from '../snapshot/verify.ts'
import { type OpenedStore, openStoreDirectory } from './storesource.ts'
import type { Terminal } from './terminal.ts'
import { findingOf, type Verified, type VerifyFinding } from './verification.ts'

/** Every timer is looked at twice, and its due entry once. */
const LOOKS_PER_TIMER = 3

/** Verifies the store of a directory. Throws TIDEMARK_LOCKED; a damaged one is a finding. */
export async function verifyStoreAt(location: string, terminal: Terminal): Promise<Verified> {
  const startMs = performance.now()
  const verified: Verified = {
    path: location,
    kind: 'store',
    isFine: false,
    bytes: await bytesOf(location),
    durationMs: 0,
    findings: [],
  }
  const store = await openOrFinding(location, verified.findings)
  if (store !== undefined) {
    verified.version = store.state.appliedVersion + 1
    verified.timers = countOf(store)
    try {
      verified.findings.push(...(await findingsOf(store, terminal)))
    } finally {
      await store.close()
    }
  }
  verified.isFine = verified.findings.length === 0
  verified.durationMs = performance.now() - startMs
  return verified
}

async function openOrFinding(location: string, findings: VerifyFinding[]): Promise<OpenedStore | undefined> {
  try {
    return await openStoreDirectory(location)
  } catch (error) {
    const finding = findingOf(location, error)
    if (finding.severity !== 'damage') throw error
    findings.push(finding)
    return undefined
  }
}

/** What is found in an open store. */
export async function findingsOf(store: OpenedStore, terminal: Terminal): Promise<VerifyFinding[]> {
  const { location, engine, state, record } = store
  const version = state.appliedVersion + 1
  const total = LOOKS_PER_TIMER * countOf(store) + state.appliedRetired
  const progress = terminal.progress('verifying', 'entries', total)
  let done = 0
  try {
    const findings = await verifyStore({
      engine,
      state,
      record,
      // Nothing is under way, and nothing will be.
      pipeline: { barrier: async () => {}, spill: async () => {} },
      cut: async () => ({
        running: { version, release: () => {} },
        services: state.services.map(cutService),
      }),
      onProgress: (entries) => {
        terminal.signal.throwIfAborted()
        done += entries
        progress.at(done)
      },
    })
    return findings.map((finding) => told(location, finding))
  } finally {
    progress.end()
  }
}

function told(location: string, { space, key, message, isHarmless }: Finding): VerifyFinding {
  return { severity: isHarmless === true ? 'problem' : 'damage', path: location, message, space, key }
}

function countOf({ state }: OpenedStore): number {
  let sum = 0
  for (const { appliedCount } of state.queues()) sum += appliedCount
  return sum
}

/** What LevelDB's files take; its LOCK is left alone. */
async function bytesOf(location: string): Promise<number> {
  let sum = 0
  for (const name of await fs.promises.readdir(location)) {
    // A file may go meanwhile: LevelDB of another process removes what it needs no more.
    const stats = await fs.promises.stat(path.join(location, name)).catch(() => undefined)
    sum += stats?.size ?? 0
  }
  return sum
}
