/**
 * What stood in a store at each version, folded from the log entries that were decided: each is written into a file
 * outside of the store before the store has it, and nothing that trims the log takes it away again.
 *
 * - Entries are folded without the product's code: an event is a change of a map. What is folded up to the version that
 *   survived is what the store must hold, byte by byte.
 * - Versions are remembered back to the oldest that a checkpoint has, as the changes since.
 */
import { readFile } from 'node:fs/promises'
import * as assert from 'uvu/assert'
import type { Engine, Entry } from '../../../src/engine/engine.ts'
import { END, LOG, logKey, TIMERS } from '../../../src/engine/keyspaces.ts'
import { parseEntry } from '../../../src/log/entry.ts'
import { Fold, type Moment } from '../../checkpoint/history.ts'

export class Chronicle {
  /** What stood before the first of the entries, and what stands after the last. */
  #base = new Fold()
  #now = new Fold()
  #baseVersion = 1
  /** Since then, one for each version. */
  #entries: Entry[] = []

  /** The version of the newest entry that survived. */
  get newest(): number {
    return this.#baseVersion + this.#entries.length - 1
  }

  /** Adds what a life decided, up to the version that survived; `path`: the file of its log entries. */
  async extend(path: string, version: number): Promise<void> {
    const text = await readFile(path, 'utf8').catch(() => '')
    for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
      if (line === '') continue
      const [key, value] = JSON.parse(line) as Entry
      const entry = parseEntry(key, value)!
      if (entry.version > version) break
      assert.is(entry.version, this.newest + 1, 'a version is missing, or was given twice')
      this.#entries.push([key, value])
      this.#now.add(key, value)
    }
    assert.is(this.newest, version, 'the store has versions that nobody decided')
  }

  /** What stands now. */
  get now(): Moment {
    return { version: this.newest + 1, ...this.#now.state() }
  }

  /** What stood before each of some versions, oldest first; each is to be looked at before the next. */
  *at(versions: Iterable<number>): Generator<Moment> {
    const fold = this.#base.copy()
    let next = this.#baseVersion
    for (const version of [...versions].sort((a, b) => a - b)) {
      assert.ok(version >= next && version <= this.newest + 1, `version ${version} is not known`)
      for (; next < version; next++) fold.add(...this.#entries[next - this.#baseVersion]!)
      yield { version, ...fold.state() }
    }
  }

  /** Forgets what stood before a version. */
  forget(version: number): void {
    const forgotten = this.#entries.splice(0, Math.max(version - this.#baseVersion, 0))
    for (const [key, value] of forgotten) this.#base.add(key, value)
    this.#baseVersion += forgotten.length
  }

  /** The store has the log that was decided, without a hole, and what it folds to. Returns what that is. */
  async check(engine: Engine): Promise<Moment> {
    const kept = (await readSpace(engine, LOG)).filter(([key]) => key <= logKey(this.newest))
    const known = this.#entries.slice(Math.max(this.#entries.length - kept.length, 0))
    assert.equal(kept.slice(kept.length - known.length), known, 'the log is not what was decided')
    assert.ok(kept.length > 0 || this.newest === 0, 'the log is empty')
    const { now } = this
    const timers = await readSpace(engine, TIMERS)
    assert.is(timers.length, now.timers.size, 'the timers are not those of the log')
    for (const [identity, value] of timers) assert.is(value, now.timers.get(identity), identity)
    return now
  }
}

async function readSpace(engine: Engine, space: string): Promise<Entry[]> {
  return engine.scan({ from: space, to: space + END, limit: 1_000_000 }).read()
}
