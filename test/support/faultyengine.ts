/**
 * An engine that fails where a plan says so.
 *
 * - `before`: nothing was written; `after`: a rejected batch is stored all the same, as with LevelDB it may be.
 * - From the first failed write on it notes every further one: LevelDB 1.20 takes those, and loses them.
 * - It notes what is asked of it after it was closed.
 */
import type { Engine, EngineBatch, Entry, LevelTables, ScanRange } from '../../src/engine/engine.ts'
import type { Table } from '../../src/engine/tables.ts'
import { TidemarkError } from '../../src/errors.ts'
import { type Fault, type FaultPlan, faultError } from './faultplan.ts'

export class FaultyEngine implements Engine {
  readonly #inner: Engine
  readonly #plan: FaultPlan
  #hasFailed = false
  #isClosed = false
  /** Writes that came after one had failed. */
  writesAfterFailure = 0
  /** Calls that came after it was closed. */
  callsAfterClose = 0

  constructor(inner: Engine, plan: FaultPlan) {
    this.#inner = inner
    this.#plan = plan
  }

  getMany(keys: string[]): Promise<(string | undefined)[]> {
    return this.#run('getMany', () => this.#inner.getMany(keys))
  }

  get(key: string): string | undefined {
    this.#check()
    const fault = this.#plan.judge('get')
    if (fault !== undefined) throw failed(fault, 'get')
    return this.#inner.get(key)
  }

  batch(): EngineBatch {
    return this.#inner.batch()
  }

  async write(batch: EngineBatch, flushToDisk: boolean): Promise<void> {
    if (this.#hasFailed) this.writesAfterFailure++
    try {
      await this.#run('write', () => this.#inner.write(batch, flushToDisk))
    } catch (error) {
      this.#hasFailed = true
      throw error
    }
  }

  scan(range: ScanRange): { read(): Promise<Entry[]> } {
    this.#check()
    const scan = this.#inner.scan(range)
    // The view is open: whatever becomes of the read, it must be closed.
    return {
      read: () =>
        this.#run(
          'scan',
          () => scan.read(),
          () => scan.read(),
        ),
    }
  }

  scanPrefixes(prefixes: readonly string[], limits: { limit: number; maxBytes: number }): Promise<Entry[][]> {
    return this.#run('scan', () => this.#inner.scanPrefixes(prefixes, limits))
  }

  flush(): Promise<void> {
    return this.#run('flush', () => this.#inner.flush())
  }

  tables(): Table[] {
    return this.#inner.tables()
  }

  levels(): LevelTables[] {
    return this.#inner.levels()
  }

  compactRange(first: string, last: string): Promise<void> {
    return this.#run('compactRange', () => this.#inner.compactRange(first, last))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const fault = this.#plan.judge('close')
    await this.#inner.close()
    if (fault !== undefined) throw failed(fault, 'close')
  }

  #check(): void {
    if (!this.#isClosed) return
    this.callsAfterClose++
    throw new Error('the engine is closed')
  }

  async #run<T>(name: string, call: () => Promise<T>, onFault?: () => Promise<T>): Promise<T> {
    this.#check()
    const fault = this.#plan.judge(name)
    if (fault === undefined) return call()
    if (fault.how === 'after') await call()
    else await onFault?.()
    throw failed(fault, name)
  }
}

/** As LevelDB's engine says it. */
function failed({ code }: Fault, name: string): TidemarkError {
  const cause = faultError(code, name)
  return new TidemarkError('TIDEMARK_FAILED', `LevelDB failed (${cause.message})`, { cause })
}
