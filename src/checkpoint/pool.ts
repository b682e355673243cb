/**
 * The workers of a store: started when there is work and none is idle, up to a limit, and kept for what comes next.
 *
 * - Their engines must be closed before the store's: `close` resolves when every thread has ended, those that died
 *   before, too.
 */
import { MAX_CHECKPOINT_WORKERS } from '../limits.ts'
import type { WorkerStore } from './messages.ts'
import { WorkerThread } from './thread.ts'

export class WorkerPool {
  readonly #store: WorkerStore
  readonly #script: URL | undefined
  readonly #patienceMs: number | undefined
  #threads: WorkerThread[] = []
  /** Those that died. */
  readonly #ended: WorkerThread[] = []

  constructor(store: WorkerStore, script?: URL, patienceMs?: number) {
    this.#store = store
    this.#script = script
    this.#patienceMs = patienceMs
  }

  /** The worker that writes a checkpoint: an idle one, or a new one; where there may be no more, the least busy. */
  take(): WorkerThread {
    return (
      this.#takeIdle([]) ?? this.#threads.reduce((least, next) => (next.load < least.load ? next : least))
    )
  }

  /** Workers beside that one that have nothing else to do, so many at most. */
  takeAssistants(writer: WorkerThread, most: number): WorkerThread[] {
    const taken: WorkerThread[] = []
    while (taken.length < most) {
      const idle = this.#takeIdle([writer, ...taken])
      if (idle === undefined) break
      taken.push(idle)
    }
    return taken
  }

  async close(): Promise<void> {
    await Promise.all([...this.#threads, ...this.#ended].map((thread) => thread.close()))
  }

  #takeIdle(others: readonly WorkerThread[]): WorkerThread | undefined {
    this.#ended.push(...this.#threads.filter(({ ended }) => ended))
    this.#threads = this.#threads.filter(({ ended }) => !ended)
    const idle = this.#threads.find((thread) => thread.load === 0 && !others.includes(thread))
    if (idle !== undefined || this.#threads.length === MAX_CHECKPOINT_WORKERS) return idle
    const started = new WorkerThread(this.#store, this.#script, this.#patienceMs)
    this.#threads.push(started)
    return started
  }
}
