/**
 * A long run: an hour's worth of session traffic as fast as it goes. Sessions begin, are put off again and again, and end
 * before their time; two in eleven run out, so that ten timers are deleted for each that fires. Rates and disk at the start
 * and at the end.
 *
 *   npx tsx test/bench/growth/traffic.ts [operations] [--out result.json]
 */
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { TimerStore } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing.ts'
import { temporaryDirectory } from '../../support/tmp.ts'
import { perSecond, thisMachine } from '../measure.ts'
import { diskBytes } from '../resources.ts'
import { tidemarkVersions } from '../versions.ts'
import { withInFlight } from '../workload.ts'

/** An hour of 2,000 a second. */
const AN_HOUR = 7_200_000
const { values, positionals } = parseArgs({ options: { out: { type: 'string' } }, allowPositionals: true })
const OPERATIONS = Number(positionals[0] ?? AN_HOUR)
const SESSIONS = 20_000
const IN_FLIGHT = 2000
const PHASES = 10
/** Eleven sessions delete eleven timers as they are put off, and nine more as they end; two run out: ten deletes a fire. */
const RUNS_OUT = [true, false, false, false, false, true, false, false, false, false, false]
const TIMEOUT_MS = 60_000
/** Registered, deleted, registered again, and ended. */
const OPERATIONS_PER_SESSION = 4

const at = new Date().toISOString()
const versions = tidemarkVersions()
const directory = temporaryDirectory('bench-traffic')
const location = path.join(directory, 'store')
const clock = new ManualClock(0)
const store = await TimerStore.open(location, { clock })
const counts = { registered: 0, deleted: 0, fired: 0 }
const { processingTime } = await store.service('sessions', {
  onProcessingTime: () => {
    counts.fired++
  },
})
const standing = Array.from({ length: SESSIONS }, (_, i) => ({
  key: `standing-${i}`,
  timestamp: 10 * AN_HOUR + i,
}))
await processingTime.registerMany(standing)

async function register(key: string, timestamp: number): Promise<void> {
  await processingTime.register({ key, timestamp })
  counts.registered++
}

async function remove(key: string, timestamp: number): Promise<void> {
  await processingTime.delete({ key, timestamp })
  counts.deleted++
}

let begun = 0
async function session(n: number): Promise<void> {
  const key = `session-${n}`
  const timestamp = clock.now() + TIMEOUT_MS
  await register(key, timestamp)
  await remove(key, timestamp)
  await register(key, timestamp + 1)
  if (!RUNS_OUT[n % RUNS_OUT.length]) await remove(key, timestamp + 1)
}

/** A tenth of the traffic. */
async function measurePhase() {
  const sessions = Math.floor(OPERATIONS / OPERATIONS_PER_SESSION / PHASES)
  const startMs = performance.now()
  for (let done = 0; done < sessions; done += SESSIONS) {
    const numbers = Array.from({ length: Math.min(SESSIONS, sessions - done) }, () => begun++)
    await withInFlight(numbers, IN_FLIGHT, session)
    await clock.advanceBy(TIMEOUT_MS / 2)
  }
  const ms = performance.now() - startMs
  const operations = sessions * OPERATIONS_PER_SESSION
  const residentMib = process.memoryUsage().rss / 2 ** 20
  return {
    operations,
    perSecond: perSecond(operations, ms),
    diskMib: diskBytes(location) / 2 ** 20,
    residentMib,
  }
}
type Phase = Awaited<ReturnType<typeof measurePhase>>

/** All have fired that were not deleted, once, and nothing else; what stands is sound. */
async function requireExact(): Promise<void> {
  const { registered, deleted, fired } = counts
  if (fired !== registered - deleted || processingTime.count !== SESSIONS)
    throw new Error(`not exact: ${fired} fired of ${registered - deleted}, ${processingTime.count} stand`)
  const findings = await store.verify()
  if (findings.length > 0) throw new Error(`verify() found ${findings.length}`)
}

const phases: Phase[] = []
while (phases.length < PHASES) {
  const phase = await measurePhase()
  phases.push(phase)
  console.log(
    `${(phases.length * phase.operations).toLocaleString('en').padStart(12)} operations: ` +
      `${Math.round(phase.perSecond).toLocaleString('en')} a second, ${phase.diskMib.toFixed(0)} MiB of disk, ` +
      `${phase.residentMib.toFixed(0)} MiB resident`,
  )
}
await clock.advanceBy(2 * TIMEOUT_MS)
await requireExact()
await store.close()
fs.rmSync(directory, { recursive: true })
const [first, last] = [phases[0]!, phases.at(-1)!]
const figures = {
  ...counts,
  deletesPerFire: counts.deleted / counts.fired,
  rateEndOverStart: last.perSecond / first.perSecond,
  diskEndOverStart: last.diskMib / first.diskMib,
}
console.log(
  `rate at the end over that at the start: ${figures.rateEndOverStart.toFixed(2)}; ` +
    `disk ${figures.diskEndOverStart.toFixed(2)}; exact: ${counts.registered} registered, ${counts.deleted} deleted, ` +
    `${counts.fired} fired: ${figures.deletesPerFire.toFixed(2)} deletes a fire`,
)
if (values.out !== undefined) {
  const result = { at, machine: thisMachine(), versions, figures, phases }
  fs.writeFileSync(values.out, `${JSON.stringify(result, undefined, 1)}\n`)
}
