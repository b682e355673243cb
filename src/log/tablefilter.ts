/**
 * Which tables of recent timers may know a text, by its hash: most are known to none, or to one.
 *
 * - A table is a bit, from when it is begun until it ends. Where there are more tables than bits some share one, which then
 *   stays until the last of them has ended.
 * - It may name a table that knows nothing, never leave one out.
 */

/** As many as the hashes' sure bits tell apart (identitytable.ts). */
const PLACES = 2 ** 17
const BITS = 16

export class TableFilter {
  readonly #tables = new Uint16Array(PLACES)

  /** Notes that a table, by its bit, knows a text with this hash. */
  add(hash: number, bit: number): void {
    this.#tables[hash & (PLACES - 1)]! |= bit
  }

  /** The bits of the tables that may know it. */
  tables(hash: number): number {
    return this.#tables[hash & (PLACES - 1)]!
  }

  /** Forgets a table. */
  remove(bit: number): void {
    const tables = this.#tables
    for (let i = 0; i < PLACES; i++) tables[i]! &= ~bit
  }
}

/** Gives tables their bits. */
export class TableBits {
  readonly #uses: number[] = Array(BITS).fill(0)

  /** The bit for a new table: one that is free, or shared by as few as can be. */
  take(): number {
    const place = this.#uses.indexOf(Math.min(...this.#uses))
    this.#uses[place]!++
    return 2 ** place
  }

  /** Gives a bit back; true: no table has it any more. */
  release(bit: number): boolean {
    return --this.#uses[Math.log2(bit)]! === 0
  }
}
