/** Registering one by one, and firing, against plain batches of the same entries: rounds alternate within one run. */
import path from 'node:path'
import { TimerStore } from '../../src/index.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { kilo, median, perSecond, tell } from './measure.ts'
import { makePlainEntries, openPlain, writePlain } from './plain.ts'
import { makeTimers, withInFlight } from './workload.ts'

const TIMERS = Number(process.env.BENCH_TIMERS ?? 200_000)
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)
const IN_FLIGHT = 2000
const BATCH_TIMERS = 1000

async function registerAndFire(directory: string, timers: ReturnType<typeof makeTimers>) {
  const store = await TimerStore.open(directory)
  let called = 0
  const service = await store.service('bench', {
    onEventTime: async () => {
      called++
    },
  })
  const startMs = performance.now()
  await withInFlight(timers, IN_FLIGHT, (timer) => service.eventTime.register(timer))
  const registeredMs = performance.now()
  const { fired } = await service.advanceWatermark(Number.MAX_SAFE_INTEGER)
  const firedMs = performance.now()
  const findings = await store.verify()
  await store.close()
  if (fired !== timers.length || called !== timers.length || findings.length > 0) {
    throw new Error(`not exact: ${fired} fired, ${called} handled, ${findings.length} findings`)
  }
  return {
    register: perSecond(timers.length, registeredMs - startMs),
    fire: perSecond(timers.length, firedMs - registeredMs),
  }
}

for (const order of ['ascending', 'random'] as const) {
  const timers = makeTimers(TIMERS, order)
  const entries = makePlainEntries(timers, BATCH_TIMERS)
  const plain: number[] = []
  const register: number[] = []
  const fire: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const directory = temporaryDirectory('bench-rates')
    const level = await openPlain(path.join(directory, 'plain'))
    const plainMs = await writePlain(level, entries, true)
    await level.close()
    const ours = await registerAndFire(path.join(directory, 'store'), timers)
    if (round === 0) continue // The first round warms up.
    plain.push(perSecond(TIMERS, plainMs))
    register.push(ours.register)
    fire.push(ours.fire)
  }
  tell({
    name: `register one by one, ${order}`,
    value: median(register) / median(plain),
    target: order === 'ascending' ? 0.6 : 0.45,
    atLeast: true,
    detail: `${kilo(median(register))} of ${kilo(median(plain))} plain`,
  })
  tell({
    name: `fire, ${order}`,
    value: median(fire) / median(register),
    target: 0.7,
    atLeast: true,
    detail: `${kilo(median(fire))} of ${kilo(median(register))} registered`,
  })
}
