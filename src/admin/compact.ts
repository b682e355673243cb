/** `tidemark compact`: gives the disk of what was deleted back. One of the few verbs that write. */
import fs from 'node:fs'
import path from 'node:path'
import { pause, scheduleOn, systemClock } from '../clock.ts'
import { TimerStore } from '../store.ts'
import { EXIT } from './exitcodes.ts'
import { printable } from './printable.ts'
import type { Progress } from './progress.ts'
import { runAsScript } from './run.ts'
import { bytesOf, estimateFreshBytes } from './sizeestimate.ts'
import { filesOf, requireStore } from './storeplace.ts'
import { openStoreDirectory } from './storesource.ts'
import type { Terminal } from './terminal.ts'
import { bytes, count, duration } from './units.ts'
import { defineVerb } from './verb.ts'

const LOOK_INTERVAL_MS = 100
const MAX_LOOKS_IN_VAIN = 50

export const compact = defineVerb({
  name: 'compact',
  summary: 'gives back the disk of what was deleted from a store',
  description:
    'Opens a store that no service has open, purges what is retired, and writes its tables anew without what was\n' +
    'deleted: that takes about as long as copying it. Nothing fires, and a process that is killed meanwhile has\n' +
    'changed nothing that is stored. A store that a service has open does the same by itself, in quiet times.',
  operands: ['STORE'],
  options: { 'dry-run': { type: 'boolean', help: 'only estimate what it would bring' } },
  examples: [
    ['compact data/orders --dry-run', 'what it would bring'],
    ['compact data/orders', 'do it'],
  ],
  async run({ operands: [place], options }, terminal) {
    await requireStore(place!)
    // Opened as the other verbs do first: what is damaged, in use or of another format is told, and not touched.
    const planned = await plan(place!)
    if (options['dry-run']) tellPlan(place!, planned, terminal)
    else tellDone(place!, planned, await run(place!, planned, terminal), terminal)
    return EXIT.fine
  },
})

interface Plan {
  /** Of the directory, and of the tables in it; how large these would be is estimated. */
  bytes: number
  tableBytes: number
  freshBytes: number
  retired: number
}

async function plan(place: string): Promise<Plan> {
  const store = await openStoreDirectory(place)
  try {
    const tableBytes = bytesOf(store.engine)
    const freshBytes = Math.min(await estimateFreshBytes(store), tableBytes)
    return {
      bytes: (await filesOf(place)).bytes,
      tableBytes,
      freshBytes,
      retired: store.state.appliedRetired,
    }
  } finally {
    await store.close()
  }
}

async function run(
  place: string,
  { freshBytes }: Plan,
  terminal: Terminal,
): Promise<{ bytes: number; durationMs: number }> {
  const startMs = performance.now()
  const store = await TimerStore.open(place)
  let failure: Error | undefined
  store.on('error', (error) => {
    failure ??= error
  })
  try {
    await purged(store, () => failure)
    const progress = terminal.progress('writing tables anew', 'bytes', freshBytes)
    await whileTold(place, progress, store.compact())
  } finally {
    await store.close()
  }
  if (failure !== undefined) throw failure
  return { bytes: (await filesOf(place)).bytes, durationMs: performance.now() - startMs }
}

/** Opening has begun to purge what is retired. It ends also where the log counts more than there is. */
async function purged(store: TimerStore, failure: () => Error | undefined): Promise<void> {
  let last = store.stats().retired
  for (let looks = 0; last > 0 && looks < MAX_LOOKS_IN_VAIN && failure() === undefined; looks++) {
    await new Promise<void>((resolve) => scheduleOn(systemClock, LOOK_INTERVAL_MS, resolve))
    const { retired } = store.stats()
    if (retired < last) looks = 0
    last = retired
  }
}

/** Tells meanwhile how much was written: LevelDB numbers its tables as it writes them. */
async function whileTold(place: string, progress: Progress, work: Promise<void>): Promise<void> {
  const newest = Math.max(0, ...(await tablesIn(place)).map(({ number }) => number))
  const done = new AbortController()
  const watch = async () => {
    while (!done.signal.aborted) {
      const written = (await tablesIn(place)).filter(({ number }) => number > newest)
      progress.at(written.reduce((sum, table) => sum + table.bytes, 0))
      await pause(LOOK_INTERVAL_MS, done.signal)
    }
  }
  const watching = watch()
  try {
    await work
  } finally {
    done.abort()
    await watching
    progress.end()
  }
}

async function tablesIn(place: string): Promise<{ number: number; bytes: number }[]> {
  const tables: { number: number; bytes: number }[] = []
  for (const name of await fs.promises.readdir(place)) {
    if (!name.endsWith('.ldb')) continue
    const stats = await fs.promises.stat(path.join(place, name)).catch(() => undefined)
    if (stats !== undefined) tables.push({ number: Number.parseInt(name, 10), bytes: stats.size })
  }
  return tables
}

function tellPlan(
  place: string,
  { bytes: before, tableBytes, freshBytes, retired }: Plan,
  terminal: Terminal,
): void {
  if (terminal.isJson) {
    terminal.json({ path: place, dryRun: true, bytes: before, tableBytes, freshBytes, retired })
    return
  }
  const purge = retired > 0 ? `; ${count(retired)} retired timers would be purged` : ''
  const gain = tableBytes - freshBytes
  terminal.print(
    `${printable(place)}: takes ${bytes(before)}, and would take about ${bytes(before - gain)}${purge}; nothing was done`,
  )
}

function tellDone(
  place: string,
  { bytes: before, retired }: Plan,
  { bytes: after, durationMs }: { bytes: number; durationMs: number },
  terminal: Terminal,
): void {
  if (terminal.isJson) {
    terminal.json({
      path: place,
      dryRun: false,
      bytes: before,
      bytesAfter: after,
      purged: retired,
      durationMs,
    })
    return
  }
  const purge = retired > 0 ? `; ${count(retired)} retired timers purged` : ''
  terminal.print(
    `${printable(place)}: took ${bytes(before)}, takes ${bytes(after)}${purge}; ${duration(durationMs)}`,
  )
}

await runAsScript(import.meta.url, compact)
