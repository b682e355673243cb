/**
 * What befalls a machine and its store: clocks that are set, sleep, errors of the disk, crashes, restarts, checkpoints,
 * snapshots that are held for days, restores.
 */
import { restoreCheckpoint } from '../../../src/checkpoint/restore.ts'
import { TidemarkError } from '../../../src/index.ts'
import { Gone, type Life } from './life.ts'
import { compareSnapshot } from './reconcile.ts'
import type { Cut } from './shop.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Turns within which a process that is to die does so: amid what it does. */
const TURNS_TO_LIVE = 3000

/** A checkpoint that was completed, and what it should hold. */
export interface Taken {
  path: string
  cut: Cut
}

/** What outlives a process of what befell it. */
export class Fate {
  /** Checkpoints that can be restored, by directory. */
  taken: Taken[] = []
  readonly cuts = new Map<number, Cut>()
  #cuts = 0
  directories = 0
  /** Where the store is. */
  location = '/store-0'
  stores = 0
  /** The turn in which the process dies, and whether the power fails. */
  death: { turn: number; power: boolean } | undefined
  /** What to restore when the process has closed. */
  restore: Taken | undefined
  canLosePower = false

  /** Notes what a checkpoint that is cut now should hold; its metadata. */
  cut(cut: Cut): { cut: number } {
    this.cuts.set(++this.#cuts, cut)
    if (this.cuts.size > 40) this.cuts.delete(this.cuts.keys().next().value!)
    return { cut: this.#cuts }
  }

  newDirectory(): string {
    return `/checkpoints-${++this.directories}`
  }
}

type Event = (life: Life, fate: Fate) => Promise<void>

/** What may happen, and how often against each other. */
const EVENTS: readonly [Event, number][] = [
  [setOn, 5],
  [setBack, 3],
  [setBackAmidBacklog, 3],
  [setBackAmidRetries, 2],
  [slew, 4],
  [leapSecond, 2],
  [suspend, 4],
  [crash, 10],
  [restart, 5],
  [failWrite, 4],
  [failRead, 3],
  [checkpoint, 12],
  [periodic, 4],
  [snapshot, 6],
  [restore, 6],
  [compact, 1],
]

const SUM = EVENTS.reduce((sum, [, weight]) => sum + weight, 0)

/** One thing after the other, until the process is gone. */
export async function befall(life: Life, fate: Fate): Promise<void> {
  const { world } = life.shop
  try {
    for (;;) {
      await life.sleep(Math.floor(-Math.log(1 - world.random()) * 6 * HOUR_MS))
      let at = world.random() * SUM
      const [event] = EVENTS.find(([, weight]) => {
        at -= weight
        return at < 0
      })!
      life.shop.trace.add(event.name)
      await event(life, fate)
    }
  } catch (error) {
    if (!(error instanceof Gone)) life.shop.fail(error)
  }
}

async function setOn({ shop: { world } }: Life): Promise<void> {
  world.jump(world.pick([1, 1000, world.between(1, HOUR_MS), world.between(1, 3 * DAY_MS)]))
}

async function setBack({ shop: { world } }: Life): Promise<void> {
  world.jump(-world.pick([1, 1000, world.between(1, HOUR_MS), world.between(1, DAY_MS)]))
}

/** Timers wait for slow handlers when the clock is set back: those whose time is to come again must wait for it. */
async function setBackAmidBacklog(life: Life): Promise<void> {
  const { world } = life.shop
  const payload = JSON.stringify({ slowMs: world.between(100, 3000) })
  const names = Array.from({ length: 40 }, (_, i) => {
    return { key: `waits-${i}`, namespace: 'once', timestamp: world.nowMs - world.between(0, MINUTE_MS) }
  })
  await life.registerMany('sessions', 'processingTime', names, payload)
  await life.sleep(world.between(1, 20_000))
  const first = { key: `first-${world.between(0, 1e9)}`, namespace: 'once', timestamp: world.nowMs - HOUR_MS }
  await life.register('sessions', 'processingTime', first)
  await life.sleep(world.between(1, 5000))
  world.jump(-world.pick([1000, world.between(1, HOUR_MS)]))
}

/** Timers wait to be tried again when the clock is set back: no longer for that than they would have waited. */
async function setBackAmidRetries(life: Life): Promise<void> {
  const { world } = life.shop
  const names = Array.from({ length: 5 }, (_, i) => {
    return { key: `fails-${i}`, namespace: 'once', timestamp: world.nowMs - 2 * DAY_MS - i }
  })
  await life.registerMany('sessions', 'processingTime', names, JSON.stringify({ fails: 14 }))
  await life.sleep(world.between(1, 5 * MINUTE_MS))
  world.jump(-world.between(2 * HOUR_MS, DAY_MS))
}

/** NTP: the clock runs 500 parts in a million too fast or too slow for some minutes. */
async function slew(life: Life): Promise<void> {
  const { world } = life.shop
  const step = world.chance(0.5) ? 1 : -1
  for (let i = 0; i < 100; i++) {
    await life.sleep(2000)
    world.jump(step)
  }
}

/** A leap second: smeared over a day, or the clock is set back by one. */
async function leapSecond(life: Life): Promise<void> {
  const { world } = life.shop
  if (world.chance(0.5)) {
    world.jump(-1000)
    return
  }
  for (let i = 0; i < 100; i++) {
    await life.sleep(DAY_MS / 100)
    world.jump(-10)
  }
}

/** The machine sleeps: the wall clock goes on, and nothing wakes up. */
async function suspend({ shop }: Life): Promise<void> {
  const { world } = shop
  const ms = world.pick([world.between(1, HOUR_MS), world.between(1, DAY_MS), world.between(1, 6 * DAY_MS)])
  shop.count()
  world.jump(ms)
  shop.countSuspended(ms)
}

async function crash({ shop: { world } }: Life, fate: Fate): Promise<void> {
  const power = fate.canLosePower && world.chance(0.5)
  fate.death ??= { turn: world.turns + world.between(0, TURNS_TO_LIVE), power }
}

async function restart(life: Life): Promise<void> {
  life.shop.figures.restarts++
  life.close()
}

async function failWrite(life: Life): Promise<void> {
  const { world } = life.shop
  const engine = life.machine.platform.engine(life.location)
  engine.writesDespite = world.chance(0.5)
  engine.failWrite = world.between(1, 40)
  life.isFaulty = true
}

async function failRead(life: Life): Promise<void> {
  const engine = life.machine.platform.engine(life.location)
  engine.failRead = life.shop.world.between(1, 200)
  life.isFaulty = true
}

async function checkpoint(life: Life, fate: Fate): Promise<void> {
  const { shop } = life
  const { world } = shop
  if (fate.directories === 0 || fate.taken.length >= 12) {
    // Into the last one some may still be on their way.
    const old = `/checkpoints-${fate.directories - 1}`
    fate.newDirectory()
    fate.taken = []
    await life.machine.files.rm(old, { recursive: true, force: true })
    await life.sleep(1)
  }
  const cut = shop.cut()
  const metadata = fate.cut(cut)
  const incremental = world.chance(0.6)
  const directory = `/checkpoints-${fate.directories}`
  // Beside everything else: also beside the next one.
  life.store.checkpoint(directory, { metadata, incremental }).then(
    ({ path, kind }) => {
      shop.figures.checkpoints++
      shop.trace.add(`checkpoint ${kind} ${path}`)
      if (path.startsWith(`/checkpoints-${fate.directories}/`)) fate.taken.push({ path, cut })
    },
    (error: TidemarkError) => {
      const mayFail = life.isFaulty || life.end !== undefined
      if (!mayFail) shop.fail(error)
    },
  )
}

/** Periodic ones for the rest of this life, or no more. */
async function periodic(life: Life, fate: Fate): Promise<void> {
  const { shop } = life
  const { checkpoints } = life.store
  if (checkpoints.listenerCount('completed') > 0) return
  checkpoints.on('completed', ({ path }) => {
    shop.figures.checkpoints++
    shop.trace.add(`periodic ${path}`)
  })
  checkpoints.on('failed', ({ error }) => {
    if (!life.isFaulty && life.end === undefined) shop.fail(error)
  })
  const metadata = () => fate.cut(shop.cut())
  const intervalMs = shop.world.between(HOUR_MS, DAY_MS)
  const options = {
    directory: '/periodic',
    intervalMs,
    incremental: true,
    retain: 3,
    tolerableFailures: 1e6,
    metadata,
  }
  await checkpoints.start(options).catch((error) => {
    throw life.rejected(error, true)
  })
}

/** Held for up to some days; then it must be what it was. */
async function snapshot(life: Life): Promise<void> {
  const { shop } = life
  const cut = shop.cut()
  const taken = life.store.snapshot()
  const hold = async () => {
    const held = await taken
    await life.sleep(shop.world.pick([0, shop.world.between(1, HOUR_MS), shop.world.between(1, 4 * DAY_MS)]))
    await compareSnapshot(held, cut)
    shop.figures.snapshots++
    await held.release()
  }
  hold().catch((error) => {
    if (error instanceof Gone || life.end !== undefined) return
    if (error instanceof TidemarkError && life.isFaulty) return
    shop.fail(error)
  })
}

/** A new store from a checkpoint, which goes on in the place of this one. */
async function restore(life: Life, fate: Fate): Promise<void> {
  const { world } = life.shop
  fate.restore = fate.taken.length === 0 ? undefined : world.pick(fate.taken)
  if (world.chance(0.3)) {
    // Until it is closed a newer one may come, and this one be removed: it is asked for again then.
    const latest = await latestOf(life)
    const known = latest === undefined ? undefined : fate.cuts.get((latest.metadata as { cut: number }).cut)
    if (known !== undefined) fate.restore = { path: '/periodic', cut: known }
  }
  if (fate.restore !== undefined) life.close()
}

async function latestOf(life: Life) {
  try {
    return await life.store.checkpoints.latest()
  } catch {
    return undefined
  }
}

async function compact(life: Life): Promise<void> {
  await life.store.compact().catch((error) => {
    throw life.rejected(error, true)
  })
}

/** Restores what was asked for: the new store is the one that goes on, as soon as it is there. */
export async function restoreNow(life: Life, fate: Fate): Promise<void> {
  const { shop, machine } = life
  const { path, cut } = fate.restore!
  const location = `/store-${++fate.stores}`
  const summary = await restoreCheckpoint(path, location, {}, machine.platform)
  const { cut: number } = summary.metadata as { cut: number }
  shop.become(path === '/periodic' ? fate.cuts.get(number)! : cut)
  shop.figures.restores++
  shop.trace.add(`restored ${path}, ${summary.timers} timers`)
  fate.location = location
  // What the new store takes has a directory of its own.
  const old = [
    life.location,
    '/periodic',
    `/checkpoints-${fate.directories - 1}`,
    `/checkpoints-${fate.directories}`,
  ]
  fate.newDirectory()
  fate.taken = []
  for (const directory of old) await machine.files.rm(directory, { recursive: true, force: true })
}
