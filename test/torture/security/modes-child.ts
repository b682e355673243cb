// Makes all that Tidemark makes, under the umask that takes nobody any right. Arguments: a directory that exists.

import fs from 'node:fs'
import { join } from 'node:path'
import { TimerStore } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing.ts'
import { runVerb } from './verbs.ts'

const [root] = process.argv.slice(2) as [string]
process.umask(0)
process.env.TMPDIR = join(root, 'temporary')
fs.mkdirSync(process.env.TMPDIR)

/** Names and modes of what verbs make in between, and remove again. */
const temporary = new Map<string, number>()
const { mkdtemp, open } = fs.promises
fs.promises.mkdtemp = (async (...args: Parameters<typeof mkdtemp>) => {
  const directory = await mkdtemp(...args)
  temporary.set(directory, fs.statSync(directory).mode)
  return directory
}) as never
fs.promises.open = (async (...args: Parameters<typeof open>) => {
  const handle = await open(...args)
  const [place, flags] = args
  if (String(flags).startsWith('w')) temporary.set(String(place), (await handle.stat()).mode)
  return handle
}) as never

const clock = new ManualClock(0)
const store = await TimerStore.open(join(root, 'a', 'new', 'store'), { clock })
const { eventTime } = await store.service('orders')
await eventTime.registerMany(Array.from({ length: 2000 }, (_, i) => ({ key: `k${i}`, timestamp: i })))
const checkpoints = join(root, 'b', 'new', 'checkpoints')
const full = await store.checkpoint(checkpoints, { incremental: true })
await eventTime.register({ key: 'more', timestamp: 1 })
const incremental = await store.checkpoint(checkpoints, { incremental: true, parallelism: 2 })
await store.checkpoint(checkpoints, { savepoint: true })
await store.checkpoints.start({ directory: join(root, 'periodic'), intervalMs: 1000 })
await store.checkpoints.trigger()
await store.compact()
await store.close()
const again = await TimerStore.open(join(root, 'a', 'new', 'store'), { clock })
await again.close()
// Directories that others may read already.
for (const name of ['there', 'there-checkpoints']) fs.mkdirSync(join(root, name), { mode: 0o755 })
const there = await TimerStore.open(join(root, 'there'), { clock })
await (await there.service('orders')).eventTime.register({ key: 'k', timestamp: 1 })
await there.checkpoint(join(root, 'there-checkpoints'))
await there.close()

await TimerStore.restore(incremental.path, join(root, 'c', 'new', 'restored'))
for (const [verb, args] of [
  ['export', [incremental.path, '-o', join(root, 'export.ndjson')]],
  ['export', [full.path, '--format', 'csv', '-o', join(root, 'export.csv')]],
  ['import', [join(root, 'imported'), join(root, 'export.ndjson')]],
  ['report', [full.path, '-o', join(root, 'report.html')]],
  ['diff', [full.path, incremental.path]],
  ['verify', [incremental.path, '--deep']],
  ['inspect', [incremental.path, '--exact']],
  ['restore', [full.path, join(root, 'd', 'restored')]],
] as const) {
  const { code, stderr } = await runVerb(verb, args)
  if (code > 1) throw new Error(`${verb}: ${stderr}`)
}
const doctor = await runVerb('doctor', [join(root, 'there'), '--json'])
process.send!({ temporary: [...temporary], doctor: doctor.stdout }, () => process.exit(0))
