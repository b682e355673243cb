// What is left after a loss of power, on a real disk and with the real LevelDB: opened, compared, used again.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { type CheckpointInfo, chainFinder } from '../../../src/checkpoint/catalog.ts'
import { rehearseRestore } from '../../../src/checkpoint/restore.ts'
import { listCheckpoints, type TidemarkError, TimerStore } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing.ts'
import type { Tree } from '../../support/disk.ts'
import type { CheckpointLedger, Ledger, StoreLedger } from './ledger.ts'
import { type LoadTimer, SERVICE } from './marks.ts'
import { Digest } from './model.ts'

/** What came of the examinations, summed up. */
export interface Sums {
  /** Acknowledged calls whose effect was looked for. */
  acknowledged: number
  /** Steps that were not acknowledged, and stood all the same. */
  survived: number
  checkpoints: number
  restores: number
  /** With durability 'os': acknowledged steps that were lost, and stores that said TIDEMARK_CORRUPT. */
  lostSteps: number
  refused: number
  /** Stores that said TIDEMARK_CORRUPT, as LevelDB's MANIFEST names a table whose own name was not on disk yet. */
  unnamedTables: number
}

export const noSums = (): Sums => ({
  acknowledged: 0,
  survived: 0,
  checkpoints: 0,
  restores: 0,
  lostSteps: 0,
  refused: 0,
  unnamedTables: 0,
})

export interface Examination {
  tree: Tree
  /** Where the tree is laid out: a directory that is not there. */
  place: string
  ledger: Ledger
  durability: 'disk' | 'os'
  /** Whether a path of the tree had its name on disk for certain. */
  isNameSynced(path: string): boolean
  /** Files that were removed before, by their paths in the tree: they may be there, or not. */
  removed: ReadonlySet<string>
  random: () => number
  sums: Sums
}

const engine = { writeBufferBytes: 64 * 1024, maxFileBytes: 1024 * 1024 }
const definition = {
  namespace: z.string(),
  payload: z.object({ again: z.int().optional(), pad: z.string() }),
}
/** Shares of the reboots at which a checkpoint is restored, and a store is used for more than a timer. */
const RESTORED_SHARE = 0.08
const USED_SHARE = 0.08
/** Share of the reboots at which a store that is no longer in use is looked at. */
const OLD_SHARE = 0.2

/** Rejects with what is not as it must be. */
export async function examine(examination: Examination): Promise<void> {
  const { tree, place } = examination
  layOut(tree, place)
  try {
    await examineCheckpoints(examination)
    const { stores, current } = examination.ledger
    for (const store of stores) {
      if (store === current || examination.random() < OLD_SHARE) await examineStore(examination, store)
    }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

function layOut(tree: Tree, place: string): void {
  mkdirSync(place, { recursive: true })
  for (const [path, content] of tree) {
    if (content === null) mkdirSync(join(place, path), { mode: 0o700 })
    else writeFileSync(join(place, path), content)
  }
}

/** What a store holds, in one text. */
async function digestOf(store: TimerStore): Promise<string> {
  const service = await store.service(SERVICE, definition)
  const digest = new Digest()
  for (const queue of ['eventTime', 'processingTime'] as const) {
    for await (const timer of service[queue].list()) digest.add(queue, timer as LoadTimer)
  }
  return digest.of(service.currentWatermark)
}

function openStore(place: string): Promise<TimerStore> {
  return TimerStore.open(place, { durability: 'os', clock: new ManualClock(0), engine })
}

// stores

async function examineStore(examination: Examination, ledger: StoreLedger): Promise<void> {
  const { place, durability, isNameSynced, sums } = examination
  const directory = join(place, ledger.place)
  if (!existsSync(directory)) {
    assert.not(ledger.isThere && durability === 'disk', `${ledger.place} is missing`)
    if (!ledger.isThere) return
  }
  let store: TimerStore
  try {
    store = await openStore(directory)
  } catch (error) {
    const { code, message } = error as TidemarkError
    if (code !== 'TIDEMARK_CORRUPT') throw error
    const table = /missing files; e\.g\.: .*\/([0-9]+\.ldb)\)/.exec(message)?.[1]
    if (table !== undefined && !isNameSynced(`${ledger.place}/${table}`)) sums.unnamedTables++
    else if (durability === 'os') sums.refused++
    else throw error
    return
  }
  // What was being written is left out, and that is told.
  store.on('error', () => {})
  try {
    standing(examination, ledger, await digestOf(store))
    assert.equal(await store.verify(), [], `${ledger.place} verifies`)
    if (ledger === examination.ledger.current) await useAgain(examination, store)
  } finally {
    await store.close()
  }
}

/** Fails unless the store stands at a step where it may. */
function standing({ durability, sums }: Examination, ledger: StoreLedger, digest: string): void {
  const { model, least, place, isThere } = ledger
  const first = durability === 'disk' ? least : 0
  const step = model.steps.lastIndexOf(digest)
  const stood = step >= first ? step : -1
  // A restored store that is not whole yet is none; a new one may be there without anything.
  if (stood < 0) {
    const expected = `one of steps ${first} (${model.steps[first]}) to ${model.last} (${model.steps.at(-1)})`
    const known = step < 0 ? 'no step' : `step ${step}`
    throw new Error(`${place} holds ${digest}: ${known}, not ${expected}`)
  }
  if (!isThere) return
  sums.acknowledged += ledger.acknowledged
  sums.survived += Math.max(0, stood - least)
  sums.lostSteps += Math.max(0, least - stood)
}

/** The store takes timers and gives them, and now and then a checkpoint. */
async function useAgain({ random, place, sums }: Examination, store: TimerStore): Promise<void> {
  const service = await store.service(SERVICE, definition)
  const before = store.stats().version
  const timer = { key: 'after', namespace: '', timestamp: 10 ** 9, payload: { pad: '' } }
  assert.is(await service.eventTime.register(timer), true)
  assert.is(store.stats().version, before + 1)
  if (random() >= USED_SHARE) return
  const directory = join(place, random() < 0.5 ? 'checkpoints/kept' : 'more/of/them')
  const taken = await store.checkpoint(directory, { incremental: true })
  const digest = await digestOf(store)
  assert.is(await restoredDigest(taken.path, join(place, 'again')), digest)
  sums.restores++
}

// checkpoints

async function examineCheckpoints(examination: Examination): Promise<void> {
  const directories = new Set<string>()
  for (const { directory } of examination.ledger.checkpoints.values()) directories.add(directory)
  for (const directory of directories) await examineDirectory(examination, directory)
}

async function examineDirectory(examination: Examination, directory: string): Promise<void> {
  const { place, ledger, removed, random, sums } = examination
  const entries = [...ledger.checkpoints.values()].filter((entry) => entry.directory === directory)
  const promised = entries.filter(({ file }) => file !== undefined && !removed.has(file))
  if (!existsSync(join(place, directory))) {
    assert.equal(promised, [], `${directory} is missing`)
    return
  }
  const { checkpoints, unreadable } = await listCheckpoints(join(place, directory))
  assert.equal(unreadable, [], 'no file that looks like a checkpoint is broken')
  const listed = new Set(checkpoints.map(({ id }) => id))
  for (const { id, file } of promised) assert.ok(listed.has(id!), `${file} is listed`)
  const chainOf = chainFinder(checkpoints)
  for (const checkpoint of checkpoints) {
    assert.ok(chainOf(checkpoint).isWhole, `${checkpoint.path} has all that it builds on`)
    await rehearsed(checkpoint, chainOf(checkpoint).links, examination)
    sums.checkpoints++
  }
  if (checkpoints.length === 0 || random() >= RESTORED_SHARE) return
  const checkpoint = checkpoints[Math.floor(random() * checkpoints.length)]!
  const digest = await restoredDigest(checkpoint.path, join(place, 'restored'))
  const known = entries.find(({ id }) => id === checkpoint.id)
  const possible = known === undefined ? entries.filter(({ id }) => id === undefined) : [known]
  assert.ok(holds(possible, digest), `${checkpoint.path} restores to ${digest}: ${told(possible)}`)
  sums.restores++
}

function holds(possible: readonly CheckpointLedger[], digest: string): boolean {
  return possible.some(({ steps }) => steps.includes(digest))
}

function told(possible: readonly CheckpointLedger[]): string {
  return possible.map(({ steps }) => `${steps[0]} to ${steps.at(-1)}`).join('; or ')
}

async function restoredDigest(path: string, to: string): Promise<string> {
  await TimerStore.restore(path, to)
  const store = await openStore(to)
  try {
    assert.equal(await store.verify(), [])
    return await digestOf(store)
  } finally {
    await store.close()
    rmSync(to, { recursive: true })
  }
}

/** Chains that were read and proved before, by the bytes of all of their files. */
const proved = new Set<string>()

/** Reads all of a checkpoint, and of what it builds on, as a restore does. */
async function rehearsed(
  { path }: CheckpointInfo,
  links: readonly CheckpointInfo[],
  { tree, place }: Examination,
): Promise<void> {
  const bytesOf = (file: string) => tree.get(file.slice(place.length + 1))!
  const key = links
    .map((link) => `${link.id} ${bytesOf(link.path).length} ${crc32(bytesOf(link.path))}`)
    .join()
  if (proved.has(key)) return
  await rehearseRestore(path, join(place, 'nowhere'))
  proved.add(key)
}
