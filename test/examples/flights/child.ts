/** The child process: runs the job, and tells the parent what it sees. It is meant to be killed. */
import { type JobState, watchDepartures } from './job.ts'
import { MemoryGauge } from './memory.ts'
import type { FromChild, JobOptions } from './messages.ts'

const TELL_EVERY_MS = 100

const memory = new MemoryGauge()
let startMs: number | undefined
let toldMs = -Infinity
let exitCode = 1

process.once('message', (options) => run(options as JobOptions))
// The parent lets go of a child that is done. If it is gone before that, nobody is left to tell: end at once,
// whatever runs, as in any other crash.
process.once('disconnect', () => process.exit(exitCode))

async function run(options: JobOptions): Promise<void> {
  try {
    const pending = await watchDepartures(options, {
      moment(state) {
        if (performance.now() - toldMs >= TELL_EVERY_MS) sendProgress(state)
      },
      end: sendProgress,
      checkpoint: (checkpoint) => send({ kind: 'checkpoint', checkpoint }),
    })
    exitCode = 0
    send({ kind: 'done', pending })
  } catch (error) {
    send({ kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
}

function sendProgress(state: JobState): void {
  toldMs = performance.now()
  startMs ??= toldMs
  send({ kind: 'progress', progress: { ...state, elapsedMs: toldMs - startMs }, memory: memory.sample() })
}

function send(message: FromChild): void {
  process.send!(message)
}
