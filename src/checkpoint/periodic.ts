/**
 * One schedule of checkpoints, from its start to its stop: begins them, ends those that have had their time, and tells
 * what became of each.
 *
 * - `schedule.ts` decides; here it is carried out, by the store's clock. The clock is read again at least every
 *   MAX_WAKE_UP_MS: no jump of it, no suspended machine delays a checkpoint longer.
 * - What began is told, and ends as exactly one of completed, failed, aborted and subsumed. Nobody waits for listeners.
 * - Stopping begins nothing more and waits for what is under way; until then its timeout holds.
 */
import { scheduleOn } from '../clock.ts'
import { TidemarkError } from '../errors.ts'
import { MAX_WAKE_UP_MS } from '../limits.ts'
import { type Attempt, aborted, asTidemarkError, makeAttempt, metadataNow } from './attempt.ts'
import type { CheckpointSummary } from './checkpointer.ts'
import type { CheckpointAttempt } from './periodicevents.ts'
import type { CheckedPeriodicOptions, TriggerOptions } from './periodicoptions.ts'
import type { PeriodicWiring } from './periodicparts.ts'
import { RetainedCheckpoints } from './retained.ts'
import { begun, ended, hasPlace, nextStep, notAhead, type ScheduleState } from './schedule.ts'

export class PeriodicCheckpoints {
  readonly retained: RetainedCheckpoints
  readonly #wiring: PeriodicWiring
  readonly #options: CheckedPeriodicOptions
  readonly #runs = new Set<Promise<void>>()
  #intervalMs: number
  #state: ScheduleState<Attempt>
  /** Asked for, and waiting for a place. */
  readonly #waiting: Attempt[] = []
  #begun = 0
  #failuresInARow = 0
  #isReady = false
  #isOver = false
  #cancelWakeUp: (() => void) | undefined
  #stopListening: (() => void) | undefined

  constructor(wiring: PeriodicWiring, options: CheckedPeriodicOptions) {
    this.#wiring = wiring
    this.#options = options
    this.#intervalMs = options.intervalMs
    this.#state = { beganMs: wiring.clock.now(), endedMs: Number.NEGATIVE_INFINITY, underWay: new Map() }
    this.retained = new RetainedCheckpoints(wiring, options.directory, options.retain)
  }

  /** Whether nothing more begins. */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Looks through the directory, and goes on from its newest checkpoint; `before`: the schedule that was stopped.
   * Rejects with TIDEMARK_INVALID_ARGUMENT, _CLOSED, _FAILED.
   */
  async begin(before: PeriodicCheckpoints | undefined): Promise<void> {
    await before?.settled()
    const newest = await this.retained.begin()
    const refused = this.#wiring.refusal()
    if (refused !== undefined) throw refused
    if (newest !== undefined) {
      const { createdMs, durationMs } = newest
      this.#state = { ...this.#state, beganMs: createdMs, endedMs: createdMs + durationMs }
    }
    this.#isReady = true
    this.#stopListening = this.#wiring.clock.onMove?.(() => this.#catchUp())
    this.#pass()
  }

  /** Takes one as soon as there is a place for it, a savepoint at once. */
  trigger(options: TriggerOptions): Promise<CheckpointSummary> {
    return new Promise((resolve, reject) => {
      const attempt = makeAttempt('call', options, resolve, reject)
      attempt.giveUp = () => this.#giveUp(attempt)
      this.#waiting.push(attempt)
      attempt.signal.addEventListener('abort', attempt.giveUp, { once: true })
      if (attempt.signal.aborted) this.#giveUp(attempt)
      this.#pass()
    })
  }

  /** Begins nothing more. */
  end(reason: TidemarkError): void {
    this.#isOver = true
    this.#intervalMs = Number.POSITIVE_INFINITY
    for (const attempt of [...this.#waiting]) if (this.#takeOut(attempt)) attempt.reject(reason)
    this.#pass()
  }

  /** Waits for what is under way. */
  async settled(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all(this.#runs)
    this.#cancelWakeUp?.()
    this.#stopListening?.()
    this.#stopListening = undefined
  }

  /** For a clock that is moved by hand: resolves when what became due has been taken. */
  async #catchUp(): Promise<void> {
    do {
      this.#pass()
      await Promise.all(this.#runs)
    } while (this.#runs.size > 0)
  }

  /** Does what is to be done now, and sets the wake-up for what comes next. */
  #pass(): void {
    if (!this.#isReady) return
    const refused = this.#wiring.refusal()
    if (refused !== undefined && !this.#isOver) {
      this.end(refused)
      return
    }
    const { clock } = this.#wiring
    const nowMs = clock.now()
    const options = { ...this.#options, intervalMs: this.#intervalMs }
    this.#state = notAhead(this.#state, nowMs)
    this.#beginWaiting(nowMs)
    let step = nextStep(options, this.#state, nowMs)
    if (step.begins) {
      this.#begin(makeAttempt('schedule', {}), nowMs)
      step = nextStep(options, this.#state, nowMs)
    }
    for (const attempt of step.expired) this.#abort(attempt, 'timeout')
    this.#cancelWakeUp?.()
    this.#cancelWakeUp = undefined
    if (step.wakeAtMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.min(Math.max(step.wakeAtMs - nowMs, 0), MAX_WAKE_UP_MS)
    this.#cancelWakeUp = scheduleOn(clock, delayMs, () => this.#pass())
  }

  #beginWaiting(nowMs: number): void {
    for (const attempt of [...this.#waiting]) {
      if (attempt.options.savepoint !== true && !hasPlace(this.#options, this.#state)) continue
      if (this.#takeOut(attempt)) this.#begin(attempt, nowMs)
    }
  }

  #takeOut(attempt: Attempt): boolean {
    const at = this.#waiting.indexOf(attempt)
    if (at < 0) return false
    this.#waiting.splice(at, 1)
    // A signal that is listened to is kept for ever, and with it all that the attempt holds.
    attempt.signal.removeEventListener('abort', attempt.giveUp)
    return true
  }

  #giveUp(attempt: Attempt): void {
    if (!this.#takeOut(attempt)) return
    attempt.reject(aborted('the checkpoint was aborted before it began', attempt.signal.reason))
  }

  #begin(attempt: Attempt, startedMs: number): void {
    const { by, options } = attempt
    const told = { number: ++this.#begun, by, savepoint: options.savepoint === true, startedMs }
    attempt.told = Object.freeze(told)
    this.#state = begun(this.#state, attempt, startedMs, by === 'schedule')
    const run = this.#run(attempt, told).finally(() => this.#runs.delete(run))
    this.#runs.add(run)
  }

  async #run(attempt: Attempt, told: CheckpointAttempt): Promise<void> {
    this.#wiring.emit('started', told)
    let summary: CheckpointSummary
    try {
      summary = await this.#take(attempt.options, attempt.signal)
    } catch (error) {
      this.#hasEnded(attempt)
      attempt.reject(this.#tellFailure(attempt, told, error))
      this.#pass()
      return
    }
    this.#hasEnded(attempt)
    this.#wiring.emit('completed', { ...summary, attempt: told })
    if (!told.savepoint) this.#supersede(told, summary)
    this.#pass()
    await this.retained.removeOld()
    attempt.resolve(summary)
  }

  /** Asks for the cut at once: it includes all that was called before. */
  async #take(options: TriggerOptions, signal: AbortSignal): Promise<CheckpointSummary> {
    const { directory, maxLinks, parallelism, ...common } = this.#options
    const { savepoint = false } = options
    const { incremental = common.incremental && !savepoint, metadata = common.metadata } = options
    return this.#wiring.taker.checkpoint(directory, {
      signal,
      metadata: metadataNow(metadata),
      incremental,
      savepoint,
      maxLinks,
      parallelism,
    })
  }

  #hasEnded(attempt: Attempt): void {
    this.#state = ended(this.#state, attempt, this.#wiring.clock.now())
  }

  #abort(attempt: Attempt, by: 'timeout' | CheckpointSummary): void {
    attempt.abortedBy ??= by
    attempt.aborter.abort()
  }

  /** A newer one is complete: those that began before it are no longer wanted, savepoints apart. */
  #supersede({ number }: CheckpointAttempt, summary: CheckpointSummary): void {
    this.#failuresInARow = 0
    for (const attempt of this.#state.underWay.keys()) {
      const told = attempt.told!
      if (told.number < number && !told.savepoint) this.#abort(attempt, summary)
    }
  }

  /** Returns the error that the caller hears. */
  #tellFailure({ abortedBy }: Attempt, attempt: CheckpointAttempt, cause: unknown): TidemarkError {
    const { emit, refusal } = this.#wiring
    const error = asTidemarkError(cause)
    const isAborted = error.code === 'TIDEMARK_CHECKPOINT_ABORTED' || error.code === 'TIDEMARK_CLOSED'
    if (!isAborted) {
      emit('failed', { attempt, error })
      this.#countFailure(attempt, error)
      return error
    }
    if (abortedBy === 'timeout') {
      const { timeoutMs } = this.#options
      const message = `the checkpoint took longer than ${timeoutMs} ms: raise timeoutMs, or see what is slow`
      const late = aborted(message, cause)
      emit('aborted', { attempt, error: late, reason: 'timeout' })
      this.#countFailure(attempt, late)
      return late
    }
    if (abortedBy !== undefined) {
      emit('subsumed', { reason: 'superseded', attempt, newer: abortedBy })
      return aborted(`a newer checkpoint is complete, ${abortedBy.path}: use that one`, cause)
    }
    emit('aborted', { attempt, error, reason: refusal() === undefined ? 'signal' : 'closed' })
    return error
  }

  #countFailure({ savepoint }: CheckpointAttempt, error: TidemarkError): void {
    if (savepoint) return
    this.#failuresInARow++
    const { onError, refusal } = this.#wiring
    // A store that failed or closed tells that itself.
    if (this.#failuresInARow <= this.#options.tolerableFailures || refusal() !== undefined) return
    const count = this.#failuresInARow === 1 ? 'a checkpoint' : `${this.#failuresInARow} checkpoints in a row`
    const message = `${count} failed, the last one: ${error.message}; the schedule goes on`
    onError(new TidemarkError(error.code, message, { cause: error }))
  }
}
