/**
 * What a verb that takes longer than a second tells meanwhile: how far it is, how fast, how much time is left.
 *
 * - One line on stderr, and only where that is a terminal; it is gone when the verb ends.
 * - Nobody is woken for it: it is drawn when the work says how far it is, ten times a second at most.
 */
import { truncate } from './printable.ts'
import { bytes, count, duration, percent } from './units.ts'

export interface ProgressStream {
  isTTY?: boolean
  columns?: number
  write(text: string): unknown
}

const FIRST_AFTER_MS = 1000
const INTERVAL_MS = 100
const CLEAR_LINE = '\r\u001b[2K'

/** Text for one state of the work. */
export function progressLine(
  what: string,
  unit: string,
  done: number,
  total: number | undefined,
  elapsedMs: number,
): string {
  const told = unit === 'bytes' ? bytes : (n: number) => `${count(n)} ${unit}`
  const perSecond = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0
  const rate = unit === 'bytes' ? `${bytes(perSecond)}/s` : `${count(perSecond)}/s`
  if (total === undefined || total <= 0) return `${what}: ${told(done)}, ${rate}`
  const share = Math.min(1, done / total)
  const all = unit === 'bytes' ? bytes(total) : count(total)
  const left = perSecond > 0 ? `, ${duration(((total - done) * 1000) / perSecond)} left` : ''
  return `${what}: ${percent(share)}, ${told(done)} of ${all}, ${rate}${done < total ? left : ''}`
}

export class Progress {
  readonly #stream: ProgressStream
  readonly #what: string
  readonly #unit: string
  readonly #total: number | undefined
  readonly #startMs: number
  readonly #now: () => number
  #nextMs: number
  #isDrawn = false

  constructor(
    stream: ProgressStream,
    what: string,
    unit: string,
    total?: number,
    now: () => number = () => performance.now(),
  ) {
    this.#stream = stream
    this.#what = what
    this.#unit = unit
    this.#total = total
    this.#now = now
    this.#startMs = now()
    this.#nextMs = this.#startMs + FIRST_AFTER_MS
  }

  /** Says how much is done, of the unit. */
  at(done: number): void {
    if (this.#stream.isTTY !== true) return
    const now = this.#now()
    if (now < this.#nextMs) return
    this.#nextMs = now + INTERVAL_MS
    this.#isDrawn = true
    const line = progressLine(this.#what, this.#unit, done, this.#total, now - this.#startMs)
    this.#stream.write(CLEAR_LINE + truncate(line, (this.#stream.columns || 80) - 1))
  }

  /** Takes the line away; it may be drawn again. */
  end(): void {
    if (!this.#isDrawn) return
    this.#isDrawn = false
    this.#stream.write(CLEAR_LINE)
  }
}
