/**
 * The whole run, from the parent's side: a first child that takes checkpoints and is killed, the restore of the latest, a
 * second child that goes on from its cut, and the comparison of what both reported with the data.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TimerStore } from '../../../src/index.ts'
import { computeAnswer } from './answer.ts'
import type { Arguments } from './arguments.ts'
import { formatCount, formatDuration, formatTime } from './format.ts'
import { LateDepartures } from './late.ts'
import { Life } from './life.ts'
import { cutSchema, FIRST_CUT, type JobOptions, type Memory } from './messages.ts'
import type { ProgressDisplay } from './progress.ts'
import { findFaults, type Outcome, renderReport } from './report.ts'
import { readReports } from './reports.ts'

/** A full one, and one that builds on it. */
const CHECKPOINTS_BEFORE_KILL = 2
const DATA = fileURLToPath(new URL('../../../data/', import.meta.url))
type Phase = 'watching' | 'resumed'

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
    const { checkpoints, progress: killed } = first
    if (checkpoints.length < CHECKPOINTS_BEFORE_KILL || !killed) {
      throw new Error('the child process ended before its checkpoints were complete')
    }

    const location = join(this.#directory, 'restored')
    const startMs = performance.now()
    const restoring = TimerStore.restore(this.#checkpointsOf('watching'), location, {
      signal: this.#stop.signal,
    })
    this.#writing = restoring
    const restored = await restoring
    const restoreMs = performance.now() - startMs
    const cut = cutSchema.parse(restored.metadata)
    this.#display.note(
      `restored in ${formatDuration(restoreMs)}: ${formatCount(restored.timers)} timers of version ${formatCount(restored.version)}, ` +
        `going on from ${formatTime(cut.position.timeMs)}`,
    )

    const second = await this.#live('resumed', { ...this.#options('resumed'), location, from: cut })
    const { progress: finished, pending } = second
    if (!finished || pending === undefined) throw new Error('the child process did not finish its stream')
    const memory = larger(first.memory, second.memory)
    return {
      flights,
      durability,
      late: this.#late,
      checkpoints,
      restored,
      cut,
      restoreMs,
      killed,
      finished,
      pending,
      memory,
    }
  }

  async #untilTheKill(): Promise<Life> {
    const { flights, killAt } = this.#arguments
    const life = await this.#live('watching', this.#options('watching'), ({ checkpoints, progress }) => {
      const isFarEnough = progress !== undefined && progress.events >= flights * 2 * killAt
      return isFarEnough && checkpoints.length >= CHECKPOINTS_BEFORE_KILL
    })
    const { timeMs, timers } = life.progress ?? { timeMs: 0, timers: 0 }
    const counts = `${formatCount(timers)} timers pending and ${formatCount(life.checkpoints.length)} checkpoints taken`
    this.#display.note(`killed at ${formatTime(timeMs)}, with ${counts} (--kill-at ${killAt.toFixed(3)})`)
    return life
  }

  #options(phase: Phase): JobOptions {
    const { flights, durability } = this.#arguments
    return {
      location: join(this.#directory, 'store'),
      durability,
      flights,
      from: FIRST_CUT,
      checkpoints: this.#checkpointsOf(phase),
      reports: join(this.#directory, `late-${phase}`),
      checkpointsAtLeast: CHECKPOINTS_BEFORE_KILL,
    }
  }

  #checkpointsOf(phase: Phase): string {
    return join(this.#directory, `checkpoints-${phase}`)
  }

  /** One child from its start to its end; it is killed as soon as `until` says so. */
  async #live(
    phase: Phase,
    options: JobOptions,
    until: (life: Life) => boolean = () => false,
  ): Promise<Life> {
    mkdirSync(this.#directory, { recursive: true })
    const killInTime = () => {
      if (until(life)) life.kill()
    }
    const life = new Life(options, {
      progress: () => {
        this.#showProgress(phase, life)
        killInTime()
      },
      checkpoint: killInTime,
    })
    this.#life = life
    this.#writing = life.ended
    await life.ended
    this.#stop.signal.throwIfAborted()
    for await (const departure of readReports(options.reports)) this.#late.add(departure)
    return life
  }

  #showProgress(phase: Phase, { progress, checkpoints }: Life): void {
    if (!progress) return
    const fraction = progress.events / (this.#arguments.flights * 2)
    const late = `${formatCount(this.#late.count + progress.tally.fired)} late`
    const counts = `${late}, ${formatCount(progress.timers)} timers pending, ${checkpoints.length} checkpoints`
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
