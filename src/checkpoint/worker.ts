/**
 * The thread that writes checkpoints, and assists others that do: several at once if it is asked to.
 *
 * - It opens the store's LevelDB once more, when the first work comes. It must close it before the store does: on `close`
 *   everything is aborted, the engine closed, and only then does the thread end.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { openClassicEngine } from '../engine/classic.ts'
import type { Engine } from '../engine/engine.ts'
import { assist } from './assist.ts'
import { writeIncremental } from './logwriter.ts'
import { type FromWorker, type ToWorker, tellError, type WorkerStart } from './messages.ts'
import type { CheckpointProgress } from './options.ts'
import { Pace } from './pace.ts'
import { writeCheckpoint } from './writer.ts'

const { realPath, sizes, commits } = workerData as WorkerStart
const port = parentPort!
/** What is under way, by its number. */
const works = new Map<number, { abort(): void; ended: Promise<void> }>()
let engine: Promise<Engine> | undefined

function openOnce(): Promise<Engine> {
  engine ??= openClassicEngine(realPath, sizes, true)
  return engine
}

function tell(message: FromWorker): void {
  port.postMessage(message)
}

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'run': {
      const aborter = new AbortController()
      begin(message.run, () => aborter.abort(), run(message, aborter.signal))
      break
    }
    case 'assist':
      begin(message.run, () => message.writer.close(), assistWriter(message))
      break
    case 'abort':
      works.get(message.run)?.abort()
      break
    case 'close':
      void close()
      break
  }
})

function begin(id: number, abort: () => void, work: Promise<FromWorker>): void {
  const ended = work.then((outcome) => {
    works.delete(id)
    tell(outcome)
  })
  works.set(id, { abort, ended })
}

async function run(message: ToWorker & { type: 'run' }, signal: AbortSignal): Promise<FromWorker> {
  const { run, cut, directory, work, assistants } = message
  try {
    const onProgress = (progress: CheckpointProgress) => tell({ type: 'progress', run, progress })
    const write = cut.kind === 'incremental' ? writeIncremental : writeCheckpoint
    const options = { signal, onProgress, work, assistants, pace: new Pace(commits) }
    return { type: 'done', run, written: await write(await openOnce(), cut, directory, options) }
  } catch (error) {
    return { type: 'failed', run, error: tellError(error) }
  }
}

async function assistWriter({ run, cut, work, writer }: ToWorker & { type: 'assist' }): Promise<FromWorker> {
  await assist(openOnce(), cut, work, writer, new Pace(commits))
  return { type: 'assisted', run }
}

async function close(): Promise<void> {
  for (const { abort } of works.values()) abort()
  await Promise.all(Array.from(works.values(), ({ ended }) => ended))
  // An engine that could not be opened has told so to everybody.
  await (await engine?.catch(() => undefined))?.close()
  port.close()
}
