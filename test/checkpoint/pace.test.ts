// A checkpoint gives way to a store that commits, and only to one.

import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CheckpointClient } from '../../src/checkpoint/client.ts'
import { Pace } from '../../src/checkpoint/pace.ts'
import { GIVING_WAY_CHUNK_ENTRIES, GIVING_WAY_MS, MAX_CHECKPOINT_REST_MS } from '../../src/limits.ts'
import { type Platform, systemPlatform } from '../../src/platform.ts'
import { walkVisible } from '../../src/snapshot/walk.ts'
import { TimerStore } from '../../src/store.ts'
import { rejects } from '../support/refusals.ts'
import { withDirectory } from '../support/store.ts'
import { manyTimers, sampleOf } from './sample.ts'

/** A pace whose time moves when it is told to, and when it sleeps. */
function paceByHand() {
  const commits = new Int32Array(new SharedArrayBuffer(4))
  commits[0] = 41
  const slept: number[] = []
  let ms = 1000
  const sleep = async (sleepMs: number) => {
    slept.push(sleepMs)
    ms += sleepMs
  }
  const pace = new Pace(commits.buffer, { nowMs: () => ms, sleep })
  /** Works so long, and then may rest. */
  const work = (workMs: number) => {
    ms += workMs
    return pace.rest()
  }
  return { pace, slept, work, commit: () => Atomics.add(commits, 0, 1) }
}

test('beside no commits it never rests, also where there were some before', async () => {
  const { pace, slept, work } = paceByHand()
  for (let i = 0; i < 10; i++) {
    await work(5)
    assert.not(pace.givesWay)
  }
  assert.equal(slept, [])
})

test('beside commits it rests for as long as it worked, but not for ever', async () => {
  const { pace, slept, work, commit } = paceByHand()
  for (const workMs of [2, 7, 1000]) {
    commit()
    await work(workMs)
    assert.ok(pace.givesWay)
  }
  assert.equal(slept, [2, 7, MAX_CHECKPOINT_REST_MS])
})

test('a while after the last commit it is as fast as before', async () => {
  const { pace, slept, work, commit } = paceByHand()
  commit()
  await work(2)
  await work(3)
  assert.equal(slept, [2, 3])
  await work(GIVING_WAY_MS)
  assert.not(pace.givesWay)
  assert.equal(slept, [2, 3])
  commit()
  await work(4)
  assert.equal(slept, [2, 3, 4])
})

test('a walk that gives way reads little at once, nothing while it rests, and sees the same', async () => {
  const { engine, cut } = await sampleOf(manyTimers(10_000))
  let reading = 0
  let most = 0
  const watched = Object.create(engine) as typeof engine
  watched.scan = (range) => {
    const scan = engine.scan(range)
    return {
      read: async () => {
        reading++
        const entries = await scan.read()
        reading--
        most = Math.max(most, entries.length)
        return entries
      },
    }
  }
  const see = async (givesWay: boolean) => {
    const seen: string[] = []
    const beside: number[] = []
    const pace = {
      givesWay,
      rest: async () => {
        beside.push(reading)
      },
    }
    most = 0
    for await (const { identities } of walkVisible(watched, cut.version, { pace })) seen.push(...identities)
    return { seen, beside, most }
  }
  const hasty = await see(false)
  const gentle = await see(true)
  assert.is(gentle.seen.length, 10_000)
  assert.equal(gentle.seen, hasty.seen)
  assert.is(gentle.most, GIVING_WAY_CHUNK_ENTRIES)
  assert.ok(hasty.most > gentle.most, `${hasty.most} entries at once`)
  assert.is(Math.max(...gentle.beside), 0, 'nothing is read while it rests')
  assert.ok(Math.max(...hasty.beside) > 0, 'the other reads ahead')
})

test('a worker sees how many commits its store has made', async () => {
  // It fails whatever it is asked for, and tells what it sees.
  const script = `
    import { parentPort as port, workerData } from 'node:worker_threads'
    port.on('message', ({ type, run }) => {
      if (type === 'close') return port.close()
      const message = 'commits: ' + Atomics.load(new Int32Array(workerData.commits), 0) + '.'
      port.postMessage({ type: 'failed', run, error: { code: 'TIDEMARK_FAILED', message, cause: undefined } })
    })`
  const url = new URL(`data:text/javascript,${encodeURIComponent(script)}`)
  const platform: Platform = {
    ...systemPlatform,
    checkpointWriters: (realPath, sizes) => new CheckpointClient(realPath, sizes, url),
  }
  await withDirectory(async (directory) => {
    const store = await TimerStore.openOn(platform, join(directory, 'store'), { durability: 'os' })
    const { eventTime } = await store.service('orders')
    const before = store.stats().version
    for (let i = 0; i < 5; i++) await eventTime.register({ key: `order ${i}`, timestamp: i })
    const made = store.stats().version - before
    assert.ok(made >= 5)
    const taken = store.checkpoint(join(directory, 'checkpoints'))
    await rejects(taken, 'TIDEMARK_FAILED', /commits: [5-9]\./)
    await store.close()
  })
})

test.run()
