// The trimmer: what was held and is free goes, in slices, whatever happens beside it and whenever it became free.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LOG_TRIM_SLICE_ENTRIES } from '../../src/limits.ts'
import type { Call } from '../../src/log/calls.ts'
import type { Commit } from '../../src/log/events.ts'
import { CommitPipeline } from '../../src/log/pipeline.ts'
import { RecentTimers } from '../../src/log/recent.ts'
import { type LogHold, LogRetention } from '../../src/log/retention.ts'
import { StoreState } from '../../src/log/state.ts'
import { LogTrimmer } from '../../src/log/trimmer.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { SlowEngine } from '../support/engine.ts'
import { turns } from '../support/eventually.ts'
import { randomFrom, seed } from '../support/random.ts'
import { startService } from '../support/startservice.ts'

interface Bench {
  engine: SlowEngine
  pipeline: CommitPipeline
  retention: LogRetention
  trimmer: LogTrimmer
  errors: unknown[]
  /** Commits that removed log entries in a slice. */
  slices(): number
  register(count: number): Promise<void>
  /** Called for each commit, when it is durable. */
  onApplied: (commit: Commit) => void
  stored(): Promise<{ entries: number; bytes: number; oldest: number }>
}

/** A pipeline on an engine in memory whose tail is a few entries. */
async function benchOf(delay: () => number = () => 0): Promise<Bench> {
  const engine = await SlowEngine.open(delay)
  const state = new StoreState('store', 128)
  const retention = new LogRetention(10, 0)
  const errors: unknown[] = []
  let slices = 0
  let bench: Bench | undefined
  const pipeline = new CommitPipeline({
    engine,
    state,
    retention,
    recent: new RecentTimers(10),
    flushToDisk: false,
    now: () => 0,
    newestSnapshot: () => 0,
    onRetired: () => {},
    onDecided: () => {},
    onApplied: (commit) => {
      if (commit.events.some(({ kind }) => kind === 'purge')) slices++
      bench?.onApplied(commit)
    },
    onFailed: (error) => errors.push(error),
  })
  const trimmer = new LogTrimmer(engine, pipeline, retention, (error) => errors.push(error))
  const submit = <T>(make: (settle: never) => Call): Promise<T> =>
    new Promise((resolve, reject) => pipeline.submit(make({ resolve, reject } as never)))
  const service = await startService(pipeline)
  let registered = 0
  bench = {
    engine,
    pipeline,
    retention,
    trimmer,
    errors,
    slices: () => slices,
    register: async (count) => {
      for (let i = 0; i < count; i++) {
        const timestamp = registered++
        const identity = `${keyPrefix(queuePrefix(0, 'eventTime'), 0, 'key')}\0${encodeTimestamp(timestamp)}`
        const queue = service.eventTime
        // Anchors are what lets the tail go on: long payloads bring them often.
        const payload = JSON.stringify('x'.repeat(timestamp % 10 === 0 ? 30_000 : 10))
        const call = { kind: 'register' as const, queue, identity, timestamp, payload, answer: false }
        await submit((settle) => ({ ...call, settle }))
      }
    },
    onApplied: () => {},
    stored: async () => {
      const log = await engine.scan({ from: 'l', to: 'm', limit: 1_000_000 }).read()
      const bytes = log.reduce((sum, [, value]) => sum + value.length, 0)
      return { entries: log.length, bytes, oldest: state.appliedVersion - log.length + 1 }
    },
  }
  return bench
}

/** Nothing is free, and all that is told is there. */
async function assertTrimmed({ retention, stored, errors }: Bench, name = ''): Promise<void> {
  assert.is(retention.oldest, retention.freeBefore, name)
  const { entries, bytes, oldest } = await stored()
  assert.equal(
    { entries: retention.entries, bytes: retention.bytes, oldest: retention.oldest },
    { entries, bytes, oldest },
  )
  assert.equal(errors, [])
}

test('what is let go is removed in slices, a commit each', async () => {
  const bench = await benchOf()
  const hold = bench.retention.hold(1, Number.POSITIVE_INFINITY)
  await bench.register(1000)
  assert.ok(bench.retention.tail > 800)
  assert.is((await bench.stored()).oldest, 1)
  bench.retention.release(hold)
  await turns(200)
  await assertTrimmed(bench)
  assert.is(bench.slices(), Math.ceil((bench.retention.oldest - 1) / LOG_TRIM_SLICE_ENTRIES))
})

test('where one hold ends and another begins in the same turn, what both held goes once', async () => {
  const bench = await benchOf()
  const first = bench.retention.hold(1, Number.POSITIVE_INFINITY)
  await bench.register(200)
  const second = bench.retention.hold(100, Number.POSITIVE_INFINITY)
  bench.retention.release(first)
  bench.retention.release(second)
  const third = bench.retention.hold(150, Number.POSITIVE_INFINITY)
  await turns(100)
  assert.is(bench.retention.oldest, 150)
  await assertTrimmed(bench)
  assert.is(bench.slices(), 1)
  bench.retention.release(third)
  await turns(100)
  await assertTrimmed(bench)
})

test('log that becomes free at any moment of a trim goes as well', async () => {
  for (let microtasks = 0; microtasks < 24; microtasks++) {
    const bench = await benchOf()
    const first = bench.retention.hold(1, Number.POSITIVE_INFINITY)
    await bench.register(300)
    const second = bench.retention.hold(100, Number.POSITIVE_INFINITY)
    bench.onApplied = async () => {
      bench.onApplied = () => {}
      for (let i = 0; i < microtasks; i++) await undefined
      bench.retention.release(second)
    }
    bench.retention.release(first)
    await turns(100)
    await assertTrimmed(bench, `${microtasks} microtasks later`)
  }
})

test('a hold that comes while a slice is on its way keeps all that is there', async () => {
  const bench = await benchOf(() => 3)
  const first = bench.retention.hold(1, Number.POSITIVE_INFINITY)
  await bench.register(300)
  bench.retention.release(first)
  // The slice has been read by now, and waits to be decided.
  await turns(3)
  const second = bench.retention.hold(bench.retention.oldest, Number.POSITIVE_INFINITY)
  await turns(100)
  assert.is((await bench.stored()).oldest, second.version)
  await bench.register(50)
  assert.is((await bench.stored()).oldest, second.version)
  bench.retention.release(second)
  await turns(200)
  await assertTrimmed(bench)
})

test('whatever is committed, held and let go beside it, counts stay exact', async () => {
  for (let run = 0; run < 25; run++) {
    const random = randomFrom(seed + run)
    const bench = await benchOf(() => Math.floor(random() * 3))
    const { retention } = bench
    const holds: LogHold[] = []
    for (let step = 0; step < 60; step++) {
      const kind = random()
      if (kind < 0.5) await bench.register(1 + Math.floor(random() * 60))
      else if (kind < 0.6) void bench.register(5)
      else if (kind < 0.8) {
        const version = random() < 0.5 ? retention.oldest : retention.newest + 1
        holds.push(retention.hold(version, random() < 0.5 ? Number.POSITIVE_INFINITY : 200_000))
      } else {
        const [hold] = holds.splice(Math.floor(random() * holds.length), 1)
        if (hold !== undefined) retention.release(hold)
      }
      if (random() < 0.3) await turns(Math.floor(random() * 8))
    }
    for (const hold of holds) retention.release(hold)
    await bench.pipeline.barrier()
    await turns(400)
    await assertTrimmed(bench, `seed ${seed + run}`)
  }
})

test('a trimmer that is stopped begins no other slice, and what is left is told', async () => {
  const bench = await benchOf(() => 2)
  const hold = bench.retention.hold(1, Number.POSITIVE_INFINITY)
  await bench.register(1500)
  bench.retention.release(hold)
  await turns(8)
  await bench.trimmer.stop()
  const slices = bench.slices()
  const left = await bench.stored()
  assert.ok(left.entries > LOG_TRIM_SLICE_ENTRIES, `${left.entries} entries`)
  await turns(100)
  bench.trimmer.wake()
  await turns(100)
  assert.is(bench.slices(), slices)
  assert.equal(await bench.stored(), left)
  assert.is(bench.retention.entries, left.entries)
})

test('a store that failed tells it once, and not by the trimmer', async () => {
  const bench = await benchOf()
  const hold = bench.retention.hold(1, Number.POSITIVE_INFINITY)
  await bench.register(300)
  bench.engine.failWrite = 1
  bench.retention.release(hold)
  await turns(50)
  assert.is(bench.errors.length, 1)
  await bench.trimmer.stop()
})

test.run()
