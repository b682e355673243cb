/**
 * What a process holds: memory, file descriptors, threads, handles; and that it holds no more after a load than before.
 *
 * - Counted where the system counts it (/proc), after collecting garbage: what is dead holds nothing.
 * - The first use of a store starts what stays for good (LevelDB's thread, the thread pool, compiled code): a small load
 *   comes first, so that before and after are alike.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as v8 from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as assert from 'uvu/assert'
import { TimerStore } from '../../../src/index.ts'
import { withDirectory } from '../../support/store.ts'

export const MIB = 2 ** 20

/** What more may be held afterwards: pieces of freed memory that the allocators keep for themselves. */
const SPARE_HEAP_MIB = 6
const SPARE_ANONYMOUS_MIB = 128

export interface Resources {
  /** JavaScript's objects. */
  heapMib: number
  /** All memory that is no file's: JavaScript's, LevelDB's, what allocators keep. */
  anonymousMib: number
  descriptors: number
  threads: number
  /** What keeps the event loop awake, by kind. */
  active: string
}

v8.setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options?: { type: 'major'; execution: 'sync' }) => void

/** Why nothing can be counted here. */
export function hindrance(): string | undefined {
  return process.platform === 'linux' ? undefined : 'it counts in /proc'
}

export function anonymousMib(): number {
  const status = readFileSync('/proc/self/status', 'latin1')
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)![1]) / 1024
}

export function countDescriptors(): number {
  // Without the one that lists them.
  return readdirSync('/proc/self/fd').length - 1
}

export function heapMib(): number {
  collect()
  return process.memoryUsage().heapUsed / MIB
}

/** Counts what is held once nothing is under way any more. */
export async function countResources(): Promise<Resources> {
  // What closes does so in a later turn, and what is dead may hold what dies after it.
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
  return {
    heapMib: process.memoryUsage().heapUsed / MIB,
    anonymousMib: anonymousMib(),
    descriptors: countDescriptors(),
    threads: readdirSync('/proc/self/task').length,
    active: activeKinds(),
  }
}

function activeKinds(): string {
  const kinds = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  return [...kinds].sort().join(' ')
}

/** Bytes of the files in a directory, and below it. */
export function bytesIn(directory: string): number {
  let bytes = 0
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    // Files come and go while they are listed.
    const found = statSync(join(directory, name), { throwIfNoEntry: false })
    if (found?.isFile()) bytes += found.size
  }
  return bytes
}

export const mib = (bytes: number): string => (bytes / MIB).toFixed(1)

/** Runs `load`, and fails where more is held after it than before. Resolves with what more memory there is, for the table. */
export async function returnsResources(load: () => Promise<void>): Promise<string> {
  await warmUp()
  const before = await countResources()
  await load()
  const after = await countResources()
  const heap = after.heapMib - before.heapMib
  const anonymous = after.anonymousMib - before.anonymousMib
  const told = `then ${signed(heap)} MiB of heap, ${signed(anonymous)} MiB resident, no descriptor or thread more`
  assert.is(after.descriptors, before.descriptors, 'file descriptors')
  assert.is(after.threads, before.threads, 'threads')
  assert.is(after.active, before.active, 'active handles')
  assert.ok(heap < SPARE_HEAP_MIB, told)
  assert.ok(anonymous < SPARE_ANONYMOUS_MIB, told)
  return told
}

function signed(figure: number): string {
  return `${figure < 0 ? '−' : '+'}${Math.abs(figure).toFixed(1)}`
}

let warm: Promise<void> | undefined

function warmUp(): Promise<void> {
  warm ??= useOnce()
  return warm
}

/** Timestamps whose texts are kept once they were written: as many as there can be key groups, and a little more. */
const KEPT_TEXTS = 33_000

/** Uses once all that a load may use. */
async function useOnce(): Promise<void> {
  await withDirectory(async (directory) => {
    const store = await TimerStore.open(join(directory, 'store'), { durability: 'os' })
    const service = await store.service('warm', { onEventTime: () => {} })
    const timers = Array.from({ length: KEPT_TEXTS }, (_, i) => ({ key: `k${i}`, timestamp: i }))
    await service.eventTime.registerMany(timers)
    await store.checkpoint(join(directory, 'checkpoints'))
    await service.advanceWatermark(timers.length)
    await store.compact()
    await store.close()
  })
}
