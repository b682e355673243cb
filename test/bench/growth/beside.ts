/** What a checkpoint costs what runs beside it: the event loop's delay and the lateness of fires, with and without one. */
import fs from 'node:fs'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { percentile } from '../percentiles.ts'
import { makeTimers, withInFlight } from '../workload.ts'
import { lateness } from './fires.ts'
import { atRest, type Bench } from './setup.ts'

const LOAD_MS = 3000

export async function besideCheckpoints(bench: Bench): Promise<void> {
  const { service, figures } = bench
  await load(bench, 'no checkpoint', () => true)
  const pauses = await whileWriting(bench, (written) =>
    // One checkpoint from beginning to end, however long it takes.
    load(bench, 'during checkpoints', () => written() > 0),
  )
  await atRest()
  const alone = await lateness(service.processingTime)
  let beside: number[] = []
  await atRest()
  const laterPauses = await whileWriting(bench, async () => {
    beside = await lateness(service.processingTime)
  })
  figures['lateness p99 at 2,000 a second, no checkpoint, ms'] = percentile(alone, 0.99)
  figures['lateness p99 at 2,000 a second, during checkpoints, ms'] = percentile(beside, 0.99)
  figures['longest pause of a checkpoint, ms'] = Math.max(...pauses, ...laterPauses)
}

/** Writes one checkpoint after the other until `run` has ended, the first begun before it; returns their pauses. */
async function whileWriting(
  { store, directory }: Bench,
  run: (written: () => number) => Promise<void>,
): Promise<number[]> {
  const pauses: number[] = []
  let isOver = false
  const writing = async () => {
    do {
      const { pauseMs, path: written } = await store.checkpoint(path.join(directory, 'beside'))
      pauses.push(pauseMs)
      fs.rmSync(written)
    } while (!isOver)
  }
  const running = async () => {
    await run(() => pauses.length)
    isOver = true
  }
  await Promise.all([writing(), running()])
  return pauses
}

/** Registers and deletes, a few hundred every few milliseconds, for a while and until it may end. */
async function load({ pending, service, figures }: Bench, phase: string, mayEnd: () => boolean) {
  const { eventTime } = service
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  const endMs = performance.now() + LOAD_MS
  histogram.enable()
  for (let n = 0; performance.now() < endMs || !mayEnd(); n++) {
    const extra = makeTimers(200, 'random', pending + n * 200)
    await withInFlight(extra, 200, (timer) => eventTime.register(timer))
    await withInFlight(extra, 200, (timer) => eventTime.delete(timer))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  histogram.disable()
  for (const share of [50, 99, 99.9])
    figures[`event-loop delay p${share} under load, ${phase}, ms`] = histogram.percentile(share) / 1e6
}
