/**
 * What everything costs with so many timers pending, half of them in each time domain: one size a process. Prints its figures
 * as one line of JSON, under the names of the charts.
 *
 *   node --expose-gc --import tsx test/bench/growth/size.ts 100000           everything
 *   node --expose-gc --import tsx test/bench/growth/size.ts 100000 rates     memory and rates alone
 */
import fs from 'node:fs'
import path from 'node:path'
import { TimerStore } from '../../../src/index.ts'
import { temporaryDirectory } from '../../support/tmp.ts'
import { residentMib } from '../measure.ts'
import { diskBytes } from '../resources.ts'
import { besideCheckpoints } from './beside.ts'
import { checkpointAndRestore } from './checkpoints.ts'
import { handlers } from './fires.ts'
import { openings } from './opening.ts'
import { fill, rates } from './rates.ts'
import { type Bench, require } from './setup.ts'

const [, , size, part] = process.argv
const pending = Number(size)
const directory = temporaryDirectory('bench-growth')
const location = path.join(directory, 'store')

async function measureRates(bench: Bench): Promise<void> {
  await fill(bench)
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  const { anonymous, file } = residentMib()
  bench.figures['resident memory, anonymous, MiB'] = anonymous
  // LevelDB maps its tables: the kernel takes these pages back when it needs them.
  bench.figures['resident memory, mapped, MiB'] = file
  await rates(bench)
}

async function measureRest(bench: Bench): Promise<void> {
  const { store, service, figures } = bench
  await besideCheckpoints(bench)
  await checkpointAndRestore(bench)
  require(service.eventTime.count + service.processingTime.count === pending, 'some timers are missing')
  await store.compact()
  figures['disk per timer after compaction, bytes'] = diskBytes(location) / pending
  await openings(bench, location)
}

const store = await TimerStore.open(location)
const service = await store.service('bench', handlers)
const bench: Bench = { pending, directory, store, service, figures: {} }
await measureRates(bench)
// The rest ends with the store closed.
await (part === 'rates' ? store.close() : measureRest(bench))
fs.rmSync(directory, { recursive: true })
process.stdout.write(`${JSON.stringify({ timers: pending, figures: bench.figures })}\n`)
