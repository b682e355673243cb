/**
 * A long run: an hour's worth of session traffic as fast as it goes. Sessions begin, are put off again and again, and end
 * before their time; one in eleven runs out. Rates and disk at the start and at the end.
 *
 *   npx tsx test/bench/growth/traffic.ts [operations]
 */
import fs from 'node:fs'
import path from 'node:path'
import { TimerStore } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing.ts'
import { temporaryDirectory } from '../../support/tmp.ts'
import { perSecond } from '../measure.ts'
import { diskBytes } from '../peers/resources.ts'
import { withInFlight } from '../workload.ts'

/** An hour of 2,000 a second. */
const AN_HOUR = 7_200_000
const OPERATIONS = Number(process.argv[2] ?? AN_HOUR)
const SESSIONS = 20_000
const IN_FLIGHT = 2000
const PHASES = 10
/** Of so many sessions one runs out; the others end before. */
const ENDINGS_PER_FIRE = 11
const TIMEOUT_MS = 60_000
/** Registered, deleted, registered again, and ended. */
const OPERATIONS_PER_SESSION = 4

const directory = temporaryDirectory('bench-traffic')
const location = path.join(directory, 'store')
const clock = new ManualClock(0)
const store = await TimerStore.open(location, { clock })
let fired = 0
const { processingTime } = await store.service('sessions', {
  onProcessingTime: () => {
    fired++
  },
})
const standing = Array.from({ length: SESSIONS }, (_, i) => ({
  key: `standing-${i}`,
  timestamp: 10 * AN_HOUR + i,
}))
await processingTime.registerMany(standing)

interface Phase {
  operations: number
  perSecond: number
  diskMib: number
  residentMib: number
}

async function session(n: number): Promise<void> {
  const key = `session-${n}`
  const timestamp = clock.now() + TIMEOUT_MS
  await processingTime.register({ key, timestamp })
  await processingTime.delete({ key, timestamp })
  await processingTime.register({ key, timestamp: timestamp + 1 })
  if (n % ENDINGS_PER_FIRE !== 0) await processingTime.delete({ key, timestamp: timestamp + 1 })
}

const phases: Phase[] = []
let begun = 0
for (let phase = 0; phase < PHASES; phase++) {
  const sessions = Math.floor(OPERATIONS / OPERATIONS_PER_SESSION / PHASES)
  const startMs = performance.now()
  for (let done = 0; done < sessions; done += SESSIONS) {
    const numbers = Array.from({ length: Math.min(SESSIONS, sessions - done) }, () => begun++)
    await withInFlight(numbers, IN_FLIGHT, session)
    await clock.advanceBy(TIMEOUT_MS / 2)
  }
  const ms = performance.now() - startMs
  const residentMib = process.memoryUsage().rss / 2 ** 20
  phases.push({
    operations: sessions * OPERATIONS_PER_SESSION,
    perSecond: perSecond(sessions * OPERATIONS_PER_SESSION, ms),
    diskMib: diskBytes(location) / 2 ** 20,
    residentMib,
  })
  const last = phases.at(-1)!
  console.log(
    `${((phase + 1) * last.operations).toLocaleString('en').padStart(12)} operations: ` +
      `${Math.round(last.perSecond).toLocaleString('en')} a second, ${last.diskMib.toFixed(0)} MiB of disk, ` +
      `${last.residentMib.toFixed(0)} MiB resident`,
  )
}
await clock.advanceBy(2 * TIMEOUT_MS)
const expected = Math.ceil(begun / ENDINGS_PER_FIRE)
if (fired !== expected || processingTime.count !== SESSIONS)
  throw new Error(`not exact: ${fired} fired of ${expected}, ${processingTime.count} stand`)
const findings = await store.verify()
if (findings.length > 0) throw new Error(`verify() found ${findings.length}`)
await store.close()
fs.rmSync(directory, { recursive: true })
const [first] = phases
const last = phases.at(-1)!
console.log(
  `rate at the end over that at the start: ${(last.perSecond / first!.perSecond).toFixed(2)}; ` +
    `disk ${(last.diskMib / first!.diskMib).toFixed(2)}; exact: ${fired} fired`,
)
