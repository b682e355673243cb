// A thread that kills its process at a moment, whatever the others do, once it is told to begin to count.

import { workerData } from 'node:worker_threads'

const { signal, times } = workerData as { signal: SharedArrayBuffer; times: SharedArrayBuffer }
Atomics.wait(new Int32Array(signal), 0, 0)
Atomics.wait(new Int32Array(signal), 2, 0, new Float64Array(times)[0])
process.kill(process.pid, 'SIGKILL')
