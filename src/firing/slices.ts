/**
 * The event loop, as all drains of a store share it: together they have it for one slice, then others have a turn.
 *
 * - A slice begins with the first drain that asks in a turn of the event loop. Once it is over, whoever asks waits, and
 *   goes on in the order in which it began to wait; in each later turn at least one does.
 */
import { inNextTurn } from '../clock.ts'
import { DRAIN_SLICE_MS } from '../limits.ts'

export class DrainSlices {
  readonly #nowMs: () => number
  readonly #inNextTurn: (callback: () => void) => void
  readonly #waiting: (() => void)[] = []
  /** When the slice of this turn began; undefined: no drain has asked for one. */
  #startMs: number | undefined

  constructor(nowMs: () => number = () => performance.now(), atNextTurn = inNextTurn) {
    this.#nowMs = nowMs
    this.#inNextTurn = atNextTurn
  }

  /** Asked before each piece of a drain's work: undefined, it may begin; otherwise when that resolves. */
  rest(): Promise<void> | undefined {
    if (this.#startMs === undefined) {
      this.#begin()
      return undefined
    }
    if (!this.#isOver(this.#startMs)) return undefined
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  #isOver(startMs: number): boolean {
    return this.#nowMs() - startMs > DRAIN_SLICE_MS
  }

  #begin(): number {
    this.#inNextTurn(() => void this.#end())
    this.#startMs = this.#nowMs()
    return this.#startMs
  }

  /** Others have had their turn: what waits has its slice, if anything does. */
  async #end(): Promise<void> {
    this.#startMs = undefined
    if (this.#waiting.length === 0) return
    const startMs = this.#begin()
    do {
      this.#waiting.shift()!()
      // It goes on before this does, up to what it awaits next.
      await undefined
    } while (this.#waiting.length > 0 && !this.#isOver(startMs))
  }
}
