/**
 * A scheduler that chooses what happens next: reads and writes of the engine, calls on files, wake-ups, turns of the event
 * loop, the callers' next calls and the next move of a handler are steps, and wait here until they are released.
 *
 * - One step is released at a time, and all that follows from it at once has run before the next is chosen. What is chosen
 *   follows from the seed alone.
 * - Idle steps (a wake-up, a pause) lead to nothing by themselves when they come too early: they are released now and then,
 *   and when nothing else is pending.
 * - Nothing pending, and yet somebody waits: that is a deadlock, and it is told who waits.
 */
import { CLOSE_HANDLER_GRACE_MS } from '../../../src/limits.ts'
import { randomFrom } from '../../support/random-generator.ts'
import type { Strategy } from './strategies.ts'
import { realTurn, realTurns, takeTime } from './virtualtime.ts'

export type StepKind = 'call' | 'handler' | 'read' | 'write' | 'file' | 'turn' | 'wake' | 'pause'

export interface Step {
  kind: StepKind
  /** Who waits, and for what: the same in each run of a seed. */
  label: string
  release(): void
}

const IDLE: ReadonlySet<StepKind> = new Set(['wake', 'pause'])
const IDLE_SHARE = 0.04
/** Idle steps released in a row, with nothing else in between: by then somebody waits for ever. */
const MOST_IDLE_STEPS = 300
const TOLD_STEPS = 60

export class Scheduler {
  readonly #strategy: Strategy
  readonly #random: () => number
  readonly #isImpatient: boolean
  readonly #pending: Step[] = []
  #immediates: (() => void)[] = []
  readonly #turn: Step = { kind: 'turn', label: 'turn', release: () => {} }
  readonly #trace: string[] = []
  #hash = 0x811c9dc5
  #idleInARow = 0
  #failure: { error: unknown } | undefined
  /** What is awaited by somebody, by what it is. */
  readonly #awaited = new Map<Promise<unknown>, string>()

  /** Whether a close has waited long enough for a handler, and went on without it. */
  hasLostPatience = false

  /** `isImpatient`: what a close grants its handlers may be over at any moment. */
  constructor(strategy: Strategy, seed: number, isImpatient: boolean) {
    this.#strategy = strategy
    this.#isImpatient = isImpatient
    this.#random = randomFrom(seed)
  }

  get steps(): number {
    return this.#trace.length
  }

  /** Tells schedules apart. */
  get hash(): number {
    return this.#hash >>> 0
  }

  /** The first thing that went wrong ends the schedule. */
  fail(error: unknown): void {
    this.#failure ??= { error }
  }

  /** Resolves when the scheduler says so. */
  step(kind: StepKind, label: string): Promise<void> {
    return new Promise((resolve) => this.add({ kind, label, release: resolve }))
  }

  /** Adds a step; returns what takes it back. */
  add(step: Step): () => void {
    this.#pending.push(step)
    return () => this.#remove(step)
  }

  #addPause(delayMs: number, callback: () => void): () => void {
    if (delayMs !== CLOSE_HANDLER_GRACE_MS)
      return this.add({ kind: 'pause', label: 'pause', release: callback })
    if (!this.#isImpatient) return () => {}
    const release = () => {
      this.hasLostPatience = true
      callback()
    }
    return this.add({ kind: 'pause', label: 'grace', release })
  }

  #remove(step: Step): void {
    const at = this.#pending.indexOf(step)
    if (at >= 0) this.#pending.splice(at, 1)
  }

  /** Notes that somebody awaits a promise: a deadlock tells what. */
  awaits<T>(promise: Promise<T>, label: string): Promise<T> {
    this.#awaited.set(promise, label)
    const end = () => this.#awaited.delete(promise)
    promise.then(end, end)
    return promise
  }

  /** Runs `body` under this scheduler; rejects with the first failure, and the end of the trace. */
  async run(body: () => Promise<void>): Promise<void> {
    const giveBack = takeTime({
      onImmediate: (callback) => this.#immediates.push(callback),
      onTimeout: (delayMs, release) => this.#addPause(delayMs, release),
    })
    const isAfterAll = (reason: unknown) => this.fail(reason)
    process.on('unhandledRejection', isAfterAll)
    let isOver = false
    try {
      body().then(
        () => {
          isOver = true
        },
        (error) => this.fail(error),
      )
      for (;;) {
        await realTurn()
        if (this.#failure !== undefined) throw this.#failure.error
        if (isOver) return
        await this.#releaseOne()
      }
    } catch (error) {
      throw this.#told(error)
    } finally {
      giveBack()
      process.off('unhandledRejection', isAfterAll)
    }
  }

  async #releaseOne(): Promise<void> {
    const step = this.#choose()
    this.#note(`${step.kind} ${step.label}`)
    if (step === this.#turn) {
      const callbacks = this.#immediates
      this.#immediates = []
      await realTurns(callbacks)
      return
    }
    this.#remove(step)
    step.release()
  }

  #choose(): Step {
    const choices = this.#pending.filter(({ kind }) => !IDLE.has(kind))
    if (this.#immediates.length > 0) choices.push(this.#turn)
    const idle = this.#pending.filter(({ kind }) => IDLE.has(kind))
    if (choices.length === 0 || (idle.length > 0 && this.#random() < IDLE_SHARE)) {
      if (idle.length === 0) throw new Error('deadlock: nothing is pending')
      if (choices.length > 0) return idle[Math.floor(this.#random() * idle.length)]!
      if (++this.#idleInARow > MOST_IDLE_STEPS) throw new Error('deadlock: nothing but idle steps is pending')
      return idle[Math.floor(this.#random() * idle.length)]!
    }
    this.#idleInARow = 0
    return this.#strategy.choose(choices, this.#trace.length)
  }

  #note(text: string): void {
    this.#trace.push(text)
    for (let i = 0; i < text.length; i++) this.#hash = Math.imul(this.#hash ^ text.charCodeAt(i), 0x01000193)
  }

  #told(error: unknown): Error {
    const waiting = [...this.#awaited.values()].map((label) => `\n  waits: ${label}`).join('')
    const pending = this.#pending.map(({ kind, label }) => `\n  pending: ${kind} ${label}`).join('')
    const last = this.#trace.slice(-TOLD_STEPS).join('\n    ')
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: '' }
    const told = `${message}${waiting}${pending}\n  last of ${this.#trace.length} steps:\n    ${last}\n${stack}`
    return new Error(told, { cause: error })
  }
}
