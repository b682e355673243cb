/**
 * Fires what is due in a table, as one writes it by hand: a timeout for the next deadline, pages of what is due, the handler
 * for each timer of a page, and then the removal of the page in one transaction. So a crash fires a page again, and loses none.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** What a timeout can wait for; what is later is looked for again. */
const MAX_WAIT_MS = 2 ** 31 - 1

export interface DueTable<Row extends { key: string }> {
  /** What is due, in due order, at most a page of it. */
  page(nowMs: number): Row[]
  /** Durably, all in one transaction. */
  remove(rows: readonly Row[]): void
  nextDueMs(): number | undefined
}

export class DueLoop<Row extends { key: string }> {
  readonly #table: DueTable<Row>
  readonly #onFired: (key: string) => void
  #timeout: NodeJS.Timeout | undefined
  /** When the timeout is for; nothing while pages are fired. */
  #waitsForMs = Number.NEGATIVE_INFINITY
  #stopped = false
  #drained: Promise<void>

  constructor(table: DueTable<Row>, onFired: (key: string) => void) {
    this.#table = table
    this.#onFired = onFired
    this.#drained = this.#drain()
  }

  /** Something was scheduled: it may be due before what is waited for. */
  scheduled(dueMs: number): void {
    if (dueMs < this.#waitsForMs) this.#waitFor(dueMs)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timeout)
    await this.#drained
  }

  async #drain(): Promise<void> {
    this.#waitsForMs = Number.NEGATIVE_INFINITY
    while (!this.#stopped) {
      const rows = this.#table.page(Date.now())
      if (rows.length === 0) break
      for (const { key } of rows) this.#onFired(key)
      this.#table.remove(rows)
      await nextTurn()
    }
    if (!this.#stopped) this.#waitFor(this.#table.nextDueMs() ?? Number.POSITIVE_INFINITY)
  }

  #waitFor(dueMs: number): void {
    clearTimeout(this.#timeout)
    this.#waitsForMs = dueMs
    if (dueMs === Number.POSITIVE_INFINITY) return
    const waitMs = Math.min(dueMs - Date.now(), MAX_WAIT_MS)
    this.#timeout = setTimeout(() => {
      this.#drained = this.#drain()
    }, waitMs)
  }
}
