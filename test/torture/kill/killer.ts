// A thread that kills its process at a moment, whatever the others do, once it is told to begin to count.

import { workerData } from 'node:worker_threads'

const { signal, thenMs } = workerData as { signal: SharedArrayBuffer; thenMs: number }
const shared = new Int32Array(signal)
Atomics.wait(shared, 0, 0)
Atomics.wait(shared, 2, 0, thenMs)
process.kill(process.pid, 'SIGKILL')
