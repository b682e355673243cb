// What a checkpoint is called, or tells of itself, never leads out of the directories that the caller named.

import fs from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { listCheckpoints } from '../../../src/checkpoint/catalog.ts'
import { CheckpointReader } from '../../../src/checkpoint/reader.ts'
import { TidemarkError, TimerStore } from '../../../src/index.ts'
import { openStore, withDirectory } from '../../support/store.ts'
import type { Outcome, Part } from '../family.ts'
import { fileOf, headOf, serviceOf } from './forged.ts'
import { PATHS, PROTOTYPES } from './hostile.ts'

const WATCHED = [
  ...['open', 'mkdir', 'rename', 'rm', 'link', 'readFile', 'writeFile', 'readdir', 'symlink'],
  ...['stat', 'lstat', 'access'],
] as const as readonly ('open' | 'stat')[]

/** Runs something, and returns every path that it gave to the file system. */
async function pathsOf(run: () => Promise<unknown>): Promise<string[]> {
  const seen: string[] = []
  const before = { ...fs.promises }
  for (const name of WATCHED) {
    const real = fs.promises[name] as (...args: unknown[]) => Promise<unknown>
    const watching = (...args: unknown[]) => {
      seen.push(
        ...args.slice(0, 2).filter((arg): arg is string => typeof arg === 'string' && arg.includes('/')),
      )
      return real(...args)
    }
    fs.promises[name] = watching as never
  }
  try {
    await run()
  } finally {
    Object.assign(fs.promises, before)
  }
  return seen
}

/** A refusal is as good as a success, but nothing else is. */
async function refusedOrDone<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof TidemarkError) return undefined
    throw error
  }
}

/** Headers in which a text stands wherever there may be one. */
function filesWith(text: string): Record<string, Buffer> {
  const base = { version: 1, chain: 0, sha256: '0'.repeat(64) }
  const id = `deadbeef${text}`.slice(0, 64)
  return {
    name: fileOf({
      head: { content: headOf({ serviceCount: 1 }) },
      services: [{ content: serviceOf(0, text) }],
    }),
    metadata: fileOf({ head: { content: headOf({ metadata: JSON.stringify({ [text]: text }) }) } }),
    id: fileOf({ head: { content: headOf({ checkpointId: id, storeId: text.slice(0, 64) }) } }),
    foreignId: fileOf({ head: { content: headOf({ checkpointId: text.slice(0, 64) }) } }),
    base: fileOf({
      head: { content: headOf({ kind: 'incremental', base: { ...base, checkpointId: id } }) },
    }),
    foreignBase: fileOf({
      head: { content: headOf({ kind: 'incremental', base: { ...base, checkpointId: text.slice(0, 64) } }) },
    }),
  }
}

async function tryFile(root: string, bytes: Buffer): Promise<boolean> {
  const directory = join(root, 'checkpoints')
  const target = join(root, 'restored')
  fs.mkdirSync(directory)
  const file = join(directory, 'checkpoint-000000000002-c0ffee00.tidemark')
  fs.writeFileSync(file, bytes)
  let isRestored = false
  const paths = await pathsOf(async () => {
    await refusedOrDone(() => listCheckpoints(directory))
    await refusedOrDone(async () => (await CheckpointReader.open(file)).close())
    for (const source of [file, directory]) {
      const summary = await refusedOrDone(() => TimerStore.restore(source, target))
      if (summary === undefined) continue
      isRestored = true
      const store = await openStore(target)
      assert.equal(Object.keys(store.stats().services), summary.services)
      await store.close()
      fs.rmSync(target, { recursive: true })
    }
  })
  for (const path of paths) assert.ok(path === root || path.startsWith(`${root}/`), `it went to ${path}`)
  assert.equal(fs.readdirSync(root), ['checkpoints'], 'nothing else is there afterwards')
  assert.equal(fs.readdirSync(directory).length, 1)
  return isRestored
}

export const forgedPaths: Part = {
  behaviour: 'paths and names in a checkpoint never lead out of the directories that the caller named',
  unit: 'forged files',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  async run(): Promise<Outcome> {
    let tries = 0
    let restored = 0
    for (const text of [...PATHS, ...PROTOTYPES]) {
      for (const bytes of Object.values(filesWith(text))) {
        tries++
        if (await withDirectory((root) => tryFile(fs.realpathSync(root), bytes))) restored++
      }
    }
    return {
      tries,
      told: `0 paths outside; ${restored} restored as what they are, ${tries - restored} refused`,
    }
  },
}

/** The same names, by the front door. */
export const servicePaths: Part = {
  behaviour: 'a service may have any name: it is stored, checkpointed and restored as text',
  unit: 'names',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  async run(): Promise<Outcome> {
    const names = [...PATHS, ...PROTOTYPES]
    await withDirectory(async (given) => {
      const root = fs.realpathSync(given)
      const timer = { key: '__proto__', namespace: '../x', timestamp: 1 }
      const paths = await pathsOf(async () => {
        const store = await openStore(join(root, 'store'))
        for (const name of names) await (await store.service(name)).eventTime.register(timer)
        const { path } = await store.checkpoint(join(root, 'checkpoints'))
        await store.close()
        await TimerStore.restore(path, join(root, 'restored'))
      })
      for (const path of paths) assert.ok(path.startsWith(root), `it went to ${path}`)
      assert.equal(fs.readdirSync(root).sort(), ['checkpoints', 'restored', 'store'])
      const restored = await openStore(join(root, 'restored'))
      const { services } = restored.stats()
      assert.equal(Object.keys(services).sort(), [...names].sort())
      for (const name of names) {
        assert.is(Object.getOwnPropertyDescriptor(services, name)?.value.eventTime, 1, name)
        const { eventTime } = await restored.service(name)
        assert.is(await eventTime.has(timer), true)
      }
      await restored.close()
    })
    return { tries: names.length, told: 'all as they were, and no path outside' }
  },
}
