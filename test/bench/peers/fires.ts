/**
 * What fires, noted: each timer once, none early, how late each was, and how many came after one that was due later.
 * An early or a second fire is no figure: it ends the measurement.
 */
import type { PeerTimer } from './contender.ts'

/** The wall clock has whole milliseconds, and Node's finer one may be a little beside it. */
const CLOCKS_APART_MS = 1

/** The number in a key. */
function numberOf(key: string): number {
  return Number(key.slice(-12))
}

export class Fires {
  readonly latenessMs: Float64Array
  /** Resolves when each of the timers has fired; rejects when one does early, or twice. */
  readonly done: Promise<void>
  /** How many fired after one that was due later. */
  outOfOrder = 0
  readonly #hasFired: Uint8Array
  readonly #dueMs: Float64Array
  #latestDueMs = Number.NEGATIVE_INFINITY
  #left: number
  #resolve: () => void = () => {}
  #reject: (error: Error) => void = () => {}

  constructor(timers: readonly PeerTimer[]) {
    this.#left = timers.length
    this.#hasFired = new Uint8Array(timers.length)
    this.latenessMs = new Float64Array(timers.length)
    this.#dueMs = new Float64Array(timers.length)
    for (const { key, dueMs } of timers) this.#dueMs[numberOf(key)] = dueMs
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Who waits for it hears of it; it may be before that.
    this.done.catch(() => {})
  }

  readonly onFired = (key: string): void => {
    const index = numberOf(key)
    const dueMs = this.#dueMs[index]!
    const lateMs = performance.timeOrigin + performance.now() - dueMs
    if (this.#hasFired[index] === 1) this.#reject(new Error(`'${key}' fired twice`))
    if (lateMs < -CLOCKS_APART_MS) this.#reject(new Error(`'${key}' fired ${-lateMs} ms early`))
    this.#hasFired[index] = 1
    if (dueMs < this.#latestDueMs) this.outOfOrder++
    else this.#latestDueMs = dueMs
    this.latenessMs[index] = Math.max(0, lateMs)
    this.#left--
    if (this.#left === 0) this.#resolve()
  }
}
