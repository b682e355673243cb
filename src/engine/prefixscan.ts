/**
 * Reads what stands behind many prefixes, such as keys that are cancelled together.
 *
 * - A trip to the thread pool costs as much as reading dozens of entries. So prefixes are looked up in their own order,
 *   and where the next one's entries were read along with the last one's, more is read at once: keys that lie together,
 *   as consecutive numbers do, share a trip. Where they do not, each takes one, of two entries.
 * - Between two trips the event loop has its turn.
 * - A seek walks over what was deleted and not merged yet, to whatever stands next, on the thread that asks. Once one took
 *   long the others are made by iterators of their own, which begin in the thread pool.
 */
import type { AbstractIterator, AbstractLevel } from 'abstract-level'
import {
  LONG_SEEK_MS,
  MAX_PAGE_ENTRIES,
  MAX_WALKS_AT_ONCE,
  PREFIXES_PER_WALK,
  SCAN_CHUNK_BYTES,
} from '../limits.ts'
import { compareStored } from '../timer/text.ts'
import type { Entry } from './engine.ts'

type TextLevel = AbstractLevel<string | Buffer | Uint8Array, string, string>
type TextIterator = AbstractIterator<TextLevel, string, string>

const READING: object = { highWaterMarkBytes: SCAN_CHUNK_BYTES }

/** Mostly there is one timer behind a prefix, and the next entry tells that there is no other. */
const MIN_PAGE_ENTRIES = 2
/** The share of a page that was wanted, from which on what lies together goes on, and how much more is asked for then. */
const DENSE_SHARE = 0.75
const DENSE_GROWTH = 4
/** Else: how many times as much is asked for as was wanted of the last pages. */
const PAGE_GROWTH = 1.5

/** How many entries a page of the last scan would have asked for next: a long row of keys is looked for in many scans. */
export interface PageHint {
  entries: number
}

export interface PrefixLimits {
  limit: number
  maxBytes: number
}

/** The first entries behind each prefix, as `Engine.scanPrefixes` says. `nowMs` tells how long a seek takes. */
export async function scanPrefixes(
  level: TextLevel,
  prefixes: readonly string[],
  { limit, maxBytes }: PrefixLimits,
  hint: PageHint = { entries: MIN_PAGE_ENTRIES },
  nowMs = () => performance.now(),
): Promise<Entry[][]> {
  const found: Entry[][] = []
  const seeks: Seeks = { nowMs, areLong: false }
  let characters = 0
  let hasFailed = false
  /** Reads what is behind some of the prefixes, one after the other, until all together is too much. */
  const walk = async (places: readonly number[]) => {
    // One entry more tells where the last one ends.
    const pages = new Pages(level, limit, seeks, Math.min(hint.entries, places.length + 1))
    try {
      for (const place of places) {
        if (characters >= maxBytes || hasFailed) return
        const prefix = prefixes[place]!
        const entries = pages.known(prefix) ?? (await pages.read(prefix))
        for (const [key, value] of entries) characters += key.length + value.length
        found[place] = entries
      }
      hint.entries = pages.nextAsk
    } catch (error) {
      hasFailed = true
      throw error
    } finally {
      await pages.close()
    }
  }
  const inOrder = Array.from(prefixes.keys())
  const sorted = inOrder.toSorted((a, b) => compareStored(prefixes[a]!, prefixes[b]!))
  const share = Math.max(PREFIXES_PER_WALK, Math.ceil(sorted.length / MAX_WALKS_AT_ONCE))
  const shares: number[][] = []
  for (let from = 0; from < sorted.length; from += share) shares.push(sorted.slice(from, from + share))
  await Promise.all(shares.map(walk))
  // Where that was too much, whoever asked goes on with the first ones: what they lack is read.
  const missing = inOrder.filter((place) => found[place] === undefined)
  characters = 0
  if (missing.length > 0) await walk(missing)
  return found
}

/** How the seeks of one scan go. */
interface Seeks {
  nowMs(): number
  /** Once one took long, the others are left to the thread pool. */
  areLong: boolean
}

/** Entries that were read from some place on, without a gap. */
class Pages {
  readonly #level: TextLevel
  readonly #limit: number
  readonly #seeks: Seeks
  #iterator: TextIterator
  #page: Entry[] = []
  /** Index of the first entry behind the last prefix, or of the one after. */
  #at = 0
  /** Index behind those entries of the last prefix that were taken. */
  #afterLast = 0
  #last = ''
  /** Whether there is nothing behind the page. */
  #isEnd = false
  #ask: number
  /** Entries of this page that were wanted. */
  #wanted = 0

  /** @param ask how many entries the first page asks for. */
  constructor(level: TextLevel, limit: number, seeks: Seeks, ask: number) {
    this.#ask = Math.max(ask, MIN_PAGE_ENTRIES)
    this.#level = level
    this.#limit = limit
    this.#seeks = seeks
    this.#iterator = level.iterator(READING)
  }

  /** The first entries behind a prefix, up to the limit; undefined: the page does not tell them. */
  known(prefix: string): Entry[] | undefined {
    return this.#holds(prefix) ? this.#take(prefix) : undefined
  }

  /** The same, with what is to be read for it. */
  async read(prefix: string): Promise<Entry[]> {
    if (!this.#holds(prefix)) await this.#begin(prefix)
    const page = this.#page
    for (;;) {
      const entries = this.#take(prefix)
      if (entries !== undefined) return entries
      // It goes on behind the page's end: what lies there is mostly wanted, too.
      const ask = Math.max(this.#ask, page.length * DENSE_GROWTH)
      const more = await this.#iterator.nextv(Math.min(ask, MAX_PAGE_ENTRIES))
      if (more.length === 0) this.#isEnd = true
      for (const entry of more) page.push(entry)
    }
  }

  /** The entries behind a prefix, whose first one is at hand; undefined: more may lie behind the page. */
  #take(prefix: string): Entry[] | undefined {
    const page = this.#page
    let end = this.#at
    while (end < page.length && end - this.#at < this.#limit && page[end]![0].startsWith(prefix)) end++
    if (end === page.length && !this.#isEnd && end - this.#at < this.#limit) return undefined
    this.#last = prefix
    this.#afterLast = end
    this.#wanted += end - this.#at
    return page.slice(this.#at, end)
  }

  close(): Promise<void> {
    return this.#iterator.close()
  }

  /** Goes to the first entry that is not before a prefix, if it is in this page. */
  #holds(prefix: string): boolean {
    const page = this.#page
    if (page.length === 0 || compareStored(this.#last, prefix) > 0) return false
    // Where keys lie together its entries come next; those of a prefix within the last one are among what was passed.
    if (page[this.#afterLast]?.[0].startsWith(prefix) && !prefix.startsWith(this.#last)) {
      this.#at = this.#afterLast
      return true
    }
    if (compareStored(prefix, page.at(-1)![0]) > 0) return false
    while (compareStored(page[this.#at]![0], prefix) < 0) this.#at++
    return true
  }

  /** How many entries the next page asks for. */
  get nextAsk(): number {
    const { length } = this.#page
    if (length === 0) return this.#ask
    const isDense = length >= MIN_PAGE_ENTRIES && this.#wanted >= DENSE_SHARE * length
    const next = isDense
      ? this.#ask * DENSE_GROWTH
      : Math.floor((this.#ask + PAGE_GROWTH * this.#wanted + 1) / 2)
    return Math.min(Math.max(next, MIN_PAGE_ENTRIES), MAX_PAGE_ENTRIES)
  }

  /** Begins a new page where a prefix is. */
  async #begin(prefix: string): Promise<void> {
    this.#ask = this.nextAsk
    this.#page = []
    this.#at = 0
    this.#afterLast = 0
    this.#wanted = 0
    this.#isEnd = false
    await this.#moveTo(prefix)
  }

  async #moveTo(prefix: string): Promise<void> {
    const { nowMs, areLong } = this.#seeks
    if (areLong) {
      // Its first read goes there, and not this thread.
      await this.#iterator.close()
      this.#iterator = this.#level.iterator({ gte: prefix, ...READING })
      return
    }
    // Seeking costs a third of an iterator of its own.
    const startMs = nowMs()
    this.#iterator.seek(prefix)
    this.#seeks.areLong = nowMs() - startMs > LONG_SEEK_MS
  }
}
