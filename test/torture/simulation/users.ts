/**
 * Who uses the services of a simulated shop: people with sessions, a calendar of daily, hourly and far-away timers, sources
 * of events with watermarks. Each lives in one process, and begins again in the next.
 */
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../../src/limits.ts'
import type { Plan } from './behaviour.ts'
import { Gone, type Life } from './life.ts'
import { nextLocal, ZONES } from './zones.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const SESSION_MS = 30 * MINUTE_MS
const NAMESPACES = ['absolute', 'farewell', 'idle', 'never']

/** How much there is. */
export interface Size {
  people: number
  daily: number
  hourly: number
  reminders: number
  /** Between two things that people do. */
  everyMs: number
}

export const SMALL: Size = { people: 40, daily: 60, hourly: 3, reminders: 60, everyMs: 8 * MINUTE_MS }
export const LARGE: Size = { people: 150, daily: 500, hourly: 8, reminders: 2200, everyMs: 8 * MINUTE_MS }

/** Starts all of them; resolves when the process is gone. */
export async function useServices(life: Life, size: Size): Promise<void> {
  const users = [people, follow, makeCalendar, remind, sources, extremes].map((user) =>
    user(life, size).catch((error) => {
      if (!(error instanceof Gone)) life.shop.fail(error)
    }),
  )
  await Promise.all(users)
}

/** Sessions: opened, moved with each thing that is done, closed; and one that ends in any case. */
async function people(life: Life, size: Size): Promise<void> {
  const { world } = life.shop
  for (;;) {
    await life.sleep(world.between(1, 2 * size.everyMs))
    const key = `user-${world.between(0, size.people)}`
    const chance = world.random()
    const payload = planOf(life)
    const now = world.nowMs
    if (chance < 0.55) {
      await life.replace(
        'sessions',
        'processingTime',
        { key, namespace: 'idle', timestamp: now + SESSION_MS },
        payload,
      )
    } else if (chance < 0.7) {
      const absolute = { key, namespace: 'absolute', timestamp: now + 12 * HOUR_MS }
      await life.register('sessions', 'processingTime', absolute, payload)
    } else if (chance < 0.8) {
      await life.deleteAll('sessions', 'processingTime', key, NAMESPACES)
    } else if (chance < 0.95) {
      // One of those that stand: deleted, asked for, or given another payload; also while its handler runs.
      const standing = life.shop.ledgers.sessions.processingTime.of(key, 'idle')[0]
      if (standing === undefined) continue
      const kind = world.random()
      if (kind < 0.4) await life.delete('sessions', 'processingTime', standing)
      else if (kind < 0.7) await life.register('sessions', 'processingTime', standing, payload)
      else await life.has('sessions', 'processingTime', standing)
    } else await burst(life, key)
  }
}

/** Who hears that something fired, and calls at once: while its removal is under way, and others are to fire yet. */
async function follow(life: Life): Promise<void> {
  const { world } = life.shop
  for (;;) {
    await life.sleep(world.between(1, HOUR_MS))
    const service = await life.nextFire()
    const timestamp = world.nowMs + world.pick([-HOUR_MS, 0, world.between(1, 20 * MINUTE_MS)])
    const name = { key: `follower-${world.between(0, 1e9)}`, namespace: 'once', timestamp }
    await life.register(service, 'processingTime', name)
    // Now and then the service is deployed anew before that is due.
    if (!world.chance(0.03)) continue
    await life.sleep(world.between(1, MINUTE_MS))
    life.shop.figures.restarts++
    life.close()
  }
}

/** Many at once, not awaited one by one. */
async function burst(life: Life, key: string): Promise<void> {
  const { world } = life.shop
  const calls: Promise<unknown>[] = []
  for (let i = 0; i < 20; i++) {
    const timestamp = world.nowMs + world.between(-1000, 10 * MINUTE_MS)
    calls.push(
      life.register('sessions', 'processingTime', { key: `${key}-${i % 7}`, namespace: 'idle', timestamp }),
    )
  }
  const outcomes = await Promise.allSettled(calls)
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

/** What some handlers do: fail a few times, or take long. */
function planOf(life: Life): string {
  const { world } = life.shop
  const chance = world.random()
  const plan: Plan = {}
  if (chance < 0.05) plan.fails = world.between(1, 12)
  if (chance > 0.92) plan.slowMs = world.between(1, 8000)
  return Object.keys(plan).length === 0 ? '' : JSON.stringify(plan)
}

/** Daily timers at a local time, and hourly ones; whatever became of them before, they are there. */
async function makeCalendar(life: Life, size: Size): Promise<void> {
  const { world, ledgers } = life.shop
  const { processingTime } = ledgers.calendar
  for (let i = 0; i < size.daily + size.hourly; i++) {
    const isDaily = i < size.daily
    const place = { key: `plan-${i}`, namespace: isDaily ? 'daily' : 'hourly' }
    if (processingTime.of(place.key, place.namespace).length > 0) continue
    const zone = ZONES[i % ZONES.length]!
    // Around the changes to summer time, too: they are at 0, 1, 2 or 3 o'clock.
    const minute = i % 3 === 0 ? world.between(0, 240) : world.between(0, 1440)
    const plan: Plan = isDaily ? { zone, minute } : { everyMs: HOUR_MS }
    if (i % 97 === 5) plan.fails = 2
    if (i % 89 === 7) plan.slowMs = 700
    const timestamp = isDaily ? nextLocal(zone, minute, world.nowMs) : world.nowMs + world.between(1, HOUR_MS)
    await life.sleep(world.between(0, 3))
    await life.register('calendar', 'processingTime', { ...place, timestamp }, JSON.stringify(plan))
  }
}

/** Reminders of months ahead: about as many stand at any time as there are to be. */
async function remind(life: Life, size: Size): Promise<void> {
  const { world, ledgers } = life.shop
  const { processingTime } = ledgers.calendar
  for (;;) {
    await life.sleep(world.between(1, 2 * HOUR_MS))
    const missing = size.daily + size.hourly + size.reminders - processingTime.timers.size
    if (missing > 0) {
      const names = Array.from({ length: Math.min(missing, world.between(1, 40)) }, () => ({
        key: `reminder-${world.between(0, 1e9)}`,
        namespace: 'once',
        timestamp: world.nowMs + world.between(MINUTE_MS, 200 * DAY_MS),
      }))
      const payload = world.chance(0.3) ? JSON.stringify({ snoozeMs: DAY_MS }) : planOf(life)
      await life.registerMany('calendar', 'processingTime', names, payload)
    }
    await life.sleep(world.between(1, HOUR_MS))
    const { calendar } = ledgers
    const next = calendar.processingTime.first(() => true)
    const told = await life
      .service('calendar')
      .processingTime.next()
      .catch((error) => {
        throw life.rejected(error, true)
      })
    if (told?.timestamp !== next?.timestamp || told?.key !== next?.key) {
      life.shop.fail(`next() is ${JSON.stringify(told)}, not ${JSON.stringify(next)}`)
    }
  }
}

const SOURCES = ['app', 'web', 'till']

/** Event time: sources that lag, windows that end, a watermark that is the lowest of all. */
async function sources(life: Life, size: Size): Promise<void> {
  const { world, ledgers } = life.shop
  const lags = SOURCES.map(() => world.between(0, 5 * MINUTE_MS))
  let hasFailed = false
  for (;;) {
    await life.sleep(world.between(1, 2 * size.everyMs))
    const source = world.between(0, SOURCES.length)
    // Some events are late: their window has ended, and fires with the next watermark.
    const at = world.nowMs - lags[source]! - (world.chance(0.1) ? world.between(0, 2 * HOUR_MS) : 0)
    const end = Math.floor(at / (10 * MINUTE_MS)) * 10 * MINUTE_MS + 10 * MINUTE_MS - 1
    const payload = world.chance(0.03) ? JSON.stringify({ fails: 1 }) : ''
    await life.register(
      'windows',
      'eventTime',
      { key: SOURCES[source]!, namespace: 'window', timestamp: end },
      payload,
    )
    if (world.chance(0.02)) lags[source] = world.between(0, HOUR_MS)
    await life.sleep(world.between(1, MINUTE_MS))
    if (!hasFailed && world.chance(0.5)) continue
    const lowest = world.nowMs - Math.max(...lags)
    const firedBefore = life.fired('windows', 'eventTime')
    const fired = await life.advance('windows', world.chance(0.05) ? lowest - DAY_MS : lowest)
    hasFailed = fired === undefined
    const counted = life.fired('windows', 'eventTime') - firedBefore
    if (fired !== undefined && fired !== counted)
      life.shop.fail(`${fired} fired, it is told, and not ${counted}`)
    const { eventTime } = ledgers.windows
    if (fired !== undefined && eventTime.timers.size > 1000) life.shop.fail('windows stay')
  }
}

/** Timers at the ends of time, before the epoch, and further away than a timeout of Node reaches. */
async function extremes(life: Life): Promise<void> {
  const { world } = life.shop
  const { nowMs } = world
  const far = [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32, 2 ** 32 + 5].map((ms) => nowMs + ms)
  const key = `extreme-${world.between(0, 1e9)}`
  for (const timestamp of [MIN_TIMESTAMP, -1, 0, MAX_TIMESTAMP, MAX_TIMESTAMP - 1, ...far]) {
    await life.sleep(world.between(1, HOUR_MS))
    await life.register('sessions', 'processingTime', { key, namespace: 'once', timestamp })
    await life.sleep(1)
    await life.register('windows', 'eventTime', { key, namespace: 'once', timestamp })
  }
  await life.sleep(world.between(1, DAY_MS))
  await life.delete('sessions', 'processingTime', { key, namespace: 'once', timestamp: MAX_TIMESTAMP })
  await life.sleep(1)
  await life.deleteAll('windows', 'eventTime', key, ['once'])
}
