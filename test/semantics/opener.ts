// Opens a store from another process or another thread, and tells how that went.

import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { TidemarkError, TimerStore } from '../../src/index.ts'

const [location, mode] = isMainThread
  ? (process.argv.slice(2) as [string, string?])
  : [(workerData as { data: string }).data]

function tell(outcome: string): void {
  if (isMainThread) process.send!({ outcome })
  else parentPort!.postMessage({ outcome })
}

if (mode === 'at once') tell('opening')
try {
  const store = await TimerStore.open(location, { durability: 'os' })
  if (mode !== 'stay') await store.close()
  tell('open')
} catch (error) {
  tell(error instanceof TidemarkError ? error.code : String(error))
}
// A process stays until it is killed; a thread until it is ended.
if (mode === 'stay') setInterval(() => {}, 60_000)
