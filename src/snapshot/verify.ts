/**
 * verify(): everything that can be checked without a second copy. It runs beside the service; what looks wrong while
 * commits go on is looked at again before it is told.
 *
 * - The timers of one cut, counted and summed, are what the log says of that version.
 * - Every timer has its due entry and every due entry its timer; key groups and services are those that they must be.
 * - The kept log is contiguous and chained; retired entries are as many as the log counts.
 */
import { type Engine, type Entry, isPart } from '../engine/engine.ts'
import { DUE, END, RETIRED, TIMERS } from '../engine/keyspaces.ts'
import type { StoreRecord } from '../engine/migration.ts'
import { hiddenKey, walkTo } from '../engine/walked.ts'
import { TidemarkError } from '../errors.ts'
import { READ_AT_ONCE_TIMERS, SCAN_CHUNK_BYTES, VERIFY_CHUNK_ENTRIES } from '../limits.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import type { StoreState } from '../log/state.ts'
import { readKept, readNewest } from '../log/tail.ts'
import { addToSetHash } from '../timer/checksum.ts'
import { IDENTITY_QUEUE_END, parseIdentity, queuePrefix, type TimeDomain } from '../timer/identity.ts'
import { keyGroupOf } from '../timer/keygroup.ts'
import { keyGroupText } from '../timer/schema.ts'
import { dueKey, dueValue, parseDue, parseRetired, parseStored } from '../timer/stored.ts'
import type { Cut, CutService } from './cut.ts'
import { walkVisible } from './walk.ts'

/** Something that is not as it must be. */
export interface Finding {
  space: 'timers' | 'due' | 'retired' | 'log'
  /** The stored key, or the version, that it is about. */
  key: string
  message: string
  /** It is left over and does no harm; everything else is damage. */
  isHarmless?: true
}

export interface VerifyParts {
  engine: Engine
  state: StoreState
  record: StoreRecord
  /** Waits for commits, and for what they did to be in the key spaces. */
  pipeline: Pick<CommitPipeline, 'barrier' | 'spill'>
  /** Takes a snapshot, with what the log says of its version. */
  cut(): Promise<{ running: Pick<Cut['running'], 'version' | 'release'>; services: readonly CutService[] }>
  /** Called with how many entries were looked at since the last call. */
  onProgress?(entries: number): void
}

/** Findings told at most: a store with more is to be restored, not read about. */
const MAX_FINDINGS = 1000

type Check = (parts: VerifyParts, findings: Finding[]) => Promise<void>

const CHECKS: readonly [Finding['space'], Check][] = [
  ['timers', checkTotals],
  ['timers', checkTimers],
  ['due', checkDue],
  ['retired', checkRetired],
  ['log', checkLog],
]

export async function verifyStore(parts: VerifyParts): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const [space, check] of CHECKS) {
    if (findings.length >= MAX_FINDINGS) break
    try {
      await check(parts, findings)
    } catch (error) {
      // What cannot be read any further is a finding like the others, and hides none of them.
      if (!(error instanceof TidemarkError) || error.code !== 'TIDEMARK_CORRUPT') throw error
      findings.push({ space, key: '', message: error.message })
    }
  }
  return findings.slice(0, MAX_FINDINGS)
}

async function checkTotals({ engine, cut, onProgress }: VerifyParts, findings: Finding[]): Promise<void> {
  const { running, services } = await cut()
  try {
    const found = new Map<string, { count: number; setHash: number }>()
    for await (const chunk of walkVisible(engine, running.version)) {
      for (let i = 0; i < chunk.identities.length; i++) {
        const queue = chunk.identities[i]!.slice(0, IDENTITY_QUEUE_END)
        const totals = found.get(queue) ?? { count: 0, setHash: 0 }
        found.set(queue, totals)
        totals.count++
        totals.setHash = addToSetHash(totals.setHash, chunk.checksums[i]!)
      }
      onProgress?.(chunk.count)
    }
    for (const service of services) {
      for (const domain of ['eventTime', 'processingTime'] as const) {
        compareTotals(service, domain, found.get(queuePrefix(service.id, domain)), running.version, findings)
      }
    }
  } finally {
    running.release()
  }
}

function compareTotals(
  service: CutService,
  domain: TimeDomain,
  found: { count: number; setHash: number } = { count: 0, setHash: 0 },
  version: number,
  findings: Finding[],
): void {
  const expected = service[domain]
  if (found.count === expected.count && found.setHash === expected.setHash) return
  const message =
    `service '${service.name}', ${domain}, version ${version}: stored are ${found.count} timers (set hash ` +
    `${found.setHash}), the log counts ${expected.count} (${expected.setHash})`
  findings.push({ space: 'timers', key: queuePrefix(service.id, domain), message })
}

/** The entries of a space, a chunk at a time. */
async function* chunksOf(
  { engine, onProgress }: VerifyParts,
  space: string,
  limit = VERIFY_CHUNK_ENTRIES,
): AsyncGenerator<Entry[]> {
  const limits = { limit, maxBytes: SCAN_CHUNK_BYTES }
  for (let after = space; ; ) {
    const entries = await engine.scan({ after, to: space + END, ...limits }).read()
    yield entries
    onProgress?.(entries.length)
    if (!isPart(entries, limits)) return
    after = entries.at(-1)![0]
  }
}

async function checkTimers(parts: VerifyParts, findings: Finding[]): Promise<void> {
  const { engine, pipeline } = parts
  for await (const entries of chunksOf(parts, TIMERS)) {
    const checked = entries.map(([identity, value]) => ({ identity, ...checkTimer(parts, identity, value) }))
    const dueValues = await engine.getMany(checked.map(({ due }) => due ?? ''))
    for (let i = 0; i < checked.length; i++) {
      const { identity, due, orderText, wrong } = checked[i]!
      if (wrong !== undefined && (await stays(parts, identity, entries[i]![1])))
        findings.push({ space: 'timers', key: identity, message: wrong })
      if (due === undefined || dueValues[i] === dueValue(due, identity)) continue
      await pipeline.barrier()
      // Its due entry is read first: a timer that is removed in between is then missing from both.
      const again = engine.get(due)
      const value = engine.get(identity)
      const standing = value === undefined ? undefined : parseStored(identity, value)
      if (standing?.orderText !== orderText || again === dueValue(due, identity)) continue
      const isHidden = again === undefined && (await walkTo(engine, due)) !== undefined
      const message = isHidden ? hiddenKey(due).message : 'the timer has no due entry, and would never fire'
      findings.push({ space: 'timers', key: identity, message })
    }
  }
}

/** Whether an entry is the same once everything is in the key spaces. */
async function stays({ engine, pipeline }: VerifyParts, identity: string, value: string): Promise<boolean> {
  await pipeline.spill()
  return engine.get(identity) === value || (await walkTo(engine, identity)) === value
}

function checkTimer(
  { state, record }: VerifyParts,
  identity: string,
  value: string,
): { due?: string; orderText?: string; wrong?: string } {
  const timer = parseStored(identity, value)
  const parts = parseIdentity(identity)
  if (timer === undefined || parts === undefined) return { wrong: 'the entry is damaged' }
  const due = dueKey(identity, timer.orderText)
  const { orderText } = timer
  const queue = state.queueOf(parts.serviceId, parts.domain)
  // `high` only rises while a service has its number, so a timer that stood when it was read lies below it now.
  if (queue !== undefined && parts.timestamp > queue.decided.high) {
    return { due, orderText, wrong: `it lies above ${queue.decided.high}, the upper bound of its queue` }
  }
  if (state.services[parts.serviceId] === undefined) {
    return { due, orderText, wrong: `it names service ${parts.serviceId}, which there is not` }
  }
  const keyGroup = keyGroupOf(keyGroupText(parts.key), state.maxParallelism)
  if (keyGroup !== parts.keyGroup) {
    return { due, orderText, wrong: `it stands in key group ${parts.keyGroup}, and belongs to ${keyGroup}` }
  }
  if (keyGroup < record.keyGroups.start || keyGroup > record.keyGroups.end) {
    return { due, orderText, wrong: `its key group ${keyGroup} is not one of this store's` }
  }
  return { due, orderText }
}

async function checkDue(parts: VerifyParts, findings: Finding[]): Promise<void> {
  const { engine, pipeline } = parts
  for await (const entries of chunksOf(parts, DUE, READ_AT_ONCE_TIMERS)) {
    const due = entries.map(([key, value]) => parseDue(key, value))
    const values = await engine.getMany(due.map((entry) => entry?.identity ?? ''))
    for (let i = 0; i < due.length; i++) {
      const key = entries[i]![0]
      const entry = due[i]
      if (entry === undefined) {
        findings.push({ space: 'due', key, message: 'the entry is damaged' })
        continue
      }
      if (orderOf(entry.identity, values[i]) === entry.orderText) continue
      await pipeline.barrier()
      // The timer is read first: one that is removed in between is then missing from both.
      const again = orderOf(entry.identity, engine.get(entry.identity))
      if (again === entry.orderText || (await walkTo(engine, key)) === undefined) continue
      if (orderOf(entry.identity, await walkTo(engine, entry.identity)) === entry.orderText) {
        findings.push({ space: 'due', key, message: hiddenKey(entry.identity).message })
        continue
      }
      const message = 'an orphan: its timer is not there; it is never fired'
      findings.push({ space: 'due', key, message, isHarmless: true })
    }
  }
}

function orderOf(identity: string, value: string | undefined): string | undefined {
  return value === undefined ? undefined : parseStored(identity, value)?.orderText
}

async function checkRetired(parts: VerifyParts, findings: Finding[]): Promise<void> {
  const { state, pipeline } = parts
  await pipeline.barrier()
  const { appliedVersion, appliedRetired } = state
  let count = 0
  for await (const entries of chunksOf(parts, RETIRED)) {
    for (const [key, value] of entries) {
      count++
      if (parseRetired(key, value) === undefined) {
        findings.push({ space: 'retired', key, message: 'the entry is damaged' })
      }
    }
  }
  // Only while nothing was committed do both speak of one moment.
  if (state.decidedVersion !== appliedVersion || count === appliedRetired) return
  findings.push({
    space: 'retired',
    key: '',
    message: `stored are ${count} entries, the log counts ${appliedRetired}`,
  })
}

async function checkLog({ engine, pipeline }: VerifyParts, findings: Finding[]): Promise<void> {
  for (;;) {
    await pipeline.barrier()
    const newest = await readNewest(engine)
    if (newest === undefined) return
    try {
      for await (const _ of readKept(engine, newest, newest.kept.oldest));
      return
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.code !== 'TIDEMARK_CORRUPT') throw error
      const latest = await readNewest(engine)
      // Trimmed while it was read: begin again where it begins now.
      if (latest !== undefined && latest.kept.oldest > newest.kept.oldest) continue
      findings.push({ space: 'log', key: '', message: error.message })
      return
    }
  }
}
