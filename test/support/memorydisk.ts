/**
 * What an engine in memory leaves behind: entries in the order of LevelDB's keys (by their UTF-8 bytes), apart from the
 * engine, so that a store can be closed, crashed, and opened again on it.
 *
 * - A batch is there wholly or not at all.
 * - A loss of power takes back what no flushed write followed, from some point on; the death of a process takes nothing
 *   that was written. A write under way is there, or not.
 */
import type { Entry, ScanRange } from '../../src/engine/engine.ts'
import { SortedKeys } from './sortedkeys.ts'

/** The writes of one batch, in order; without a value: a removal. */
export type Writes = readonly { key: string; value: string | undefined }[]

export interface CrashOptions {
  /** Whether what was never flushed may be lost. Default: the process dies, and all that was written stays. */
  power?: boolean
}

/** More unflushed batches than these are never taken back: LevelDB would have put them into tables. */
const MOST_UNFLUSHED = 1024

export class MemoryDisk {
  /** One engine at a time. */
  isOpen = false
  /** The write that is under way and not applied yet. */
  underWay: Writes | undefined
  #values: Map<string, string>
  #keys: SortedKeys
  /** What each batch since the last flushed one replaced, oldest first. */
  #unflushed: Writes[] = []

  constructor(values = new Map<string, string>(), keys = new SortedKeys()) {
    this.#values = values
    this.#keys = keys
  }

  get size(): number {
    return this.#values.size
  }

  /** Batches that a loss of power may take back. */
  get unflushed(): number {
    return this.#unflushed.length
  }

  get(key: string): string | undefined {
    return this.#values.get(key)
  }

  /** The entries of a range as they stand. */
  read({ from, after, to, limit, reverse = false, maxBytes = Number.POSITIVE_INFINITY }: ScanRange): Entry[] {
    const entries: Entry[] = []
    let bytes = 0
    this.#keys.walk({ from, after, to, reverse }, (key) => {
      if (entries.length >= limit || bytes >= maxBytes) return false
      const value = this.#values.get(key)!
      entries.push([key, value])
      bytes += key.length + value.length
      return true
    })
    return entries
  }

  /** Applies a batch. */
  apply(writes: Writes, flushToDisk: boolean): void {
    const undo = writes.map(({ key }) => ({ key, value: this.#values.get(key) }))
    for (const { key, value } of writes) this.#put(key, value)
    if (flushToDisk) this.#unflushed = []
    else this.#unflushed.push(undo)
    if (this.#unflushed.length > MOST_UNFLUSHED) this.#unflushed.shift()
  }

  /** All that was written is on disk. */
  flush(): void {
    this.#unflushed = []
  }

  /** Damages, repairs: puts one entry past every engine. */
  tamper(key: string, value: string | undefined): void {
    this.#put(key, value)
  }

  /** The disk as a crash at this moment leaves it; this one stays as it is. */
  crash(random: () => number, { power = false }: CrashOptions = {}): MemoryDisk {
    const left = new MemoryDisk(new Map(this.#values), this.#keys.copy())
    const written = this.#unflushed.length
    const kept = power ? Math.floor(random() * (written + 1)) : written
    for (let batch = written - 1; batch >= kept; batch--) left.#takeBack(this.#unflushed[batch]!)
    const survives = random() < 0.5
    if (this.underWay !== undefined && survives && kept === written) left.apply(this.underWay, true)
    left.flush()
    return left
  }

  #takeBack(undo: Writes): void {
    // A batch may name a key twice: the value before the first of them is the one that stood.
    for (let i = undo.length - 1; i >= 0; i--) this.#put(undo[i]!.key, undo[i]!.value)
  }

  #put(key: string, value: string | undefined): void {
    if (value === undefined) {
      if (this.#values.delete(key)) this.#keys.remove(key)
      return
    }
    const known = this.#values.size
    this.#values.set(key, value)
    if (this.#values.size > known) this.#keys.add(key)
  }
}
