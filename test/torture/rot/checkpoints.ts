/**
 * Checkpoints rot: every bit, every length, every field, every place of a frame. Whoever restores, verifies or inspects one
 * refuses it with the code that says why, in bounded time and memory.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withDirectory } from '../../support/store.ts'
import type { Outcome, Run } from '../family.ts'
import { Gauge, MOST_BYTES_AT_ONCE, peakMemory } from './bounds.ts'
import { type Corpus, type CorpusKind, makeCorpus, makeSmallCorpus } from './corpus.ts'
import { type Forgery, forgeries } from './forgeries.ts'
import { putTogether, takeApart } from './frames.ts'
import { inspect, type ReadCheckpoint, restore, type Told, verify } from './readers.ts'

/** A refusal takes no longer, in the best of some tries: others use the machine, too. */
const MOST_REFUSAL_MS = 250
/** What the process may grow by, whatever it is given: a few frames, and what the runtime has not given back yet. */
const MOST_GROWTH_BYTES = 96 * 1024 * 1024

const CORRUPT = 'TIDEMARK_CHECKPOINT_CORRUPT'

/** A checkpoint among those that it builds on, in a directory of its own. */
interface Place {
  path: string
  bytes: Buffer
  /** What each reader tells of it while it is whole. */
  whole: Map<ReadCheckpoint, Told>
}

const READERS = { restore, verify, inspect }

async function placeOf(corpus: Corpus, kind: CorpusKind, directory: string): Promise<Place> {
  mkdirSync(directory)
  for (const { name, bytes } of corpus.files.values()) writeFileSync(join(directory, name), bytes)
  const { name, bytes } = corpus.files.get(kind)!
  const path = join(directory, name)
  const whole = new Map<ReadCheckpoint, Told>()
  for (const read of Object.values(READERS)) {
    const told = await read(path)
    if ('code' in told) throw new Error(`a whole ${kind} checkpoint is refused: ${told.code}`)
    whole.set(read, told)
  }
  return { path, bytes, whole }
}

/** Counts what was tried, and measures what it took. */
class Tally {
  inputs = 0
  refusals = 0
  accepted = 0
  slowestMs = 0
  readonly codes = new Map<string, number>()
  readonly #gauge = new Gauge()
  readonly #peak = peakMemory()

  async read(read: ReadCheckpoint, path: string, what: string): Promise<Told> {
    this.#gauge.largest = 0
    const startMs = performance.now()
    const told = await read(path)
    let tookMs = performance.now() - startMs
    if ('code' in told) {
      for (let tries = 0; tookMs > MOST_REFUSAL_MS && tries < 5; tries++) tookMs = await again(read, path)
      if (tookMs > MOST_REFUSAL_MS) throw new Error(`${what}: it took ${tookMs.toFixed(0)} ms to refuse it`)
      this.refusals++
      this.slowestMs = Math.max(this.slowestMs, tookMs)
      this.codes.set(told.code, (this.codes.get(told.code) ?? 0) + 1)
      const most = MOST_BYTES_AT_ONCE
      if (this.#gauge.largest > most)
        throw new Error(`${what}: it asked for ${this.#gauge.largest} bytes at once`)
    } else this.accepted++
    return told
  }

  end(): Outcome {
    this.#gauge.stop()
    const growth = peakMemory() - this.#peak
    if (growth > MOST_GROWTH_BYTES) throw new Error(`memory grew by ${growth} bytes`)
    const codes = [...this.codes].map(([code, count]) => `${count} ${code}`).join(', ')
    console.log(
      `${this.inputs} inputs, ${this.refusals} refusals (${codes}), ${this.accepted} told all the same`,
    )
    const took = `${this.slowestMs.toFixed(0)} ms and ${Math.round(growth / 2 ** 20)} MiB more at most`
    return { tries: this.inputs, told: took }
  }

  stop(): void {
    this.#gauge.stop()
  }
}

async function again(read: ReadCheckpoint, path: string): Promise<number> {
  const startMs = performance.now()
  await read(path)
  return performance.now() - startMs
}

async function withTally(
  corpus: Corpus,
  body: (tally: Tally, places: Place[]) => Promise<void>,
): Promise<Outcome> {
  return withDirectory(async (directory) => {
    const places: Place[] = []
    for (const kind of corpus.files.keys()) places.push(await placeOf(corpus, kind, join(directory, kind)))
    const tally = new Tally()
    try {
      await body(tally, places)
      return tally.end()
    } finally {
      tally.stop()
    }
  })
}

/** Restore and verify refuse; inspect, which does not read all, refuses or tells what it told. */
async function refuse(
  tally: Tally,
  { path, whole }: Place,
  bytes: Buffer,
  what: string,
  reader: string,
): Promise<void> {
  tally.inputs++
  writeFileSync(path, bytes)
  const read = READERS[reader as keyof typeof READERS]
  const told = await tally.read(read, path, what)
  if ('code' in told) {
    if (told.code !== CORRUPT) throw new Error(`${what}: ${reader} says ${told.code}`)
    return
  }
  const isSame = read === inspect && told.text === (whole.get(read) as { text: string }).text
  if (!isSame) throw new Error(`${what}: ${reader} tells ${told.text.slice(0, 300)}`)
}

/** `tries` of the bits of each reader's second and third turn; every bit is restored from. */
export async function flipEveryBit({ tries }: Run): Promise<Outcome> {
  const outcome = await withTally(await makeSmallCorpus(), async (tally, places) => {
    const bits = places.reduce((sum, { bytes }) => sum + bytes.length * 8, 0)
    const every = Math.max(1, Math.ceil((2 * bits) / Math.max(1, tries - bits)))
    let n = 0
    for (const place of places) {
      const bytes = Buffer.from(place.bytes)
      for (let bit = 0; bit < bytes.length * 8; bit++, n++) {
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        const what = `${place.path}, bit ${bit & 7} of byte ${bit >> 3}`
        await refuse(tally, place, bytes, what, 'restore')
        if (n % every === 0) await refuse(tally, place, bytes, what, 'verify')
        if (n % every === 1 % every) await refuse(tally, place, bytes, what, 'inspect')
        bytes[bit >> 3]! ^= 1 << (bit & 7)
      }
    }
  })
  return { ...outcome, told: `all refused as TIDEMARK_CHECKPOINT_CORRUPT, in ${outcome.told}` }
}

export async function cutEverywhere(): Promise<Outcome> {
  const outcome = await withTally(await makeSmallCorpus(), async (tally, places) => {
    for (const place of places) {
      for (let length = 0; length < place.bytes.length; length++) {
        const what = `${place.path}, ${length} bytes of it`
        for (const reader of ['restore', 'verify']) {
          await refuse(tally, place, place.bytes.subarray(0, length), what, reader)
        }
      }
      for (const more of [Buffer.alloc(1), place.bytes.subarray(-96), place.bytes]) {
        const what = `${place.path}, and ${more.length} bytes behind it`
        await refuse(tally, place, Buffer.concat([place.bytes, more]), what, 'restore')
      }
    }
  })
  return { ...outcome, told: `all refused as TIDEMARK_CHECKPOINT_CORRUPT, in ${outcome.told}` }
}

/** Fields at their extremes, frames in other places: refused, or nothing of what is stored is another. */
export async function forgeFields(): Promise<Outcome> {
  let believed = 0
  let newer = 0
  const outcome = await withTally(await makeCorpus(), async (tally, places) => {
    for (const place of places) {
      const parts = takeApart(place.bytes)
      if (!putTogether(parts).equals(place.bytes))
        throw new Error('a file that was taken apart is another one')
      for (const forgery of forgeries(parts)) {
        tally.inputs++
        const outcome = await tryForgery(tally, place, forgery)
        if (outcome === 'believed') believed++
        if (outcome === 'newer') newer++
      }
      writeFileSync(place.path, place.bytes)
    }
  })
  const rest = `${newer} of a newer format, ${believed} say nothing of what is stored, which came back`
  return { ...outcome, told: `refused as TIDEMARK_CHECKPOINT_CORRUPT but for ${rest}; ${outcome.told}` }
}

type ForgeryOutcome = 'refused' | 'newer' | 'believed'

async function tryForgery(tally: Tally, { path, whole }: Place, forgery: Forgery): Promise<ForgeryOutcome> {
  const what = `${path}: ${forgery.what}`
  writeFileSync(path, forgery.bytes)
  const [restored, verified] = [await tally.read(restore, path, what), await tally.read(verify, path, what)]
  await tally.read(inspect, path, what)
  if ('code' in restored) {
    const isNewer =
      restored.code === 'TIDEMARK_UNSUPPORTED_FORMAT' && forgery.what.startsWith('format version')
    // A link whose base is another one, or has another name, is not found.
    const isMissing = restored.code === 'TIDEMARK_CHECKPOINT_NOT_FOUND' && /base|kind/.test(forgery.what)
    if (isNewer) return 'newer'
    if (restored.code === CORRUPT || isMissing) return 'refused'
    throw new Error(`${what}: restore says ${restored.code}`)
  }
  const isWhole = restored.text === (whole.get(restore) as { text: string }).text
  const isBelieved = forgery.isFree === true && isWhole && 'text' in verified
  if (!isBelieved)
    throw new Error(`${what}: it is restored as ${restored.text.slice(0, 300)}; ${JSON.stringify(verified)}`)
  return 'believed'
}
