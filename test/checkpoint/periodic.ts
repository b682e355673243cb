// Periodic checkpoints for tests: what they tell, as lines; and a store that takes its checkpoints when a test says so.

import type { CheckpointSummary } from '../../src/checkpoint/checkpointer.ts'
import { CheckpointCoordinator } from '../../src/checkpoint/coordinator.ts'
import type { PeriodicCheckpointOptions } from '../../src/checkpoint/periodicoptions.ts'
import type { CheckpointTaker, TakeOptions } from '../../src/checkpoint/periodicparts.ts'
import { Turns } from '../../src/checkpoint/turns.ts'
import { TidemarkError } from '../../src/errors.ts'
import { systemFiles } from '../../src/files.ts'
import type { Clock } from '../../src/index.ts'
import { turns } from '../support/eventually.ts'
import { withDirectory } from '../support/store.ts'

/** Everything that is told from now on, in order: `started 1`, `completed 1`, `aborted 2 timeout`, … */
export function toldBy(checkpoints: CheckpointCoordinator): string[] {
  const lines: string[] = []
  checkpoints.on('started', ({ number, by, savepoint }) => {
    lines.push(`started ${number}${by === 'call' ? ' by call' : ''}${savepoint ? ', a savepoint' : ''}`)
  })
  checkpoints.on('completed', ({ attempt }) => lines.push(`completed ${attempt.number}`))
  checkpoints.on('failed', ({ attempt }) => lines.push(`failed ${attempt.number}`))
  checkpoints.on('aborted', ({ attempt, reason }) => lines.push(`aborted ${attempt.number} ${reason}`))
  checkpoints.on('subsumed', (event) => {
    if (event.reason === 'superseded') lines.push(`superseded ${event.attempt.number}`)
    else lines.push(`removed ${event.checkpoint.kind} of version ${event.checkpoint.version}`)
  })
  checkpoints.on('foreign', (event) => lines.push(`foreign ${event.checkpoints.length}`))
  return lines
}

/** A checkpoint that was asked for, and ends when the test says so. */
export interface HeldCheckpoint {
  directory: string
  options: TakeOptions
  complete(): void
  fail(message?: string): void
}

/** Takes no checkpoint by itself. One that is aborted ends at once, unless `isDeaf`. */
export class HeldTaker implements CheckpointTaker {
  readonly held: HeldCheckpoint[] = []
  readonly idsUnderWay = new Map<string, string | undefined>()
  readonly files = new Turns()
  isDeaf = false

  noteFound(): void {}

  isOfOtherPast(): boolean {
    return false
  }

  /** The one that was asked for last. */
  get last(): HeldCheckpoint {
    return this.held.at(-1)!
  }

  checkpoint(directory: string, options: TakeOptions): Promise<CheckpointSummary> {
    const version = this.held.length + 1
    return new Promise((resolve, reject) => {
      const abort = () => reject(new TidemarkError('TIDEMARK_CHECKPOINT_ABORTED', 'it was aborted'))
      if (!this.isDeaf) options.signal.addEventListener('abort', abort)
      const name = `checkpoint-${version}`
      const sizes = { timers: 0, bytes: 0, pauseMs: 0, durationMs: 0 }
      this.held.push({
        directory,
        options,
        complete: () => resolve({ id: name, path: `${directory}/${name}`, kind: 'full', version, ...sizes }),
        fail: (message = 'no room') => reject(new TidemarkError('TIDEMARK_FAILED', message)),
      })
    })
  }
}

export interface HeldParts {
  checkpoints: CheckpointCoordinator
  taker: HeldTaker
  told: string[]
  errors: TidemarkError[]
  directory: string
  /** What the store refuses with from now on. */
  refuse(error: TidemarkError): void
}

/** Runs `body` with periodic checkpoints that a {@link HeldTaker} takes: started, and stopped at the end. */
export async function withHeld(
  clock: Clock,
  options: Omit<PeriodicCheckpointOptions, 'directory'>,
  body: (parts: HeldParts) => Promise<void>,
): Promise<void> {
  await withDirectory(async (directory) => {
    const taker = new HeldTaker()
    const errors: TidemarkError[] = []
    let refusal: TidemarkError | undefined
    const checkpoints = new CheckpointCoordinator({
      taker,
      files: systemFiles,
      clock,
      storeId: 'mine',
      nextVersion: () => taker.held.length + 1,
      refusal: () => refusal,
      onError: (error) => errors.push(error),
    })
    const told = toldBy(checkpoints)
    await checkpoints.start({ directory, ...options })
    const refuse = (error: TidemarkError) => {
      refusal = error
    }
    await body({ checkpoints, taker, told, errors, directory, refuse })
    const stopped = checkpoints.stop()
    for (const held of taker.held) held.fail()
    await stopped
    await turns(2)
  })
}
