// The process that is killed. It starts ahead of its time, waits for its order, and lives until it dies by it. What it has
// written into its ledger is read whatever happens to it.

import { once } from 'node:events'
import { openSync } from 'node:fs'
import { setEnvironmentData, Worker } from 'node:worker_threads'
import { STEPS } from '../../../src/steps.ts'
import { LedgerWriter } from './ledger.ts'
import { Life } from './life.ts'
import { ENVIRONMENT_KEY, indexOf, listenIn, type Shared, tellKiller } from './listening.ts'
import type { Order } from './order.ts'

const ordered = new Promise<Order>((resolve) => process.on('message', (order) => resolve(order as Order)))
const order = await ordered

/** Whether to begin to count, how many steps there were, and what nobody ever changes. */
const signal = new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT)
const { death } = order
const shared: Shared = {
  file: openSync(order.steps, 'w'),
  counts: new SharedArrayBuffer(STEPS.length * Int32Array.BYTES_PER_ELEMENT),
  step: 'step' in death ? indexOf(death.step) : -1,
  nth: 'step' in death ? death.nth : 0,
  signal,
  hasKiller: death.thenMs !== undefined,
  steps: 'steps' in death ? death.steps : -1,
}
setEnvironmentData(ENVIRONMENT_KEY, shared as never)
listenIn('store', shared)
if (death.thenMs !== undefined) {
  const workerData = { signal, thenMs: death.thenMs }
  const killer = new Worker(new URL('./killer.js', import.meta.url), { workerData })
  killer.unref()
  await once(killer, 'online')
}
if (shared.steps === 0) tellKiller(signal)

const ledger = new LedgerWriter(order.ledger)
const wrong = (error: unknown) =>
  ledger.write({ is: 'wrong', message: (error as Error).stack ?? String(error) })
process.on('uncaughtException', wrong)
process.on('unhandledRejection', wrong)
await new Life(order, ledger).run()
process.send!('done', () => process.exit(0))
