// Starts the worker where the sources run as they are: a worker does not inherit the loader that reads TypeScript. Where
// they were compiled beforehand, as the tests do it once for all their workers, it starts in a quarter of the time.
import { workerData } from 'node:worker_threads'

const compiled = process.env.TIDEMARK_COMPILED_WORKER
if (compiled === undefined) {
  const { register } = await import('tsx/esm/api')
  register()
}
await import(compiled ?? workerData.entry)
