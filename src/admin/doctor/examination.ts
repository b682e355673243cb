/**
 * The examination of a store: everything that is looked at, in order. What can be found without opening the store is found
 * also where it cannot be opened.
 */
import { FORMAT_VERSION, readMarker } from '../../engine/directory.ts'
import type { LevelTables } from '../../engine/engine.ts'
import { TidemarkError } from '../../errors.ts'
import { bytesOf, estimateFreshBytes } from '../sizeestimate.ts'
import { filesOf, quoted, requireStore, type StoreFiles } from '../storeplace.ts'
import { type OpenedStore, openStoreDirectory, refuseLocked } from '../storesource.ts'
import type { Terminal } from '../terminal.ts'
import { type CheckpointFacts, checkCheckpoints } from './checkpoints.ts'
import { checkBloat, checkForeign, checkFree, checkLeftovers, checkPermissions, freeBytes } from './disk.ts'
import { checkDue } from './due.ts'
import { bySeverity, type DoctorFinding } from './finding.ts'
import { checkLog, checkRetired, checkServices, type LogSize, logSizeOf } from './remains.ts'

export interface Examination {
  path: string
  /** As its marker says. */
  formatVersion: number | undefined
  disk: StoreFiles & { free: number | undefined }
  /** Undefined where the store could not be opened. */
  store?: StoreFacts
  checkpoints?: CheckpointFacts
  findings: DoctorFinding[]
}

interface StoreFacts {
  storeId: string
  version: number
  services: number
  timers: number
  retired: number
  log: LogSize
  levels: LevelTables[]
  /** Bytes of its tables, and what they would be if they were written anew: an estimate. */
  tables: { bytes: number; freshBytes: number }
}

export interface ExaminationOptions {
  /** A directory of checkpoints to look at as well. */
  checkpoints: string | undefined
  maxAgeMs: number
}

/** Throws TIDEMARK_LOCKED and _INVALID_ARGUMENT; whatever else is wrong is found. */
export async function examine(
  place: string,
  { checkpoints, maxAgeMs }: ExaminationOptions,
  terminal: Terminal,
): Promise<Examination> {
  await requireStore(place)
  refuseLocked(place)
  const { nowMs } = terminal
  const formatVersion = await readMarker(place)
  const files = await filesOf(place)
  const disk = { ...files, free: await freeBytes(place) }
  const examined = await openedOrFinding(place, checkpoints, (store) => examineStore(store, terminal))
  const findings = [
    ...examined.findings,
    ...checkForeign(files, place),
    ...checkFree(disk.free, files.bytes),
    ...(await checkPermissions(place)),
    ...(await checkLeftovers(place, nowMs)),
  ]
  const { facts } = examined
  const examination: Examination = { path: place, formatVersion, disk, findings }
  if (facts !== undefined) examination.store = facts
  if (checkpoints !== undefined) {
    const of = { storeId: facts?.storeId, version: facts?.version }
    const found = await checkCheckpoints(checkpoints, of, maxAgeMs, nowMs)
    examination.checkpoints = found.facts
    findings.push(...found.findings)
  }
  examination.findings = bySeverity(findings)
  return examination
}

interface ExaminedStore {
  facts?: StoreFacts
  findings: DoctorFinding[]
}

/** Examines an open store; that it cannot be opened, or read, is a finding. */
async function openedOrFinding(
  place: string,
  checkpoints: string | undefined,
  examineIt: (store: OpenedStore) => Promise<ExaminedStore>,
): Promise<ExaminedStore> {
  try {
    const store = await openStoreDirectory(place)
    try {
      return await examineIt(store)
    } finally {
      await store.close()
    }
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error
    if (error.code === 'TIDEMARK_CORRUPT')
      return { findings: [damage(error, place, checkpoints ?? 'CHECKPOINTS')] }
    if (error.code === 'TIDEMARK_UNSUPPORTED_FORMAT') {
      return { findings: [await otherFormat(error, place)] }
    }
    throw error
  }
}

async function examineStore(store: OpenedStore, terminal: Terminal): Promise<ExaminedStore> {
  const { engine, state, location } = store
  const levels = engine.levels()
  const tableBytes = bytesOf(engine)
  const tables = { bytes: tableBytes, freshBytes: Math.min(tableBytes, await estimateFreshBytes(store)) }
  const log = logSizeOf(store)
  let timers = 0
  for (const { appliedCount } of state.queues()) timers += appliedCount
  const facts: StoreFacts = {
    storeId: state.storeId,
    version: state.appliedVersion + 1,
    services: state.serviceByName.size,
    timers,
    retired: state.appliedRetired,
    log,
    levels,
    tables,
  }
  const findings = [
    ...(await checkDue(store, terminal)),
    ...(await checkRetired(store)),
    ...checkLog(log, tables.freshBytes),
    ...checkServices(store),
    ...checkBloat(tables.bytes, tables.freshBytes, location),
  ]
  return { facts, findings }
}

function damage(error: TidemarkError, place: string, checkpoints: string): DoctorFinding {
  return {
    code: 'damaged',
    severity: 'damage',
    what: error.message,
    why: 'a service that opens it is refused',
    todo: 'restore the latest checkpoint into a new directory, and put that in the place of this one',
    commands: [`tidemark restore ${quoted(checkpoints)} ${quoted(`${place}-restored`)}`],
  }
}

async function otherFormat(error: TidemarkError, place: string): Promise<DoctorFinding> {
  const format = await readMarker(place)
  const isOlder = format !== undefined && format <= FORMAT_VERSION
  return {
    code: isOlder ? 'old-format' : 'new-format',
    severity: 'warning',
    what: error.message,
    why: isOlder
      ? 'the next service that opens it migrates it first, which may take a while; nothing else was looked at in it'
      : 'this version cannot read it; nothing else was looked at in it',
    todo: isOlder
      ? 'migrate it at a time that suits, after a checkpoint'
      : 'use the version of Tidemark that wrote it, or a newer one',
    commands: isOlder ? [`tidemark migrate ${quoted(place)} --dry-run`] : [],
  }
}
