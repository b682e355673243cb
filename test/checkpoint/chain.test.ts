// timeout: 400s
// A chain restores whole or not at all: a link that is missing, altered or another is named, and nothing stays.

import fs from 'node:fs'
import { cp, mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openChain } from '../../src/checkpoint/chain.ts'
import { checkpointFileName } from '../../src/checkpoint/cut.ts'
import { logKey } from '../../src/engine/keyspaces.ts'
import { type CheckpointSummary, type TidemarkError, TimerStore } from '../../src/index.ts'
import { MAX_CHAIN_LINKS } from '../../src/limits.ts'
import { ManualClock } from '../../src/testing.ts'
import { checksumAtEnd, withChecksum } from '../../src/timer/checksum.ts'
import { keyGroupOf } from '../../src/timer/keygroup.ts'
import { randomFrom, seed } from '../support/random.ts'
import { rejects } from '../support/refusals.ts'
import { openStore, type Store, withDirectory } from '../support/store.ts'
import { altered, entryBytes, fileOf, forge, type Parts, partsOf } from './forge.ts'
import { assertRestored, History } from './history.ts'
import { Life } from './life.ts'

interface Chain {
  parent: string
  checkpoints: string
  /** The full checkpoint first. */
  links: CheckpointSummary[]
  history: History
  /** Restoring a file must be refused, naming `named`, and leave nothing. */
  refuse(place: string, named: string, code?: TidemarkError['code'], ...says: string[]): Promise<void>
  /** Restores a file, and compares what comes out. */
  compare(place: string, version: number): Promise<void>
}

let lives = 0

/** Makes a full checkpoint and incremental ones on it. */
async function chainOf(
  parent: string,
  name: string,
  count: number,
): Promise<{ links: CheckpointSummary[]; history: History; checkpoints: string }> {
  const clock = new ManualClock(0)
  const [directory, checkpoints] = [join(parent, name), join(parent, `${name}-checkpoints`)]
  const store = await openStore(directory, { clock })
  const history = await History.of(store, directory)
  const life = await Life.of(store, clock, randomFrom(seed + lives++))
  const links: CheckpointSummary[] = []
  for (let i = 0; i < count; i++) {
    // So that each link has some entries of its own: one step of a life may make many.
    const least = (await history.note()).version + 4
    while ((await history.note()).version < least) await life.step()
    links.push(await store.checkpoint(checkpoints, { incremental: true }))
    await history.note()
  }
  await history.detach()
  await store.close()
  return { links, history, checkpoints }
}

async function withChain(count: number, body: (chain: Chain) => Promise<void>): Promise<void> {
  await withDirectory(async (parent) => {
    const { links, history, checkpoints } = await chainOf(parent, 'store', count)
    const target = join(parent, 'target')
    const refuse: Chain['refuse'] = async (place, named, code = 'TIDEMARK_CHECKPOINT_CORRUPT', ...says) => {
      const before = await readdir(parent)
      await rejects(TimerStore.restore(place, target), code, named, ...says)
      assert.equal(await readdir(parent), before)
    }
    const compare = async (place: string, version: number) => {
      await TimerStore.restore(place, target)
      await assertRestored(target, history.at(version))
      await rm(target, { recursive: true })
    }
    await body({ parent, checkpoints, links, history, refuse, compare })
  })
}

test('a chain is whole wherever its files are', async () => {
  await withChain(4, async ({ parent, checkpoints, links, compare }) => {
    const elsewhere = join(parent, 'elsewhere')
    await rename(checkpoints, elsewhere)
    for (const { path, version } of links) await compare(join(elsewhere, basename(path)), version)
  })
})

test('a link that is missing is named, with the one that builds on it', async () => {
  await withChain(4, async ({ checkpoints, links, refuse, compare }) => {
    const [newest] = links.slice(-1)
    for (const [i, { path }] of links.slice(0, -1).entries()) {
      await rename(path, `${path}.away`)
      const code = 'TIDEMARK_CHECKPOINT_NOT_FOUND'
      const needing = links[i + 1]!
      await refuse(newest!.path, path, code, needing.path)
      await refuse(checkpoints, path, code, needing.path)
      for (const earlier of links.slice(0, i)) await compare(earlier.path, earlier.version)
      await rename(`${path}.away`, path)
    }
    await compare(newest!.path, newest!.version)
  })
})

test('a link that is cut off, longer, or altered in any byte is named', async () => {
  const random = randomFrom(seed)
  await withChain(3, async ({ links, refuse, compare }) => {
    const newest = links.at(-1)!
    for (const { path, bytes } of links) {
      const original = await readFile(path)
      for (const length of [0, 15, Math.floor(random() * bytes), bytes - 1]) {
        await truncate(path, length)
        await refuse(newest.path, path)
        await writeFile(path, original)
      }
      await writeFile(path, Buffer.concat([original, Buffer.alloc(1)]))
      await refuse(newest.path, path)
      for (let i = 0; i < 12; i++) {
        const at = Math.floor(random() * bytes)
        const changed = Buffer.from(original)
        changed[at]! ^= 1 << Math.floor(random() * 8)
        await writeFile(path, changed)
        const restoring = TimerStore.restore(newest.path, join(dirname(path), 'target'))
        const error = await restoring.then(
          () => assert.unreachable(`byte ${at} of ${path}`),
          (e) => e,
        )
        // A format version that is higher is a newer file, unless its checksum tells otherwise.
        assert.is(error.code, 'TIDEMARK_CHECKPOINT_CORRUPT', error.stack)
        assert.ok(error.message.includes(path), error.message)
      }
      await writeFile(path, original)
    }
    await compare(newest.path, newest.version)
  })
})

test('a link that is another file is named: of another store, of this one, older or newer', async () => {
  await withChain(4, async ({ parent, links, refuse, compare }) => {
    const other = await chainOf(parent, 'other', 4)
    const newest = links.at(-1)!
    for (const [i, { path }] of links.slice(0, -1).entries()) {
      const original = await readFile(path)
      const others = [...other.links, ...links.filter((link) => link !== links[i] && link !== newest)]
      for (const { path: another } of others) {
        await writeFile(path, await readFile(another))
        await refuse(newest.path, path, 'TIDEMARK_CHECKPOINT_CORRUPT', 'not the one')
      }
      await writeFile(path, original)
    }
    await compare(newest.path, newest.version)
  })
})

test('a file of the same id, written again, is not the one that was built on', async () => {
  await withChain(3, async ({ links, refuse, compare }) => {
    const [, middle, newest] = links
    // The same entries, in frames of another time: all is right but the hash.
    const putBack = await altered(middle!.path, () => undefined)
    await compare(middle!.path, middle!.version)
    await refuse(newest!.path, middle!.path, 'TIDEMARK_CHECKPOINT_CORRUPT', newest!.path)
    await putBack()
    await compare(newest!.path, newest!.version)
  })
})

test('an entry that was tampered with is found, though every frame, the file’s hash and its size are right', async () => {
  const random = randomFrom(seed)
  await withChain(3, async ({ parent, links, refuse, compare }) => {
    const newest = links.at(-1)!
    const { values } = await partsOf(newest.path)
    const other = await chainOf(parent, 'other', 3)
    const foreign = (await partsOf(other.links.at(-1)!.path)).values
    const at = (i: number) => (values.length + i) % values.length
    const with_ = (i: number, value: string) => values.map((known, j) => (j === at(i) ? value : known))
    /** With another character in one place. */
    const oneOther = (value: string) => {
      const place = Math.floor(random() * value.length)
      return value.slice(0, place) + (value[place] === 'A' ? 'B' : 'A') + value.slice(place + 1)
    }
    const alterations: [string, (values: string[]) => string[]][] = [
      ['the first is gone', (all) => all.slice(1)],
      ['the last is gone', (all) => all.slice(0, -1)],
      ['one in the middle is gone', (all) => all.toSpliced(1, 1)],
      ['one is there twice', (all) => [all[0]!, ...all]],
      ['two changed places', (all) => [all[1]!, all[0]!, ...all.slice(2)]],
      ['one more', (all) => [...all, all.at(-1)!]],
      ['none', () => []],
      ['those of another store', () => foreign],
      ['one of another store', () => with_(1, foreign[1]!)],
      ['an empty one', () => with_(0, '')],
      // Its own checksum is right: that of the next one, or of the header, tells.
      ...values.map((value, i): [string, () => string[]] => [
        'another time',
        () =>
          with_(
            i,
            withEvents(
              links[1]!.version + i,
              value,
              (body) => `${oneOther(body.slice(0, 9))}${body.slice(9)}`,
            ),
          ),
      ]),
      ...values.flatMap((value, i): [string, () => string[]][] =>
        Array.from({ length: 4 }, () => ['a character', () => with_(i, oneOther(value))]),
      ),
    ]
    for (const [what, alter] of alterations) {
      const putBack = await altered(newest.path, ({ cut, values }) => ({ cut, values: alter(values) }))
      await refuse(newest.path, newest.path).catch((error) => {
        error.message = `${what}: ${error.message}`
        throw error
      })
      await putBack()
    }
    await compare(newest.path, newest.version)
  })
})

/** An entry's value with other events: its own checksum is made right again. */
function withEvents(version: number, value: string, change: (body: string) => string): string {
  return withChecksum(logKey(version), change(value.slice(0, -8)))
}

test('what forged entries say is held against what is there', async () => {
  await withDirectory(async (parent) => {
    const [directory, checkpoints] = [join(parent, 'store'), join(parent, 'checkpoints')]
    const store = await openStore(directory)
    const { eventTime } = await store.service('orders')
    for (const key of ['a', 'b', 'c']) await eventTime.register({ key, timestamp: 7 })
    await store.checkpoint(checkpoints, { incremental: true })
    await eventTime.delete({ key: 'b', timestamp: 7 })
    const { path, version } = await store.checkpoint(checkpoints, { incremental: true })
    await store.close()
    const forged = async (change: (body: string) => string) => {
      return altered(path, ({ cut, values }) => {
        const value = withEvents(version - 1, values[0]!, change)
        assert.is.not(value, values[0])
        return { cut: { ...cut, chain: checksumAtEnd(value) }, values: [value] }
      })
    }
    const whole = { start: 0, end: 127 }
    const part = { start: keyGroupOf('b', 128), end: keyGroupOf('b', 128) }
    const cases: [string, (body: string) => string, { start: number; end: number }[]][] = [
      ['another timer', (body) => body.replace(/b(?=\0\0)/, 'x'), [whole, part]],
      ['of another version', (body) => body.replace(/12(?=1.$)/, '11'), [whole, part]],
      ['another place', (body) => body.replace(/-$/, '0'), [whole, part]],
      ['events that are cut off', (body) => body.slice(0, -1), [whole, part]],
      ['an event of an unknown kind', (body) => body.replace(/d(?=--e)/g, 'x'), [whole, part]],
      ['a service that there is not', (body) => body.replace(/d--(?=e)/, 'dZZ'), [whole, part]],
      ['other totals', (body) => body.replace(/(--e)11/, '$112'), [whole]],
    ]
    for (const [what, change, ranges] of cases) {
      const putBack = await forged(change)
      for (const keyGroups of ranges) {
        const restoring = TimerStore.restore(path, join(parent, 'target'), { keyGroups })
        const error = await restoring.then(
          () => assert.unreachable(what),
          (e) => e,
        )
        assert.is(error.code, 'TIDEMARK_CHECKPOINT_CORRUPT', `${what}: ${error.stack}`)
        assert.ok(error.message.includes(path), error.message)
      }
      await putBack()
    }
    await TimerStore.restore(path, join(parent, 'target'))
  })
})

test('lengths of entries that are wrong end with the file', async () => {
  await withChain(2, async ({ links, refuse }) => {
    const { path } = links[1]!
    const { cut, values } = await partsOf(path)
    const good = values.map((value) => entryBytes(value))
    const contents = [
      [entryBytes(values[0]!, 2 ** 32 - 1), ...good.slice(1)],
      [entryBytes(values[0]!, Buffer.byteLength(values[0]!) + 1), ...good.slice(1)],
      [entryBytes(values[0]!, 0), ...good.slice(1)],
      [...good.slice(0, -1), entryBytes(values.at(-1)!, Buffer.byteLength(values.at(-1)!) + 1)],
      [...good, Buffer.alloc(3)],
      [...good, Buffer.alloc(4)],
      [Buffer.alloc(2)],
    ]
    for (const content of contents) {
      await writeFile(path, fileOf(cut, Buffer.concat(content)).bytes)
      await refuse(path, path)
    }
  })
})

test('a base is looked for beside its checkpoint, whatever the header says', async () => {
  await withChain(2, async ({ parent, checkpoints, links, refuse }) => {
    const [full, newest] = links
    const parts = await partsOf(newest!.path)
    const outside = join(parent, 'outside')
    await mkdir(outside)
    await cp(full!.path, join(outside, basename(full!.path)))
    const head = full!.id.slice(0, 8)
    const ids = [`${head}/../../outside/${basename(full!.path)}`, `${head}\0`, `${head}.tidemark/../x`]
    const opened: string[] = []
    const { open } = fs.promises
    fs.promises.open = (path, ...rest) => {
      opened.push(String(path))
      return open(path, ...rest)
    }
    try {
      for (const checkpointId of ids) {
        const base = { ...parts.cut.base!, checkpointId }
        await forge(checkpoints, { ...parts, cut: { ...parts.cut, base } })
        await refuse(newest!.path, full!.path)
      }
      for (const checkpointId of ['../../../x', '', 'ABCDEF01', '/etc/passwd', 'x'.repeat(65)]) {
        const base = { ...parts.cut.base!, checkpointId }
        await forge(checkpoints, { ...parts, cut: { ...parts.cut, base } })
        await refuse(newest!.path, newest!.path)
      }
    } finally {
      fs.promises.open = open
    }
    assert.equal([...new Set(opened.map(dirname))], [checkpoints])
  })
})

test('a header that no incremental checkpoint can have is refused', async () => {
  await withChain(2, async ({ checkpoints, links, refuse, compare }) => {
    const newest = links[1]!
    const parts = await partsOf(newest.path)
    const { base, ...rest } = parts.cut
    const wrong: object[] = [
      rest,
      { ...rest, kind: 'full', base },
      { ...rest, kind: 'savepoint', base },
      { ...rest, base: { ...base, version: rest.version + 1 } },
      { ...rest, base: { ...base, version: 0 } },
      { ...rest, base: { ...base, version: 1e300 } },
      { ...rest, base: { ...base, sha256: base!.sha256.slice(1) } },
      { ...rest, base: { ...base, sha256: base!.sha256.toUpperCase() } },
      { ...rest, base: { ...base, chain: -1 } },
      { ...rest, base: 'x' },
      { ...rest, base: [] },
    ]
    const original = await readFile(newest.path)
    const content = Buffer.concat(parts.values.map((value) => entryBytes(value)))
    for (const cut of wrong) {
      await writeFile(newest.path, fileOf(cut as Parts['cut'], content).bytes)
      await refuse(newest.path, newest.path)
    }
    // Of another store, or with other key groups, than the one that it builds on.
    for (const cut of [
      { ...parts.cut, storeId: 'another' },
      { ...parts.cut, keyGroups: { start: 0, end: 126 } },
      { ...parts.cut, maxParallelism: 64, keyGroups: { start: 0, end: 63 } },
      { ...parts.cut, base: { ...base!, chain: base!.chain + 1 } },
    ]) {
      await forge(checkpoints, { ...parts, cut })
      await refuse(newest.path, links[0]!.path)
    }
    await writeFile(newest.path, original)
    await compare(newest.path, newest.version)
  })
})

test('a chain that leads back to itself ends', async () => {
  await withChain(2, async ({ checkpoints, links, refuse }) => {
    const { cut } = await partsOf(links[1]!.path)
    const made = ['11111111', '22222222', '33333333'].map((head) => ({
      checkpointId: `${head}-0000-4000-8000-000000000000`,
      version: cut.version,
      chain: cut.chain,
      // Nobody can make files that have each other's hashes; but their footers can claim it.
      sha256: head.repeat(8),
    }))
    for (const cycle of [made.slice(0, 1), made.slice(0, 2), made]) {
      for (const [i, { checkpointId, sha256 }] of cycle.entries()) {
        const base = cycle[(i + 1) % cycle.length]!
        await forge(checkpoints, { cut: { ...cut, checkpointId, base }, values: [] }, sha256)
      }
      const path = join(checkpoints, checkpointFileName({ ...cut, ...cycle[0]! }))
      await refuse(path, path, 'TIDEMARK_CHECKPOINT_CORRUPT', 'its chain')
    }
  })
})

test('a chain has an end: the longest that can be written is read, one link more is refused', async () => {
  await withChain(2, async ({ parent, checkpoints, links, refuse, history }) => {
    const { cut } = await partsOf(links[1]!.path)
    const empty = { ...cut, version: cut.base!.version, chain: cut.base!.chain, services: [] }
    const { version, chain } = cut.base!
    const [reader] = await openChain(links[0]!.path)
    await reader!.close()
    const full = reader!.header
    let base = cut.base!
    let path = ''
    const add = async (i: number) => {
      const checkpointId = `${i.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`
      const told = { ...empty, services: full.services, checkpointId, base }
      const file = fileOf(told, Buffer.alloc(0))
      path = join(checkpoints, checkpointFileName(told))
      await writeFile(path, file.bytes)
      base = { checkpointId, version, chain, sha256: file.sha256 }
    }
    for (let i = 1; i <= MAX_CHAIN_LINKS; i++) await add(i)
    const target = join(parent, 'longest')
    await TimerStore.restore(path, target)
    await assertRestored(target, history.at(version))
    await add(MAX_CHAIN_LINKS + 1)
    await refuse(path, path, 'TIDEMARK_CHECKPOINT_CORRUPT', String(MAX_CHAIN_LINKS))
    const { path: place } = links[0]!
    const longest = openStore(join(parent, 'x')).then(async (store: Store) => {
      try {
        await store.checkpoint(dirname(place), { incremental: true, maxLinks: MAX_CHAIN_LINKS + 1 })
      } finally {
        await store.close()
      }
    })
    await rejects(longest, 'TIDEMARK_INVALID_ARGUMENT', 'maxLinks', String(MAX_CHAIN_LINKS))
  })
})

test('a chain that was opened leaves no file open, whatever was wrong with it', async () => {
  await withChain(4, async ({ links }) => {
    const open = async () => (await readdir('/dev/fd')).length
    const before = await open()
    const chain = await openChain(links[3]!.path)
    assert.is(chain.length, 4)
    for (const reader of chain) await reader.close()
    await rm(links[1]!.path)
    await rejects(openChain(links[3]!.path), 'TIDEMARK_CHECKPOINT_NOT_FOUND', links[1]!.path)
    await writeFile(links[1]!.path, await readFile(links[0]!.path))
    await rejects(openChain(links[3]!.path), 'TIDEMARK_CHECKPOINT_CORRUPT', links[1]!.path)
    assert.is(await open(), before)
    assert.ok((await stat(links[3]!.path)).isFile())
  })
})

test.run()
