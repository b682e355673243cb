/** Whether a directory has checkpoints of a store that a restore could begin with. */
import fs from 'node:fs'
import path from 'node:path'
import {
  type CheckpointCatalog,
  type CheckpointInfo,
  chainFinder,
  listCheckpoints,
} from '../../checkpoint/catalog.ts'
import { isOwn, latestWhole } from '../../checkpoint/retention.ts'
import { EXIT, exitCodeOf } from '../exitcodes.ts'
import { printable } from '../printable.ts'
import { quoted } from '../storeplace.ts'
import { counted, duration, relative } from '../units.ts'
import { agree, type DoctorFinding, firstOf } from './finding.ts'

const MAX_NAMES = 5

/** What is told of the directory, findings aside. */
export interface CheckpointFacts {
  directory: string
  /** Of this store, and of others. */
  own: number
  others: number
  latest?: { path: string; version: number; createdMs: number; kind: string }
}

/** The store that is looked at; undefined fields where it could not be opened. */
export interface CheckpointsOf {
  storeId: string | undefined
  /** The version that a checkpoint would have now. */
  version: number | undefined
}

export async function checkCheckpoints(
  directory: string,
  store: CheckpointsOf,
  maxAgeMs: number,
  nowMs: number,
): Promise<{ facts: CheckpointFacts; findings: DoctorFinding[] }> {
  const catalog = await listCheckpoints(directory)
  const ofStore = catalog.checkpoints.filter(({ storeId }) => (store.storeId ?? storeId) === storeId)
  const owner = { storeId: store.storeId ?? '', version: store.version ?? Number.POSITIVE_INFINITY }
  const own = store.storeId === undefined ? ofStore : ofStore.filter((one) => isOwn(one, owner))
  const latest = latestWhole(own)
  const facts: CheckpointFacts = {
    directory,
    own: ofStore.length,
    others: catalog.checkpoints.length - ofStore.length,
    ...(latest === undefined
      ? {}
      : {
          latest: {
            path: latest.path,
            version: latest.version,
            createdMs: latest.createdMs,
            kind: latest.kind,
          },
        }),
  }
  const findings = [
    ...age(latest, directory, maxAgeMs, nowMs),
    ...ahead(
      ofStore.filter((one) => !own.includes(one)),
      store.version,
    ),
    ...broken(catalog, directory),
    ...unreadable(catalog),
    ...temporary(catalog),
    ...(await foreign(directory)),
  ]
  return { facts, findings }
}

function age(
  latest: CheckpointInfo | undefined,
  directory: string,
  maxAgeMs: number,
  nowMs: number,
): DoctorFinding[] {
  const why = 'what was registered since the latest checkpoint is lost with the disk'
  const todo =
    'start the service, and have it take checkpoints: store.checkpoints.start({ directory, intervalMs })'
  if (latest === undefined) {
    const what = `${printable(directory)} has no checkpoint from which this store could be restored`
    return [{ code: 'no-checkpoint', severity: 'warning', what, why, todo, commands: [] }]
  }
  if (nowMs - latest.createdMs <= maxAgeMs) return []
  const taken = relative(latest.createdMs, nowMs)
  const what = `the latest checkpoint was taken ${taken}, and --max-age is ${duration(maxAgeMs)}`
  return [{ code: 'old-checkpoint', severity: 'warning', what, why, todo, commands: [] }]
}

/** Checkpoints of a future that the store does not have: its directory was put back. */
function ahead(checkpoints: readonly CheckpointInfo[], version: number | undefined): DoctorFinding[] {
  const newest = checkpoints.at(-1)
  if (newest === undefined) return []
  const told = counted(checkpoints.length, 'checkpoint')
  return [
    {
      code: 'store-behind',
      severity: 'warning',
      what: `${told} up to version ${newest.version}, and the store is at ${version}`,
      why: 'the store was put back to an earlier state, or restored from an older checkpoint: what they hold is not in it',
      todo: 'see whether something of it is missed; they are never removed by retention',
      commands: [`tidemark inspect ${quoted(newest.path)}`],
    },
  ]
}

function broken({ checkpoints }: CheckpointCatalog, directory: string): DoctorFinding[] {
  const chainOf = chainFinder(checkpoints)
  const found = checkpoints.filter((checkpoint) => !chainOf(checkpoint).isWhole)
  if (found.length === 0) return []
  const n = found.length
  const names = firstOf(found.map((one) => printable(path.basename(one.path))))
  return [
    {
      code: 'broken-chain',
      severity: 'warning',
      what: `${counted(n, 'checkpoint')} ${agree(n, 'builds', 'build')} on a missing or another file: ${names}`,
      why: 'nothing can be restored from them',
      todo: 'put the missing file back, or remove what builds on it',
      commands: [`tidemark checkpoints ${quoted(directory)}`],
    },
  ]
}

function unreadable({ unreadable: files }: CheckpointCatalog): DoctorFinding[] {
  return files.map(({ path: file, error }) => {
    const isDamage = exitCodeOf(error) === EXIT.corrupt
    return {
      code: isDamage ? 'damaged-checkpoint' : 'unreadable-checkpoint',
      severity: isDamage ? ('damage' as const) : ('warning' as const),
      what: printable(error.message),
      why: 'nothing can be restored from it, nor from what builds on it',
      todo: 'see what is whole, and what of it',
      commands: [`tidemark verify ${quoted(file)}`],
    }
  })
}

function temporary({ temporary: files }: CheckpointCatalog): DoctorFinding[] {
  if (files.length === 0) return []
  const n = files.length
  const names = firstOf(files.map(printable))
  return [
    {
      code: 'leftover-checkpoints',
      severity: 'notice',
      what: `${counted(n, 'checkpoint')} ${agree(n, 'was', 'were')} never finished: ${names}`,
      why: 'they take disk, and are nothing; unless another store is writing them now',
      todo: 'those of this store go when it takes its next periodic checkpoint; remove others where no store writes',
      commands: [],
    },
  ]
}

async function foreign(directory: string): Promise<DoctorFinding[]> {
  const names = (await fs.promises.readdir(directory)).filter(
    (name) => !/\.tidemark(?:\..*\.tmp)?$/.test(name),
  )
  if (names.length === 0) return []
  const n = names.length
  const told = names.slice(0, MAX_NAMES).map(printable).join(', ')
  return [
    {
      code: 'foreign-files',
      severity: 'notice',
      what: `${counted(n, 'file')} in ${printable(directory)} ${agree(n, 'is', 'are')} no checkpoint: ${told}`,
      why: 'nobody reads them',
      todo: 'move them elsewhere',
      commands: [],
    },
  ]
}
