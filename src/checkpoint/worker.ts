/**
 * The thread that writes checkpoints, several at once if it is asked to.
 *
 * - It opens the store's LevelDB a second time, when the first checkpoint comes. It must close it before the store does:
 *   on `close` every run is aborted, the engine closed, and only then does the thread end.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { openClassicEngine } from '../engine/classic.ts'
import type { Engine } from '../engine/engine.ts'
import { writeIncremental } from './logwriter.ts'
import { type FromWorker, type ToWorker, tellError, type WorkerStart } from './messages.ts'
import type { CheckpointProgress } from './options.ts'
import { writeCheckpoint } from './writer.ts'

const { realPath, sizes } = workerData as WorkerStart
const port = parentPort!
const runs = new Map<number, { aborter: AbortController; ended: Promise<void> }>()
let engine: Promise<Engine> | undefined

function tell(message: FromWorker): void {
  port.postMessage(message)
}

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'run': {
      const aborter = new AbortController()
      runs.set(message.run, { aborter, ended: run(message, aborter.signal) })
      break
    }
    case 'abort':
      runs.get(message.run)?.aborter.abort()
      break
    case 'close':
      void close()
      break
  }
})

async function run({ run, cut, directory }: ToWorker & { type: 'run' }, signal: AbortSignal): Promise<void> {
  try {
    engine ??= openClassicEngine(realPath, sizes, true)
    const onProgress = (progress: CheckpointProgress) => tell({ type: 'progress', run, progress })
    const write = cut.kind === 'incremental' ? writeIncremental : writeCheckpoint
    const written = await write(await engine, cut, directory, { signal, onProgress })
    tell({ type: 'done', run, written })
  } catch (error) {
    tell({ type: 'failed', run, error: tellError(error) })
  } finally {
    runs.delete(run)
  }
}

async function close(): Promise<void> {
  for (const { aborter } of runs.values()) aborter.abort()
  await Promise.all(Array.from(runs.values(), ({ ended }) => ended))
  // An engine that could not be opened has told so to every run.
  await (await engine?.catch(() => undefined))?.close()
  port.close()
}
