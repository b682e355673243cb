/** How many timers a second are registered in bulk, and then registered, deleted, cancelled and fired beside those. */
import { median, perSecond } from '../measure.ts'
import { makeTimers, withInFlight } from '../workload.ts'
import { atRest, type Bench, IN_FLIGHT, require, timed } from './setup.ts'

const SLICE = 10_000
/** Timers that are registered, cancelled and fired beside those that are pending. */
const SAMPLE = 100_000
/** Steps through a part of them that lead to each once, far from the one before. */
const SCATTER = 15_451
/** How often: one time alone takes half a second, and whatever LevelDB merges just then shows. */
const SAMPLES = 3

export async function fill({ pending, service, figures }: Bench): Promise<void> {
  const { eventTime, processingTime } = service
  let ms = 0
  for (let first = 0; first < pending; first += SLICE) {
    const timers = makeTimers(Math.min(SLICE, pending - first), 'random', first)
    const half = timers.length >> 1
    ms += await timed(() =>
      Promise.all([
        eventTime.registerMany(timers.slice(0, half)),
        processingTime.registerMany(timers.slice(half)),
      ]),
    )
  }
  figures['bulk registers per second, on the way there'] = perSecond(pending, ms)
}

/** Their medians, each time with LevelDB at rest; and those of right after the fill, while it may still merge. */
export async function rates(bench: Bench): Promise<void> {
  const { figures } = bench
  const first = await ratesOnce(bench)
  for (const [name, value] of Object.entries(first)) figures[`${name}, right after the fill`] = value
  const samples: Rates[] = []
  for (let n = 0; n < SAMPLES; n++) {
    await atRest()
    samples.push(await ratesOnce(bench))
  }
  for (const name of Object.keys(first) as (keyof Rates)[])
    figures[name] = median(samples.map((sample) => sample[name]))
}

async function ratesOnce({ pending, service }: Bench) {
  const { eventTime } = service
  const extra = makeTimers(SAMPLE, 'random', pending)
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
