/**
 * What a commit reads before it is decided: the entries that its calls name, in one read, and the ranges of those that
 * ask for one.
 *
 * - What is under way while this is read may be found or not: whoever decides looks into its changes first. What is recent
 *   is not read, and neither is what the spaces cannot have.
 * - A range is read up to a few timers; where there are more, the call is noted as large, and the commit ends before it.
 *   A large one is read as a whole, or in slices, and only when nothing is under way: the store alone tells its end.
 * - What was read and is not decided tells all the same which calls are large, and how many of the others fit: nothing is
 *   read more than a few times, however many calls wait.
 * - Entries and ranges are looked up in the order in which they were asked for: a step forward, no map.
 */
import type { Engine, Entry } from '../engine/engine.ts'
import { invariant } from '../errors.ts'
import {
  MAX_ATOMIC_EVENTS,
  MAX_COMMIT_EVENTS,
  MAX_SHARED_RANGE_TIMERS,
  MAX_SHARED_RANGES_BYTES,
  SCAN_CHUNK_ENTRIES,
} from '../limits.ts'
import { keyPart } from '../timer/identity.ts'
import type { StoredTimer } from '../timer/stored.ts'
import type { Taken } from './callqueue.ts'
import type { Call, RangeCall } from './calls.ts'
import type { RecentTimers } from './recent.ts'
import { NOTHING_BEHIND, type RecentRange } from './recenttables.ts'
import { NOTHING_STORED, type QueueState } from './state.ts'

/** What stood of a timer when it was asked for: a recent one, a value of the space; null: it did not stand. */
export type Found = StoredTimer | string | null

/** The timers behind a prefix, in no order, and what was found of each. */
export interface RangeRead {
  identities: readonly string[]
  found: readonly Found[]
}

const NOTHING_READ: RangeRead = { identities: [], found: [] }

export class CallReads {
  /** Index behind the last call that can be decided with this. */
  readonly end: number
  readonly #identities: readonly string[]
  readonly #found: readonly Found[]
  readonly #ranges: Ranges
  /** Each queue's upper bound when this was read: above it nothing stood. */
  readonly #highs: ReadonlyMap<QueueState, number>
  #at = 0
  #atRange = 0

  constructor(
    { identities, highs }: Pick<Asked, 'identities' | 'highs'>,
    found: readonly Found[],
    ranges: Ranges,
  ) {
    this.#highs = highs
    this.#identities = identities
    this.#found = found
    this.end = ranges.end
    this.#ranges = ranges
  }

  /** Whether a timer cannot have stood, so that it was not even read. */
  isNew(queue: QueueState, timestamp: number): boolean {
    const high = this.#highs.get(queue)
    return high !== undefined && timestamp > high
  }

  /** What was found of a timer; undefined: it was not asked for. */
  find(identity: string): Found | undefined {
    const identities = this.#identities
    for (let i = this.#at; i < identities.length; i++) {
      if (identities[i] !== identity) continue
      this.#at = i + 1
      return this.#found[i]
    }
    return undefined
  }

  /** What was read for a call: all that stood there then. Each is asked for once, in order. */
  range(call: RangeCall): RangeRead {
    const { asked, reads } = this.#ranges
    const at = this.#atRange++
    const read = asked[at]?.call === call ? reads[at] : undefined
    invariant(read !== undefined, 'a range is decided that was not read')
    return read
  }
}

/** What a commit needs that asks for nothing. */
export function noReads(): CallReads {
  return new CallReads({ identities: [], highs: new Map() }, [], new Ranges([], 0))
}

/** The first identity behind a prefix that ends with NUL. */
export function prefixEnd(prefix: string): string {
  return `${prefix.slice(0, -1)}\u0001`
}

/** Reads what the calls need, as far as one commit can decide them. Long ranges are there only where nothing is recent. */
export async function readFor(engine: Engine, taken: Taken, recent: RecentTimers): Promise<CallReads> {
  const asked: Asked = { identities: [], recentStandings: [], ranges: [], highs: new Map(), recent }
  for (let at = 0; at < taken.calls.length; at++) collect(taken.calls[at]!, at, taken, asked)
  const { identities, recentStandings } = asked
  const stored: string[] = []
  for (let i = 0; i < identities.length; i++)
    if (recentStandings[i] === undefined) stored.push(identities[i]!)
  const ranges = new Ranges(asked.ranges, taken.calls.length)
  const short = asked.ranges.filter(({ call }) => !call.isLarge)
  const reading = asked.ranges
    .filter(({ call }) => call.isLarge)
    .map(async ({ call, place }) => ranges.add(place, await readRange(engine, call, taken)))
  // All at once: where several fail, each is handled.
  const [values] = await Promise.all([
    stored.length === 0 ? [] : engine.getMany(stored),
    short.length === 0 ? undefined : readShort(engine, short, recent, ranges, taken),
    ...reading,
  ])
  let at = 0
  const found: Found[] = []
  for (const standing of recentStandings)
    found.push(standing === undefined ? (values[at++] ?? null) : standing)
  return new CallReads(asked, found, ranges)
}

/** The ranges that were read. */
class Ranges {
  /** In the order in which they will be decided. */
  readonly asked: readonly AskedRange[]
  /** What was read for each. */
  readonly reads: RangeRead[] = []
  /** Index behind the last call that can be decided. */
  end: number

  constructor(asked: readonly AskedRange[], end: number) {
    this.asked = asked
    this.end = end
  }

  /** `recent`: what was recent when the entries were read. Once it is spilled nothing else tells of it. */
  add(place: number, entries: readonly Entry[], recent: RecentRange = NOTHING_BEHIND): void {
    const { identities, standings } = recent
    if (entries.length === 0) {
      this.reads[place] = identities.length === 0 ? NOTHING_READ : { identities, found: standings }
      return
    }
    const known = identities.length === 0 ? undefined : new Set(identities)
    const all = [...identities]
    const found: Found[] = [...standings]
    for (const [identity, value] of entries) {
      if (known?.has(identity)) continue
      all.push(identity)
      found.push(value)
    }
    this.reads[place] = { identities: all, found }
  }
}

/** Reads ranges that are mostly short, and finds out how many calls can share the commit. */
async function readShort(
  engine: Engine,
  short: readonly AskedRange[],
  recent: RecentTimers,
  ranges: Ranges,
  taken: Taken,
): Promise<void> {
  const fresh = recentOf(short, recent)
  const found = await scanShort(engine, short, recent)
  const counts = fresh.map(({ identities }, i) => countOf(found[i], identities.length))
  taken.timersPerRange = averageOf(counts)
  let timers = 0
  for (const [i, { at, place }] of short.entries()) {
    const count = counts[i]!
    timers += count
    const isWhole = count <= MAX_SHARED_RANGE_TIMERS
    if (isWhole && (at === 0 || timers <= MAX_COMMIT_EVENTS)) {
      ranges.add(place, found[i]!, fresh[i])
      continue
    }
    noteLarge(short, counts, i)
    // What the first call's handler asks for does not fit into any commit this way: all of it is read as a whole.
    if (at === 0) for (const other of short) if (other.at === 0) other.call.isLarge = true
    ranges.end = at
    return
  }
}

/** What is recent of each, as of now. Where that is much it is told once, however many calls ask for the same. */
function recentOf(short: readonly AskedRange[], recent: RecentTimers): RecentRange[] {
  let long: Map<string, RecentRange> | undefined
  return short.map(({ call: { prefix } }) => {
    const known = long?.get(prefix)
    if (known !== undefined) return known
    const range = recent.behind(prefix)
    if (range.identities.length > MAX_SHARED_RANGE_TIMERS) {
      long ??= new Map()
      long.set(prefix, range)
    }
    return range
  })
}

/** NaN: it was not read, for those before it were too much. */
function countOf(entries: readonly Entry[] | undefined, recent: number): number {
  return entries === undefined ? Number.NaN : Math.max(entries.length, recent)
}

function averageOf(counts: readonly number[]): number {
  let sum = 0
  let read = 0
  for (const count of counts) {
    if (Number.isNaN(count)) continue
    sum += count
    read++
  }
  return read === 0 ? 0 : sum / read
}

/** Notes which calls are large, from the first that does not fit on: else each would be read again with all behind it. */
function noteLarge(short: readonly AskedRange[], counts: readonly number[], from: number): void {
  const emptied = new Set<string>()
  for (let i = from; i < short.length; i++) {
    const { call } = short[i]!
    // Of what was read one before it leaves little: it is not large when its turn comes.
    const isEmptied = emptied.has(call.prefix) || emptied.has(keyPart(call.prefix))
    if (!isEmptied && counts[i]! > MAX_SHARED_RANGE_TIMERS) call.isLarge = true
    emptied.add(call.prefix)
  }
}

/** What the spaces have of each; nothing is asked where a queue has nothing there, or all of a key is recent. */
async function scanShort(
  engine: Engine,
  short: readonly AskedRange[],
  recent: RecentTimers,
): Promise<(Entry[] | undefined)[]> {
  const limits = { limit: MAX_SHARED_RANGE_TIMERS + 1, maxBytes: MAX_SHARED_RANGES_BYTES }
  const stored = short.filter(
    ({ call: { queue, prefix } }) => queue.storedHigh > NOTHING_STORED && !recent.knowsAll(prefix),
  )
  if (stored.length === 0) return short.map(() => [])
  const found = await engine.scanPrefixes(
    stored.map(({ call }) => call.prefix),
    limits,
  )
  let at = 0
  return short.map((range) => (range === stored[at] ? found[at++] : []))
}

/** A range, the index of the call that asks for it, or whose handler does, and its place among all ranges. */
interface AskedRange {
  call: RangeCall
  at: number
  place: number
}

/** What the calls of a commit ask for. */
interface Asked {
  /** Timers that may stand, in the order in which they will be decided. */
  identities: string[]
  /** What is recent of each, or null where the space cannot have it either; undefined: the space tells. */
  recentStandings: (StoredTimer | null | undefined)[]
  /** Calls about a key: of a large one all that there is is read, the others share the commit if there are few timers. */
  ranges: AskedRange[]
  highs: Map<QueueState, number>
  recent: RecentTimers
}

/** Asks for a timer, unless it lies above all that stands in its queue: deadlines mostly grow. */
function ask(asked: Asked, queue: QueueState, identity: string, timestamp: number): void {
  const { high } = queue.decided
  if (timestamp > high) {
    if (!asked.highs.has(queue)) asked.highs.set(queue, high)
    return
  }
  const standing = asked.recent.get(identity)
  asked.identities.push(identity)
  asked.recentStandings.push(standing === undefined && timestamp > queue.storedHigh ? null : standing)
}

function collect(call: Call, at: number, taken: Taken, asked: Asked): void {
  switch (call.kind) {
    case 'register':
    case 'delete':
    case 'has':
      ask(asked, call.queue, call.identity, call.timestamp)
      break
    case 'registerMany': {
      const end = call === taken.last ? taken.registerManyEnd! : call.identities.length
      for (let i = call.done; i < end; i++) ask(asked, call.queue, call.identities[i]!, call.timestamps[i]!)
      break
    }
    case 'replace':
    case 'deleteAll':
      asked.ranges.push({ call, at, place: asked.ranges.length })
      break
    case 'fire':
    case 'step':
      for (const made of call.calls) collect(made, at, taken, asked)
      break
  }
}

async function readRange(engine: Engine, call: RangeCall, taken: Taken): Promise<Entry[]> {
  const sliced = call === taken.last
  const limit = sliced ? MAX_COMMIT_EVENTS : mostOf(call)
  let position = call.kind === 'deleteAll' ? call.position : undefined
  const found: Entry[] = []
  for (;;) {
    const ask = Math.min(SCAN_CHUNK_ENTRIES, limit - found.length)
    const entries = await scanPrefix(engine, call.prefix, position, ask)
    for (const entry of entries) found.push(entry)
    position = found.at(-1)?.[0]
    const more = entries.length === ask
    if (more && found.length < limit) continue
    if (sliced && call.kind === 'deleteAll') {
      taken.goesOn = more
      call.position = more ? position : undefined
    }
    return found
  }
}

/** How many timers of a range are read that is not sliced; of a replace that is refused, enough to tell. */
function mostOf(call: RangeCall): number {
  const mayBeRefused = call.kind === 'replace' && call.settle !== undefined
  return mayBeRefused ? MAX_ATOMIC_EVENTS + 1 : Number.POSITIVE_INFINITY
}

function scanPrefix(
  engine: Engine,
  prefix: string,
  after: string | undefined,
  limit: number,
): Promise<Entry[]> {
  const to = prefixEnd(prefix)
  return engine.scan(after === undefined ? { from: prefix, to, limit } : { after, to, limit }).read()
}
