/**
 * Opening: what is stored is verified as far as the log reaches, and the state is folded from its newest anchor on.
 *
 * - What the tail did to timers may not be in the key spaces, or in part: it is recent again. What a clean close left is.
 * - The entries of the log's tail must be contiguous in version and chained by checksum. LevelDB drops damaged parts of its
 *   write-ahead log silently, the newest commits still there; a hole in the log is how that shows.
 */
import type { Engine } from '../engine/engine.ts'
import { END, LOG, logKey, SERVICE_META_PREFIX, TIMERS } from '../engine/keyspaces.ts'
import type { StoreRecord } from '../engine/migration.ts'
import { TidemarkError } from '../errors.ts'
import {
  LOG_CHARACTERS_PER_TIMER,
  MIN_REOPENED_LOG_CHARACTERS,
  SCAN_CHUNK_BYTES,
  SCAN_CHUNK_ENTRIES,
} from '../limits.ts'
import { verifiedBody } from '../timer/checksum.ts'
import { parseIdentity, unescapePart } from '../timer/identity.ts'
import { makeStored, orderTextOf, StoredTimer } from '../timer/stored.ts'
import { decodeCount, decodeDigits, decodeTimestamp } from '../timer/text.ts'
import { readTrimmed } from './close.ts'
import { type LoggedEvent, type ParsedEntry, parseEntry, parseEvents } from './entry.ts'
import type { TimerEvent } from './events.ts'
import { RecentTimers } from './recent.ts'
import { LogRetention } from './retention.ts'
import { refuseSpilledBeyond } from './spillmark.ts'
import { NOTHING_STORED, ServiceState, StoreState } from './state.ts'

function corrupt(what: string): TidemarkError {
  return new TidemarkError('TIDEMARK_CORRUPT', `${what}: the store cannot be trusted; restore a checkpoint`)
}

/** How much log may be worth keeping: nobody knows yet what builds on it, and more than a full checkpoint is not. */
function worthwhileLogCharacters(state: StoreState): number {
  let timers = 0
  for (const { decided } of state.queues()) timers += decided.count
  return Math.max(timers * LOG_CHARACTERS_PER_TIMER, MIN_REOPENED_LOG_CHARACTERS)
}

/** What opening reads. */
export interface Loaded {
  state: StoreState
  retention: LogRetention
  /** What must be in the key spaces before those alone are read. */
  recent: RecentTimers
}

/** Reads the state of a store, and how much log it keeps. Throws TIDEMARK_CORRUPT, naming the versions. */
export async function loadState(
  engine: Engine,
  record: StoreRecord,
  writeBufferBytes: number,
): Promise<Loaded> {
  const state = new StoreState(record.storeId, record.maxParallelism)
  const recent = new RecentTimers(writeBufferBytes)
  await loadServices(engine, state)
  const newest = await readNewest(engine)
  if (newest === undefined) await refuseWithoutLog(engine)
  refuseSpilledBeyond(engine, newest?.version ?? 0)
  if (newest === undefined) {
    return { state, retention: new LogRetention(writeBufferBytes, 0), recent }
  }
  const { kept } = newest
  const spilled = readTrimmed(engine, newest.version)?.spilled ?? 0
  const retention = new LogRetention(writeBufferBytes, kept.tail - 1)
  for await (const { entry, value, characters } of readKept(engine, newest, kept.tail)) {
    if (entry.version >= newest.anchor) foldInto(state, entry)
    retention.add(entry.version, entry.anchor === entry.version, characters)
    if (entry.version <= spilled) continue
    const isMuch = recent.readAgain(entry.version, timerEvents(state, entry, value), characters)
    if (isMuch) await recent.spillAll(engine, (part) => recent.spilled(part))
  }
  // What was not spilled is from now on: nobody waits for it.
  if (recent.close() === undefined) retention.spilled(newest.version)
  // What an incremental checkpoint may build on stays until somebody knows better.
  retention.reopened(kept, worthwhileLogCharacters(state))
  state.decidedVersion = newest.version
  state.appliedVersion = newest.version
  state.decidedRetired = newest.retired
  state.appliedRetired = newest.retired
  state.chain = newest.checksum
  for (const queue of state.queues()) {
    const { count, high } = queue.decided
    queue.storedHigh = count === 0 ? NOTHING_STORED : high
  }
  return { state, retention, recent }
}

/** The events of an entry that are about timers. */
function* timerEvents(state: StoreState, entry: ParsedEntry, value: string): Generator<TimerEvent> {
  for (const event of parseEvents(value, entry)) {
    if (!('identity' in event)) continue
    const { identity, kind } = event
    const parts = parseIdentity(identity)
    const queue = parts && state.queueOf(parts.serviceId, parts.domain)
    if (parts === undefined || queue === undefined)
      throw corrupt(`version ${entry.version} names a timer of a service that has no record`)
    const { timestamp } = parts
    yield { kind, queue, identity, timestamp, timer: storedOf(event, entry.version), ...NOTHING_ELSE }
  }
}

/** A line of the log that is about a timer. */
type TimerLine = Extract<LoggedEvent, { identity: string }>

const NOTHING_ELSE = { previous: undefined, retire: false, dueKey: undefined, atOnce: false } as const

/** The timer of an event: what stands after it, or what went, of which only its order is told. */
function storedOf(event: TimerLine, version: number): StoredTimer {
  const { identity } = event
  if (event.kind === 'register') {
    const { createVersion, place, payload } = event
    return makeStored(identity, createVersion, orderTextOf(createVersion, place), createVersion, payload)
  }
  const { orderText } = event
  const createVersion = decodeCount(orderText, 0)
  if (event.kind === 'payload') return makeStored(identity, createVersion, orderText, version, event.payload)
  return new StoredTimer('', createVersion, createVersion, orderText, 0, 0)
}

async function loadServices(engine: Engine, state: StoreState): Promise<void> {
  const scan = engine.scan({ from: SERVICE_META_PREFIX, to: SERVICE_META_PREFIX + END, limit: 4096 })
  for (const [key, value] of await scan.read()) {
    const body = verifiedBody(key, value)
    const id = decodeDigits(key, SERVICE_META_PREFIX.length, 2)
    const nameEnd = body?.indexOf('\0') ?? -1
    if (body === undefined || nameEnd < 0 || id !== state.services.length) {
      throw corrupt(`the record of service ${id} is damaged or missing`)
    }
    state.addService(new ServiceState(id, unescapePart(body.slice(0, nameEnd)), body.slice(nameEnd + 1)))
  }
}

/** The newest entry; what it tells to be kept is what is kept now, itself included. */
export async function readNewest(engine: Engine): Promise<ParsedEntry | undefined> {
  const newest = await engine.scan({ from: LOG, to: LOG + END, limit: 1, reverse: true }).read()
  if (newest.length === 0) return undefined
  const [key, value] = newest[0]!
  const entry = parseOrThrow(key, value)
  const { kept, version } = entry
  const standing = { ...kept, characters: kept.characters + value.length }
  return { ...entry, kept: readTrimmed(engine, version) ?? standing }
}

async function refuseWithoutLog(engine: Engine): Promise<void> {
  const timers = await engine.scan({ from: TIMERS, to: TIMERS + END, limit: 1 }).read()
  if (timers.length > 0) throw corrupt('there are timers, but the log is empty')
}

function parseOrThrow(key: string, value: string): ParsedEntry {
  const entry = parseEntry(key, value)
  if (entry === undefined) throw corrupt(`the log entry of version ${decodeTimestamp(key, 1)} is damaged`)
  return entry
}

/** Entries from a version on, oldest first, each verified against the one before. */
export async function* readKept(
  engine: Engine,
  newest: Pick<ParsedEntry, 'version'>,
  first: number,
): AsyncGenerator<{ entry: ParsedEntry; value: string; characters: number }> {
  let expected = first
  let previous: ParsedEntry | undefined
  while (expected <= newest.version) {
    const limit = Math.min(SCAN_CHUNK_ENTRIES, newest.version - expected + 1)
    // An entry may have megabytes.
    const range = { from: logKey(expected), to: LOG + END, limit, maxBytes: SCAN_CHUNK_BYTES }
    const chunk = await engine.scan(range).read()
    if (chunk.length === 0) throw hole(expected, newest.version)
    for (const [key, value] of chunk) {
      const entry = parseOrThrow(key, value)
      if (entry.version !== expected) throw hole(expected, entry.version - 1)
      if (previous !== undefined && entry.previous !== previous.checksum) {
        throw corrupt(`the log entry of version ${expected} does not follow that of version ${expected - 1}`)
      }
      yield { entry, value, characters: value.length }
      previous = entry
      expected++
    }
  }
}

function hole(first: number, last: number): TidemarkError {
  const versions = first === last ? `version ${first} is` : `versions ${first} to ${last} are`
  return corrupt(`${versions} missing from the log`)
}

function foldInto(state: StoreState, entry: ParsedEntry): void {
  for (const { serviceId, domain, count, setHash, low, high } of entry.totals) {
    const queue = state.queueOf(serviceId, domain)
    if (queue === undefined)
      throw corrupt(`version ${entry.version} names service ${serviceId}, which has no record`)
    queue.decided.count = count
    queue.decided.setHash = setHash
    queue.decided.low = low
    queue.decided.high = high
    queue.appliedCount = count
  }
  for (const { serviceId, watermark } of entry.watermarks) {
    const service = state.services[serviceId]
    if (service === undefined)
      throw corrupt(`version ${entry.version} names service ${serviceId}, which has no record`)
    service.decidedWatermark = watermark
    service.appliedWatermark = watermark
  }
}
