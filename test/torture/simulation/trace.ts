/** What happened in a world, as one hash: two runs of one seed must have the same. And the last of it, for failures. */
import { createHash } from 'node:crypto'
import type { World } from './world.ts'

const KEPT_LINES = 60

export class Trace {
  readonly #world: World
  readonly #hash = createHash('sha256')
  #last: string[] = []
  lines = 0

  constructor(world: World) {
    this.#world = world
  }

  add(what: string): void {
    const line = `${this.#world.monoMs} ${this.#world.turns} ${this.#world.nowMs} ${what}\n`
    this.#hash.update(line)
    this.lines++
    this.#last.push(line)
    if (this.#last.length > 2 * KEPT_LINES) this.#last = this.#last.slice(KEPT_LINES)
  }

  get hash(): string {
    return this.#hash.copy().digest('hex')
  }

  get last(): string {
    return this.#last.slice(-KEPT_LINES).join('')
  }
}
