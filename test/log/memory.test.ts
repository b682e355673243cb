// What the pipeline holds while calls go on and on without a pause: the commits that are under way, and none before.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { StepCall, TimerCall } from '../../src/log/calls.ts'
import { CommitPipeline } from '../../src/log/pipeline.ts'
import { RecentTimers } from '../../src/log/recent.ts'
import { LogRetention } from '../../src/log/retention.ts'
import { StoreState } from '../../src/log/state.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { SlowEngine } from '../support/engine.ts'
import { startService } from '../support/startservice.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const EARLY = 20
/** Turns of the event loop that a read and a write take. */
const TURNS = 10

test('commits and calls are let go when they are written, though others are always under way', async () => {
  const commits: WeakRef<object>[] = []
  const pipeline = new CommitPipeline({
    engine: await SlowEngine.open(() => TURNS),
    state: new StoreState('store', 128),
    retention: new LogRetention(1 << 20, 0),
    recent: new RecentTimers(1 << 20),
    flushToDisk: true,
    now: () => 0,
    newestSnapshot: () => 0,
    onRetired: () => {},
    onDecided: ({ events }) => {
      if (commits.length < EARLY) commits.push(new WeakRef(events))
    },
    onApplied: () => {},
    onFailed: (error) => {
      throw error
    },
  })
  const { eventTime: queue } = await startService(pipeline)
  const calls: WeakRef<object>[] = []
  let answered = 0
  const step = (i: number): Promise<void> => {
    const identity = `${keyPrefix(queuePrefix(0, 'eventTime'), 0, `k${i}`)}\0${encodeTimestamp(i)}`
    const call: TimerCall = {
      kind: 'register',
      queue,
      identity,
      timestamp: i,
      payload: '',
      settle: undefined,
      answer: false,
    }
    return new Promise<void>((resolve, reject) => {
      const made: StepCall = { kind: 'step', calls: [call], settle: { resolve, reject } }
      if (calls.length < EARLY) calls.push(new WeakRef(made))
      pipeline.submit(made)
    }).then(() => {
      answered++
    })
  }
  const steps = 300
  const underWay: Promise<void>[] = []
  // Faster than they are written, so that a commit always waits for the one before.
  for (let i = 0; i < steps; i++) {
    underWay.push(step(i))
    for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(answered < steps, 'some are under way')
  collectGarbage()
  assert.is(commits.length, EARLY)
  assert.is(commits.filter((commit) => commit.deref() !== undefined).length, 0, 'commits')
  assert.is(calls.filter((call) => call.deref() !== undefined).length, 0, 'calls')
  await Promise.all(underWay)
})

test.run()
