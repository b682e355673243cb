// timeout: 900s
// A store against a naive oracle: the same commands, the same answers, the same timers, the same fires in the same
// order, through snapshots, crashes, reopenings, checkpoints and restores.
//
// MODEL_RUNS  how many runs without checkpoints (default 1000); a fifteenth of them has checkpoints
// SEED        repeats the runs of a seed, which is printed

import { existsSync } from 'node:fs'
import fc from 'fast-check'
import { test } from 'uvu'
import { inTime } from '../support/eventually.ts'
import '../support/random.ts'
import { withDirectory } from '../support/store.ts'
import { type Command, commands } from './commands.ts'
import { World } from './world.ts'

// Memory is fast, and nothing here is about what a disk does.
if (existsSync('/dev/shm')) process.env.TIDEMARK_TEST_DIR = '/dev/shm'

const runs = Number(process.env.MODEL_RUNS || 1000)

// A failure that is slow to shrink is told as far as it has shrunk.
const limits = { interruptAfterTimeLimit: 400_000, markInterruptAsFailure: true }

async function play(played: readonly Command[]): Promise<void> {
  await withDirectory((directory) => inTime(new World(directory).run(played), 'a run'))
}

test('a store does what the oracle does, whatever happens to it', async () => {
  await fc.assert(fc.asyncProperty(commands(false, 40), play), { numRuns: runs, ...limits })
})

test('a store and the stores restored from its checkpoints do what the oracle does', async () => {
  await fc.assert(fc.asyncProperty(commands(true, 60), play), {
    numRuns: Math.ceil(runs / 15),
    ...limits,
  })
})

test.run()
