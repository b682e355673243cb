/**
 * What a commit reads before it is decided: the entries that its calls name, in one read, and the ranges of those that
 * ask for one.
 *
 * - A range is read only when nothing is under way, so the store alone tells what is in it.
 * - Entries are looked up in the order in which they were asked for: a step forward, no map.
 */
import type { Engine, Entry } from '../engine/engine.ts'
import { TidemarkError } from '../errors.ts'
import { SCAN_CHUNK_ENTRIES } from '../limits.ts'
import { parseStored, type StoredTimer } from '../timer/stored.ts'
import type { Taken } from './callqueue.ts'
import type { Call, ContextCall } from './calls.ts'
import type { Changes } from './draft.ts'
import type { QueueState } from './state.ts'

interface RangeTimer {
  identity: string
  timer: StoredTimer
}

export class CallReads {
  readonly #identities: readonly string[]
  readonly #values: readonly (string | undefined)[]
  readonly #ranges: ReadonlyMap<Call, RangeTimer[]>
  readonly #inRanges = new Map<string, string>()
  /** Each queue's upper bound when this was read: above it nothing stood. */
  readonly #highs: ReadonlyMap<QueueState, number>
  #at = 0

  constructor(
    { identities, highs }: Asked,
    values: readonly (string | undefined)[],
    ranges: ReadonlyMap<Call, RangeTimer[]>,
  ) {
    this.#highs = highs
    this.#identities = identities
    this.#values = values
    this.#ranges = ranges
    for (const timers of ranges.values()) {
      for (const { identity, timer } of timers) this.#inRanges.set(identity, timer.value)
    }
  }

  /** Whether a timer cannot have stood, so that it was not even read. */
  isNew(queue: QueueState, timestamp: number): boolean {
    const high = this.#highs.get(queue)
    return high !== undefined && timestamp > high
  }

  /** The value that was read; undefined: there was none; null: it was not asked for. */
  value(identity: string): string | undefined | null {
    const identities = this.#identities
    for (let i = this.#at; i < identities.length; i++) {
      if (identities[i] !== identity) continue
      this.#at = i + 1
      return this.#values[i]
    }
    return this.#inRanges.get(identity) ?? null
  }

  range(call: ContextCall): RangeTimer[] {
    return this.#ranges.get(call) ?? []
  }
}

/** The first identity behind a prefix that ends with NUL. */
export function prefixEnd(prefix: string): string {
  return `${prefix.slice(0, -1)}\u0001`
}

/** Reads what the calls need. `overlays` tell what is under way: a range must find none. */
export async function readFor(
  engine: Engine,
  taken: Taken,
  overlays: readonly Changes[],
): Promise<CallReads> {
  const asked: Asked = { identities: [], ranges: [], highs: new Map() }
  for (const call of taken.calls) collect(call, taken, asked)
  const { identities, ranges } = asked
  const found = new Map<Call, RangeTimer[]>()
  if (ranges.length > 0 && overlays.length > 0)
    throw new Error('a range was read while a commit was under way')
  const values = identities.length === 0 ? [] : engine.getMany(identities)
  const reading = ranges.map(async (call) => found.set(call, await readRange(engine, call, taken)))
  // All at once: where several fail, each is handled.
  await Promise.all([values, ...reading])
  return new CallReads(asked, await values, found)
}

/** What the calls of a commit ask for. */
interface Asked {
  identities: string[]
  ranges: Call[]
  highs: Map<QueueState, number>
}

/** Asks for a timer, unless it lies above all that stands in its queue: deadlines mostly grow. */
function ask({ identities, highs }: Asked, queue: QueueState, identity: string, timestamp: number): void {
  const { high } = queue.decided
  if (timestamp <= high) identities.push(identity)
  else if (!highs.has(queue)) highs.set(queue, high)
}

function collect(call: Call, taken: Taken, asked: Asked): void {
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
      asked.ranges.push(call)
      break
    case 'fire':
    case 'step':
      for (const made of call.calls) collect(made, taken, asked)
      break
  }
}

async function readRange(engine: Engine, call: Call, taken: Taken): Promise<RangeTimer[]> {
  if (call.kind !== 'deleteAll' && call.kind !== 'replace') return []
  const sliced = call === taken.last
  const limit = sliced ? taken.rangeLimit : Number.POSITIVE_INFINITY
  let position = call.kind === 'deleteAll' ? call.position : undefined
  const timers: RangeTimer[] = []
  for (;;) {
    const ask = Math.min(SCAN_CHUNK_ENTRIES, limit - timers.length)
    const entries = await scanPrefix(engine, call.prefix, position, ask)
    for (const [identity, value] of entries) timers.push({ identity, timer: parseOrThrow(identity, value) })
    position = timers.at(-1)?.identity
    const more = entries.length === ask
    if (more && timers.length < limit) continue
    if (sliced && call.kind === 'deleteAll') {
      taken.goesOn = more
      call.position = more ? position : undefined
    }
    return timers
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

function parseOrThrow(identity: string, value: string): StoredTimer {
  const timer = parseStored(identity, value)
  if (timer !== undefined) return timer
  throw new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the stored timer ${JSON.stringify(identity)} is damaged: run verify(), and restore a checkpoint`,
  )
}
