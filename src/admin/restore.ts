/** `tidemark restore`: a new store out of checkpoints. */
import fs from 'node:fs'
import path from 'node:path'
import { readCheckpointInfo } from '../checkpoint/catalog.ts'
import { fileWithVersion } from '../checkpoint/choice.ts'
import { type RestoreSummary, rehearseRestore, restoreCheckpoint } from '../checkpoint/restore.ts'
import { MARKER_FILE } from '../engine/directory.ts'
import { invalidArgument, TidemarkError } from '../errors.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import { keyGroupRange } from '../timer/keygroup.ts'
import { EXIT } from './exitcodes.ts'
import { printFacts } from './inspectview.ts'
import { printable, shown } from './printable.ts'
import { runAsScript } from './run.ts'
import type { Terminal } from './terminal.ts'
import { bytes, count, counted, duration } from './units.ts'
import { countValue, keyGroupsValue } from './values.ts'
import { defineVerb } from './verb.ts'
import { isMissingLink } from './verification.ts'

export const restore = defineVerb({
  name: 'restore',
  summary: 'makes a new store of a checkpoint, or of those of several stores',
  description:
    'A directory stands for its newest checkpoint; an incremental one is restored with all that it builds on.\n' +
    'Several sources are the parts of what was one store, and are put together. TARGET must not exist: it is there\n' +
    'when all of it is. Key groups are given as one (5), as a range (0-31, 32-), or as the share of an instance,\n' +
    'counted from 0 (0/4 is the first of four): the new store takes timers of these alone.',
  operands: ['FILE|DIR...', 'TARGET'],
  options: {
    'key-groups': {
      type: 'string',
      value: 'RANGE',
      help: 'only timers of these key groups: 5, 0-31, 32- or 0/4',
    },
    version: {
      type: 'string',
      value: 'N',
      help: 'what stood before this version: any that the chain of the checkpoint covers',
    },
    'dry-run': { type: 'boolean', help: 'read and prove all that a restore would, and write nothing' },
  },
  examples: [
    ['restore data/checkpoints data/orders-restored', 'the newest checkpoint of a directory'],
    ['restore data/checkpoints data/before --version 4711', 'what stood before version 4711'],
    [
      'restore a/checkpoints b/checkpoints data/third --key-groups 2/3',
      'two stores, for the last of three instances',
    ],
    [
      'restore data/checkpoints data/orders-restored --dry-run',
      'whether it could be restored, and what would be',
    ],
  ],
  async run({ operands, options }, terminal) {
    const places = operands.slice(0, -1)
    const target = operands.at(-1)!
    for (const place of places) refuseStore(place)
    const version = countValue('version', options.version, 1)
    const keyGroups = await keyGroupsOf(options['key-groups'], places, version)
    const isDryRun = options['dry-run']
    const run = isDryRun ? rehearseRestore : restoreCheckpoint
    let progress = terminal.progress('verifying', 'timers')
    let isBegun = false
    const restoring = run(places, target, {
      signal: terminal.signal,
      ...(version === undefined ? {} : { version }),
      ...(keyGroups === undefined ? {} : { keyGroups }),
      onProgress: ({ timers, total }) => {
        if (!isBegun) progress = terminal.progress(isDryRun ? 'reading' : 'restoring', 'timers', total)
        isBegun = true
        progress.at(timers)
      },
    })
    const summary = await restoring.catch((error) => {
      // The file is there, and a part of its chain is not.
      throw isMissingLink(error)
        ? new TidemarkError('TIDEMARK_CHECKPOINT_CORRUPT', error.message, { cause: error })
        : error
    })
    progress.end()
    tell(summary, target, isDryRun, terminal)
    return EXIT.fine
  },
})

function refuseStore(place: string): void {
  if (!fs.existsSync(path.join(place, MARKER_FILE))) return
  throw invalidArgument(
    `${place} is a store, not a directory of checkpoints: copy it with tidemark export and import, ` +
      'or restore a checkpoint of it',
  )
}

/** A share, or a range without an end, needs to know how many key groups there are. */
async function keyGroupsOf(
  text: string | undefined,
  places: readonly string[],
  version: number | undefined,
): Promise<KeyGroupRange | undefined> {
  if (text === undefined) return undefined
  const share = /^(\d{1,5})\/(\d{1,5})$/.exec(text)
  const open = /^(\d{1,5})-$/.exec(text)
  if (share === null && open === null) return keyGroupsValue('key-groups', text)
  const infoOf = async (place: string) => readCheckpointInfo(await fileWithVersion(place, version))
  if (open !== null) {
    const start = Number(open[1])
    const infos = await Promise.all(places.map(infoOf))
    return { start, end: Math.max(start, ...infos.map(({ keyGroups }) => keyGroups.end)) }
  }
  // Where sources differ in it, the restore itself refuses them.
  const { maxParallelism } = await infoOf(places[0]!)
  const [instance, parallelism] = [Number(share![1]), Number(share![2])]
  if (parallelism >= 1 && parallelism <= maxParallelism && instance < parallelism) {
    return keyGroupRange(maxParallelism, parallelism, instance)
  }
  throw invalidArgument(
    `--key-groups ${text} is no share: instances are counted from 0, and there may be ${maxParallelism} of them at most`,
  )
}

function tell(summary: RestoreSummary, target: string, isDryRun: boolean, terminal: Terminal): void {
  if (terminal.isJson) {
    terminal.json({ target, isDryRun, ...summary })
    return
  }
  const { timers, services, version, keyGroups, checkpoints, durationMs } = summary
  const rate = durationMs > 0 ? `, ${count((timers * 1000) / durationMs)}/s` : ''
  const how = isDryRun ? '' : ` in ${duration(durationMs)}${rate}`
  terminal.print(
    `${isDryRun ? 'would restore' : 'restored'} ${counted(timers, 'timer')}${how}: ${printable(target)}`,
  )
  const fields: [string, string][] = [
    ['services', services.map(shown).join(', ') || 'none'],
    ['version', `${version}, which the next commit has`],
    ['key groups', `${keyGroups.start} to ${keyGroups.end}`],
    ['read', bytes(summary.bytes)],
    ...checkpoints.map((of): [string, string] => ['from', `${printable(of.path)}, version ${of.version}`]),
  ]
  if (summary.metadata !== undefined) fields.push(['metadata', printable(JSON.stringify(summary.metadata))])
  printFacts(terminal, fields)
  if (isDryRun) terminal.print('Nothing was written.')
}

await runAsScript(import.meta.url, restore)
