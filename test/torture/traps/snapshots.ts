// Findings 1 and 11: what a snapshot does that is held while keys are overwritten and deleted.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { parseTables } from '../../../src/engine/tables.ts'
import { eventually } from '../../support/eventually.ts'
import { randomFrom } from '../../support/random-generator.ts'
import { type Canary, flush, type Level, noise, stillSo, withLevel } from './canary.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** The version that classic-level is built of, as its build says. */
function bundledVersion(): string {
  const manifest = createRequire(import.meta.url).resolve('classic-level/package.json')
  const build = readFileSync(join(dirname(manifest), 'deps', 'leveldb', 'leveldb.gyp'), 'utf8')
  return /"ldbversion": "([\d.]+)"/.exec(build)?.[1] ?? 'none'
}

/** Whether no table of level 0 is left, and level 1 has no more than it may. */
function isMerged(level: Level): boolean {
  const tables = parseTables(level.getProperty('leveldb.sstables'))
  const bytes = tables.reduce((sum, table) => sum + (table.level === 1 ? table.bytes : 0), 0)
  return tables.every((table) => table.level > 0) && bytes > 0 && bytes <= 10 * MIB
}

/**
 * Puts a key, puts another value over it, and deletes it, each under a snapshot that is held or not; then has LevelDB merge
 * and push down a table. The second value fills a table by itself: what is older comes into the next one, and is parted from
 * the deletion, which goes a level deeper. Returns what the key has at the end, with no snapshot held any more.
 */
function afterDeletion(
  directory: string,
  seed: number,
  holdsSnapshots: boolean,
): Promise<string | undefined> {
  const sizes = { maxFileSize: MIB, writeBufferSize: 64 * MIB }
  return withLevel(directory, sizes, async (level) => {
    const random = randomFrom(seed)
    const snapshots: { close(): Promise<void> }[] = []
    const hold = () => holdsSnapshots && snapshots.push(level.snapshot())
    const table = async (...entries: [string, number][]) => {
      for (const [key, length] of entries) await level.put(key, noise(random, length))
      await flush(level)
    }
    // One table in level 2, and one in level 1 above it: what follows goes to level 0.
    await table(['y', 10], ['z', 10])
    await level.put('k', 'deleted')
    await table(['z', 10])
    hold()
    await level.put('k', noise(random, 1_300_000))
    hold()
    await level.del('k')
    await table(['z', 10])
    // Four tables of level 0 are merged into level 1, which may have 10 MiB: its first table goes deeper.
    for (let i = 0; i < 3; i++) {
      const filler = Array.from({ length: 32 }, (_, j): [string, number] => [`l${i}${j + 10}`, 100_000])
      await table(...filler, ['z', 10])
    }
    await eventually(() => isMerged(level), 'the merge of level 0, and of level 1')
    for (const snapshot of snapshots) await snapshot.close()
    return level.get('k')
  })
}

export const resurrection: Canary = {
  finding: 1,
  behaviour: 'LevelDB is 1.20, and a deleted key comes back where snapshots were held (google/leveldb#320)',
  restsOn:
    'nothing holds a LevelDB snapshot or an iterator for longer than a chunk, and checkpoints cut by version ' +
    '(src/engine/FORMAT.md); set hashes and cross-checks find what comes back all the same.',
  reconsider:
    'whether chunks may be longer; not the set hashes, and not before the load of this family has run for hours.',
  async look(directory, { seed }) {
    const version = bundledVersion()
    stillSo(version === '1.20', `classic-level is built of LevelDB ${version}`)
    const undisturbed = await afterDeletion(join(directory, 'undisturbed'), seed, false)
    stillSo(undisturbed === undefined, 'a deleted key came back although no snapshot was held')
    const back = await afterDeletion(join(directory, 'held'), seed, true)
    stillSo(back === 'deleted', 'a deleted key stayed deleted although snapshots had been held')
    return 'a deleted key was back for good, and without snapshots was not'
  },
}

function tableBytes(directory: string): number {
  const tables = readdirSync(directory).filter((name) => name.endsWith('.ldb'))
  return tables.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
}

const KEYS = 200
const OVERWRITES = 10

function key(number: number): string {
  return `m${String(number).padStart(6, '0')}`
}

/** Overwrites the same keys again and again, then releases and compacts; bytes of tables, before and after a trick. */
async function bytesAfterOverwrites(
  directory: string,
  seed: number,
  holdsSnapshot: boolean,
): Promise<{ compacted: number; rewritten: number }> {
  return withLevel(directory, { maxFileSize: MIB, writeBufferSize: 64 * MIB }, async (level) => {
    const random = randomFrom(seed)
    const write = async () => {
      const batch = level.batch()
      for (let i = 0; i < KEYS; i++) batch.put(key(i), noise(random, 10_000))
      await batch.write()
      await flush(level)
    }
    await write()
    const snapshot = holdsSnapshot ? level.snapshot() : undefined
    for (let i = 0; i < OVERWRITES; i++) await write()
    // As it would in time: all is merged down while the snapshot is held.
    await level.compactRange('m', 'n')
    await snapshot?.close()
    await level.compactRange('m', 'n')
    const compacted = await settled(directory)
    // What lies across the range makes the deepest tables part of a merge again.
    await level.put('l', '')
    await level.put('n', '')
    await level.compactRange('l', 'o')
    return { compacted, rewritten: await settled(directory) }
  })
}

/** Old tables are removed behind a compaction. */
async function settled(directory: string): Promise<number> {
  let last = -1
  await eventually(async () => {
    const bytes = tableBytes(directory)
    const isSettled = bytes === last
    last = bytes
    await new Promise((resolve) => setTimeout(resolve, 50))
    return isSettled
  }, 'the removal of old tables')
  return last
}

export const inflation: Canary = {
  finding: 11,
  behaviour:
    'what a snapshot kept stays on disk when it has ended, until the deepest tables are merged again',
  restsOn:
    'compact() and the compactor put a mark above each table, so that every one is merged (src/engine/rewrite.ts).',
  reconsider: 'whether compactRange alone does it now: then marks need not be written.',
  async look(directory, { seed }) {
    const plain = await bytesAfterOverwrites(join(directory, 'plain'), seed, false)
    const held = await bytesAfterOverwrites(join(directory, 'held'), seed, true)
    const times = held.compacted / plain.compacted
    stillSo(times > OVERWRITES / 2, `compacted, it took ${times.toFixed(1)} times what it would have`)
    const after = held.rewritten / plain.rewritten
    stillSo(after < 1.5, `with keys around it, it still took ${after.toFixed(1)} times what it would have`)
    return `${times.toFixed(1)} times the disk after the snapshot and a compaction, ${after.toFixed(1)} times once merged`
  },
}
