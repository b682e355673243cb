// Stores for tests: opened in a directory of their own, verified, closed and removed, whatever happens in between.
//
// - Every test that leaves a store open at its end has it verified: nothing may be found.
// - Durability is 'os' unless a test says otherwise: no test here cuts the power.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { temporaryDirectory } from './tmp.ts'

export type Store = Awaited<ReturnType<typeof TimerStore.open>>
export type Options = NonNullable<Parameters<typeof TimerStore.open>[1]>

/** Opens a store with what tests need: durability 'os', and a clock that stands at 0 unless given. */
export function openStore(directory: string, options: Options = {}): Promise<Store> {
  return TimerStore.open(directory, { durability: 'os', clock: new ManualClock(0), ...options })
}

/** Runs `body` with a new directory, and removes it. */
export async function withDirectory<T>(body: (directory: string) => Promise<T>): Promise<T> {
  const directory = temporaryDirectory()
  try {
    return await body(directory)
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

export type Reopen = (options?: Options) => Promise<Store>

/**
 * Runs `body` with an open store; at the end the store is verified and closed. `reopen` closes it and opens it again,
 * with the same options unless others are given; the one opened last is verified.
 */
export async function withStore(
  options: Options,
  body: (store: Store, directory: string, reopen: Reopen) => Promise<void>,
): Promise<void> {
  await withDirectory(async (parent) => {
    const directory = join(parent, 'store')
    let current = await openStore(directory, options)
    const reopen: Reopen = async (others) => {
      await current.close()
      current = await openStore(directory, others ?? options)
      return current
    }
    try {
      await body(current, directory, reopen)
      await verified(current)
    } finally {
      await current.close()
    }
  })
}

/** Fails with what verify() finds. */
export async function verified(store: Store): Promise<void> {
  assert.equal(await store.verify(), [])
}

/** Resolves when what was committed is in the key spaces: a snapshot is read from those. */
export async function spilled(store: Store): Promise<void> {
  await (await store.snapshot()).release()
}

/** Opens the store of a directory for `body`, verifies and closes it. */
export async function inStore<T>(
  directory: string,
  options: Options,
  body: (store: Store) => Promise<T>,
): Promise<T> {
  const store = await openStore(directory, options)
  try {
    const result = await body(store)
    await verified(store)
    return result
  } finally {
    await store.close()
  }
}

/** Everything that an async iterable gives. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) collected.push(item)
  return collected
}
