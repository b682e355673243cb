/**
 * The life of a store under steady traffic: snapshots that are held for a while, incremental checkpoints with retention;
 * and what is held, sampled at quiet moments.
 *
 * - A leak can be put in on purpose, to see that it is seen.
 */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { ManualClock } from '../../../src/testing.ts'
import { randomFrom } from '../../support/random.ts'
import { openStore, type Store, verified } from '../../support/store.ts'
import { bytesIn, countResources, MIB } from './resources.ts'
import { Sessions, STEP_MS } from './sessions.ts'

export type Leak = 'fired timers are kept' | 'a snapshot is never released' | 'a file stays open'

/** Small tables and a small write buffer: what rises and falls on disk is then small, too. */
const SIZES = { writeBufferBytes: MIB, maxFileBytes: MIB, cacheBytes: MIB }
const SESSIONS = 6000
const STEPS_PER_SNAPSHOT = 7
const STEPS_HELD = 25
const STEPS_PER_CHECKPOINT = 8
const RETAINED = 3
/** How long a sample waits at most for what was retired to be purged. */
const MAX_PURGE_MS = 5000

/** What is held at one moment; a line is drawn through each of these. */
export interface Sample {
  'heap MiB': number
  'resident MiB': number
  'file descriptors': number
  threads: number
  'store MiB': number
  'checkpoints MiB': number
  'log MiB': number
  'retired timers': number
}

export class Life {
  readonly #directory: string
  readonly #leak: Leak | undefined
  readonly #clock = new ManualClock(0)
  readonly #sessions: Sessions
  readonly #kept: object[] = []
  readonly #openFiles: number[] = []
  readonly #held: { snapshot: Awaited<ReturnType<Store['snapshot']>>; count: number; until: number }[] = []
  readonly samples: Sample[] = []
  #store!: Store
  #steps = 0
  snapshots = 0
  checkpoints = 0
  restarts = 0

  constructor(directory: string, seed: number, leak?: Leak) {
    this.#directory = directory
    this.#leak = leak
    const onFire = (timer: object) => {
      if (leak === 'fired timers are kept') this.#kept.push(timer)
    }
    this.#sessions = new Sessions(SESSIONS, this.#clock, randomFrom(seed), onFire)
  }

  get operations(): number {
    return this.#sessions.operations
  }

  get fires(): number {
    return this.#sessions.fires
  }

  get #location(): string {
    return join(this.#directory, 'store')
  }

  get #checkpointDirectory(): string {
    return join(this.#directory, 'checkpoints')
  }

  async open(): Promise<void> {
    this.#store = await openStore(this.#location, { clock: this.#clock, engine: SIZES })
    await this.#sessions.start(this.#store)
    const { checkpoints } = this.#store
    checkpoints.on('completed', () => this.checkpoints++)
    checkpoints.on('failed', ({ error }) => this.#store.emit('error', error))
    this.#store.on('error', (error) => {
      throw error
    })
    await checkpoints.start({
      directory: this.#checkpointDirectory,
      intervalMs: STEPS_PER_CHECKPOINT * STEP_MS,
      incremental: true,
      retain: RETAINED,
    })
  }

  /** Traffic, until so many operations more were done; then a sample. */
  async live(operations: number): Promise<void> {
    const until = this.operations + operations
    while (this.operations < until) {
      await this.#sessions.step()
      this.#steps++
      await this.#releaseOld()
      if (this.#steps % STEPS_PER_SNAPSHOT === 0) await this.#takeSnapshot()
    }
    await this.#sample()
  }

  async #takeSnapshot(): Promise<void> {
    const snapshot = await this.#store.snapshot()
    this.snapshots++
    this.#held.push({ snapshot, count: this.#sessions.standing, until: this.#steps + STEPS_HELD })
    if (this.#leak === 'a snapshot is never released' && this.snapshots % 10 === 0)
      await this.#store.snapshot()
    if (this.#leak === 'a file stays open')
      this.#openFiles.push(openSync(join(this.#location, 'CURRENT'), 'r'))
    await this.#sessions.checkAll(snapshot.timers())
  }

  /** What was held for long enough holds what it held at first. */
  async #releaseOld(all = false): Promise<void> {
    while (this.#held.length > 0 && (all || this.#held[0]!.until <= this.#steps)) {
      const { snapshot, count } = this.#held.shift()!
      let found = 0
      for await (const _ of snapshot.timers()) found++
      assert.is(found, count)
      await snapshot.release()
    }
  }

  async #sample(): Promise<void> {
    await this.#releaseOld(true)
    const startMs = performance.now()
    while (this.#store.stats().retired > 0 && performance.now() - startMs < MAX_PURGE_MS) {
      if (this.#store.stats().runningSnapshots > 0) break
      await new Promise((resolve) => setImmediate(resolve))
    }
    const { heapMib, anonymousMib, descriptors, threads } = await countResources()
    const { retired, log } = this.#store.stats()
    this.samples.push({
      'heap MiB': heapMib,
      'resident MiB': anonymousMib,
      'file descriptors': descriptors,
      threads,
      'store MiB': bytesIn(this.#location) / MIB,
      'checkpoints MiB': bytesIn(this.#checkpointDirectory) / MIB,
      'log MiB': log.bytes / MIB,
      'retired timers': retired,
    })
  }

  /** What the store holds ends with it: a snapshot, too. */
  async restart(): Promise<void> {
    await this.#store.close()
    await this.open()
    this.restarts++
  }

  /** Ends the life; returns what the store takes on disk for what stands, and what a fresh one takes for the same. */
  async end(): Promise<{ bytes: number; freshBytes: number }> {
    await this.#sessions.checkAll((await this.#store.snapshot()).timers())
    await verified(this.#store)
    const { path } = await this.#store.checkpoint(join(this.#directory, 'last'))
    await this.#store.compact()
    const bytes = bytesIn(this.#location)
    await this.close()
    const { TimerStore } = await import('../../../src/index.ts')
    const fresh = join(this.#directory, 'fresh')
    await TimerStore.restore(path, fresh)
    return { bytes, freshBytes: bytesIn(fresh) }
  }

  async close(): Promise<void> {
    await this.#store.close()
    for (const file of this.#openFiles.splice(0)) closeSync(file)
  }
}
