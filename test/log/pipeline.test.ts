// The commit pipeline: calls take effect in their order whatever the timing of reads and writes; the first failed write
// ends it.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { nextTurn } from '../../src/clock.ts'
import { TidemarkError } from '../../src/errors.ts'
import type { Call, TimerCall } from '../../src/log/calls.ts'
import type { Commit } from '../../src/log/events.ts'
import { CommitPipeline } from '../../src/log/pipeline.ts'
import { RecentTimers } from '../../src/log/recent.ts'
import { LogRetention } from '../../src/log/retention.ts'
import { type ServiceState, StoreState } from '../../src/log/state.ts'
import { loadState } from '../../src/log/tail.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { SlowEngine } from '../support/engine.ts'
import { inTime } from '../support/eventually.ts'
import { randomFrom, seed } from '../support/random.ts'
import { rejects } from '../support/refusals.ts'
import { startService } from '../support/startservice.ts'

const WRITE_BUFFER_BYTES = 1 << 20
const QUEUE = queuePrefix(0, 'eventTime')

/** How long deciding a commit takes, and writing it. */
interface Durations {
  decideMs: number
  writeMs: number
}

async function openPipeline(
  turns: () => number,
  { decideMs, writeMs }: Durations = { decideMs: 0, writeMs: 0 },
) {
  let timeMs = 0
  const engine = await SlowEngine.open(turns)
  const write = engine.write.bind(engine)
  engine.write = (...args) => {
    timeMs += writeMs
    return write(...args)
  }
  const state = new StoreState('store', 128)
  const commits: Commit[] = []
  const failures: TidemarkError[] = []
  const pipeline = new CommitPipeline({
    engine,
    state,
    retention: new LogRetention(WRITE_BUFFER_BYTES, 0),
    recent: new RecentTimers(WRITE_BUFFER_BYTES),
    flushToDisk: true,
    now: () => {
      timeMs += decideMs
      return 0
    },
    nowMs: () => timeMs,
    newestSnapshot: () => 0,
    onRetired: () => {},
    onDecided: () => {},
    onApplied: (commit) => commits.push(commit),
    onFailed: (error) => failures.push(error),
  })
  const service = await startService(pipeline)
  return { engine, state, pipeline, service, commits, failures }
}

function identityOf(key: number, namespace: number, timestamp: number): string {
  return `${keyPrefix(QUEUE, 0, `k${key}`)}n${namespace}\0${encodeTimestamp(timestamp)}`
}

function submit<T>(pipeline: CommitPipeline, make: (settle: never) => Call): Promise<T> {
  return new Promise((resolve, reject) => pipeline.submit(make({ resolve, reject } as never)))
}

function timerCall(
  pipeline: CommitPipeline,
  service: ServiceState,
  kind: TimerCall['kind'],
  identity: string,
  timestamp: number,
  payload = '',
): Promise<boolean> {
  const queue = service.eventTime
  return submit(pipeline, (settle) => ({ kind, queue, identity, timestamp, payload, settle, answer: false }))
}

/** One random call on the pipeline and on a plain set, with what both should answer. */
function randomCall(
  random: () => number,
  pipeline: CommitPipeline,
  service: ServiceState,
  standing: Set<string>,
): Promise<void> {
  const pick = (below: number) => Math.floor(random() * below)
  const [key, namespace, timestamp] = [pick(3), pick(2), pick(6)]
  const identity = identityOf(key, namespace, timestamp)
  const kinds = [
    'register',
    'register',
    'register',
    'delete',
    'has',
    'replace',
    'deleteAll',
    'registerMany',
  ] as const
  const kind = kinds[pick(kinds.length)]!
  const queue = service.eventTime
  if (kind === 'replace' || kind === 'deleteAll') {
    const prefix = keyPrefix(QUEUE, 0, `k${key}`) + (kind === 'replace' ? `n${namespace}\0` : '')
    const others = [...standing].filter((other) => other.startsWith(prefix))
    for (const other of others) standing.delete(other)
    if (kind === 'deleteAll') {
      return submit<number>(pipeline, (settle) => ({
        kind,
        queue,
        prefix,
        settle,
        isLarge: false,
        position: undefined,
        answer: 0,
      })).then((answer) => assert.is(answer, others.length))
    }
    standing.add(identity)
    const replaced = others.filter((other) => other !== identity).length
    return submit<number[]>(pipeline, (settle) => ({
      kind,
      queue,
      prefix,
      identity,
      timestamp,
      payload: '',
      settle,
      isLarge: false,
      answer: [],
    })).then((answer) => assert.is(answer.length, replaced))
  }
  if (kind === 'registerMany') {
    const identities = Array.from({ length: pick(1500) }, (_, i) => identityOf(3, 0, i))
    const before = standing.size
    for (const each of identities) standing.add(each)
    const expected = standing.size - before
    const timestamps = identities.map((_, i) => i)
    const payloads = identities.map(() => '')
    return submit<number>(pipeline, (settle) => ({
      kind,
      queue,
      identities,
      timestamps,
      payloads,
      settle,
      done: 0,
      answer: 0,
    })).then((answer) => assert.is(answer, expected))
  }
  const wasThere = standing.has(identity)
  if (kind === 'register') standing.add(identity)
  if (kind === 'delete') standing.delete(identity)
  const expected = kind === 'register' ? !wasThere : wasThere
  return timerCall(pipeline, service, kind, identity, timestamp).then((answer) => assert.is(answer, expected))
}

test('3. calls take effect in their order, whatever the timing of reads and writes', async () => {
  for (let run = 0; run < Number(process.env.RUNS ?? 60); run++) {
    const random = randomFrom(seed + run)
    const { engine, state, pipeline, service, commits } = await openPipeline(() => Math.floor(random() * 4))
    const standing = new Set<string>()
    const answers: Promise<void>[] = []
    for (let i = 0; i < 150; i++) {
      answers.push(randomCall(random, pipeline, service, standing))
      if (random() < 0.3) await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(answers)
    assert.is(state.services[0]!.eventTime.appliedCount, standing.size, `seed ${seed + run}`)
    assert.equal(
      commits.map((commit) => commit.version).filter((version, i, all) => version !== all[i - 1]),
      Array.from({ length: state.appliedVersion }, (_, i) => i + 1),
    )
    await pipeline.spill()
    const stored = await engine.scan({ from: 't', to: 'u', limit: 10_000 }).read()
    assert.equal(stored.map(([identity]) => identity).sort(), [...standing].sort())
    const record = {
      formatVersion: 1,
      storeId: 'store',
      maxParallelism: 128,
      keyGroups: { start: 0, end: 127 },
    }
    const loaded = await loadState(engine, record, WRITE_BUFFER_BYTES)
    assert.equal(loaded.state.services[0]!.eventTime.decided, state.services[0]!.eventTime.decided)
    assert.is(loaded.state.chain, state.chain)
  }
})

/** Registers so many timers in one turn; the sizes of the commits that took them. */
async function sizesOf(
  { pipeline, service, commits }: Awaited<ReturnType<typeof openPipeline>>,
  key: number,
  count: number,
): Promise<number[]> {
  const before = commits.length
  const calls = Array.from({ length: count }, (_, i) =>
    timerCall(pipeline, service, 'register', identityOf(key, 0, i), i),
  )
  await Promise.all(calls)
  return commits.slice(before).map(({ events }) => events.length)
}

test('calls that arrive while a commit is under way share the next one, however fast the disk is', async () => {
  const opened = await openPipeline(() => 3, { decideMs: 2, writeMs: 1 })
  const { engine, pipeline, service } = opened
  await sizesOf(opened, 0, 100)
  const first = timerCall(pipeline, service, 'register', identityOf(1, 0, 0), 0)
  const { writes } = engine
  while (engine.writes === writes) await nextTurn()
  assert.equal(await sizesOf(opened, 2, 1000), [1, 1000])
  assert.is(await first, true)
})

test('of many calls half are decided while the others are written, where writing takes less than deciding', async () => {
  const fast = await openPipeline(() => 3, { decideMs: 2, writeMs: 1 })
  // Nobody knows how long it takes.
  assert.equal(await sizesOf(fast, 0, 1000), [1000])
  assert.equal(await sizesOf(fast, 1, 1000), [500, 500])
  assert.equal(await sizesOf(fast, 2, 255), [255])
  await sizesOf(fast, 3, 1)
  assert.equal(await sizesOf(fast, 4, 1000), [500, 500])
  const slow = await openPipeline(() => 3, { decideMs: 1, writeMs: 2 })
  for (const key of [0, 1, 2]) assert.equal(await sizesOf(slow, key, 1000), [1000])
})

test('a call that changes nothing writes nothing, and answers after what came before is durable', async () => {
  const { engine, state, pipeline, service } = await openPipeline(() => 2)
  const first = timerCall(pipeline, service, 'register', identityOf(0, 0, 1), 1)
  const again = timerCall(pipeline, service, 'register', identityOf(0, 0, 1), 1)
  assert.equal(await Promise.all([first, again]), [true, false])
  const { writes } = engine
  const { appliedVersion } = state
  assert.is(await timerCall(pipeline, service, 'register', identityOf(0, 0, 1), 1), false)
  assert.is(await timerCall(pipeline, service, 'delete', identityOf(0, 0, 2), 2), false)
  assert.is(engine.writes, writes)
  assert.is(state.appliedVersion, appliedVersion)
})

test('the first failed write ends it: what was under way rejects, and so does every later call', async () => {
  for (let failWrite = 1; failWrite <= 3; failWrite++) {
    const { engine, pipeline, service, failures, state } = await openPipeline(() => 2)
    engine.failWrite = failWrite
    const before = state.appliedVersion
    const outcomes: PromiseSettledResult<boolean>[] = []
    const waves: Promise<void>[] = []
    for (let wave = 0; wave < 6; wave++) {
      const calls = Array.from({ length: 600 }, (_, i) =>
        timerCall(pipeline, service, 'register', identityOf(wave, 0, i), i),
      )
      waves.push(Promise.allSettled(calls).then((settled) => void outcomes.push(...settled)))
    }
    await Promise.all(waves)
    const fulfilled = outcomes.filter(({ status }) => status === 'fulfilled').length
    assert.is(state.appliedVersion - before, failWrite - 1)
    assert.is(state.services[0]!.eventTime.appliedCount, fulfilled)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') assert.is(outcome.reason.code, 'TIDEMARK_FAILED')
    }
    assert.is(failures.length, 1)
    const writes = engine.writes
    const later = await timerCall(pipeline, service, 'register', identityOf(9, 9, 9), 9).catch(
      (error) => error,
    )
    assert.instance(later, TidemarkError)
    assert.is(later.code, 'TIDEMARK_FAILED')
    assert.is(engine.writes, writes)
  }
})

test('a cut whose taking throws hears of it, and so does everybody after it', async () => {
  const { pipeline, failures } = await openPipeline(() => 1)
  const cut = submit(pipeline, (settle) => ({
    kind: 'cut',
    take: () => {
      throw new Error('the clock broke')
    },
    settle,
  }))
  await rejects(inTime(cut), 'TIDEMARK_FAILED', 'the clock broke')
  await rejects(inTime(pipeline.barrier()), 'TIDEMARK_FAILED')
  assert.is(failures.length, 1)
})

test('while it ends it writes what it was given, and refuses what comes: nobody waits for ever', async () => {
  const { engine, pipeline, service } = await openPipeline(() => 3)
  const made = timerCall(pipeline, service, 'register', identityOf(0, 0, 1), 1)
  const ending = pipeline.end()
  const late = [
    timerCall(pipeline, service, 'register', identityOf(0, 0, 2), 2),
    pipeline.barrier(),
    submit(pipeline, (settle) => ({ kind: 'cut', take: () => assert.unreachable('a late cut'), settle })),
  ]
  for (const call of late) await rejects(inTime(call), 'TIDEMARK_CLOSED')
  assert.is(await ending, true)
  assert.is(await made, true)
  assert.is(engine.underWay, 0)
  await rejects(inTime(pipeline.barrier()), 'TIDEMARK_CLOSED')
})

test.run()
