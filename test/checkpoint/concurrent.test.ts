// timeout: 600s
// Checkpoints and snapshots of one store, many at once, while it is changed: each holds what stood when it was asked for.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { parseIdentity } from '../../src/timer/identity.ts'
import { parseStored, payloadText } from '../../src/timer/stored.ts'
import { randomFrom, seed } from '../support/random.ts'
import { type Store, withStore } from '../support/store.ts'
import { readAll } from './sample.ts'

const SERVICES = ['a', 'b']
const DOMAINS = ['eventTime', 'processingTime'] as const
/** Timers of each queue at first: enough for a task of its own. */
const FIRST_TIMERS = 50_000
const FIRST_TIMESTAMP = 1_900_000_000_000

function lineOf(service: string, domain: string, key: string, timestamp: number): string {
  return `${service} ${domain} ${key} ${timestamp}`
}

/** What stood at a moment: what was there at first, and what has changed since; undefined: it is gone. */
interface Expected {
  count: number
  first: ReadonlyMap<string, string>
  changed: ReadonlyMap<string, string | undefined>
}

function assertSame(
  found: readonly [line: string, payload: string][],
  expected: Expected,
  what: string,
): void {
  const { count, first, changed } = expected
  assert.is(new Set(found.map(([line]) => line)).size, count, what)
  assert.is(found.length, count, what)
  for (const [line, payload] of found) {
    const stood = changed.has(line) ? changed.get(line) : first.get(line)
    if (payload !== stood) assert.unreachable(`${what}: ${line} has ${payload}, and should have ${stood}`)
  }
}

/** The services of a store, changed at random; and what stands in them. */
class Changing {
  readonly #queues: { service: string; domain: string; queue: Queue }[] = []
  readonly #random: () => number
  readonly #first = new Map<string, string>()
  readonly #changed = new Map<string, string | undefined>()
  #count = 0

  constructor(random: () => number) {
    this.#random = random
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  async start(store: Store): Promise<void> {
    for (const name of SERVICES) {
      const service = await startService(store, name)
      for (const domain of DOMAINS) this.#queues.push({ service: name, domain, queue: service[domain] })
    }
    const timers = Array.from({ length: FIRST_TIMERS }, (_, i) => this.#timer(i))
    for (const { service, domain, queue } of this.#queues) {
      await queue.registerMany(timers)
      for (const { key, timestamp } of timers) this.#first.set(lineOf(service, domain, key, timestamp), '')
    }
    this.#count = this.#first.size
  }

  #timer(i: number): { key: string; timestamp: number } {
    return { key: `key-${i}`, timestamp: FIRST_TIMESTAMP + ((i * 7919) % 1000) }
  }

  /** Many calls, none of them awaited before all are made. */
  async change(calls: number): Promise<void> {
    const made: Promise<unknown>[] = []
    for (let n = 0; n < calls; n++) {
      const { service, domain, queue } = this.#queues[this.below(this.#queues.length)]!
      const timer = this.#timer(this.below(FIRST_TIMERS * 1.2))
      const line = lineOf(service, domain, timer.key, timer.timestamp)
      const stood = (this.#changed.has(line) ? this.#changed.get(line) : this.#first.get(line)) !== undefined
      if (this.below(2) === 0) {
        made.push(queue.delete(timer))
        this.#changed.set(line, undefined)
        if (stood) this.#count--
      } else {
        const payload = this.below(1000)
        made.push(queue.register({ ...timer, payload }))
        this.#changed.set(line, String(payload))
        if (!stood) this.#count++
      }
    }
    await Promise.all(made)
  }

  /** What a call that is made now has to find. */
  expected(): Expected {
    return { count: this.#count, first: this.#first, changed: new Map(this.#changed) }
  }
}

function startService(store: Store, name: string) {
  return store.service(name, { payload: z.int().optional() })
}
type Queue = Awaited<ReturnType<typeof startService>>['eventTime']

async function linesOfFile(path: string): Promise<[string, string][]> {
  return (await readAll(path)).map(([identity, value]) => {
    const { serviceId, domain, key, timestamp } = parseIdentity(identity)!
    return [lineOf(SERVICES[serviceId]!, domain, key, timestamp), payloadText(parseStored(identity, value)!)]
  })
}

async function linesOfSnapshot(
  snapshot: Awaited<ReturnType<Store['snapshot']>>,
): Promise<[string, string][]> {
  const lines: [string, string][] = []
  for await (const { service, domain, key, timestamp, payload } of snapshot.timers()) {
    const text = payload === undefined ? '' : JSON.stringify(payload)
    lines.push([lineOf(service, domain, key as string, timestamp), text])
  }
  return lines
}

test('checkpoints by one to four threads, and long-held snapshots, each at its own version', async () => {
  const changing = new Changing(randomFrom(seed))
  await withStore({ maxParallelism: 8 }, async (store, directory) => {
    const checkpoints = join(directory, '..', 'checkpoints')
    await changing.start(store)
    const taken: Promise<void>[] = []
    const held: (() => Promise<void>)[] = []
    const takeCheckpoint = async (parallelism: number) => {
      const expected = changing.expected()
      const { path, version, timers } = await store.checkpoint(checkpoints, { parallelism })
      assert.is(timers, expected.count)
      assertSame(await linesOfFile(path), expected, `checkpoint of version ${version} by ${parallelism}`)
    }
    const takeSnapshot = async () => {
      const expected = changing.expected()
      const snapshot = await store.snapshot()
      held.push(async () => {
        assertSame(await linesOfSnapshot(snapshot), expected, `snapshot of version ${snapshot.version}`)
        await snapshot.release()
      })
    }
    for (let step = 0; step < 40; step++) {
      const changed = changing.change(300)
      // In the middle of the calls: what was called before is in it, awaited or not.
      if (step % 4 === 0) taken.push(takeCheckpoint(1 + ((step / 4) % 4)))
      if (step % 8 === 2) await takeSnapshot()
      await changed
      if (step % 16 === 15) await held.splice(changing.below(held.length), 1)[0]!()
    }
    await Promise.all([...taken, ...held.map((check) => check())])
    assert.is(store.stats().runningSnapshots, 0)
    assert.is((await readdir(checkpoints)).length, 10)
  })
})

test.run()
