/**
 * Walks the timers that a snapshot of version s holds, in order of identity, while commits go on.
 *
 * - Nothing is held: every read opens its own views and closes them at once. What is visible at s never changes, so
 *   views of different moments agree about it.
 * - A timer that goes is put into `retired`, and leaves `timers` then or later; never back. So whatever part of `timers` a
 *   view shows, the view of the same part of `retired` is opened after it: a timer is seen twice, maybe, and never missed.
 * - Every value's checksum is verified. A timer seen live and retired is one; two different ones are damage.
 * - While one round is merged the next is being read; not where the walk gives way to others: then it does one thing at
 *   a time, in short rounds, and rests between them.
 */
import { type Engine, type Entry, isPart } from '../engine/engine.ts'
import { END, TIMERS } from '../engine/keyspaces.ts'
import { TidemarkError } from '../errors.ts'
import {
  GIVING_WAY_CHUNK_ENTRIES,
  MIN_RETIRED_CHUNK_ENTRIES,
  SCAN_CHUNK_BYTES,
  SCAN_CHUNK_ENTRIES,
} from '../limits.ts'
import { CHECKSUM_CHARACTERS, checksumAtEnd, checksumOf } from '../timer/checksum.ts'
import { parseRetired, type RetiredTimer, sinceVersionOf } from '../timer/stored.ts'
import { compareStored } from '../timer/text.ts'
import { isVisible } from '../timer/visibility.ts'

/** Visible timers, in order: the same index in each array is one timer. */
export interface VisibleChunk {
  readonly count: number
  readonly identities: readonly string[]
  /** Stored values, their checksums included. */
  readonly values: readonly string[]
  readonly checksums: Float64Array
}

export interface WalkOptions {
  /** First identity, or prefix of identities, included. */
  from?: string
  /** First identity, or prefix of identities, that is not walked any more. */
  to?: string
  chunkEntries?: number
  /** Default: it goes as fast as it can. */
  pace?: WalkPace
}

/** How a walk goes along beside other work. */
export interface WalkPace {
  /** Whether others have work to do, and this walk gives way. */
  readonly givesWay: boolean
  /** Called after each round; resolves when the next may be read. */
  rest(): Promise<void>
}

/** Throws TIDEMARK_CORRUPT, naming the timer, where something stored is damaged. */
export async function* walkVisible(
  engine: Engine,
  version: number,
  options: WalkOptions = {},
): AsyncGenerator<VisibleChunk> {
  const rounds = new RoundReader(engine, options)
  const merger = new Merger(version)
  let reading = rounds.next()
  try {
    for (;;) {
      const round = await reading
      if (round === undefined) return
      const readsAhead = options.pace?.givesWay !== true
      if (readsAhead) reading = readNext(rounds)
      const chunk = merger.merge(round)
      if (chunk.count > 0) yield chunk
      await options.pace?.rest()
      if (!readsAhead) reading = readNext(rounds)
    }
  } finally {
    // Whoever stops in the middle finds no read under way behind the walk.
    await reading.catch(() => {})
  }
}

/** It is awaited later; until then its failure is nobody's. */
function readNext(rounds: RoundReader): Promise<Round | undefined> {
  const reading = rounds.next()
  reading.catch(() => {})
  return reading
}

/** A part of both spaces in which both are known whole: from where the last round ended. */
interface Round {
  timers: readonly Entry[]
  retired: readonly RetiredTimer[]
}

class RoundReader {
  readonly #engine: Engine
  readonly #to: string
  readonly #mostEntries: number
  readonly #pace: WalkPace | undefined
  #timersStart: { from: string } | { after: string }
  #retiredStart: { from: string } | { after: string }
  /** What a view of `timers` showed beyond the last round. */
  #rest: readonly Entry[] | undefined
  /** The last identity that this view reaches to; undefined: all there is. */
  #timersEnd: string | undefined
  /** Follows how many there are: what is read beyond the round is read in vain. */
  #retiredLimit: number
  #done = false

  constructor(engine: Engine, { from = TIMERS, to = TIMERS + END, chunkEntries, pace }: WalkOptions) {
    this.#engine = engine
    this.#to = to
    this.#mostEntries = chunkEntries ?? SCAN_CHUNK_ENTRIES
    this.#pace = pace
    this.#timersStart = { from }
    this.#retiredStart = { from: retiredText(from) }
    this.#retiredLimit = Math.min(MIN_RETIRED_CHUNK_ENTRIES, this.#chunkEntries)
  }

  get #chunkEntries(): number {
    return this.#pace?.givesWay === true
      ? Math.min(GIVING_WAY_CHUNK_ENTRIES, this.#mostEntries)
      : this.#mostEntries
  }

  async next(): Promise<Round | undefined> {
    if (this.#done) return undefined
    return this.#rest === undefined ? this.#readBoth() : this.#readRetired(this.#rest)
  }

  async #readBoth(): Promise<Round> {
    const limits = { limit: this.#chunkEntries, maxBytes: SCAN_CHUNK_BYTES }
    const retiredLimits = { limit: this.#retiredLimit, maxBytes: SCAN_CHUNK_BYTES }
    const timersScan = this.#engine.scan({ ...this.#timersStart, to: this.#to, ...limits })
    const retiredTo = retiredText(this.#to)
    const retiredScan = this.#engine.scan({ ...this.#retiredStart, to: retiredTo, ...retiredLimits })
    const [timers, retired] = await Promise.all([timersScan.read(), retiredScan.read()])
    this.#timersEnd = isPart(timers, limits) ? timers.at(-1)![0] : undefined
    return this.#round(timers, retired, isPart(retired, retiredLimits))
  }

  /** There are more retired entries in the range that the view of `timers` showed: any later view has them. */
  async #readRetired(rest: readonly Entry[]): Promise<Round> {
    const limits = { limit: this.#chunkEntries, maxBytes: SCAN_CHUNK_BYTES }
    const to = this.#timersEnd === undefined ? retiredText(this.#to) : retiredText(this.#timersEnd) + END
    const retired = await this.#engine.scan({ ...this.#retiredStart, to, ...limits }).read()
    return this.#round(rest, retired, isPart(retired, limits))
  }

  /** Ends a round where the first of the two views ends, and notes where the next one begins. */
  #round(timers: readonly Entry[], entries: readonly Entry[], retiredGoesOn: boolean): Round {
    const retired = entries.map(([key, value]) => parseRetiredOrThrow(key, value))
    const end = this.#timersEnd
    const lastRetired = retired.at(-1)
    if (
      retiredGoesOn &&
      lastRetired !== undefined &&
      (end === undefined || compareStored(lastRetired.identity, end) <= 0)
    ) {
      const split = firstAfter(timers, lastRetired.identity)
      this.#rest = timers.slice(split)
      this.#retiredStart = { after: entries.at(-1)![0] }
      this.#adaptRetiredLimit(retired.length)
      return { timers: timers.slice(0, split), retired }
    }
    this.#rest = undefined
    if (end === undefined) {
      this.#done = true
      return { timers, retired }
    }
    this.#timersStart = { after: end }
    this.#retiredStart = { after: retiredText(end) + END }
    let within = retired.length
    while (within > 0 && compareStored(retired[within - 1]!.identity, end) > 0) within--
    this.#adaptRetiredLimit(within)
    return { timers, retired: within === retired.length ? retired : retired.slice(0, within) }
  }

  #adaptRetiredLimit(used: number): void {
    const wanted = Math.max(used * 2, MIN_RETIRED_CHUNK_ENTRIES)
    this.#retiredLimit = Math.min(wanted, this.#chunkEntries)
  }
}

/** Keeps of each round what is visible. */
class Merger {
  readonly #version: number
  #identities: string[] = []
  #values: string[] = []
  #checksums = new Float64Array(0)
  #count = 0
  #lastIdentity = ''
  #lastValue = ''

  constructor(version: number) {
    this.#version = version
  }

  merge({ timers, retired }: Round): VisibleChunk {
    const version = this.#version
    this.#identities = []
    this.#values = []
    this.#checksums = new Float64Array(timers.length + retired.length)
    this.#count = 0
    let next = 0
    for (const { identity, deleteVersion, timer } of retired) {
      if (!isVisible(timer.sinceVersion, deleteVersion, version)) continue
      const end = firstAfter(timers, identity, next)
      this.#keepLive(timers, next, end)
      next = end
      this.#keep(identity, timer.value, timer.checksum)
    }
    this.#keepLive(timers, next, timers.length)
    return {
      count: this.#count,
      identities: this.#identities,
      values: this.#values,
      checksums: this.#checksums,
    }
  }

  /** The hot path: one call for most of a round, and nothing made for a timer. */
  #keepLive(timers: readonly Entry[], start: number, end: number): void {
    const identities = this.#identities
    const values = this.#values
    const checksums = this.#checksums
    const version = this.#version
    let count = this.#count
    for (let i = start; i < end; i++) {
      const entry = timers[i]!
      const identity = entry[0]
      const value = entry[1]
      const checksum = checksumOf(identity, value, value.length - CHECKSUM_CHARACTERS)
      const since = sinceVersionOf(value)
      if (checksum !== checksumAtEnd(value) || Number.isNaN(since)) throw damaged('timer', identity)
      if (since >= version) continue
      identities.push(identity)
      values.push(value)
      checksums[count++] = checksum
    }
    if (count > this.#count) {
      this.#lastIdentity = identities[count - 1]!
      this.#lastValue = values[count - 1]!
    }
    this.#count = count
  }

  /** Keeps a retired timer, unless it was just seen live: it leaves `timers` later. */
  #keep(identity: string, value: string, checksum: number): void {
    if (identity === this.#lastIdentity) {
      if (value !== this.#lastValue) throw damaged('timer seen twice at one version', identity)
      return
    }
    this.#lastIdentity = identity
    this.#lastValue = value
    this.#identities.push(identity)
    this.#values.push(value)
    this.#checksums[this.#count++] = checksum
  }
}

/** The index, from `start` on, of the first entry behind an identity. */
function firstAfter(timers: readonly Entry[], identity: string, start = 0): number {
  let low = start
  let high = timers.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareStored(timers[middle]![0], identity) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

/** A text of the `timers` space in the `retired` one. */
function retiredText(text: string): string {
  return `r${text.slice(1)}`
}

function parseRetiredOrThrow(key: string, value: string): RetiredTimer {
  const retired = parseRetired(key, value)
  if (retired === undefined) throw damaged('retired timer', key)
  return retired
}

function damaged(what: string, key: string): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the stored ${what} ${JSON.stringify(key)} is damaged: run verify(), and restore a checkpoint`,
  )
}
