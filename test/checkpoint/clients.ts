// A LevelDB that has timers, and a client whose workers write checkpoints of it.

import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { CheckpointClient } from '../../src/checkpoint/client.ts'
import type { CheckpointCut } from '../../src/checkpoint/cut.ts'
import { openClassicEngine } from '../../src/engine/classic.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { checkOptions } from '../../src/options.ts'
import { inTime, turns } from '../support/eventually.ts'
import { withDirectory } from '../support/store.ts'
import { type SampleOptions, type SampleTimer, sampleOf } from './sample.ts'

export interface ClientBench {
  engine: Engine
  client: CheckpointClient
  /** A cut with an id of its own. */
  cut(): CheckpointCut
  stored: Map<string, string>
  checkpoints: string
  files(): Promise<string[]>
}

export const sizes = checkOptions({}).engine

/** Runs `body` with a LevelDB that has timers, and a client; closes in the right order. */
export async function withClient(
  timers: readonly SampleTimer[],
  body: (bench: ClientBench) => Promise<void>,
  options: SampleOptions = {},
): Promise<void> {
  await withDirectory(async (directory) => {
    const { cut, stored } = await sampleOf(timers, options)
    const engine = await openClassicEngine(join(directory, 'store'), sizes, false)
    const batch = engine.batch()
    for (const [key, value] of stored) batch.put(key, value)
    await engine.write(batch, false)
    const client = new CheckpointClient(join(directory, 'store'), sizes)
    const checkpoints = join(directory, 'checkpoints')
    try {
      await body({
        engine,
        client,
        cut: () => ({ ...cut, checkpointId: randomUUID() }),
        stored,
        checkpoints,
        files: () => readdir(checkpoints).catch(() => []),
      })
    } finally {
      await inTime(client.close(), 'closing the client')
      await engine.close()
    }
  })
}

/** The next worker that is started. */
export function nextWorker(): Promise<Worker> {
  return new Promise((resolve) => process.once('worker', resolve))
}

/** Runs `body`, and returns the workers that were started meanwhile. */
export async function workersStartedBy(body: () => Promise<unknown>): Promise<Worker[]> {
  const workers: Worker[] = []
  const note = (worker: Worker) => workers.push(worker)
  process.on('worker', note)
  try {
    await body()
    // Of a worker that was just started nobody has heard yet.
    await turns(2)
    return workers
  } finally {
    process.off('worker', note)
  }
}
