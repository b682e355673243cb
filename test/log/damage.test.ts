// Damage in what is stored: refused at opening, told by verify, never fired.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type TidemarkError, TimerStore } from '../../src/index.ts'
import { changeCharacter, keysOf, withLevel } from '../support/damage.ts'
import { temporaryDirectory } from '../support/tmp.ts'

/** A closed store of `count` event-time timers, each of a commit of its own. */
async function storedTimers(count: number): Promise<string> {
  const directory = temporaryDirectory('damage')
  const store = await TimerStore.open(directory)
  const service = await store.service('service')
  for (let i = 0; i < count; i++) await service.eventTime.register({ key: `key-${i}`, timestamp: i })
  await store.close()
  return directory
}

async function refusal(directory: string): Promise<TidemarkError> {
  const opened = await TimerStore.open(directory).catch((error: TidemarkError) => error)
  assert.ok(opened instanceof Error, 'the store was opened')
  return opened as TidemarkError
}

/** Opens the store and fires all: what fired, what verify said before, what the store told. */
async function fireAll(directory: string) {
  const fired: number[] = []
  const told: string[] = []
  const store = await TimerStore.open(directory)
  store.on('error', (error) => told.push(error.code))
  const findings = await store.verify()
  const service = await store.service('service', { onEventTime: (timer) => void fired.push(timer.timestamp) })
  const outcome = await service.advanceWatermark(1000).catch((error: TidemarkError) => error)
  const after = outcome instanceof Error ? [] : await store.verify()
  await store.close()
  return { fired, told, findings, outcome, after }
}

test('a hole in the log is refused, and its versions are named', async () => {
  for (const [missing, named] of [
    [[4], 'version 4 is missing'],
    [[3, 4, 5], 'versions 3 to 5 are missing'],
    [[1], 'version 1 is missing'],
  ] as const) {
    const directory = await storedTimers(8)
    await withLevel(directory, async (level) => {
      const keys = await keysOf(level, 'l')
      for (const version of missing) await level.del(keys[version - 1]!)
    })
    const error = await refusal(directory)
    assert.is(error.code, 'TIDEMARK_CORRUPT')
    assert.match(error.message, named)
  }
})

test('a log entry that was altered is refused, whichever character it is', async () => {
  const directory = await storedTimers(4)
  const [key, original] = await withLevel(directory, async (level) => {
    const key = (await keysOf(level, 'l'))[2]!
    return [key, (await level.get(key))!]
  })
  for (let at = 0; at < original.length; at++) {
    await withLevel(directory, (level) => changeCharacter(level, key, at))
    const error = await refusal(directory)
    assert.is(error.code, 'TIDEMARK_CORRUPT')
    assert.match(error.message, 'version 3 is damaged')
    await withLevel(directory, (level) => level.put(key, original))
  }
  await (await TimerStore.open(directory)).close()
})

test('a log entry of another history is refused: its chain does not fit', async () => {
  const [directory, other] = [await storedTimers(6), await storedTimers(7)]
  const foreign = await withLevel(other, async (level) => {
    const key = (await keysOf(level, 'l'))[3]!
    return (await level.get(key))!
  })
  await withLevel(directory, async (level) => level.put((await keysOf(level, 'l'))[3]!, foreign))
  assert.is((await refusal(directory)).code, 'TIDEMARK_CORRUPT')
})

test('a store whose log is gone is refused', async () => {
  const directory = await storedTimers(3)
  await withLevel(directory, async (level) => {
    for (const key of await keysOf(level, 'l')) await level.del(key)
  })
  assert.match((await refusal(directory)).message, 'the log is empty')
})

test('a damaged service or store record is refused', async () => {
  for (const key of ['m!store', 'm---']) {
    const directory = await storedTimers(2)
    await withLevel(directory, (level) => changeCharacter(level, key, 3))
    assert.is((await refusal(directory)).code, 'TIDEMARK_CORRUPT')
  }
})

test('an orphan in the due space is found by verify, told and removed, and never fired', async () => {
  const directory = await storedTimers(5)
  // As if LevelDB had brought the due entry back, long after its timer was deleted.
  const zombie = await withLevel(directory, async (level) => {
    const key = (await keysOf(level, 'd'))[2]!
    return [key, (await level.get(key))!] as const
  })
  const store = await TimerStore.open(directory)
  await (await store.service('service')).eventTime.delete({ key: 'key-2', timestamp: 2 })
  await store.close()
  await withLevel(directory, (level) => level.put(...zombie))
  const { fired, told, findings, after } = await fireAll(directory)
  assert.equal(fired, [0, 1, 3, 4])
  assert.equal(told, ['TIDEMARK_CORRUPT'])
  assert.equal(
    findings.map(({ space }) => space),
    ['due'],
  )
  assert.equal(after, [])
})

test('a timer that LevelDB brought back without its due entry is found by verify', async () => {
  const directory = await storedTimers(3)
  const zombie = await withLevel(directory, async (level) => {
    const key = (await keysOf(level, 't'))[0]!
    return [key, (await level.get(key))!] as const
  })
  const store = await TimerStore.open(directory)
  await (await store.service('service')).eventTime.deleteAll({
    key: zombie[0].slice(7, zombie[0].indexOf('\0')),
  })
  await store.close()
  await withLevel(directory, (level) => level.put(...zombie))
  const { findings } = await fireAll(directory)
  assert.equal(findings.map(({ space }) => space).sort(), ['timers', 'timers'])
})

test('a lost timer is found by verify: the log counts one more', async () => {
  const directory = await storedTimers(3)
  await withLevel(directory, async (level) => level.del((await keysOf(level, 't'))[1]!))
  const { findings, fired } = await fireAll(directory)
  assert.equal(findings.map(({ space }) => space).sort(), ['due', 'timers'])
  assert.is(fired.length, 2)
})

test('a damaged timer is found by verify, is not fired, and stops the store before it answers wrongly', async () => {
  const directory = await storedTimers(3)
  await withLevel(directory, async (level) => changeCharacter(level, (await keysOf(level, 't'))[1]!, 0))
  const { findings, outcome } = await fireAll(directory)
  assert.ok(findings.some(({ message }) => /damaged/.test(message)))
  assert.instance(outcome, Error)
  assert.is((outcome as TidemarkError).code, 'TIDEMARK_CORRUPT')
})

test('a damaged due entry is told, found by verify, and passed over', async () => {
  const directory = await storedTimers(3)
  await withLevel(directory, async (level) => changeCharacter(level, (await keysOf(level, 'd'))[1]!, 2))
  const { findings, told, fired } = await fireAll(directory)
  assert.ok(findings.some(({ space }) => space === 'due'))
  assert.equal(told, ['TIDEMARK_CORRUPT'])
  assert.equal(fired, [0, 2])
})

test.run()
