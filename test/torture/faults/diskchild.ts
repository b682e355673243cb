// A process with a small disk of its own, which it fills in one way after the other; tells its figures.
// Arguments: where the disk is mounted; how many fillings; the seed.

import { existsSync, readdirSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { TidemarkErrorCode } from '../../../src/errors.ts'
import { TimerStore } from '../../../src/index.ts'
import { copyAsCrashed } from '../../support/crash.ts'
import { eventually, inTime } from '../../support/eventually.ts'
import { linesOf } from '../../support/picture.ts'
import { randomFrom } from '../../support/random-generator.ts'
import { inStore, openStore, type Store, spilled } from '../../support/store.ts'
import { definition, SIZES } from './leveldbjob.ts'
import { Attempts, Tally } from './loop.ts'
import { Promises } from './promises.ts'
import { SmallDisk } from './smalldisk.ts'

const [directory, tries, seed] = process.argv.slice(2) as [string, string, string]
const disk = new SmallDisk(directory)
const random = randomFrom(Number(seed))
const tally = new Tally()
const place = (name: string) => join(directory, name)
/** Nothing that compresses well. */
const payload = Array.from({ length: 2000 }, () => random().toString(36).slice(2, 12)).join('')
const FAILED: readonly TidemarkErrorCode[] = ['TIDEMARK_FAILED']
const COUNT = 30

type Orders = Awaited<ReturnType<typeof startOrders>>
const startOrders = (store: Store) => store.service('orders', definition)

/** Registers until a call is rejected; then several calls more, which must be rejected as well. */
async function fillUp(orders: Orders, promises: Promises, from: number): Promise<void> {
  let rejectedAt = Number.POSITIVE_INFINITY
  for (let i = 0; i < 60 && i < rejectedAt + 3; i++) {
    const timestamp = from + i
    const timer = {
      service: 'orders',
      domain: 'eventTime' as const,
      key: 'k',
      namespace: '',
      timestamp,
      payload,
    }
    const call = orders.eventTime.register({ key: 'k', timestamp, payload })
    promises.made(`register ${timestamp}`, call, (timers) => timers.put(timer))
    await promises.settled()
    if (promises.rejected > 0) rejectedAt = Math.min(rejectedAt, i)
  }
}

async function holds(location: string, check: (held: string[]) => void): Promise<void> {
  await inStore(location, { engine: SIZES }, async (store) => {
    check(await linesOf(store))
    const { eventTime } = await store.service('works on')
    assert.is(await eventTime.register({ key: 'k', timestamp: store.stats().version }), true)
  })
}

function quiet(store: Store): Store {
  store.on('error', ({ code }) =>
    assert.ok(FAILED.includes(code) || code === 'TIDEMARK_CHECKPOINT_NOT_FOUND', code),
  )
  return store
}

/** A store as its process left it when it died, and a chain of its checkpoints. */
async function prepare(): Promise<string[]> {
  const store = await openStore(place('before'), { engine: SIZES })
  const { eventTime } = await startOrders(store)
  for (let timestamp = 0; timestamp < COUNT; timestamp++) {
    await eventTime.register({ key: 'k', timestamp, payload })
    if (timestamp === COUNT / 2) await store.checkpoint(place('chain'), { incremental: true })
  }
  await store.checkpoint(place('chain'), { incremental: true })
  const lines = await linesOf(store)
  await copyAsCrashed(store.location, place('crashed'))
  await store.close()
  await rm(place('before'), { recursive: true })
  return lines
}

const prepared = await prepare()

async function registering(freeBytes: number): Promise<void> {
  const location = place('store')
  const store = quiet(
    await openStore(location, { engine: SIZES, durability: random() < 0.5 ? 'disk' : 'os' }),
  )
  const orders = await startOrders(store)
  const promises = new Promises()
  disk.fill(freeBytes)
  await fillUp(orders, promises, 0)
  await inTime(store.close(), 'close()')
  // On the full disk it opens, or says that it cannot; either way nothing is lost.
  const attempts = new Attempts()
  const full = await attempts.attempt('open', FAILED, () => openStore(location, { engine: SIZES }))
  if (full !== undefined) await inTime(quiet(full).close(), 'close()')
  disk.makeRoom()
  await holds(location, (held) => {
    const written = promises.assertHeldBy(held)
    tally.count('registers acknowledged', promises.kept)
    tally.count('rejected and there', written)
    tally.count('rejected and not there', promises.rejected - written)
  })
}

async function opening(freeBytes: number): Promise<void> {
  const location = place('store')
  await cp(place('crashed'), location, { recursive: true })
  disk.fill(freeBytes)
  const attempts = new Attempts()
  const store = await attempts.attempt('open', FAILED, () => openStore(location, { engine: SIZES }))
  if (store !== undefined) await inTime(quiet(store).close(), 'close()')
  tally.count(store === undefined ? 'failed openings' : 'openings')
  disk.makeRoom()
  await holds(location, (held) => assert.equal(held, prepared))
}

async function restoring(freeBytes: number): Promise<void> {
  const location = place('store')
  const before = readdirSync(directory)
  disk.fill(freeBytes)
  const attempts = new Attempts()
  const restored = await attempts.attempt('restore', FAILED, () =>
    TimerStore.restore(place('chain'), location),
  )
  disk.makeRoom()
  tally.count(restored === undefined ? 'failed restores' : 'restores')
  if (restored === undefined) {
    assert.equal(readdirSync(directory), before)
    await TimerStore.restore(place('chain'), location)
  }
  await holds(location, (held) => assert.equal(held, prepared))
}

async function compacting(freeBytes: number): Promise<void> {
  const location = place('store')
  await cp(place('crashed'), location, { recursive: true })
  const store = quiet(await openStore(location, { engine: SIZES }))
  const { eventTime } = await startOrders(store)
  const snapshot = await store.snapshot()
  for (let timestamp = 0; timestamp < 20; timestamp++) await eventTime.delete({ key: 'k', timestamp })
  const lines = await linesOf(store)
  disk.fill(freeBytes)
  await snapshot.release()
  const attempts = new Attempts()
  await attempts.attempt('compact', FAILED, () => store.compact())
  await attempts.attempt('verify', FAILED, async () => assert.equal(await store.verify(), []))
  await inTime(store.close(), 'close()')
  tally.count(`compactions ${attempts.resolved.includes('compact') ? 'done' : 'failed'}`)
  disk.makeRoom()
  await holds(location, (held) => assert.equal(held, lines))
  const again = await openStore(location, { engine: SIZES })
  await eventually(() => again.stats().retired === 0, 'the purge')
  await again.close()
}

/** One store takes checkpoints, full and on each other, on a disk that has room for its own writes. */
async function checkpointing(fillings: readonly number[]): Promise<void> {
  const location = place('store')
  await cp(place('crashed'), location, { recursive: true })
  const store = quiet(await openStore(location, { engine: { ...SIZES, writeBufferBytes: 4 * 1024 * 1024 } }))
  const options = { directory: place('taken'), intervalMs: 1e9, retain: 2, incremental: true, maxLinks: 2 }
  await store.checkpoints.start(options)
  const { eventTime } = await startOrders(store)
  for (const [i, freeBytes] of fillings.entries()) {
    await eventTime.register({ key: 'more', timestamp: 1000 + i, payload })
    // Room for its own writes: what is recent is in the key spaces, and the checkpoint is all that is written.
    await spilled(store)
    const before = readdirSync(place('taken')).sort()
    const attempts = new Attempts()
    disk.fill(freeBytes)
    const taken = await attempts.attempt('checkpoint', FAILED, () => store.checkpoints.trigger())
    disk.makeRoom()
    tally.runs++
    tally.count(taken === undefined ? 'failed checkpoints' : 'checkpoints')
    if (taken === undefined) assert.equal(readdirSync(place('taken')).sort(), before)
    assert.is(store.stats().runningSnapshots, 0)
    await eventually(() => store.stats().retired === 0, 'the purge')
  }
  await eventTime.register({ key: 'more', timestamp: 2000, payload })
  const { path } = await store.checkpoints.trigger()
  const lines = await linesOf(store)
  await store.close()
  await TimerStore.restore(path, place('restored'))
  await holds(place('restored'), (held) => assert.equal(held, lines))
  await rm(place('restored'), { recursive: true })
  await rm(place('taken'), { recursive: true })
  await rm(location, { recursive: true })
}

const KIB = 1024
const scenarios = [registering, opening, restoring, compacting]
for (let round = 0; tally.runs < Number(tries); round++) {
  for (const scenario of scenarios) {
    // From none at all to more than enough, and somewhere within.
    const freeBytes = Math.floor(2 ** (random() * 11)) * 4 * KIB * (random() < 0.2 ? 0 : 1)
    await scenario(freeBytes).catch((error) => {
      throw new Error(`${scenario.name}, ${freeBytes} bytes free: ${error.message}`, { cause: error })
    })
    tally.runs++
    disk.makeRoom()
    if (existsSync(place('store'))) await rm(place('store'), { recursive: true })
  }
  if (round % 8 === 0) {
    await checkpointing(Array.from({ length: 10 }, () => Math.floor(2 ** (random() * 9)) * 4 * KIB))
  }
}
const told = [...tally.outcomes].map(([outcome, many]) => `${many} ${outcome}`).join(', ')
await new Promise<void>((resolve) =>
  process.send!({ tries: tally.runs, told: `${told}, 0 acknowledged lost` }, undefined, undefined, () =>
    resolve(),
  ),
)
process.disconnect()
