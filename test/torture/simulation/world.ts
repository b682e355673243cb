/**
 * The world of a simulation: one thread, two times, and nothing that depends on the machine.
 *
 * - Monotonic time moves only when nobody has anything to do, and then to the next sleeper. The wall clock is it plus an
 *   offset, which jumps: set by hand, by NTP, or because the machine was suspended and only the wall went on.
 * - One thing runs in a turn, and all that follows from it without waiting. Between turns the world may be inspected, and a
 *   process may die.
 * - While it runs, what a process knows of time and chance (setTimeout, setImmediate, Date.now, performance.now, random
 *   UUIDs) is the world's: the product's code runs as it is, and the same seed gives the same steps.
 */
import { randomFrom } from '../../support/random-generator.ts'
import { takeRandomIds } from '../../support/randomids.ts'

interface Sleeper {
  atMs: number
  sequence: number
  callback: (() => void) | undefined
}

/** The wall clock was set: by so much, at this moment of monotonic time. */
interface Jump {
  atMs: number
  wallBeforeMs: number
  wallAfterMs: number
}

/** Node wakes at once where it is asked for a longer delay than this. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1
/** Turns in which no time passes: then something runs in circles. */
const MOST_TURNS_AT_ONCE = 5_000_000

export class World {
  readonly random: () => number
  monoMs = 0
  turns = 0
  /** Called between turns, with all that followed from the last one done. */
  onTurn: () => void = () => {}
  jumps = 0
  readonly #chance: () => number
  #offsetMs: number
  #sleepers: Sleeper[] = []
  #sequence = 0
  #immediates: (() => void)[] = []
  /** The newest last; those of the last hours. */
  #recent: Jump[] = []
  #cpuMs = 0
  #turnsAtOnce = 0

  constructor(seed: number, startMs: number) {
    this.random = randomFrom(seed)
    this.#chance = randomFrom(seed ^ 0x5eed)
    this.#offsetMs = startMs
  }

  /** What the wall clock says. */
  get nowMs(): number {
    return this.monoMs + this.#offsetMs
  }

  /** Sets the wall clock on, or back. */
  jump(byMs: number): void {
    const wallBeforeMs = this.nowMs
    this.#offsetMs += byMs
    this.jumps++
    this.#recent.push({ atMs: this.monoMs, wallBeforeMs, wallAfterMs: this.nowMs })
    if (this.#recent.length > 4096) this.#recent = this.#recent.slice(2048)
  }

  /** Since when, in monotonic time, the wall clock has been at `wallMs` or beyond; undefined: it is not. */
  reachedAt(wallMs: number): number | undefined {
    if (this.nowMs < wallMs) return undefined
    for (let i = this.#recent.length - 1; i >= 0; i--) {
      const { atMs, wallBeforeMs, wallAfterMs } = this.#recent[i]!
      if (wallAfterMs < wallMs) return atMs + (wallMs - wallAfterMs)
      if (wallBeforeMs < wallMs) return atMs
    }
    const oldest = this.#recent[0] ?? { atMs: this.monoMs, wallBeforeMs: this.nowMs }
    return oldest.atMs - (oldest.wallBeforeMs - wallMs)
  }

  /** By how much the wall clock was set on since a moment of monotonic time. */
  setOnSince(monoMs: number): number {
    let sum = 0
    for (let i = this.#recent.length - 1; i >= 0 && this.#recent[i]!.atMs >= monoMs; i--) {
      const { wallBeforeMs, wallAfterMs } = this.#recent[i]!
      sum += Math.max(0, wallAfterMs - wallBeforeMs)
    }
    return sum
  }

  /** Calls back after so much monotonic time; returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void {
    const sleeper: Sleeper = {
      atMs: this.monoMs + Math.max(0, delayMs),
      sequence: this.#sequence++,
      callback,
    }
    this.#push(sleeper)
    return () => {
      sleeper.callback = undefined
    }
  }

  /** As Node's setTimeout has it: one that is too long ends at once. */
  timeout(delayMs: number, callback: () => void): () => void {
    return this.after(delayMs >= 1 && delayMs <= MAX_TIMEOUT_MS ? Math.floor(delayMs) : 1, callback)
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve))
  }

  /** The next turn. */
  yield(): Promise<void> {
    return new Promise((resolve) => this.#immediates.push(resolve))
  }

  /** A whole number from `low` up to and without `high`. */
  between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low))
  }

  chance(probability: number): boolean {
    return this.random() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!
  }

  /** Runs until `main` settles. Throws where everybody waits for what will never come. */
  async run<T>(main: () => Promise<T>): Promise<T> {
    const restore = this.#takeHost()
    let settled = false
    try {
      const running = main().finally(() => {
        settled = true
      })
      running.catch(() => {})
      await restore.turn()
      while (!settled) {
        if (!this.#next()) throw new Error('the world stands still: everybody waits for what will never come')
        await restore.turn()
        this.turns++
        this.onTurn()
      }
      return await running
    } finally {
      restore.host()
    }
  }

  /** Runs one thing; false: there is nothing to run. */
  #next(): boolean {
    const immediate = this.#immediates.shift()
    if (immediate !== undefined) {
      if (++this.#turnsAtOnce > MOST_TURNS_AT_ONCE) throw new Error('the world runs in circles')
      immediate()
      return true
    }
    for (let sleeper = this.#pop(); sleeper !== undefined; sleeper = this.#pop()) {
      if (sleeper.callback === undefined) continue
      if (sleeper.atMs > this.monoMs) this.#turnsAtOnce = 0
      this.monoMs = Math.max(this.monoMs, sleeper.atMs)
      sleeper.callback()
      return true
    }
    return false
  }

  /** Time as the processor sees it: a little passes between any two looks at it, now and then much. */
  #elapsedMs(): number {
    const chance = this.#chance()
    this.#cpuMs += chance < 0.01 ? 5 : chance * 0.05
    return this.monoMs + this.#cpuMs
  }

  /** Puts the world in the place of what the process knows of time and chance; returns what puts that back. */
  #takeHost(): { turn(): Promise<void>; host(): void } {
    const { setTimeout, clearTimeout, setImmediate, clearImmediate } = globalThis
    const dateNow = Date.now
    const performanceNow = performance.now
    const cancels = new WeakMap<object, () => void>()
    const handleOf = (cancel: () => void) => {
      const handle = { ref: () => handle, unref: () => handle, hasRef: () => true }
      cancels.set(handle, cancel)
      return handle
    }
    const cancelOf = (handle: unknown) => {
      if (typeof handle === 'object' && handle !== null) cancels.get(handle)?.()
    }
    const giveBackIds = takeRandomIds(() => this.#chance())
    Object.assign(globalThis, {
      setTimeout: (callback: (...given: unknown[]) => void, delayMs = 0, ...given: unknown[]) =>
        handleOf(this.timeout(delayMs, () => callback(...given))),
      clearTimeout: cancelOf,
      setImmediate: (callback: (...given: unknown[]) => void, ...given: unknown[]) => {
        let isCancelled = false
        this.#immediates.push(() => {
          if (!isCancelled) callback(...given)
        })
        return handleOf(() => {
          isCancelled = true
        })
      },
      clearImmediate: cancelOf,
    })
    Date.now = () => this.nowMs
    performance.now = () => this.#elapsedMs()
    return {
      turn: () => new Promise((resolve) => setImmediate(resolve)),
      host: () => {
        Object.assign(globalThis, { setTimeout, clearTimeout, setImmediate, clearImmediate })
        Date.now = dateNow
        performance.now = performanceNow
        giveBackIds()
      },
    }
  }

  #push(sleeper: Sleeper): void {
    const heap = this.#sleepers
    let at = heap.length
    heap.push(sleeper)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(sleeper, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = sleeper
  }

  #pop(): Sleeper | undefined {
    const heap = this.#sleepers
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
}

function isBefore(a: Sleeper, b: Sleeper): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}
