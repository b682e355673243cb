// Replaying holds a bounded part of a log, whatever the log is made of.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LogReplayer } from '../../src/checkpoint/replay.ts'
import { Translation } from '../../src/checkpoint/translation.ts'
import { logKey } from '../../src/engine/keyspaces.ts'
import { RESTORE_BATCH_CHARACTERS, RESTORE_BATCH_ENTRIES } from '../../src/limits.ts'
import { encodeEntry, parseEntry } from '../../src/log/entry.ts'
import type { CommitEvent } from '../../src/log/events.ts'
import { ServiceState, StoreState } from '../../src/log/state.ts'
import { keyPrefix, queuePrefix } from '../../src/timer/identity.ts'
import { makeStored, orderTextOf } from '../../src/timer/stored.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { SlowEngine } from '../support/engine.ts'

async function replayerOf(keyGroups: { start: number; end: number }) {
  const engine = await SlowEngine.open()
  const state = new StoreState('store', 128)
  const service = new ServiceState(0, 'service', '{}')
  state.addService(service)
  const translation = new Translation(0, 1, [0])
  const parts = { engine, state, translation, keyGroups, isOnly: true, isWhole: false, onService: () => {} }
  return { engine, state, service, replayer: new LogReplayer(parts) }
}

/** What a commit of some events leaves in the log. */
function entryOf(version: number, service: ServiceState, events: CommitEvent[], watermark?: number) {
  const kept = { oldest: 1, tail: 1, characters: 0 }
  const head = { version, timeMs: 0, kept, anchor: 1, previous: 0, retired: 0 }
  const watermarks = watermark === undefined ? [] : [{ service, watermark }]
  const commit = { version, timeMs: 0, events, totals: [], watermarks, retired: 0 }
  const { value } = encodeEntry(logKey(version), head, commit)
  return { entry: parseEntry(logKey(version), value)!, value }
}

function registered(version: number, place: number, service: ServiceState, payload = ''): CommitEvent {
  const key = keyPrefix(queuePrefix(0, 'eventTime'), place % 128, `key ${place}`)
  const identity = `${key}\0${encodeTimestamp(version)}`
  const timer = makeStored(identity, version, orderTextOf(version, place), version, payload)
  const queue = service.eventTime
  const rest = { previous: undefined, retire: false, dueKey: undefined, atOnce: false }
  return { kind: 'register', queue, identity, timestamp: version, timer, ...rest }
}

test('a log of nothing but watermarks is applied as it comes', async () => {
  const { service, replayer } = await replayerOf({ start: 0, end: 127 })
  const count = 3 * RESTORE_BATCH_ENTRIES
  for (let version = 1; version <= count; version++) {
    const events: CommitEvent[] = [{ kind: 'watermark', service, timestamp: version }]
    await replayer.add(entryOf(version, service, events, version))
    const applied = Math.max(service.decidedWatermark, 0)
    assert.ok(version - applied <= RESTORE_BATCH_ENTRIES, `${version - applied} entries wait`)
  }
  await replayer.flush()
  assert.is(service.decidedWatermark, count)
})

test('so is one whose timers are of other key groups', async () => {
  const { engine, service, replayer } = await replayerOf({ start: 5, end: 5 })
  for (let version = 1; version <= 40; version++) {
    const events = Array.from({ length: 256 }, (_, place) => registered(version, place, service))
    await replayer.add(entryOf(version, service, events, version))
  }
  await replayer.flush()
  assert.is(service.eventTime.decided.count, 80)
  assert.is((await engine.scan({ from: 't', to: 'u', limit: 1000 }).read()).length, 80)
})

test('long payloads are written a few at a time', async () => {
  const { engine, service, replayer } = await replayerOf({ start: 0, end: 127 })
  const payload = JSON.stringify('x'.repeat(60_000))
  for (let version = 1; version <= 60; version++) {
    await replayer.add(entryOf(version, service, [registered(version, 0, service, payload)]))
    const waiting = (version - service.eventTime.decided.count) * payload.length
    assert.ok(waiting <= RESTORE_BATCH_CHARACTERS, `${waiting} characters wait`)
  }
  assert.ok(engine.writes >= 3)
})

test.run()
