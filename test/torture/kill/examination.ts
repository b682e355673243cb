/**
 * The examination of what a killed process left: opened again, it holds every acknowledged call and a part of the rest,
 * all that the log says and nothing else, and checkpoints that are what they say.
 */
import { readdir, realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import * as assert from 'uvu/assert'
import { chainFinder } from '../../../src/checkpoint/catalog.ts'
import { openClassicEngine } from '../../../src/engine/classic.ts'
import { type CheckpointInfo, listCheckpoints, TimerStore } from '../../../src/index.ts'
import { checkOptions } from '../../../src/options.ts'
import { decodeTimer } from '../../../src/snapshot/snapshot.ts'
import { ownerOf } from '../../../src/timer/servicename.ts'
import { parseStored } from '../../../src/timer/stored.ts'
import { assertRestored, type Moment } from '../../checkpoint/history.ts'
import { copyAsCrashed } from '../../support/crash.ts'
import { inStore, openStore, type Store, spilled, verified } from '../../support/store.ts'
import type { Chronicle } from './chronicle.ts'
import { type Content, contentOf, digestOf, NO_WATERMARK } from './content.ts'
import { plannedOf } from './definitions.ts'
import { type Line, type Mark, readLedger } from './ledger.ts'
import type { Model, Settled } from './model.ts'
import type { Places } from './order.ts'

/** Two are retained, with three links each at most; others come beside the schedule, and go with its next one. */
const MOST_CHECKPOINTS = 30

export interface Findings extends Settled {
  /** Whether the process had opened its store. */
  wasOpened: boolean
  checkpoints: number
  /** Checkpoints that were held against what was asked for, without being restored. */
  compared: number
  restored: number
  /** Stores that the process had restored itself. */
  restores: number
  /** Restores that left nothing, and those that left something beside their place. */
  restoresLost: number
  leftovers: number
}

export interface Examined {
  places: Places
  life: number
  model: Model
  chronicle: Chronicle
  /** What is known of each line of each life: the sum of what had been asked for. */
  digests: Map<number, number[]>
  /** Temporary files that the lives before had left. */
  temporary: ReadonlySet<string>
  /** Checkpoints that were held against what was asked for in an earlier life. */
  known: Set<string>
  /** Whether to restore every checkpoint; otherwise one. */
  restoreAll: boolean
  /** Whether to open it a second time, as the first one left it. */
  again: boolean
  random: () => number
}

export async function examine(examined: Examined): Promise<Findings> {
  const { places, life, model, chronicle, digests } = examined
  const lines = await readLedger(places.ledger)
  model.beginLife()
  const sums: number[] = [model.digest]
  for (const line of lines) {
    model.read(line)
    sums.push(model.digest)
  }
  digests.set(life, sums)
  const { moment, settled } = await examineStore(examined)
  const findings: Findings = {
    ...settled,
    wasOpened: lines.some(({ is }) => is === 'answered'),
    checkpoints: 0,
    compared: 0,
    restored: 0,
    restores: 0,
    restoresLost: 0,
    leftovers: 0,
  }
  await examineCheckpoints(examined, lines, findings)
  await examineRestores(examined, lines, findings)
  chronicle.forget(Math.min(await oldestVersion(places.checkpoints), moment.version))
  return findings
}

async function examineStore(examined: Examined): Promise<{ moment: Moment; settled: Settled }> {
  const { places, model, chronicle, again } = examined
  const store = await openStore(places.store)
  try {
    const { version } = store.stats()
    await chronicle.extend(places.log, version)
    // What an opening that died had kept, the next one removes.
    const kept = (await readdir(places.store)).filter((name) => name.startsWith('TIDEMARK.kept'))
    assert.equal(kept, [])
    await spilled(store)
    const engine = await openClassicEngine(await realpath(places.store), checkOptions({}).engine, true)
    const moment = await chronicle.check(engine).finally(() => engine.close())
    const content = contentIn(moment)
    assertStats(store, content)
    const settled = model.settle(content, digestOf(content))
    await verified(store)
    if (again) await examineAgain(store, places.store, moment)
    return { moment, settled }
  } finally {
    await store.close()
  }
}

/** By its own account, too, a store holds what was found. */
function assertStats(store: Store, { timers, watermarks }: Content): void {
  const { services } = store.stats()
  let count = 0
  for (const { eventTime, processingTime } of Object.values(services)) count += eventTime + processingTime
  assert.is(count, timers.size)
  for (const [service, watermark] of watermarks) assert.is(services[service]!.watermark, watermark)
}

/** Killed again in the middle of its recovery, it is the same. */
async function examineAgain(store: Store, location: string, moment: Moment): Promise<void> {
  const copy = `${location}-again`
  await copyAsCrashed(location, copy)
  await inStore(copy, {}, async (second) => {
    // What the first one purged meanwhile changes nothing that stands.
    assert.ok(second.stats().version <= store.stats().version)
    assert.ok(second.stats().version >= moment.version - 1)
    assert.equal(second.stats().services, store.stats().services)
    await spilled(second)
    const engine = await openClassicEngine(await realpath(copy), checkOptions({}).engine, true)
    const timers = await engine
      .scan({ from: 't', to: 't\u{10ffff}', limit: 1_000_000 })
      .read()
      .finally(() => engine.close())
    assert.equal(new Map(timers), new Map(moment.timers))
  })
}

/** What stood at a moment, as the ledger calls it. */
function contentIn(moment: Moment): Content {
  const owners = new Map<number, string>()
  const watermarks = new Map<string, number>()
  for (const [id, { name, watermark }] of moment.services.entries()) {
    const owner = ownerOf(name)
    if (owner === undefined) continue
    owners.set(id, owner)
    if (name === owner && watermark !== NO_WATERMARK) watermarks.set(name, watermark)
  }
  const timers = Array.from(moment.timers, ([identity, value]) => {
    const { checksum } = parseStored(identity, value)!
    return plannedOf(decodeTimer(identity, value, checksum, owners))
  })
  const content = contentOf(timers, watermarks)
  assert.is(content.timers.size, timers.length, 'a timer is there twice')
  return content
}

async function examineCheckpoints(
  { places, chronicle, digests, known, restoreAll, random, temporary: before }: Examined,
  lines: readonly Line[],
  findings: Findings,
): Promise<void> {
  const { checkpoints, unreadable, temporary } = await listCheckpoints(places.checkpoints)
  assert.equal(unreadable, [])
  const chainOf = chainFinder(checkpoints)
  for (const one of checkpoints) assert.ok(chainOf(one).isWhole, `${one.path} builds on what is not there`)
  const versions = checkpoints.map(({ version }) => version)
  for (const line of lines) {
    if (line.is === 'completed')
      assert.ok(
        Math.max(...versions) >= line.version,
        `${line.path} was complete, and nothing newer is there`,
      )
  }
  const removable = checkpoints.filter(({ kind }) => kind !== 'savepoint').length
  assert.ok(removable <= MOST_CHECKPOINTS, `${removable} checkpoints: retention does not keep up`)
  const started = lines.findIndex((line) => line.is === 'called' && line.call.kind === 'start')
  const isStarted = lines.some(
    (line, i) => i > started && started >= 0 && line.is === 'answered' && line.id === idAt(lines, started),
  )
  for (const path of temporary) {
    const isOld = before.has(basename(path))
    assert.not(isStarted && isOld, `${path} was left by a life before the last`)
  }
  // By version, as they are listed.
  const sampled = restoreAll ? checkpoints : sample(checkpoints, random)
  const examined = checkpoints.filter((one) => !known.has(one.id) || sampled.includes(one))
  const moments = chronicle.at(examined.map(({ version }) => version))
  for (const checkpoint of examined) {
    const moment = moments.next().value as Moment
    const { life, line } = checkpoint.metadata as Mark
    const asked = digests.get(life)![line]
    assert.is(digestOf(contentIn(moment)), asked, `${checkpoint.path} is not what was asked for`)
    known.add(checkpoint.id)
    findings.compared++
    if (!sampled.includes(checkpoint)) continue
    const target = join(places.restored, `examined-${findings.restored}`)
    await TimerStore.restore(checkpoint.path, target)
    await assertRestored(target, moment)
    findings.restored++
  }
  findings.checkpoints = checkpoints.length
}

function idAt(lines: readonly Line[], at: number): number {
  const line = lines[at]!
  return line.is === 'called' ? line.id : -1
}

function sample<T>(from: readonly T[], random: () => number): T[] {
  // One for every second kill: it takes longer than all the rest.
  return from.length === 0 || random() < 0.5 ? [] : [from[Math.floor(random() * from.length)]!]
}

/** What the process restored is whole, or not there; what is told to be there is. */
async function examineRestores(
  { places, chronicle }: Examined,
  lines: readonly Line[],
  findings: Findings,
): Promise<void> {
  const there = new Set((await readdir(places.restored)).filter((name) => name.startsWith('restored-')))
  const answers = new Map<number, unknown>()
  for (const line of lines) if (line.is === 'answered') answers.set(line.id, line.answer)
  const targets: { name: string; version: unknown }[] = []
  for (const line of lines) {
    if (line.is !== 'called' || line.call.kind !== 'restore') continue
    const name = basename(line.call.target)
    if (answers.has(line.id)) assert.ok(there.has(name), `${name} was restored, and is not there`)
    if (there.has(name)) targets.push({ name, version: answers.get(line.id) })
    else findings.restoresLost++
  }
  for (const { name, version } of targets.slice(-2)) {
    const location = join(places.restored, name)
    const store = await openStore(location)
    const next = store.stats().version + 1
    await store.close()
    assert.is(version ?? next, next)
    const [moment] = chronicle.at([next])
    await assertRestored(location, moment!)
    findings.restores++
  }
}

async function oldestVersion(directory: string): Promise<number> {
  const { checkpoints } = await listCheckpoints(directory)
  return Math.min(...checkpoints.map(({ version }: CheckpointInfo) => version), Number.POSITIVE_INFINITY)
}
