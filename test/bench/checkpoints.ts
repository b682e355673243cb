/** Full checkpoints and restore of 1,000,000 timers, against a bare scan and plain sorted batches. */
import fs from 'node:fs'
import path from 'node:path'
import { TimerStore } from '../../src/index.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { eventLoopP99, kilo, median, perSecond, tell } from './measure.ts'
import { makePlainEntries, openPlain, scanPlain, writePlain } from './plain.ts'
import { makeTimers, withInFlight } from './workload.ts'

const TIMERS = Number(process.env.BENCH_LARGE ?? 1_000_000)
const SMALL = 10_000
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)

const directory = temporaryDirectory('bench-checkpoints')
const timers = makeTimers(TIMERS, 'random')

async function filled(name: string, count: number) {
  const store = await TimerStore.open(path.join(directory, name))
  const service = await store.service('bench')
  await service.eventTime.registerMany(timers.slice(0, count))
  return { store, service }
}

const small = await filled('small', SMALL)
const large = await filled('large', TIMERS)
const checkpoints = path.join(directory, 'checkpoints')

const smallPauses: number[] = []
const largePauses: number[] = []
const rates: number[] = []
const scans: number[] = []
let checkpointPath = ''

const sorted = [...makePlainEntries(timers, 1000).identities.keys()]
const plainEntries = makePlainEntries(timers, 1000)
sorted.sort((a, b) => (plainEntries.identities[a]! < plainEntries.identities[b]! ? -1 : 1))
const inOrder = makePlainEntries(
  sorted.map((i) => timers[i]!),
  1000,
)
const scanned = await openPlain(path.join(directory, 'scanned'))
await writePlain(scanned, plainEntries, false)

for (let round = 0; round <= ROUNDS; round++) {
  const { ms, entries } = await scanPlain(scanned)
  const ofSmall = await small.store.checkpoint(checkpoints)
  const ofLarge = await large.store.checkpoint(checkpoints)
  if (ofLarge.timers !== TIMERS || entries !== TIMERS) throw new Error('not exact')
  if (checkpointPath !== '') fs.rmSync(checkpointPath)
  checkpointPath = ofLarge.path
  if (round === 0) continue
  scans.push(perSecond(entries, ms))
  rates.push(perSecond(TIMERS, ofLarge.durationMs))
  smallPauses.push(ofSmall.pauseMs)
  largePauses.push(ofLarge.pauseMs)
}
tell({
  name: 'checkpoint of 1,000,000, verified',
  value: median(rates) / median(scans),
  target: 0.4,
  atLeast: true,
  detail: `${kilo(median(rates))} of ${kilo(median(scans))} scanned`,
})
tell({
  name: 'pauseMs at 1,000,000 (most of the rounds)',
  value: Math.max(...largePauses),
  target: 1,
  atLeast: false,
  detail: `at 10,000: ${Math.max(...smallPauses).toFixed(3)} ms`,
})
await scanned.close()
await small.store.close()

/** The event loop under a steady load: 200 registers and deletes every few milliseconds, with and without a checkpoint. */
async function load(until: () => boolean): Promise<void> {
  for (let n = 0; !until(); n++) {
    const extra = makeTimers(200, 'random', TIMERS + n * 200)
    await withInFlight(extra, 200, (timer) => large.service.eventTime.register(timer))
    await withInFlight(extra, 200, (timer) => large.service.eventTime.delete(timer))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

const without: number[] = []
const during: number[] = []
for (let round = 0; round < ROUNDS; round++) {
  const endMs = performance.now() + 1500
  without.push(await eventLoopP99(() => load(() => performance.now() > endMs)))
  let done = false
  const checkpoint = large.store.checkpoint(checkpoints).finally(() => {
    done = true
  })
  during.push(await eventLoopP99(() => load(() => done)))
  fs.rmSync((await checkpoint).path)
}
tell({
  name: 'event loop p99 under load, added by a checkpoint',
  value: median(during) - median(without),
  target: 5,
  atLeast: false,
  detail: `${median(without).toFixed(1)} ms without, ${median(during).toFixed(1)} ms during`,
})
await large.store.close()

const restores: number[] = []
const plain: number[] = []
for (let round = 0; round <= Math.min(ROUNDS, 3); round++) {
  const target = path.join(directory, `restored-${round}`)
  const level = await openPlain(path.join(directory, `plain-${round}`))
  const plainMs = await writePlain(level, inOrder, false)
  await level.close()
  const restored = await TimerStore.restore(checkpointPath, target)
  if (restored.timers !== TIMERS) throw new Error('not exact')
  fs.rmSync(target, { recursive: true })
  fs.rmSync(path.join(directory, `plain-${round}`), { recursive: true })
  if (round === 0) continue
  plain.push(perSecond(TIMERS, plainMs))
  restores.push(perSecond(TIMERS, restored.durationMs))
}
tell({
  name: 'restore of 1,000,000',
  value: median(restores) / median(plain),
  target: 0.5,
  atLeast: true,
  detail: `${kilo(median(restores))} of ${kilo(median(plain))} plain sorted`,
})
