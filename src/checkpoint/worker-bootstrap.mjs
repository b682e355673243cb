// Starts the worker where the sources run as they are: a worker does not inherit the loader that reads TypeScript.
import { workerData } from 'node:worker_threads'
import { register } from 'tsx/esm/api'

register()
await import(workerData.entry)
