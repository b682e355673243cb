/** `tidemark migrate`: brings what is stored to the newest format. One of the few verbs that write. */

import { migrations } from '../../migrations/index.ts'
import { claimDirectory, FORMAT_VERSION, readMarker, syncEngineFiles } from '../engine/directory.ts'
import type { Engine } from '../engine/engine.ts'
import {
  type Migration,
  migrate as migrateStore,
  readStoreRecord,
  type StoreRecord,
} from '../engine/migration.ts'
import { openEngine } from '../engine/open.ts'
import { systemFiles } from '../files.ts'
import { loadState } from '../log/tail.ts'
import { checkOptions } from '../options.ts'
import { ownerOf } from '../timer/servicename.ts'
import { EXIT } from './exitcodes.ts'
import { printable, shown } from './printable.ts'
import { runAsScript } from './run.ts'
import { quoted, requireStore } from './storeplace.ts'
import { refuseLocked, requireFiles, withoutFiles } from './storesource.ts'
import type { Terminal } from './terminal.ts'
import { counted, duration } from './units.ts'
import { defineVerb } from './verb.ts'

export const migrate = defineVerb({
  name: 'migrate',
  summary: 'brings a store to the newest stored format',
  description:
    'A service that opens an older store migrates it by itself; this does it beforehand. Each step is written so that\n' +
    'it can be done again: where it was killed it goes on. There is no way back: take a checkpoint before, which every\n' +
    'later version restores. The schemas of services are another matter: a service migrates those when it is started.',
  operands: ['STORE'],
  options: { 'dry-run': { type: 'boolean', help: 'only tell the steps' } },
  examples: [
    ['migrate data/orders --dry-run', 'which steps there would be'],
    ['migrate data/orders', 'do them'],
  ],
  async run({ operands: [place], options }, terminal) {
    await requireStore(place!)
    refuseLocked(place!)
    const startMs = performance.now()
    const told = await withEngine(place!, (engine, realPath) =>
      options['dry-run'] ? look(engine, place!) : run(engine, place!, realPath),
    )
    tell(place!, { ...told, isDryRun: options['dry-run'], durationMs: performance.now() - startMs }, terminal)
    return EXIT.fine
  },
})

interface Told {
  /** Before, as the store's own record says; and as the marker does, which is written first. */
  formatVersion: number
  markedVersion: number | undefined
  steps: { version: number; name: string }[]
  /** Services whose own migration was begun and not ended; undefined where they cannot be read before the steps. */
  halfMigrated: string[] | undefined
}

async function withEngine<T>(
  place: string,
  use: (engine: Engine, realPath: string) => Promise<T>,
): Promise<T> {
  const directory = await claimDirectory(place)
  let engine: Engine | undefined
  try {
    await requireFiles(directory, place)
    engine = await openEngine(place, directory, checkOptions({}).engine)
    return await use(engine, directory.realPath)
  } finally {
    await engine?.close()
    directory.release()
  }
}

async function look(engine: Engine, place: string): Promise<Told> {
  const record = await recordOf(engine, place)
  const steps = stepsFrom(record.formatVersion)
  return {
    formatVersion: record.formatVersion,
    markedVersion: await readMarker(place),
    steps: steps.map(({ version, name }) => ({ version, name })),
    halfMigrated: steps.length === 0 ? await halfMigrated(engine, record) : undefined,
  }
}

async function run(engine: Engine, place: string, realPath: string): Promise<Told> {
  const told = await look(engine, place)
  const record = await migrateStore(systemFiles, engine, realPath, migrations, await recordOf(engine, place))
  await syncEngineFiles(systemFiles, realPath)
  return { ...told, halfMigrated: await halfMigrated(engine, record) }
}

async function recordOf(engine: Engine, place: string): Promise<StoreRecord> {
  const record = readStoreRecord(engine)
  if (record === undefined) throw await withoutFiles(place)
  return record
}

function stepsFrom(formatVersion: number): Migration[] {
  return migrations.filter(({ version }) => version > formatVersion)
}

/** Reading the log of the newest format also proves that the migrated store can be opened. */
async function halfMigrated(engine: Engine, record: StoreRecord): Promise<string[]> {
  const { state } = await loadState(engine, record, checkOptions({}).engine.writeBufferBytes)
  return state.services.flatMap(({ name }) => {
    const owner = ownerOf(name)
    return owner === undefined || owner === name ? [] : [owner]
  })
}

function tell(
  place: string,
  told: Told & { isDryRun: boolean; durationMs: number },
  terminal: Terminal,
): void {
  const { formatVersion, markedVersion, steps, halfMigrated: services, isDryRun, durationMs } = told
  if (terminal.isJson) {
    const head = {
      path: place,
      dryRun: isDryRun,
      formatVersion,
      markedVersion,
      newestVersion: FORMAT_VERSION,
    }
    terminal.json({ ...head, steps, halfMigrated: services ?? null, durationMs })
    return
  }
  const name = printable(place)
  if (steps.length === 0)
    terminal.print(`${name}: has format ${formatVersion}, the newest: nothing is to be done`)
  else {
    const begun =
      markedVersion !== undefined && markedVersion > formatVersion
        ? `; a migration to ${markedVersion} was begun`
        : ''
    terminal.print(
      `${name}: format ${formatVersion}${begun}; ${counted(steps.length, 'step')} to format ${FORMAT_VERSION}`,
    )
    for (const step of steps) terminal.print(`  ${step.version}  ${printable(step.name)}`)
    if (isDryRun)
      terminal.print(`nothing was done: tidemark migrate ${quoted(place)} does it; take a checkpoint before`)
    else terminal.print(`done in ${duration(durationMs)}`)
  }
  for (const service of services ?? []) {
    terminal.print(
      `service ${shown(service)} is half-way to other schemas: start it with the migrate function that began it`,
    )
  }
}

await runAsScript(import.meta.url, migrate)
