// What a worker that writes checkpoints begins with in a process that is killed: it listens, and becomes the worker.

import { getEnvironmentData, workerData } from 'node:worker_threads'
import { ENVIRONMENT_KEY, listenIn, type Shared } from './listening.ts'

listenIn('worker', getEnvironmentData(ENVIRONMENT_KEY) as unknown as Shared)
await import((workerData as { entry: string }).entry)
