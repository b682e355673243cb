// timeout: 600s
// One checkpoint by several workers: the same bytes whoever makes them, and nothing is left whoever fails.

import fs from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { assist } from '../../src/checkpoint/assist.ts'
import type { CheckpointCut } from '../../src/checkpoint/cut.ts'
import type { Piece } from '../../src/checkpoint/pieces.ts'
import { sharedWork } from '../../src/checkpoint/production.ts'
import { planTasks, sectionCount, sectionOf, type WriteTask } from '../../src/checkpoint/sections.ts'
import { type WriteOptions, writeCheckpoint } from '../../src/checkpoint/writer.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { CHECKPOINT_PIECE_BYTES, MAX_CHECKPOINT_PIECES_AHEAD } from '../../src/limits.ts'
import { decodeDigits } from '../../src/timer/text.ts'
import { eventually, gate, inTime, turns } from '../support/eventually.ts'
import { randomFrom } from '../support/random.ts'
import { rejects } from '../support/refusals.ts'
import { withDirectory } from '../support/store.ts'
import { manyTimers, readAll, type SampleTimer, sampleOf } from './sample.ts'

const DOMAINS = ['eventTime', 'processingTime'] as const

// the plan

/** A cut of queues of these sizes. */
function cutOf(counts: readonly [number, number][], maxParallelism: number): CheckpointCut {
  const services = counts.map(([eventTime, processingTime], id) => ({
    id,
    name: `s${id}`,
    schemas: '{}',
    watermark: 0,
    eventTime: { count: eventTime, setHash: 0 },
    processingTime: { count: processingTime, setHash: 0 },
  }))
  return {
    kind: 'full',
    storeId: 's',
    checkpointId: 'c',
    version: 1,
    createdMs: 0,
    pauseMs: 0,
    chain: 0,
    maxParallelism,
    services,
  }
}

/** Whether blocks always end before this identity, as FORMAT.md says it. */
function isSectionStart(text: string, cut: CheckpointCut): boolean {
  const service = cut.services[decodeDigits(text, 1, 2)]
  if (service === undefined || text[0] !== 't' || (text[3] !== 'e' && text[3] !== 'p')) return false
  if (text.length === 4) return true
  const { count } = service[text[3] === 'e' ? 'eventTime' : 'processingTime']
  const sections = sectionCount(count, cut.maxParallelism)
  const keyGroup = decodeDigits(text, 4, 3)
  const section = (group: number) => sectionOf(group, sections, cut.maxParallelism)
  return text.length === 7 && keyGroup > 0 && section(keyGroup) !== section(keyGroup - 1)
}

test('tasks follow one another without a gap, from the first identity to the last, and end where sections end', () => {
  const sizes = fc.oneof(fc.nat(10), fc.nat(100_000), fc.nat(3_000_000))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(sizes, sizes), { maxLength: 6 }),
      fc.constantFrom(1, 2, 3, 128, 32768),
      fc.constantFrom(undefined, 1, 1000, 100_000),
      (counts, maxParallelism, taskTimers) => {
        const cut = cutOf(counts, maxParallelism)
        const tasks = planTasks(cut, taskTimers)
        assert.is(tasks[0]!.from, 't')
        assert.is(tasks.at(-1)!.to, 't\u{10ffff}')
        for (const [i, { from, to }] of tasks.entries()) {
          assert.ok(from < to, `${from} ${to}`)
          if (i === 0) continue
          assert.is(from, tasks[i - 1]!.to)
          assert.ok(isSectionStart(from, cut), JSON.stringify(from))
        }
      },
    ),
  )
})

test('a task has about 65,536 timers: parts of a large queue, and many small queues together', () => {
  const plan = (counts: readonly [number, number][], maxParallelism = 128) =>
    planTasks(cutOf(counts, maxParallelism)).length
  assert.is(plan([]), 1)
  assert.is(plan([[0, 0]]), 1)
  assert.is(plan([[100_000, 0]]), 1)
  assert.is(plan([[1_000_000, 0]]), 15)
  assert.is(plan([[1_000_000, 1_000_000]]), 30)
  assert.is(plan([[1_000_000, 0]], 1), 1)
  assert.is(plan([[1_000_000, 0]], 3), 3)
  const many = plan(Array.from({ length: 1000 }, () => [1000, 0]))
  assert.ok(many >= 14 && many <= 16, `${many}`)
})

// workers of one thread: whatever order chance gives them

interface Team extends Pick<WriteOptions, 'signal' | 'onProgress'> {
  tasks: WriteTask[]
  /** What each assistant reads from. */
  engines: Engine[]
}

/** Writes with assistants in this thread; all have ended when this settles. */
async function writeTogether(
  engine: Engine,
  cut: CheckpointCut,
  directory: string,
  { tasks, engines, ...options }: Team,
) {
  const work = sharedWork(tasks)
  const channels = engines.map(() => new MessageChannel())
  const assisting = engines.map((theirs, i) => assist(Promise.resolve(theirs), cut, work, channels[i]!.port2))
  try {
    const assistants = channels.map(({ port1 }) => port1)
    return await writeCheckpoint(engine, cut, directory, { elapsedMs: () => 1, ...options, work, assistants })
  } finally {
    for (const { port1 } of channels) port1.close()
    await inTime(Promise.all(assisting), 'the assistants')
  }
}

/** The engine, whose reads take as many turns of the event loop as chance says. */
function slowed(engine: Engine, random: () => number): Engine {
  const slow = Object.create(engine) as Engine
  slow.scan = (range) => {
    const scan = engine.scan(range)
    return {
      read: async () => {
        await turns(Math.floor(random() * 6))
        return scan.read()
      },
    }
  }
  return slow
}

const letters = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\u0001', 'ü', '｡', '😀'), maxLength: 5 })
const timers = fc.array(
  fc.record({
    service: fc.nat({ max: 4 }),
    domain: fc.constantFrom(...DOMAINS),
    key: letters,
    namespace: letters,
    timestamp: fc.maxSafeInteger(),
    payload: fc.oneof(
      { weight: 9, arbitrary: fc.constant('') },
      fc.constant(JSON.stringify('x'.repeat(60_000))),
    ),
  }),
  { maxLength: 300 },
)

test('equal bytes by one to four workers, whatever is stored and whoever is first', async () => {
  await withDirectory(async (directory) => {
    let run = 0
    const write = fc.asyncProperty(
      timers,
      fc.constantFrom(1, 3, 128, 32768),
      fc.integer({ min: 1, max: 60 }),
      fc.integer(),
      async (made, maxParallelism, taskTimers, seed) => {
        const services = ['a', 'b', 'c', 'd', 'e', 'none']
        const { engine, cut, stored } = await sampleOf(made, { maxParallelism, services })
        const alone = await writeCheckpoint(engine, cut, join(directory, `${run}`), { elapsedMs: () => 1 })
        const expected = await readFile(alone.path)
        const random = randomFrom(seed)
        for (let parallelism = 1; parallelism <= 4; parallelism++) {
          const engines = Array.from({ length: parallelism - 1 }, () => slowed(engine, random))
          const tasks = planTasks(cut, taskTimers)
          const written = await inTime(
            writeTogether(slowed(engine, random), cut, join(directory, `${run} ${parallelism}`), {
              tasks,
              engines,
            }),
            `${tasks.length} tasks by ${parallelism} workers`,
          )
          assert.is(written.timers, stored.size)
          assert.ok((await readFile(written.path)).equals(expected), `${parallelism}`)
        }
        assert.equal(await readAll(alone.path), [...stored])
        run++
      },
    )
    await fc.assert(write, { numRuns: 60 })
  })
})

/** Half of them in each of two domains: at least two tasks of any size. */
function twoQueues(count: number, payload?: (i: number) => string): SampleTimer[] {
  return manyTimers(count, payload).map((timer, i) => ({ ...timer, domain: DOMAINS[i % 2]! }))
}

test('an assistant that is ready too late is not waited for, and ends', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut, stored } = await sampleOf(twoQueues(2000))
    const work = sharedWork(planTasks(cut, 100))
    const { port1, port2 } = new MessageChannel()
    const late = gate<Engine>()
    const assisting = assist(late.promise, cut, work, port2)
    const { path } = await writeCheckpoint(engine, cut, directory, { work, assistants: [port1] })
    port1.close()
    assert.equal(await readAll(path), [...stored])
    late.open(engine)
    await inTime(assisting, 'the assistant')
  })
})

test('an assistant is ahead of the file by a few MiB, not more, and goes on when it may', async () => {
  await withDirectory(async (directory) => {
    const random = randomFrom(7)
    const word = () => Math.floor(random() * 2 ** 50).toString(36)
    const payload = () => JSON.stringify(Array.from({ length: 150 }, word).join(''))
    const { engine, cut } = await sampleOf(twoQueues(24_000, payload))
    const options = { elapsedMs: () => 1 }
    const alone = await readFile((await writeCheckpoint(engine, cut, join(directory, 'alone'), options)).path)
    assert.ok(alone.length > 2.5 * MAX_CHECKPOINT_PIECES_AHEAD * CHECKPOINT_PIECE_BYTES, `${alone.length}`)

    const work = sharedWork(planTasks(cut, 100))
    assert.is(work.tasks.length, 2)
    const { port1, port2 } = new MessageChannel()
    let pieces = 0
    const post = port2.postMessage.bind(port2)
    port2.postMessage = (message, transferred) => {
      pieces++
      post(message, transferred as readonly ArrayBuffer[])
    }
    const begun = gate()
    const stuck = gate()
    const own = Object.create(engine) as Engine
    own.scan = (range) => {
      begun.open()
      return { read: () => stuck.promise.then(() => engine.scan(range).read()) }
    }
    const together = { ...options, work, assistants: [port1] }
    const writing = writeCheckpoint(own, cut, join(directory, 'together'), together)
    // The writer has the first task, and so the file waits.
    await begun.promise
    const assisting = assist(Promise.resolve(engine), cut, work, port2)
    try {
      await eventually(() => pieces === MAX_CHECKPOINT_PIECES_AHEAD)
      await turns(500)
      assert.is(pieces, MAX_CHECKPOINT_PIECES_AHEAD)
      stuck.open()
      assert.ok((await readFile((await writing).path)).equals(alone))
    } finally {
      port1.close()
    }
    await inTime(assisting, 'the assistant')
  })
})

/** The engine, whose reads fail from the n-th on. */
function failing(engine: Engine, from: number, error: Error): Engine {
  let reads = 0
  const broken = Object.create(engine) as Engine
  broken.scan = (range) => ({
    read: async () => {
      if (reads++ >= from) throw error
      return engine.scan(range).read()
    },
  })
  return broken
}

test('a piece that an assistant cannot send fails the checkpoint, and none that follows it is sent', async () => {
  await withDirectory(async (directory) => {
    const random = randomFrom(11)
    const payload = () => JSON.stringify(Array.from({ length: 40 }, () => random().toString(36)).join(''))
    const { engine, cut } = await sampleOf(twoQueues(3000, payload))
    for (const nth of [1, 2]) {
      const { port1, port2 } = new MessageChannel()
      const work = sharedWork(planTasks(cut, 100))
      const post = port2.postMessage.bind(port2)
      let pieces = 0
      port2.postMessage = (message, transferred) => {
        if (message.type === 'piece' && ++pieces === nth) throw new Error('no piece')
        post(message, transferred as readonly ArrayBuffer[])
      }
      const assisting = assist(Promise.resolve(engine), cut, work, port2)
      await eventually(() => pieces === nth)
      try {
        const writing = writeCheckpoint(engine, cut, directory, { work, assistants: [port1] })
        await rejects(inTime(writing), 'TIDEMARK_FAILED', 'no piece')
        assert.is(pieces, nth)
      } finally {
        port1.close()
        await inTime(assisting, 'the assistant')
      }
    }
    assert.equal(await readdir(directory), [])
  })
})

test('pieces that are lost, come twice or change places fail the checkpoint, and are not called damage of the store', async () => {
  await withDirectory(async (directory) => {
    const random = randomFrom(12)
    const payload = () => JSON.stringify(Array.from({ length: 40 }, () => random().toString(36)).join(''))
    const { engine, cut } = await sampleOf(twoQueues(3000, payload))
    for (const act of ['lose', 'double', 'swap'] as const) {
      const { port1, port2 } = new MessageChannel()
      const work = sharedWork(planTasks(cut))
      const post = port2.postMessage.bind(port2)
      const first = (message: { piece: Piece }, transferred: readonly ArrayBuffer[]) => {
        assert.not(message.piece.isLast)
        port2.postMessage = post
        if (act === 'double')
          post({ ...message, piece: { ...message.piece, bytes: message.piece.bytes.slice() } })
        if (act === 'double') post(message, transferred)
        if (act !== 'swap') return
        port2.postMessage = (second, alsoTransferred) => {
          port2.postMessage = post
          post(second, alsoTransferred as readonly ArrayBuffer[])
          post(message, transferred)
        }
      }
      port2.postMessage = first as never
      const assisting = assist(Promise.resolve(engine), cut, work, port2)
      await eventually(() => port2.postMessage === post)
      try {
        const writing = writeCheckpoint(engine, cut, directory, { work, assistants: [port1] })
        await rejects(inTime(writing), 'TIDEMARK_FAILED', 'came as piece')
      } finally {
        port1.close()
        await inTime(assisting, 'the assistant')
      }
    }
    assert.equal(await readdir(directory), [])
  })
})

test('what fails an assistant fails the checkpoint, as if the writer had met it', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(twoQueues(8000), { maxParallelism: 4 })
    const tasks = planTasks(cut, 100)
    for (const from of [0, 3]) {
      for (const [code, error] of [
        ['TIDEMARK_FAILED', new Error('no disk')],
        ['TIDEMARK_CORRUPT', Object.assign(new Error('bad block'), { code: 'LEVEL_CORRUPTION' })],
      ] as const) {
        const engines = [engine, failing(engine, from, error)]
        const writing = writeTogether(
          slowed(engine, () => 0.99),
          cut,
          directory,
          { tasks, engines },
        )
        const told = await rejects(inTime(writing), code, error.message)
        assert.is((told.cause as Error).message, error.message)
        assert.equal(await readdir(directory), [])
      }
    }
    const engines = [failing(engine, 0, new Error('mine'))]
    const later = slowed(failing(engine, 2, new Error('other')), () => 0.99)
    await rejects(inTime(writeTogether(later, cut, directory, { tasks, engines })), 'TIDEMARK_FAILED', 'mine')
  })
})

test('a disk that fails, or an abort, ends the assistants', async () => {
  await withDirectory(async (directory) => {
    const { engine, cut } = await sampleOf(twoQueues(30_000, (i) => `"${i} ${'ab'.repeat(i % 100)}"`))
    const tasks = planTasks(cut, 100)
    const engines = [engine, engine]
    const open = fs.promises.open
    fs.promises.open = async (...parameters) => {
      const file = await open(...parameters)
      file.write = () => Promise.reject(new Error('no space'))
      return file
    }
    try {
      const writing = writeTogether(engine, cut, directory, { tasks, engines })
      await rejects(inTime(writing), 'TIDEMARK_FAILED', 'no space')
    } finally {
      fs.promises.open = open
    }
    assert.equal(await readdir(directory), [])
    for (let scans = 0; scans < 6; scans++) {
      const aborter = new AbortController()
      let seen = 0
      const own = Object.create(engine) as Engine
      own.scan = (range) => {
        if (seen++ === scans) aborter.abort('enough')
        return engine.scan(range)
      }
      const options = { tasks, engines: [engine, own], signal: aborter.signal }
      const error = await rejects(
        inTime(writeTogether(engine, cut, directory, options)),
        'TIDEMARK_CHECKPOINT_ABORTED',
      )
      assert.is(error.cause, 'enough')
      assert.equal(await readdir(directory), [])
    }
  })
})

test.run()
