// The first file of a test's thread: a thread does not read TypeScript by itself.

import { workerData } from 'node:worker_threads'
import { register } from 'tsx/esm/api'

register()
await import(workerData.script)
