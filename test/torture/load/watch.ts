/** What is watched while a load runs: how long the event loop was held, and the most memory that was resident. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import * as assert from 'uvu/assert'
import { watchEventLoop } from '../../support/eventloop.ts'
import { anonymousMib } from './resources.ts'

/** The event loop is never held for longer by what runs on it: generous, for machines that do much else. */
const MAX_HELD_MS = 250
/** Nor is it ever so late, which on a machine that does much else is that machine's doing. */
const MAX_LATE_MS = 5000
const MEMORY_INTERVAL_MS = 20

export class LoadWatch {
  readonly #delays: IntervalHistogram
  readonly #stopTurns: () => number
  readonly #memory: NodeJS.Timeout
  readonly #beforeMib = anonymousMib()
  #mostMib = this.#beforeMib

  constructor() {
    this.#delays = monitorEventLoopDelay({ resolution: 2 })
    this.#delays.enable()
    this.#stopTurns = watchEventLoop()
    this.#memory = setInterval(() => {
      this.#mostMib = Math.max(this.#mostMib, anonymousMib())
    }, MEMORY_INTERVAL_MS)
  }

  /** MiB that became resident since the watch began, at most. */
  get grownMib(): number {
    return this.#mostMib - this.#beforeMib
  }

  /** Ends it; fails where the event loop was held for too long. Returns what was seen, in a few words. */
  stop(): string {
    clearInterval(this.#memory)
    const heldMs = this.#stopTurns()
    this.#delays.disable()
    const lateMs = this.#delays.max / 1e6
    const p99Ms = (this.#delays.percentile(99) / 1e6).toFixed(0)
    assert.ok(lateMs <= MAX_LATE_MS, `the event loop was ${lateMs.toFixed(0)} ms late`)
    assert.ok(heldMs <= MAX_HELD_MS, `the event loop was held for ${heldMs.toFixed(0)} ms`)
    const loop = `loop held ≤ ${heldMs.toFixed(0)} ms (late ≤ ${lateMs.toFixed(0)} ms, p99 ${p99Ms} ms)`
    return `${loop}, ≤ ${this.grownMib.toFixed(0)} MiB more resident`
  }
}
