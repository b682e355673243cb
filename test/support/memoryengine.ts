/**
 * The engine in memory, fast enough for millions of commits: its content is on a `MemoryDisk`, which outlives it.
 *
 * - A scan, a getMany is a view of the moment of its call, however long it takes to answer.
 * - Each read and each write takes as long as `delay` says: turns of the event loop, or time of a test's own.
 * - A chosen read or write fails; a write that fails may be on the disk all the same, as LevelDB's may.
 */
import type { Engine, EngineBatch, Entry, LevelTables, ScanRange } from '../../src/engine/engine.ts'
import type { Table } from '../../src/engine/tables.ts'
import { prefixEnd } from '../../src/log/reads.ts'
import type { MemoryDisk } from './memorydisk.ts'

export type Operation = 'read' | 'write'

/** What an operation waits for; undefined: nothing. A write waits before it is there, and once more before it is told. */
export type Delay = (operation: Operation) => Promise<void> | undefined

/** A delay in turns of the event loop; `turns`: how many, each time. */
export function turnsOf(turns: () => number): Delay {
  return () => {
    const count = turns()
    return count <= 0 ? undefined : takeTurns(count)
  }
}

async function takeTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

class MemoryBatch implements EngineBatch {
  readonly writes: { key: string; value: string | undefined }[] = []

  put(key: string, value: string): void {
    this.writes.push({ key, value })
  }

  del(key: string): void {
    this.writes.push({ key, value: undefined })
  }
}

const noDelay: Delay = () => undefined

export class MemoryEngine implements Engine {
  readonly disk: MemoryDisk
  /** The n-th read from now fails; 0: none does. A `get` counts too. */
  failRead = 0
  /** The n-th write from now fails; 0: none does. */
  failWrite = 0
  /** Whether the write that fails is on the disk all the same. */
  writesDespite = false
  reads = 0
  writes = 0
  readonly #delay: Delay
  #isWriting = false
  #underWay = 0
  #onIdle: (() => void) | undefined
  /** What every operation that begins fails with, once it is closed or dead. */
  #refusal: Error | undefined
  #isDead = false

  /** Throws, as LevelDB does, where another engine has the disk. */
  constructor(disk: MemoryDisk, delay: Delay = noDelay) {
    if (disk.isOpen) {
      const cause = Object.assign(new Error('the disk is open already'), { code: 'LEVEL_LOCKED' })
      throw Object.assign(new Error('not open', { cause }), { code: 'LEVEL_DATABASE_NOT_OPEN' })
    }
    disk.isOpen = true
    this.disk = disk
    this.#delay = delay
  }

  getMany(keys: string[]): Promise<(string | undefined)[]> {
    return this.#read(() => keys.map((key) => this.disk.get(key)))
  }

  get(key: string): string | undefined {
    this.#countRead()
    return this.disk.get(key)
  }

  batch(): EngineBatch {
    return new MemoryBatch()
  }

  async write(batch: EngineBatch, flushToDisk: boolean): Promise<void> {
    this.#refuse()
    if (this.#isWriting) throw new Error('two writes were under way at once')
    const { writes } = batch as MemoryBatch
    this.writes++
    const fails = this.failWrite > 0 && --this.failWrite === 0
    this.#isWriting = true
    this.#underWay++
    this.disk.underWay = writes
    try {
      await this.#delay('write')
      this.#refuseDead()
      if (!fails || this.writesDespite) this.disk.apply(writes, flushToDisk && !fails)
      this.disk.underWay = undefined
      if (fails) throw new Error('injected: no space left on device')
      await this.#delay('write')
      this.#refuseDead()
    } finally {
      // After its death another engine may be writing.
      if (this.disk.underWay === writes) this.disk.underWay = undefined
      this.#isWriting = false
      this.#end()
    }
  }

  scan(range: ScanRange): { read(): Promise<Entry[]> } {
    this.#refuse()
    const entries = this.disk.read(range)
    return { read: () => this.#read(() => entries) }
  }

  scanPrefixes(
    prefixes: readonly string[],
    { limit, maxBytes }: { limit: number; maxBytes: number },
  ): Promise<Entry[][]> {
    this.#refuse()
    const found: Entry[][] = []
    let characters = 0
    for (const prefix of prefixes) {
      if (characters >= maxBytes) break
      const entries = this.disk.read({ from: prefix, to: prefixEnd(prefix), limit })
      for (const [key, value] of entries) characters += key.length + value.length
      found.push(entries)
    }
    return this.#read(() => found)
  }

  async flush(): Promise<void> {
    this.#refuse()
    this.disk.flush()
  }

  tables(): Table[] {
    return []
  }

  levels(): LevelTables[] {
    return []
  }

  async compactRange(): Promise<void> {
    this.#refuse()
  }

  /** The process died: whatever is under way, and whatever comes, fails, and leaves the disk as it is. */
  die(): void {
    this.#refusal ??= new Error('the engine died')
    this.#isDead = true
    this.disk.isOpen = false
  }

  async close(): Promise<void> {
    if (this.#refusal !== undefined) return
    this.#refusal = Object.assign(new Error('the engine is closed'), { code: 'LEVEL_DATABASE_NOT_OPEN' })
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
    if (!this.#isDead) this.disk.isOpen = false
  }

  async #read<T>(take: () => T): Promise<T> {
    this.#countRead()
    const taken = take()
    this.#underWay++
    try {
      await this.#delay('read')
      this.#refuseDead()
      return taken
    } finally {
      this.#end()
    }
  }

  #countRead(): void {
    this.#refuse()
    this.reads++
    if (this.failRead > 0 && --this.failRead === 0) throw new Error('injected: input/output error')
  }

  #refuse(): void {
    if (this.#refusal !== undefined) throw this.#refusal
  }

  #refuseDead(): void {
    if (this.#isDead) this.#refuse()
  }

  #end(): void {
    this.#underWay--
    if (this.#underWay === 0) this.#onIdle?.()
  }
}
