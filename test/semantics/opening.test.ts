// Opening: one owner at a time, and what is not ours stays untouched.

import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TimerStore } from '../../src/index.ts'
import { inThread, startChild } from '../support/child.ts'
import { copyAsCrashed } from '../support/crash.ts'
import { rejects } from '../support/refusals.ts'
import { inStore, openStore, verified, withDirectory, withStore } from '../support/store.ts'

const opener = new URL('./opener.ts', import.meta.url)

interface Attempt {
  outcome: string
}

async function fromProcess(location: string): Promise<string> {
  const child = startChild(opener, location)
  const { outcome } = await child.message<Attempt>()
  await child.kill()
  return outcome
}

async function fromThread(location: string): Promise<string> {
  return (await inThread<Attempt>(opener, location)).outcome
}

/** Every file of a directory, with its content. */
async function content(directory: string): Promise<string[]> {
  const names = (await readdir(directory, { recursive: true })).sort()
  const lines: string[] = []
  for (const name of names) {
    const path = join(directory, name)
    if ((await stat(path)).isDirectory()) lines.push(`${name}/`)
    else
      lines.push(
        `${name} ${createHash('sha256')
          .update(await readFile(path))
          .digest('hex')}`,
      )
  }
  return lines
}

test('a store is created where there is nothing yet, with every directory on the way', async () => {
  await withDirectory(async (directory) => {
    const location = join(directory, 'not', 'yet', 'there')
    await inStore(location, {}, async (store) => {
      assert.equal(store.stats().services, {})
      await store.service('orders')
    })
    await inStore(location, {}, async (store) =>
      assert.equal(Object.keys(store.stats().services), ['orders']),
    )
  })
})

test('a store is created in a directory that is there and empty', async () => {
  await withDirectory(async (directory) => {
    await inStore(directory, {}, async (store) => {
      await store.service('orders')
    })
  })
})

test('opened without options, a store is one that survives a loss of power, on the system clock', async () => {
  await withDirectory(async (directory) => {
    const location = join(directory, 'store')
    const store = await TimerStore.open(location)
    const orders = await store.service('orders')
    const timestamp = Date.now() + 3_600_000
    assert.is(await orders.processingTime.register({ key: 'a', timestamp }), true)
    assert.ok(Math.abs(orders.currentProcessingTime() - Date.now()) < 10_000)
    const copy = join(directory, 'copy')
    await copyAsCrashed(location, copy)
    await verified(store)
    await store.close()
    await inStore(copy, { durability: 'disk' }, async (crashed) => {
      assert.is((await crashed.service('orders')).processingTime.count, 1)
    })
  })
})

test('opened twice in one process, under whatever spelling, a store is refused, and the first keeps it', async () => {
  await withStore({}, async (store, directory) => {
    const { eventTime } = await store.service('orders')
    const link = `${directory}-link`
    await symlink(directory, link)
    const spellings = [
      directory,
      `${directory}/`,
      `${directory}//`,
      `${directory}/.`,
      `${directory}/../store`,
      relative(process.cwd(), directory),
      link,
      `${link}/`,
    ]
    for (const [timestamp, spelling] of spellings.entries()) {
      await rejects(() => openStore(spelling), 'TIDEMARK_LOCKED')
      assert.is(await eventTime.register({ key: 'a', timestamp }), true, spelling)
    }
    // A refused attempt must not have let go of the lock that other processes see.
    assert.is(await fromProcess(directory), 'TIDEMARK_LOCKED')
    assert.is(await fromProcess(link), 'TIDEMARK_LOCKED')
    assert.is(eventTime.count, spellings.length)
  })
})

test('opened by another process, a store is refused, until that process is gone, however it went', async () => {
  await withDirectory(async (directory) => {
    const location = join(directory, 'store')
    const child = startChild(opener, location, 'stay')
    assert.is((await child.message<Attempt>()).outcome, 'open')
    const error = await rejects(() => openStore(location), 'TIDEMARK_LOCKED', location)
    assert.match(error.message, /close/)
    await rejects(() => openStore(`${location}/`), 'TIDEMARK_LOCKED')
    await child.kill()
    await inStore(location, {}, async (store) => {
      await store.service('orders')
    })
  })
})

test('opened by another thread of this process, a store is refused', async () => {
  await withStore({}, async (store, directory) => {
    const { eventTime } = await store.service('orders')
    for (const spelling of [directory, `${directory}/`])
      assert.is(await fromThread(spelling), 'TIDEMARK_LOCKED')
    assert.is(await eventTime.register({ key: 'a', timestamp: 1 }), true)
    assert.is(await fromProcess(directory), 'TIDEMARK_LOCKED')
  })
})

test('of many attempts at once, one opens the store', async () => {
  await withDirectory(async (directory) => {
    const location = join(directory, 'store')
    const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => openStore(location)))
    const opened = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []))
    assert.is(opened.length, 1)
    for (const attempt of attempts) {
      if (attempt.status === 'rejected') assert.is(attempt.reason.code, 'TIDEMARK_LOCKED')
    }
    await verified(opened[0]!)
    await opened[0]!.close()
  })
})

test('closed, a store can be opened by anyone', async () => {
  await withDirectory(async (directory) => {
    const location = join(directory, 'store')
    await openStore(location).then((store) => store.close())
    assert.is(await fromProcess(location), 'open')
    assert.is(await fromThread(location), 'open')
    await inStore(location, {}, async () => assert.is(await fromThread(location), 'TIDEMARK_LOCKED'))
    assert.is(await fromThread(location), 'open')
  })
})

test('a directory of somebody else is refused and stays untouched', async () => {
  await withDirectory(async (directory) => {
    const cases: Record<string, Record<string, string>> = {
      documents: { 'letter.txt': 'Dear all', 'old/letter.txt': 'Dear none' },
      hidden: { '.profile': 'x' },
      leveldb: { CURRENT: 'MANIFEST-000001\n', 'MANIFEST-000001': 'x', '000003.log': '' },
      'another marker': { TIDEMARK: 'something else', 'a.txt': 'x' },
      'an empty marker': { TIDEMARK: '' },
    }
    for (const [name, files] of Object.entries(cases)) {
      const location = join(directory, name)
      for (const [file, text] of Object.entries(files)) {
        await mkdir(join(location, file, '..'), { recursive: true })
        await writeFile(join(location, file), text)
      }
      const before = await content(location)
      await rejects(() => openStore(location), 'TIDEMARK_UNSUPPORTED_FORMAT', 'untouched')
      assert.equal(await content(location), before, name)
    }
  })
})

test('a store of a newer format is refused and stays untouched', async () => {
  await withStore({}, async (store, directory, reopen) => {
    await (await store.service('orders')).eventTime.register({ key: 'a', timestamp: 1 })
    await store.close()
    const marker = join(directory, 'TIDEMARK')
    const text = await readFile(marker, 'utf8')
    const newer = text.replace(/\d+/, (format) => String(Number(format) + 1))
    assert.is.not(newer, text)
    await writeFile(marker, newer)
    const before = await content(directory)
    await rejects(() => TimerStore.open(directory), 'TIDEMARK_UNSUPPORTED_FORMAT', /newer/, 'untouched')
    assert.equal(await content(directory), before)
    await writeFile(marker, text)
    assert.is((await (await reopen()).service('orders')).eventTime.count, 1)
  })
})

test('a place that cannot be a directory is refused', async () => {
  await withDirectory(async (directory) => {
    const file = join(directory, 'file')
    await writeFile(file, 'x')
    await rejects(() => openStore(file), 'TIDEMARK_INVALID_ARGUMENT', 'location')
    await rejects(() => openStore(join(file, 'below')), 'TIDEMARK_INVALID_ARGUMENT', 'location')
    assert.is(await readFile(file, 'utf8'), 'x')
  })
})

test('a refused opening holds nothing: the same place can be opened afterwards', async () => {
  await withDirectory(async (directory) => {
    const location = join(directory, 'store')
    await mkdir(location)
    await writeFile(join(location, 'foreign'), 'x')
    await rejects(() => openStore(location), 'TIDEMARK_UNSUPPORTED_FORMAT')
    await rm(join(location, 'foreign'))
    await inStore(location, {}, async () => {})
  })
})

test('killed while it is being created, a store is created by the next who opens it', async () => {
  await withDirectory(async (directory) => {
    for (let round = 0; round < 6; round++) {
      const location = join(directory, `store-${round}`)
      const child = startChild(opener, location, 'at once')
      if (round % 2 === 0) await child.message<Attempt>(({ outcome }) => outcome === 'opening')
      await child.kill()
      await inStore(location, {}, async (store) => {
        await (await store.service('orders')).eventTime.register({ key: 'a', timestamp: 1 })
      })
    }
  })
})

test.run()
