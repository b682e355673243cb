/** What commits leave behind: retired timers, the log, services whose timers are half converted. */
import { END, RETIRED } from '../../engine/keyspaces.ts'
import { SCAN_CHUNK_ENTRIES } from '../../limits.ts'
import { ownerOf } from '../../timer/servicename.ts'
import { shown } from '../printable.ts'
import { quoted } from '../storeplace.ts'
import type { OpenedStore } from '../storesource.ts'
import { bytes, count, counted } from '../units.ts'
import { agree, type DoctorFinding } from './finding.ts'

/** A log below this is no matter, whatever else there is. */
const MIN_LARGE_LOG_BYTES = 64 * 1024 * 1024
/** How many times as much as all timers a log takes that is too large. */
const LARGE_LOG_TIMES = 2

export interface LogSize {
  entries: number
  /** Characters of its entries. */
  bytes: number
  /** Entries before those that opening verifies. */
  held: number
}

export function logSizeOf({ retention }: OpenedStore): LogSize {
  const { entries, bytes: characters, tail, oldest } = retention
  return { entries, bytes: characters, held: tail - oldest }
}

export async function checkRetired({ engine, state, location }: OpenedStore): Promise<DoctorFinding[]> {
  let stored = 0
  for (let after = RETIRED; ; ) {
    const entries = await engine.scan({ after, to: RETIRED + END, limit: SCAN_CHUNK_ENTRIES }).read()
    stored += entries.length
    if (entries.length < SCAN_CHUNK_ENTRIES) break
    after = entries.at(-1)![0]
  }
  const findings: DoctorFinding[] = []
  if (stored > 0) {
    const told = `${counted(stored, 'deleted timer')} ${agree(stored, 'is', 'are')} retired`
    findings.push({
      code: 'retired',
      severity: 'notice',
      what: `${told}, and no snapshot can need ${agree(stored, 'it', 'them')}: the store was killed, not closed`,
      why: 'they take disk until they are purged, which happens when the store is opened next',
      todo: 'start the service, or purge and compact now',
      commands: [`tidemark compact ${quoted(location)}`],
    })
  }
  if (stored !== state.appliedRetired) {
    findings.push({
      code: 'retired-count',
      severity: 'damage',
      what: `the log counts ${count(state.appliedRetired)} retired timers, and ${count(stored)} are stored`,
      why: 'entries were lost, or have come back',
      todo: 'see what else is damaged, and restore a checkpoint',
      commands: [`tidemark verify ${quoted(location)}`],
    })
  }
  return findings
}

/** `timerCharacters`: what all timers take, before compression. */
export function checkLog(log: LogSize, timerCharacters: number): DoctorFinding[] {
  const isLarge = log.bytes > Math.max(MIN_LARGE_LOG_BYTES, LARGE_LOG_TIMES * timerCharacters)
  if (!isLarge) return []
  const entries = counted(log.entries, 'entry', 'entries')
  const held = log.held > 0 ? `, ${count(log.held)} of them held for incremental checkpoints` : ''
  return [
    {
      code: 'log-growth',
      severity: 'warning',
      what: `the log has ${entries} of ${bytes(log.bytes)}${held}; all timers take ${bytes(timerCharacters)}`,
      why: 'it takes disk, and opening a store reads the newer part of it',
      todo:
        log.held > 0
          ? 'start the service and have it take a checkpoint, incremental as those before: what only they needed goes then'
          : 'start the service and close it: a clean close trims the log',
      commands: [],
    },
  ]
}

/** Services that are two: what waits to be converted, and what is. */
export function checkServices({ state }: OpenedStore): DoctorFinding[] {
  return state.services.flatMap(({ name, eventTime, processingTime }) => {
    const owner = ownerOf(name)
    if (owner === undefined || owner === name) return []
    const from = state.serviceByName.get(owner)
    const waiting = (from?.eventTime.appliedCount ?? 0) + (from?.processingTime.appliedCount ?? 0)
    const done = `${counted(eventTime.appliedCount + processingTime.appliedCount, 'timer')} converted`
    return [
      {
        code: 'half-migrated',
        severity: 'warning' as const,
        what: `service ${shown(owner)} is half-way to other schemas: ${done}, ${count(waiting)} not yet`,
        why: 'none of them fires until all are converted',
        todo: `start service ${shown(owner)} with the migrate function that began it: it goes on where it was`,
        commands: [],
      },
    ]
  })
}
