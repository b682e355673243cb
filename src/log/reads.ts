/**
 * What a commit reads before it is decided: the entries that its calls name, in one read, and the ranges of those that
 * ask for one.
 *
 * - What is under way while this is read may be found or not: whoever decides looks into its changes first.
 * - A range is read up to a few timers; where there are more, the call is noted as large, and the commit ends before it.
 *   A large one is read as a whole, or in slices, and only when nothing is under way: the store alone tells its end.
 * - Entries are looked up in the order in which they were asked for: a step forward, no map.
 */
import type { Engine, Entry } from '../engine/engine.ts'
import {
  MAX_COMMIT_EVENTS,
  MAX_SHARED_RANGE_TIMERS,
  MAX_SHARED_RANGES_BYTES,
  SCAN_CHUNK_ENTRIES,
} from '../limits.ts'
import type { Taken } from './callqueue.ts'
import type { Call, ContextCall, RangeCall } from './calls.ts'
import type { Changes } from './draft.ts'
import type { QueueState } from './state.ts'

export class CallReads {
  /** Index behind the last call that can be decided with this. */
  readonly end: number
  readonly #identities: readonly string[]
  readonly #values: readonly (string | undefined)[]
  readonly #ranges: ReadonlyMap<Call, readonly string[]>
  readonly #inRanges: ReadonlyMap<string, string>
  /** Each queue's upper bound when this was read: above it nothing stood. */
  readonly #highs: ReadonlyMap<QueueState, number>
  #at = 0

  constructor({ identities, highs }: Asked, values: readonly (string | undefined)[], ranges: Ranges) {
    this.#highs = highs
    this.#identities = identities
    this.#values = values
    this.end = ranges.end
    this.#ranges = ranges.identities
    this.#inRanges = ranges.values
  }

  /** Whether a timer cannot have stood, so that it was not even read. */
  isNew(queue: QueueState, timestamp: number): boolean {
    const high = this.#highs.get(queue)
    return high !== undefined && timestamp > high
  }

  /** The value that was read; undefined: there was none; null: it was not asked for. */
  value(identity: string): string | undefined | null {
    const inRange = this.#inRanges.size === 0 ? undefined : this.#inRanges.get(identity)
    if (inRange !== undefined) return inRange
    const identities = this.#identities
    for (let i = this.#at; i < identities.length; i++) {
      if (identities[i] !== identity) continue
      this.#at = i + 1
      return this.#values[i]
    }
    return null
  }

  range(call: ContextCall): readonly string[] {
    return this.#ranges.get(call) ?? []
  }
}

/** The first identity behind a prefix that ends with NUL. */
export function prefixEnd(prefix: string): string {
  return `${prefix.slice(0, -1)}\u0001`
}

/** Reads what the calls need, as far as one commit can decide them. `underWay`: the commits that are. */
export async function readFor(
  engine: Engine,
  taken: Taken,
  underWay: readonly Changes[],
): Promise<CallReads> {
  const asked: Asked = { identities: [], short: [], long: [], highs: new Map() }
  for (const [at, call] of taken.calls.entries()) collect(call, at, taken, asked)
  const { identities, short, long } = asked
  if (long.length > 0 && underWay.length > 0)
    throw new Error('a long range was read while a commit was under way')
  const ranges = new Ranges(taken.calls.length)
  const reading = long.map(async (call) => ranges.add(call, await readRange(engine, call, taken)))
  // All at once: where several fail, each is handled.
  const [values] = await Promise.all([
    identities.length === 0 ? [] : engine.getMany(identities),
    short.length === 0 ? undefined : readShort(engine, short, ranges),
    ...reading,
  ])
  return new CallReads(asked, values, ranges)
}

/** The ranges that were read. */
class Ranges {
  readonly identities = new Map<Call, string[]>()
  readonly values = new Map<string, string>()
  /** Index behind the last call that can be decided. */
  end: number

  constructor(end: number) {
    this.end = end
  }

  add(call: Call, entries: readonly Entry[]): void {
    const identities: string[] = []
    for (const [identity, value] of entries) {
      identities.push(identity)
      this.values.set(identity, value)
    }
    this.identities.set(call, identities)
  }
}

/** Reads ranges that are mostly short, and finds out how many calls can share the commit. */
async function readShort(engine: Engine, short: readonly ShortRange[], ranges: Ranges): Promise<void> {
  const limits = { limit: MAX_SHARED_RANGE_TIMERS + 1, maxBytes: MAX_SHARED_RANGES_BYTES }
  const prefixes = short.map(({ call }) => call.prefix)
  const found = await engine.scanPrefixes(prefixes, limits)
  let timers = 0
  for (const [i, { call, at }] of short.entries()) {
    const entries = found[i]
    timers += entries?.length ?? 0
    const isTooLong = entries !== undefined && entries.length > MAX_SHARED_RANGE_TIMERS
    if (entries !== undefined && !isTooLong && (at === 0 || timers <= MAX_COMMIT_EVENTS)) {
      ranges.add(call, entries)
      continue
    }
    if (isTooLong) call.isLarge = true
    // What the first call's handler asks for does not fit into any commit this way: all of it is read as a whole.
    if (at === 0) for (const other of short) if (other.at === 0) other.call.isLarge = true
    ranges.end = at
    return
  }
}

/** A range that is mostly short, and the index of the call that asks for it, or whose handler does. */
interface ShortRange {
  call: RangeCall
  at: number
}

/** What the calls of a commit ask for. */
interface Asked {
  identities: string[]
  /** Calls about a key that share the commit if it has few timers. */
  short: ShortRange[]
  /** Those of which all that there is is read. */
  long: RangeCall[]
  highs: Map<QueueState, number>
}

/** Asks for a timer, unless it lies above all that stands in its queue: deadlines mostly grow. */
function ask({ identities, highs }: Asked, queue: QueueState, identity: string, timestamp: number): void {
  const { high } = queue.decided
  if (timestamp <= high) identities.push(identity)
  else if (!highs.has(queue)) highs.set(queue, high)
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
      if (call.isLarge) asked.long.push(call)
      else asked.short.push({ call, at })
      break
    case 'fire':
    case 'step':
      for (const made of call.calls) collect(made, at, taken, asked)
      break
  }
}

async function readRange(engine: Engine, call: RangeCall, taken: Taken): Promise<Entry[]> {
  const sliced = call === taken.last
  const limit = sliced ? MAX_COMMIT_EVENTS : Number.POSITIVE_INFINITY
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

function scanPrefix(
  engine: Engine,
  prefix: string,
  after: string | undefined,
  limit: number,
): Promise<Entry[]> {
  const to = prefixEnd(prefix)
  return engine.scan(after === undefined ? { from: prefix, to, limit } : { after, to, limit }).read()
}
