// The process that is killed: registers timers one after the other while checkpoints are taken every 10 ms, and keeps a
// ledger in a file, one line for each checkpoint that is complete. Writing is synchronous: what it has written is read
// whatever happens to it. If it is told to, it dies by itself when it is about to remove its nth file.

import fs, { openSync, writeSync } from 'node:fs'
import { TimerStore } from '../../src/index.ts'

const [location, directory, path, dieAt] = process.argv.slice(2) as [string, string, string, string]
const ledger = openSync(path, 'a')
const { rm } = fs.promises
let removals = 0
fs.promises.rm = (...parameters) => {
  if (++removals === Number(dieAt)) process.kill(process.pid, 'SIGKILL')
  return rm(...parameters)
}

const store = await TimerStore.open(location, { durability: 'os' })
const { eventTime } = await store.service('orders')
/** Registers that were called, in this life and those before: a checkpoint includes them all, awaited or not. */
let called = eventTime.count
store.checkpoints.on('completed', ({ version }) => writeSync(ledger, `${version}\n`))
store.on('error', (error) => writeSync(ledger, `${error}\n`))
await store.checkpoints.start({
  directory,
  intervalMs: 10,
  incremental: true,
  maxLinks: 4,
  retain: 2,
  metadata: () => ({ called }),
})
process.send!('started')
for (;;) {
  const key = `k${called++}`
  await eventTime.register({ key, timestamp: called })
}
