/**
 * The whole run, from the parent's side: a first child that is checkpointed and killed, the restore, a second
 * child that goes on from the cut, and the comparison of what both reported with the data.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TimerStore } from '../../../src/index.ts'
import { computeAnswer } from './answer.ts'
import type { Arguments } from './arguments.ts'
import { formatBytes, formatCount, formatDuration, formatTime } from './format.ts'
import { LateDepartures } from './late.ts'
import { Life } from './life.ts'
import { cutSchema, FIRST_CUT, type JobOptions, type Memory } from './messages.ts'
import type { ProgressDisplay } from './progress.ts'
import { findFaults, type Outcome, renderReport } from './report.ts'

const CHECKPOINT_AT = 0.5
const KILL_AT = 0.75
const DATA = fileURLToPath(new URL('../../../data/', import.meta.url))
const RUN_DIRECTORY = /^flights-(\d+)$/

export class Run {
  readonly #arguments: Arguments
  readonly #display: ProgressDisplay
  readonly #directory = join(DATA, `flights-${process.pid}`)
  readonly #late: LateDepartures
  readonly #stop = new AbortController()
  #life: Life | undefined
  /** Settles when nobody writes under the directory any more. */
  #writing: Promise<unknown> = Promise.resolve()

  constructor(args: Arguments, display: ProgressDisplay) {
    this.#arguments = args
    this.#display = display
    this.#late = new LateDepartures(args.flights)
  }

  /** Resolves to the report's lines, and whether the run is verified. */
  async run(): Promise<{ lines: string[]; verified: boolean }> {
    removeEarlierRuns()
    const outcome = await this.#watch()
    const answer = await computeAnswer(this.#arguments.flights)
    const faults = findFaults(outcome, answer)
    const verified = faults.length === 0
    const verdict = verified
      ? [`verified: ${this.#late.count} late departures`]
      : ['NOT verified:', ...faults]
    const kept = this.#arguments.keep ? [`kept        ${relative('', this.#directory)}`] : []
    return { lines: ['', ...renderReport(outcome), ...kept, '', ...verdict], verified }
  }

  /** Whatever is under way: no process stays, and no files unless they were asked for. */
  async end(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    this.#life?.kill()
    await this.#writing.catch(() => {})
    if (!this.#arguments.keep) remove(this.#directory)
  }

  async #watch(): Promise<Outcome> {
    const { flights, durability } = this.#arguments
    const first = await this.#untilTheKill()
    const { checkpoint, progress: killed } = first
    if (!checkpoint || !killed) throw new Error('the child process ended before its checkpoint was complete')

    const location = join(this.#directory, 'restored')
    const startMs = performance.now()
    const restored = TimerStore.restore(checkpoint.path, location, { signal: this.#stop.signal })
    this.#writing = restored
    const { metadata } = await restored
    const restoreMs = performance.now() - startMs
    const cut = cutSchema.parse(metadata)
    this.#display.note(
      `restored in ${formatDuration(restoreMs)}, going on from ${formatTime(cut.position.timeMs)}`,
    )

    const second = await this.#live('resumed', { location, durability, flights, from: cut })
    const { progress: finished, pending } = second
    if (!finished || pending === undefined) throw new Error('the child process did not finish its stream')
    const memory = larger(first.memory, second.memory)
    return {
      flights,
      durability,
      late: this.#late,
      checkpoint,
      cut,
      restoreMs,
      killed,
      finished,
      pending,
      memory,
    }
  }

  async #untilTheKill(): Promise<Life> {
    const { flights, durability } = this.#arguments
    const events = flights * 2
    const checkpoint = {
      directory: join(this.#directory, 'checkpoints'),
      atEvents: Math.ceil(events * CHECKPOINT_AT),
    }
    const location = join(this.#directory, 'store')
    const options = { location, durability, flights, from: FIRST_CUT, checkpoint }
    const life = await this.#live('watching', options, ({ checkpoint, progress }) => {
      return checkpoint !== undefined && progress !== undefined && progress.events >= events * KILL_AT
    })
    const { timeMs, timers } = life.progress ?? { timeMs: 0, timers: 0 }
    this.#display.note(`killed at ${formatTime(timeMs)}, with ${formatCount(timers)} timers pending`)
    return life
  }

  /** One child from its start to its end; it is killed as soon as `until` says so. */
  async #live(
    phase: string,
    options: JobOptions,
    until: (life: Life) => boolean = () => false,
  ): Promise<Life> {
    mkdirSync(this.#directory, { recursive: true })
    const life = new Life(options, {
      late: (departures) => {
        for (const departure of departures) this.#late.add(departure)
      },
      progress: () => {
        this.#showProgress(phase, life)
        if (until(life)) life.kill()
      },
      checkpoint: ({ timers, bytes, pauseMs, durationMs }) => {
        const file = `${formatCount(timers)} timers, ${formatBytes(bytes)}`
        const times = `pause ${formatDuration(pauseMs)}, written in ${formatDuration(durationMs)}`
        this.#display.note(`checkpoint taken: ${file}; ${times}`)
        if (until(life)) life.kill()
      },
    })
    this.#life = life
    this.#writing = life.ended
    await life.ended
    this.#stop.signal.throwIfAborted()
    return life
  }

  #showProgress(phase: string, { progress }: Life): void {
    if (!progress) return
    const fraction = progress.events / (this.#arguments.flights * 2)
    const counts = `${formatCount(this.#late.count)} late, ${formatCount(progress.timers)} timers pending`
    this.#display.update(phase, fraction, `${formatTime(progress.timeMs)}  ${counts}`)
  }
}

function larger(a: Memory | undefined, b: Memory | undefined): Memory {
  const most = (of: (memory: Memory) => number | undefined) => {
    const values = [a, b].flatMap((memory) => (memory && of(memory)) ?? [])
    return values.length === 0 ? undefined : Math.max(...values)
  }
  const rssAnonPeakBytes = most((memory) => memory.rssAnonPeakBytes)
  const rssPeakBytes = most((memory) => memory.rssPeakBytes) ?? 0
  return rssAnonPeakBytes === undefined ? { rssPeakBytes } : { rssPeakBytes, rssAnonPeakBytes }
}

/** Stores that earlier runs kept or left behind; not those of a run that is under way, told by its process id. */
function removeEarlierRuns(): void {
  mkdirSync(DATA, { recursive: true })
  for (const name of readdirSync(DATA)) {
    const pid = RUN_DIRECTORY.exec(name)?.[1]
    if (pid !== undefined && (Number(pid) === process.pid || !isRunning(Number(pid))))
      remove(join(DATA, name))
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function remove(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}
