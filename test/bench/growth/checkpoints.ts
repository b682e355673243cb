/** A full checkpoint, an incremental one after some changes, and restoring the full one. */
import fs from 'node:fs'
import path from 'node:path'
import { TimerStore } from '../../../src/index.ts'
import { perSecond } from '../measure.ts'
import { makeTimers, withInFlight } from '../workload.ts'
import { type Bench, IN_FLIGHT, require } from './setup.ts'

const CHANGES = 10_000

/** The checkpoint worker has to run already: what is timed is a service's usual checkpoint. */
export async function checkpointAndRestore({ pending, directory, store, service, figures }: Bench) {
  const { eventTime } = service
  const checkpoints = path.join(directory, 'checkpoints')
  const base = await store.checkpoint(checkpoints, { incremental: true })
  require(base.timers === pending, `${base.timers} timers in the checkpoint`)
  figures['timers checkpointed per second'] = perSecond(pending, base.durationMs)
  figures['checkpoint bytes per timer'] = base.bytes / pending
  await withInFlight(makeTimers(CHANGES, 'random', pending), IN_FLIGHT, (timer) => eventTime.register(timer))
  const increment = await store.checkpoint(checkpoints, { incremental: true })
  require(increment.kind === 'incremental', `a checkpoint after ${CHANGES} changes is ${increment.kind}`)
  figures['incremental checkpoint of 10,000 changes, ms'] = increment.durationMs
  await withInFlight(makeTimers(CHANGES, 'random', pending), IN_FLIGHT, (timer) => eventTime.delete(timer))
  const restored = path.join(directory, 'restored')
  const { durationMs, timers } = await TimerStore.restore(base.path, restored)
  require(timers === pending, `${timers} timers were restored`)
  figures['timers restored per second'] = perSecond(pending, durationMs)
  fs.rmSync(restored, { recursive: true })
  fs.rmSync(checkpoints, { recursive: true })
}
