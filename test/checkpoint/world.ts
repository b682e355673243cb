// A store that lives and is followed, its checkpoints, and what comes out of them compared with what stood.

import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type CheckpointSummary, type RestoreOptions, TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { copyAsCrashed } from '../support/crash.ts'
import { randomFrom, seed } from '../support/random.ts'
import { type Options, openStore, type Store, withDirectory } from '../support/store.ts'
import { assertRestored, History } from './history.ts'
import { Life, type LifeOptions } from './life.ts'

export interface World {
  parent: string
  directory: string
  checkpoints: string
  clock: ManualClock
  /** The store that is open now. */
  store(): Store
  life: Life
  history: History
  /** Takes an incremental checkpoint, or one with other options. */
  take(options?: object): Promise<CheckpointSummary>
  /** Restores into a new place, compares what comes out with the history, and removes it again. */
  compare(place: string, options: RestoreOptions, version?: number): Promise<void>
  /** Closes the store, lets `between` see to its directory, and opens it again; it lives on, unless told otherwise. */
  reopen(between?: () => Promise<void>, livesOn?: boolean): Promise<void>
  /** Goes on with what a process that is killed now would leave. */
  kill(): Promise<void>
}

export interface WorldOptions extends Options {
  life?: Partial<LifeOptions>
}

/** Runs `body` with a store that lives, and is followed; what it does follows from the seed and a number. */
export async function withLife(
  number: number,
  body: (world: World) => Promise<void>,
  { life: lifeOptions, ...options }: WorldOptions = {},
): Promise<void> {
  await withDirectory(async (parent) => {
    const clock = new ManualClock(number)
    const [directory, checkpoints] = [join(parent, 'store'), join(parent, 'checkpoints')] as const
    const open = () => openStore(directory, { ...options, clock })
    let store = await open()
    const history = await History.of(store, directory)
    const life = await Life.of(store, clock, randomFrom(seed + number), lifeOptions)
    let restored = 0
    const take = async (options: object = { incremental: true }) => {
      const summary = await store.checkpoint(checkpoints, options)
      await history.note()
      return summary
    }
    const compare = async (place: string, options: RestoreOptions, version = options.version!) => {
      const location = join(parent, `restored-${restored++}`)
      const summary = await TimerStore.restore(place, location, options)
      assert.is(summary.version, version)
      const timers = await assertRestored(location, history.at(version), options.keyGroups)
      assert.is(summary.timers, timers)
      await rm(location, { recursive: true })
    }
    const reopen = async (between = async () => {}, livesOn = true) => {
      await history.detach()
      await store.close()
      await between()
      store = await open()
      await history.attach(store, directory)
      if (livesOn) await life.reopened(store)
    }
    const kill = async () => {
      const killed = `${directory}.killed`
      await history.detach()
      await copyAsCrashed(directory, killed)
      await reopen(async () => {
        await rm(directory, { recursive: true })
        await rename(killed, directory)
      })
    }
    const world = { parent, directory, checkpoints, clock, store: () => store, life, history }
    try {
      await body({ ...world, take, compare, reopen, kill })
    } finally {
      await history.detach()
      await store.close()
    }
  })
}
