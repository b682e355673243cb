// What retention removes, and in which order: nothing that is wanted, and never a file before those that build on it.

import fs from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CheckpointInfo, chainFinder } from '../../src/checkpoint/catalog.ts'
import { checkpointFileName, temporaryFileName } from '../../src/checkpoint/cut.ts'
import { latestWhole, leftovers, planRetention, removeFiles } from '../../src/checkpoint/retention.ts'
import { systemFiles } from '../../src/files.ts'
import { rejects } from '../support/refusals.ts'
import { withDirectory } from '../support/store.ts'
import '../support/random.ts'

const owner = { storeId: 'mine', version: 1000 }
const none: ReadonlySet<string> = new Set()

let made = 0

/** A checkpoint of this store: on another one, if that is given. */
function checkpoint(
  version: number,
  given: Partial<CheckpointInfo> = {},
  on?: CheckpointInfo,
): CheckpointInfo {
  const id = (made++).toString(16).padStart(8, '0')
  const kind = given.kind ?? (on === undefined ? 'full' : 'incremental')
  const base = on && { checkpointId: on.id, version: on.version, chain: on.chain, sha256: on.sha256 }
  return {
    path: `dir/${checkpointFileName({ kind, version, checkpointId: id })}`,
    kind,
    id,
    storeId: owner.storeId,
    version,
    chain: version * 7,
    ...(base === undefined ? {} : { base }),
    maxParallelism: 128,
    keyGroups: { start: 0, end: 127 },
    createdMs: version,
    pauseMs: 0,
    durationMs: 0,
    timers: 0,
    bytes: 100,
    sha256: id.repeat(8),
    ...given,
  }
}

/** A chain of so many links, from a full one on. */
function chain(version: number, length: number): CheckpointInfo[] {
  const links = [checkpoint(version)]
  while (links.length < length) links.push(checkpoint(version + links.length, {}, links.at(-1)))
  return links
}

function versions(checkpoints: readonly CheckpointInfo[]): number[] {
  return checkpoints.map(({ version }) => version)
}

function removed(checkpoints: readonly CheckpointInfo[], retain = 1, bases = none): number[] {
  return versions(planRetention(checkpoints, owner, retain, bases))
}

test('the newest stay, as many as are to be retained', () => {
  const five = [1, 2, 3, 4, 5].map((version) => checkpoint(version))
  assert.equal(removed(five), [4, 3, 2, 1])
  assert.equal(removed(five, 2), [3, 2, 1])
  assert.equal(removed(five, 5), [])
  assert.equal(removed(five, 9), [])
  assert.equal(removed([]), [])
})

test('what a retained one builds on stays, and goes with it, the newest first', () => {
  const old = chain(1, 4)
  assert.equal(removed(old), [])
  assert.equal(removed([...old, checkpoint(5)]), [4, 3, 2, 1])
  assert.equal(removed([...old, checkpoint(5)], 2), [])
  assert.equal(removed([...old, ...chain(5, 3)], 4), [])
  assert.equal(removed([...old, ...chain(5, 3)], 3), [4, 3, 2, 1])
})

test('of links that have one version, the one that builds on the other goes first', () => {
  const full = checkpoint(1)
  const links = [full]
  for (let i = 0; i < 4; i++) links.push(checkpoint(1, {}, links.at(-1)))
  const shuffled = [links[3]!, links[0]!, links[4]!, links[2]!, links[1]!, checkpoint(2)]
  assert.equal(planRetention(shuffled, owner, 1, none), links.reverse())
})

test('savepoints, renamed files and those of others stay, and take no place of those that are retained', () => {
  const kept = [
    checkpoint(1, { kind: 'savepoint' }),
    checkpoint(2, { path: 'dir/before-the-migration.tidemark' }),
    checkpoint(3, { storeId: 'other' }),
    checkpoint(5, { kind: 'savepoint' }),
    checkpoint(1001),
  ]
  const mine = [checkpoint(6), checkpoint(7), checkpoint(8)]
  assert.equal(removed([...kept.slice(0, 4), ...mine, ...kept.slice(4)], 2), [6])
})

test('what one under way builds on stays, and what that builds on', () => {
  const old = chain(1, 3)
  const all = [...old, checkpoint(10)]
  assert.equal(removed(all, 1, new Set([old[1]!.id])), [3])
  assert.equal(removed(all, 1, new Set(['unknown'])), [3, 2, 1])
})

test('one of which a part is missing is not retained in the place of a whole one', () => {
  const [full, second, third, fourth] = chain(1, 4)
  // The second is missing, or cannot be read at the moment.
  assert.equal(removed([full!, third!, fourth!]), [])
  const whole = checkpoint(9)
  assert.equal(removed([full!, third!, fourth!, whole]), [4, 3, 1])
  assert.equal(removed([full!, second!, third!, fourth!, whole]), [4, 3, 2, 1])
  const altered = { ...second!, sha256: 'f'.repeat(64) }
  assert.equal(removed([full!, altered, third!]), [])
  assert.is(latestWhole([full!, altered, third!, fourth!]), altered)
  assert.is(latestWhole([third!, fourth!]), undefined)
})

test('the latest may be a savepoint', () => {
  const savepoint = checkpoint(3, { kind: 'savepoint' })
  assert.is(latestWhole([...chain(1, 2), savepoint]), savepoint)
})

test('headers that build on one another in a circle end nothing and keep nothing', () => {
  const first = checkpoint(1)
  const second = checkpoint(1, {}, first)
  const circle = [
    { ...first, base: { ...second.base!, checkpointId: second.id, sha256: second.sha256 } },
    second,
  ]
  assert.equal(removed([...circle, checkpoint(2)]), [1, 1])
})

const directories = fc
  .array(
    fc.record({
      step: fc.integer({ min: 0, max: 2 }),
      /** How far back the one lies that it builds on; 0: it is full. */
      back: fc.constantFrom(0, 1, 1, 1, 2, 3),
      what: fc.constantFrom('mine', 'mine', 'mine', 'mine', 'savepoint', 'other', 'renamed', 'lost'),
    }),
    { minLength: 1, maxLength: 40, size: 'max' },
  )
  .map((plans) => {
    let version = 1
    const all: CheckpointInfo[] = []
    const lost = new Set<CheckpointInfo>()
    for (const { step, back, what } of plans) {
      version += step
      const given: Partial<CheckpointInfo> = {
        ...(what === 'savepoint' ? { kind: 'savepoint' as const } : {}),
        ...(what === 'other' ? { storeId: 'other' } : {}),
      }
      const on = what === 'savepoint' || back === 0 ? undefined : all.at(-back)
      const one = checkpoint(version, given, on?.kind === 'savepoint' ? undefined : on)
      if (what === 'renamed') one.path = `dir/renamed-${one.id}.tidemark`
      if (what === 'lost') lost.add(one)
      all.push(one)
    }
    return all.filter((one) => !lost.has(one))
  })

test('after any of its removals, whatever is left has all that it had to build on, and the retained are untouched', () => {
  let removals = 0
  const property = fc.property(directories, fc.integer({ min: 1, max: 5 }), fc.nat(), (all, retain, pick) => {
    const chainOf = chainFinder(all)
    const bases = new Set(pick % 2 === 0 || all.length === 0 ? [] : [all[pick % all.length]!.id])
    const plan = planRetention(all, owner, retain, bases)
    removals += plan.length
    const isMine = ({ kind, storeId, path }: CheckpointInfo) =>
      kind !== 'savepoint' && storeId === 'mine' && !path.includes('renamed')
    const retained = all.filter((one) => isMine(one) && chainOf(one).isWhole).slice(-retain)
    assert.is(new Set(plan).size, plan.length)
    for (const one of plan) assert.ok(isMine(one) && !retained.includes(one) && !bases.has(one.id))
    for (let done = 0; done <= plan.length; done++) {
      const left = all.filter((one) => !plan.slice(0, done).includes(one))
      const chainThen = chainFinder(left)
      for (const one of left) assert.is(chainThen(one).isWhole, chainOf(one).isWhole, one.path)
    }
    // It is done with one plan; and it removes all that it may: what is left has a reason.
    const left = all.filter((one) => !plan.includes(one))
    assert.equal(planRetention(left, owner, retain, bases), [])
    const oldest = retained[0]?.version ?? 0
    const isWanted = (one: CheckpointInfo) =>
      !isMine(one) ||
      retained.includes(one) ||
      bases.has(one.id) ||
      (one.version >= oldest && !chainOf(one).isWhole)
    const wanted = new Set(left.filter(isWanted).flatMap((one) => chainOf(one).links))
    for (const one of left) assert.ok(wanted.has(one), `${one.path} has no reason to stay`)
  })
  fc.assert(property, { numRuns: 500 })
  assert.ok(removals > 500, 'the test removes next to nothing')
})

test('temporary files of dead runs are told from those of live ones and of others', () => {
  const cut = {
    storeId: 'mine',
    checkpointId: 'aaaaaaaa-0000',
    version: 5,
    kind: 'full' as const,
    maxParallelism: 128,
  }
  const name = (given: object) => `dir/${temporaryFileName({ ...cut, ...given } as never)}`
  const dead = name({})
  const live = name({ checkpointId: 'bbbbbbbb-0000' })
  const others = [name({ storeId: 'other' }), 'dir/x.tidemark.tmp']
  assert.equal(leftovers([dead, live, ...others], owner, new Map([['bbbbbbbb-0000', undefined]])), [dead])
})

test('each removal is on disk before the next', async () => {
  await withDirectory(async (directory) => {
    const files = ['c', 'b', 'a'].map((name) => ({ path: join(directory, name) }))
    for (const { path } of files) await writeFile(path, '')
    const calls: string[] = []
    const { rm, open } = fs.promises
    fs.promises.rm = async (path, options) => {
      calls.push(`rm ${basename(String(path))}`)
      return rm(path, options)
    }
    fs.promises.open = async (...parameters) => {
      const handle = await open(...parameters)
      const sync = handle.sync.bind(handle)
      handle.sync = () => {
        calls.push('sync')
        return sync()
      }
      return handle
    }
    try {
      await removeFiles(systemFiles, directory, files, ({ path }) => calls.push(`told ${basename(path)}`))
    } finally {
      fs.promises.rm = rm
      fs.promises.open = open
    }
    const each = (name: string) => [`rm ${name}`, 'sync', `told ${name}`]
    assert.equal(calls, ['c', 'b', 'a'].flatMap(each))
    assert.equal(await readdir(directory), [])
    // What somebody else has removed is removed.
    await removeFiles(systemFiles, directory, files)
  })
})

test('where a file cannot be removed, none of those that it builds on goes', async () => {
  await withDirectory(async (directory) => {
    const files = ['c', 'b', 'a'].map((name) => ({ path: join(directory, name) }))
    for (const { path } of files) await writeFile(path, '')
    const { rm } = fs.promises
    fs.promises.rm = async (path, options) => {
      if (String(path).endsWith('b')) throw Object.assign(new Error('EPERM: no'), { code: 'EPERM' })
      return rm(path, options)
    }
    try {
      await rejects(
        removeFiles(systemFiles, directory, files),
        'TIDEMARK_FAILED',
        '/b could not be removed',
        'EPERM',
      )
    } finally {
      fs.promises.rm = rm
    }
    assert.equal(await readdir(directory), ['a', 'b'])
  })
})

test.run()
