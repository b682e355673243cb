// timeout: 300s
// What the doctor finds in stores that are well, and in such as something has happened to.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkBloat, checkFree, checkLeftovers, checkPermissions } from '../../src/admin/doctor/disk.ts'
import type { Examination } from '../../src/admin/doctor/examination.ts'
import type { DoctorFinding } from '../../src/admin/doctor/finding.ts'
import { checkLog } from '../../src/admin/doctor/remains.ts'
import { doctor } from '../../src/admin/doctor.ts'
import { quoted } from '../../src/admin/storeplace.ts'
import { serviceMetaKey } from '../../src/engine/keyspaces.ts'
import { ManualClock } from '../../src/testing.ts'
import { withChecksum } from '../../src/timer/checksum.ts'
import { dueKey, dueValue, orderTextOf } from '../../src/timer/stored.ts'
import { startChild } from '../support/child.ts'
import { copyAsCrashed } from '../support/crash.ts'
import { changeCharacter, keysOf, withLevel } from '../support/damage.ts'
import { openStore, type Store, withDirectory } from '../support/store.ts'
import { tidemark } from './command.ts'
import { runRecorded } from './recorded.ts'

/** Of the recorded terminal. */
const NOW = 1_700_000_000_000
const HOUR = 3_600_000

/** Runs `body` with a directory in which there is a closed store of ten timers that are due in an hour. */
async function withStore(
  body: (location: string, directory: string) => Promise<void>,
  before: (store: Store, directory: string) => Promise<void> = async () => {},
): Promise<void> {
  await withDirectory(async (directory) => {
    const location = path.join(directory, 'store')
    const store = await openStore(location, { clock: new ManualClock(NOW), maxParallelism: 4 })
    const orders = await store.service('orders')
    for (let i = 0; i < 10; i++) orders.processingTime.register({ key: `k${i}`, timestamp: NOW + HOUR + i })
    await before(store, directory)
    await store.close()
    await body(location, directory)
  })
}

interface Found extends Examination {
  code: number
  /** The finding of a code, which must be there once. */
  one(code: string): DoctorFinding
  codes: string[]
}

async function examined(...args: string[]): Promise<Found> {
  const { code, documents } = await runRecorded(doctor, [...args, '--json'])
  const [examination] = documents() as [Examination]
  const codes = examination.findings.map((finding) => finding.code)
  const one = (wanted: string) => {
    assert.is(codes.filter((known) => known === wanted).length, 1, `${wanted} in ${codes}`)
    return examination.findings.find((finding) => finding.code === wanted)!
  }
  return { ...examination, code, codes, one }
}

test('nothing is wrong with a store that is well', async () => {
  await withStore(async (location) => {
    const { findings, store, formatVersion, disk, code } = await examined(location)
    assert.equal(findings, [])
    assert.is(code, 0)
    assert.is(formatVersion, 1)
    assert.is(store!.timers, 10)
    assert.is(store!.services, 1)
    assert.is(store!.retired, 0)
    assert.ok(disk.byKind.tables!.bytes > 0 && disk.free! > 0)
    const { stdout } = await runRecorded(doctor, [location])
    assert.match(stdout, /content +10 timers of 1 service/)
    assert.match(stdout, 'nothing is wrong')
  })
})

test('looking changes nothing: a service goes on with the store as it was', async () => {
  await withStore(async (location) => {
    await examined(location)
    const store = await openStore(location)
    assert.equal(await store.verify(), [])
    assert.is(store.stats().services.orders!.processingTime, 10)
    await store.close()
  })
})

test('timers that are overdue, by wall clock and by watermark, with the command that lists them', async () => {
  await withStore(
    async (location) => {
      const found = await examined(location)
      assert.is(found.code, 1)
      assert.equal(found.codes, ['below-watermark', 'overdue'])
      assert.match(
        found.one('overdue').what,
        '3 processing-time timers of orders are overdue, the oldest by 5 h',
      )
      assert.match(
        found.one('below-watermark').what,
        '1 event-time timer of orders is at or below the watermark',
      )
      for (const [finding, listed] of [
        ['overdue', 3],
        ['below-watermark', 1],
      ] as const) {
        const [command] = found.one(finding).commands
        // The clock of the recorded terminal is not that of the command.
        const args = command!.replace('tidemark ', '').replace('--to now', `--to ${NOW}`).split(' ')
        const { stdout } = await tidemark([...args, '--json'])
        assert.is(stdout.trimEnd().split('\n').length, listed, command)
      }
    },
    async (store) => {
      const orders = await store.service('orders')
      for (const i of [0, 1, 2])
        await orders.processingTime.register({ key: 'late', timestamp: NOW - 5 * HOUR + i })
      await orders.advanceWatermark(NOW)
      await orders.eventTime.register({ key: 'late', timestamp: NOW })
      await orders.eventTime.register({ key: 'early', timestamp: NOW + 1 })
    },
  )
})

test('what is due within a minute is not overdue: a service that runs may take that long', async () => {
  await withStore(
    async (location) => assert.equal((await examined(location)).findings, []),
    async (store) => {
      const orders = await store.service('orders')
      await orders.processingTime.register({ key: 'k', timestamp: NOW - 59_000 })
    },
  )
})

test('retired timers of a store that was killed while a snapshot ran', async () => {
  await withStore(
    async (_, directory) => {
      const crashed = path.join(directory, 'crashed')
      const { one, code, store } = await examined(crashed)
      assert.is(code, 1)
      assert.is(store!.retired, 4)
      assert.match(one('retired').what, '4 deleted timers are retired')
      assert.equal(one('retired').commands, [`tidemark compact ${crashed}`])
      const compacted = await tidemark(['compact', crashed])
      assert.match(compacted.stdout, '4 retired timers purged')
      assert.equal((await examined(crashed)).findings, [])
    },
    async (store, directory) => {
      const orders = await store.service('orders')
      const snapshot = await store.snapshot()
      for (let i = 0; i < 4; i++)
        await orders.processingTime.delete({ key: `k${i}`, timestamp: NOW + HOUR + i })
      await copyAsCrashed(store.location, path.join(directory, 'crashed'))
      await snapshot.release()
    },
  )
})

test('due entries that have lost their timers, and timers that have lost their due entries', async () => {
  const orphan = 't--p--horphan\0\0V-NjEtLV-'
  await withStore(async (location) => {
    await withLevel(location, async (level) => {
      const key = dueKey(orphan, orderTextOf(3, 0))
      await level.put(key, dueValue(key, orphan))
    })
    const { code, codes, one } = await examined(location)
    assert.equal([code, codes], [1, ['orphans']])
    assert.match(one('orphans').what, '1 due entry has its timer no more')
  })
  for (const [space, codes] of [
    ['d', ['never-due']],
    ['t', ['lost-timers', 'orphans']],
  ] as const) {
    await withStore(async (location) => {
      await withLevel(location, async (level) => level.del((await keysOf(level, space))[0]!))
      const found = await examined(location)
      assert.equal([found.code, found.codes], [4, codes])
      assert.match(found.findings[0]!.what, '1 processing-time timer of orders')
    })
  }
  await withStore(async (location) => {
    await withLevel(location, async (level) => changeCharacter(level, (await keysOf(level, 'd'))[0]!, 2))
    const found = await examined(location)
    assert.equal([found.code, found.codes], [4, ['damaged-due']])
  })
})

test('a log that has grown beyond what it is for', () => {
  const MB = 1_000_000
  assert.equal(checkLog({ entries: 1e6, bytes: 60 * MB, held: 0 }, MB), [])
  assert.equal(checkLog({ entries: 1e6, bytes: 900 * MB, held: 0 }, 500 * MB), [])
  const [held] = checkLog({ entries: 1_000_000, bytes: 900 * MB, held: 5 }, 100 * MB)
  assert.is(held!.code, 'log-growth')
  assert.match(held!.what, '1,000,000 entries of 900 MB, 5 of them held for incremental checkpoints')
  assert.match(held!.todo, 'take a checkpoint')
  assert.match(checkLog({ entries: 1, bytes: 900 * MB, held: 0 }, 0)[0]!.todo, 'close it')
})

test('a service whose timers are half converted, and who goes on with it', async () => {
  await withStore(
    async (location) => {
      await withLevel(location, async (level) => {
        const key = serviceMetaKey(1)
        const body = (await level.get(key))!.slice(0, -8)
        await level.put(key, withChecksum(key, body.replace('other', 'tidemark:migrating:orders')))
      })
      const { one, codes, code } = await examined(location)
      assert.equal([code, codes], [1, ['half-migrated']])
      assert.match(
        one('half-migrated').what,
        'service orders is half-way to other schemas: 2 timers converted, 10 not yet',
      )
    },
    async (store) => {
      const other = await store.service('other')
      for (const i of [1, 2]) await other.eventTime.register({ key: 'k', timestamp: NOW + i })
    },
  )
})

test('an older format, and a newer one: nothing in them is looked at, the disk around them is', async () => {
  await withStore(async (location) => {
    fs.writeFileSync(path.join(location, 'TIDEMARK'), 'tidemark store\nformat 99\n')
    fs.writeFileSync(path.join(location, 'notes.txt'), 'mine')
    const { code, codes, one, store } = await examined(location)
    assert.equal([code, codes, store], [1, ['new-format', 'foreign-files'], undefined])
    assert.match(one('new-format').what, 'format 99')
  })
  await withStore(async (location) => {
    await withLevel(location, async (level) => {
      const record = (await level.get('m!store'))!.slice(0, -8)
      await level.put(
        'm!store',
        withChecksum('m!store', record.replace('"formatVersion":1', '"formatVersion":0')),
      )
    })
    const { code, codes, one } = await examined(location)
    assert.equal([code, codes], [1, ['old-format']])
    assert.equal(one('old-format').commands, [`tidemark migrate ${location} --dry-run`])
  })
})

test('a store that cannot be opened any more is told with the way back', async () => {
  const damages: ((location: string) => Promise<void>)[] = [
    (location) =>
      withLevel(location, async (level) => changeCharacter(level, (await keysOf(level, 'l')).at(-1)!, 5)),
    (location) => withLevel(location, async (level) => changeCharacter(level, 'm!store', 5)),
    async (location) => {
      for (const name of fs.readdirSync(location))
        if (name.endsWith('.ldb')) fs.rmSync(path.join(location, name))
    },
    async (location) => fs.writeFileSync(path.join(location, 'CURRENT'), 'MANIFEST-999999\n'),
  ]
  for (const damage of damages) {
    await withStore(async (location, directory) => {
      await damage(location)
      const { code, one } = await examined(location, '--checkpoints', directory)
      assert.is(code, 4)
      assert.equal(one('damaged').commands, [`tidemark restore ${directory} ${location}-restored`])
    })
  }
})

test('files that are not its own, and restores that were killed beside it', async () => {
  await withStore(async (location, directory) => {
    fs.writeFileSync(path.join(location, 'notes.txt'), 'mine')
    fs.mkdirSync(path.join(location, 'lost'))
    // No process has such an id.
    const left = `${location}.restoring-99999999-deadbeef`
    fs.mkdirSync(left)
    fs.mkdirSync(`${location}.restoring-${process.pid}-deadbeef`)
    fs.mkdirSync(path.join(directory, 'store.restoring-mine'))
    const { code, codes, one } = await examined(location)
    assert.equal([code, codes], [1, ['foreign-files', 'leftover-restore']])
    assert.match(one('foreign-files').what, '2 files')
    assert.match(one('foreign-files').what, 'notes.txt')
    assert.equal(one('leftover-restore').commands, [`rm -r ${left}`])
    assert.equal((await checkLeftovers(`${location}/`, NOW))[0]!.commands, [`rm -r ${left}`])
  })
})

test('permissions that let others read, unless a directory above keeps them out', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-doctor-'))
  try {
    const location = path.join(directory, 'store')
    fs.mkdirSync(location, { mode: 0o700 })
    fs.chmodSync(location, 0o755)
    assert.equal(await checkPermissions(location), [])
    fs.chmodSync(directory, 0o711)
    const [finding] = await checkPermissions(location)
    assert.match(finding!.what, 'mode 755')
    assert.equal(finding!.commands, [`chmod o-rwx ${location}`])
    fs.chmodSync(location, 0o770)
    assert.equal(await checkPermissions(location), [])
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
})

test('a disk that is nearly full, and tables that are mostly dead', () => {
  assert.equal(checkFree(100, 100), [])
  assert.equal(checkFree(undefined, 100), [])
  assert.match(checkFree(99, 100)[0]!.what, '99 bytes are free')
  const MB = 1_000_000
  assert.equal(checkBloat(10 * MB, MB, 's'), [], 'a few megabytes are no matter')
  assert.equal(checkBloat(140 * MB, 100 * MB, 's'), [])
  assert.equal(checkBloat(400 * MB, 100 * MB, 'my store')[0]!.commands, ["tidemark compact 'my store'"])
})

test('checkpoints: none, an old one, and one that is fresh', async () => {
  await withStore(
    async (location, directory) => {
      const checkpoints = path.join(directory, 'checkpoints')
      const { findings, checkpoints: facts } = await examined(location, '--checkpoints', checkpoints)
      assert.equal(findings, [])
      assert.equal([facts!.own, facts!.others, facts!.latest!.kind], [2, 0, 'incremental'])
      const old = await examined(location, '--checkpoints', checkpoints, '--max-age', '0s')
      // Its clock stands where the terminal's does.
      assert.equal(old.findings, [])
      const [file] = fs.readdirSync(checkpoints).sort()
      fs.rmSync(path.join(checkpoints, file!))
      const broken = await examined(location, '--checkpoints', checkpoints)
      assert.equal([broken.code, broken.codes], [1, ['no-checkpoint', 'broken-chain']])
      fs.mkdirSync(path.join(directory, 'none'))
      assert.equal((await examined(location, '--checkpoints', path.join(directory, 'none'))).codes, [
        'no-checkpoint',
      ])
    },
    async (store, directory) => {
      const place = path.join(directory, 'checkpoints')
      await store.checkpoint(place, { incremental: true })
      await (await store.service('orders')).eventTime.register({ key: 'k', timestamp: NOW })
      await store.checkpoint(place, { incremental: true })
    },
  )
})

test('checkpoints: damaged, unfinished, of others, and of a future that was undone', async () => {
  await withDirectory(async (directory) => {
    const checkpoints = path.join(directory, 'checkpoints')
    const location = path.join(directory, 'store')
    const clock = new ManualClock(NOW - 48 * HOUR)
    const store = await openStore(location, { clock })
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'k', timestamp: NOW })
    const { path: first } = await store.checkpoint(checkpoints)
    await copyAsCrashed(location, path.join(directory, 'earlier'))
    await eventTime.register({ key: 'k', timestamp: NOW + 1 })
    const { path: second } = await store.checkpoint(checkpoints)
    await store.close()
    const other = await openStore(path.join(directory, 'other'))
    await other.checkpoint(checkpoints)
    await other.close()

    const aged = await examined(location, '--checkpoints', checkpoints)
    assert.equal(aged.codes, ['old-checkpoint'])
    assert.match(aged.one('old-checkpoint').what, 'taken 2 d ago, and --max-age is 1 d')
    assert.is(aged.checkpoints!.others, 1)
    assert.equal((await examined(location, '--checkpoints', checkpoints, '--max-age', '3d')).codes, [])

    const behind = await examined(
      path.join(directory, 'earlier'),
      '--checkpoints',
      checkpoints,
      '--max-age',
      '3d',
    )
    assert.equal([behind.code, behind.codes], [1, ['store-behind']])
    assert.equal(behind.one('store-behind').commands, [`tidemark inspect ${second}`])

    fs.writeFileSync(path.join(checkpoints, 'readme'), '')
    fs.writeFileSync(path.join(checkpoints, `${path.basename(first)}.2745f935.tmp`), '')
    fs.truncateSync(second, 100)
    const found = await examined(location, '--checkpoints', checkpoints, '--max-age', '3d')
    assert.is(found.code, 4)
    assert.equal(found.codes, ['damaged-checkpoint', 'leftover-checkpoints', 'foreign-files'])
    assert.is(found.checkpoints!.latest!.path, first)
  })
})

test('the command ends with the code of the worst, for people and for programs', async () => {
  await withStore(async (location, directory) => {
    const child = startChild(new URL('./holder.ts', import.meta.url), path.join(directory, 'held'))
    await child.message()
    const cases: [string[], number, string | RegExp][] = [
      [[path.join(directory, 'held')], 3, String(child.pid)],
      [[directory], 2, 'no Tidemark store'],
      [[path.join(directory, 'nothing')], 2, 'cannot be read'],
      [[path.join(location, 'TIDEMARK')], 2, 'is a file, and no store'],
      [[location, '--checkpoints', directory, '--max-age', 'long'], 2, 'such as 90s'],
      [[location, '--max-age', '2h'], 2, 'give --checkpoints DIR'],
      [[location, '--checkpoints', path.join(directory, 'nothing')], 2, 'check the path'],
      [[], 2, 'STORE is missing'],
    ]
    for (const [args, code, message] of cases) {
      const outcome = await tidemark(['doctor', ...args])
      assert.is(outcome.code, code, outcome.stderr)
      assert.match(outcome.stderr, message)
    }
    await child.kill()
    // What is due in the command's own time, by now.
    const { code, stdout, stderr } = await tidemark(['doctor', location])
    assert.equal([code, stderr], [1, ''])
    assert.match(stdout, /^warning {2}10 processing-time timers of orders are overdue/m)
    assert.match(stdout, /^ {2}why {2}they fire when/m)
    assert.match(stdout, `tidemark inspect ${location} --timers`)
    const json = await tidemark(['doctor', location, '--json'])
    assert.is(JSON.parse(json.stdout).findings[0].code, 'overdue')
  })
})

test('paths are told so that a shell takes them as they are', () => {
  assert.is(quoted('data/orders-1.2'), 'data/orders-1.2')
  assert.is(quoted("my store's"), `'my store'\\''s'`)
  assert.is(quoted('$(rm)'), `'$(rm)'`)
})

test.run()
