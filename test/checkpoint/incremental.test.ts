// timeout: 500s
// Incremental checkpoints: each holds the log since its base and nothing else, and with its chain is what stood there.

import { randomUUID } from 'node:crypto'
import { cp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeIncremental } from '../../src/checkpoint/logwriter.ts'
import { openClassicEngine } from '../../src/engine/classic.ts'
import { type CheckpointSummary, TimerStore } from '../../src/index.ts'
import { checkOptions } from '../../src/options.ts'
import { ManualClock } from '../../src/testing.ts'
import { changeCharacter, keysOf, withLevel } from '../support/damage.ts'
import { randomFrom, seed } from '../support/random.ts'
import { rejects } from '../support/refusals.ts'
import { openStore, type Store, verified, withDirectory } from '../support/store.ts'
import { partsOf } from './forge.ts'
import { lifeDefinition } from './life.ts'
import { type World, withLife } from './world.ts'

const large = { life: { many: 4000, text: 60_000, burst: 5000 } }

test('a chain restores to what stood at each of its checkpoints, whatever came between', async () => {
  for (let run = 0; run < 6; run++) {
    await withLife(run, async ({ life, take, compare }) => {
      await life.steps(20)
      for (let i = 0; i < 6; i++) {
        const { kind, path, version } = await take()
        assert.is(kind, i === 0 ? 'full' : 'incremental')
        await compare(path, {}, version)
        await life.steps(12)
      }
    })
  }
})

test('so do thousands of timers in a step, and payloads that fill frames', async () => {
  await withLife(
    10,
    async ({ life, history, take, compare }) => {
      let longest = 0
      let before = 0
      for (let i = 0; i < 5; i++) {
        const { path, version, kind } = await take()
        if (kind === 'incremental') {
          const { values } = await partsOf(path)
          longest = Math.max(longest, ...values.map(({ length }) => length))
          assert.is(
            values.reduce((sum, { length }) => sum + length, 0),
            history.at(version).logCharacters - before,
          )
        }
        before = history.at(version).logCharacters
        await compare(path, {}, version)
        await life.steps(8)
        await life.burstOf(9000, 'x'.repeat(100))
        await life.steps(4)
      }
      assert.ok(longest > 1024 * 1024, `the longest entry has ${longest} characters`)
    },
    large,
  )
})

test('its log entries are those since its base, and it takes what they take', async () => {
  await withLife(20, async ({ life, history, take, store }) => {
    await life.steps(30)
    let last = await take()
    const empty = await take()
    assert.equal(
      [empty.kind, empty.version, empty.base],
      ['incremental', last.version, { id: last.id, version: last.version }],
    )
    assert.equal((await partsOf(empty.path)).values, [])
    // Header, services and footer: there whatever changed.
    const services = store().stats().services
    assert.ok(empty.bytes < 1500 + 400 * Object.keys(services).length, `${empty.bytes} bytes for nothing`)
    last = empty
    for (const [round, changes] of [1, 1, 2, 10, 100, 1000].entries()) {
      const { eventTime } = await life.service('orders')
      for (let i = 0; i < changes; i++) {
        await eventTime.register({
          key: `k${i}`,
          namespace: `${round}`,
          timestamp: 1e12 + i,
          payload: { n: i },
        })
      }
      const next = await take()
      const { values, cut } = await partsOf(next.path)
      assert.is(values.length, next.version - last.version)
      assert.is(cut.base?.version, last.version)
      const characters = history.at(next.version).logCharacters - history.at(last.version).logCharacters
      assert.is(
        values.reduce((sum, { length }) => sum + length, 0),
        characters,
      )
      const bytes = next.bytes - empty.bytes
      assert.ok(bytes <= 3 * characters, `${changes} changes: ${bytes} bytes for ${characters} characters`)
      last = next
    }
  })
})

test('it reads nothing of what is stored but the log', async () => {
  await withDirectory(async (parent) => {
    const [directory, checkpoints] = [join(parent, 'store'), join(parent, 'checkpoints')]
    let store = await openStore(directory)
    const { eventTime } = await store.service('orders')
    await eventTime.registerMany(Array.from({ length: 3000 }, (_, i) => ({ key: `k${i}`, timestamp: i })))
    const full = await store.checkpoint(checkpoints, { incremental: true })
    await store.close()
    // Every timer is damaged: whoever looks at one would tell.
    await withLevel(directory, async (level) => {
      for (const key of await keysOf(level, 't')) await changeCharacter(level, key, 1)
    })
    store = await openStore(directory)
    await (await store.service('orders')).eventTime.register({ key: 'new', timestamp: 5000 })
    const { kind, base, timers } = await store.checkpoint(checkpoints, { incremental: true })
    assert.equal([kind, base?.id, timers], ['incremental', full.id, 3001])
    await rejects(store.checkpoint(checkpoints), 'TIDEMARK_CORRUPT')
    await store.close()
    await TimerStore.restore(checkpoints, join(parent, 'restored'))
    store = await openStore(join(parent, 'restored'))
    await verified(store)
    await store.close()
  })
})

test('a log that is not the one that was cut is refused, and leaves no file', async () => {
  await withLife(25, async ({ parent, directory, life, take }) => {
    await life.steps(3)
    await take()
    await life.steps(6)
    const { path, bytes, version } = await take()
    const { cut } = await partsOf(path)
    const engine = await openClassicEngine(directory, checkOptions({}).engine, true)
    const target = join(parent, 'by hand')
    try {
      const base = cut.base!
      assert.ok(version - base.version > 2)
      for (const wrong of [
        { ...cut, chain: cut.chain + 1 },
        { ...cut, base: { ...base, chain: base.chain + 1 } },
        { ...cut, base: { ...base, version: base.version - 1 } },
        { ...cut, version: version - 1 },
        { ...cut, version: version + 1 },
      ]) {
        await rejects(writeIncremental(engine, wrong, target), 'TIDEMARK_CORRUPT')
        assert.equal(await readdir(target), [])
      }
      assert.ok(Math.abs((await writeIncremental(engine, cut, target)).bytes - bytes) < 4)
    } finally {
      await engine.close()
    }
  })
})

// When the next one is full.

test('after so many links the next one is full', async () => {
  await withLife(30, async ({ life, take, compare }) => {
    const kinds = async (count: number, options: object) => {
      const taken: CheckpointSummary[] = []
      for (let i = 0; i < count; i++) {
        await life.steps(1)
        taken.push(await take({ incremental: true, ...options }))
      }
      await compare(taken.at(-1)!.path, {}, taken.at(-1)!.version)
      return taken.map(({ kind }) => kind[0]).join('')
    }
    assert.is(await kinds(8, { maxLinks: 2 }), 'fiifiifi')
    assert.is(await kinds(5, { maxLinks: 1 }), 'fifif')
    assert.is(await kinds(13, {}), 'iiiiiiiiiifii')
    // The chain that is there is too long for fewer.
    assert.is(await kinds(3, { maxLinks: 2 }), 'fii')
    await rejects(take({ incremental: true, maxLinks: 0 }), 'TIDEMARK_INVALID_ARGUMENT', 'maxLinks')
    await rejects(take({ incremental: true, maxLinks: 1.5 }), 'TIDEMARK_INVALID_ARGUMENT', 'maxLinks')
  })
})

/** Text that does not compress. */
const noise = (characters: number) => {
  let text = ''
  while (text.length < characters) text += randomUUID()
  return text
}

test('when the increments have outgrown the full one the next is full: many of them, or one', async () => {
  await withLife(40, async ({ life, take, compare, store }) => {
    const change = async (characters: number) => {
      const { eventTime } = await life.service('orders')
      for (let left = characters; left > 0; left -= 50_000) {
        await eventTime.register({
          key: `k${left % 7}`,
          timestamp: 1e12,
          payload: { n: 1, text: noise(50_000) },
        })
      }
    }
    await life.steps(10)
    const kinds: string[] = []
    for (let i = 0; i < 9; i++) {
      const summary = await take()
      kinds.push(summary.kind[0]!)
      await change(400_000)
    }
    const told = kinds.join('')
    // Three to five of them are a megabyte, which no full one is held to be smaller than.
    assert.ok(/^fi{3,6}fi+$/.test(told), told)
    const before = await take({})
    await take()
    await change(4_000_000)
    const after = await take()
    assert.is(after.kind, 'full')
    assert.ok(after.bytes < 2_000_000 && before.kind === 'full')
    await compare(after.path, {}, after.version)
    await life.rest()
    assert.is(store().stats().runningSnapshots, 0)
  })
})

test('when the log no longer reaches back the next one is full', async () => {
  const engine = { writeBufferBytes: 64 * 1024 }
  await withLife(
    50,
    async ({ life, history, take, compare }) => {
      await life.steps(10)
      // Nothing is held for one that none was asked to build on; but while the log reaches, one can.
      const full = await take({})
      const close = await take()
      const again = await take({})
      assert.equal([full.kind, close.base?.id, again.kind], ['full', full.id, 'full'])
      const { eventTime } = await life.service('orders')
      for (let i = 0; i < 70; i++) {
        await eventTime.register({ key: 'k', timestamp: 1e12 + i, payload: { n: i, text: noise(60_000) } })
        await history.note()
      }
      const next = await take()
      assert.is(next.kind, 'full')
      await compare(next.path, {}, next.version)
    },
    { engine },
  )
})

/** Takes a full checkpoint and three on it, and lets `spoil` have the files. */
async function afterSpoiling(
  number: number,
  spoil: (links: CheckpointSummary[], world: World) => Promise<void>,
): Promise<void> {
  await withLife(number, async (world) => {
    const { life, take, compare } = world
    const links: CheckpointSummary[] = []
    for (let i = 0; i < 4; i++) {
      await life.steps(4)
      links.push(await take())
    }
    await spoil(links, world)
    await life.steps(4)
    const next = await take()
    await compare(next.path, {}, next.version)
    await life.steps(4)
    const last = await take()
    assert.is(last.base?.id, next.id)
    await compare(last.path, {}, last.version)
  })
}

test('nothing builds on a chain of which a link was taken away', async () => {
  for (let gone = 0; gone < 4; gone++) {
    await afterSpoiling(60 + gone, async (links) => rm(links[gone]!.path))
  }
})

test('nor on one that was given another name, as a file that is to stay is, or as a savepoint', async () => {
  for (const [number, name] of ['before-the-migration.tidemark', 'savepoint'].entries()) {
    await afterSpoiling(90 + number, async (links) => {
      const { path } = links.at(-1)!
      const file = name === 'savepoint' ? basename(path).replace('checkpoint-', 'savepoint-') : name
      await rename(path, join(dirname(path), file))
    })
  }
})

test('nor on one of which a link was changed by hand, whatever its length and its header', async () => {
  for (let spoilt = 0; spoilt < 4; spoilt++) {
    await afterSpoiling(70 + spoilt, async (links) => {
      const { path } = links[spoilt]!
      const bytes = await readFile(path)
      // Between header and footer.
      bytes[bytes.length - 200]! ^= 1
      await writeFile(path, bytes)
    })
  }
})

test('nor on one that was put in its place with the same length and time', async () => {
  await afterSpoiling(80, async (links) => {
    const { path } = links[1]!
    const { atime, mtime } = await stat(path)
    const bytes = await readFile(path)
    bytes[bytes.length - 200]! ^= 1
    await writeFile(`${path}.new`, bytes)
    await rename(`${path}.new`, path)
    await utimes(path, atime, mtime)
  })
})

// Opened again.

test('after a clean close, and after a kill, an incremental one builds on those from before', async () => {
  const engine = { writeBufferBytes: 64 * 1024 }
  await withLife(
    90,
    async ({ life, take, compare, reopen, kill }) => {
      await life.steps(20)
      let last = await take()
      for (let round = 0; round < 8; round++) {
        await life.steps(10)
        if (round % 2 === 0) await reopen()
        else await kill()
        if (round % 3 === 0) await reopen()
        await life.steps(3)
        const next = await take()
        assert.equal([next.kind, next.base?.id], ['incremental', last.id])
        await compare(next.path, {}, next.version)
        last = next
      }
    },
    { engine },
  )
})

test('a store that was restored begins a chain of its own, also in the same directory', async () => {
  await withLife(100, async ({ parent, checkpoints, life, take, compare }) => {
    await life.steps(10)
    await take()
    await life.steps(5)
    const last = await take()
    const place = join(parent, 'restored')
    await TimerStore.restore(checkpoints, place)
    const store = await openStore(place, { clock: new ManualClock(1e6) })
    const taken: CheckpointSummary[] = []
    for (let i = 0; i < 3; i++) taken.push(await store.checkpoint(checkpoints, { incremental: true }))
    await store.close()
    assert.equal(
      taken.map(({ kind, base }) => [kind, base?.id]),
      [
        ['full', undefined],
        ['incremental', taken[0]!.id],
        ['incremental', taken[1]!.id],
      ],
    )
    await life.steps(5)
    const next = await take()
    assert.is(next.base?.id, last.id)
    await compare(next.path, {}, next.version)
  })
})

/** Registers timers, a commit each. */
async function commits(store: Store, count: number, key: string): Promise<void> {
  const { eventTime } = await store.service('orders', lifeDefinition)
  for (let i = 0; i < count; i++) await eventTime.register({ key, timestamp: 1e12 + committed++ })
}

let committed = 0

test('a store whose directory was put back never builds on what it did after that', async () => {
  for (const [number, laterCommits] of [2, 6, 11].entries()) {
    await withLife(
      110 + number,
      async ({ parent, directory, life, history, store, take, compare, reopen }) => {
        await life.steps(6)
        const common = await take()
        await life.rest()
        const { version } = await history.note()
        const copy = join(parent, 'copy')
        await reopen(() => cp(directory, copy, { recursive: true }))
        await commits(store(), 3, 'abandoned')
        const first = await take()
        await commits(store(), 3, 'abandoned')
        const abandoned = await take()
        assert.equal([first.base?.id, abandoned.base?.id], [common.id, first.id])
        await reopen(async () => {
          await rm(directory, { recursive: true })
          await rename(copy, directory)
          history.forget(version)
        })
        await commits(store(), laterCommits, 'instead')
        const next = await take()
        assert.is(next.version - abandoned.version, laterCommits - 6)
        assert.is(next.base?.id, common.id)
        await compare(next.path, {}, next.version)
        await commits(store(), 2, 'and on')
        const last = await take()
        assert.is(last.base?.id, next.id)
        await compare(last.path, {}, last.version)
      },
    )
  }
})

// Several, and those that come to nothing.

test('several at once, whatever they are and whatever is committed meanwhile, each hold their own version', async () => {
  for (let run = 0; run < 3; run++) {
    const random = randomFrom(seed + 120 + run)
    await withLife(120 + run, async ({ checkpoints, life, history, store, take, compare }) => {
      await life.steps(10)
      await take()
      for (let round = 0; round < 3; round++) {
        const taking: Promise<CheckpointSummary>[] = []
        for (let i = 0; i < 5; i++) {
          const options = [{ incremental: true }, { incremental: true }, {}, { savepoint: true }]
          taking.push(store().checkpoint(checkpoints, options[Math.floor(random() * options.length)]!))
          if (random() < 0.8) await life.step()
        }
        const taken = await Promise.all(taking)
        await history.note()
        for (const { path, version } of taken) await compare(path, {}, version)
        const { path, version } = await take()
        await compare(path, {}, version)
      }
      await life.rest()
      assert.is(store().stats().runningSnapshots, 0)
    })
  }
})

test('two on one base are both whole, and the next builds on the newer', async () => {
  await withLife(130, async ({ checkpoints, life, history, store, take, compare }) => {
    await life.steps(5)
    const base = await take()
    await commits(store(), 1, 'a')
    const older = store().checkpoint(checkpoints, { incremental: true })
    await commits(store(), 1, 'b')
    const newer = store().checkpoint(checkpoints, { incremental: true })
    const [a, b] = await Promise.all([older, newer])
    await history.note()
    assert.ok(a.version < b.version)
    assert.is(a.base?.id, base.id)
    for (const { path, version } of [a, b]) await compare(path, {}, version)
    await life.steps(2)
    const next = await take()
    assert.is(next.base?.id, b.id)
    await compare(next.path, {}, next.version)
  })
})

test('one that fails or is aborted leaves no file, and the next builds on what it would have', async () => {
  const engine = { writeBufferBytes: 64 * 1024 }
  await withLife(
    140,
    async ({ checkpoints, life, store, take, compare }) => {
      const files = async () => (await readdir(checkpoints)).sort()
      const fill = async () => {
        const { eventTime } = await life.service('orders')
        for (let i = 0; i < 12; i++) {
          await eventTime.register({ key: 'k', timestamp: 1e12 + i, payload: { n: i, text: noise(30_000) } })
        }
      }
      await life.steps(5)
      await life.rest()
      let last = await take()
      for (let round = 0; round < 3; round++) {
        const before = await files()
        await fill()
        const aborter = new AbortController()
        const aborted = take({ incremental: true, signal: aborter.signal })
        aborter.abort()
        await rejects(aborted, 'TIDEMARK_CHECKPOINT_ABORTED')
        const onProgress = () => {
          throw new Error('mine')
        }
        const failed = await take({ incremental: true, onProgress }).catch((error) => error)
        assert.instance(failed, Error)
        await rejects(take({ incremental: true, metadata: 'x'.repeat(70_000) }), 'TIDEMARK_INVALID_ARGUMENT')
        await fill()
        assert.equal(await files(), before)
        assert.is(store().stats().runningSnapshots, 0)
        const next = await take()
        assert.equal([next.kind, next.base?.id], ['incremental', last.id])
        await compare(next.path, {}, next.version)
        last = next
      }
    },
    { engine },
  )
})

test('what would not be read again does not become a checkpoint', async () => {
  await withDirectory(async (parent) => {
    const checkpoints = join(parent, 'checkpoints')
    let nowMs = 0
    const store = await openStore(join(parent, 'store'), { clock: { now: () => nowMs } })
    await commits(store, 2, 'a')
    const { id } = await store.checkpoint(checkpoints, { incremental: true })
    await commits(store, 2, 'b')
    const before = await readdir(checkpoints)
    // A clock must give whole numbers: a header cannot have others.
    nowMs = 0.5
    for (const options of [{}, { incremental: true }, { savepoint: true }]) {
      await rejects(store.checkpoint(checkpoints, options), 'TIDEMARK_FAILED', 'createdMs')
    }
    assert.equal(await readdir(checkpoints), before)
    nowMs = 1
    assert.is((await store.checkpoint(checkpoints, { incremental: true })).base?.id, id)
    await store.close()
  })
})

test('each directory has a chain of its own, whatever the path is spelled like', async () => {
  await withLife(150, async ({ parent, checkpoints, life, history, store, take, compare }) => {
    const other = join(parent, 'other')
    await life.steps(5)
    const [a, b] = [await take(), await store().checkpoint(other, { incremental: true })]
    for (let i = 0; i < 3; i++) {
      await life.steps(3)
      const next = [
        await store().checkpoint(`${parent}/./checkpoints/`, { incremental: true }),
        await store().checkpoint(`${parent}/x/../other`, { incremental: true }),
      ]
      await history.note()
      assert.equal(
        next.map(({ kind }) => kind),
        ['incremental', 'incremental'],
      )
      for (const { path, version } of next) await compare(path, {}, version)
    }
    assert.equal([a.kind, b.kind], ['full', 'full'])
    assert.equal((await readdir(checkpoints)).length, 4)
    assert.equal((await readdir(other)).length, 4)
  })
})

test('a full one without being asked for increments can be built on, and begins a new chain', async () => {
  await withLife(160, async ({ life, take, compare }) => {
    await life.steps(5)
    const taken: CheckpointSummary[] = []
    for (const options of [{}, undefined, {}, undefined, undefined]) {
      taken.push(await take(options))
      await life.steps(3)
    }
    const [a, b, c, d, e] = taken
    assert.equal([a!.kind, b!.base?.id, c!.kind], ['full', a!.id, 'full'])
    assert.equal([d!.base?.id, e!.base?.id], [c!.id, d!.id])
    for (const { path, version } of taken) await compare(path, {}, version)
  })
})

test.run()
