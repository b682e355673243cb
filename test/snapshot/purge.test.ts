// timeout: 300s
// The purge does what the end of a snapshot made possible and no more, in slices that hold nobody up.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Engine, Entry, ScanRange } from '../../src/engine/engine.ts'
import { END, RETIRED } from '../../src/engine/keyspaces.ts'
import type { Call } from '../../src/log/calls.ts'
import { CommitPipeline } from '../../src/log/pipeline.ts'
import { RecentTimers } from '../../src/log/recent.ts'
import { LogRetention } from '../../src/log/retention.ts'
import { type ServiceState, StoreState } from '../../src/log/state.ts'
import { takeCut } from '../../src/snapshot/cut.ts'
import { Purger } from '../../src/snapshot/purge.ts'
import { RetiredTimers } from '../../src/snapshot/retired.ts'
import { type RunningSnapshot, RunningSnapshots } from '../../src/snapshot/running.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { retiredKey } from '../../src/timer/stored.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { isVisible } from '../../src/timer/visibility.ts'
import { SlowEngine } from '../support/engine.ts'
import { watchEventLoop } from '../support/eventloop.ts'
import { eventually, turns } from '../support/eventually.ts'
import { randomFrom, seed } from '../support/random.ts'
import { startService } from '../support/startservice.ts'
import { verified, withStore } from '../support/store.ts'

const QUEUE = queuePrefix(0, 'eventTime')

function identityOf(n: number): string {
  return `${keyPrefix(QUEUE, n % 128, `k${n}`)}\0${encodeTimestamp(n)}`
}

/** A store's parts around the purge, on an engine in memory that counts what is read of the retired space. */
class Parts {
  readonly engine: SlowEngine
  readonly state = new StoreState('store', 128)
  readonly pipeline: CommitPipeline
  readonly purger: Purger
  readonly running: RunningSnapshots
  readonly errors: Error[] = []
  readonly everRetired: { key: string; since: number; deleted: number }[] = []
  service!: ServiceState
  retiredRead = 0
  purges = 0

  static async open(maxGroupCharacters?: number, turnsOf: () => number = () => 0): Promise<Parts> {
    const parts = new Parts(await SlowEngine.open(turnsOf), maxGroupCharacters)
    parts.service = await startService(parts.pipeline)
    return parts
  }

  private constructor(engine: SlowEngine, maxGroupCharacters?: number) {
    this.engine = engine
    const { state } = this
    const retired = new RetiredTimers(0, maxGroupCharacters)
    this.running = new RunningSnapshots(retired, () => this.purger.wake())
    this.pipeline = new CommitPipeline({
      engine,
      state,
      retention: new LogRetention(1 << 20, 0),
      recent: new RecentTimers(1 << 20),
      flushToDisk: true,
      now: () => 0,
      newestSnapshot: () => retired.newest,
      onRetired: (identity, since) => {
        this.everRetired.push({ key: retiredKey(identity, since), since, deleted: state.decidedVersion + 1 })
        retired.retire(identity, since)
      },
      onDecided: () => {},
      onApplied: ({ events }) => {
        for (const event of events) if (event.kind === 'purge') this.purges++
      },
      onFailed: (error) => this.errors.push(error),
    })
    const watched: Engine = Object.create(engine, {
      scan: { value: (range: ScanRange) => this.#scan(range) },
    })
    const onError = (error: unknown) => this.errors.push(error as Error)
    this.purger = new Purger({ engine: watched, pipeline: this.pipeline, state, retired, onError })
  }

  #scan(range: ScanRange): { read(): Promise<Entry[]> } {
    const scan = this.engine.scan(range)
    return {
      read: async () => {
        const entries = await scan.read()
        this.retiredRead += entries.length
        return entries
      },
    }
  }

  submit<T>(make: (settle: never) => Call): Promise<T> {
    return new Promise((resolve, reject) => this.pipeline.submit(make({ resolve, reject } as never)))
  }

  change(kind: 'register' | 'delete', n: number, payload = ''): Promise<boolean> {
    const queue = this.service.eventTime
    const identity = identityOf(n)
    return this.submit((settle) => ({ kind, queue, identity, timestamp: n, payload, settle, answer: false }))
  }

  async changeAll(kind: 'register' | 'delete', from: number, to: number): Promise<void> {
    await Promise.all(Array.from({ length: to - from }, (_, i) => this.change(kind, from + i)))
  }

  async snapshot(): Promise<RunningSnapshot> {
    return (await takeCut(this.pipeline, this.running)).running
  }

  async stored(): Promise<readonly Entry[]> {
    await this.pipeline.barrier()
    return this.engine.scan({ from: RETIRED, to: RETIRED + END, limit: 100_000 }).read()
  }

  async storedCount(): Promise<number> {
    return (await this.stored()).length
  }

  async close(): Promise<void> {
    await this.purger.stop()
    await this.pipeline.end()
    assert.equal(this.errors, [])
  }
}

test('a snapshot that ends frees what only it held, without a look at what a long one holds', async () => {
  const parts = await Parts.open(10_000)
  await parts.changeAll('register', 0, 3000)
  const long = await parts.snapshot()
  await parts.changeAll('delete', 0, 2900)
  for (let round = 0; round < 5; round++) {
    await parts.changeAll('register', 5000, 5020)
    const short = await parts.snapshot()
    await parts.changeAll('delete', 5000, 5020)
    await parts.change('delete', 2900 + round)
    const held = 2901 + round
    assert.is(await parts.storedCount(), held + 20)
    short.release()
    await eventually(async () => (await parts.storedCount()) === held, 'the purge of what the short one held')
  }
  assert.is(parts.retiredRead, 0)
  long.release()
  await eventually(async () => (await parts.storedCount()) === 0, 'the purge of all')
  await parts.close()
})

test('a snapshot that frees nothing begins nothing', async () => {
  const parts = await Parts.open(1000)
  await parts.changeAll('register', 0, 500)
  const first = await parts.snapshot()
  const second = await parts.snapshot()
  await parts.changeAll('delete', 0, 500)
  const third = await parts.snapshot()
  for (const snapshot of [second, third]) {
    snapshot.release()
    await turns()
    await parts.pipeline.barrier()
  }
  assert.equal([parts.retiredRead, parts.purges, await parts.storedCount()], [0, 0, 500])
  first.release()
  await eventually(async () => (await parts.storedCount()) === 0, 'the purge')
  await parts.close()
})

test('a sweep ends when it has found what is free', async () => {
  const parts = await Parts.open(1000)
  // Key groups 0 to 127 in order: what stands first in the space is freed first.
  await parts.changeAll('register', 0, 128 * 80)
  const long = await parts.snapshot()
  const later = (n: number) => n % 128 >= 4
  for (let n = 0; n < 128 * 80; n++) if (later(n)) void parts.change('delete', n)
  await parts.pipeline.barrier()
  for (let n = 0; n < 128 * 80; n++) if (!later(n)) void parts.change('register', n, '"changed"')
  const short = await parts.snapshot()
  for (let n = 0; n < 128 * 80; n++) if (!later(n)) void parts.change('delete', n)
  await parts.pipeline.barrier()
  const before = await parts.storedCount()
  assert.is(before, 128 * 80 + 4 * 80)
  short.release()
  await eventually(async () => (await parts.storedCount()) === before - 4 * 80, 'the purge')
  await turns()
  assert.ok(parts.retiredRead < before / 2, `${parts.retiredRead} of ${before} entries were read`)
  long.release()
  await eventually(async () => (await parts.storedCount()) === 0, 'the purge of all')
  await parts.close()
})

test('what is free while its commit is still being written is found', async () => {
  let slowness = 0
  const parts = await Parts.open(0, () => slowness)
  await parts.changeAll('register', 0, 10)
  const snapshot = await parts.snapshot()
  const { decidedVersion } = parts.state
  slowness = 40
  const deleted = parts.changeAll('delete', 0, 10)
  // Turn by turn: whoever looked less often might find it written already.
  while (parts.state.decidedVersion === decidedVersion) await turns(1)
  assert.is(parts.state.appliedVersion, decidedVersion)
  snapshot.release()
  await deleted
  slowness = 0
  await eventually(async () => (await parts.storedCount()) === 0, 'the purge')
  await parts.close()
})

test('a damaged entry is told, and holds back nothing but itself, and that until no snapshot runs', async () => {
  const parts = await Parts.open(0)
  await parts.changeAll('register', 0, 100)
  const held = await parts.snapshot()
  await parts.changeAll('register', 100, 200)
  const short = await parts.snapshot()
  await parts.changeAll('delete', 0, 200)
  const damaged = (await parts.stored()).find(([key]) => key.includes('k150\0'))!
  const batch = parts.engine.batch()
  batch.put(damaged[0], `${damaged[1].slice(0, -1)}-`)
  await parts.engine.write(batch, false)
  short.release()
  await eventually(async () => (await parts.storedCount()) === 101, 'the purge of all but one')
  await turns()
  const [error, ...more] = parts.errors.splice(0) as (Error & { code: string })[]
  assert.equal([error?.code, more], ['TIDEMARK_CORRUPT', []])
  assert.ok(error!.message.includes('k150'))
  held.release()
  await eventually(async () => (await parts.storedCount()) <= 1, 'the purge of the rest')
  await parts.close()
})

test('H12. beside commits and snapshots at random, what is kept is what is held, on an engine of any speed', async () => {
  const random = randomFrom(seed)
  const below = (n: number) => Math.floor(random() * n)
  for (let round = 0; round < 12; round++) {
    const parts = await Parts.open([0, 300, undefined][round % 3], () => below(4))
    const snapshots: RunningSnapshot[] = []
    for (let step = 0; step < 150; step++) {
      const from = below(300)
      const kind = below(8)
      if (kind === 0) snapshots.push(await parts.snapshot())
      else if (kind === 1) snapshots.splice(below(snapshots.length), 1)[0]?.release()
      else void parts.changeAll(kind < 5 ? 'register' : 'delete', from, from + below(60))
      if (kind === 7) await turns(below(10))
    }
    const isHeld = ({ since, deleted }: { since: number; deleted: number }) =>
      snapshots.some(({ version }) => isVisible(since, deleted, version))
    await parts.pipeline.barrier()
    const held = parts.everRetired.filter(isHeld).map(({ key }) => key)
    await eventually(async () => (await parts.storedCount()) <= held.length, 'the purge of what nobody holds')
    assert.equal((await parts.stored()).map(([key]) => key).sort(), held.sort())
    while (snapshots.length > 0) snapshots.splice(below(snapshots.length), 1)[0]!.release()
    await eventually(async () => (await parts.storedCount()) === 0, 'the purge of all')
    await parts.close()
  }
})

test('a slice of the purge never holds the event loop for long, whatever it removes', async () => {
  const shapes = [
    { timers: 100_000, payload: undefined },
    { timers: 2000, payload: 'x'.repeat(60_000) },
  ]
  for (const { timers, payload } of shapes) {
    await withStore({}, async (store) => {
      const { z } = await import('zod')
      const { eventTime } = await store.service('orders', { payload: z.string().optional() })
      const make = (n: number) => ({
        key: `k${n % 1000}`,
        timestamp: n,
        ...(payload === undefined ? {} : { payload }),
      })
      for (let n = 0; n < timers; n += 1000) {
        await eventTime.registerMany(Array.from({ length: 1000 }, (_, i) => make(n + i)))
      }
      const first = await store.snapshot()
      for (let key = 0; key < 1000; key++) void eventTime.deleteAll({ key: `k${key}` })
      // Another snapshot runs on, so that each entry is looked at.
      const second = await store.snapshot()
      assert.is(store.stats().retired, timers)
      const stop = watchEventLoop()
      await first.release()
      await eventually(() => store.stats().retired === 0, 'the purge')
      const heldMs = stop()
      console.log(`${timers} timers: the event loop was held for ${heldMs.toFixed(1)} ms at most`)
      assert.ok(heldMs < 60, `${heldMs.toFixed(1)} ms`)
      await second.release()
      await verified(store)
    })
  }
})

test.run()
