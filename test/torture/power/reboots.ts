// A process under load is recorded, then its power is lost at many moments: at each the disk is rebooted by every model
// of it, and examined.

import { existsSync, mkdirSync, realpathSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { NamesModel } from '../../support/disk.ts'
import { randomFrom } from '../../support/random-generator.ts'
import { temporaryDirectory } from '../../support/tmp.ts'
import { type Operation, readOperations } from '../shim/oplog.ts'
import { startRecorded } from '../shim/shim.ts'
import { type Examination, examine, noSums, type Sums } from './examine.ts'
import { Ledger } from './ledger.ts'
import type { Mark } from './marks.ts'
import { RecordedDisk } from './replay.ts'

export interface Reboots {
  durability: 'disk' | 'os'
  models: readonly NamesModel[]
  tries: number
  seed: number
}

/** Where nothing waits for a disk; what is examined was synced to none. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : undefined
/** Reboots of one recording, for each model. */
const POINTS_PER_RECORDING = 400
/** Rounds in each store of a recording. */
const ROUNDS = 100

export async function rebootMany({
  durability,
  models,
  tries,
  seed,
}: Reboots): Promise<Sums & { tries: number }> {
  const random = randomFrom(seed)
  const sums = noSums()
  let done = 0
  while (done < tries) {
    const recording = Math.floor(random() * 2 ** 31)
    const points = Math.min(POINTS_PER_RECORDING, Math.ceil((tries - done) / models.length))
    const operations = await record(recording, durability)
    await rebootAt(operations, pointsOf(operations, points, random), { durability, models, random, sums })
    done += points * models.length
  }
  return { ...sums, tries: done }
}

/** What a process under load does to its files. */
export async function record(seed: number, durability: 'disk' | 'os', rounds = ROUNDS): Promise<Operation[]> {
  const directory = realpathSync(temporaryDirectory('tidemark-power'))
  const root = join(directory, 'root')
  mkdirSync(root)
  const log = join(directory, 'log')
  const args = [root, String(seed), durability, String(rounds)]
  const child = startRecorded(new URL('./load.ts', import.meta.url), args, root, log)
  const { code } = await child.ended
  if (code !== 0) throw new Error(`the process under load failed:\n${child.output}`)
  const operations = readOperations(log)
  rmSync(directory, { recursive: true })
  return operations
}

/** Moments at random, half of them close to a change of names, or to a promise of much: there most can go wrong. */
function pointsOf(operations: readonly Operation[], count: number, random: () => number): number[] {
  const near: number[] = []
  for (const [i, operation] of operations.entries()) {
    const { kind } = operation
    if (kind === 'mark') {
      const { mark } = JSON.parse(operation.text) as Mark
      if (mark !== 'call' && mark !== 'ack') near.push(i)
    } else if (kind !== 'write' && kind !== 'begin' && kind !== 'end') near.push(i)
  }
  const somewhere = (limit: number) => Math.floor(random() * limit)
  const points = Array.from({ length: count }, () => {
    if (random() < 0.5) return 1 + somewhere(operations.length)
    return Math.min(operations.length, near[somewhere(near.length)]! + 1 + somewhere(4))
  })
  return points.sort((a, b) => a - b)
}

async function rebootAt(
  operations: readonly Operation[],
  points: readonly number[],
  {
    models,
    ...common
  }: Pick<Examination, 'durability' | 'random' | 'sums'> & { models: readonly NamesModel[] },
): Promise<void> {
  const recorded = new RecordedDisk()
  const ledger = new Ledger()
  const removed = new Set<string>()
  const directory = realpathSync(temporaryDirectory('tidemark-power', MEMORY))
  const first = operations[0]!
  const root = first.kind === 'root' ? first.path : ''
  const isNameSynced = (path: string) => recorded.disk.isNameSynced(path)
  let at = 0
  for (const point of points) {
    for (; at < point; at++) {
      const operation = operations[at]!
      recorded.apply(operation)
      if (operation.kind === 'mark') ledger.add(JSON.parse(operation.text) as Mark)
      if (operation.kind === 'unlink') removed.add(relative(root, operation.path))
    }
    for (const model of models) {
      const tree = recorded.disk.reboot(model, common.random)
      const place = join(directory, 'rebooted')
      try {
        await examine({ ...common, tree, place, ledger, removed, isNameSynced })
      } catch (error) {
        const before = operations.slice(Math.max(0, point - 8), point).map(toldOperation)
        const names = [...tree.keys()].join('\n  ')
        const what = `names ${model}, after operation ${point} of ${operations.length}`
        const context = `${what}:\n  ${before.join('\n  ')}\nleft was:\n  ${names}`
        throw new Error(`${(error as Error).message}\n${context}`, { cause: error })
      }
    }
  }
  rmSync(directory, { recursive: true })
}

function toldOperation(operation: Operation): string {
  const { kind } = operation
  if (operation.kind === 'mark') return `mark ${operation.text.slice(0, 200)}`
  if (operation.kind === 'write')
    return `write ${operation.path} ${operation.offset}+${operation.bytes.length}`
  if (operation.kind === 'rename' || operation.kind === 'link')
    return `${kind} ${operation.path} ${operation.to}`
  return `${kind} ${operation.path}`
}
