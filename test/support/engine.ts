/** Engines in memory for tests: slow in random ways, or failing at a chosen write. */
import { MemoryLevel } from 'memory-level'
import { LevelEngine } from '../../src/engine/classic.ts'
import type { EngineBatch, Entry, ScanRange } from '../../src/engine/engine.ts'

/** An engine in memory whose reads and writes take as many turns of the event loop as `turns` says. */
export class SlowEngine extends LevelEngine {
  readonly #turns: () => number
  /** The n-th write from now fails; 0: none does. */
  failWrite = 0
  writes = 0
  underWay = 0

  static async open(turns: () => number = () => 0): Promise<SlowEngine> {
    const level = new MemoryLevel<string, string>()
    await level.open()
    return new SlowEngine(level, turns)
  }

  private constructor(level: MemoryLevel<string, string>, turns: () => number) {
    super(level as never)
    this.#turns = turns
  }

  /** Its view is of the moment of the call, as LevelDB's is. */
  override async getMany(keys: string[]): Promise<(string | undefined)[]> {
    const values = super.getMany(keys)
    await this.#wait()
    return values
  }

  override async scanPrefixes(...args: Parameters<LevelEngine['scanPrefixes']>): Promise<Entry[][]> {
    const found = await super.scanPrefixes(...args)
    await this.#wait()
    return found
  }

  override async write(batch: EngineBatch, flushToDisk: boolean): Promise<void> {
    this.writes++
    this.underWay++
    if (this.underWay > 1) throw new Error('two writes were under way at once')
    await this.#wait()
    if (this.failWrite > 0 && --this.failWrite === 0) {
      this.underWay--
      throw new Error('no space left on device')
    }
    await super.write(batch, flushToDisk)
    await this.#wait()
    this.underWay--
  }

  override scan(range: ScanRange): { read(): Promise<Entry[]> } {
    const scan = super.scan(range)
    return {
      read: async () => {
        await this.#wait()
        return scan.read()
      },
    }
  }

  async #wait(): Promise<void> {
    for (let turns = this.#turns(); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
  }
}
