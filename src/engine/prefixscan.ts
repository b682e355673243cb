/**
 * Reads what stands behind many prefixes, such as keys that are cancelled together.
 *
 * - A trip to the thread pool costs as much as reading dozens of entries. So prefixes are looked up in their own order,
 *   and where the next one's entries were read along with the last one's, more is read at once: keys that lie together,
 *   as consecutive numbers do, share a trip. Where they do not, each takes one, of two entries.
 * - Between two trips the event loop has its turn.
 * - A seek walks over what was deleted and not merged yet, to whatever stands next, on the thread that asks. Once one took
 *   long the rest is read with iterators of their own, which begin in the thread pool.
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

/** Mostly there is one timer behind a prefix, and the next entry tells that there is no other. */
const MIN_PAGE_ENTRIES = 2
/** How many times as much is asked for as was wanted of the last pages: what lies together then mostly fits into one. */
const PAGE_GROWTH = 1.5

export interface PrefixLimits {
  limit: number
  maxBytes: number
}

/** The first entries behind each prefix, as `Engine.scanPrefixes` says. `nowMs` tells how long a seek takes. */
export async function scanPrefixes(
  level: TextLevel,
  prefixes: readonly string[],
  { limit, maxBytes }: PrefixLimits,
  nowMs = () => performance.now(),
): Promise<Entry[][]> {
  const found: Entry[][] = []
  let characters = 0
  let hasFailed = false
  let isSeekLong = false
  /** Reads what is behind some of the prefixes, one after the other, until all together is too much. */
  const walk = async (places: readonly number[]) => {
    // Seeking costs a third of an iterator of its own for each.
    const iterator: TextIterator = level.iterator({ highWaterMarkBytes: SCAN_CHUNK_BYTES } as object)
    const pages = new Pages(iterator, limit, nowMs)
    try {
      for (const place of places) {
        if (characters >= maxBytes || hasFailed) return
        const prefix = prefixes[place]!
        const entries = isSeekLong ? await readAlone(level, prefix, limit) : await pages.behind(prefix)
        isSeekLong ||= pages.longestSeekMs > LONG_SEEK_MS
        for (const [key, value] of entries) characters += key.length + value.length
        found[place] = entries
      }
    } catch (error) {
      hasFailed = true
      throw error
    } finally {
      await iterator.close()
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

/** The same with an iterator that begins at the prefix: its first read goes there, and not this thread. */
async function readAlone(level: TextLevel, prefix: string, limit: number): Promise<Entry[]> {
  const iterator: TextIterator = level.iterator({
    gte: prefix,
    highWaterMarkBytes: SCAN_CHUNK_BYTES,
  } as object)
  try {
    return await new Pages(iterator, limit, () => 0, prefix).behind(prefix)
  } finally {
    await iterator.close()
  }
}

/** Entries that were read with one iterator, from some place on, without a gap. */
class Pages {
  readonly #iterator: TextIterator
  readonly #limit: number
  readonly #nowMs: () => number
  readonly #startsAt: string | undefined
  #page: Entry[] = []
  /** Index of the first entry behind the last prefix, or of the one after. */
  #at = 0
  #last = ''
  /** Whether there is nothing behind the page. */
  #isEnd = false
  #ask = MIN_PAGE_ENTRIES
  /** Entries of this page that were wanted. */
  #wanted = 0
  longestSeekMs = 0

  /** @param startsAt where the iterator begins. */
  constructor(iterator: TextIterator, limit: number, nowMs: () => number, startsAt?: string) {
    this.#nowMs = nowMs
    this.#iterator = iterator
    this.#limit = limit
    this.#startsAt = startsAt
  }

  /** The first entries behind a prefix, up to the limit. */
  async behind(prefix: string): Promise<Entry[]> {
    this.#moveTo(prefix)
    const page = this.#page
    let end = this.#at
    for (;;) {
      while (end < page.length && end - this.#at < this.#limit && page[end]![0].startsWith(prefix)) end++
      if (end < page.length || this.#isEnd || end - this.#at === this.#limit) break
      // What was wanted so far tells how long this may go on.
      const more = await this.#iterator.nextv(Math.min(Math.max(this.#ask, this.#wanted), MAX_PAGE_ENTRIES))
      if (more.length === 0) this.#isEnd = true
      for (const entry of more) page.push(entry)
    }
    this.#wanted += end - this.#at
    return page.slice(this.#at, end)
  }

  /** Goes to the first entry that is not before a prefix: in this page, if it is there, or in a new one. */
  #moveTo(prefix: string): void {
    const page = this.#page
    const lastKey = page.at(-1)?.[0]
    if (
      compareStored(this.#last, prefix) <= 0 &&
      lastKey !== undefined &&
      compareStored(prefix, lastKey) <= 0
    ) {
      while (compareStored(page[this.#at]![0], prefix) < 0) this.#at++
    } else {
      const next = Math.floor((this.#ask + PAGE_GROWTH * this.#wanted + 1) / 2)
      this.#ask = Math.min(Math.max(next, MIN_PAGE_ENTRIES), MAX_PAGE_ENTRIES)
      if (prefix !== this.#startsAt) this.#seek(prefix)
      this.#page = []
      this.#at = 0
      this.#wanted = 0
      this.#isEnd = false
    }
    this.#last = prefix
  }

  #seek(prefix: string): void {
    const startMs = this.#nowMs()
    this.#iterator.seek(prefix)
    this.longestSeekMs = Math.max(this.longestSeekMs, this.#nowMs() - startMs)
  }
}
