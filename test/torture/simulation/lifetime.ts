/** The lifetime of a store, from its first opening over crashes, restarts and restores to its end, in simulated time. */
import { befall, Fate, restoreNow } from './chance.ts'
import { Life } from './life.ts'
import { Machine } from './machine.ts'
import { type Figures, SERVICES, Shop } from './shop.ts'
import { type Size, useServices } from './users.ts'
import { World } from './world.ts'

const DAY_MS = 86_400_000
/** Beginnings of years, of which each has its changes to summer time. */
const FIRST_YEAR = 2024

export interface LifetimeReport {
  figures: Figures
  lateness: { maxMs: number; maxAfterJumpMs: number }
  jumps: number
  turns: number
  lines: number
  hash: string
}

export async function liveOnce(seed: number, days: number, size: Size): Promise<LifetimeReport> {
  const year = FIRST_YEAR + (seed % 8)
  const world = new World(seed, Date.UTC(year, seed % 12, 1 + (seed % 27), seed % 24))
  const shop = new Shop(world)
  const machine = new Machine(world)
  const fate = new Fate()
  let life: Life | undefined
  world.onTurn = () => {
    if (shop.breach !== undefined) throw shop.breach
    if (fate.death === undefined || fate.death.turn > world.turns || life === undefined) return
    const { power } = fate.death
    fate.death = undefined
    if (life.end === 'killed') return
    if (power) shop.figures.powerLosses++
    else shop.figures.crashes++
    life.kill(power)
  }
  const isOver = () => shop.figures.serviceMs / SERVICES.length >= days * DAY_MS
  const durability = world.chance(0.7) ? 'disk' : 'os'
  fate.canLosePower = durability === 'disk'
  try {
    await world.run(async () => {
      while (!isOver()) {
        life = new Life(shop, machine, fate.location)
        await liveUntilEnd(life, fate, size, durability, isOver)
        if (fate.restore !== undefined && life.end === 'closed' && !life.hasFailed) {
          await restoreNow(life, fate).catch((error) => {
            // It died on the way: the store that was there goes on, unless the new one was whole.
            if (life!.end !== 'killed') shop.fail(error)
          })
        }
        fate.restore = undefined
      }
      fate.death = undefined
      life = new Life(shop, machine, fate.location)
      await life.start(durability)
      await quiet(life)
      life.close()
      await life.bury()
      shop.count()
    })
  } catch (error) {
    const { message, stack } = shop.breach ?? (error as Error)
    throw new Error(`${message}\nSEED=${seed} ${days} days; the last of it:\n${shop.trace.last}\n${stack}`)
  }
  const { figures, checker, trace } = shop
  const { jumps, turns } = world
  return { figures, lateness: checker.lateness, jumps, turns, lines: trace.lines, hash: trace.hash }
}

async function liveUntilEnd(
  life: Life,
  fate: Fate,
  size: Size,
  durability: 'disk' | 'os',
  isOver: () => boolean,
): Promise<void> {
  const { shop } = life
  try {
    await life.start(durability)
  } catch (error) {
    // It died, or an ordered error met it, while it opened.
    if (life.end !== 'killed' && !life.isFaulty) shop.fail(error)
    await life.bury()
    return
  }
  const living = [useServices(life, size), befall(life, fate), watch(life, isOver)]
  const end = await life.ended
  if (end === 'failed') shop.figures.faults++
  await life.bury()
  await Promise.all(living)
}

/** Looks now and then whether anything is overdue, and whether the counts are right. */
async function watch(life: Life, isOver: () => boolean): Promise<void> {
  const { shop } = life
  try {
    for (;;) {
      await life.sleep(shop.world.between(1, DAY_MS / 8))
      shop.count()
      const name = shop.world.pick(SERVICES)
      await life.has(name, 'processingTime', { key: 'nobody', namespace: '', timestamp: 0 })
      lookAround(life)
      if (isOver()) life.close()
    }
  } catch {
    // The process is gone, or what is wrong was noted.
  }
}

function lookAround(life: Life): void {
  const { shop } = life
  const stats = life.store.stats()
  for (const name of SERVICES) {
    const ledger = shop.ledgers[name]
    shop.check(() => shop.checker.overdue(ledger, life.upSinceMs.get(name)!, shop.busy[name]))
    if (!ledger.isSettled) continue
    shop.figures.counts++
    const told = JSON.stringify(stats.services[name])
    const { watermark, eventTime, processingTime } = ledger
    const counts = { watermark, eventTime: eventTime.timers.size, processingTime: processingTime.timers.size }
    if (told !== JSON.stringify(counts)) shop.fail(`${name} counts ${told}, not ${JSON.stringify(counts)}`)
  }
}

/** The last hours: nothing befalls the store any more, and all that is due has fired at their end. */
async function quiet(life: Life): Promise<void> {
  const { shop } = life
  const { world } = shop
  await life.sleep(DAY_MS / 4)
  for (const name of SERVICES) {
    const left = shop.ledgers[name].processingTime.first((entry) => !entry.isWaiting)
    if (left !== undefined && left.timestamp <= world.nowMs - 60_000) {
      shop.fail(`never fired: ${name} ${JSON.stringify(left)}`)
    }
  }
  const findings = await life.store.verify()
  if (findings.length > 0) shop.fail(`verify() found ${JSON.stringify(findings)}`)
}
