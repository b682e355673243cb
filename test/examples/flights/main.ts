/**
 * A watch for late departures over real flights, and a proof that a checkpoint and a restore lose none of them.
 *
 * The job (job.ts) runs in a child process, which takes incremental checkpoints by a schedule while its stream goes on;
 * at a random moment it is killed with SIGKILL. The latest checkpoint is restored into a new directory, a second child
 * goes on from the position in the checkpoint's metadata, and what both reported is compared with the data.
 *
 * Exit code 0 and `verified: N late departures` as the last line only if every late flight, and no other, was
 * reported; 1 when not, 2 for wrong arguments.
 */
import { constants } from 'node:os'
import { type Arguments, parseArguments, USAGE } from './arguments.ts'
import { ProgressDisplay } from './progress.ts'
import { Run } from './run.ts'

const args = argumentsOrExit()
const display = new ProgressDisplay(process.stdout, process.env)
const run = new Run(args, display)
let leaving: Promise<never> | undefined

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => leave(128 + constants.signals[signal], `stopped by ${signal}`))
}
// Whoever read the output has gone (`| head`): nothing is left to tell.
process.stdout.once('error', () => leave(1))

try {
  const { lines, verified } = await run.run()
  display.clear()
  process.stdout.write(`${lines.join('\n')}\n`)
  await leave(verified ? 0 : 1)
} catch (error) {
  await leave(1, error instanceof Error ? error.message : String(error))
}

function leave(exitCode: number, reason?: string): Promise<never> {
  leaving ??= end(exitCode, reason)
  return leaving
}

async function end(exitCode: number, reason?: string): Promise<never> {
  display.clear()
  if (reason !== undefined) process.stderr.write(`${reason}\n`)
  await run.end()
  process.exit(exitCode)
}

function argumentsOrExit(): Arguments {
  try {
    const args = parseArguments(process.argv.slice(2))
    if (!args.help) return args
    process.stdout.write(`${USAGE}\n`)
    process.exit(0)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n`)
    process.exit(2)
  }
}
