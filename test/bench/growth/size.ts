/**
 * What everything costs with so many timers pending, half of them in each time domain: one size a process. Prints its figures
 * as one line of JSON, under the names of the charts.
 */
import fs from 'node:fs'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type TimerService, TimerStore } from '../../../src/index.ts'
import { temporaryDirectory } from '../../support/tmp.ts'
import { median, perSecond, residentMib } from '../measure.ts'
import { percentile } from '../peers/percentiles.ts'
import { diskBytes } from '../peers/resources.ts'
import { makeTimers, withInFlight } from '../workload.ts'

const PENDING = Number(process.argv[2])
const SLICE = 10_000
/** Timers that are registered, cancelled and fired beside those that are pending. */
const SAMPLE = 100_000
/** Steps through a part of them that lead to each once, far from the one before. */
const SCATTER = 15_451
/** How often: one time alone takes half a second, and whatever LevelDB merges just then shows. */
const SAMPLES = 3
const IN_FLIGHT = 2000
const CHANGES = 10_000
const LATENESS_PER_SECOND = 2000
const LATENESS_SECONDS = 3
const LOAD_MS = 3000
/** LevelDB rests when this process has used less than a tenth of a core, so many times in a row. */
const LOOK_MS = 500
const QUIET_LOOKS = 3

const directory = temporaryDirectory('bench-growth')
const location = path.join(directory, 'store')
const checkpoints = path.join(directory, 'checkpoints')
const figures: Record<string, number> = {}

let latenessMs: number[] = []
let onFired = () => {}
const handlers = {
  onEventTime: () => {},
  onProcessingTime: ({ timestamp }: { timestamp: number }) => {
    latenessMs.push(Math.max(0, performance.timeOrigin + performance.now() - timestamp))
    onFired()
  },
}

function require(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message)
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await run()
  return performance.now() - startMs
}

async function fill({ eventTime, processingTime }: TimerService): Promise<void> {
  let ms = 0
  for (let first = 0; first < PENDING; first += SLICE) {
    const timers = makeTimers(Math.min(SLICE, PENDING - first), 'random', first)
    const half = timers.length >> 1
    ms += await timed(() =>
      Promise.all([
        eventTime.registerMany(timers.slice(0, half)),
        processingTime.registerMany(timers.slice(half)),
      ]),
    )
  }
  figures['bulk registers per second, on the way there'] = perSecond(PENDING, ms)
}

/** Resolves when LevelDB has merged what it has to: after a fill that may take it a while. */
async function atRest(): Promise<void> {
  for (let quiet = 0; quiet < QUIET_LOOKS; ) {
    const before = process.cpuUsage()
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    const { user, system } = process.cpuUsage(before)
    quiet = (user + system) / 1000 < LOOK_MS / 10 ? quiet + 1 : 0
  }
}

/** Their medians, each time with LevelDB at rest; and those of right after the fill, while it may still merge. */
async function rates(service: TimerService): Promise<void> {
  const first = await ratesOnce(service)
  for (const [name, value] of Object.entries(first)) figures[`${name}, right after the fill`] = value
  const samples: Rates[] = []
  for (let n = 0; n < SAMPLES; n++) {
    await atRest()
    samples.push(await ratesOnce(service))
  }
  for (const name of Object.keys(first) as (keyof Rates)[])
    figures[name] = median(samples.map((sample) => sample[name]))
}

async function ratesOnce(service: TimerService) {
  const { eventTime } = service
  const extra = makeTimers(SAMPLE, 'random', PENDING)
  const registerMs = await timed(() => withInFlight(extra, IN_FLIGHT, (timer) => eventTime.register(timer)))
  const deleteMs = await timed(() => withInFlight(extra, IN_FLIGHT, (timer) => eventTime.delete(timer)))
  const due = extra.map(({ key }, i) => ({ key, timestamp: i }))
  await eventTime.registerMany(due)
  const cancel = (timers: typeof due) =>
    timed(() => withInFlight(timers, IN_FLIGHT, ({ key }) => eventTime.deleteAll({ key })))
  const inNoOrder = due.slice(0, SAMPLE / 4).map((_, i) => due[(i * SCATTER) % (SAMPLE / 4)]!)
  const scatteredMs = await cancel(inNoOrder)
  const keyMs = await cancel(due.slice(SAMPLE / 4, SAMPLE / 2))
  const fireMs = await timed(async () => {
    const { fired } = await service.advanceWatermark(SAMPLE)
    require(fired === SAMPLE / 2, `${fired} timers fired`)
  })
  return {
    'registers per second, one by one': perSecond(SAMPLE, registerMs),
    'deletes per second, one by one': perSecond(SAMPLE, deleteMs),
    'cancels by key per second': perSecond(SAMPLE / 4, keyMs),
    'cancels by key per second, in no order': perSecond(SAMPLE / 4, scatteredMs),
    'fires per second': perSecond(SAMPLE / 2, fireMs),
  }
}
type Rates = Awaited<ReturnType<typeof ratesOnce>>

/** Timers that become due at a steady rate: how late they fire. */
async function lateness(queue: TimerService['processingTime']): Promise<number[]> {
  latenessMs = []
  const count = LATENESS_PER_SECOND * LATENESS_SECONDS
  const firstMs = Date.now() + 500
  const fired = new Promise<void>((resolve) => {
    onFired = () => {
      if (latenessMs.length === count) resolve()
    }
  })
  await queue.registerMany(
    Array.from({ length: count }, (_, i) => ({
      key: `due-${i}`,
      timestamp: firstMs + Math.floor((i * 1000) / LATENESS_PER_SECOND),
    })),
  )
  await fired
  return latenessMs
}

/** Registers and deletes, a few hundred every few milliseconds, until told to stop. */
async function load({ eventTime }: TimerService, until: () => boolean): Promise<void> {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  for (let n = 0; !until(); n++) {
    const extra = makeTimers(200, 'random', PENDING + n * 200)
    await withInFlight(extra, 200, (timer) => eventTime.register(timer))
    await withInFlight(extra, 200, (timer) => eventTime.delete(timer))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  histogram.disable()
  return note(histogram)
}

let phase = ''
function note(histogram: ReturnType<typeof monitorEventLoopDelay>): void {
  for (const share of [50, 99, 99.9])
    figures[`event-loop delay p${share} under load, ${phase}, ms`] = histogram.percentile(share) / 1e6
}

/** Repeats something until a checkpoint is written; a short one is written again and again. */
async function besideCheckpoints(
  store: TimerStore,
  run: (until: () => boolean) => Promise<void>,
): Promise<number[]> {
  const pauses: number[] = []
  const endMs = performance.now() + LOAD_MS
  let isOver = false
  const writing = (async () => {
    do {
      const { pauseMs, path: written } = await store.checkpoint(checkpoints)
      pauses.push(pauseMs)
      fs.rmSync(written)
    } while (performance.now() < endMs)
    isOver = true
  })()
  await Promise.all([writing, run(() => isOver)])
  return pauses
}

async function underCheckpoints(store: TimerStore, service: TimerService): Promise<void> {
  const pauses: number[] = []
  phase = 'no checkpoint'
  const endMs = performance.now() + LOAD_MS
  await load(service, () => performance.now() > endMs)
  phase = 'during checkpoints'
  pauses.push(...(await besideCheckpoints(store, (until) => load(service, until))))
  await atRest()
  const alone = (await lateness(service.processingTime)).sort((a, b) => a - b)
  let beside: number[] = []
  await atRest()
  pauses.push(
    ...(await besideCheckpoints(store, async () => {
      beside = (await lateness(service.processingTime)).sort((a, b) => a - b)
    })),
  )
  figures['lateness p99 at 2,000 a second, no checkpoint, ms'] = percentile(alone, 0.99)
  figures['lateness p99 at 2,000 a second, during checkpoints, ms'] = percentile(beside, 0.99)
  figures['longest pause of a checkpoint, ms'] = Math.max(...pauses)
}

async function checkpointAndRestore(store: TimerStore, { eventTime }: TimerService): Promise<void> {
  // The worker has begun by now: what is timed is a service's usual checkpoint.
  const base = await store.checkpoint(checkpoints, { incremental: true })
  require(base.timers === PENDING, `${base.timers} timers in the checkpoint`)
  figures['timers checkpointed per second'] = perSecond(PENDING, base.durationMs)
  figures['checkpoint bytes per timer'] = base.bytes / PENDING
  await withInFlight(makeTimers(CHANGES, 'random', PENDING), IN_FLIGHT, (timer) => eventTime.register(timer))
  const increment = await store.checkpoint(checkpoints, { incremental: true })
  require(increment.kind === 'incremental', `a checkpoint after ${CHANGES} changes is ${increment.kind}`)
  figures['incremental checkpoint of 10,000 changes, ms'] = increment.durationMs
  await withInFlight(makeTimers(CHANGES, 'random', PENDING), IN_FLIGHT, (timer) => eventTime.delete(timer))
  const restored = path.join(directory, 'restored')
  const { durationMs, timers } = await TimerStore.restore(base.path, restored)
  require(timers === PENDING, `${timers} timers were restored`)
  figures['timers restored per second'] = perSecond(PENDING, durationMs)
  fs.rmSync(restored, { recursive: true })
  fs.rmSync(checkpoints, { recursive: true })
}

/** Opens again, several times, until a timer that is due has fired. */
async function openings(): Promise<void> {
  const opens: number[] = []
  const firsts: number[] = []
  for (let round = 0; round < 5; round++) {
    const startMs = performance.now()
    const store = await TimerStore.open(location)
    opens.push(performance.now() - startMs)
    const fired = new Promise<void>((resolve) => {
      onFired = resolve
    })
    const { processingTime } = await store.service('bench', handlers)
    await fired
    firsts.push(performance.now() - startMs)
    require(processingTime.count >= PENDING >> 1, `${processingTime.count} timers are pending`)
    await leaveOneDue(store, processingTime)
  }
  figures['opening, ms'] = median(opens)
  figures['opening, until the first fires, ms'] = median(firsts)
}

/** Closes with one timer that is due when the store is opened again. */
async function leaveOneDue(store: TimerStore, queue: TimerService['processingTime']): Promise<void> {
  const dueMs = Date.now() + 2000
  await queue.register({ key: 'due', timestamp: dueMs })
  await store.close()
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs + 1 - Date.now())))
}

const store = await TimerStore.open(location)
const service = await store.service('bench', handlers)
await fill(service)
for (let i = 0; i < 3; i++) globalThis.gc?.()
figures['resident memory, anonymous, MiB'] = residentMib().anonymous
await rates(service)
await underCheckpoints(store, service)
await checkpointAndRestore(store, service)
require(service.eventTime.count + service.processingTime.count === PENDING, 'some timers are missing')
await store.compact()
figures['disk per timer after compaction, bytes'] = diskBytes(location) / PENDING
await leaveOneDue(store, service.processingTime)
await openings()
fs.rmSync(directory, { recursive: true })
process.stdout.write(`${JSON.stringify({ timers: PENDING, figures })}\n`)
