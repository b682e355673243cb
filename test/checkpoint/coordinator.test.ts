// timeout: 400s
// Periodic checkpoints: the schedule carried out by a store's clock, what is told of each, and what stays.

import { getEventListeners } from 'node:events'
import fs, { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { chainFinder } from '../../src/checkpoint/catalog.ts'
import { encodePreamble } from '../../src/checkpoint/format.ts'
import { checkPeriodicOptions, type PeriodicCheckpointOptions } from '../../src/checkpoint/periodicoptions.ts'
import { writeCheckpoint } from '../../src/checkpoint/writer.ts'
import { TidemarkError } from '../../src/errors.ts'
import { listCheckpoints, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { HeldClock } from '../support/clocks.ts'
import { eventually, gate, inTime, turns } from '../support/eventually.ts'
import { randomFrom, seed } from '../support/random.ts'
import { rejects } from '../support/refusals.ts'
import { all, inStore, openStore, type Store, withDirectory, withStore } from '../support/store.ts'
import { toldBy, withHeld } from './periodic.ts'
import { sampleOf } from './sample.ts'

/** Gives what does not wait the time to happen: far more calls of the file system than it makes. */
async function busyDisk(directory: string): Promise<void> {
  for (let i = 0; i < 3000; i++) await readdir(directory)
}

// the schedule

test('a slow checkpoint delays the next, which begins at once; they never pile up', async () => {
  const clock = new ManualClock(0)
  await withHeld(clock, { intervalMs: 100 }, async ({ taker, told }) => {
    await clock.advanceTo(99)
    assert.equal(told, [])
    const taken = clock.advanceTo(100)
    await turns()
    const later = clock.advanceTo(950)
    await turns()
    assert.equal(told, ['started 1'])
    taker.last.complete()
    await eventually(() => told.length === 3, 'the next')
    assert.equal(told, ['started 1', 'completed 1', 'started 2'])
    taker.last.complete()
    await Promise.all([taken, later])
    assert.equal(told.slice(3), ['completed 2'])
    // The next is due an interval after the last one began, at 1050.
    await clock.advanceTo(1049)
    assert.is(taker.held.length, 2)
    const next = clock.advanceTo(1050)
    await eventually(() => taker.held.length === 3)
    taker.last.complete()
    await next
  })
})

test('one that runs past its timeout is aborted and told, and the schedule goes on', async () => {
  const clock = new ManualClock(0)
  await withHeld(clock, { intervalMs: 100, timeoutMs: 250 }, async ({ taker, told, errors }) => {
    const taken = clock.advanceTo(100)
    await turns()
    const before = clock.advanceTo(349)
    await turns()
    assert.is(taker.last.options.signal.aborted, false)
    const after = clock.advanceTo(350)
    await eventually(() => taker.held.length === 2, 'the next')
    assert.is(taker.held[0]!.options.signal.aborted, true)
    assert.equal(told, ['started 1', 'aborted 1 timeout', 'started 2'])
    assert.is(errors.length, 1)
    assert.is(errors[0]!.code, 'TIDEMARK_CHECKPOINT_ABORTED')
    assert.match(errors[0]!.message, /longer than 250 ms/)
    taker.last.complete()
    await Promise.all([taken, before, after])
  })
})

test('one that is complete before its abort is heard is complete', async () => {
  const clock = new ManualClock(0)
  await withHeld(clock, { intervalMs: 100, timeoutMs: 50 }, async ({ taker, told, errors }) => {
    taker.isDeaf = true
    const moves = [clock.advanceTo(100)]
    await turns()
    moves.push(clock.advanceTo(199))
    await turns()
    assert.is(taker.last.options.signal.aborted, true)
    taker.last.complete()
    await Promise.all(moves)
    assert.equal([told, errors], [['started 1', 'completed 1'], []])
  })
})

test('minPauseMs holds back the schedule, and no call', async () => {
  const clock = new ManualClock(0)
  await withHeld(clock, { intervalMs: 100, minPauseMs: 80 }, async ({ checkpoints, taker, told }) => {
    const first = clock.advanceTo(100)
    await turns()
    const second = clock.advanceTo(150)
    taker.last.complete()
    await Promise.all([first, second])
    const asked = checkpoints.trigger()
    assert.is(taker.held.length, 2)
    taker.last.complete()
    await asked
    await clock.advanceTo(229)
    assert.is(taker.held.length, 2)
    const third = clock.advanceTo(230)
    await turns()
    taker.last.complete()
    await third
    assert.equal(
      told.filter((line) => line.startsWith('started')),
      ['started 1', 'started 2 by call', 'started 3'],
    )
  })
})

test('a call waits for a place, before the schedule does; a savepoint waits for nothing', async () => {
  const clock = new ManualClock(0)
  await withHeld(clock, { intervalMs: 100, incremental: true }, async ({ checkpoints, taker, told }) => {
    const moved = clock.advanceTo(250)
    await turns()
    const asked = checkpoints.trigger({ metadata: 'asked' })
    const savepoint = checkpoints.trigger({ savepoint: true })
    const moves = [moved, clock.advanceTo(300)]
    await turns()
    assert.equal(told, ['started 1', 'started 2 by call, a savepoint'])
    // The savepoint takes a place, so the other two wait for it as well.
    taker.held[0]!.complete()
    await turns()
    assert.is(taker.held.length, 2)
    taker.held[1]!.complete()
    assert.is((await savepoint).version, 2)
    await eventually(() => taker.held.length === 3)
    taker.held[2]!.complete()
    assert.is((await asked).version, 3)
    moves.push(clock.advanceTo(350))
    await eventually(() => taker.held.length === 4)
    taker.held[3]!.complete()
    await Promise.all(moves)
    assert.equal(
      told.filter((line) => line.startsWith('started')),
      ['started 1', 'started 2 by call, a savepoint', 'started 3 by call', 'started 4'],
    )
    const options = taker.held.map(({ options: { signal: _, ...others } }) => others)
    const usual = { metadata: undefined, incremental: true, savepoint: false, maxLinks: 10, parallelism: 1 }
    assert.equal(options, [
      usual,
      { ...usual, incremental: false, savepoint: true },
      { ...usual, metadata: 'asked' },
      usual,
    ])
  })
})

test('a completed one subsumes older ones that are under way, savepoints apart', async () => {
  const clock = new ManualClock(0)
  await withHeld(
    clock,
    { intervalMs: 100, maxConcurrent: 3 },
    async ({ checkpoints, taker, told, errors }) => {
      const savepoint = checkpoints.trigger({ savepoint: true })
      const asked = checkpoints.trigger()
      const moved = [clock.advanceTo(100)]
      await turns()
      assert.is(taker.held.length, 3)
      taker.held[2]!.complete()
      const error = await rejects(asked, 'TIDEMARK_CHECKPOINT_ABORTED', 'checkpoint-3')
      assert.ok(error.cause instanceof TidemarkError)
      assert.is(taker.held[0]!.options.signal.aborted, false)
      taker.held[0]!.complete()
      assert.is((await savepoint).version, 1)
      await Promise.all(moved)
      assert.equal(told.slice(3), ['completed 3', 'superseded 2', 'completed 1'])
      assert.equal(errors, [])
    },
  )
})

test('more failures in a row than are tolerated are an error of the store, each; the schedule goes on', async () => {
  const clock = new ManualClock(0)
  await withHeld(
    clock,
    { intervalMs: 100, tolerableFailures: 2 },
    async ({ checkpoints, taker, told, errors }) => {
      const next = async (end: 'complete' | 'fail') => {
        const moved = clock.advanceBy(100)
        await turns()
        taker.last[end]()
        await moved
      }
      await next('fail')
      await next('fail')
      assert.is(errors.length, 0)
      await next('complete')
      for (let i = 0; i < 3; i++) await next('fail')
      assert.is(errors.length, 1)
      assert.is(errors[0]!.code, 'TIDEMARK_FAILED')
      assert.match(errors[0]!.message, /^3 checkpoints in a row failed, the last one: no room/)
      await next('fail')
      assert.is(errors.length, 2)
      // A savepoint that fails is told to who asked for it, and counts for nothing.
      const savepoint = checkpoints.trigger({ savepoint: true })
      taker.last.fail()
      await rejects(savepoint, 'TIDEMARK_FAILED', 'no room')
      assert.is(errors.length, 2)
      await next('complete')
      await next('fail')
      assert.is(errors.length, 2)
      assert.equal(told.slice(-4), ['started 9', 'completed 9', 'started 10', 'failed 10'])
    },
  )
})

test('stop waits for what is under way, and rejects what waits; its timeout still holds', async () => {
  const clock = new ManualClock(0)
  await withHeld(clock, { intervalMs: 100, timeoutMs: 200 }, async ({ checkpoints, taker, told }) => {
    const moved = clock.advanceTo(100)
    await turns()
    const waiting = checkpoints.trigger()
    let isStopped = false
    const stopped = checkpoints.stop().then(() => {
      isStopped = true
    })
    await rejects(waiting, 'TIDEMARK_CHECKPOINT_ABORTED', 'stopped')
    await rejects(checkpoints.trigger(), 'TIDEMARK_INVALID_ARGUMENT', 'were stopped')
    const late = clock.advanceTo(299)
    await turns()
    assert.is(isStopped, false)
    assert.is(taker.last.options.signal.aborted, false)
    await Promise.all([clock.advanceTo(300), moved, late])
    await stopped
    await clock.advanceTo(10_000)
    assert.equal(told, ['started 1', 'aborted 1 timeout'])
    await checkpoints.stop()
  })
})

test('a stopped schedule can be started again, and another is refused while one is started', async () => {
  const clock = new ManualClock(0)
  await withHeld(clock, { intervalMs: 100 }, async ({ checkpoints, taker, told, directory }) => {
    const start = () => checkpoints.start({ directory, intervalMs: 10 })
    await rejects(start, 'TIDEMARK_INVALID_ARGUMENT', directory, 'await stop() first')
    const moved = clock.advanceTo(100)
    await turns()
    const stopped = checkpoints.stop()
    let isAgain = false
    const again = start().then(() => {
      isAgain = true
    })
    await rejects(start, 'TIDEMARK_INVALID_ARGUMENT')
    await busyDisk(directory)
    assert.is(isAgain, false)
    taker.last.complete()
    await Promise.all([moved, stopped, again])
    const next = clock.advanceBy(10)
    await turns()
    taker.last.complete()
    await next
    assert.equal(told, ['started 1', 'completed 1', 'started 1', 'completed 1'])
  })
})

test('the wake-up follows the clock, whatever it does, and nothing is left of it at the end', async () => {
  const clock = new HeldClock(1000)
  await withHeld(clock, { intervalMs: 200_000, timeoutMs: 30_000 }, async ({ checkpoints, taker, told }) => {
    assert.equal(clock.delaysMs, [60_000])
    clock.nowMs += 59_000
    clock.wakeAll()
    assert.equal(clock.delaysMs, [60_000, 60_000])
    // The machine slept for a day: one checkpoint is due, not many.
    clock.nowMs += 86_400_000
    clock.wakeAll()
    assert.is(taker.held.length, 1)
    assert.is(clock.delaysMs.at(-1), 30_000)
    taker.last.complete()
    await eventually(() => told.length === 2)
    await turns()
    assert.is(clock.delaysMs.at(-1), 60_000)
    // Set back by a year: the next is an interval away, not a year.
    clock.nowMs -= 365 * 86_400_000
    for (let i = 0; i < 4; i++) {
      assert.is(taker.held.length, 1)
      clock.wakeAll()
      clock.nowMs += 60_000
    }
    clock.wakeAll()
    assert.is(taker.held.length, 2)
    taker.last.complete()
    await eventually(() => told.length === 4)
    await checkpoints.stop()
    assert.is(clock.pending.size, 0)
  })
})

test('what is stopped hears no more of the clock, though it had not even begun', async () => {
  await withDirectory(async (parent) => {
    let listeners = 0
    const clock = {
      now: () => 0,
      schedule: () => () => {},
      onMove: () => {
        listeners++
        return () => listeners--
      },
    }
    const store = await openStore(join(parent, 'store'), { clock })
    const before = listeners
    const options = { directory: join(parent, 'checkpoints'), intervalMs: 1000 }
    await store.checkpoints.start(options)
    assert.is(listeners, before + 1)
    await store.checkpoints.stop()
    assert.is(listeners, before)
    const started = store.checkpoints.start(options)
    await store.checkpoints.stop()
    await started
    assert.is(listeners, before)
    await store.close()
  })
})

test('the signal of a call aborts it, waiting or under way', async () => {
  await withHeld(new ManualClock(0), { intervalMs: 1000 }, async ({ checkpoints, taker, told }) => {
    const first = new AbortController()
    const second = new AbortController()
    const underWay = checkpoints.trigger({ signal: first.signal })
    const waiting = checkpoints.trigger({ signal: second.signal })
    second.abort(new Error('mine'))
    const error = await rejects(waiting, 'TIDEMARK_CHECKPOINT_ABORTED', 'before it began')
    assert.is((error.cause as Error).message, 'mine')
    await rejects(checkpoints.trigger({ signal: second.signal }), 'TIDEMARK_CHECKPOINT_ABORTED')
    first.abort()
    await rejects(underWay, 'TIDEMARK_CHECKPOINT_ABORTED')
    assert.is(taker.held.length, 1)
    assert.equal(told, ['started 1 by call', 'aborted 1 signal'])
  })
})

test('a signal is listened to while the call waits for a place, and no longer', async () => {
  await withHeld(new ManualClock(0), { intervalMs: 1000 }, async ({ checkpoints, taker }) => {
    const first = checkpoints.trigger()
    const second = checkpoints.trigger()
    const third = checkpoints.trigger()
    // The taker itself listens to what it takes: nobody else does.
    for (const call of [first, second]) {
      assert.is(getEventListeners(taker.last.options.signal, 'abort').length, 1)
      taker.last.complete()
      await call
    }
    taker.last.complete()
    await third
  })
})

test('metadata is called at each cut, and must tell what holds then', async () => {
  const clock = new ManualClock(0)
  let offset: unknown = 1
  const metadata = () => (typeof offset === 'function' ? offset() : offset)
  await withHeld(clock, { intervalMs: 100, metadata }, async ({ checkpoints, taker, told, errors }) => {
    const taken = checkpoints.trigger()
    offset = 2
    assert.is(taker.last.options.metadata, 1)
    taker.last.complete()
    await taken
    const moved = clock.advanceTo(100)
    await turns()
    assert.is(taker.last.options.metadata, 2)
    taker.last.complete()
    await moved
    offset = () => {
      throw new Error('mine')
    }
    await rejects(checkpoints.trigger(), 'TIDEMARK_INVALID_ARGUMENT', 'mine')
    offset = async () => 3
    await rejects(checkpoints.trigger(), 'TIDEMARK_INVALID_ARGUMENT', 'promise')
    assert.is(taker.held.length, 2)
    assert.is(told.at(-1), 'failed 4')
    assert.is(errors.length, 2)
  })
})

test('a listener may call back, and one that throws disturbs nothing', async () => {
  const clock = new ManualClock(0)
  await withHeld(clock, { intervalMs: 100 }, async ({ checkpoints, taker, told }) => {
    const thrown: unknown[] = []
    const catchOne = (error: unknown) => thrown.push(error)
    process.on('uncaughtException', catchOne)
    checkpoints.on('started', () => {
      throw new Error('mine')
    })
    checkpoints.on('completed', () => void checkpoints.stop())
    const moved = clock.advanceTo(100)
    await turns()
    taker.last.complete()
    await moved
    await clock.advanceTo(1000)
    process.off('uncaughtException', catchOne)
    assert.equal(thrown, [new Error('mine')])
    assert.equal(told, ['started 1', 'completed 1'])
  })
})

test('where the store refuses, nothing begins any more', async () => {
  const clock = new ManualClock(0)
  await withHeld(
    clock,
    { intervalMs: 100 },
    async ({ checkpoints, taker, told, errors, refuse, directory }) => {
      const moved = clock.advanceTo(100)
      await turns()
      const waiting = checkpoints.trigger()
      refuse(new TidemarkError('TIDEMARK_FAILED', 'the disk is full'))
      taker.last.fail('the disk is full')
      await moved
      await rejects(waiting, 'TIDEMARK_FAILED', 'disk is full')
      await clock.advanceTo(1000)
      await rejects(checkpoints.trigger(), 'TIDEMARK_FAILED')
      await rejects(checkpoints.start({ directory, intervalMs: 10 }), 'TIDEMARK_FAILED')
      assert.equal([told, errors], [['started 1', 'failed 1'], []])
    },
  )
})

// options

test('what is left out is as in Flink', () => {
  assert.equal(checkPeriodicOptions({ directory: 'here', intervalMs: 60_000 }), {
    directory: resolve('here'),
    intervalMs: 60_000,
    minPauseMs: 0,
    timeoutMs: 600_000,
    maxConcurrent: 1,
    retain: 1,
    incremental: false,
    maxLinks: 10,
    parallelism: 1,
    tolerableFailures: 0,
    metadata: undefined,
  })
})

test('options are refused at the call', async () => {
  await withStore({}, async ({ checkpoints }, location) => {
    const directory = join(location, '..', 'checkpoints')
    const wrong: [object, ...string[]][] = [
      [{ intervalMs: 100 }, 'directory'],
      [{ directory: '', intervalMs: 100 }, 'directory'],
      [{ directory }, 'intervalMs', 'undefined'],
      [{ directory, intervalMs: 9 }, 'intervalMs', '10 at least'],
      [{ directory, intervalMs: 10.5 }, 'intervalMs'],
      [{ directory, intervalMs: Number.NaN }, 'intervalMs'],
      [{ directory, intervalMs: '100' }, 'intervalMs'],
      [{ directory, intervalMs: 100, minPauseMs: -1 }, 'minPauseMs'],
      [{ directory, intervalMs: 100, timeoutMs: 0 }, 'timeoutMs'],
      [{ directory, intervalMs: 100, maxConcurrent: 0 }, 'maxConcurrent'],
      [{ directory, intervalMs: 100, retain: 0 }, 'retain'],
      [{ directory, intervalMs: 100, maxLinks: 0 }, 'maxLinks'],
      [{ directory, intervalMs: 100, maxLinks: 1001 }, 'maxLinks', 'from 1 to 1000'],
      [{ directory, intervalMs: 100, parallelism: 5 }, 'parallelism', 'from 1 to 4'],
      [{ directory, intervalMs: 100, tolerableFailures: -1 }, 'tolerableFailures'],
      [{ directory, intervalMs: 100, incremental: 1 }, 'incremental'],
      [{ directory, intervalMs: 100, maxConcurrent: 2, minPauseMs: 1 }, 'minPauseMs', 'maxConcurrent'],
      [{ directory, intervalMs: 100, interval: 100 }, "unknown option 'interval'"],
    ]
    for (const [options, ...messages] of wrong) {
      const start = () => checkpoints.start(options as PeriodicCheckpointOptions)
      await rejects(start, 'TIDEMARK_INVALID_ARGUMENT', ...messages)
    }
    await rejects(() => checkpoints.start(null as never), 'TIDEMARK_INVALID_ARGUMENT')
    assert.is(existsSync(directory), false)
    for (const call of [() => checkpoints.trigger(), () => checkpoints.list(), () => checkpoints.latest()]) {
      await rejects(call, 'TIDEMARK_INVALID_ARGUMENT', 'start()')
    }
    await checkpoints.stop()
    await checkpoints.start({ directory, intervalMs: 10 })
    assert.equal([await checkpoints.list(), await checkpoints.latest()], [[], undefined])
    const wrongCalls: [object, string][] = [
      [{ savepoint: true, incremental: true }, 'savepoint'],
      [{ savepoint: 1 }, 'savepoint'],
      [{ signal: {} }, 'signal'],
      [{ directory }, "unknown option 'directory'"],
    ]
    for (const [options, message] of wrongCalls) {
      await rejects(() => checkpoints.trigger(options), 'TIDEMARK_INVALID_ARGUMENT', message)
    }
  })
})

// with a store

interface Running {
  store: Store
  clock: ManualClock
  directory: string
  told: string[]
  errors: TidemarkError[]
  /** Registers a timer in event time. */
  register(): Promise<void>
}

let registered = 0

async function registerIn(store: Store): Promise<void> {
  const { eventTime } = await store.service('orders')
  await eventTime.register({ key: `k${registered % 10}`, timestamp: registered++ })
}

/** A store with a manual clock and a directory for its checkpoints beside it. */
async function withRunning(
  options: Omit<PeriodicCheckpointOptions, 'directory'>,
  body: (running: Running) => Promise<void>,
): Promise<void> {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store, location) => {
    const directory = join(location, '..', 'checkpoints')
    const errors: TidemarkError[] = []
    store.on('error', (error) => errors.push(error))
    await store.checkpoints.start({ directory, ...options })
    const told = toldBy(store.checkpoints)
    await body({ store, clock, directory, told, errors, register: () => registerIn(store) })
  })
}

async function versionsIn(directory: string): Promise<number[]> {
  return (await listCheckpoints(directory)).checkpoints.map(({ version }) => version)
}

async function contentOf(store: Store): Promise<unknown[]> {
  const snapshot = await store.snapshot()
  const timers = await all(snapshot.timers())
  await snapshot.release()
  return timers
}

test('moving the clock takes what is due; the newest stay, and the latest restores', async () => {
  await withRunning({ intervalMs: 1000, retain: 2, metadata: { at: 7 } }, async (running) => {
    const { store, clock, directory, told, errors, register } = running
    const summaries: unknown[] = []
    store.checkpoints.on('completed', ({ path, version, timers, bytes, pauseMs, durationMs }) => {
      assert.ok(existsSync(path) && bytes > 0 && pauseMs >= 0 && durationMs > 0)
      summaries.push([version, timers])
    })
    for (let i = 0; i < 4; i++) {
      await register()
      await clock.advanceBy(1000)
    }
    await turns(2)
    assert.equal(summaries, [
      [3, 1],
      [4, 2],
      [5, 3],
      [6, 4],
    ])
    assert.equal(
      told.filter((line) => line.startsWith('removed')),
      ['removed full of version 3', 'removed full of version 4'],
    )
    const listed = await store.checkpoints.list()
    assert.equal(
      listed.map(({ version, kind, metadata }) => ({ version, kind, metadata })),
      [5, 6].map((version) => ({ version, kind: 'full', metadata: { at: 7 } })),
    )
    const latest = (await store.checkpoints.latest())!
    assert.equal(latest, listed[1])
    assert.is(store.stats().runningSnapshots, 0)
    const content = await contentOf(store)
    await TimerStore.restore(latest.path, join(directory, '..', 'restored'))
    await inStore(join(directory, '..', 'restored'), {}, async (restored) => {
      assert.equal(await contentOf(restored), content)
    })
    assert.equal(errors, [])
  })
})

test('incremental checkpoints stay with what they build on, until a full one is taken', async () => {
  const options = { intervalMs: 1000, retain: 1, incremental: true, maxLinks: 2 }
  await withRunning(options, async ({ store, clock, directory, told, register }) => {
    const files: number[][] = []
    const kinds: string[] = []
    store.checkpoints.on('completed', ({ kind }) => kinds.push(kind))
    for (let i = 0; i < 7; i++) {
      await register()
      await clock.advanceBy(1000)
      files.push(await versionsIn(directory))
    }
    assert.equal(kinds.join(' '), 'full incremental incremental full incremental incremental full')
    assert.equal(files, [[3], [3, 4], [3, 4, 5], [6], [6, 7], [6, 7, 8], [9]])
    assert.equal(told.filter((line) => line.startsWith('removed')).slice(0, 3), [
      'removed incremental of version 5',
      'removed incremental of version 4',
      'removed full of version 3',
    ])
  })
})

test('savepoints stay; checkpoints that were taken by a call of the store are retained as the others', async () => {
  await withRunning({ intervalMs: 1000 }, async ({ store, clock, directory, register }) => {
    await register()
    const savepoint = await store.checkpoints.trigger({ savepoint: true })
    assert.is(savepoint.kind, 'savepoint')
    await register()
    await store.checkpoint(directory)
    await register()
    await store.checkpoint(directory, { savepoint: true })
    assert.equal(await versionsIn(directory), [3, 4, 5])
    await clock.advanceBy(1000)
    assert.equal(
      (await store.checkpoints.list()).map(({ kind, version }) => `${kind} ${version}`),
      ['savepoint 3', 'savepoint 5', 'full 5'],
    )
  })
})

test('after a restart the schedule goes on from the newest checkpoint', async () => {
  const clock = new ManualClock(0)
  await withStore({ clock }, async (first, location, reopen) => {
    const directory = join(location, '..', 'checkpoints')
    const options = { directory, intervalMs: 1000, retain: 5 }
    await first.checkpoints.start(options)
    await clock.advanceTo(1500)
    await registerIn(first)
    const second = await reopen()
    await clock.advanceTo(2400)
    await second.checkpoints.start(options)
    const told = toldBy(second.checkpoints)
    await clock.advanceTo(2499)
    assert.equal(told, [])
    await clock.advanceTo(2500)
    assert.equal(told, ['started 1', 'completed 1'])
    // A savepoint is none of the schedule's.
    await clock.advanceTo(3000)
    await second.checkpoints.trigger({ savepoint: true })
    const third = await reopen()
    await clock.advanceTo(9000)
    const started = third.checkpoints.start(options)
    const later = toldBy(third.checkpoints)
    await started
    // Overdue: at once.
    await clock.advanceBy(0)
    assert.equal(later, ['started 1', 'completed 1'])
    await clock.advanceTo(9999)
    assert.is(later.length, 2)
    assert.equal(
      (await third.checkpoints.list()).map(({ createdMs }) => createdMs),
      [1500, 2500, 3000, 9000],
    )
  })
})

test('a path that is no directory is refused; one that becomes none fails checkpoints until it is mended', async () => {
  await withRunning({ intervalMs: 1000, tolerableFailures: 1 }, async (running) => {
    const { store, clock, directory, told, errors } = running
    await clock.advanceBy(1000)
    await rm(directory, { recursive: true })
    await writeFile(directory, 'in the way')
    await clock.advanceBy(1000)
    assert.equal(errors, [])
    await clock.advanceBy(1000)
    await turns(2)
    assert.equal(
      errors.map(({ code }) => code),
      ['TIDEMARK_FAILED'],
    )
    assert.match(errors[0]!.message, /2 checkpoints in a row failed.*EEXIST/)
    await rejects(store.checkpoints.trigger(), 'TIDEMARK_FAILED')
    await rejects(store.checkpoints.list(), 'TIDEMARK_CHECKPOINT_NOT_FOUND')
    assert.is(store.stats().runningSnapshots, 0)
    await rm(directory)
    await clock.advanceBy(1000)
    assert.is(told.at(-1), 'completed 5')
    assert.is((await store.checkpoints.list()).length, 1)

    await store.checkpoints.stop()
    const file = join(directory, '..', 'file')
    await writeFile(file, '')
    const start = () => store.checkpoints.start({ directory: file, intervalMs: 1000 })
    await rejects(start, 'TIDEMARK_INVALID_ARGUMENT', 'not a directory')
    // What was there before is as it was: stopped, its directory known.
    assert.is((await store.checkpoints.list()).length, 1)
    await store.checkpoints.start({ directory, intervalMs: 1000 })
  })
})

test('past its timeout a checkpoint leaves no file, no version, and nothing retired', async () => {
  await withRunning({ intervalMs: 1000, timeoutMs: 500 }, async (running) => {
    const { store, clock, directory, told, errors } = running
    const { eventTime } = await store.service('orders')
    const timers = Array.from({ length: 60_000 }, (_, i) => ({ key: `k${i}`, timestamp: i }))
    for (let i = 0; i < 60_000; i += 5000) await eventTime.registerMany(timers.slice(i, i + 5000))
    const taken = clock.advanceTo(1000)
    await eventually(() => store.stats().runningSnapshots === 1, 'the cut')
    await eventTime.delete(timers[0]!)
    assert.is(store.stats().retired, 1)
    await Promise.all([clock.advanceTo(1500), taken])
    assert.equal(told, ['started 1', 'aborted 1 timeout'])
    assert.is(errors.length, 1)
    assert.is(store.stats().runningSnapshots, 0)
    await eventually(() => store.stats().retired === 0, 'the purge')
    assert.equal(await readdir(directory), [])
    await clock.advanceTo(2000)
    assert.is((await store.checkpoints.latest())!.timers, 59_999)
  })
})

test('closing the store aborts what is under way, and waits for it', async () => {
  await withDirectory(async (parent) => {
    const clock = new ManualClock(0)
    const store = await openStore(join(parent, 'store'), { clock })
    const directory = join(parent, 'checkpoints')
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(Array.from({ length: 9000 }, (_, i) => ({ key: `k${i}`, timestamp: i })))
    const told = toldBy(store.checkpoints)
    await store.checkpoints.start({ directory, intervalMs: 1000 })
    const taken = clock.advanceTo(1000)
    const waiting = store.checkpoints.trigger()
    const refused = rejects(waiting, 'TIDEMARK_CLOSED')
    await eventually(() => store.stats().runningSnapshots === 1, 'the cut')
    await inTime(store.close(), 'close')
    await Promise.all([taken, refused])
    assert.equal(told, ['started 1', 'aborted 1 closed'])
    assert.equal(await readdir(directory), [])
    await clock.advanceTo(5000)
    await rejects(store.checkpoints.trigger(), 'TIDEMARK_CLOSED')
    await rejects(store.checkpoints.start({ directory, intervalMs: 1000 }), 'TIDEMARK_CLOSED')
    await store.checkpoints.stop()
    assert.is(told.length, 2)
  })
})

test('closing the store waits for the removal of what is no longer retained', async () => {
  await withDirectory(async (parent) => {
    const store = await openStore(join(parent, 'store'))
    const directory = join(parent, 'checkpoints')
    await store.checkpoints.start({ directory, intervalMs: 1000 })
    const told = toldBy(store.checkpoints)
    await store.checkpoints.trigger()
    const { rm } = fs.promises
    const isRemoving = gate()
    const removes = gate()
    fs.promises.rm = async (...parameters) => {
      isRemoving.open()
      await removes.promise
      return rm(...parameters)
    }
    try {
      const taken = store.checkpoints.trigger()
      await isRemoving.promise
      const closed = store.close().then(() => told.push('closed'))
      await busyDisk(parent)
      removes.open()
      await Promise.all([taken, closed])
      assert.equal(told.slice(3), ['completed 2', 'removed full of version 1', 'closed'])
    } finally {
      fs.promises.rm = rm
    }
  })
})

test('a store that closes while checkpoints are started takes none', async () => {
  await withDirectory(async (parent) => {
    const store = await openStore(join(parent, 'store'))
    const started = store.checkpoints.start({ directory: join(parent, 'checkpoints'), intervalMs: 10 })
    const refused = rejects(started, 'TIDEMARK_CLOSED')
    await store.close()
    await refused
  })
})

// the directory

test('files of other stores are told once, and stay', async () => {
  await withRunning({ intervalMs: 1000 }, async ({ store, clock, directory, told }) => {
    await inStore(join(directory, '..', 'other'), {}, async (other) => {
      await registerIn(other)
      for (let i = 0; i < 3; i++) await other.checkpoint(directory)
    })
    await clock.advanceBy(1000)
    assert.equal(told, ['started 1', 'completed 1'])
    await store.checkpoints.stop()
    const foreign: string[] = []
    store.checkpoints.on('foreign', (event) => foreign.push(...event.checkpoints.map(({ path }) => path)))
    await store.checkpoints.start({ directory, intervalMs: 1000 })
    await clock.advanceBy(1000)
    await clock.advanceBy(1000)
    assert.equal(
      told.filter((line) => line.startsWith('foreign')),
      ['foreign 3'],
    )
    for (const path of foreign) assert.ok(existsSync(path))
    assert.is((await store.checkpoints.list()).length, 1)
    assert.is((await listCheckpoints(directory)).checkpoints.length, 4)
  })
})

test('a damaged file is told at the start, and stays', async () => {
  await withRunning(
    { intervalMs: 1000, retain: 3 },
    async ({ store, clock, directory, errors, register }) => {
      for (let i = 0; i < 3; i++) {
        await register()
        await clock.advanceBy(1000)
      }
      const newest = (await store.checkpoints.latest())!
      await store.checkpoints.stop()
      await writeFile(newest.path, 'no checkpoint')
      assert.is((await store.checkpoints.latest())!.version, newest.version - 1)
      await store.checkpoints.start({ directory, intervalMs: 1000 })
      await clock.advanceBy(1000)
      await clock.advanceBy(1000)
      await turns(2)
      assert.equal(
        errors.map(({ code }) => code),
        ['TIDEMARK_CHECKPOINT_CORRUPT'],
      )
      assert.is((await readdir(directory)).length, 2)
      assert.ok(existsSync(newest.path))
    },
  )
})

test('what a dead run of this store was writing is removed at the start, what is being written is not', async () => {
  await withStore({}, async (store, location) => {
    const directory = join(location, '..', 'checkpoints')
    await registerIn(store)
    const service = await store.service('orders')
    await service.eventTime.registerMany(
      Array.from({ length: 9000 }, (_, i) => ({ key: `${i}`, timestamp: i })),
    )
    // The name that a run of this store gives its file.
    let name = ''
    const aborter = new AbortController()
    const run = store.checkpoint(directory, { signal: aborter.signal })
    await eventually(async () => {
      name = (await readdir(directory).catch(() => []))[0] ?? ''
      return name.endsWith('.tmp')
    }, 'its file')
    aborter.abort()
    await rejects(run, 'TIDEMARK_CHECKPOINT_ABORTED')
    const dead = name.replace(/-[0-9a-f]{8}\./, '-00000000.')
    const other = name.replace(/[0-9a-f]{8}\.tmp$/, '00000000.tmp')
    for (const file of [dead, other, 'mine.tmp']) await writeFile(join(directory, file), '')
    const live = store.checkpoint(directory)
    await eventually(async () => (await readdir(directory)).length === 4, 'the live one')
    await store.checkpoints.start({ directory, intervalMs: 1000 })
    const { path } = await live
    assert.equal((await readdir(directory)).sort(), [basename(path), other, 'mine.tmp'].sort())
  })
})

test('a restored store is another one: what it was restored from stays', async () => {
  await withRunning(
    { intervalMs: 1000, incremental: true },
    async ({ store, clock, directory, register }) => {
      await register()
      await clock.advanceBy(1000)
      const source = (await store.checkpoints.latest())!
      const location = join(directory, '..', 'restored')
      await TimerStore.restore(directory, location)
      await inStore(location, { clock }, async (restored) => {
        const told = toldBy(restored.checkpoints)
        await restored.checkpoints.start({ directory, intervalMs: 1000, incremental: true })
        assert.equal(told, ['foreign 1'])
        assert.is(await restored.checkpoints.latest(), undefined)
        assert.is((await restored.checkpoints.trigger()).kind, 'full')
        assert.is((await restored.checkpoints.trigger()).kind, 'incremental')
        const { checkpoints } = await listCheckpoints(directory)
        assert.equal(
          checkpoints.filter(({ storeId }) => storeId === source.storeId),
          [source],
        )
      })
    },
  )
})

test('a store whose directory was put back takes what it has not reached for another past', async () => {
  await withDirectory(async (parent) => {
    const [location, backup, directory] = ['store', 'backup', 'checkpoints'].map((name) => join(parent, name))
    const clock = new ManualClock(0)
    const options = { directory: directory!, intervalMs: 1000, retain: 9 }
    for (let i = 0; i < 3; i++) {
      await inStore(location!, { clock }, async (store) => {
        await registerIn(store)
        await store.checkpoints.start(options)
        await clock.advanceBy(1000)
      })
      if (i === 0) await cp(location!, backup!, { recursive: true })
    }
    const before = await versionsIn(directory!)
    assert.is(before.length, 3)
    await rm(location!, { recursive: true })
    await rename(backup!, location!)
    await inStore(location!, { clock }, async (store) => {
      const told = toldBy(store.checkpoints)
      await store.checkpoints.start({ ...options, retain: 1 })
      assert.is(told[0], 'foreign 2')
      assert.is((await store.checkpoints.latest())!.version, before[0])
      const { version } = await store.checkpoints.trigger()
      assert.equal(await versionsIn(directory!), [version, ...before.slice(1)])
      assert.is((await store.checkpoints.latest())!.version, version)
    })
  })
})

test('what is of another past stays so when the store has passed its version', async () => {
  await withDirectory(async (parent) => {
    const [location, backup, directory] = ['store', 'backup', 'checkpoints'].map((name) => join(parent, name))
    const options = { directory: directory!, intervalMs: 3_600_000, retain: 2 }
    const within = (body: (store: Store, commit: (count: number) => Promise<void>) => Promise<void>) =>
      inStore(location!, { clock: new ManualClock(0) }, (store) =>
        body(store, async (count) => {
          for (let i = 0; i < count; i++) await registerIn(store)
        }),
      )
    await within((_, commit) => commit(1))
    await cp(location!, backup!, { recursive: true })
    let gone = ''
    await within(async (store, commit) => {
      await commit(6)
      gone = (await store.checkpoint(directory!)).id
    })
    await rm(location!, { recursive: true })
    await rename(backup!, location!)
    const ids = async () => (await listCheckpoints(directory!)).checkpoints.map(({ id }) => id)
    await within(async (store, commit) => {
      const told = toldBy(store.checkpoints)
      await store.checkpoints.start(options)
      assert.is(told[0], 'foreign 1')
      await commit(1)
      const first = await store.checkpoints.trigger()
      await commit(10)
      assert.is((await store.checkpoints.latest())!.id, first.id)
      const second = await store.checkpoints.trigger()
      assert.equal((await ids()).sort(), [gone, first.id, second.id].sort())
      await store.checkpoints.stop()
    })
  })
})

test('one that the log alone knows to be of another past is none of this store, at its very version too', async () => {
  await withDirectory(async (parent) => {
    const [location, backup, directory] = ['store', 'backup', 'checkpoints'].map((name) => join(parent, name))
    const clock = new ManualClock(0)
    await inStore(location!, { clock }, registerIn)
    await cp(location!, backup!, { recursive: true })
    await inStore(location!, { clock }, async (store) => {
      await registerIn(store)
      await store.checkpoint(directory!)
    })
    await rm(location!, { recursive: true })
    await rename(backup!, location!)
    for (const commits of [1, 4]) {
      await inStore(location!, { clock }, async (store) => {
        for (let i = 0; i < commits; i++) await registerIn(store)
        await store.checkpoints.start({ directory: directory!, intervalMs: 3_600_000 })
        assert.equal(await store.checkpoints.list(), [])
        assert.is(await store.checkpoints.latest(), undefined)
      })
    }
  })
})

test('the one just taken stays, though nothing was committed since the last and the clock was set back', async () => {
  for (const [incremental, retain] of [
    [false, 1],
    [false, 2],
    [true, 1],
    [true, 2],
  ] as const) {
    const options = { intervalMs: 60_000, incremental, retain }
    await withRunning(options, async ({ store, clock, directory, register }) => {
      await register()
      await clock.advanceBy(1000)
      for (let offset = 0; offset < 6; offset++) {
        // It stands still, too.
        if (offset === 3) await clock.advanceTo(0)
        const { path } = await store.checkpoints.trigger({ metadata: { offset } })
        assert.ok(existsSync(path), `${offset}`)
        const restored = await TimerStore.restore(directory, `${directory}-${offset}`)
        assert.equal(restored.metadata, { offset })
        assert.is((await store.checkpoints.latest())!.path, path)
      }
    })
  }
})

test('what builds on another of its version is listed and restored as the newer, though the clock was set back', async () => {
  await withDirectory(async (parent) => {
    const [location, directory] = [join(parent, 'store'), join(parent, 'checkpoints')]
    const taken: string[] = []
    for (const nowMs of [5000, 1000]) {
      await inStore(location, { clock: new ManualClock(nowMs) }, async (store) => {
        if (nowMs === 5000) await registerIn(store)
        const { id } = await store.checkpoint(directory, { incremental: true, metadata: { nowMs } })
        taken.push(id)
      })
    }
    const { checkpoints } = await listCheckpoints(directory)
    assert.equal(
      checkpoints.map(({ id, kind }) => [id, kind]),
      [
        [taken[0], 'full'],
        [taken[1], 'incremental'],
      ],
    )
    assert.is(checkpoints[0]!.version, checkpoints[1]!.version)
    const { metadata } = await TimerStore.restore(directory, join(parent, 'restored'))
    assert.equal(metadata, { nowMs: 1000 })
  })
})

test('of several at once, of one version, the one that was cut last stays', async () => {
  await withRunning({ intervalMs: 3_600_000, maxConcurrent: 4 }, async ({ store, directory, register }) => {
    await register()
    for (let round = 0; round < 5; round++) {
      const triggers = [0, 1, 2].map((offset) => store.checkpoints.trigger({ metadata: { round, offset } }))
      const ended = await Promise.allSettled(triggers)
      const last = ended.at(-1)!
      assert.is(last.status, 'fulfilled')
      if (last.status === 'fulfilled') assert.ok(existsSync(last.value.path))
      const { metadata } = (await listCheckpoints(directory)).checkpoints.at(-1)!
      assert.equal(metadata, { round, offset: 2 })
    }
  })
})

test('a file of a newer format keeps what it may build on, and that is told', async () => {
  await withRunning({ intervalMs: 3_600_000, incremental: true }, async ({ store, errors, register }) => {
    await register()
    const full = await store.checkpoints.trigger()
    await register()
    const link = await store.checkpoints.trigger()
    assert.is(link.base?.id, full.id)
    const bytes = readFileSync(link.path)
    encodePreamble(99).copy(bytes)
    writeFileSync(link.path, bytes)
    await register()
    await store.checkpoints.trigger({ incremental: false })
    assert.equal([existsSync(full.path), existsSync(link.path)], [true, true])
    assert.is(errors.at(-1)!.code, 'TIDEMARK_UNSUPPORTED_FORMAT')
  })
})

test('what one under way builds on stays until that is complete', async () => {
  await withHeld(new ManualClock(0), { intervalMs: 1000 }, async ({ checkpoints, taker, directory }) => {
    const { engine, cut } = await sampleOf([])
    const write = (version: number) => {
      const mine = { ...cut, storeId: 'mine', version, checkpointId: `0000000${version}` }
      return writeCheckpoint(engine, mine, directory)
    }
    const take = async () => {
      const taken = checkpoints.trigger()
      taker.last.complete()
      await taken
    }
    for (const version of [1, 2]) await write(version)
    // Until the store has come to their versions.
    for (let i = 0; i < 3; i++) await take()
    assert.equal(await versionsIn(directory), [2])
    for (const version of [3, 4]) await write(version)
    // While one chooses what it builds on, nothing goes.
    const chosen = gate()
    const choosing = taker.files.take(() => chosen.promise)
    const taken = checkpoints.trigger()
    taker.last.complete()
    await turns()
    assert.equal(await versionsIn(directory), [2, 3, 4])
    taker.idsUnderWay.set('under way', '00000002')
    chosen.open()
    await Promise.all([choosing, taken])
    assert.equal(await versionsIn(directory), [2, 4])
    taker.idsUnderWay.clear()
    await take()
    assert.equal(await versionsIn(directory), [4])
  })
})

test('an incremental one that begins while its base becomes old has a base when it is complete', async () => {
  const { stat } = fs.promises
  await withRunning({ intervalMs: 1000 }, async ({ store, directory, told, register }) => {
    await register()
    const base = await store.checkpoints.trigger()
    const looked = gate()
    const isLooking = gate()
    fs.promises.stat = (async (path: string) => {
      if (path === base.path) {
        isLooking.open()
        await looked.promise
      }
      return stat(path)
    }) as never
    try {
      await register()
      const incremental = store.checkpoint(directory, { incremental: true })
      await isLooking.promise
      await register()
      const full = store.checkpoints.trigger()
      await eventually(() => told.includes('completed 2'))
      await turns(100)
      assert.ok(existsSync(base.path))
      looked.open()
      assert.is((await incremental).base?.id, base.id)
      await full
      assert.ok(existsSync(base.path))
      await store.checkpoints.trigger()
      assert.is((await listCheckpoints(directory)).checkpoints.length, 1)
    } finally {
      fs.promises.stat = stat
    }
  })
})

test('several at once, incremental, by calls, savepoints and the schedule: what is left restores', async () => {
  const random = randomFrom(seed)
  const options = { intervalMs: 1000, maxConcurrent: 4, incremental: true, maxLinks: 3, retain: 2 }
  await withRunning(options, async ({ store, clock, directory, told, errors, register }) => {
    const calls: Promise<unknown>[] = []
    const call = (promise: Promise<unknown>) => {
      promise.catch(() => {})
      calls.push(promise)
    }
    for (let i = 0; i < 40; i++) {
      await register()
      if (random() < 0.3) call(store.checkpoints.trigger({ savepoint: random() < 0.1 }))
      if (random() < 0.3) call(store.checkpoint(directory, { incremental: random() < 0.8 }))
      const moved = clock.advanceBy(500)
      if (random() < 0.5) await moved
      else call(moved)
    }
    const outcomes = await Promise.allSettled(calls)
    await clock.advanceBy(1000)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') assert.is(outcome.reason.code, 'TIDEMARK_CHECKPOINT_ABORTED')
    }
    assert.equal(errors, [])
    const { checkpoints, temporary, unreadable } = await listCheckpoints(directory)
    assert.equal([temporary, unreadable], [[], []])
    const chainOf = chainFinder(checkpoints)
    for (const checkpoint of checkpoints) assert.ok(chainOf(checkpoint).isWhole, checkpoint.path)
    const others = checkpoints.filter(({ kind }) => kind !== 'savepoint')
    assert.ok(others.length <= 8, `${others.length} files`)
    assert.ok(told.some((line) => line.startsWith('started 8')))
    const content = await contentOf(store)
    await TimerStore.restore((await store.checkpoints.latest())!.path, join(directory, '..', 'restored'))
    await inStore(join(directory, '..', 'restored'), {}, async (restored) => {
      assert.equal(await contentOf(restored), content)
    })
  })
})

test.run()
